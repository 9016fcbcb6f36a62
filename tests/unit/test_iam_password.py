"""RDS tokens as passwords, and the access keys' secret from Secrets Manager."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from facedex.secret_sources import read_keys_secret
from facedex.setting_reader import SettingError
from facedex.settings import DatabaseAuth, Settings
from facedex.store.iam import IamTokens

URL = "postgresql://facedex@db.example:5432/facedex?sslmode=require"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it caches earlier credentials
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "a/session+token=",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("port", ["5432", "6543"])
def test_the_token_equals_that_of_the_aws_client(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: now)
    token = IamTokens(URL.replace("5432", port), region="eu-central-1").current()
    client = boto3.client("rds", region_name="eu-central-1")
    assert token == client.generate_db_auth_token("db.example", int(port), "facedex")
    assert "20260102T030405Z" in token


def test_every_connection_gets_a_token_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = IamTokens(URL, region="eu-central-1")
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime",
        lambda *_, **__: datetime(2026, 1, 1, tzinfo=UTC),
    )
    first = tokens.current()
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime",
        lambda *_, **__: datetime(2026, 1, 2, tzinfo=UTC),
    )
    dates = [
        parse_qs(urlsplit(f"//{token}").query)["X-Amz-Date"] for token in (first, tokens.current())
    ]
    assert dates == [["20260101T000000Z"], ["20260102T000000Z"]]


@pytest.mark.parametrize("url", ["postgresql://db.example/facedex", "user=facedex"])
def test_a_token_needs_a_host_and_a_user(url: str) -> None:
    with pytest.raises(ValueError, match="must name a host and a user"):
        IamTokens(url, region="eu-central-1")


def test_database_authentication_is_by_password_or_iam() -> None:
    given = {
        "FACEDEX_DATABASE_URL": URL,
        "FACEDEX_MODELS": "/opt/models",
        "FACEDEX_AUTH": "iam",
    }
    assert Settings.from_environment(given).database_auth is DatabaseAuth.PASSWORD
    by_iam = Settings.from_environment({**given, "FACEDEX_DATABASE_AUTH": "iam"})
    assert by_iam.database_auth is DatabaseAuth.IAM
    with pytest.raises(SettingError, match="must be one of password, iam, not 'token'"):
        Settings.from_environment({**given, "FACEDEX_DATABASE_AUTH": "token"})


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield
    server.stop()


@pytest.mark.usefixtures("moto")
def test_the_keys_secret_comes_from_secrets_manager() -> None:
    secret = "x" * 64
    made = boto3.client("secretsmanager").create_secret(Name="keys", SecretString=secret)
    assert read_keys_secret(f"secretsmanager:{made['ARN']}") == secret


@pytest.mark.usefixtures("moto")
def test_a_missing_secret_is_named() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:none-aaaaaa"
    with pytest.raises(SettingError, match=f"names the secret {arn}, which cannot be read"):
        read_keys_secret(f"secretsmanager:{arn}")
