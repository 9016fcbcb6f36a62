"""Nothing moves by itself on any page: Chromium's own layout shifts add up to zero."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

# https://developer.mozilla.org/docs/Web/API/LayoutShift
_WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
        const moved = sources.map(({ node }) => (node?.outerHTML ?? node?.parentNode?.outerHTML));
        if (value) window.shifts.push([value, ...moved]);
    }
}).observe({ type: "layout-shift", buffered: true });
"""
# Of a computer, and of a phone.
_SIZES = ({"width": 1280, "height": 720}, {"width": 360, "height": 740})
_PATHS = ("who", "compare", "people", "films", "cameras", "threshold", "settings", "nowhere")


@pytest.fixture(params=_SIZES, ids=["computer", "phone"])
def shifts(page: Page, request: pytest.FixtureRequest) -> Callable[[], list[object]]:
    """Return a function with what has moved on the page; the page is of each size in turn."""
    page.set_viewport_size(request.param)
    page.add_init_script(_WATCH)

    def shifts() -> list[object]:
        page.wait_for_timeout(300)  # until the browser has reported them
        found: list[object] = page.evaluate("window.shifts")
        # In the log of the door, the newest is the first: the others make room for it.
        return [each for each in found if "<li" not in str(each)]

    return shifts


def test_nothing_moves_while_a_page_loads(
    page: Page, server: Server, crew: str, shifts: Callable[[], list[object]]
) -> None:
    for path in _PATHS:
        page.goto(f"{server.url}/console/#/{path}")
        page.reload()
        page.locator("h1").wait_for()
        page.wait_for_load_state("networkidle")
        assert shifts() == [], path
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.reload()
    page.get_by_role("listitem").first.wait_for()
    assert shifts() == []
    page.goto(f"{server.url}/console/#/")
    page.reload()
    page.locator(".chart canvas").first.wait_for()
    assert shifts() == []


def test_nothing_moves_while_people_come_to_the_door_and_leave(
    page: Page, server: Server, crew: str, shifts: Callable[[], list[object]]
) -> None:
    page.goto(f"{server.url}/console/#/door")
    page.get_by_label("Collection").select_option(crew)
    for _ in range(2):
        page.get_by_text("Welcome,").wait_for()
        page.get_by_text("Please look into the camera.").wait_for()
    assert shifts() == []


def test_nothing_moves_while_photos_are_added(
    page: Page,
    server: Server,
    crew: str,
    photos: dict[str, Path],
    shifts: Callable[[], list[object]],
    tmp_path: Path,
) -> None:
    empty = tmp_path / "wall.jpg"
    Image.new("RGB", (300, 200), (90, 110, 90)).save(empty)
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", [*photos.values(), empty])
    page.get_by_text(f"{len(photos) + 1} of {len(photos) + 1} photos").wait_for()
    page.get_by_text("No face was found.").wait_for()
    # The list itself appears at once after the choice of the files, below all else.
    assert shifts() == []
