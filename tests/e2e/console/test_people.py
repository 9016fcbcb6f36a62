"""Duplicates in a collection are found and decided about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import ImageOps

from tests.conftest import Server
from tests.e2e.photos import altered

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

MOST = 100  # faces of a user


def test_a_collection_gets_clean(
    page: Page,
    server: Server,
    crew: str,
    visit: Callable[[str], None],
    photos: dict[str, Path],
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    rekognition = server.client("rekognition")
    for name, photo in photos.items():
        view = altered(photo.read_bytes(), ImageOps.mirror)
        rekognition.index_faces(
            CollectionId=crew, Image={"Bytes": view}, ExternalImageId=f"{name}-again"
        )
    visit("people")
    page.get_by_text("Groups: 2 ·").wait_for()
    shoot("people")
    assert findings(page) == []
    first, second = sorted(photos)

    page.locator("form.group").filter(has_text=first).get_by_role(
        "button", name="One person"
    ).click()
    page.get_by_text("Groups: 1 ·").wait_for()
    page.locator("form.group").filter(has_text=second).get_by_role(
        "button", name="Different people"
    ).click()
    page.get_by_text("There are no faces that look like one person").wait_for()

    found = rekognition.list_faces(CollectionId=crew)["Faces"]
    users = {face["ExternalImageId"]: face["UserId"] for face in found}
    assert users[first] == users[f"{first}-again"] == first
    assert users[second] == second
    assert users[f"{second}-again"] == f"{second}-again"
    page.reload()
    page.get_by_label("Collection").select_option(crew)
    page.get_by_text("There are no faces that look like one person").wait_for()


@pytest.fixture
def crowd(server: Server, photos: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Return a collection with more faces of one person than a user may have, and their FaceIds."""
    rekognition = server.client("rekognition")
    name = "crowd"
    rekognition.create_collection(CollectionId=name)
    photo = min(photos.values()).read_bytes()
    faces = [
        rekognition.index_faces(
            CollectionId=name, Image={"Bytes": photo + bytes([number])}, MaxFaces=1
        )["FaceRecords"][0]["Face"]["FaceId"]
        for number in range(MOST + 2)
    ]
    yield name, faces
    rekognition.delete_collection(CollectionId=name)


def test_faces_keep_their_users_if_one_user_has_no_room_for_all(
    page: Page, server: Server, crowd: tuple[str, list[str]]
) -> None:
    name, faces = crowd
    rekognition = server.client("rekognition")
    for user, some in (("ann", faces[3:]), ("bea", faces[:3])):
        rekognition.create_user(CollectionId=name, UserId=user)
        rekognition.associate_faces(CollectionId=name, UserId=user, FaceIds=some)
    page.goto(f"{server.url}/console/#/people")
    page.get_by_label("Collection").select_option(name)
    page.get_by_role("button", name="One person").click()
    page.get_by_role("alert").filter(
        has_text="A user has 100 faces at most, and this one would have 102."
    ).wait_for()
    found = rekognition.list_faces(CollectionId=name)["Faces"]
    assert Counter(face.get("UserId") for face in found) == {"ann": MOST - 1, "bea": 3}
    # With fewer faces, it is one user's decision again; the others keep theirs.
    group = page.locator("form.group")
    for face in faces[:2]:
        group.locator("label").filter(has_text=face).get_by_role("checkbox").click()
    page.get_by_role("button", name="The selected ones are one person").click()
    page.get_by_text("There are no faces that look like one person").wait_for()
    found = rekognition.list_faces(CollectionId=name)["Faces"]
    assert Counter(face.get("UserId") for face in found) == {"ann": MOST, "bea": 2}


