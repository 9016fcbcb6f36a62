"""The error rates of a folder of photos, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Server
from tests.e2e.photos import with_mirror_images

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_folder_of_people_gives_error_rates_and_leaves_nothing(
    page: Page,
    server: Server,
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
    tmp_path: Path,
) -> None:
    with_mirror_images(photos, tmp_path)
    page.goto(f"{server.url}/console/#/threshold")
    page.set_input_files("input[type=file]", tmp_path)
    page.get_by_text("Pairs of the same person: 2 · pairs of different people: 4").wait_for()
    row = page.get_by_role("row").filter(has_text="99.9").first
    assert row.get_by_role("cell").all_inner_texts()[1:] == ["0%", "0%"]
    shoot("threshold")
    assert findings(page) == []
    left = server.client("rekognition").list_collections()["CollectionIds"]
    assert [each for each in left if each.startswith("console-")] == []


def test_every_page_is_accessible_in_light_and_dark_and_on_a_phone(
    page: Page, server: Server, findings: Callable[[Page], list[str]]
) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(f"{server.url}/console/")
        for path in (
            "who",
            "compare",
            "people",
            "films",
            "cameras",
            "threshold",
            "settings",
            "",
            "nowhere",
        ):
            page.evaluate(f"location.hash = '/{path}'")
            page.locator("h1").wait_for()
            assert findings(page) == [], path
            wide = "document.documentElement.scrollWidth > innerWidth"
            assert not page.evaluate(wide), path


def test_photos_beyond_the_most_that_are_compared_are_announced(
    page: Page, server: Server, tmp_path: Path
) -> None:
    for number in range(4100):
        folder = tmp_path / f"person-{number % 2}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jpg").touch()
    page.goto(f"{server.url}/console/#/threshold")
    page.set_input_files("input[type=file]", tmp_path)
    page.get_by_text("Only the first 4,096 of 4,100 photos are compared.").wait_for()
    page.get_by_role("link", name="Settings").click()
