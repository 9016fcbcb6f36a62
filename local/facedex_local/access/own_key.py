"""The access key of a running server's own machine, for the commands of the same user.

It is random for each start, kept in memory and in a file that only its owner can read, and not
among the keys that ``facedex keys`` lists. It gives access to no additional user: a user who can
read the data directory can also create a key there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from facedex_local.start_errors import DirectoryUnusable

# Read by facedex.settings.
_SETTING: Final = "FACEDEX_OWN_KEY"
_FILE: Final = "own.key"
_ID: Final = "FDXOWN"


@contextmanager
def issued(directory: Path, environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Issue a key for this process and its children, and for commands, while the block runs.

    Raises:
        DirectoryUnusable: if the file cannot be written.
    """
    access_key_id, secret = f"{_ID}{secrets.token_hex(7).upper()}", secrets.token_urlsafe(30)
    path = directory / _FILE
    try:
        path.unlink(missing_ok=True)  # an earlier server that was killed left it
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{access_key_id}:{secret}")
    except OSError as error:
        raise DirectoryUnusable(f"{path} cannot be written ({error.strerror or error}).") from None
    environment[_SETTING] = f"{access_key_id}:{secret}"
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        environment.pop(_SETTING, None)


def read(directory: Path) -> tuple[str, str] | None:
    """Return the id and the secret of the key of the server that uses a data directory, if any."""
    try:
        content = (directory.expanduser() / _FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    access_key_id, _, secret = content.partition(":")
    return access_key_id, secret
