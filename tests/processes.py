"""The processes that a server has started."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children(pid: int, word: str, *, recursive: bool = True) -> list[psutil.Process]:
    """Return the children of a process whose command line contains a word.

    One that ends while they are listed is left out.

    Args:
        pid: the process.
        word: the word.
        recursive: whether their children are wanted, too.
    """
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=recursive):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if word in " ".join(child.cmdline()):
                    found.append(child)
    return found
