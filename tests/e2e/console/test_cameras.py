"""The story of a camera: added, watched live, stopped and deleted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Server
from tests.e2e.console.cameras import add_camera, delete_camera, stop_camera

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Whether a canvas has a pixel that is neither black nor white.
_DRAWN = """canvas =>
    canvas.getContext("2d").getImageData(0, 0, 400, 200).data.some(x => x > 0 && x < 255)
"""


@contextmanager
def pushed(film: Path, stream: str, server: Server) -> Iterator[None]:
    """Send a film to a video stream, again and again, while the block runs."""
    facedex = str(Path(sys.executable).with_name("facedex"))
    process = subprocess.Popen(
        [facedex, "stream", "push", film, "--loop", f"--stream={stream}", f"--url={server.url}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_a_camera_from_its_first_picture_to_its_end(
    page: Page,
    server: Server,
    crew: str,
    data: Path,
    findings: Callable[[Page], list[str]],
    shoot: Callable[[str], None],
) -> None:
    page.goto(f"{server.url}/console/#/cameras")
    page.get_by_role("heading", name="There are no cameras yet.").wait_for()
    add_camera(page, "lobby", crew)
    with pushed(next((data / "video").glob("*.mp4")), "lobby", server):
        page.locator(".mark").first.wait_for(timeout=60_000)
        assert page.locator("canvas").evaluate(_DRAWN)
        shoot("camera")
        assert findings(page) == []
        # The boxes disappear, because the new pictures are not analysed any more.
        stop_camera(page)
        page.locator(".mark").first.wait_for(state="detached")
        assert page.get_by_text("The camera sends no picture now.").count() == 0
        page.reload()
        page.get_by_role("button", name="Start").wait_for()
        page.get_by_text("The camera sends no picture now.").wait_for(state="detached")
        for _ in range(10):
            page.wait_for_timeout(200)
            assert page.locator(".mark").count() == 0
        page.get_by_role("button", name="Start").click()
    delete_camera(page)
    assert server.client("rekognition").list_stream_processors()["StreamProcessors"] == []


def test_a_camera_has_a_threshold_that_stream_processors_take(
    page: Page, server: Server, crew: str
) -> None:
    page.goto(f"{server.url}/console/#/cameras")
    page.get_by_role("button", name="Add a camera").click()
    slider = page.get_by_role("dialog").get_by_role("slider")
    slider.press("Home")
    # Lower ones count as 80.
    page.get_by_text("Threshold: 80").wait_for()


def test_a_camera_is_deleted_after_a_question(page: Page, server: Server, crew: str) -> None:
    rekognition = server.client("rekognition")
    page.goto(f"{server.url}/console/#/cameras")
    add_camera(page, "gate", crew)
    stop_camera(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Delete the camera gate for good?").wait_for()
    assert len(rekognition.list_stream_processors()["StreamProcessors"]) == 1
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    assert len(rekognition.list_stream_processors()["StreamProcessors"]) == 1
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="There are no cameras yet.").wait_for()
    assert rekognition.list_stream_processors()["StreamProcessors"] == []
