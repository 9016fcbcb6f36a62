"""What is not pixels in a JPEG file, by the list of markers of ITU-T T.81 (table B.1)."""

from __future__ import annotations

import io
import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facedex.vision import images, jpeg
from facedex.vision.vision_errors import InvalidImage
from tests.unit.containers import encode, exif, pattern, segment

PICTURES = {
    "baseline": encode(pattern(), "JPEG"),
    "full colours": encode(pattern(), "JPEG", subsampling=0),
    "restarts": encode(pattern(), "JPEG", restart_marker_blocks=3),
    "rows": encode(pattern(), "JPEG", restart_marker_rows=1),
    "progressive": encode(pattern(), "JPEG", progressive=True),
    "grey": encode(pattern().convert("L"), "JPEG"),
    "cmyk": encode(pattern().convert("CMYK"), "JPEG"),
    "flat": encode(Image.new("RGB", (70, 50), (128, 128, 128)), "JPEG"),
}
WHOLE = PICTURES["baseline"]
END = b"\xff\xd9"

# APP0 to APP15 and COM; then what decoders need not know: JPG0 to JPG13, some reserved ones, DNL.
APPLICATIONS = [*range(0xE0, 0xF0), 0xFE]
OTHERS = [*range(0xF0, 0xFE), 0x02, 0x4F, 0x51, 0xBF, 0xDC]

BOMB = zlib.compress(bytes(16 << 20), 9)
CONTENTS = {
    "empty": b"",
    "zeros": bytes(65_533),
    "noise": Random(1).randbytes(3000),
    "markers": b"\xff\xd8\xff\xda\xff\xc0\xff\xd9\xff\xff" * 100,
    "picture": WHOLE,
    "JFIF": b"JFIF\0\1\2\1\xff\xff\xff\xff\xff\xff",
    "JFXX": b"JFXX\0\x10" + WHOLE,
    "EXIF": b"Exif\0\0MM\0*\xff\xff\xff\xff\0\1",
    "EXIF of a million entries": b"Exif\0\0" + exif(1, count=0xFFFF),
    "XMP": b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>",
    "XMP orientation": b'http://ns.adobe.com/xap/1.0/\0tiff:Orientation="6"',
    "ICC": b"ICC_PROFILE\0\7\2" + BOMB,
    "MPF": b"MPF\0II*\0\xff\xff\xff\xff",
    "Photoshop": b"Photoshop 3.0\x008BIM\x04\x25\0\0\xff\xff\xff\xff",
    "Ducky": b"Ducky\0\1\0\4",
    "Adobe, cut off": b"Adobe\0d",
}


def shown(data: bytes) -> np.ndarray:
    return images.decode(data).pixels


def insert(extra: bytes, place: int = 2, data: bytes = WHOLE) -> bytes:
    return data[:place] + extra + data[place:]


def boundaries(data: bytes = WHOLE) -> list[int]:
    """Return the places between the segments before the first scan."""
    places = [2]
    while data[places[-1] + 1] != 0xDA:
        place = places[-1]
        places.append(place + 2 + int.from_bytes(data[place + 2 : place + 4], "big"))
    return places


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("kind", [*APPLICATIONS, *OTHERS], ids=lambda kind: f"{kind:X}")
def test_no_segment_without_pixels_spoils_a_picture(kind: int, content: bytes) -> None:
    for place in (2, boundaries()[1], boundaries()[-1]):
        assert np.array_equal(shown(insert(segment(kind, content), place)), shown(WHOLE))


def test_every_place_between_segments_may_hold_damage() -> None:
    for place in boundaries()[1:]:
        for damage in (
            b"\0" * 999,
            b"\xff" * 999,
            b"\xff\0" * 99,
            b"\xff\1",
            b"<text>",
            b"\xff\xd3",
        ):
            assert np.array_equal(shown(insert(damage, place)), shown(WHOLE))


@pytest.mark.parametrize("length", [0, 1, 2, 9])
def test_a_segment_with_too_small_a_length_is_ignored(length: int) -> None:
    damaged = segment(0xE1, b"Exif\0\0" + exif(6) + WHOLE, length=length)
    assert np.array_equal(shown(insert(damaged)), shown(WHOLE))


def test_a_segment_that_hides_the_picture_is_refused() -> None:
    with pytest.raises(InvalidImage, match="damaged or truncated"):
        images.decode(insert(segment(0xE1, b"", length=60_000)))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(
    "tail", [b"", END, b"\0", bytes(5000), WHOLE, b"\xff", Random(2).randbytes(999)]
)
def test_data_after_the_end_is_ignored(name: str, tail: bytes) -> None:
    assert np.array_equal(shown(PICTURES[name] + tail), shown(PICTURES[name]))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("tail", [b"", b"\xff", b"\0\0", b"\xff\xff\xff", bytes(1000)])
