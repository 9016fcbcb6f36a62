"""``--allow-origin`` and ``--allow-sns-endpoint`` hold for every process and port of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import pytest
import urllib3
from botocore.exceptions import ClientError
from click.testing import CliRunner

from facedex_cli.program import main
from tests.conftest import Server

APP = "https://app.example"
EVIL = "https://evil.example"
CONNECTIONS = 12  # enough that each of two processes accepts some
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,x-amz-meta-my_key",
}


@pytest.fixture
def running(launch: Callable[..., Server]) -> Server:
    return launch(
        FACEDEX_PROCESSES="2",
        FACEDEX_ALLOW_ORIGIN=f"{APP} http://localhost:3000",
        FACEDEX_ALLOW_SNS_ENDPOINT="http://127.0.0.1:1/hook",
    )


def ask(url: str, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager() as pool:  # a connection of its own
        return pool.request(method, f"{url}{path}", headers=headers, retries=False)


def check(url: str, origin: str) -> None:
    """Check that only the pages of the user's own app may use what an address answers."""
    for path in ("/kept/photo.jpg", "/v1/collections", "/"):
        answer = ask(url, "OPTIONS", path, Origin=origin, **PREFLIGHT)
        named = {name.lower() for name in answer.headers if name.lower().startswith("access-")}
        if origin == APP:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == APP
            asked = PREFLIGHT["Access-Control-Request-Headers"]
            assert answer.headers["Access-Control-Allow-Headers"] == asked
        else:
            assert answer.status == 403
            assert named == set()
    answer = ask(url, "GET", "/kept/page.html", Origin=origin)
    assert answer.status == (200 if origin == APP else 403)
    assert answer.headers.get("Access-Control-Allow-Origin") == (APP if origin == APP else None)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


def ports(server: Server) -> set[int]:
    """Return the ports on which the server's processes, Postgres not included, listen."""
    process = psutil.Process(server.process.pid)
    return {
        each.laddr.port for each in process.net_connections() if each.status == psutil.CONN_LISTEN
    }


def test_every_process_and_port_obeys(running: Server) -> None:
    s3 = running.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(
        Bucket="kept",
        Key="page.html",
        Body=b"<script>",
        ContentType="text/html",
        ACL="public-read",
    )
    # A bucket's rules allow no page: every client that may write to S3 may set them.
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(Bucket="kept", CORSConfiguration={"CORSRules": [rule]})
    for _ in range(CONNECTIONS):
        check(running.url, APP)
        check(running.url, EVIL)
    others = ports(running) - {int(running.url.rpartition(":")[2])}
    assert others  # of the functions' S3
    for port in others:
        address = f"http://127.0.0.1:{port}"
        foreign = ask(address, "PUT", "/kept/evil", Origin=EVIL)
        assert foreign.status == 403
        assert ask(address, "PUT", "/kept/evil", Host="evil.example").status == 403
        assert ask(address, "GET", "/kept/page.html").status == 403  # only its own functions
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="kept")["Contents"]] == ["page.html"]


def test_sns_subscribes_only_what_the_user_allows(running: Server) -> None:
    sns = running.client("sns")
    topic = sns.create_topic(Name="faces")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1/hook")
    for endpoint in ("http://169.254.169.254/latest", "http://127.0.0.1:1/hook2", running.url):
        with pytest.raises(ClientError) as raised:
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint)
        assert raised.value.response["Error"]["Code"] == "AuthorizationError"
    # The allowed address does not answer, which is logged and fails nothing.
    assert sns.publish(TopicArn=topic, Message="found")["MessageId"]
    assert "could not deliver to http://127.0.0.1:1/hook" in running.log.read_text()


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--allow-origin", "*", "would let any web page"),
        ("--allow-origin", "null", "would let any web page"),
        ("--allow-origin", "app.example", "is not an origin"),
        ("--allow-sns-endpoint", "127.0.0.1:80", "is not an address"),
    ],
)
def test_an_option_without_meaning_is_refused(option: str, value: str, reason: str) -> None:
    result: Any = CliRunner().invoke(main, ["up", option, value])
    assert result.exit_code == 2
    assert reason in " ".join(result.output.replace("│", " ").split())
