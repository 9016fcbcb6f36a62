"""The pulled packs of a models directory: loaded on first use, a limited number at a time."""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from facedex.vision import numbers, packs
from facedex.vision.packs import Pack
from facedex.vision.vision_errors import PackNotInstalled


class Shelf:
    """The packs of a directory; thread-safe.

    An unloaded pack is freed when the last request that uses it has ended.

    Args:
        directory: folder with one subfolder for each pack.
        limit: maximum number of loaded packs; the least recently used pack is unloaded first.
    """

    def __init__(self, directory: Path, *, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._loaded: OrderedDict[str, dict[int, Pack]] = OrderedDict()
        self._read: dict[str, tuple[object, str | None]] = {}
        self._lock = Lock()

    def named(self, name: str, *, threads: int) -> Pack:
        """Return the pack of that name; its networks are loaded when they are first run.

        Args:
            name: name of the pack.
            threads: ONNX Runtime threads for each image; the pack has separate sessions for each
                number of threads.

        Raises:
            PackMissing: if the pack is not installed or cannot be used.
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
        """Return the pack with a FaceModelVersion.

        Args:
            model_version: the FaceModelVersion.
            threads: ONNX Runtime threads for each image.

        Raises:
            PackNotInstalled: if no pack with that version is installed.
            PackMissing: if the pack cannot be used.
        """
        with self._lock:
            loaded = [
                name
                for name, variants in self._loaded.items()
                if _version(variants) == model_version
            ]
        for name in loaded or self.names(model_version):
            pack = self.named(name, threads=threads)
            if pack.model_version != model_version:  # another version was pulled in the meantime
                with self._lock:
                    self._loaded.pop(name, None)
                pack = self.named(name, threads=threads)
            if pack.model_version == model_version:
                return pack
        raise PackNotInstalled(model_version, self.installed())

    def names(self, model_version: str) -> list[str]:
        """Return the names of the installed packs with a FaceModelVersion."""
        return [name for name, version in self.installed().items() if version == model_version]

    @property
    def loaded(self) -> int:
        """The number of loaded packs."""
        return len(self._loaded)

    def installed(self) -> Mapping[str, str]:
        """Return the FaceModelVersion of each installed pack, by name.

        Each manifest is read again only if the file has changed.
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
                continue  # removed or replaced concurrently
            if version is not None:
                found[name] = version
        return found


def _version(variants: Mapping[int, Pack]) -> str:
    return next(iter(variants.values())).model_version


def _read_version(path: Path) -> str | None:
    """Return the FaceModelVersion of a manifest, or None if the manifest is invalid."""
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        return f"{numbers.number(manifest)}.{manifest['version']}"
    except (ValueError, KeyError, TypeError):
        return None
