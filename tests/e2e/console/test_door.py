"""The door when something fails or lasts: the server, the camera, a day with many people."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

SEARCH = "**/search?*"
# An answer does not expire while a test runs.
_NO_EXPIRY = """
    const wait = setTimeout;
    window.setTimeout = (work, delay, ...all) => wait(work, delay > 3000 ? 1e9 : delay, ...all);
"""


def seen(*names: str) -> dict[str, Any]:
    """Return an answer of the API in which people are recognised."""
    box = {"Left": 0.3, "Top": 0.3, "Width": 0.3, "Height": 0.4}
    return {
        "SearchedFaces": [
            {
                "SearchedFaceBoundingBox": box,
                "SearchedFaceConfidence": 99.9,
                "FaceMatches": [{"Similarity": 99.99, "Face": {"ExternalImageId": name}}],
            }
            for name in names
        ],
        "UnsearchedFaces": [],
    }


class Answers:
    """The answers that the door gets."""

    def __init__(self) -> None:
        self.asked = 0
        self.act: Callable[[Route], None] = lambda route: route.fulfill(json=seen("ann"))

    def __call__(self, route: Route) -> None:
        """Answer one request, or leave it unanswered."""
        self.asked += 1
        self.act(route)


@pytest.fixture
def answers(page: Page) -> Iterator[Answers]:
    answers = Answers()
    page.route(SEARCH, answers)
    yield answers
    page.unroute(SEARCH)


def refuse(route: Route) -> None:
    route.fulfill(status=400, json={"__type": "ValidationException", "Message": "No more of it."})


@pytest.mark.parametrize("act", [refuse, lambda _: None], ids=["refused", "unanswered"])
def test_nobody_is_welcomed_when_the_answers_have_ended(
    page: Page, visit: Callable[[str], None], answers: Answers, act: Callable[[Route], None]
) -> None:
    visit("door")
    welcome = page.get_by_text("Welcome, ann")
    welcome.wait_for()
    answers.act = act
    welcome.wait_for(state="detached")
    page.get_by_text("Please look into the camera.").wait_for()
    if act is refuse:
        page.get_by_role("alert").filter(has_text="No more of it.").wait_for()
        answers.act = lambda route: route.fulfill(json=seen("ann"))
        welcome.wait_for()
        assert page.get_by_role("alert").count() == 0


def test_nobody_is_welcomed_for_another_collection_before_it_answers(
    page: Page, server: Server, visit: Callable[[str], None], answers: Answers
) -> None:
    page.add_init_script(_NO_EXPIRY)
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId="other-door")
    visit("door")
    welcome = page.get_by_text("Welcome, ann")
    welcome.wait_for()
    answers.act = lambda _: None
    page.get_by_label("Collection").select_option("other-door")
    welcome.wait_for(state="detached")
    rekognition.delete_collection(CollectionId="other-door")


def test_nobody_is_welcomed_when_the_camera_has_ended(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    visit("door")
    welcome = page.get_by_text("Welcome, ann")
    welcome.wait_for()
    # As when it is unplugged.
    page.evaluate(
        """() => {
            const [track] = document.querySelector("video").srcObject.getTracks();
            track.stop();
            track.dispatchEvent(new Event("ended"));
        }"""
    )
    page.get_by_role("alert").filter(has_text="The camera sends no more pictures.").wait_for()
    welcome.wait_for(state="detached")
    before = answers.asked
    page.wait_for_timeout(500)
    assert answers.asked == before


def test_a_camera_that_may_not_be_used_is_explained(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("Permission denied", "NotAllowedError"))"""
    )
    visit("door")
    page.get_by_role("alert").filter(
        has_text="The camera cannot be used (Permission denied). Allow it"
    ).wait_for()
    assert answers.asked == 0


def test_a_long_log_is_listed_in_part_and_saved_in_whole(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    people = count()
    answers.act = lambda route: route.fulfill(
        json=seen(*(f"person-{next(people)}" for _ in range(20)))
    )
    visit("door")
    page.get_by_text("The newest 200 of ").wait_for()
    answers.act = lambda route: route.fulfill(json=seen())
    page.get_by_text("Please look into the camera.").wait_for()
    assert page.locator(".results li").count() == 200
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert len(rows) > 200
    assert len({row["name"] for row in rows}) == len(rows)


def test_a_person_whom_two_faces_resemble_passes_once(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    answers.act = lambda route: route.fulfill(json=seen("ann", "ann"))
    visit("door")
    page.get_by_text("Welcome, ann").wait_for()
    assert page.locator(".results li").count() == 1


def test_a_phone_without_full_screen_has_no_button_for_it(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    page.add_init_script("Object.defineProperty(document, 'fullscreenEnabled', {value: false})")
    visit("door")
    page.get_by_text("Welcome, ann").wait_for()
    assert answers.asked
    assert page.get_by_role("button", name="Full screen").count() == 0


def test_the_log_of_the_door_outlives_a_look_at_another_page(
    page: Page, visit: Callable[[str], None], answers: Answers
) -> None:
    visit("door")
    page.get_by_text("Welcome, ann").wait_for()
    answers.act = lambda route: route.fulfill(json=seen())
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("heading", name="Settings").wait_for()
    page.get_by_role("link", name="The door").click()
    page.locator(".results li").filter(has_text="ann").wait_for()
    assert answers.asked
