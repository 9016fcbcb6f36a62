"""Entry point of the ``facedex`` command."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import Final

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """Run the command. Signals and a full disk end it without a traceback, even during start-up."""
    # The threads of NumPy's products of matrices wait for each other, for seconds if the machine is
    # busy. Requests have threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # During the imports below, a KeyboardInterrupt could be turned into another exception.
    usual = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from facedex_cli.commands.interrupting import end_in_order
    from facedex_cli.program import main as commands
    from facedex_local.shutdown import leave

    signal.signal(signal.SIGINT, usual)
    end_in_order()
    # A terminal or pipe with another encoding than UTF-8 must not end a command because of a name.
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        commands()
    except SystemExit as ended:
        if threading.active_count() > 1 and isinstance(ended.code, int | None):
            leave(ended.code or 0)
        raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        with suppress(OSError):  # standard error may be on the same disk
            sys.stderr.write(
                f"Error: {error.filename or 'The output'} cannot be written completely"
                f" ({error.strerror}).\n"
            )
        leave(1)