def test_the_end_marker_may_be_missing_or_overwritten(name: str, tail: bytes) -> None:
    whole = PICTURES[name]
    assert np.array_equal(shown(whole.removesuffix(END) + tail), shown(whole))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_whole_or_not_at_all(name: str) -> None:
    whole = PICTURES[name]
    expected = shown(whole)
    for end in range(1, len(whole) - 2):
        try:
            pixels = shown(whole[:end])
        except InvalidImage:
            continue
        assert end > len(whole) - 6  # padding after the last pixel
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("name", ["baseline", "full colours", "restarts", "rows", "grey", "cmyk"])
def test_a_picture_that_was_cut_off_and_ended_is_refused(name: str) -> None:
    whole = PICTURES[name]
    start = whole.index(b"\xff\xda") + 14
    for end in range(start, len(whole) - 40):
        with pytest.raises(InvalidImage):
            images.decode(whole[:end] + END)


def test_a_progressive_picture_without_its_last_scans_is_refused_unless_it_ends() -> None:
    whole = PICTURES["progressive"]
    last = whole.rindex(b"\xff\xda")
    with pytest.raises(InvalidImage):
        images.decode(whole[:last])
    assert shown(whole[:last] + END).shape == (50, 70, 3)
    with pytest.raises(InvalidImage):
        images.decode(whole[: last - 20] + END)


def test_a_picture_without_jfif_and_without_tables_of_its_own_is_read() -> None:
    places = boundaries()
    plain = WHOLE[:2] + WHOLE[places[1] :]
    assert np.array_equal(shown(plain), shown(WHOLE))
    # The frames of Motion JPEG lack the standard Huffman tables.
    tables = [place for place in places if WHOLE[place + 1] == 0xC4]
    bare = WHOLE[: tables[0]] + WHOLE[places[-1] :]
    assert np.array_equal(shown(bare), shown(WHOLE))


def test_the_colours_that_adobe_states_are_kept() -> None:
    rgb = encode(pattern(), "JPEG", keep_rgb=True, quality=95)
    assert b"Adobe" in rgb
    assert np.abs(shown(rgb).astype(int) - np.asarray(pattern())).max() < 30
    cmyk = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    assert np.abs(shown(encode(cmyk, "JPEG", quality=95)) - np.array([255, 0, 0])).max() < 6


@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_from_exif(orientation: int, order: str, kind: int) -> None:
    block = exif(orientation, kind=kind, order=order)
    for extra in (block, block[:-4], block + bytes(40_000)):
        data = insert(segment(0xE1, b"Exif\0\0" + extra))
        assert jpeg.read(data).orientation == orientation


@pytest.mark.parametrize(
    "block",
    [b"", exif(6)[:15], exif(0), exif(9), exif(6).replace(b"MM", b"XX"), b"II*\0\x08\0\0\0"],
)
def test_an_orientation_that_cannot_be_read_is_upright(block: bytes) -> None:
    assert jpeg.read(insert(segment(0xE1, b"Exif\0\0" + block))).orientation == 1


START = b"\xff\xd8\xff\xe0\0\2"


@pytest.mark.parametrize(
    "filling",
    [b"\xff", b"\0", b"\xff\0", b"\xff\xd8", b"\xff\xd9", b"\xff\xfe\0\2", b"\xff\xc4\0\2"],
)
def test_fifteen_megabytes_without_a_picture_are_refused(filling: bytes) -> None:
    with pytest.raises(InvalidImage):
        images.decode(START + filling * (15_000_000 // len(filling)))


@settings(max_examples=400)
@given(
    name=st.sampled_from(sorted(PICTURES)),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=5)), max_size=6),
)
def test_what_is_read_is_a_jpeg_without_metadata_whatever_was_sent(
    name: str, places: list[tuple[int, bytes]]
) -> None:
    data = PICTURES[name]
    for place, inserted in places:
        start = 3 + place % (len(data) - 3)
        data = data[:start] + inserted + data[start + len(inserted) // 2 :]
    try:
        picture = jpeg.read(data)
    except InvalidImage:
        return
    assert len(picture.data) <= len(data) + 40
    try:
        opened = Image.open(io.BytesIO(picture.data), formats=("JPEG",))
    except OSError:
        return  # damaged tables
    assert opened.size == (picture.width, picture.height)
    assert not opened.info.keys() & {"exif", "icc_profile", "xmp", "comment", "photoshop", "mp"}
