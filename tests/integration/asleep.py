"""A Postgres that sleeps, as Aurora does after a pause."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import psycopg

from facedex_local.postgres.cluster import Postgres


class Asleep:
    """A proxy to Postgres that accepts connections but sends nothing until it is woken.

    A paused database behaves like this: clients that connect or send bytes wait.

    Attributes:
        url: libpq connection string of the proxy.
    """

    def __init__(self, postgres: Postgres) -> None:
        parameters = psycopg.conninfo.conninfo_to_dict(postgres.url)
        self._place = f"{parameters['host']}/.s.PGSQL.{parameters.get('port') or 5432}"
        self._awake = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = psycopg.conninfo.make_conninfo(
            postgres.url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable"
        )
        self._ends: list[socket.socket] = []

    @property
    def awake(self) -> bool:
        """Whether it was woken."""
        return self._awake.is_set()

    def wake(self) -> None:
        """Answer from now on."""
        self._awake.set()

    def __enter__(self) -> Asleep:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._awake.set()
        for each in (self._listener, *self._ends):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._ends.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._awake.wait()
        with suppress(OSError), socket.socket(socket.AF_UNIX) as server:
            server.connect(self._place)
            self._ends.append(server)
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
