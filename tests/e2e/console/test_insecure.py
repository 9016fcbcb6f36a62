"""The console by plain HTTP from another machine: browsers then lack several of their functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.browser import REBOUND
from tests.e2e.console.cameras import add_camera, delete_camera
from tests.e2e.photos import with_mirror_images

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path], pack_directory: Path
) -> Iterator[Server]:
    """Return a server that a name on the network reaches, with a collection."""
    running = Server(
        tmp_path_factory.mktemp("console-network") / "data",
        "--port=0",
        "--host=0.0.0.0",
        FACEDEX_MODELS=str(pack_directory.parent),
    )
    running.url = f"http://127.0.0.1:{running.url.rpartition(':')[2]}"
    running.client("rekognition").create_collection(CollectionId="crew")
    running.url = running.url.replace("127.0.0.1", REBOUND)
    yield running
    assert running.stop() == 0


@pytest.fixture
def page(page: Page, server: Server) -> Page:
    page.goto(f"{server.url}/console/")
    page.get_by_role("link", name="crew").wait_for()
    assert not page.evaluate("isSecureContext")
    return page


def test_films_and_thresholds_need_no_secure_page(
    page: Page, photos: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    page.get_by_role("link", name="Films").click()
    page.set_input_files("input[type=file]", next((data / "video").glob("*.mp4")))
    page.get_by_text("People in the film").wait_for(timeout=120_000)
    with_mirror_images(photos, tmp_path)
    page.get_by_role("link", name="Threshold").click()
    page.set_input_files("input[type=file]", tmp_path)
    page.get_by_text("Pairs of the same person: 2 · pairs of different people: 4").wait_for()


def test_a_call_that_cannot_be_copied_is_selected(page: Page) -> None:
    page.get_by_text("The same call in aws").click()
    page.get_by_role("button", name="Copy").click()
    page.wait_for_timeout(300)
    assert "aws rekognition" in page.evaluate("String(getSelection())")
    assert page.get_by_role("button", name="Copied").count() == 0


def test_what_needs_a_secure_page_says_so(page: Page) -> None:
    page.get_by_role("link", name="The door").click()
    secure = page.get_by_role("alert").filter(has_text="by HTTPS")
    secure.wait_for()
    page.get_by_role("link", name="Cameras").click()
    add_camera(page, "lobby", "crew")
    secure.wait_for()
    assert page.get_by_text("The camera sends no picture now.").count() == 0
    delete_camera(page)
