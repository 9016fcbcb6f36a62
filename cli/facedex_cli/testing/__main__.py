"""``facedex up`` that stops when its standard input ends, so that it never outlives its parent."""

from __future__ import annotations

import os
import signal
import sys
import threading

from facedex_cli.start import main


def stop_with_standard_input() -> None:
    """Wait for the end of the standard input, then stop this process as Ctrl-C does."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


threading.Thread(target=stop_with_standard_input, name="lifeline", daemon=True).start()
main()
