"""A server that is killed and restarted on the same data directory and port."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
from botocore.config import Config

from tests.conftest import Server, client_of
from tests.ports import free_port
from tests.processes import children

_DEATH = 60.0  # seconds in which the other processes of a killed server must end


class Machine:
    """A server that is restarted on the same data directory and port.

    Attributes:
        url: its address, the same after each restart.
        server: the running server.
    """

    def __init__(
        self, directory: Path, pack_directory: Path, *arguments: str, **environment: str
    ) -> None:
        """Start the server; arguments and environment are those of ``Server``."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._directory = directory
        self._arguments = (f"--port={port}", *arguments)
        self._environment = {"FACEDEX_MODELS": str(pack_directory.parent), **environment}
        self.server = self._start()

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client that neither retries nor waits for long."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=10)
        return client_of(self.url, service, **{"config": config, **options})

    def kill(self) -> None:
        """Kill the server, check that none of its processes remains, and restart it."""
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        self.server.process.kill()
        self.server.process.wait()
        left = [each for each in children if "postgres" not in _name(each)]
        _, alive = psutil.wait_procs(left, timeout=_DEATH)
        assert not alive, f"{len(alive)} processes outlived their server by {_DEATH:.0f} seconds"
        self.server = self._start()

    def kill_database(self) -> None:
        os.kill(self.postmaster(), signal.SIGKILL)

    def postmaster(self) -> int:
        """Return the process id of Postgres' first process."""
        return int((self._directory / "postgres" / "postmaster.pid").read_text().split()[0])

    def children(self, word: str) -> list[psutil.Process]:
        """Return the server's processes whose command line contains a word."""
        return children(self.server.process.pid, word)

    def _start(self) -> Server:
        return Server(self._directory, *self._arguments, **self._environment)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""
