"""What the arguments and options of every command have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from facedex_cli.program import main


def commands(group: click.Group, *names: str) -> Iterator[tuple[list[str], click.Command]]:
    """Yield every command of a group and of its groups, with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield [*names, name], command


def options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


COMMANDS = [pytest.param(*each, id=" ".join(each[0])) for each in commands(main)]


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_help_names_the_environment_variables_of_options(
    words: list[str], command: click.Command
) -> None:
    named = [each.envvar for each in options(command) if each.envvar]
    variables = {name for each in named for name in ([each] if isinstance(each, str) else each)}
    shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert {name for name in variables if name not in shown.output} == set()


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_the_url_of_the_api_has_the_same_two_names_everywhere(
    words: list[str], command: click.Command
) -> None:
    for each in options(command):
        if {"--url", "--endpoint-url"}.intersection(each.opts):
            assert set(each.opts) == {"--url", "--endpoint-url"}, words


@pytest.mark.parametrize(
    "command",
    [
        ["import", "", "--collection=staff", "--url=http://127.0.0.1:9"],
        ["collections", "upgrade", "staff", "--from="],
    ],
    ids=lambda command: command[0],
)
def test_an_empty_source_is_not_the_current_folder(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    (tmp_path / "postgres").mkdir()
    done = CliRunner().invoke(main, [*command, f"--data-dir={tmp_path}"])
    assert done.exit_code == 1
    assert done.stderr == "Error: '' is not a folder, nor s3://BUCKET/PREFIX.\n"


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_an_empty_place_does_not_select_the_default(
    words: list[str], command: click.Command
) -> None:
    places = {"--data-dir", "--database-url", "--url", "--region"}
    for name in places.intersection(*[{opt for each in options(command) for opt in each.opts}]):
        if (words, name) == (["keys", "sign"], "--region"):
            continue  # it has a default of its own
        refused = CliRunner().invoke(main, [*words, f"{name}="])
        assert refused.exit_code == 2, name
        assert "It is empty; leave the option out to use its default." in refused.stderr


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_text_that_is_not_utf_8_is_refused(words: list[str], command: click.Command) -> None:
    for each in command.params:
        if isinstance(each.type, click.types.StringParamType) and each.name != "source":
            option = each.opts[:1] if isinstance(each, click.Option) else []
            refused = CliRunner().invoke(main, [*words, *option, "a\udcff"])
            assert refused.exit_code == 2, each.name
            assert "a\\xdcff has bytes that are not UTF-8." in " ".join(refused.stderr.split())


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_number_that_is_none_is_refused(words: list[str], command: click.Command) -> None:
    for each in options(command):
        if isinstance(each.type, click.FloatRange):
            refused = CliRunner().invoke(main, [*words, f"{each.opts[0]}=nan"])
            assert refused.exit_code == 2, each.name
            assert "nan is not a number." in refused.stderr
