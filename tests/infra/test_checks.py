"""External checks of the template (cdk-nag, cfn-lint), and its reproducibility."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facedex_models.manifests import packs
from tests.infra.conftest import VARIANTS
from tests.infra.synthesis import Synthesis, synthesise

ROOT = Path(__file__).parents[2]


def test_cdk_nag_finds_nothing_unsuppressed(synthesis: Synthesis) -> None:
    assert synthesis.findings == []


def test_cdk_nag_would_find_something(
    default: Synthesis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Check that cdk-nag, called in the same way, finds a deliberate fault."""
    from infra.constructs import uploads

    monkeypatch.setattr(uploads, "accept", lambda *_: None)
    rules = {rule for rule, _ in synthesise({}, tmp_path / "again").findings}
    assert {rule.partition("[")[0] for rule in rules} == {"AwsSolutions-S1", "AwsSolutions-IAM5"}


def test_cfn_lint_finds_nothing(synthesis_of: Any) -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    # All templates in one call, as its start takes most of the time.
    templates = [synthesis_of(name).path for name in VARIANTS]
    run = subprocess.run([program, *templates], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


def test_the_command_in_cdk_json_writes_the_very_same_template(
    default: Synthesis, tmp_path: Path
) -> None:
    """Run the app like ``npx aws-cdk synth``: in a shell, with the context in the environment."""
    command = json.loads((ROOT / "cdk.json").read_text())["app"]
    run = _run(command, {}, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    again = tmp_path / "out" / default.path.name
    assert again.read_bytes() == default.path.read_bytes()


@pytest.mark.usefixtures("default")
def test_a_mistake_in_the_settings_ends_synthesis_with_one_sentence(tmp_path: Path) -> None:
    run = _run(f"{sys.executable} -m infra", {"pack": "dilb"}, tmp_path / "out")
    assert run.returncode == 1
    lines = [line for line in run.stderr.splitlines() if "!!" not in line]
    assert lines == [
        f"facedex: There is no model pack 'dilb'; pack must be one of {', '.join(packs())}."
    ]


def _run(
    command: str, context: dict[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(directory),
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    }
    return subprocess.run(
        command,
        shell=True,
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
