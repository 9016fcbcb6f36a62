"""Layers and functions' code as directories, built once for the same input.

They are stored in the user's cache directory under the digest of their input. Equal input gives
equal bytes: files are sorted, without bytecode, timestamps or an installer's records.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Trigger
from facedex_models import installing, manifests
from facedex_models.model_errors import ModelError
from infra.packages import distributions, elf
from infra.packages.layout import Layer, layout
from infra.packages.targets import PackageError, Target

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = {"facedex": _ROOT / "layers" / "facedex" / "facedex"}
_FUNCTIONS: Final = _ROOT / "functions" / "facedex_functions"
_CONSOLE: Final = _ROOT / "local" / "facedex_local" / "console"
# Lambda's limit for a function and its layers, unzipped.
LARGEST: Final = 250 * 1024 * 1024
# Files of a pulled pack that the vision package reads besides the networks; the last exists if the
# user has calibrated the pack.
_PACK_FILES: Final = ("pack.toml", "calibration.toml")
_UNUSED: Final = 30 * 24 * 3600.0  # seconds after which an unused directory is removed
_BUILD: Final = 4  # raised when the same input gives different files than before

Say = Callable[[str], None]


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def cache_directory() -> Path:
    """Return the directory of built packages."""
    return platformdirs.user_cache_path("facedex") / "packages"


def layers(
    target: Target,
    *,
    packs: Sequence[str],
    directory: Path | None = None,
    say: Say = _print_line,
) -> Mapping[str, Path]:
    """Return the layers by name, as directories for ``/opt``; build those that are missing.

    Args:
        target: the runtime that they are for.
        packs: names of the model packs in them.
        directory: where they are kept, if not in the user's cache directory.
        say: called with a line about each build.

    Raises:
        PackageError: if there is no network, no wheel for the target, no such pack, or a full disk.
    """
    kept = directory or cache_directory()
    return {
        name: _model_layer(name, packs, kept, say)
        if not row.packages
        else _package_layer(name, row, target, kept, say)
        for name, row in layout().items()
    }


def function(name: str, *, directory: Path | None = None) -> Path:
    """Return the directory of one function's own code, for ``/var/task``.

    Args:
        name: a function of the catalog.
        directory: where it is kept, if not in the user's cache directory.

    Raises:
        PackageError: if the catalog has no such function, or it cannot be written.
    """
    operations = {row.function for row in OPERATIONS.values()}
    if name not in operations | set(OTHER_FUNCTIONS):
        raise PackageError(f"The catalog has no function {name!r}.")
    reached = {name}
    if name in OTHER_FUNCTIONS and OTHER_FUNCTIONS[name].trigger is Trigger.GATEWAY:
        reached |= operations
    sources = {"facedex_functions/__init__.py": _FUNCTIONS / "__init__.py"} | {
        f"facedex_functions/{path.relative_to(_FUNCTIONS).as_posix()}": path
        for folder in sorted(reached)
        for path in _files(_FUNCTIONS / folder)
    }
    if name in OTHER_FUNCTIONS and OTHER_FUNCTIONS[name].trigger is Trigger.PAGES:
        sources |= {
            f"facedex_functions/{name}/files/{path.name}": path
            for path in _files(_CONSOLE)
            if path.suffix != ".py"
        }
    fill = partial(_copy, sources)
    return _cached(directory or cache_directory(), name, _digests(sources), fill, lambda _: None)


def layer_of(name: str, sources: Mapping[str, Path], *, directory: Path | None = None) -> Path:
    """Return the directory, for ``/opt``, of a layer of single files.

    Args:
        name: of the layer.
        sources: the files by their places in the layer.
        directory: where it is kept, if not in the user's cache directory.

    Raises:
        PackageError: if it cannot be written.
    """
    fill = partial(_copy, sources)
    return _cached(directory or cache_directory(), name, _digests(sources), fill, lambda _: None)


def _package_layer(name: str, row: Layer, target: Target, kept: Path, say: Say) -> Path:
    requirements = distributions.locked(distributions.pins(row.packages, target))
    own = {
        f"python/{row.source}/{path.relative_to(source).as_posix()}": path
        for source in ([_SOURCES[row.source]] if row.source else [])
        for path in _files(source)
    }
    table = {key: sorted(value) for key, value in asdict(row).items()}
    made_of = [requirements, asdict(target), table, _digests(own)]
    title = f"{name}-{target.architecture}-{target.python}"

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pip-") as scratch:
            installed = Path(scratch) / "installed"
            distributions.install(requirements, target, installed, scratch=Path(scratch))
            _require_complete(installed, name, target)
            wanted = {
                f"python/{path.relative_to(installed).as_posix()}": path
                for path in _files(installed)
                if row.takes(path.relative_to(installed).as_posix())
            }
            # With PyAV's libraries as published, a function for video exceeds Lambda's limit, or
            # leaves no room for a second model pack.
            for path in filter(elf.is_shared_library, wanted.values()):
                path.write_bytes(elf.compact(path.read_bytes()))
            _copy(wanted | own, folder)

    return _cached(kept, title, made_of, fill, say)


def _require_complete(installed: Path, name: str, target: Target) -> None:
    rows = layout().values()
    given = [each for row in rows for each in (*row.packages, *row.without)]
    missing = distributions.unmet(installed, target, given=given)
    if missing:
        wanted = "; ".join(f"{each}, for {', '.join(by)}" for each, by in missing.items())
        raise PackageError(
            f"The layer {name} needs what no layer has: {wanted}. Add it to packages, or to"
            " without, in infra/packages/layers.toml."
        )


def require_fit(built: Mapping[str, Path], function_name: str, used: Sequence[str]) -> None:
    """Make sure that a function fits into Lambda with its layers.

    Args:
        built: the layers by name.
        function_name: a function of the catalog.
        used: the names of its layers.

    Raises:
        PackageError: if the function does not fit.
    """
    unzipped = sum(size(built[each]) for each in used) + size(function(function_name))
    if unzipped > LARGEST:
        raise PackageError(
            f"The function {function_name} has {unzipped / 2**20:.0f} MiB with its layers, and"
            f" Lambda takes {LARGEST / 2**20:.0f}; name fewer or smaller model packs in the setting"
            " packs."
        )


def _model_layer(name: str, packs: Sequence[str], kept: Path, say: Say) -> Path:
    sources: dict[str, Path] = {}
    for pack in packs:
        try:
            if installing.installed(pack) is None:
                say(f"fetching the model pack {pack} …")
            pulled = installing.pull(pack)
        except ModelError as error:
            raise PackageError(str(error)) from error
        files = *_PACK_FILES, *manifests.described(pack).files
        sources |= {
            f"models/{pack}/{file}": pulled / file for file in files if (pulled / file).is_file()
        }
    title = "-".join((name, *packs))
    return _cached(kept, title, _digests(sources), partial(_copy, sources), say)


def _cached(
    kept: Path, title: str, made_of: object, fill: Callable[[Path], None], say: Say
) -> Path:
    """Return the directory of this title and input; fill it if it is missing."""
    text = json.dumps([_BUILD, title, made_of], sort_keys=True)
    built = kept / f"{title}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        if not built.is_dir():
            with FileLock(kept / f".{title}.lock"):
                if not built.is_dir():
                    _build(built, title, fill, say)
                    _remove_old(kept, title)
        os.utime(built)
    except OSError as error:
        raise PackageError(
            f"{error.filename or kept} cannot be written ({error.strerror}); free some room, or"
            " name another cache directory with XDG_CACHE_HOME."
        ) from error
    return built


def _build(built: Path, title: str, fill: Callable[[Path], None], say: Say) -> None:
    begun = time.monotonic()
    say(f"building {title} …")
    with tempfile.TemporaryDirectory(dir=built.parent, prefix=f".{title}-") as draft:
        folder = Path(draft) / "built"
        folder.mkdir()
        fill(folder)
        folder.chmod(0o755)
        folder.rename(built)  # whole or not at all
    say(f"built {title}: {size(built) / 1e6:.0f} MB in {time.monotonic() - begun:.0f} s")


def _remove_old(kept: Path, title: str) -> None:
    """Remove directories of other input that have not been used for a long time."""
    for old in kept.glob(f"{title}-*"):
        if time.time() - old.stat().st_mtime > _UNUSED:
            shutil.rmtree(old, ignore_errors=True)


def _copy(sources: Mapping[str, Path], folder: Path) -> None:
    """Copy files to their places, with the same modes wherever they come from."""
    for place, source in sorted(sources.items()):
        copied = folder / place
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copied)
        copied.chmod(0o644)
    for inner in folder.rglob("*/"):
        inner.chmod(0o755)


def _files(folder: Path) -> Iterator[Path]:
    """Return every file of a source folder except bytecode, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _digests(sources: Mapping[str, Path]) -> dict[str, str]:
    return {place: hashlib.sha256(path.read_bytes()).hexdigest() for place, path in sources.items()}


def size(folder: Path) -> int:
    """Return the bytes of all files under a folder, as Lambda counts them against its limit."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
