"""docs/settings.md lists every setting of one machine, with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from facedex.setting_reader import SettingError
from facedex.settings import Settings
from facedex_cli.program import main
from facedex_local.environment import configure
from facedex_local.workers import stream_workforce, video_workforce

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "settings.md").read_text("utf-8")
_ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", _PAGE, flags=re.MULTILINE))
_SOURCES = ("layers", "functions", "local", "cli")
# Set by the product itself, or by the stack for functions on Lambda.
_INTERNAL = {
    "FACEDEX_ACCOUNT",
    "FACEDEX_DATABASE_AUTH",
    "FACEDEX_DATABASE_POOLED",
    "FACEDEX_DATABASE_SECRET",
    "FACEDEX_DEPLOYMENT",
    "FACEDEX_DISK",
    "FACEDEX_GALLERY_DIRECTORY",
    "FACEDEX_OWN_KEY",
    "FACEDEX_OWN_SERVICES",
    "FACEDEX_PRIVATE_PORT",
    "FACEDEX_RATE_FILE",
    "FACEDEX_SERVER",
    "FACEDEX_STREAM_QUEUE",
    "FACEDEX_TOPICS",
    "FACEDEX_UPLOADS_DEAD_LETTERS",
    "FACEDEX_UPLOADS_QUEUE",
    "FACEDEX_VIDEO_QUEUE",
    "FACEDEX_WORKER",
}


def read() -> Iterator[str]:
    for source in _SOURCES:
        for file in (_ROOT / source).rglob("*.py"):
            yield from re.findall(r'"(FACEDEX_[A-Z_]+)"', file.read_text("utf-8"))


def test_the_page_lists_the_variables_that_are_read() -> None:
    listed = {name for name in _ROWS if name.startswith("FACEDEX_")}
    assert listed == set(read()) - _INTERNAL


def test_the_page_has_the_defaults_of_settings() -> None:
    environment = {"FACEDEX_DATABASE_URL": "-"}
    configure(
        models=Path("/models"),
        pack="sface-dlib",
        own_url="http://127.0.0.1:9000",
        s3_url="http://127.0.0.1:40000",
        environment=environment,
    )
    settings = Settings.from_environment(environment)
    compared = 0
    for name, shown in _ROWS.items():
        field = "region" if name == "AWS_REGION" else name.removeprefix("FACEDEX_").lower()
        number = shown.isdecimal() and hasattr(settings, field)
        if number or (shown.startswith("`") and hasattr(settings, field) and field != "metrics"):
            value = getattr(settings, field)
            assert shown.strip("`") == (
                str(value).lower() if isinstance(value, bool) else str(value)
            )
            compared += 1
    assert compared >= 24


def options(command: click.Command) -> Iterator[click.Option]:
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from options(each)
    yield from (each for each in command.params if isinstance(each, click.Option))


def test_the_page_has_the_defaults_of_options() -> None:
    compared = set()
    for option in options(main):
        shown = _ROWS.get(option.envvar) if isinstance(option.envvar, str) else None
        if shown and isinstance(option.default, str | int):
            assert shown.strip("`") == str(option.default).lower(), option.envvar
            compared.add(option.envvar)
    assert len(compared) >= 7


@pytest.mark.parametrize("workforce", [video_workforce, stream_workforce])
@pytest.mark.parametrize("value", ["many", "-1"])
def test_an_invalid_number_of_workers_is_refused_in_one_sentence(
    workforce: object, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "FACEDEX_VIDEO_WORKERS" if workforce is video_workforce else "FACEDEX_STREAM_WORKERS"
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as refused:
        workforce.workforce()  # type: ignore[attr-defined]
    assert str(refused.value) == f"{name} must be a whole number of at least 0, not '{value}'."
