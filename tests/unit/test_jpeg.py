from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facedex.vision import images, jpeg
from facedex.vision.vision_errors import InvalidImage


def encode(width: int = 64, height: int = 48, *, progressive: bool = True) -> bytes:
    buffer = io.BytesIO()
    picture = Image.linear_gradient("L").convert("RGB").resize((width, height))
    picture.save(buffer, "JPEG", progressive=progressive, restart_marker_blocks=4)
    return buffer.getvalue()


def repeat_last_scan(data: bytes, times: int) -> bytes:
    """Return the file with its last scan repeated."""
    body = data.removesuffix(b"\xff\xd9")
    return body + body[body.rindex(b"\xff\xda") :] * (times - 1) + b"\xff\xd9"


@pytest.mark.parametrize(("progressive", "scans"), [(False, 1), (True, 10)])
def test_the_scans_of_an_ordinary_jpeg_are_counted(progressive: bool, scans: int) -> None:
    assert jpeg.read(encode(progressive=progressive)).scans == scans


def test_scans_of_a_thumbnail_and_of_a_second_picture_do_not_count() -> None:
    whole = encode()
    inner = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    assert jpeg.read(whole[:2] + inner + whole[2:] + whole).scans == 10


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    most = jpeg.MOST_SCANS - 9
    assert images.decode(repeat_last_scan(encode(), most)).width == 64
    for times in (most + 1, 1000):
        with pytest.raises(InvalidImage, match="more than 100 scans; save it again"):
            images.decode(repeat_last_scan(encode(), times))


def test_a_large_progressive_photo_passes_and_one_of_many_scans_does_not() -> None:
    data = encode(5000, 5000)
    assert images.decode(data).pixels.shape == (2500, 2500, 3)
    with pytest.raises(InvalidImage, match="5000 x 5000 pixels has 17 scans; send at most 16"):
        images.decode(repeat_last_scan(data, 8))


@pytest.mark.parametrize("filling", [b"\xff", b"\0", b"\xff\0", b"\xff\xd0", b"\xff\1", b"ab"])
def test_filling_between_segments_is_ignored(filling: bytes) -> None:
    whole = encode()
    expected = images.decode(whole).pixels
    second = 4 + int.from_bytes(whole[4:6], "big")
    padded = whole[:second] + filling * 200_000 + whole[second:]
    assert (images.decode(padded).pixels == expected).all()


@pytest.mark.parametrize("segment", [b"\xff\xfe\0\2", b"\xff\xe1\0\0", b"\xff\xd8"])
def test_a_jpeg_of_ten_thousand_segments_is_refused(segment: bytes) -> None:
    whole = encode()
    with pytest.raises(InvalidImage, match="more than 10000 segments"):
        images.decode(whole[:2] + segment * 100_001 + whole[2:])


@pytest.mark.parametrize("kind", [0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF])
def test_codings_that_no_browser_shows_are_named(kind: int) -> None:
    whole = encode(progressive=False)
    with pytest.raises(InvalidImage, match="lossless, hierarchical"):
        images.decode(whole.replace(b"\xff\xc0", bytes((0xFF, kind)), 1))


def test_a_picture_of_twelve_bits_is_refused_with_its_reason() -> None:
    whole = encode(progressive=False)
    with pytest.raises(InvalidImage, match="not of 8 bits"):
        images.decode(whole.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c", 1))


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_a_truncated_file_is_read_or_refused(tail: bytes, end: int) -> None:
    try:
        picture = jpeg.read(encode()[:end] + tail)
    except InvalidImage:
        return
    assert 1 <= picture.scans <= jpeg.MOST_SCANS
