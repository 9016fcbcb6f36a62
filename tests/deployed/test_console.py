"""The console of a deployment: its files need no signature, and its requests are signed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from ssl import create_default_context
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

from tests.deployed.account import Stack
from tests.e2e.browser import opened, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    # The emulator's certificate is its own.
    with opened("--ignore-certificate-errors") as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """Return an empty page; the test fails if the page's policy or a script fails."""
    with watched_page(browser, lambda message: "Content Security Policy" in message.text) as page:
        yield page


def fetch(stack: Stack, url: str) -> Any:
    trusted = create_default_context(cafile=str(stack.emulator.certificate.chain))
    return urllib.request.urlopen(url, context=trusted, timeout=60)


def test_the_files_need_no_signature_and_carry_the_policy(stack: Stack, keyed: Stack) -> None:
    for address in (stack.url, keyed.keyed_url):
        with fetch(stack, f"{address}console/index.html") as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
            assert b"Facedex" in answer.read()
        with pytest.raises(HTTPError) as missing:
            fetch(stack, f"{address}console/handler.py")
        assert missing.value.code == 404
        missing.value.close()
    with fetch(stack, f"{keyed.keyed_url}console/") as answer:
        assert answer.url == f"{keyed.keyed_url}console/index.html"
    with fetch(stack, f"{keyed.keyed_url}console/config.json") as answer:
        config = json.load(answer)
    assert (config["auth"], config["machine"], config["stack"]) == ("keys", False, keyed.name)


@pytest.mark.parametrize("auth", ["iam", "keys"])
def test_a_person_enrols_a_photo_and_is_recognised(
    auth: str,
    page: Page,
    stack: Stack,
    keyed: Stack,
    portraits: dict[str, bytes],
    tmp_path: Path,
) -> None:
    photo = tmp_path / "eileen.jpg"
    photo.write_bytes(portraits["eileen"])
    if auth == "iam":
        address, key = stack.url, ("test", "test")
    else:
        address = keyed.keyed_url
        made = keyed.invoke("access_keys", {"Action": "create", "Name": "console"})
        key = made["AccessKeyId"], made["SecretAccessKey"]
    page.set_default_timeout(60_000)  # of functions that start
    page.goto(f"{address}console/index.html")
    page.get_by_label("Access key ID").fill(key[0])
    page.get_by_label("Secret access key").fill(key[1])
    assert page.get_by_label("Session token").count() == (auth == "iam")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Create a collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("shown")
    dialog.get_by_role("button", name="Create a collection").click()
    page.get_by_role("link", name="shown").click()
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", photo)
    page.get_by_text("1 of 1 photos · faces added: 1").wait_for()
    page.get_by_role("link", name="Who is this?").click()
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name="eileen").wait_for()
    # What a deployment has not is not offered.
    assert page.get_by_role("link", name="Films").count() == 0
    assert page.get_by_role("link", name="Cameras").count() == 0
    page.get_by_role("link", name="Collections").click()
    page.get_by_text("Its metrics, logs and alarms are in CloudWatch.").wait_for()
    page.get_by_role("link", name="shown").click()
    page.get_by_role("tab", name="Tags and deletion").click()
    page.get_by_role("button", name="Delete the collection").click()
    dialog.get_by_role("textbox").fill("shown")
    dialog.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("heading", name="There are no collections yet.").wait_for()
