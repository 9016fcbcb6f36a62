"""Work in a thread beside the block that needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from facedex_local import shutdown


@contextmanager
def running(name: str, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run a function in a thread while the block runs.

    Args:
        name: the thread's name, for the log.
        work: the function. Its argument is set at the block's end; then it must return soon.
    """
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        shutdown.join(thread)
