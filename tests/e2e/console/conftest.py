"""A server, and pages of its console in a real Chromium."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.conftest import Server
from tests.e2e.browser import opened, watched_page
from tests.tools import npm_packages

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

_SOURCES = Path(__file__).parents[3] / "console"
# A picture of a page is kept here if the variable is set, to be looked at.
_SHOTS = os.environ.get("FACEDEX_SCREENSHOTS")
# What Chromium says when a dialog opens with its field already in focus, and when the API refuses a
# request, which the page shows in its own words.
_HARMLESS = (
    "Autofocus processing was blocked",
    "Failed to load resource: the server responded with a status of 400",
    "Failed to load resource: the server responded with a status of 403",
    # DescribeStream of a Kinesis video stream that is then created.
    "Failed to load resource: the server responded with a status of 404",
    # A test answers as a proxy that takes no large files.
    "Failed to load resource: the server responded with a status of 413",
)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, pack_directory: Path, attributes_directory: Path
) -> Iterator[Server]:
    """Return a server without authentication that all stories share."""
    running = Server(
        tmp_path_factory.mktemp("console") / "data",
        "--port=0",
        FACEDEX_MODELS=str(pack_directory.parent),
    )
    assert attributes_directory.parent == pack_directory.parent
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="session")
def photos(
    portraits: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return files of the portraits in the public domain, by name."""
    folder = tmp_path_factory.mktemp("photos")
    files = {}
    for name, content in portraits.items():
        files[name] = folder / f"{name}.jpg"
        files[name].write_bytes(content)
    return files


@pytest.fixture
def crew(server: Server, photos: dict[str, Path]) -> Iterator[str]:
    """Return a collection with a face of each portrait."""
    rekognition = server.client("rekognition")
    name = f"crew-{uuid.uuid4()}"
    rekognition.create_collection(CollectionId=name)
    for person, photo in photos.items():
        rekognition.index_faces(
            CollectionId=name, Image={"Bytes": photo.read_bytes()}, ExternalImageId=person
        )
    yield name
    rekognition.delete_collection(CollectionId=name)


@pytest.fixture(scope="session")
def webcam(photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film for Chromium's fake webcam: a portrait, an empty scene, and again."""
    film = tmp_path_factory.mktemp("webcam") / "film.y4m"
    width, height = 640, 480
    empty = Image.new("RGB", (width, height), (90, 110, 90))
    person = empty.copy()
    with Image.open(photos[sorted(photos)[0]]) as portrait:
        portrait.thumbnail((width, height))
        person.paste(portrait, ((width - portrait.width) // 2, (height - portrait.height) // 2))
    with film.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F5:1 Ip A1:1 C420mpeg2\n".encode())
        for shown in (person, empty):
            luma, *chroma = shown.convert("YCbCr").split()
            half = [each.resize((width // 2, height // 2)).tobytes() for each in chroma]
            frame = b"FRAME\n" + luma.tobytes() + b"".join(half)
            file.write(frame * 20)
    return film


@pytest.fixture(scope="module")
def browser(webcam: Path) -> Iterator[BrowserContext]:
    arguments = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={webcam}",
    )
    with opened(*arguments) as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """Return an empty page; the test fails if the page logs an error or an exception."""

    def is_trouble(message: ConsoleMessage) -> bool:
        return message.type in ("error", "warning") and not message.text.startswith(_HARMLESS)

    with watched_page(browser, is_trouble) as page:
        yield page


@pytest.fixture
def visit(page: Page, server: Server, crew: str) -> Callable[[str], None]:
    """Return a function that opens a page of the console and chooses the collection there."""

    def visit(path: str) -> None:
        page.goto(f"{server.url}/console/#/{path}")
        page.get_by_label("Collection").select_option(crew)

    return visit


@pytest.fixture(scope="session")
def findings() -> Callable[[Page], list[str]]:
    """Return a function that checks a page's accessibility by axe-core and returns its findings."""
    axe = (npm_packages(_SOURCES) / "node_modules" / "axe-core" / "axe.min.js").read_text()

    def check(page: Page) -> list[str]:
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {node['html']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    return check


@pytest.fixture
def shoot(page: Page) -> Callable[[str], None]:
    """Return a function that keeps a picture of the page in $FACEDEX_SCREENSHOTS."""

    def shoot(name: str) -> None:
        if _SHOTS:
            page.screenshot(path=Path(_SHOTS) / f"{name}.png")

    return shoot
