"""Ports for servers that are started later, or again, while other programs run."""

from __future__ import annotations

import random
import socket

# Below the ports that Linux, macOS and Windows give to clients, and to servers that ask for any
# free one: a port from there may be taken before its server listens, or between two servers.
_FIRST, _LAST = 20_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that no program uses, and that no other program will be given."""
    # Not the sequence of a seeded test: sessions that run at the same time need different ports.
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(_FIRST, _LAST)
        if port in _given:
            continue
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        _given.add(port)
        return port
