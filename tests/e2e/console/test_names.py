"""Names of people: in every script, of every length, and what is said about those refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from facedex.api.naming import escape
from tests.conftest import Server
from tests.e2e.console.test_door import SEARCH, seen

if TYPE_CHECKING:
    from playwright.sync_api import Page

_NAMES = ("Zoë", "李雷", "Ольга", "\U0001f600", "名" * 90)


def test_names_in_every_script_stay_different_and_readable(
    page: Page,
    server: Server,
    visit: Callable[[str], None],
    crew: str,
    photos: dict[str, Path],
    tmp_path: Path,
) -> None:
    rekognition = server.client("rekognition")
    photo = min(photos.values()).read_bytes()
    files = []
    for number, name in enumerate(_NAMES):
        files.append(tmp_path / f"{name[:80]}.jpg")
        files[-1].write_bytes(photo + bytes([number]))
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    page.get_by_label("Name of each face").select_option("one name for all photos")
    for name, file in zip(_NAMES, files, strict=True):
        page.get_by_label("Name", exact=True).fill(name)
        page.set_input_files("input[type=file]", file)
        page.get_by_text(f"{files.index(file) + 1} of {files.index(file) + 1} photos").wait_for()
    faces = rekognition.list_faces(CollectionId=crew)["Faces"]
    ids = {face["ExternalImageId"] for face in faces} - set(photos)
    assert {escape(name) for name in _NAMES[:-1]} < ids
    assert len(ids) == len(_NAMES)
    page.get_by_role("tab", name="Faces").click()
    for name in _NAMES[:-1]:
        page.get_by_role("listitem").get_by_text(name, exact=True).wait_for()
    page.get_by_label("Filter by name").fill("李")
    page.get_by_text("Faces: 1", exact=True).wait_for()


def test_a_name_does_not_change_the_order_of_what_is_beside_it(
    page: Page, visit: Callable[[str], None], photos: dict[str, Path]
) -> None:
    turned = escape("ann\u202e")
    page.route(SEARCH, lambda route: route.fulfill(json=seen(turned, escape("שלום"))))
    visit("who")
    page.set_input_files("input[type=file]", min(photos.values()))
    # U+202E would turn the similarity round, so it is not drawn.
    page.locator("li").get_by_text(turned).wait_for()
    page.get_by_role("button", name="שלום").click()
    # A number after a name from right to left would be drawn before it without the element.
    page.locator("li bdi").get_by_text("שלום", exact=True).wait_for()


def test_long_names_leave_room_for_each_other(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    face = rekognition.list_faces(CollectionId=crew, MaxResults=1)["Faces"][0]
    user = "user-" * 25
    rekognition.create_user(CollectionId=crew, UserId=user)
    rekognition.associate_faces(
        CollectionId=crew, UserId=user, FaceIds=[face["FaceId"]], UserMatchThreshold=0
    )
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(f"{server.url}/console/#/collections/{crew}")
        page.reload()
        row = page.get_by_role("listitem").filter(has_text=face["FaceId"])
        name = row.get_by_text(face["ExternalImageId"], exact=True).bounding_box()
        assert name
        assert name["width"] > 20
        certainty = row.locator(".number").bounding_box()
        assert certainty
        assert certainty["x"] + certainty["width"] <= width
        assert row.get_by_role("button").get_attribute("title") == user


def test_a_field_says_which_names_it_takes(page: Page, server: Server, crew: str) -> None:
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Users").click()
    field = page.get_by_label("Name of a new user")
    field.fill("Ann Lee")
    assert not field.evaluate("field => field.validity.valid")
    # Browsers show it with their own words.
    assert "hyphen, underscore, full stop and colon" in (field.get_attribute("title") or "")
