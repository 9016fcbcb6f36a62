"""Times of a camera's pictures: right however late a packet is read, and never going back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from facedex.media.camera_clock import CameraClock
from facedex.media.cameras import watch_camera
from facedex.media.matroska.live import Coded, Opening
from tests.media import making
from tests.media.rtsp import Camera

BEGAN = 1_700_000_000.0  # this machine's time when the camera's was 0
STEP = 0.04  # seconds between two pictures


def times(delays: list[float], *, key_frames: int = 25, jump: float = 0.0) -> Iterator[float]:
    """Yield the time of each picture of a camera.

    delays: seconds after which each is read. key_frames: distance of the key frames. jump: seconds
    by which the camera's clock jumps after half of them.
    """
    clock = CameraClock()
    began = 0.0
    for number, delay in enumerate(delays):
        taken = number * STEP
        at = taken
        if number >= len(delays) // 2:
            at += jump
        if jump and number == len(delays) // 2:
            clock.restart()
        clock.note(at, BEGAN + taken + delay)
        if number % key_frames == 0:
            began = clock.open(at)
        yield began + clock.offset(at) - BEGAN


def test_a_fragment_that_is_read_late_has_the_times_at_which_it_was_taken() -> None:
    found = list(times([0.0] * 50 + [3.0] * 25 + [0.0] * 50))
    assert found == pytest.approx([number * STEP for number in range(125)], abs=1e-5)


@pytest.mark.parametrize("key_frames", [1, 5, 25])
def test_times_do_not_go_back_after_a_first_fragment_that_is_read_late(key_frames: int) -> None:
    found = list(times([1.0] * 25 + [0.0] * 125, key_frames=key_frames))
    assert found[0] == pytest.approx(1.0, abs=1e-5)
    assert all(STEP / 2 - 1e-5 < later - each < 2 * STEP for each, later in pairwise(found))
    # Two seconds later, the times are right again.
    assert found[100:] == pytest.approx([number * STEP for number in range(100, 150)], abs=1e-5)


@pytest.mark.parametrize("jump", [-5.0, 3600.0])
def test_times_continue_where_the_clock_of_a_camera_jumps(jump: float) -> None:
    found = list(times([0.0] * 100, jump=jump))
    assert found == pytest.approx([number * STEP for number in range(100)], abs=1e-5)


def test_a_camera_whose_clock_is_too_slow_keeps_the_time_of_this_machine() -> None:
    minutes = 5 * 60 * 25
    found = list(times([number * STEP * 0.02 for number in range(minutes)]))
    assert found[-1] == pytest.approx(minutes * STEP * 1.02, abs=3)


def test_pictures_of_a_camera_that_is_read_late_are_in_order_and_at_the_right_times() -> None:
    options = {"g": "25", "bf": "0", "sc_threshold": "0"}
    film = making.film(making.steady(75), codec_options=options)
    found: list[float] = []
    began, waited = 0.0, False
    with Camera(film) as camera:
        opened = time.time()
        for event in watch_camera(camera.url, lambda: False):
            match event:
                case Opening():
                    began = event.producer_timestamp or 0.0
                    if len(found) > 25 and not waited:
                        time.sleep(2.5)  # two fragments have arrived by then
                        waited = True
                case Coded():
                    found.append(began + event.offset)
            if len(found) == 150:
                break
        read = time.time()
    assert all(0 < later - each < 2 * STEP for each, later in pairwise(found))
    assert opened < found[0]
    assert found[-1] < read
