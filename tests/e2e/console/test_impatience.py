"""Readers who press twice, or who go on while the server is slow or has refused a part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Server
from tests.e2e.console.test_overtaking import Held, asks_for

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_what_is_sent_twice_is_done_once(page: Page, server: Server, crew: str) -> None:
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Users").click()
    held = Held(page, f"{server.url}/", asks_for("CreateUser"), 1)
    page.get_by_label("Name of a new user").fill("ann")
    create = page.get_by_role("button", name="Create a user")
    create.press("Enter")
    held.wait()
    create.and_(page.locator("[aria-busy=true]")).press("Enter")
    page.wait_for_timeout(300)
    held.answer()
    delete = page.get_by_role("button", name="Delete the user ann")
    delete.wait_for()
    assert page.get_by_role("alert").count() == 0
    delete.click()
    held = Held(page, f"{server.url}/", asks_for("DeleteUser"), 1)
    confirm = page.get_by_role("dialog").get_by_role("button", name="Delete")
    confirm.dblclick()
    held.wait()
    held.answer()
    delete.wait_for(state="detached")
    page.get_by_role("link", name="Collections").click()
    page.get_by_role("link", name=crew).wait_for()
    assert page.get_by_text("Recent errors in this tab").count() == 0


def test_what_is_typed_next_stays_when_the_answer_comes(
    page: Page, server: Server, crew: str
) -> None:
    page.goto(f"{server.url}/console/#/collections/{crew}")
    for tab, field, button, operation in (
        ("Users", "Name of a new user", "Create a user", "CreateUser"),
        ("Tags and deletion", "Key", "Add a tag", "TagResource"),
    ):
        page.get_by_role("tab", name=tab).click()
        held = Held(page, f"{server.url}/", asks_for(operation), 1)
        page.get_by_label(field).fill("ann")
        page.get_by_role("button", name=button).click()
        held.wait()
        page.get_by_label(field).fill("bob")
        held.answer()
        page.get_by_role("tabpanel").get_by_text("ann", exact=True).wait_for()
        page.wait_for_timeout(300)
        assert page.get_by_label(field).input_value() == "bob"


def test_faces_are_listed_again_after_a_change_that_failed_in_part(
    page: Page, server: Server, crew: str
) -> None:
    rekognition = server.client("rekognition")
    face = rekognition.list_faces(CollectionId=crew, MaxResults=1)["Faces"][0]["FaceId"]
    rekognition.create_user(CollectionId=crew, UserId="owner")
    rekognition.associate_faces(
        CollectionId=crew, UserId="owner", FaceIds=[face], UserMatchThreshold=0
    )
    page.goto(f"{server.url}/console/#/collections/{crew}")
    owner = page.get_by_role("listitem").get_by_role("button", name="owner")
    owner.wait_for()
    page.get_by_role("listitem").filter(has_text=face).get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete faces").click()
    held = Held(page, f"{server.url}/", asks_for("DeleteFaces"), 1)
    page.get_by_role("dialog").get_by_role("button", name="Delete faces").click()
    held.wait()
    for route in held.routes:
        route.fulfill(status=400, json={"__type": "ValidationException", "message": "Not now."})
    page.get_by_role("dialog").get_by_role("alert").filter(has_text="Not now.").wait_for()
    page.keyboard.press("Escape")
    # It was taken from its user before.
    owner.wait_for(state="detached")
    page.get_by_role("listitem").get_by_text(face).wait_for()


def test_faces_that_are_added_meanwhile_come_into_the_list(
    page: Page, server: Server, crew: str, photos: dict[str, Path], tmp_path: Path
) -> None:
    photo = tmp_path / "latecomer.jpg"
    photo.write_bytes(min(photos.values()).read_bytes() + b"late")
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    held = Held(page, f"{server.url}/", asks_for("IndexFaces"), 1)
    page.set_input_files("input[type=file]", photo)
    held.wait()
    page.get_by_role("tab", name="Faces").click()
    page.get_by_role("listitem").first.wait_for()
    held.answer()
    page.get_by_text("latecomer").wait_for()


def test_photos_are_added_while_another_page_is_shown(
    page: Page, server: Server, crew: str, photos: dict[str, Path]
) -> None:
    asks = "() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    held = Held(page, f"{server.url}/", asks_for("IndexFaces"), 1)
    page.set_input_files("input[type=file]", min(photos.values()))
    held.wait()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("heading", name="Settings").wait_for()
    assert page.evaluate(asks)
    page.get_by_role("link", name="Collections").click()
    page.get_by_role("link", name=crew).click()
    page.get_by_role("tab", name="Add photos").click()
    page.get_by_text("0 of 1 photos").wait_for()
    held.answer()
    page.get_by_text("1 of 1 photos").wait_for()
    assert not page.evaluate(asks)


def test_a_photo_without_a_collection_is_not_searched_for_ever(
    page: Page, server: Server, photos: dict[str, Path]
) -> None:
    page.route(
        f"{server.url}/",
        lambda route: (
            route.fulfill(json={"CollectionIds": [], "FaceModelVersions": []})
            if asks_for("ListCollections")(route)
            else route.continue_()
        ),
    )
    for path in ("who", "films"):
        page.goto(f"{server.url}/console/#/{path}")
        page.get_by_text("There are no collections yet").wait_for()
        if path == "who":
            page.set_input_files("input[type=file]", min(photos.values()))
            page.locator(".picture img").wait_for()
            assert page.get_by_text("Searching…").count() == 0
        else:
            # A film would be copied to the server for nothing.
            assert page.locator("input[type=file]").count() == 0


def test_a_search_that_the_reader_has_left_is_followed_in_the_settings(
    page: Page, server: Server, visit: Callable[[str], None], data: Path
) -> None:
    film = next((data / "video").glob("*.mp4"))
    visit("films")
    page.set_input_files("input[type=file]", film)
    page.get_by_text("Searching the film").wait_for()
    page.get_by_role("link", name="Settings").click()
    item = page.get_by_role("listitem").filter(has_text=film.name)
    item.filter(has_text="IN_PROGRESS").or_(item).first.wait_for()
    item.filter(has_not_text="IN_PROGRESS").wait_for(timeout=120_000)


def test_files_that_miss_the_place_to_drop_them_do_not_replace_the_console(
    page: Page, server: Server
) -> None:
    page.goto(f"{server.url}/console/#/who")
    page.get_by_role("heading", name="Who is this?").wait_for()
    # What a browser does with files unless a page prevents it.
    ignored = page.evaluate(
        """() => ["dragover", "drop"].map((name) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["photo"], "ann.jpg", { type: "image/jpeg" }));
            const init = { dataTransfer, bubbles: true, cancelable: true };
            return !document.querySelector("h1").dispatchEvent(new DragEvent(name, init));
        })"""
    )
    assert ignored == [True, True]
