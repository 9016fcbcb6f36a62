"""One more process of the server; see ``facedex_local.replicas``, which starts it."""

from __future__ import annotations

import json
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Final

from facedex_local import shutdown
from facedex_local.http.forwarding import Forwarder
from facedex_local.http.listener import Listener
from facedex_local.http.server import Server
from facedex_local.starting import Health, close_database, load_code

READY: Final = b"ready\n"
STOP: Final = b"stop\n"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is started with, as a line of JSON on its standard input.

    Attributes:
        file: number of the socket that all processes accept connections from.
        threads: requests that run at once.
        log: whether a line per request goes to stderr.
        guarded: whether the API asks for keys.
        elsewhere: where the first process answers for S3 and other services.
        token: shows the first process where a request has come from.
    """

    file: int
    threads: int
    log: bool
    guarded: bool
    elsewhere: str
    token: str

    def write(self) -> bytes:
        """Return the line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Answer requests until standard input says stop, or closes: the first process has died."""
    # The process that started this one hears of the terminal's Ctrl-C, and says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    health = Health()
    health.model_version = load_code()
    listener = Listener(
        Server(
            elsewhere=Forwarder(orders.elsewhere, orders.token),
            health=health,
            log=orders.log,
            guarded=orders.guarded,
        ),
        threads=orders.threads,
        inherited=socket.socket(fileno=orders.file),
        shares=True,
    )
    listener.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.readline() != STOP:
        # The port is to be free for the next start.
        shutdown.leave(1)
    listener.stop()
    close_database()
    shutdown.leave(0)


if __name__ == "__main__":
    main()
