"""The packs that collections of earlier days need, beside the default one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from facedex_models import installing, manifests
from facedex_models.errors import ModelError
from facedex_models.fetching import Progress
from facedex_models.manifests import Manifest


def have(downloads: Callable[[], AbstractContextManager[Progress]]) -> None:
    """Pull the packs of existing collections that are free for any use, and warn of the others.

    Whatever cannot be had, everything else is served.

    Args:
        downloads: shows progress while a pack is pulled.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    from facedex.runtime import services
    from facedex.store import collections

    with services.database().reading() as connection:
        wanted = collections.count_by_model(connection)
    for model_version, count in wanted.items():
        found = manifests.named(model_version)
        if found is None:
            if model_version not in services.shelf().installed().values():
                _warn(count, f"the model {model_version}, which this release does not have")
        elif installing.current(found) is None:
            _pull(found, count, downloads)


def _pull(
    wanted: Manifest, count: int, downloads: Callable[[], AbstractContextManager[Progress]]
) -> None:
    if not (wanted.commercial_use or installing.is_accepted(wanted)):
        _warn(
            count,
            f"the model pack {wanted.name}, which is not for commercial use; if you accept its"
            f" licence run: facedex models pull {wanted.name} --accept-license",
        )
        return
    try:
        with downloads() as report:
            installing.pull(wanted.name, progress=report)
    except ModelError as error:
        _warn(count, f"the model pack {wanted.name}, which cannot be had: {error}")


def _warn(count: int, reason: str) -> None:
    what = "1 collection needs" if count == 1 else f"{count} collections need"
    click.echo(f"note: {what} {reason}", err=True)
