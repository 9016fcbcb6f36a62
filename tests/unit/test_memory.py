"""What a process decodes and computes at once, and what it keeps afterwards."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedex.turns import Turns
from facedex.vision import images, sessions
from facedex.vision.allocator import Trimmer
from facedex.vision.sessions import Network
from facedex.vision.vision_errors import Busy, ImageTooLarge, ImageTooSmall, InvalidImage
from tests.unit.containers import encode, png
from tests.unit.tiny_networks import scrfd


def highest(turns: Turns, work: Callable[[], object]) -> int:
    """Return the highest amount in use while the work is done."""
    done = threading.Event()
    seen = [0]

    def watch() -> None:
        while not done.is_set():
            seen.append(turns.used)
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(seen)


def test_all_threads_together_decode_a_bounded_number_of_pixels() -> None:
    data = encode(Image.new("RGB", (3000, 3000), "teal"))

    def work() -> None:
        with ThreadPoolExecutor(16) as threads:
            assert all(image.width == 3000 for image in threads.map(images.decode, [data] * 16))

    assert 9_000_000 <= highest(images.in_flight, work) <= images.IN_FLIGHT
    assert images.in_flight.used == 0


def test_a_damaged_large_image_gives_its_pixels_back() -> None:
    data = encode(Image.effect_noise((3000, 3000), 50))
    for _ in range(8):
        with pytest.raises(InvalidImage):
            images.decode(data[: len(data) // 2])
    assert images.in_flight.used == 0


def test_as_many_networks_run_at_once_as_there_are_processors(tmp_path: Path) -> None:
    network = Network(scrfd(tmp_path / "detector.onnx"), threads=1)
    batch = np.zeros((1, 3, 640, 640), dtype=np.float32)

    def work() -> None:
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(network.run, [batch] * 32))

    assert 1 <= highest(sessions.running, work) <= (os.cpu_count() or 1)


def test_a_network_gives_the_same_results_after_it_released_its_memory(tmp_path: Path) -> None:
    network = Network(scrfd(tmp_path / "detector.onnx"), threads=1)
    network.release()  # nothing was run
    batch = np.random.default_rng(0).random((1, 3, 640, 640), dtype=np.float32)
    before = network.run(batch)
    network.release()
    for one, other in zip(before, network.run(batch), strict=True):
        assert np.array_equal(one, other)


class Memory:
    """Counts how often it was asked to release."""

    def __init__(self) -> None:
        self.released = threading.Semaphore(0)

    def release(self) -> None:
        self.released.release()


def test_memory_is_released_once_after_the_last_large_work() -> None:
    trimmer, memory = Trimmer(quiet=1.5), Memory()  # longer than a busy machine stops a process
    for _ in range(8):
        trimmer.trim_later(memory)
        assert not memory.released.acquire(timeout=0.1)
    assert memory.released.acquire(timeout=60)
    assert not memory.released.acquire(timeout=0.8)
    trimmer.trim_later(memory)
    assert memory.released.acquire(timeout=60)
    trimmer.close()


def test_a_closed_trimmer_starts_no_thread() -> None:
    trimmer, memory = Trimmer(quiet=0.01), Memory()
    trimmer.close()
    trimmer.trim_later(memory)
    assert not memory.released.acquire(timeout=0.2)


SIDES = [(1, 64_000_000), (64_000_000, 1), (65_501, 100), (100, 65_501), (2**31 - 1, 2**31 - 1)]


@pytest.mark.parametrize(("width", "height"), SIDES)
def test_absurd_sides_are_refused_by_the_header(width: int, height: int) -> None:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\1\0\0\0\0"
    with pytest.raises(ImageTooLarge, match=f"{width} x {height}"):
        images.decode(png((b"IHDR", header), (b"IDAT", b"not looked at")))


@pytest.mark.parametrize("orientation", [1, 6])
def test_small_images_are_refused_upright_and_before_decoding(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", (79, 200)), "JPEG", exif=exif)
    upright = "79 x 200" if orientation == 1 else "200 x 79"
    with pytest.raises(ImageTooSmall, match=f"{upright} pixels; either side must have at least 80"):
        images.decode(data, smallest_side=80)


def test_only_what_a_decoder_can_reduce_may_have_the_most_pixels() -> None:
    picture = Image.new("RGB", (400, 300))
    limits = {"max_pixels": 120_000, "max_whole_pixels": 119_999}
    assert images.decode(encode(picture, "JPEG"), **limits).width == 400
    for data in (encode(picture), encode(picture, "JPEG", progressive=True)):
        with pytest.raises(
            ImageTooLarge, match=r"at most 119999 pixels\. A baseline JPEG may have"
        ):
            images.decode(data, **limits)
        with pytest.raises(ImageTooLarge, match=r"at most 119998 pixels\.$"):
            images.decode(data, max_pixels=119_998)


# Prints the increase of the process's memory at its highest and some time after decoding, MiB.
_DECODING = """
import json, re, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from facedex.vision import images
def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
data, times = sys.stdin.buffer.read(), int(sys.argv[1])
before = memory("VmRSS")
with ThreadPoolExecutor(16) as threads:
    assert all(image.width > 4000 for image in threads.map(images.decode, [data] * times))
highest = memory("VmHWM")
time.sleep(7)
print(json.dumps([highest - before, memory("VmRSS") - before]))
"""


def decoding(data: bytes, times: int) -> tuple[int, int]:
    command = [sys.executable, "-c", _DECODING, str(times)]
    run = subprocess.run(command, input=data, capture_output=True, check=True)
    highest_, after = json.loads(run.stdout)
    return highest_, after


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_given_back_after_large_images() -> None:
    highest_, after = decoding(encode(Image.new("RGB", (5000, 5000), "teal")), 8)
    assert 90 < highest_ < 500
    assert after < 40


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_jpeg_of_64_megapixels_takes_the_memory_of_the_reduced_picture() -> None:
    gradient = Image.radial_gradient("L").resize((8000, 8000)).convert("RGB")
    highest_, after = decoding(encode(gradient, "JPEG"), 1)
    assert highest_ < 60  # 2000 x 2000 pixels of 3 and 4 bytes, and the file
    assert after < 20


@pytest.mark.parametrize(("depth", "colour", "most"), [(8, 2, 1), (8, 6, 3 / 4), (16, 6, 3 / 8)])
def test_pngs_with_more_bytes_for_a_pixel_may_have_fewer_pixels(
    depth: int, colour: int, most: float
) -> None:
    allowed, side = 120_000, 100
    for rows in (int(allowed * most / side) - 2, int(allowed * most / side) + 2):
        header = struct.pack(">IIBBBBB", side, rows, depth, colour, 0, 0, 0)
        row = bytes(1 + side * depth * {2: 3, 6: 4}[colour] // 8)
        photo = png((b"IHDR", header), (b"IDAT", zlib.compress(row * rows)), (b"IEND", b""))
        if rows < allowed * most / side:
            assert images.decode(photo, max_whole_pixels=allowed).height == rows
        else:
            with pytest.raises(ImageTooLarge, match="at most 120000 pixels"):
                images.decode(photo, max_whole_pixels=allowed)


def test_a_large_image_waits_for_others_as_long_as_its_caller_does() -> None:
    photo = encode(Image.new("L", (2500, 2000)))
    with images.in_flight.hold(images.IN_FLIGHT):
        with pytest.raises(Busy, match="try again"):
            images.decode(photo, patience=0.05)
        small = encode(Image.new("L", (200, 100)))
        assert images.decode(small, patience=0.05).width == 200
    assert images.decode(photo, patience=0.05).width == 2500
