"""`facedex stream push` sends files and cameras to a stream, and reconnects after a failure."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.media import kinesis, making
from tests.media.rtsp import Camera
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.conftest import Server

_FACEDEX = str(Path(sys.executable).with_name("facedex"))


def push(server: Server, source: str, stream: str, *options: str) -> subprocess.Popen[str]:
    command = [_FACEDEX, "stream", "push", source, "--stream", stream, "--url", server.url]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stored(server: Server, stream: str, count: int) -> list[int]:
    """Return the numbers of the stream's first frames."""
    media = server.client("kinesis-video-media")
    payload = media.get_media(StreamName=stream, StartSelector={"StartSelectorType": "EARLIEST"})[
        "Payload"
    ]
    found: list[int] = []
    with payload:
        for fragment in kinesis.read(payload):
            found += kinesis.numbers([fragment])
            if len(found) >= count:
                break
    return found


def until(check: Callable[[], Any], seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError("it has not come to that")


def test_a_film_arrives_frame_by_frame(server: Server, tmp_path: Path) -> None:
    film = making.save(kinesis.numbered_film(30, key_frames=10), tmp_path / "film.mp4")
    stream = f"film-{uuid4().hex}"
    pushed = push(server, str(film), stream, "--speed", "2")
    said, errors = pushed.communicate(timeout=120)
    assert pushed.returncode == 0, errors
    assert "3 fragments sent, 3 received, 3 persisted" in said
    assert stored(server, stream, 30) == list(range(30))


def test_a_stream_resumes_when_its_camera_returns(server: Server) -> None:
    film = kinesis.numbered_film(40, key_frames=10)
    stream = f"camera-{uuid4().hex}"
    client = server.client("kinesisvideo")

    def arn() -> Any:
        with suppress(client.exceptions.ResourceNotFoundException):
            return client.describe_stream(StreamName=stream)["StreamInfo"]["StreamARN"]

    port = free_port()
    with Camera(film, port=port) as camera:
        pushed = push(server, camera.url, stream)
        until(arn)
        first = stored(server, stream, 10)
        assert all((later - each) % 40 == 1 for each, later in pairwise(first))
    # The camera was off. The stream is new, so its media was sent after the camera's return.
    client.delete_stream(StreamARN=arn())
    with Camera(film, port=port):
        until(arn)
        assert len(stored(server, stream, 10)) >= 10
        # The stream is deleted while the camera continues.
        client.delete_stream(StreamARN=arn())
        until(arn)
        assert len(stored(server, stream, 10)) >= 10
        pushed.send_signal(signal.SIGINT)
        _, errors = pushed.communicate(timeout=120)
    assert pushed.returncode == 0, errors


def test_an_impossible_push_is_reported_in_one_sentence(server: Server, tmp_path: Path) -> None:
    sound = making.save(making.sound_only(), tmp_path / "sound.mp4")
    text = making.save(b"no film", tmp_path / "text.mp4")
    for source, reason in (
        (str(tmp_path / "missing.mp4"), "there is no such file"),
        (str(sound), "has no video"),
        (str(text), "cannot be opened"),
    ):
        pushed = push(server, source, "never-made")
        _, errors = pushed.communicate(timeout=120)
        assert pushed.returncode == 1
        assert reason in errors
        assert "Traceback" not in errors
