"""A tab that was opened before the server was upgraded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.console.cameras import add_camera, delete_camera

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

_SOURCES = Path(__file__).parents[3] / "console" / "src"
_MESSAGES: dict[str, dict[str, str]] = json.loads((_SOURCES / "messages.json").read_text())


def upgrade(page: Page, part: str) -> None:
    """Let the server answer as a later version that has another file for a part of the console."""

    def ask_for_a_file_that_is_gone(route: Route) -> None:
        route.continue_(url=route.request.url.replace(f"{part}-", f"{part}-of-an-earlier-version-"))

    def rename_script(route: Route) -> None:
        answered = route.fetch()
        route.fulfill(response=answered, body=answered.text().replace("main-", "main-newer-"))

    page.route(re.compile(rf"/console/{part}-\w+\.js$"), ask_for_a_file_that_is_gone)
    page.route("**/console/index.html", rename_script)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja", "zh"])
def test_a_tab_that_is_older_than_the_server_offers_to_reload(
    page: Page,
    server: Server,
    shoot: Callable[[str], None],
    language: str,
) -> None:
    page.goto(f"{server.url}/console/")
    page.locator("select").last.select_option(language)
    upgrade(page, "settings")
    page.get_by_role("link", name=_MESSAGES["nav.settings"][language]).click()
    page.get_by_role("alert").filter(has_text=_MESSAGES["error.updated"][language]).wait_for()
    shoot(f"{language}-updated")
    page.unroute_all()
    page.get_by_role("button", name=_MESSAGES["error.reload"][language]).click()
    page.get_by_role("heading", name=_MESSAGES["nav.settings"][language], level=1).wait_for()
    page.evaluate("localStorage.removeItem('facedex-language')")


def test_code_that_is_missing_without_an_upgrade_is_no_update(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/")
    upgrade(page, "settings")
    page.unroute("**/console/index.html")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("alert").filter(has_text="The server does not answer.").wait_for()
    assert page.get_by_role("button", name="Reload the page").count() == 0


def test_a_camera_whose_player_is_gone_offers_to_reload(
    page: Page, server: Server, crew: str
) -> None:
    page.goto(f"{server.url}/console/#/cameras")
    upgrade(page, "play")
    add_camera(page, "upgraded", crew)
    page.get_by_role("button", name="Reload the page").wait_for()
    page.unroute_all()
    delete_camera(page)
