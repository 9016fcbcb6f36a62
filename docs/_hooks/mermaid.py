"""Give the site its own copy of Mermaid, which draws the diagrams.

Without it the theme loads Mermaid from a content delivery network in the reader's browser. The
copy comes from the npm registry by the user's own npm, once, and is kept in .cache/.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

_VERSION: Final = "11.12.0"
_SHA256: Final = "07e37dfa97b337ccc85365d57eddf99b9706f09db3b59b260d0333b23b343c4b"
_ADDRESS: Final = "assets/mermaid.min.js"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the script to every page."""
    config.extra_javascript.append(_ADDRESS)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the copy to the site.

    Raises:
        PluginError: npm is missing or fails, or the file is another than the pinned one.
    """
    kept = Path(config.config_file_path).parent / ".cache" / f"mermaid-{_VERSION}.min.js"
    content = kept.read_bytes() if kept.is_file() else _download()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise PluginError(f"Mermaid {_VERSION} has another SHA-256 than {__file__} gives.")
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(content)
    files.append(File.generated(config, _ADDRESS, content=content))
    return files


def _download() -> bytes:
    command = ["npm", "pack", "--silent", f"mermaid@{_VERSION}"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(  # noqa: S603
                command, cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise PluginError(f"Mermaid could not be downloaded with npm: {error}") from error
        with tarfile.open(Path(folder) / f"mermaid-{_VERSION}.tgz") as archive:
            member = archive.extractfile("package/dist/mermaid.min.js")
            assert member is not None
            return member.read()
