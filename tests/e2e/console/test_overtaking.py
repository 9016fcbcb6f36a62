"""Answers and files that are late do not take the place of newer ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.conftest import Server
from tests.e2e.films import moving
from tests.e2e.photos import altered

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

# What the page draws of a photo waits until the test lets it go on.
SLOW_DRAWING = """
    const draw = createImageBitmap;
    window.createImageBitmap = async (...all) => {
        await new Promise((resolve) => { window.goOn = resolve });
        return draw(...all);
    };
"""


class Held:
    """Requests that wait for the test.

    Args:
        page: the page that sends them.
        address: where they go.
        chooses: returns whether a request is held.
        most: how many are held at most.
    """

    def __init__(
        self, page: Page, address: str, chooses: Callable[[Route], bool], most: int
    ) -> None:
        self.routes: list[Route] = []
        self._page = page
        self._chooses = chooses
        self._most = most
        page.route(address, self._take)

    def _take(self, route: Route) -> None:
        if len(self.routes) < self._most and self._chooses(route):
            self.routes.append(route)
        else:
            route.continue_()

    def wait(self) -> None:
        """Wait until as many are held as can be."""
        while len(self.routes) < self._most:
            self._page.wait_for_timeout(50)

    def answer(self, answer: dict[str, Any] | None = None) -> None:
        """Let them go on, or answer them; those that the page has given up are gone."""
        from playwright.sync_api import Error

        for route in self.routes:
            try:
                if answer is None:
                    route.continue_()
                else:
                    route.fulfill(json=answer, content_type="application/x-amz-json-1.1")
            except Error:
                continue


def asks_for(operation: str) -> Callable[[Route], bool]:
    """Return a function that recognises the requests of an operation."""
    target = f"RekognitionService.{operation}"
    return lambda route: route.request.headers.get("x-amz-target") == target


def test_attributes_of_a_photo_are_not_shown_for_the_next(
    page: Page,
    server: Server,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    tmp_path: Path,
) -> None:
    name, photo = min(photos.items())
    # A face at the same place.
    other = tmp_path / "other.jpg"
    other.write_bytes(altered(photo.read_bytes(), lambda each: ImageEnhance.Color(each).enhance(0)))
    box = server.client("rekognition").detect_faces(Image={"Bytes": photo.read_bytes()})
    late = {
        "FaceDetails": [
            {
                "BoundingBox": box["FaceDetails"][0]["BoundingBox"],
                "Confidence": 99.0,
                "AgeRange": {"Low": 1, "High": 2},
            }
        ]
    }
    held = Held(page, f"{server.url}/", asks_for("DetectFaces"), 1)
    visit("who")
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name=name).wait_for()
    page.get_by_text("Attributes and landmarks").click()
    held.wait()
    source = page.locator(".picture img").get_attribute("src")
    page.set_input_files("input[type=file]", other)
    page.wait_for_function(
        "(source) => document.querySelector('.picture img').src !== source", arg=source
    )
    page.get_by_role("button", name=name).wait_for()
    held.answer(late)
    page.wait_for_timeout(300)
    page.get_by_text("Attributes and landmarks").click()
    page.locator("dt", has_text="Age").wait_for()
    assert page.get_by_text("1 – 2").count() == 0


def test_a_photo_that_takes_longer_to_read_does_not_replace_a_newer_one(
    page: Page, visit: Callable[[str], None], photos: dict[str, Path], tmp_path: Path
) -> None:
    (first, quick), (second, photo) = sorted(photos.items())
    slow = tmp_path / "slow.webp"
    with Image.open(photo) as picture:
        picture.save(slow)
    page.add_init_script(SLOW_DRAWING)
    visit("who")
    page.set_input_files("input[type=file]", slow)
    page.wait_for_function("Boolean(window.goOn)")
    page.set_input_files("input[type=file]", quick)
    page.get_by_role("button", name=first).wait_for()
    page.evaluate("goOn()")
    page.wait_for_timeout(1000)
    assert page.get_by_role("button", name=first).count() == 1
    assert page.get_by_role("button", name=second).count() == 0


@pytest.mark.parametrize("late", [0, 1])
def test_a_comparison_is_that_of_the_photos_that_were_chosen_last(
    page: Page, server: Server, photos: dict[str, Path], tmp_path: Path, late: int
) -> None:
    quick, photo = (photos[name] for name in sorted(photos)[:2])
    slow = tmp_path / "slow.webp"
    with Image.open(photo) as picture:
        picture.save(slow)
    page.add_init_script(SLOW_DRAWING)
    page.goto(f"{server.url}/console/#/compare")
    inputs = page.locator("input[type=file]")
    inputs.nth(late).set_input_files(slow)
    page.wait_for_function("Boolean(window.goOn)")
    for number in range(2):
        inputs.nth(number).set_input_files(quick)
    same = page.get_by_text("At or above the threshold.")
    same.wait_for()
    page.evaluate("goOn()")
    page.wait_for_timeout(1000)
    assert same.is_visible()


def test_error_rates_are_those_of_the_folder_that_was_chosen_last(
    page: Page, server: Server, photos: dict[str, Path], tmp_path: Path
) -> None:
    for person, photo in photos.items():
        for folder in ("first", "second"):
            (tmp_path / folder / person).mkdir(parents=True)
            shutil.copy(photo, tmp_path / folder / person)
        mirrored = tmp_path / "second" / person / "mirrored.jpg"
        mirrored.write_bytes(altered(photo.read_bytes(), ImageOps.mirror))
    held = Held(page, f"{server.url}/", asks_for("IndexFaces"), 2)
    page.goto(f"{server.url}/console/#/threshold")
    page.set_input_files("input[type=file]", tmp_path / "first")
    held.wait()
    page.set_input_files("input[type=file]", tmp_path / "second")
    right = page.get_by_text("Pairs of the same person: 2 · pairs of different people: 4")
    right.wait_for()
    held.answer()
    page.wait_for_timeout(1000)
    assert right.is_visible()
    left = server.client("rekognition").list_collections()["CollectionIds"]
    assert [each for each in left if each.startswith("console-")] == []


def test_a_collection_for_error_rates_is_deleted_if_the_page_is_left_before_it_is_confirmed(
    page: Page, server: Server, photos: dict[str, Path], tmp_path: Path
) -> None:
    for person, photo in photos.items():
        (tmp_path / "people" / person).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "people" / person)

    def creates(route: Route) -> bool:
        if not asks_for("CreateCollection")(route):
            return False
        route.fetch()  # the server creates it, and only its answer is late
        return True

    held = Held(page, f"{server.url}/", creates, 1)
    page.goto(f"{server.url}/console/#/threshold")
    page.set_input_files("input[type=file]", tmp_path / "people")
    held.wait()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("heading", name="Access keys").wait_for()
    target = "RekognitionService.DeleteCollection"
    with page.expect_response(lambda each: each.request.headers.get("x-amz-target") == target):
        held.answer({"StatusCode": 200})
    left = server.client("rekognition").list_collections()["CollectionIds"]
    assert [each for each in left if each.startswith("console-")] == []


def test_a_film_that_is_still_copied_when_the_page_is_left_is_deleted(
    page: Page,
    server: Server,
    visit: Callable[[str], None],
    portraits: dict[str, bytes],
    tmp_path: Path,
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(moving(portraits, min(portraits), seconds=1))
    address = f"{server.url}/console-films/**/film.mp4*"
    held = Held(page, address, lambda route: route.request.method == "PUT", 1)
    visit("films")
    page.set_input_files("input[type=file]", film)
    held.wait()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("heading", name="Access keys").wait_for()
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        held.answer()
    assert server.client("s3").list_objects_v2(Bucket="console-films").get("KeyCount") == 0


def test_a_collection_that_is_deleted_while_the_overview_loads_is_left_out(
    page: Page, server: Server, crew: str
) -> None:
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId="ephemeral")
    deleted: list[str] = []

    def delete(route: Route) -> None:
        if asks_for("DescribeCollection")(route) and not deleted:
            rekognition.delete_collection(CollectionId="ephemeral")
            deleted.append("ephemeral")
        route.continue_()

    page.route(f"{server.url}/", delete)
    page.goto(f"{server.url}/console/")
    page.get_by_role("link", name=crew).wait_for()
    assert deleted == ["ephemeral"]
    assert page.get_by_role("link", name="ephemeral").count() == 0
    assert page.get_by_role("alert").count() == 0
    assert page.get_by_role("heading", name="Recent errors").count() == 0
