"""Hostile texts run nothing on any page, and other sites get no page of the console."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.conftest import Server
from tests.e2e.browser import REBOUND, web_server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

# Without a slash, so that it can be a file's name.
MARKUP = "<img src=x onerror=document.title='ran'><script>document.title='ran'<script>"
PAGES = ("", "who", "compare", "door", "people", "films", "cameras", "threshold", "settings")


def assert_nothing_ran(page: Page) -> None:
    page.wait_for_timeout(200)
    assert page.title().endswith("Facedex")
    # A blocked script would also be an error in the browser's log, for which the fixture fails.
    assert page.locator("img[src=x], main script").count() == 0


def with_markup(*words: str) -> Callable[[Route], None]:
    """Return a handler that puts markup in the place of words in the API's answers."""

    def answer(route: Route) -> None:
        answered = route.fetch()
        text = answered.text()
        for word in words:
            text = text.replace(word, json.dumps(MARKUP)[1:-1])
        route.fulfill(response=answered, body=text)

    return answer


def test_names_of_files_run_nothing(
    page: Page, server: Server, crew: str, photos: dict[str, Path], tmp_path: Path
) -> None:
    photo = next(iter(photos.values()))
    hostile = tmp_path / f"{MARKUP}.jpg"
    shutil.copy(photo, hostile)
    people = tmp_path / "people"
    for person in (MARKUP, "other"):
        (people / person).mkdir(parents=True)
        shutil.copy(photo, people / person / f"{MARKUP}.jpg")
        (people / person / f"broken {MARKUP}.png").write_bytes(b"not a picture")
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", hostile)
    page.get_by_text("1 of 1 photos").wait_for()
    assert page.get_by_text(MARKUP).count() == 1
    assert_nothing_ran(page)
    page.get_by_role("link", name="Who is this?").click()
    page.set_input_files("input[type=file]", hostile)
    page.locator(".mark").wait_for()
    page.get_by_role("link", name="Films").click()
    page.set_input_files("input[type=file]", hostile)
    page.get_by_role("alert").wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Settings").click()
    page.get_by_text(MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Threshold").click()
    page.set_input_files("input[type=file]", people)
    page.get_by_text("Photos left out: 2").click()
    page.get_by_text(MARKUP).wait_for()
    assert_nothing_ran(page)


def test_names_and_tags_in_the_answers_run_nothing(
    page: Page, server: Server, crew: str, photos: dict[str, Path]
) -> None:
    name, photo = sorted(photos.items())[0]
    rekognition = server.client("rekognition")
    face = rekognition.search_faces_by_image(
        CollectionId=crew, Image={"Bytes": photo.read_bytes()}, MaxFaces=1
    )["FaceMatches"][0]["Face"]["FaceId"]
    rekognition.create_user(CollectionId=crew, UserId="hostile-user")
    rekognition.associate_faces(CollectionId=crew, UserId="hostile-user", FaceIds=[face])
    arn = rekognition.describe_collection(CollectionId=crew)["CollectionARN"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"hostile-key": "hostile-value"})
    words = (name, "hostile-user", "hostile-key", "hostile-value", "sface")
    # The API itself refuses such names; another server, or a later API, may not.
    for path in ("/", "/v1/**", "/health", "/console/config.json"):
        page.route(f"{server.url}{path}", with_markup(*words))
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("listitem").filter(has_text=MARKUP).first.wait_for()
    page.get_by_role("tab", name="Users").click()
    page.get_by_role("listitem").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("tab", name="Tags and deletion").click()
    page.locator("dt").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Who is this?").click()
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="The door").click()
    page.get_by_text(f"Welcome, {MARKUP}").wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Collections").click()
    page.get_by_text("Licences of the models").click()
    page.locator("dt").filter(has_text=MARKUP).first.wait_for()
    assert_nothing_ran(page)


# Answers of the API with markup in every text that a page may show.
HOSTILE_ANSWERS: dict[str, dict[str, object]] = {
    "ListStreamProcessors": {"StreamProcessors": [{"Name": MARKUP, "Status": MARKUP}]},
    "DescribeStreamProcessor": {
        "Name": MARKUP,
        "Status": "FAILED",
        "StatusMessage": MARKUP,
        "Input": {"KinesisVideoStream": {"Arn": f"arn:aws:kinesisvideo:r:1:stream/{MARKUP}/1"}},
        "Output": {"KinesisDataStream": {"Arn": f"arn:aws:kinesis:r:1:stream/{MARKUP}"}},
    },
    "IndexFaces": {
        "FaceRecords": [],
        "UnindexedFaces": [{"Reasons": [MARKUP], "FaceDetail": {"Confidence": 1}}],
    },
    "StartFaceSearch": {"JobId": MARKUP},
    "GetFaceSearch": {
        "JobStatus": "SUCCEEDED",
        "StatusMessage": MARKUP,
        "VideoMetadata": {"DurationMillis": 1000},
        "Persons": [
            {
                "Timestamp": 0,
                "Person": {"Index": 0},
                "FaceMatches": [{"Similarity": 99.9, "Face": {"ExternalImageId": MARKUP}}],
            }
        ],
    },
}