def test_more_faces_than_one_request_takes_are_kept_apart_from_a_user(
    page: Page, server: Server, crowd: tuple[str, list[str]]
) -> None:
    name, _ = crowd
    page.goto(f"{server.url}/console/#/people")
    page.get_by_label("Collection").select_option(name)
    group = page.locator("form.group")
    group.wait_for()
    group.evaluate(
        """async (form) => {
            for (const box of [...form.querySelectorAll("[type=checkbox]")].slice(1)) {
                box.click();
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    group.get_by_label("User, known or new").fill("ann")
    page.get_by_role("button", name="The selected ones are one person").click()
    # Those left out look like one another, and like the user no more.
    page.get_by_role("button", name="One person", exact=True).wait_for()
    assert page.get_by_role("alert").count() == 0
    assert page.locator("form.group").get_by_role("checkbox").count() == MOST + 1


def test_a_group_is_decided_once_while_faces_are_compared_again(
    page: Page, server: Server, crew: str, visit: Callable[[str], None], photos: dict[str, Path]
) -> None:
    name, photo = min(photos.items())
    server.client("rekognition").index_faces(
        CollectionId=crew,
        Image={"Bytes": altered(photo.read_bytes(), ImageOps.mirror)},
        ExternalImageId=f"{name}-again",
    )
    visit("people")
    page.get_by_text("Groups: 1 ·").wait_for()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/faces?groups=people*", hold)
    page.get_by_role("button", name="One person").click()
    while not held:
        page.wait_for_timeout(50)
    assert page.get_by_role("button", name="Different people").is_disabled()
    assert page.get_by_role("button", name="One person").is_disabled()
    held[0].continue_()
    page.get_by_text("There are no faces that look like one person").wait_for()


def test_a_decision_that_failed_in_part_can_be_completed(
    page: Page, server: Server, crew: str, visit: Callable[[str], None], photos: dict[str, Path]
) -> None:
    rekognition = server.client("rekognition")
    name, photo = min(photos.items())
    rekognition.index_faces(
        CollectionId=crew,
        Image={"Bytes": altered(photo.read_bytes(), ImageOps.mirror)},
        ExternalImageId=f"{name}-again",
    )
    visit("people")
    others = "**/faces?as=others"
    page.route(
        others,
        lambda route: route.fulfill(status=400, json={"__type": "No", "Message": "Not now."}),
    )
    different = page.get_by_role("button", name="Different people")
    different.click()
    page.get_by_role("alert").filter(has_text="Not now.").wait_for()
    # The faces have users since then.
    page.locator("form.group label small").get_by_text(f"{name}-again").wait_for()
    page.unroute(others)
    different.click()
    page.get_by_text("There are no faces that look like one person").wait_for()
    users = {each["UserId"] for each in rekognition.list_users(CollectionId=crew)["Users"]}
    assert users == {name, f"{name}-again"}


def test_groups_that_are_not_shown_are_announced(page: Page, visit: Callable[[str], None]) -> None:
    face = {"FaceId": "11111111-2222-3333-4444-555555555555", "ExternalImageId": "ann"}
    answer = {
        "Groups": [{"Faces": [face], "UserIds": [], "Similarity": 99.5}],
        "GroupCount": 150,
        "FaceCount": 1000,
    }
    page.route("**/faces?groups=people*", lambda route: route.fulfill(json=answer))
    visit("people")
    page.get_by_text("The largest groups are shown: 1. After decisions, others follow.").wait_for()


def test_faces_are_compared_once_when_the_slider_rests(
    page: Page, visit: Callable[[str], None]
) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"Groups": [], "GroupCount": 0, "FaceCount": 2})

    page.route("**/faces?groups=people*", answer)
    visit("people")
    page.get_by_text("Groups: 0 ·").wait_for()
    asked.clear()
    slider = page.get_by_role("slider")
    for _ in range(6):
        slider.press("ArrowLeft", no_wait_after=True)
    page.get_by_text("Threshold: 94").wait_for()
    page.wait_for_timeout(1000)
    assert len(asked) < 3
    assert asked[-1].endswith("Similarity=94")
