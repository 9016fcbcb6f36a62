"""The console's files, as API Gateway gets them from the function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facedex_functions.console import handler
from infra.packages import function

Answer = dict[str, Any]


@pytest.fixture
def get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Answer]]:
    """Return a function that asks the packaged function for a path below the stage."""
    files = function("console", directory=tmp_path) / "facedex_functions" / "console" / "files"
    monkeypatch.setattr(handler, "_FOLDER", files)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("FACEDEX_AUTH", "iam")
    monkeypatch.setenv("FACEDEX_CONSOLE", json.dumps({"video": True, "packs": {"sface": "MIT"}}))
    handler._files.cache_clear()

    def get(name: str | None, path: str = "/live/console/any") -> Answer:
        event = {
            "pathParameters": name and {"proxy": name},
            "requestContext": {"path": path},
        }
        return handler.lambda_handler(event, None)

    yield get
    handler._files.cache_clear()


def test_the_pages_load_nothing_from_other_sites_and_cannot_be_framed(
    get: Callable[..., Answer],
) -> None:
    page = get("index.html")
    assert page["statusCode"] == 200
    assert page["body"].startswith("<!doctype html>")
    policy = page["headers"]["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "connect-src 'self'" in policy
    assert policy.endswith("frame-ancestors 'none'")
    assert page["headers"]["Cache-Control"] == "no-cache"


def test_scripts_are_kept_by_browsers_and_are_those_of_the_page(get: Callable[..., Answer]) -> None:
    (script,) = (
        word.removeprefix('src="').partition('"')[0]
        for word in get("index.html")["body"].split()
        if word.startswith('src="')
    )
    answer = get(script)
    assert answer["headers"]["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer["headers"]["Cache-Control"]
    assert len(answer["body"]) > 1000


def test_the_configuration_has_no_part_of_one_machine(get: Callable[..., Answer]) -> None:
    config = json.loads(get("config.json")["body"])
    assert config.pop("version")
    assert config == {
        "auth": "iam",
        "region": "eu-west-1",
        "machine": False,
        "video": True,
        "packs": {"sface": "MIT"},
    }


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/live/console", "/live/console/index.html"),
        ("/live/console/", "/live/console/index.html"),
        ("/console", "/console/index.html"),
        ("/faces/console", "/faces/console/index.html"),
        ("//evil.example/console", "/evil.example/console/index.html"),
    ],
)
def test_the_console_begins_at_its_own_page_on_the_same_host(
    get: Callable[..., Answer], path: str, address: str
) -> None:
    answer = get(None, path)
    assert (answer["statusCode"], answer["headers"]["Location"]) == (302, address)


@pytest.mark.parametrize(
    "name", ["handler.py", "../handler.py", "files/index.html", "__init__.py", "index.html/", "x"]
)
def test_no_other_file_is_sent(get: Callable[..., Answer], name: str) -> None:
    answer = get(name)
    assert answer["statusCode"] == 404
    assert "doctype" not in answer["body"]
