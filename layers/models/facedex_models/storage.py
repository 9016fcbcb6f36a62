"""Clear messages for errors of the file system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facedex_models.model_errors import StorageFailed

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def storing(directory: Path, *, setting: str = "FACEDEX_MODELS") -> Iterator[None]:
    """Convert an OSError of the block to StorageFailed.

    Args:
        directory: the directory to which the block writes.
        setting: the environment variable that sets the directory.

    Raises:
        StorageFailed: if the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            problem = "has no room left; free about 1 GB or"
        elif error.errno in _NOT_ALLOWED:
            problem = "cannot be written to; change its permissions or"
        else:
            problem = f"cannot be used ({error.strerror or error});"
        raise StorageFailed(
            f"The directory {directory} {problem} set {setting} to another directory."
        ) from error
