"""The model packs of a process: found on first use, and then kept."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from facedex import invocation
from facedex.api.errors import InvalidParameterException
from facedex.settings import Settings, settings

if TYPE_CHECKING:
    from facedex.store.collections import Collection
    from facedex.vision.attributes.networks import AttributePack
    from facedex.vision.packs import Pack
    from facedex.vision.shelf import Shelf

# Requests run in parallel threads: without this lock, two first requests would each load the packs.
_making = Lock()


def pack() -> Pack:
    """Return the default model pack."""
    return pack_named(settings().pack)


def pack_of(collection: Collection) -> Pack:
    """Return the model pack that made a collection's vectors.

    Raises:
        InvalidParameterException: if the pack is not installed here.
        PackMissing: if the pack cannot be used.
    """
    from facedex.vision.vision_errors import PackNotInstalled

    try:
        return pack_for(collection.model_version)
    except PackNotInstalled as error:
        raise InvalidParameterException(
            f"The collection {collection.collection_id} was made with {error.what}, which is not"
            f" installed here; {error.remedy}. `facedex collections upgrade` moves a collection to"
            " another pack."
        ) from error


def pack_for(model_version: str) -> Pack:
    """Return the model pack whose vectors have this FaceModelVersion.

    Raises:
        PackNotInstalled: if the pack is not installed here.
        PackMissing: if the pack cannot be used.
    """
    return shelf().of_version(model_version, threads=_threads())


def pack_named(name: str) -> Pack:
    """Return the model pack of that name.

    Raises:
        PackMissing: if the pack cannot be used.
    """
    return shelf().named(name, threads=_threads())


def shelf(current: Settings | None = None) -> Shelf:
    """Return the model packs of this process.

    Args:
        current: the settings to use if the environment does not have all of them yet.
    """
    current = current or settings()
    with _making:
        return _shelf(current.models, current.loaded_packs)


def attributes() -> AttributePack | None:
    """Return the pack that measures further attributes of faces, or None if it is not installed.

    Raises:
        PackMissing: if the pack is incomplete.
    """
    from facedex.vision.attributes.networks import NAME

    directory = settings().models / NAME
    try:
        installed = (directory / "pack.toml").stat().st_mtime_ns
    except OSError:
        return None
    with _making:
        return _attributes(directory, _threads(), installed)


def _threads() -> int:
    """Return how many threads process an invocation's image.

    While other invocations are running, each has one thread, whatever the setting: several images
    with one thread each take less time than the same images with threads that compete for cores.
    """
    return settings().threads if invocation.under_way() < 2 else 1


@cache
def _shelf(models: Path, limit: int) -> Shelf:
    # Imported here: functions that need no pack need no NumPy either.
    from facedex.vision.shelf import Shelf

    return Shelf(models, limit=limit)


# One for each number of threads, and the pack that was pulled again meanwhile.
@lru_cache(maxsize=4)
def _attributes(directory: Path, threads: int, _installed: int) -> AttributePack | None:
    from facedex.vision.attributes import networks

    return networks.load(directory, threads=threads)
