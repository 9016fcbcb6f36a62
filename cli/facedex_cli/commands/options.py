"""Options that ``up`` and ``demo`` share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from facedex.settings import DEFAULT_PACK
from facedex_cli.commands import where
from facedex_local.machine import Options

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on. Without access keys, every client that can reach it has full"
        " access.",
    ),
    click.option(
        "--port",
        default=9000,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 selects a free port.",
    ),
    where.data_dir("Directory of the database."),
    where.database_url("URL of your own Postgres with pgvector, used instead of the embedded one."),
    click.option(
        "--pack",
        "--models",
        "pack",
        envvar="FACEDEX_PACK",
        default=DEFAULT_PACK,
        show_default=True,
        metavar="PACK",
        help="Default model pack, for new collections without the tag facedex:pack and for requests"
        " without a collection. See: facedex models list",
    ),
    click.option(
        "--threads",
        default=16,
        show_default=True,
        type=click.IntRange(1, 256),
        help="Number of requests that run at the same time.",
    ),
)


def machine_options(*, log: bool) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the server's options and passes them as ``options``.

    Args:
        log: whether requests are logged by default.
    """
    logging = click.option(
        "--log/--no-log", default=log, show_default=True, help="Log a line per request on stderr."
    )

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def run(
            *,
            host: str,
            port: int,
            data_dir: Path,
            database_url: str | None,
            pack: str,
            threads: int,
            log: bool,
            **others: Any,
        ) -> Any:
            options = Options(data_dir, host, port, database_url, pack, threads, log)
            return command(options=options, **others)

        decorated: Any = run
        for option in reversed((*_OPTIONS, logging)):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate
