"""FFmpeg accepts the simulated camera of the tests."""

from __future__ import annotations

import av
import numpy as np
import pytest

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
