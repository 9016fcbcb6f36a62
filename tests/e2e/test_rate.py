"""``facedex up --rate``: real SDKs meet the limit, wait, and succeed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Server

RATE = 4
Limited = Callable[..., Server]


@pytest.fixture
def limited(
    tmp_path: Path, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Limited]:
    """Return a function that starts a server with a limit."""
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    started: list[Server] = []

    def start(*arguments: str, **environment: str) -> Server:
        command = ("--port=0", f"--rate={RATE}", *arguments)
        started.append(Server(tmp_path / "data", *command, **environment))
        return started[-1]

    yield start
    for server in started:
        assert server.stop() == 0


def impatient(server: Server, **options: Any) -> Any:
    """Return a client that does not retry."""
    return server.client("rekognition", config=Config(retries={"total_max_attempts": 1}), **options)


def outcomes(client: Any, count: int) -> tuple[int, list[tuple[str, str, int]]]:
    """Send requests at once; return how many were answered, and the others' errors."""

    def call(_number: int) -> tuple[str, str, int] | None:
        try:
            client.list_collections()
        except ClientError as error:
            answer = error.response
            status = answer["ResponseMetadata"]["HTTPStatusCode"]
            return answer["Error"]["Code"], answer["Error"]["Message"], status
        return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, range(count)))
    return found.count(None), [each for each in found if each]


def test_requests_above_the_rate_are_refused_as_rekognition_does(limited: Limited) -> None:
    server = limited()
    began = time.monotonic()
    answered, refused = outcomes(impatient(server), 40)
    elapsed = time.monotonic() - began
    assert RATE <= answered <= RATE + RATE * elapsed + 1
    assert {(code, status) for code, _, status in refused} == {
        ("ProvisionedThroughputExceededException", 400),
        ("ThrottlingException", 400),
    }
    messages = {code: message for code, message, _ in refused}
    assert messages["ProvisionedThroughputExceededException"].startswith("Provisioned Rate")
    assert messages["ThrottlingException"].startswith("Slow down; sudden increase in rate")
    # Other services and the health page have no limit.
    s3 = server.client("s3", config=Config(retries={"total_max_attempts": 1}))
    for _ in range(2 * RATE):
        s3.list_buckets()


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
def test_clients_that_back_off_succeed(limited: Limited, mode: str) -> None:
    server = limited()
    retry: Any = {"mode": mode, "total_max_attempts": 12}
    config = Config(retries=retry)
    client = server.client("rekognition", config=config)
    began = time.monotonic()
    count, retries = 5 * RATE, 0
    for _ in range(count):
        retries += client.list_collections()["ResponseMetadata"]["RetryAttempts"]
    elapsed = time.monotonic() - began
    assert retries > 0
    assert count <= RATE + RATE * elapsed + 1


def test_the_processes_share_the_limit(limited: Limited) -> None:
    server = limited("--processes=2")
    outcomes(impatient(server), 20)
    began = time.monotonic()
    answered = 0
    while answered < 3 * RATE and time.monotonic() < began + 60:
        answered += outcomes(impatient(server), 8)[0]
    elapsed = time.monotonic() - began
    assert 3 * RATE <= answered <= RATE + RATE * elapsed + 1


def test_strangers_do_not_use_up_the_rate_of_callers(limited: Limited, tmp_path: Path) -> None:
    facedex = Path(sys.executable).with_name("facedex")
    made = subprocess.run(
        [facedex, "keys", "create", f"--data-dir={tmp_path / 'data'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = made.stdout.splitlines()[:2]
    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    server = limited("--auth=keys")
    key, secret = exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]
    forger = impatient(server, aws_access_key_id=key, aws_secret_access_key="x" * 40)
    answered, refused = outcomes(forger, 5 * RATE)
    assert answered == 0
    assert {code for code, _, _ in refused} == {"InvalidSignatureException"}
    caller = impatient(server, aws_access_key_id=key, aws_secret_access_key=secret)
    for _ in range(RATE):
        caller.list_collections()
