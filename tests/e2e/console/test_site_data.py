"""The console in a browser that blocks site data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.browser import opened
from tests.e2e.console.cameras import add_camera, delete_camera

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_BLOCK = 2  # Chromium's "Don't allow sites to save data on your device"
_STORAGE = "() => { try { return typeof localStorage } catch (error) { return error.name } }"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    profile = tmp_path_factory.mktemp("profile")
    preferences = {"profile": {"default_content_setting_values": {"cookies": _BLOCK}}}
    (profile / "Default").mkdir()
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    with opened(profile=profile) as context:
        yield context


def test_the_console_works_and_a_language_is_chosen_for_the_page(
    page: Page, server: Server
) -> None:
    page.goto(f"{server.url}/console/")
    assert page.evaluate(_STORAGE) == "SecurityError"
    page.get_by_role("heading", level=1, name="Collections").wait_for()
    page.get_by_label("Language").select_option("de")
    page.get_by_role("heading", level=1, name="Sammlungen").wait_for()
    page.reload()
    page.get_by_role("heading", level=1, name="Collections").wait_for()


def test_sightings_of_a_camera_are_read_and_forgotten(
    page: Page, server: Server, crew: str
) -> None:
    page.goto(f"{server.url}/console/#/cameras")
    add_camera(page, "blocked", crew)
    # Deleting the camera forgets its sightings, and only then goes on to the list.
    delete_camera(page)
