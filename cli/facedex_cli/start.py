"""Where the ``facedex`` command begins."""

from __future__ import annotations

import os
import signal
import threading


def main() -> None:
    """Run the command; Ctrl-C ends it quietly from the first moment on."""
    # An interrupt in the midst of an import surfaces as whatever that import makes of it.
    usual = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from facedex_cli.program import main as commands
    from facedex_local.shutdown import leave

    signal.signal(signal.SIGINT, usual)
    try:
        commands()
    except SystemExit as ended:
        if threading.active_count() > 1 and isinstance(ended.code, int | None):
            leave(ended.code or 0)
        raise
