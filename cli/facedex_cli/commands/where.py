"""Options for the data directory, the database, and the URL and region of a running server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from facedex_cli.commands.parameters import Folder, Given
from facedex_local import directory

_Command = TypeVar("_Command", bound=Callable[..., Any])


def data_dir(purpose: str) -> Callable[[_Command], _Command]:
    """Return the option ``--data-dir``.

    Args:
        purpose: help text that describes its use in the command.
    """
    return click.option(
        "--data-dir",
        type=Folder(),
        envvar="FACEDEX_DATA_DIR",
        default=directory.default,
        show_default="the user's data directory",
        help=purpose,
    )


def database_url(purpose: str) -> Callable[[_Command], _Command]:
    """Return the option ``--database-url``.

    Args:
        purpose: help text that describes its use in the command.
    """
    return click.option(
        "--database-url", type=Given(), envvar="FACEDEX_DATABASE_URL", metavar="URL", help=purpose
    )


url: Final = click.option(
    "--url",
    "--endpoint-url",
    "url",
    type=Given(),
    metavar="URL",
    help="URL of the API. [default: AWS_ENDPOINT_URL, else the running `facedex up`]",
)
region: Final = click.option(
    "--region",
    type=Given(),
    metavar="REGION",
    help="Region of the collections. [default: AWS_REGION, AWS_DEFAULT_REGION, else the server's]",
)
running: Final = data_dir("Data directory of the running server.")