def test_states_reasons_and_jobs_run_nothing(
    page: Page, server: Server, crew: str, photos: dict[str, Path], data: Path
) -> None:
    def answer(route: Route) -> None:
        target = route.request.headers.get("x-amz-target", "").partition(".")[2]
        if target in HOSTILE_ANSWERS:
            route.fulfill(
                status=200,
                content_type="application/x-amz-json-1.1",
                body=json.dumps(HOSTILE_ANSWERS[target]),
            )
        else:
            route.continue_()

    page.route(f"{server.url}/", answer)
    page.goto(f"{server.url}/console/#/cameras")
    page.get_by_role("link", name=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name=MARKUP).click()
    page.get_by_role("status").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.goto(f"{server.url}/console/#/collections/{crew}")
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", min(photos.values()))
    page.locator(".photo small").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Films").click()
    page.set_input_files("input[type=file]", next((data / "video").glob("*.mp4")))
    page.locator(".timeline").get_by_text(MARKUP).wait_for()
    page.locator(".problem").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Settings").click()
    page.locator(".results").get_by_text(MARKUP).wait_for()
    assert_nothing_ran(page)


def test_errors_of_the_server_run_nothing(
    page: Page, server: Server, crew: str, photos: dict[str, Path]
) -> None:
    """A message of the server is shown on each page that asks it for something."""

    def refuse(route: Route) -> None:
        route.fulfill(
            status=400,
            content_type="application/x-amz-json-1.1",
            body=json.dumps({"__type": "ValidationException", "Message": MARKUP}),
        )

    for address in ("/", "/v1/**"):
        page.route(f"{server.url}{address}", refuse)
    for path in ("", f"collections/{crew}", "who", "door", "people", "films", "cameras"):
        page.goto(f"{server.url}/console/#/{path}")
        page.get_by_role("alert").filter(has_text=MARKUP).first.wait_for()
        assert_nothing_ran(page)
    page.get_by_role("link", name="Compare").click()
    for number in range(2):
        page.locator("input[type=file]").nth(number).set_input_files(min(photos.values()))
    page.get_by_role("alert").filter(has_text=MARKUP).wait_for()
    assert_nothing_ran(page)
    page.get_by_role("link", name="Collections").click()
    page.get_by_role("heading", name="Recent errors in this tab").wait_for()
    assert_nothing_ran(page)


def test_the_name_of_a_collection_runs_nothing_on_any_page(
    page: Page, server: Server, crew: str
) -> None:
    page.route(f"{server.url}/", with_markup(crew))
    page.goto(f"{server.url}/console/")
    for path in PAGES:
        page.evaluate(f"location.hash = '/{path}'")
        page.locator("h1").wait_for()
        if path not in ("compare", "cameras", "threshold", "settings"):
            page.get_by_text(MARKUP).first.wait_for(state="attached")
        assert_nothing_ran(page)
    for address in (MARKUP, "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "%E0%A4%A", "..%2F.."):
        page.goto(f"{server.url}/console/#/collections/{address}")
        page.get_by_role("alert").first.wait_for()
        assert_nothing_ran(page)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", REBOUND])
def test_a_page_of_another_site_cannot_frame_the_console(
    browser: BrowserContext, server: Server, name: str
) -> None:
    page = browser.new_page()
    with web_server() as port:
        page.goto(f"http://{name}:{port}/")
        page.evaluate(
            """(url) => new Promise((resolve) => {
                const frame = document.createElement("iframe");
                frame.onload = resolve;
                frame.src = url;
                document.body.append(frame);
            })""",
            f"{server.url}/console/",
        )
        frame = page.frames[1]
        for _ in range(400):  # until Playwright has heard of it too
            if frame.url:
                break
            page.wait_for_timeout(50)
        # Chromium's own page, which says that the server refused.
        assert frame.url.startswith("chrome-error:")
        # Nor does a window that it opens give it anything.
        with page.expect_popup() as opened:
            page.evaluate("(url) => { window.mine = open(url) }", f"{server.url}/console/")
        opened.value.locator("h1").wait_for()
        reached = """() => {
            try { return window.mine.document.title } catch (error) { return error.name }
        }"""
        assert page.evaluate(reached) == "SecurityError"
        opened.value.close()
    page.close()
    port_of_server = urlsplit(server.url).port
    with pytest.raises(HTTPError, match="403"):
        request_to(f"http://127.0.0.1:{port_of_server}/console/", host=REBOUND)


def request_to(url: str, host: str) -> None:
    urlopen(Request(url, headers={"Host": host}), timeout=30).close()


def test_a_server_without_the_console_has_no_page_of_it(
    tmp_path: Path, pack_directory: Path
) -> None:
    running = Server(
        tmp_path / "data", "--port=0", "--no-console", FACEDEX_MODELS=str(pack_directory.parent)
    )
    for path in ("/console", "/console/", "/console/config.json", "/console/index.html"):
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{running.url}{path}", timeout=30)
        assert refused.value.code in (403, 404)
        assert b"Facedex" not in refused.value.read()
    assert running.stop() == 0
