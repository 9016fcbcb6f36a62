"""The story of a collection: created, filled with photos, searched, cleaned and deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_collection_from_its_first_photo_to_its_end(
    page: Page,
    server: Server,
    photos: dict[str, Path],
    shoot: Callable[[str], None],
    tmp_path: Path,
) -> None:
    rekognition = server.client("rekognition")
    page.goto(f"{server.url}/console")
    page.get_by_role("button", name="Create a collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("crew")
    dialog.get_by_role("button", name="Create a collection").click()
    page.get_by_role("link", name="crew").click()

    page.get_by_role("tab", name="Add photos").click()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    notes = tmp_path / "notes.txt"  # the browser itself refuses this one, the server the other
    notes.write_text("not a picture either")
    page.set_input_files("input[type=file]", [*photos.values(), broken, notes])
    page.get_by_text(f"{len(photos) + 2} of {len(photos) + 2} photos").wait_for()
    shoot("photos-added")
    assert page.get_by_text("This browser cannot read the file").count() == 2
    page.get_by_role("button", name="Only photos that were not added: 2").click()
    assert page.locator(".photo").count() == 2
    records = rekognition.list_faces(CollectionId="crew")["Faces"]
    assert {each["ExternalImageId"] for each in records} == set(photos)

    page.get_by_role("tab", name="Faces").click()
    first, second = sorted(photos)[:2]
    for name in (first, second):
        page.get_by_role("listitem").filter(has_text=name).get_by_role("checkbox").check()
    page.get_by_role("button", name="Associate with a user").click()
    dialog.get_by_label("User, known or new").fill("ann")
    dialog.get_by_role("button", name="Associate with a user").click()
    page.get_by_role("button", name="ann").first.wait_for()
    shoot("faces")
    assert len(rekognition.list_faces(CollectionId="crew", UserId="ann")["Faces"]) == 2

    page.get_by_role("searchbox").fill(first)
    page.get_by_role("listitem").get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete faces").click()
    dialog.get_by_role("button", name="Delete faces").click()
    page.get_by_text(f"Faces: {len(photos) - 1} ·").wait_for()
    assert len(rekognition.list_faces(CollectionId="crew", UserId="ann")["Faces"]) == 1

    page.get_by_role("tab", name="Tags and deletion").click()
    page.get_by_role("button", name="Delete the collection").click()
    assert dialog.get_by_role("button", name="Delete the collection").is_disabled()
    dialog.get_by_role("textbox").fill("crew")
    dialog.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("heading", name="There are no collections yet.").wait_for()
    assert rekognition.list_collections()["CollectionIds"] == []


def test_a_folder_of_people_is_added_with_the_name_of_each_folder(
    page: Page, server: Server, crew: str, photos: dict[str, Path], tmp_path: Path
) -> None:
    rekognition = server.client("rekognition")
    for person, photo in photos.items():
        (tmp_path / "team" / f"{person} smith").mkdir(parents=True)
        content = photo.read_bytes()
        for number in range(2):
            # Other bytes, else it would be the same face.
            file = tmp_path / "team" / f"{person} smith" / f"{number}.jpg"
            file.write_bytes(content + bytes([number]))
    (tmp_path / "team" / ".hidden.jpg").write_bytes(b"thumbnail")
    (tmp_path / "team" / "Thumbs.db").write_bytes(b"thumbnails")
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    page.get_by_label("Name of each face").select_option("folder")
    # Chromium gives the dropped folder to the page by its own drag and drop.
    drag = {
        "x": 0.0,
        "y": 0.0,
        "data": {"items": [], "files": [str(tmp_path / "team")], "dragOperationsMask": 1},
    }
    box = page.locator(".drop").bounding_box()
    assert box
    drag |= {"x": box["x"] + 20, "y": box["y"] + 20}
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **drag})
    page.get_by_text("4 of 4 photos · faces added: 4").wait_for()
    assert page.get_by_text(f"team/{sorted(photos)[0]} smith/0.jpg").count() == 1
    names = {each["ExternalImageId"] for each in rekognition.list_faces(CollectionId=crew)["Faces"]}
    assert names == {*photos, *(f"{person}_smith" for person in photos)}
    # Another tab may be looked at meanwhile: the results stay.
    page.get_by_role("tab", name="Users").click()
    page.get_by_role("tab", name="Add photos").click()
    page.get_by_text("Faces added: 1").nth(3).wait_for()


def test_a_user_is_deleted_after_a_question(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    for user in ("ann", "bea"):
        rekognition.create_user(CollectionId=crew, UserId=user)
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Users").click()
    delete = page.get_by_role("button", name="Delete the user ann")
    delete.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Delete the user ann for good?").wait_for()
    assert len(rekognition.list_users(CollectionId=crew)["Users"]) == 2
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    assert len(rekognition.list_users(CollectionId=crew)["Users"]) == 2
    delete.click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    dialog.wait_for(state="detached")
    delete.wait_for(state="detached")
    users = rekognition.list_users(CollectionId=crew)["Users"]
    assert [each["UserId"] for each in users] == ["bea"]


def test_a_tag_is_removed_after_a_question(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    arn = rekognition.describe_collection(CollectionId=crew)["CollectionARN"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"team": "red", "floor": "2"})
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Tags and deletion").click()
    remove = page.get_by_role("button", name="Remove the tag team")
    remove.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Remove the tag team and its value for good?").wait_for()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    assert len(rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 2
    remove.click()
    dialog.get_by_role("button", name="Remove").click()
    remove.wait_for(state="detached")
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"floor": "2"}


def test_what_the_server_refuses_stays_in_its_form(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    rekognition.create_user(CollectionId=crew, UserId="ann")
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Users").click()
    user = page.get_by_label("Name of a new user")
    create = page.get_by_role("button", name="Create a user")
    user.fill("ann")
    create.click()
    page.get_by_role("alert").wait_for()
    assert user.input_value() == "ann"
    user.fill("anna")
    create.click()
    page.get_by_role("button", name="Delete the user anna").wait_for()
    assert user.input_value() == ""
    page.get_by_role("tab", name="Tags and deletion").click()
    page.get_by_label("Key").fill("aws:reserved")
    page.get_by_label("Value").fill("red")
    page.get_by_role("button", name="Add a tag").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Key").input_value() == "aws:reserved"
    assert page.get_by_label("Value").input_value() == "red"
