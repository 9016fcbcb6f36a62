"""Access keys of a server with ``--auth keys``, and requests signed with them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from tests.conftest import Server

_NO_RETRIES = Config(retries={"max_attempts": 0}, parameter_validation=False)
BIN = Path(sys.executable).parent
CACHE = 1  # seconds for which the server caches a key

Key = tuple[str, str]


def facedex(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "facedex"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def create_key(directory: Path, *options: str) -> Key:
    made = facedex("keys", "create", f"--data-dir={directory}", *options)
    assert made.returncode == 0, made.stderr
    exported = dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines())
    return exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]


def client(server: Server, key: Key, service: str = "rekognition", **options: Any) -> Any:
    return server.client(
        service,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        **{"config": _NO_RETRIES, **options},
    )


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(refused.value.response["Error"]["Code"])


def ask(
    url: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a plain HTTP request with the path exactly as written."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, body or None, headers or {})
    with connection.getresponse() as answer:
        document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def signed(
    url: str, key: Key, method: str = "GET", body: bytes = b"", service: str = "rekognition"
) -> dict[str, str]:
    """Return the headers of a signed request for a plain HTTP client."""
    request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(ReadOnlyCredentials(*key, None), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def presign(url: str, key: Key, expires: int) -> str:
    request = AWSRequest("GET", url)
    SigV4QueryAuth(
        ReadOnlyCredentials(*key, None), "rekognition", "us-east-1", expires=expires
    ).add_auth(request)
    return str(request.url)
