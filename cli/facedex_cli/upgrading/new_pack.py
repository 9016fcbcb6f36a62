"""The pack that a collection is moved to, found among the pulled ones or pulled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from facedex.vision.packs import Pack
from facedex.vision.shelf import Shelf
from facedex_models import installing, manifests
from facedex_models.fetching import Progress


def load(name: str, downloads: Callable[[], AbstractContextManager[Progress]]) -> Pack:
    """Return the pack, pulled first where it is not installed.

    Args:
        name: the pack's name.
        downloads: shows the progress of a download while its block runs.

    Raises:
        ModelError: if it cannot be pulled.
        PackMissing: if it cannot be used, or has no calibration to search with.
    """
    if name in manifests.packs() or name not in shelf().installed():
        with downloads() as report:
            installing.install(manifests.manifest(name), progress=report)
    # One thread processes a photo; several photos are processed at once.
    loaded = shelf().named(name, threads=1)
    _ = loaded.calibration
    return loaded


def shelf() -> Shelf:
    """Return the installed packs."""
    return Shelf(installing.models_directory(), limit=1)


def model_version(name: str) -> str:
    """Return the FaceModelVersion of a pack of this release, or else of an installed one."""
    if name in manifests.packs():
        return manifests.manifest(name).model_version
    return shelf().installed().get(name) or manifests.manifest(name).model_version


def described(pack: Pack) -> str:
    """Return a pack's name and version for a message."""
    return f"{pack.name} ({pack.model_version})"
