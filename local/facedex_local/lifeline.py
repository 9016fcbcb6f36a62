"""End of a child process when its parent ends, however the parent ends.

The parent holds the other end of the child's standard input. The operating system closes it with
the parent, also after ``kill -9``, on Linux and macOS. (Linux's death signal of a parent would come
when the parent's *thread* that started the child ends.)

A child calls :func:`watch` before it imports anything large: it ends at once even while it starts.
This module therefore imports little.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

# A service manager such as systemd sends them to all processes of a service. The parent ends this
# process in its turn, after requests in progress.
_FOR_THE_PARENT: Final = ("SIGINT", "SIGTERM", "SIGHUP")


def watch(received: Callable[[bytes], None] | None = None, *, status: int = 0) -> None:
    """End this process as soon as its standard input ends, and not by a signal for its parent.

    Call it in the main thread.

    Args:
        received: called with each line of the standard input until then.
        status: the exit status.
    """

    for name in _FOR_THE_PARENT:
        if number := getattr(signal, name, None):  # Windows has no SIGHUP
            signal.signal(number, signal.SIG_IGN)

    def read() -> None:
        # Without a buffer: its lock would abort a process that ends by itself while it is read.
        for line in io.FileIO(sys.stdin.fileno(), closefd=False):
            if received:
                received(line)
        # At once: no lock, lease or port is needed any longer, and cleaning up could hang.
        os._exit(status)

    threading.Thread(target=read, name="lifeline", daemon=True).start()
