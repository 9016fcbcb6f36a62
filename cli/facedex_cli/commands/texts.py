"""Types of arguments and options that hold a text or a place."""

from __future__ import annotations

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
