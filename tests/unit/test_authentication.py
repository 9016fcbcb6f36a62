"""Authentication follows the setting, and a read-only caller cannot change anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facedex.access.authentication import Caller, authenticate
from facedex.api.catalog import OPERATIONS
from facedex.api.errors import AccessDeniedException, InvalidSignatureException
from facedex.runtime import services
from facedex.secret_sources import read_keys_secret
from facedex.setting_reader import SettingError
from facedex.settings import settings
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.keyring import KeyRing
from facedex_functions.front_door.handler import lambda_handler
from tests.unit.signing import KEY, KEY_ID, event_of, sign

_ARN = "arn:aws:iam::123456789012:user/ann"


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the settings of this process during a test."""

    def configure(**environment: str) -> None:
        monkeypatch.setenv("FACEDEX_DATABASE_URL", "postgresql://127.0.0.1:1/none")
        monkeypatch.setenv("FACEDEX_MODELS", "/none")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget()

    yield configure
    forget()


def forget() -> None:
    """Make this process read its settings again and discard services made with the old ones."""
    settings.cache_clear()
    services._keyring.cache_clear()
    if services._database.cache_info().currsize:
        services.database().close()
        services._database.cache_clear()


def ask(**context: Any) -> tuple[int, str]:
    """Return the front door's response to an unsigned request for an unknown operation."""
    answer = lambda_handler(
        {
            "httpMethod": "POST",
            "path": "/",
            "resource": "/",
            "headers": {"X-Amz-Target": "RekognitionService.Nothing"},
            "body": "this is not JSON",
            "requestContext": context,
        },
        None,
    )
    return answer["statusCode"], json.loads(answer["body"])["__type"]


def test_every_caller_is_admitted_with_auth_none(configure: Callable[..., None]) -> None:
    configure(FACEDEX_AUTH="none")
    assert ask() == (400, "UnknownOperationException")


@pytest.mark.parametrize("setting", [{}, {"FACEDEX_AUTH": ""}, {"FACEDEX_AUTH": "nobody"}])
def test_no_caller_is_admitted_with_a_missing_or_wrong_setting(
    configure: Callable[..., None], setting: dict[str, str]
) -> None:
    configure(**setting)
    assert ask() == (500, "InternalServerError")


def test_with_keys_an_unsigned_request_is_refused_before_it_is_read(
    configure: Callable[..., None],
) -> None:
    configure(FACEDEX_AUTH="keys", FACEDEX_KEYS_SECRET="x" * 32)
    assert ask() == (400, "MissingAuthenticationTokenException")
    assert ask(identity={"userArn": _ARN}) == (400, "MissingAuthenticationTokenException")


def test_with_keys_and_no_secret_no_caller_is_admitted(configure: Callable[..., None]) -> None:
    configure(FACEDEX_AUTH="keys", FACEDEX_KEYS_SECRET="")
    assert ask() == (500, "InternalServerError")


def test_with_iam_the_gateway_must_have_named_the_caller(configure: Callable[..., None]) -> None:
    configure(FACEDEX_AUTH="iam")
    assert ask(identity={"userArn": _ARN}) == (400, "UnknownOperationException")
    assert ask(identity={"userArn": None}) == (400, "MissingAuthenticationTokenException")
    assert ask() == (400, "MissingAuthenticationTokenException")


def test_an_unknown_authentication_mode_admits_no_caller(configure: Callable[..., None]) -> None:
    configure(FACEDEX_AUTH="key")
    assert ask()[0] == 500
    with pytest.raises(SettingError, match="none, keys, iam"):
        settings()


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_a_reader_may_call_what_changes_nothing(row: Any) -> None:
    Caller("writer").require(row.name)
    reader = Caller("reader", read_only=True)
    if row.changes:
        with pytest.raises(AccessDeniedException, match=f"rekognition:{row.name} "):
            reader.require(row.name)
    else:
        reader.require(row.name)


def test_a_photo_that_was_passed_on_as_text_is_refused_with_the_remedy(
    configure: Callable[..., None],
) -> None:
    configure(FACEDEX_AUTH="keys", FACEDEX_KEYS_SECRET="x" * 32)
    database = Database("postgresql://127.0.0.1:1/none")
    keyring = KeyRing(database, Cipher("x" * 32), seconds=1, own=KEY)
    photo = b"\xff\xd8\xff\xe0"
    event = event_of(sign(target="/v1/faces/detect", body=photo), resource="/v1/faces/detect")
    assert authenticate(event, photo, lambda: keyring).name == KEY_ID
    remedy = "If the body is a photo, set Content-Type to image/jpeg or image/png"
    with pytest.raises(InvalidSignatureException, match=remedy):
        authenticate(event, photo.decode("utf-8", "replace"), lambda: keyring)
    with pytest.raises(InvalidSignatureException) as refused:
        authenticate(event, b"other", lambda: keyring)
    assert remedy not in str(refused.value)
    database.close()


def test_the_keys_secret_is_text_or_a_file(tmp_path: Path) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    (tmp_path / "secret").write_text(f"{secret}\n")
    assert read_keys_secret(secret) == read_keys_secret(f"file:{tmp_path}/secret") == secret


def test_a_short_or_missing_keys_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least 32 random characters"):
        read_keys_secret("short")
    with pytest.raises(SettingError, match="at least 32 random characters"):
        read_keys_secret(f"{'n' * 32}\nprevious:short")
    with pytest.raises(SettingError, match="cannot be read"):
        read_keys_secret(f"file:{tmp_path}/missing")
