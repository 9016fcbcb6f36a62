"""The packs that are used in addition to the default pack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import click

from facedex.printing import counted
from facedex_models import installing, manifests
from facedex_models.fetching import Progress
from facedex_models.manifests import Manifest
from facedex_models.model_errors import ModelError


def pull_attributes(downloads: Callable[[], AbstractContextManager[Progress]]) -> None:
    """Pull the attributes pack if it is missing, and print a note if that is impossible.

    The server starts without this pack. Only requests for attributes other than the default ones
    need it.

    Args:
        downloads: shows the progress of the download.
    """
    wanted = manifests.attributes()
    if installing.current(wanted) is not None:
        return
    try:
        with downloads() as report:
            installing.install(wanted, progress=report)
    except ModelError as error:
        click.echo(
            f"note: requests for all attributes of faces need the model pack {wanted.name}, which"
            f" could not be installed: {error}",
            err=True,
        )


def pull_missing(downloads: Callable[[], AbstractContextManager[Progress]]) -> None:
    """Pull the missing packs of existing collections, and print a note if that is impossible.

    A pack whose licence forbids commercial use is pulled only if the user has accepted the
    licence. The server starts without the packs that are missing.

    Args:
        downloads: shows the progress of a pack's download.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    from facedex.runtime import model_packs, services
    from facedex.store import collections

    with services.database().reading() as connection:
        wanted = collections.count_by_model(connection)
    for model_version, count in wanted.items():
        found = manifests.named(model_version)
        if found is None:
            if model_version not in model_packs.shelf().installed().values():
                _warn(count, f"the model {model_version}, which this release does not contain")
        elif installing.current(found) is None:
            _pull(found, count, downloads)


def _pull(
    wanted: Manifest, count: int, downloads: Callable[[], AbstractContextManager[Progress]]
) -> None:
    if not (wanted.commercial_use or installing.is_accepted(wanted)):
        _warn(
            count,
            f"the model pack {wanted.name}, which is not for commercial use; if you accept its"
            f" licence, run: facedex models pull {wanted.name} --accept-license",
        )
        return
    try:
        with downloads() as report:
            installing.pull(wanted.name, progress=report)
    except ModelError as error:
        _warn(count, f"the model pack {wanted.name}, which could not be installed: {error}")


def _warn(count: int, reason: str) -> None:
    what = counted(count, "collection needs", "collections need")
    click.echo(f"note: {what} {reason}", err=True)
