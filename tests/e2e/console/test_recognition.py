"""Photos, the webcam and films are searched in the console."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_photo_is_recognised_and_the_slider_says_who_passes(
    page: Page,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    name, photo = next(iter(photos.items()))
    visit("who")
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name=name).wait_for()
    page.get_by_text("Attributes and landmarks").click()
    page.get_by_text("Certainty that it is a face").wait_for()
    page.locator("dt", has_text="Smile").wait_for()
    # Of one face.
    assert page.locator(".picture path").count() == 30
    page.get_by_text("The same call in aws").click()
    assert "aws rekognition detect-faces" in page.locator("pre").inner_text()
    page.evaluate("document.querySelector('h1').scrollIntoView()")
    shoot("who-is-this")
    assert findings(page) == []


def test_two_photos_of_a_person_are_compared(
    page: Page,
    server: Server,
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    first, second = photos.values()
    page.goto(f"{server.url}/console/#/compare")
    files = page.locator("input[type=file]")
    source, target = files.nth(0), files.nth(1)
    source.set_input_files(first)
    target.set_input_files(first)
    page.get_by_text("At or above the threshold.").wait_for()
    shoot("compare")
    assert findings(page) == []
    target.set_input_files(second)
    page.get_by_text("Below the threshold.").wait_for()


def test_the_door_greets_who_is_in_the_collection_and_logs_the_pass(
    page: Page,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    name = sorted(photos)[0]
    visit("door")
    page.get_by_text(f"Welcome, {name}").wait_for()
    shoot("door")
    page.get_by_text("Please look into the camera.").wait_for()
    page.get_by_text(f"Welcome, {name}").wait_for()
    assert findings(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert {row["name"] for row in rows} == {name}


def test_a_film_is_searched_and_its_people_are_on_a_timeline(
    page: Page,
    server: Server,
    visit: Callable[[str], None],
    data: Path,
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    film = next((data / "video").glob("*.mp4"))
    visit("films")
    page.set_input_files("input[type=file]", film)
    page.get_by_text("People in the film").wait_for(timeout=120_000)
    page.get_by_role("button", name="Show Person 1 at").first.click()
    assert page.locator("video").evaluate("video => video.currentTime") > 0
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    moments = json.loads(download.value.path().read_text())["Persons"]
    alike = {each["Person"]["Index"] for each in moments if each.get("FaceMatches")}
    page.get_by_label("Threshold").fill("0")
    # A similarity of 0 reaches a threshold of 0.
    page.locator(".timeline .known").nth(len(alike) - 1).wait_for()
    assert page.locator(".timeline .known").count() == len(alike) > 1
    shoot("film")
    assert findings(page) == []
    s3 = server.client("s3")
    assert s3.list_objects_v2(Bucket="console-films").get("KeyCount") == 0


def test_the_door_fits_a_phone(
    page: Page,
    visit: Callable[[str], None],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    visit("door")
    page.get_by_text("Welcome,").wait_for()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    for upright in (True, False):
        if not upright:
            page.set_viewport_size({"width": 740, "height": 360})
        page.get_by_role("button", name="Full screen").click()
        stage = page.locator(".stage")
        stage.and_(page.locator(":fullscreen")).wait_for()
        for part in (stage.locator("video"), stage.locator(".verdict")):
            part.wait_for()
            box = part.bounding_box()
            size = page.evaluate("[innerWidth, innerHeight]")
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]
            assert box["y"] + box["height"] <= size[1]
        shoot(f"door-phone-{'upright' if upright else 'across'}")
        page.get_by_role("button", name="Full screen").click()
        page.locator(":fullscreen").wait_for(state="detached")
    assert findings(page) == []


def test_labels_of_faces_at_the_edges_stay_in_the_picture(
    page: Page,
    server: Server,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    tmp_path: Path,
) -> None:
    photo = min(photos.values())
    box = server.client("rekognition").detect_faces(Image={"Bytes": photo.read_bytes()})
    found = box["FaceDetails"][0]["BoundingBox"]
    corner = tmp_path / "corner.jpg"
    with Image.open(photo) as picture:
        right = round((found["Left"] + found["Width"]) * picture.width)
        low = round((found["Top"] + found["Height"]) * picture.height)
        picture.crop((0, 0, right + 2, low + 2)).save(corner)
    visit("who")
    page.set_input_files("input[type=file]", corner)
    page.locator(".mark").wait_for()
    picture_box = page.locator(".picture img").bounding_box()
    label = page.locator(".mark span").bounding_box()
    assert picture_box
    assert label
    assert label["y"] + label["height"] <= picture_box["y"] + picture_box["height"] + 6
    assert label["x"] + label["width"] <= picture_box["x"] + picture_box["width"] + 6
