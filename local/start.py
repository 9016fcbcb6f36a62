"""Where the ``facedex`` command begins."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command; Ctrl-C ends it quietly from the first moment on."""
    # An interrupt in the midst of an import surfaces as whatever that import makes of it.
    usual = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from local.cli import main as commands

    signal.signal(signal.SIGINT, usual)
    commands()
