"""Types of arguments and options: texts, places and numbers, which are checked before any work."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

import click

from facedex.printing import printable

_EMPTY = "It is empty; leave the option out to use its default."


class Text(click.types.StringParamType):
    """A text that requests and the database can carry."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse bytes that are not UTF-8, which Python reads as halves of surrogate pairs."""
        text: str = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{printable(text)} has bytes that are not UTF-8.", param, ctx)
        return text


class Number(click.FloatRange):
    """A number of a range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse "nan", which no comparison with a limit of the range excludes."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Given(Text):
    """A text that is not empty: an unset variable of a script does not select the default."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse an empty text."""
        if value == "":
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class Folder(click.Path):
    """A folder, which need not exist; an unset variable of a script is not the current one."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        if value == "":
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


def complete(command: click.Command) -> None:
    """Complete the parameters of a command and its subcommands with what all of them have.

    The help names environment variables. Texts are UTF-8, except the name of a folder, a photo or a
    film, which may have any bytes. Numbers are numbers.
    """
    for parameter in _parameters(command):
        if isinstance(parameter, click.Option):
            parameter.show_envvar = True
        kind = parameter.type
        if kind is click.STRING and parameter.name != "source":
            parameter.type = Text()
        elif type(kind) is click.FloatRange:
            parameter.type = Number(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)


def _parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _parameters(each)
