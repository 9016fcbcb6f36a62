"""What the pages say is true: numbers, dates, errors, and pictures that are still kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Server
from tests.e2e.console.test_door import SEARCH, seen
from tests.e2e.console.test_overtaking import Held, asks_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_TOO_LARGE = "<html><h1>413 Request Entity Too Large</h1></html>"


def test_a_similarity_is_not_rounded_up_to_the_threshold(
    page: Page, visit: Callable[[str], None], photos: dict[str, Path]
) -> None:
    answer = seen("ann")
    answer["SearchedFaces"][0]["FaceMatches"][0]["Similarity"] = 98.997
    page.route(SEARCH, lambda route: route.fulfill(json=answer))
    visit("who")
    slider = page.get_by_role("slider")
    for _ in range(8):
        slider.press("ArrowRight")
    page.get_by_text("Threshold: 99").wait_for()
    page.set_input_files("input[type=file]", min(photos.values()))
    page.get_by_text("No face of the collection passes this threshold.").wait_for()
    page.get_by_text("ann · 98.99", exact=True).wait_for()


def test_dates_are_written_as_the_reader_of_the_browser_writes_them(
    browser: BrowserContext, server: Server, crew: str
) -> None:
    assert browser.browser
    created = server.client("rekognition").describe_collection(CollectionId=crew)
    seconds = created["CreationTimestamp"].timestamp()
    for locale in ("en-GB", "en-US", "de-CH"):
        with closing(
            browser.browser.new_context(locale=locale, timezone_id="Asia/Kolkata")
        ) as context:
            page = context.new_page()
            page.goto(f"{server.url}/console/")
            row = page.get_by_role("row").filter(has_text=crew)
            shown = row.get_by_role("cell").last.inner_text()
            assert shown == page.evaluate(
                """([seconds, language]) => new Intl.DateTimeFormat(
                    language, {dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Kolkata"}
                ).format(seconds * 1000)""",
                [seconds, locale],
            )


def test_an_answer_of_a_proxy_is_not_taken_for_the_servers(
    page: Page, server: Server, visit: Callable[[str], None], photos: dict[str, Path]
) -> None:
    said = page.get_by_role("alert").filter(has_text="not the server's (status 413). A proxy")
    page.route(SEARCH, lambda route: route.fulfill(status=413, body=_TOO_LARGE))
    visit("who")
    page.set_input_files("input[type=file]", min(photos.values()))
    said.wait_for()
    page.get_by_role("link", name="Compare").click()
    held = Held(page, f"{server.url}/", asks_for("CompareFaces"), 1)
    for side in (0, 1):
        page.locator("input[type=file]").nth(side).set_input_files(min(photos.values()))
    held.wait()
    for route in held.routes:
        route.fulfill(status=413, body=_TOO_LARGE, content_type="text/html")
    said.wait_for()


def test_pictures_of_faces_are_gone_with_their_collection(
    page: Page, server: Server, photos: dict[str, Path]
) -> None:
    server.client("rekognition").create_collection(CollectionId="portraits")
    page.add_init_script(
        """
        window.pictures = new Set();
        const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
        URL.createObjectURL = (blob) => {
            const url = make.call(URL, blob);
            window.pictures.add(url);
            return url;
        };
        URL.revokeObjectURL = (url) => {
            window.pictures.delete(url);
            revoke.call(URL, url);
        };
        """
    )
    page.goto(f"{server.url}/console/#/collections/portraits")
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", list(photos.values()))
    page.get_by_text(f"{len(photos)} of {len(photos)} photos").wait_for()
    assert page.evaluate("pictures.size") == len(photos)
    page.get_by_role("tab", name="Tags and deletion").click()
    page.get_by_role("button", name="Delete the collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type portraits to confirm").fill("portraits")
    dialog.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("heading", name="Collections").wait_for()
    assert page.evaluate("pictures.size") == 0
