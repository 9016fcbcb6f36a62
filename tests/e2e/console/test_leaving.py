"""A tab that is reloaded or closed in the middle of something leaves nothing on the server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server
from tests.e2e.console.test_keys import sign_in
from tests.e2e.console.test_overtaking import Held, asks_for
from tests.e2e.keys import client, create_key

if TYPE_CHECKING:
    from playwright.sync_api import Page

_LARGE = 18 * 1024 * 1024  # bytes; a film of more than 5 MiB is sent in parts


class Place:
    """A server's console, and clients of the server."""

    def __init__(self, page: Page, server: Server, enter: Callable[[], None] | None) -> None:
        self.url = server.url
        self._page = page
        self._enter = enter

    def visit(self, path: str) -> None:
        """Open a page of the console, and sign in where a key is asked for."""
        self._page.goto(f"{self.url}/console/#/{path}")
        self._page.reload()
        if self._enter:
            self._enter()


@pytest.fixture(params=["none", "keys"])
def place(
    request: pytest.FixtureRequest,
    page: Page,
    server: Server,
    pack_directory: Path,
    tmp_path: Path,
) -> Iterator[tuple[Place, Callable[[str], Any]]]:
    """Return the console and clients of a server without keys, and of one with keys."""
    if request.param == "none":
        yield Place(page, server, None), server.client
        return
    guarded = Server(
        tmp_path / "data", "--port=0", "--auth=keys", FACEDEX_MODELS=str(pack_directory.parent)
    )
    key = create_key(guarded.directory)
    yield (
        Place(page, guarded, lambda: sign_in(page, key)),
        lambda service: client(guarded, key, service),
    )
    assert guarded.stop() == 0


def wait_until(done: Callable[[], bool]) -> None:
    """Wait until the server has done what the tab has asked for at its end."""
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_tab_that_is_left_leaves_no_film_and_no_faces_behind(
    page: Page,
    place: tuple[Place, Callable[[str], Any]],
    photos: dict[str, Path],
    data: Path,
    tmp_path: Path,
) -> None:
    console, client_for = place
    s3, rekognition = client_for("s3"), client_for("rekognition")
    rekognition.create_collection(CollectionId="leaving")
    film = next((data / "video").glob("*.mp4")).read_bytes()
    odd = tmp_path / "(Zoë's) film & more.mp4"
    odd.write_bytes(film)
    large = tmp_path / "large.mp4"
    large.write_bytes(film + bytes(_LARGE))

    def films() -> list[Any]:
        found: list[Any] = s3.list_objects_v2(Bucket="console-films").get("Contents", [])
        return found

    def parts() -> list[Any]:
        found: list[Any] = s3.list_multipart_uploads(Bucket="console-films").get("Uploads", [])
        return found

    def trials() -> list[str]:
        ids: list[str] = rekognition.list_collections()["CollectionIds"]
        return [each for each in ids if each.startswith("console-threshold-")]

    console.visit("films")
    page.set_input_files("input[type=file]", odd)
    page.get_by_text("Searching the film").wait_for()
    assert films()

    console.visit("films")
    wait_until(lambda: not films())
    held = Held(page, "**/*partNumber=3*", lambda _: True, 1)
    page.set_input_files("input[type=file]", large)
    held.wait()
    wait_until(lambda: bool(parts()))

    console.visit("threshold")
    wait_until(lambda: not parts())
    for name, photo in photos.items():
        folder = tmp_path / "people" / name
        folder.mkdir(parents=True)
        shutil.copy(photo, folder)
    held = Held(page, f"{console.url}/", asks_for("SearchFaces"), 1)
    page.set_input_files("input[type=file]", tmp_path / "people")
    held.wait()
    assert trials()
    console.visit("settings")
    wait_until(lambda: not trials())
    rekognition.delete_collection(CollectionId="leaving")
