"""docs/runbook.md covers every alarm, and its commands use settings that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.settings import StackSettings
from tests.infra.conftest import VARIANTS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "runbook.md").read_text("utf-8")
_ALARM = re.compile(r"^Observability(\w+)[0-9A-F]{8}$")


def _sections() -> dict[str, str]:
    """Return the sections about alarms by title, without their first blank line."""
    (part,) = re.findall(r"^## Alarms$(.*)", PAGE, re.MULTILINE | re.DOTALL)
    texts = part.split("\n### ")[1:]
    return {title: text.lstrip("\n") for title, _, text in (each.partition("\n") for each in texts)}


def test_every_alarm_has_a_section_that_begins_with_its_description(synthesis_of: Any) -> None:
    described = {}
    for variant in VARIANTS:
        alarms = synthesis_of(variant).resources("AWS::CloudWatch::Alarm")
        for name, alarm in alarms.items():
            found = _ALARM.match(name)
            assert found, name
            described[found[1]] = alarm["AlarmDescription"]
    sections = _sections()
    assert sections.keys() == described.keys()
    for name, description in described.items():
        first, _, rest = sections[name].partition("\n")
        assert first == f"*{description}*"
        assert len(rest.strip()) > 50, f"{name} does not say what to do"


_PAGES = [each.name for each in sorted(DOCS.glob("*.md")) if " deploy -c" in each.read_text()]


@pytest.mark.parametrize("page", _PAGES)
def test_the_settings_in_the_commands_are_valid(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "global-bundle.pem").write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text("utf-8").replace("\\\n", "").replace("faces.….", "faces.a1.")
    assert not re.findall(r"^ *cdk ", text, re.MULTILINE)  # which need not be installed
    commands = re.findall(r"aws-cdk(?:@2)? (?:deploy|diff|synth|destroy)(.*)", text)
    found = [dict(re.findall(r"-c '?(\w+)=([^\s…`']+)(?=[\s`']|$)", each)) for each in commands]
    assert any(found)
    for settings in found:
        # Without its name, an example would change another deployment: facedex-dev.
        assert "environment" in settings or not settings, settings
        StackSettings.from_context(settings)


def test_an_upgrade_and_its_return_keep_the_settings_in_cdk_json(tmp_path: Path) -> None:
    """Otherwise the next deployment would have the defaults, and no retained database."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    _git(theirs, "git init -q")
    for version in ("v0.1.0", "v0.2.0"):
        (theirs / "cdk.json").write_text('{"app": "python"}')
        (theirs / "code").write_text(version)
        _git(theirs, f"git add . && git commit -qm {version} && git tag {version}")
    _git(tmp_path, f"git clone -q {theirs} {ours} && cd {ours} && git checkout -q v0.1.0")
    settings = {"retention": "retain"}
    (ours / "cdk.json").write_text(json.dumps({"app": "python", "context": settings}))

    def run(pattern: str) -> tuple[str, Any]:
        (command,) = re.findall(pattern, PAGE, re.MULTILINE)
        _git(ours, command)
        return (ours / "code").read_text(), json.loads((ours / "cdk.json").read_text())["context"]

    assert run(r"^ +(git switch -c .*)$") == ("v0.1.0", settings)
    assert run(r"^(git switch prod .*?)(?: *#.*)?$") == ("v0.2.0", settings)
    assert run(r"`(git checkout [^`]*)`") == ("v0.1.0", settings)


def _git(directory: Path, command: str) -> None:
    person = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.com"))
    }
    subprocess.run(
        ["/bin/bash", "-ec", command],
        cwd=directory,
        env={**os.environ, **person, "GIT_CONFIG_GLOBAL": os.devnull},
        check=True,
        capture_output=True,
    )
