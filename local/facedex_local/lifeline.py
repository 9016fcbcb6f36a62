"""End of a child process when its parent ends, however the parent ends.

The parent holds the other end of the child's standard input. The operating system closes it with
the parent, also after ``kill -9``, on Linux and macOS. (Linux's death signal of a parent would come
when the parent's *thread* that started the child ends.)

A child calls :func:`watch` before it imports anything large: it ends at once even while it starts.
This module therefore imports little.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def watch(received: Callable[[bytes], None] | None = None, *, status: int = 0) -> None:
    """End this process as soon as its standard input ends.

    Args:
        received: called with each line of the standard input until then.
        status: the exit status.
    """

    def read() -> None:
        for line in sys.stdin.buffer:
            if received:
                received(line)
        # At once: no lock, lease or port is needed any longer, and cleaning up could hang.
        os._exit(status)

    threading.Thread(target=read, name="lifeline", daemon=True).start()
