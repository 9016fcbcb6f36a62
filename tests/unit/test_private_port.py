"""The private port answers this machine's own processes, and those of no one else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from facedex.settings import Settings
from facedex_local.access import own_key, process_token
from facedex_local.access.private import Private
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Listener
from tests.unit.guarded import ask

TOKEN = "0123abcd"
BUCKETS = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"


async def own(exchange: Exchange) -> None:
    assert not any("0123abcd" in str(value) for value in environ_texts(exchange))
    await exchange.answer(Answer(200, [("X-For", "own")], BUCKETS))


async def forwarded(exchange: Exchange) -> None:
    await exchange.answer(Answer(200, [("X-For", "forwarded")], BUCKETS))


def environ_texts(exchange: Exchange) -> list[Any]:
    return [value for name, value in exchange.environ.items() if name.startswith("HTTP_")]


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    listener = Listener(Private(own, forwarded, TOKEN), threads=1, host="127.0.0.1", grace=1)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Facedex-Private": ""},
        {"X-Facedex-Private": f"{TOKEN}0"},
        {"X-Facedex-Private": TOKEN[:-1]},
        {"X-Facedex-Private": "\xff"},
        {"X-Facedex-Forwarded": "x 127.0.0.1 10.0.0.7"},
        {"Authorization": f"Bearer {TOKEN}"},
    ],
)
def test_a_request_without_the_token_is_refused(port: str, headers: dict[str, str]) -> None:
    status, body = ask("GET", f"{port}/", None, headers)
    assert (status, json.loads(body)["__type"]) == (403, "AccessDeniedException")


def test_a_forwarded_request_is_no_own_request(port: str) -> None:
    headers = {"X-Facedex-Forwarded": f"{TOKEN} 127.0.0.1 10.0.0.7"}
    assert ask("GET", f"{port}/", None, headers)[0] == 200


def test_clients_of_this_process_send_the_token_to_the_private_port_only(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    process_token.configure(port, TOKEN, environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    process_token.install()
    config = Config(retries={"total_max_attempts": 1})

    def client(url: str) -> Any:
        session: Any = boto3.Session("any", "any", region_name="us-east-1")
        return session.client("s3", endpoint_url=url, config=config)

    answer = client(port).list_buckets()
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-for"] == "own"
    with pytest.raises(ClientError, match="403"):
        client(port.replace("127.0.0.1", "localhost")).list_buckets()


def test_the_own_key_is_new_for_each_start_and_gone_after_it(tmp_path: Path) -> None:
    seen = set()
    (tmp_path / "own.key").write_text("left:behind")
    for _ in range(2):
        environment: dict[str, str] = {}
        with own_key.issued(tmp_path, environment):
            found = own_key.read(tmp_path)
            assert found is not None
            assert (tmp_path / "own.key").stat().st_mode & 0o777 == 0o600
            required = {"FACEDEX_DATABASE_URL": "x", "FACEDEX_MODELS": "x", "FACEDEX_AUTH": "keys"}
            settings = Settings.from_environment({**required, **environment})
            assert settings.own_key == ":".join(found)
            assert found[1] not in repr(settings)
            seen.add(found)
        assert own_key.read(tmp_path) is None
        assert environment == {}
    assert len(seen) == 2
