"""The pulled packs of a models directory, each loaded on first use, a few of them at a time."""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from facedex.vision import numbers, packs
from facedex.vision.errors import PackNotInstalled
from facedex.vision.packs import Pack


class Shelf:
    """The packs below a directory; may be used by several threads.

    A pack that is let go is freed once the last request that works with it has ended.

    Args:
        directory: holds the packs, a folder each.
        limit: so many packs are kept loaded; beyond it the least recently used is let go.
    """

    def __init__(self, directory: Path, *, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._loaded: OrderedDict[str, dict[int, Pack]] = OrderedDict()
        self._read: dict[str, tuple[object, str | None]] = {}
        self._lock = Lock()

    def named(self, name: str, *, threads: int) -> Pack:
        """Return the pack of that name, whose networks are loaded when first run.

        Args:
            threads: so many work on each picture; a pack has its sessions for each number.

        Raises:
            PackMissing: it is not here, or cannot be used.
        """
        with self._lock:
            variants = self._loaded.get(name, {})
            if threads not in variants:
                variants[threads] = packs.load(self._directory / name, threads=threads)
            self._loaded[name] = variants
            self._loaded.move_to_end(name)
            while len(self._loaded) > self._limit:
                self._loaded.popitem(last=False)
            return variants[threads]

    def of_version(self, model_version: str, *, threads: int) -> Pack:
        """Return the pack that makes vectors of that FaceModelVersion.

        Raises:
            PackNotInstalled: it is not here.
            PackMissing: it cannot be used.
        """
        with self._lock:
            here = [name for name, kept in self._loaded.items() if _version(kept) == model_version]
        for name in here or self.names(model_version):
            pack = self.named(name, threads=threads)
            if pack.model_version != model_version:  # another version was pulled since
                with self._lock:
                    self._loaded.pop(name, None)
                pack = self.named(name, threads=threads)
            if pack.model_version == model_version:
                return pack
        raise PackNotInstalled(model_version, self.installed())

    def names(self, model_version: str) -> list[str]:
        """Return the names of the packs here that have that FaceModelVersion."""
        return [name for name, version in self.installed().items() if version == model_version]

    def installed(self) -> Mapping[str, str]:
        """Return the FaceModelVersion of each pack here, by name.

        The manifests are read, each once for as long as it is the same file.
        """
        found: dict[str, str] = {}
        for path in sorted(self._directory.glob("[!.]*/pack.toml")):
            name = path.parent.name
            try:
                status = path.stat()
                mark = (status.st_mtime_ns, status.st_size, status.st_ino)
                seen, version = self._read.get(name, (None, None))
                if seen != mark:
                    version = _read_version(path)
                    self._read[name] = (mark, version)
            except OSError:
                continue  # removed, or replaced, at this moment
            if version is not None:
                found[name] = version
        return found


def _version(variants: Mapping[int, Pack]) -> str:
    return next(iter(variants.values())).model_version


def _read_version(path: Path) -> str | None:
    """Return the FaceModelVersion of a manifest, or None where it is none."""
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        return f"{numbers.number(manifest)}.{manifest['version']}"
    except (ValueError, KeyError, TypeError):
        return None
