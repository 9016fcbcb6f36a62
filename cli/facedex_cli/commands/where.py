"""Options that say where things are: the data directory, and the API of a running server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from facedex_local import directory

_Command = TypeVar("_Command", bound=Callable[..., Any])


def data_dir(purpose: str) -> Callable[[_Command], _Command]:
    """``--data-dir``, with what it is for in this command as its help."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="FACEDEX_DATA_DIR",
        default=directory.default,
        show_default="the user's data directory",
        help=purpose,
    )


url: Final = click.option(
    "--url", metavar="URL", help="Where the API is. [default: AWS_ENDPOINT_URL, else `facedex up`]"
)
running: Final = data_dir("Where the running server is looked for.")
