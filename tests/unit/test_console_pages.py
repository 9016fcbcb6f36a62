"""The server's side of the console: its files, and what browsers may do with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from facedex.settings import Auth
from facedex_local.http.console import Console

_MESSAGES = Path(__file__).parents[2] / "console" / "src" / "messages.json"


def ask(path: str, method: str = "GET", **headers: str) -> Any:
    console = Console(auth=Auth.KEYS, region="eu-west-1")
    environ = {"REQUEST_METHOD": method, "REQUEST_URI": path, "QUERY_STRING": "", **headers}
    return console.find(environ)


def test_every_file_that_the_page_names_exists() -> None:
    page = ask("/console/").body.decode()
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(names) == 3
    for name in names:
        assert ask(f"/console/{name}").status == 200


def test_pages_allow_no_inline_script_and_no_other_site() -> None:
    for name in ("", "config.json", "licences.txt"):
        policy = dict(ask(f"/console/{name}").headers)["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_browsers_keep_the_files_whose_names_change_with_their_content() -> None:
    page = ask("/console/")
    assert dict(page.headers)["Cache-Control"] == "no-cache"
    script = re.search(r'src="([^"]+)"', page.body.decode())
    assert script
    assert "immutable" in dict(ask(f"/console/{script[1]}").headers)["Cache-Control"]


def test_the_configuration_says_whether_a_key_is_needed() -> None:
    config = json.loads(ask("/console/config.json").body)
    assert (config["auth"], config["region"]) == ("keys", "eu-west-1")


def test_the_configuration_has_the_licence_of_every_model_pack() -> None:
    licences = json.loads(ask("/console/config.json").body)["packs"]
    assert {"sface-dlib", "attributes"} <= set(licences)
    assert all(licences.values())


def test_the_address_without_a_slash_leads_to_the_page() -> None:
    answer = ask("/console")
    assert (answer.status, dict(answer.headers)["Location"]) == (308, "/console/")


@pytest.mark.parametrize(
    "path",
    ["/console/../console.py", "/console/%2e%2e/console.py", "/console/__init__.py", "/consoles"],
)
def test_no_other_file_is_served(path: str) -> None:
    assert ask(path) is None


def test_a_signed_request_is_for_s3() -> None:
    signature = "AWS4-HMAC-SHA256 Credential=a/20261127/us-east-1/s3/aws4_request, Signature=b"
    assert ask("/console/", HTTP_AUTHORIZATION=signature) is None
    assert ask("/console/", method="PUT") is None


def test_messages_are_in_alphabetical_order_and_used() -> None:
    messages = json.loads(_MESSAGES.read_text())
    assert list(messages) == sorted(messages)
    sources = "".join(each.read_text() for each in _MESSAGES.parent.rglob("*.ts*"))
    assert [key for key in messages if f'"{key}"' not in sources] == []


def test_every_message_is_in_every_language_with_the_same_placeholders() -> None:
    for key, texts in json.loads(_MESSAGES.read_text()).items():
        assert set(texts) == {"en", "de", "es", "fr", "ja", "zh"}, key
        places = {language: set(re.findall(r"{\w+}", text)) for language, text in texts.items()}
        assert set(map(frozenset, places.values())) == {frozenset(places["en"])}, key


def test_french_signs_have_the_spaces_that_no_line_ends_at() -> None:
    """Typed as U+202F (narrow) before ; ! ? and as U+00A0 before a colon and within « »."""
    for key, texts in json.loads(_MESSAGES.read_text()).items():
        wrong = re.search(r"(?<!\u202f)[;!?]|(?<![\u00a0\w]):|\w: |« | »", texts["fr"])
        assert wrong is None, key
