"""The console of a server with ``--auth keys``: one key signs everything, and stays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.conftest import Server
from tests.e2e.console.cameras import add_camera, delete_camera
from tests.e2e.console.test_overtaking import SLOW_DRAWING
from tests.e2e.films import moving
from tests.e2e.keys import Key, client, create_key

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

_STORED = """async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, document.cookie, await indexedDB.databases(),
    await caches.keys(),
])"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pack_directory: Path) -> Iterator[Server]:
    running = Server(
        tmp_path_factory.mktemp("console-keys") / "data",
        "--port=0",
        "--auth=keys",
        "--processes=2",
        FACEDEX_MODELS=str(pack_directory.parent),
    )
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def key(server: Server, photos: dict[str, Path]) -> Key:
    """Return a key, with which each portrait is indexed twice into a collection."""
    made = create_key(server.directory)
    rekognition = client(server, made)
    rekognition.create_collection(CollectionId="crew")
    for person, photo in photos.items():
        for name in (person, f"{person}-again"):
            content = photo.read_bytes() + name.encode()  # else it would be the same face
            rekognition.index_faces(
                CollectionId="crew", Image={"Bytes": content}, ExternalImageId=name
            )
    return made


def sign_in(page: Page, key: Key) -> None:
    page.get_by_label("Access key ID").fill(key[0])
    page.get_by_label("Secret access key").fill(key[1])
    page.get_by_role("button", name="Sign in").click()


def test_a_key_is_asked_for_and_kept_in_memory_only(
    page: Page, server: Server, key: Key, findings: Callable[[Page], list[str]]
) -> None:
    page.goto(f"{server.url}/console/#/settings")
    page.get_by_role("heading", name="Sign in with an access key").wait_for()
    assert findings(page) == []
    for wrong in (("AKIAIOSFODNN7EXAMPLE", key[1]), (key[0], "wrong"), ("AKIA", "b c")):
        sign_in(page, wrong)
        page.get_by_role("alert").filter(has_text="The access key was refused.").wait_for()
        assert page.get_by_role("link", name="Settings").count() == 1
    sign_in(page, key)
    page.get_by_text(f"Signed in with {key[0]}").wait_for()
    assert findings(page) == []
    stored = page.evaluate(_STORED)
    assert key[0] not in stored
    assert key[1] not in stored
    assert page.context.cookies() == []
    page.reload()
    page.get_by_role("heading", name="Sign in with an access key").wait_for()
    assert page.get_by_text("Signed in with").count() == 0
    sign_in(page, key)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in with an access key").wait_for()


def test_a_key_signs_searches_groups_films_and_cameras(
    page: Page, server: Server, key: Key, photos: dict[str, Path], tmp_path: Path
) -> None:
    name, photo = next(iter(photos.items()))
    film = tmp_path / "film.mp4"
    film.write_bytes(moving({name: photo.read_bytes()}, name, seconds=1))
    page.goto(f"{server.url}/console/#/who")
    sign_in(page, key)
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name=name).wait_for()
    page.get_by_role("link", name="Duplicates").click()
    page.get_by_text("Groups: 2 ·").wait_for()
    page.locator("form.group").first.get_by_role("button", name="Different people").click()
    page.get_by_text("Groups: 1 ·").wait_for()
    page.get_by_role("link", name="Films").click()
    page.set_input_files("input[type=file]", film)
    page.get_by_text("People in the film: 1").wait_for(timeout=60_000)
    page.get_by_role("link", name="Cameras").click()
    add_camera(page, "lobby")
    delete_camera(page)


def test_a_read_only_key_searches_and_is_refused_changes_in_a_sentence(
    page: Page, server: Server, key: Key, photos: dict[str, Path]
) -> None:
    name, photo = next(iter(photos.items()))
    refused = page.get_by_role("alert").filter(has_text="This access key may only read and search.")
    page.goto(f"{server.url}/console/#/who")
    sign_in(page, create_key(server.directory, "--read-only"))
    page.set_input_files("input[type=file]", photo)
    page.get_by_role("button", name=name).wait_for()
    page.get_by_role("link", name="Collections").click()
    # The numbers of the machine, for which the key signs too.
    page.locator("dt").filter(has_text="Requests").wait_for()
    page.get_by_role("button", name="Create a collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("mine")
    dialog.get_by_role("button", name="Create a collection").click()
    refused.wait_for()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("heading", name="Recent errors in this tab").wait_for()
    page.get_by_role("link", name="crew").click()
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file]", photo)
    page.get_by_text("This access key may only read and search.").wait_for()
    assert client(server, key).list_collections()["CollectionIds"] == ["crew"]


def test_what_was_begun_with_a_key_does_not_go_on_with_the_next(
    page: Page, server: Server, key: Key, photos: dict[str, Path], tmp_path: Path
) -> None:
    rekognition = client(server, key)
    rekognition.create_collection(CollectionId="handover")
    photo = next(iter(photos.values())).read_bytes()
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(photo + bytes([number]))
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.headers.get("x-amz-target") == "RekognitionService.IndexFaces":
            held.append(route)
        else:
            route.continue_()

    page.route(f"{server.url}/", hold)
    page.goto(f"{server.url}/console/#/collections/handover")
    sign_in(page, key)
    page.get_by_role("tab", name="Add photos").click()
    page.set_input_files("input[type=file][multiple]", files)
    while len(held) < 3:
        page.wait_for_timeout(50)
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, key)
    page.get_by_text(f"Signed in with {key[0]}").wait_for()
    for route in held[:3]:
        with page.expect_response(lambda answer: answer.request.post_data is not None):
            route.continue_()
    page.wait_for_timeout(500)
    assert len(held) == 3
    page.get_by_role("link", name="Collections").click()
    page.get_by_role("link", name="handover").click()
    page.get_by_text("Faces: 3 ·").wait_for()
    # Pictures of faces are gone with the key, also those of photos that were still under way.
    page.locator(".face").first.wait_for()
    assert page.locator(".face img").count() == 0
    rekognition.delete_collection(CollectionId="handover")


def test_photos_that_are_decoded_during_a_sign_out_are_neither_kept_nor_sent(
    page: Page, server: Server, key: Key, photos: dict[str, Path], tmp_path: Path
) -> None:
    photo = next(iter(photos.values()))
    converted = tmp_path / "converted.webp"  # which is decoded before it is sent, not afterwards
    with Image.open(photo) as picture:
        picture.save(converted)
    rekognition = client(server, key)
    rekognition.create_collection(CollectionId="decoding")
    page.add_init_script(SLOW_DRAWING)
    page.goto(f"{server.url}/console/#/")
    sign_in(page, key)

    def open_collection() -> None:
        page.get_by_role("link", name="Collections").click()
        page.get_by_role("link", name="decoding").click()

    for file in (photo, converted):
        open_collection()
        page.get_by_role("tab", name="Add photos").click()
        page.evaluate("window.goOn = undefined")
        page.set_input_files("input[type=file][multiple]", file)
        while not page.evaluate("Boolean(window.goOn)"):
            page.wait_for_timeout(50)
        page.get_by_role("link", name="Settings").click()
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, key)
        page.get_by_text(f"Signed in with {key[0]}").wait_for()
        page.evaluate("goOn()")
        page.wait_for_timeout(500)
        open_collection()
        page.locator(".face").first.wait_for()
        assert page.locator(".face img").count() == 0
    assert rekognition.describe_collection(CollectionId="decoding")["FaceCount"] == 1
    rekognition.delete_collection(CollectionId="decoding")
