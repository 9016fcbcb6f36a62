"""The console by keyboard alone, and in every language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_SOURCES = Path(__file__).parents[3] / "console" / "src"
_MESSAGES: dict[str, dict[str, str]] = json.loads((_SOURCES / "messages.json").read_text())
_PAGES = {
    "": "overview.title",
    "who": "who.title",
    "compare": "compare.title",
    "door": "door.title",
    "people": "people.title",
    "films": "films.title",
    "cameras": "cameras.title",
    "threshold": "rates.title",
    "settings": "nav.settings",
}
_FOCUSED = """() => {
    const element = document.activeElement;
    const label = element.labels?.[0] ?? element;
    return element.getAttribute("aria-label") ?? label.innerText;
}"""


def reach(page: Page, name: str, key: str = "Tab") -> None:
    """Press a key until the element with a name has the focus."""
    for _ in range(60):
        page.keyboard.press(key)
        if page.evaluate(_FOCUSED).startswith(name):
            return
    raise AssertionError(f"{name!r} is not reached by {key}")


def choose(page: Page, name: str, photo: Path) -> None:
    reach(page, name)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(photo)


def test_photos_are_added_and_searched_by_keyboard(
    page: Page, server: Server, photos: dict[str, Path]
) -> None:
    name, photo = next(iter(photos.items()))
    # From now on, Chromium reports the dialogs for files: it begins a moment after it is asked to.
    page.on("filechooser", lambda _: None)
    page.goto(f"{server.url}/console/")
    page.locator("h1").wait_for()
    reach(page, "Skip to the content")
    page.keyboard.press("Enter")
    reach(page, "Create a collection")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="by-keyboard").wait_for()
    reach(page, "by-keyboard")
    page.keyboard.press("Enter")
    page.get_by_role("tab").first.wait_for()
    reach(page, "Faces")
    for name_of_tab in ("Users", "Add photos"):
        page.keyboard.press("ArrowRight")
        page.get_by_role("tab", name=name_of_tab, selected=True).wait_for()
    page.get_by_label("Name of each face").wait_for()
    choose(page, "Photos to add", photo)
    page.get_by_text("1 of 1 photos").wait_for()
    reach(page, "Who is this?", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Who is this?").wait_for()
    page.get_by_label("Collection").wait_for()
    reach(page, "Threshold: 90")
    page.keyboard.press("ArrowRight")
    page.get_by_text("Threshold: 92").wait_for()
    choose(page, "Photo of one or more people", photo)
    page.get_by_role("button", name=name).wait_for()
    reach(page, name)
    page.keyboard.press("Enter")
    reach(page, "Attributes and landmarks")
    page.keyboard.press("Enter")
    page.get_by_text("Certainty that it is a face").wait_for()
    server.client("rekognition").delete_collection(CollectionId="by-keyboard")


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja", "zh"])
def test_every_page_is_in_every_language(
    page: Page, server: Server, crew: str, shoot: Callable[[str], None], language: str
) -> None:
    page.goto(f"{server.url}/console/#/settings")
    page.locator("footer select").select_option(language)
    assert page.locator("html").get_attribute("lang") == language
    for path, title in _PAGES.items():
        page.evaluate(f"location.hash = '/{path}'")
        page.get_by_role("heading", level=1, name=_MESSAGES[title][language]).wait_for()
        text = page.locator("body").inner_text()
        assert not re.search(r"\{\w+\}|undefined|NaN", text), path
        shown = {_MESSAGES[key][language] for key in _MESSAGES if key.startswith("nav.")}
        navigation = page.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert set(navigation) <= shown
        shoot(f"{language}-{path or 'overview'}")
    page.evaluate("localStorage.removeItem('facedex-language')")


def test_the_language_is_the_browsers_until_one_is_chosen(
    browser: BrowserContext, server: Server
) -> None:
    assert browser.browser
    kept = browser.storage_state()
    for locale, choice, shown in (
        ("en-GB", None, "en"),
        ("de-DE", None, "de"),
        ("fr-FR", "es", "es"),
        ("ja-JP", None, "es"),
    ):
        # The same browser, whose owner has chosen another language for it meanwhile.
        with closing(browser.browser.new_context(locale=locale, storage_state=kept)) as context:
            page = context.new_page()
            page.goto(f"{server.url}/console/#/settings")
            page.locator("h1").wait_for()
            if choice:
                page.locator("footer select").select_option(choice)
            page.get_by_role("heading", level=1, name=_MESSAGES["nav.settings"][shown]).wait_for()
            assert page.locator("html").get_attribute("lang") == shown
            kept = context.storage_state()
