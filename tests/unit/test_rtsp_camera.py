"""FFmpeg accepts the simulated camera of the tests, and only its video is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np
import pytest

from facedex.media.cameras import watch_camera
from facedex_cli.push import sources
from facedex_cli.push.sources import Source
from facedex_cli.stream_errors import SourceLost
from tests.media import making
from tests.media.rtsp import Camera


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_film_is_read_over_rtsp(transport: str) -> None:
    film = making.film(making.steady(50), codec_options={"g": "10", "bf": "0"})
    seen = []
    with (
        Camera(film, speed=4) as camera,
        av.open(camera.url, "r", options={"rtsp_transport": transport}, timeout=60) as stream,
    ):
        for frame in stream.decode(video=0):
            seen.append(making.number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)))
            if len(seen) == 60:
                break
    start = seen[0]
    assert seen == [(start + step) % 50 for step in range(60)]


def processor_packets(address: str) -> Iterator[object]:
    """Read a camera as a stream processor does."""
    yield from watch_camera(address, lambda: False)


def pushed_packets(address: str) -> Iterator[object]:
    """Read a camera as ``facedex stream push`` does."""
    source = Source(address)
    with source.open() as container:
        yield from source.packets(container, source.examine().stream(container))


@pytest.mark.parametrize("read", [processor_packets, pushed_packets])
def test_the_sound_of_a_camera_is_not_asked_for(read: Callable[[str], Iterator[object]]) -> None:
    # While it came, a camera whose video has stopped would not count as lost.
    film = making.film(making.steady(50), codec_options={"g": "10", "bf": "0"})
    with Camera(film, sound=True) as camera:
        assert next(read(camera.url))
        assert camera.wanted == ["track1"]


def test_a_camera_that_has_sent_no_key_frame_yet_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources, "_OPENING", 1.5)
    options = {"g": "1000", "bf": "0", "sc_threshold": "0"}
    film = making.film(making.steady(250), codec_options=options)
    with (
        Camera(film, joined=10) as camera,
        pytest.raises(SourceLost, match="key frame"),
        Source(camera.url).open(),
    ):
        pass
