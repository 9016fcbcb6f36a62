"""A build backend that reads a source archive's PKG-INFO and runs no code of the archive.

`pip download` needs the metadata of each download. For a source archive it would install setuptools
from the index and run the archive's setup.py, although PKG-INFO in the archive has the same
metadata. With this folder first on PYTHONPATH and --no-build-isolation, pip uses this backend: no
code of the archive runs, and nothing but the archive is downloaded.
"""

from __future__ import annotations

import email
import shutil
from pathlib import Path


class _LegacyBackend:
    """The hooks of PEP 517 that pip calls for an archive without a pyproject.toml."""

    def prepare_metadata_for_build_wheel(
        self,
        metadata_directory: str,
        config_settings: dict[str, object] | None = None,  # noqa: ARG002 - the hook's signature
    ) -> str:
        """Write a .dist-info folder into metadata_directory and return its name.

        pip calls this in the unpacked archive's folder.
        """
        about = email.message_from_bytes(Path("PKG-INFO").read_bytes())
        name = f"{about['Name'].replace('-', '_')}-{about['Version']}.dist-info"
        folder = Path(metadata_directory, name)
        folder.mkdir()
        shutil.copyfile("PKG-INFO", folder / "METADATA")
        return name

    def build_wheel(
        self,
        wheel_directory: str,
        config_settings: dict[str, object] | None = None,
        metadata_directory: str | None = None,
    ) -> str:
        """Refuse: nothing here is ever built."""
        raise NotImplementedError("Facedex reads source archives; it does not build them.")


# pip imports `setuptools.build_meta:__legacy__`.
__legacy__ = _LegacyBackend()
