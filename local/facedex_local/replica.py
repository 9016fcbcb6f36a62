"""An additional server process, which ``facedex_local.replicas`` starts."""

from __future__ import annotations

import json
import queue
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Final

from facedex_local import lifeline, shutdown

READY: Final = b"ready\n"
STOP: Final = b"stop\n"


@dataclass(frozen=True, slots=True)
class Orders:
    """The configuration of a process, sent to its standard input as a line of JSON.

    Attributes:
        file: descriptor of the socket from which all processes accept connections.
        threads: the number of requests that run at the same time.
        log: whether to log each request on stderr.
        elsewhere: the first process's address for S3 and other services.
        token: proves to the first process that a request was forwarded by this process.
        origins: the origins of the user's own browser apps.
        auth: the authentication mode of the face API.
        console: whether the server has the console.
    """

    file: int
    threads: int
    log: bool
    elsewhere: str
    token: str
    origins: tuple[str, ...] = ()
    auth: str = "none"
    console: bool = True

    def write(self) -> bytes:
        """Return the line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Answer requests until standard input contains "stop", or closes: the first process died."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    lifeline.watch(lines.put, status=1)
    orders = Orders(**json.loads(lines.get()))
    # Imported only now: the imports take seconds, in which the first process may be killed.
    from facedex.settings import Auth
    from facedex_local import environment, terminal
    from facedex_local.access import process_token
    from facedex_local.http.console import Console
    from facedex_local.http.forwarding import Forwarder
    from facedex_local.http.listener import Listener
    from facedex_local.http.origins import Origins
    from facedex_local.http.server import Server
    from facedex_local.metrics import recorder
    from facedex_local.starting import Health, close_database, load_code

    terminal.escape_output()
    process_token.install()
    health = Health()
    health.model_version = load_code()
    console = Console(auth=Auth(orders.auth), region=environment.region())
    recorder.start_worker()
    listener = Listener(
        Server(
            elsewhere=Forwarder(orders.elsewhere, orders.token),
            health=health,
            log=orders.log,
            origins=Origins(orders.origins),
            console=console if orders.console else None,
        ),
        threads=orders.threads,
        inherited=socket.socket(fileno=orders.file),
        shares=True,
    )
    listener.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    while lines.get() != STOP:
        pass
    listener.stop()
    close_database()
    shutdown.leave(0)


if __name__ == "__main__":
    main()
