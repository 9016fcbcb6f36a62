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
    assert jpeg.count_scans(encode(progressive=progressive)) == scans


def test_scans_of_a_thumbnail_and_of_a_second_picture_do_not_count() -> None:
    whole = encode()
    inner = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    assert jpeg.count_scans(whole[:2] + inner + whole[2:] + whole) == 10


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    most = jpeg.MOST_SCANS - 9
    assert images.decode(repeat_last_scan(encode(), most)).width == 64
    for times in (most + 1, 1000):
        with pytest.raises(InvalidImage, match="more than 100 scans; save it again"):
            images.decode(repeat_last_scan(encode(), times))


def test_a_large_progressive_photo_passes_and_one_of_many_scans_does_not() -> None:
    jpeg.check_scans(12, 8000, 8000)
    data = encode(5000, 5000)
    assert images.decode(data).pixels.shape == (2500, 2500, 3)
    with pytest.raises(InvalidImage, match="5000 x 5000 pixels has 81 scans; send at most 80"):
        images.decode(repeat_last_scan(data, 72))


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\0", b"\xff\xd8", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_a_jpeg_that_is_mostly_filling_is_refused_before_it_is_walked_through(
    filling: bytes,
) -> None:
    whole = encode()
    if filling != b"\xff\xd8":  # decoders reject a second start marker
        assert images.decode(whole[:2] + filling * 100 + whole[2:]).width == 64
    with pytest.raises(InvalidImage, match=r"most of it is fill bytes|more than 10000 segments"):
        images.decode(whole[:2] + filling * 100_001 + whole[2:])


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_a_truncated_file_passes_the_scan_check(tail: bytes, end: int) -> None:
    assert 0 <= jpeg.count_scans(encode()[:end] + tail) <= jpeg.MOST_SCANS
