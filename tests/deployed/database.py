"""The clusters' Postgres: embedded ones behind TLS, at a loopback address of their own.

All clusters have this address. The host name in a client's TLS handshake selects the cluster.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from facedex_local.postgres.cluster import Postgres
from tests.deployed.certificates import Certificate

# The codes with which a client asks for encryption before anything else.
# https://www.postgresql.org/docs/current/protocol-message-formats.html
_TLS_REQUEST, _GSS_REQUEST = 80877103, 80877104
_PORT = 5432  # which the stack's connection string names


class Databases:
    """Aurora clusters, each with the role and the database that RDS would create.

    They accept every password: whether IAM allows ``rds-db:connect`` cannot be shown here.

    Attributes:
        address: a loopback address; its port 5432 accepts encrypted connections.
        prepared_with: statement that is run in each new cluster, before the stack's own.
    """

    def __init__(self, folder: Path) -> None:
        self.address = _free_address()
        self.prepared_with = ""
        self._folder = folder
        self._clusters: dict[str, Postgres] = {}
        self._adopted: dict[str, Postgres] = {}
        self._starting = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="database-tls")

    def start(self, certificate: Certificate) -> None:
        """Accept connections."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        context.sni_callback = _remember_name

        async def serve() -> None:
            self._server = await asyncio.start_server(
                lambda reader, writer: self._pass_on(reader, writer, context), self.address, _PORT
            )

        self._thread.start()
        self._run(serve())

    def stop(self) -> None:
        """End every connection and every cluster."""
        if self._thread.is_alive():
            self._run(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()
        for cluster in self._clusters.values():
            cluster.stop()

    def adopt(self, host: str, cluster: Postgres) -> None:
        """Let a host name select a cluster that exists already."""
        self._adopted[host] = cluster

    def query(self, host: str, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in a cluster's database, as its master user."""
        with psycopg.connect(self._cluster(host).url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _cluster(self, host: str) -> Postgres:
        """Return the Postgres of a cluster's host name; start it if the name is new."""
        if host in self._adopted:
            return self._adopted[host]
        with self._starting:
            if host not in self._clusters:
                folder = self._folder / f"cluster{len(self._clusters)}"
                folder.mkdir()
                cluster = Postgres(folder)
                url = cluster.start()
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("CREATE ROLE rds_iam")
                    if self.prepared_with:
                        connection.execute(self.prepared_with.encode())
                self._clusters[host] = cluster
            return self._clusters[host]

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _close(self) -> None:
        self._server.close()
        tasks = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # so that aborted connections are closed

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        """Encrypt a connection if the client asks for it, and refuse it otherwise, as RDS does."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            code = _GSS_REQUEST
            while code == _GSS_REQUEST:
                _, code = struct.unpack("!ii", await reader.readexactly(8))
                writer.write(b"S" if code == _TLS_REQUEST else b"N")
            if code == _TLS_REQUEST:
                await writer.start_tls(context)
                host = getattr(writer.get_extra_info("ssl_object"), _NAME)
                cluster = await asyncio.to_thread(self._cluster, host)
                folder = psycopg.conninfo.conninfo_to_dict(cluster.url)["host"]
                back, forth = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{_PORT}")
                try:
                    await asyncio.gather(_copy(reader, forth), _copy(back, writer))
                finally:
                    forth.transport.abort()
        # At once: a client that has gone does not answer the end of an encrypted connection.
        writer.transport.abort()


_NAME = "given_name"  # attribute of the TLS connection


def _remember_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    setattr(connection, _NAME, name or "")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # the other side may end the connection
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _free_address() -> str:
    """Return an address of this machine on which nothing listens at Postgres's port."""
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, _PORT))
            return address
