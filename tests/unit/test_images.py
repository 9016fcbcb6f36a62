from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from facedex.vision import images, rgb
from facedex.vision.vision_errors import ImageTooLarge, InvalidImage


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    """Return a picture whose red increases to the right and whose green increases downwards."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 90)], 2).astype(np.uint8))


JPEG = encode(gradient(), "JPEG", quality=80)
PNG = encode(gradient())


def test_a_png_comes_back_pixel_for_pixel() -> None:
    image = images.decode(PNG)
    assert np.array_equal(image.pixels, np.asarray(gradient()))
    assert (image.width, image.height) == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    turn_back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    upright = gradient()
    stored = (
        upright.transpose(images.UPRIGHT[turn_back]) if turn_back in images.UPRIGHT else upright
    )
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = images.decode(encode(stored, "JPEG", exif=exif, quality=95, subsampling=0))
    assert (image.width, image.height) == (64, 48)
    assert np.abs(image.pixels.astype(int) - np.asarray(upright)).max() < 12


@pytest.mark.parametrize(
    ("width", "longest_side", "expected"),
    [(4000, 1920, 2000), (3839, 1920, 3839), (8000, 1000, 1000), (900, 1920, 900)],
)
def test_a_large_jpeg_is_decoded_smaller_but_never_below_the_side_asked_for(
    width: int, longest_side: int, expected: int
) -> None:
    data = encode(gradient(width, 300), "JPEG")
    image = images.decode(data, longest_side=longest_side)
    assert image.pixels.shape[1] == expected
    assert (image.width, image.height) == (width, 300)


MODES = pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Image.new("L", (8, 8), 77), (77, 77, 77)),
        (lambda: Image.new("1", (8, 8), 1), (255, 255, 255)),
        (lambda: Image.new("LA", (8, 8), (10, 0)), (255, 255, 255)),
        (lambda: Image.new("RGBA", (8, 8), (200, 0, 0, 0)), (255, 255, 255)),
        (lambda: Image.new("RGBA", (8, 8), (200, 10, 30, 255)), (200, 10, 30)),
        (lambda: Image.new("RGB", (8, 8), (9, 80, 200)).quantize(4), (9, 80, 200)),
        (lambda: Image.fromarray(np.full((8, 8), 0x8040, np.uint16)), (128, 128, 128)),
    ],
    ids=["grey", "bilevel", "grey-alpha", "transparent", "opaque", "palette", "16-bit-grey"],
)


@MODES
def test_every_png_mode_becomes_rgb_with_transparency_on_white(
    make: Callable[[], Image.Image], expected: tuple[int, int, int]
) -> None:
    pixels = images.decode(encode(make())).pixels
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == expected).all()


@MODES
def test_a_large_png_of_every_mode_is_reduced_as_a_jpeg_is(
    make: Callable[[], Image.Image], expected: tuple[int, int, int]
) -> None:
    data = encode(make().resize((1203, 1001), Image.Resampling.NEAREST))
    image = images.decode(data, longest_side=300)
    assert (image.width, image.height) == (1203, 1001)
    assert image.pixels.shape == (251, 301, 3)
    assert (image.pixels == expected).all()


def test_a_png_is_reduced_to_means_of_its_pixels_across_strips() -> None:
    picture = gradient(1600, 1200)
    assert picture.width * picture.height > rgb.STRIP
    whole = np.asarray(picture).reshape(300, 4, 400, 4, 3).mean(axis=(1, 3))
    reduced = images.decode(encode(picture), longest_side=400).pixels
    assert np.abs(reduced - whole).max() <= 0.5
    translucent = picture.copy()
    translucent.putalpha(128)
    on_white = whole * (128 / 255) + 127
    reduced = images.decode(encode(translucent), longest_side=400).pixels
    assert np.abs(reduced - on_white).max() <= 1.5


# Prints the increase of the process's memory during decoding, MiB.
_MEMORY = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from facedex.vision import images
def peak():  # getrusage counts the memory of the parent, too
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
data, before, times = sys.stdin.buffer.read(), peak(), int(sys.argv[1])
with ThreadPoolExecutor(times) as workers:
    assert all(image.width == 5000 for image in workers.map(images.decode, [data] * times))
print(peak() - before)
"""


@pytest.mark.parametrize(("times", "most"), [(1, 180), (8, 400)])
def test_large_pngs_take_little_more_memory_than_two_files_of_raw_pixels(
    times: int, most: int
) -> None:
    data = encode(Image.new("RGBA", (5000, 3750), (200, 10, 30, 128)))  # 72 MiB of pixels
    command = [sys.executable, "-c", _MEMORY, str(times)]
    run = subprocess.run(command, input=data, capture_output=True, check=True)
    assert int(run.stdout) < most


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_rgb(mode: str) -> None:
    picture = Image.new("RGB", (16, 16), (120, 120, 120)).convert(mode)
    pixels = images.decode(encode(picture, "JPEG", quality=95)).pixels
    assert np.abs(pixels.astype(int) - 120).max() <= 3


def test_the_format_is_detected_by_content_and_others_are_refused() -> None:
    for kind in ("GIF", "BMP", "TIFF", "WEBP"):
        with pytest.raises(InvalidImage, match="neither JPEG nor PNG"):
            images.decode(encode(gradient(), kind))
    for nothing in (b"", b"\xff\xd8\xff", b"hello"):
        with pytest.raises(InvalidImage):
            images.decode(nothing)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_settings_alone_limit_the_pixels(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (100, 80)).save(file, kind)
    # Pillow warns above its limit, and refuses images of twice as many pixels.
    for most in (5_000, 1_000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        assert images.decode(file.getvalue(), max_pixels=8_000).pixels.shape == (80, 100, 3)


def test_a_pixel_bomb_is_refused_by_its_header() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    for side in (20_000, 10_000):  # above and below Pillow's own limit
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
        with pytest.raises(ImageTooLarge, match="at most 25000000"):
            images.decode(bomb)
    with pytest.raises(ImageTooLarge, match="64 x 48"):
        images.decode(PNG, max_pixels=64 * 48 - 1)
    assert images.decode(PNG, max_pixels=64 * 48).width == 64


@pytest.mark.parametrize("whole", [JPEG, PNG], ids=["jpeg", "png"])
def test_a_file_cut_off_in_the_middle_is_refused(whole: bytes) -> None:
    with pytest.raises(InvalidImage, match="send a complete file"):
        images.decode(whole[: len(whole) // 2])


@settings(max_examples=400)
@given(
    whole=st.sampled_from([JPEG, PNG]),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
    end=st.integers(0, 10**6),
)
def test_mutated_files_raise_nothing_but_the_two_errors(
    whole: bytes, places: list[tuple[int, int]], end: int
) -> None:
    mutated = bytearray(whole)
    for place, value in places:
        mutated[place % len(mutated)] = value
    try:
        image = images.decode(bytes(mutated[: 1 + end % (2 * len(mutated))]))
    except (InvalidImage, ImageTooLarge):
        return
    assert image.pixels.ndim == 3
    assert image.pixels.dtype == np.uint8
