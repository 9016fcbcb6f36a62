"""What is not pixels in a PNG file, by the lists of the PNG specification (third edition)."""

from __future__ import annotations

import io
import struct
import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facedex.vision import images, png
from facedex.vision.vision_errors import InvalidImage
from tests.unit.containers import SIGNATURE, chunk, chunks, encode, exif, pattern
from tests.unit.containers import png as assemble

PICTURES = {
    "rgb": pattern(),
    "grey": pattern().convert("L"),
    "palette": pattern().quantize(16),
    "bilevel": pattern().convert("1"),
    "grey-alpha": pattern().convert("LA"),
    "rgba": pattern().convert("RGBA"),
    "16-bit": Image.fromarray(np.asarray(pattern().convert("L")).astype(np.uint16) << 8),
}
WHOLE = encode(PICTURES["rgb"])

# PNG, 4.7 and 11.3: all ancillary chunks but tRNS, which carries pixels. Then registered
# extensions (PNG extensions 1.5), and chunks of Apple, Fireworks, ImageMagick and C2PA.
STANDARD = "cHRM cICP gAMA iCCP mDCV cLLI sBIT sRGB iTXt tEXt zTXt bKGD hIST pHYs sPLT eXIf tIME"
ANIMATION = "acTL fcTL fdAT"
EXTENSIONS = "oFFs pCAL sCAL gIFg gIFt gIFx sTER dSIG fRAc iDOT mkBT vpAg caNv orNT caBX zzZz"
ANCILLARY = [name.encode() for name in f"{STANDARD} {ANIMATION} {EXTENSIONS}".split()]

BOMB = zlib.compress(bytes(64 << 20), 9)  # 64 MiB in 65 kB
CONTENTS = {
    "empty": b"",
    "bomb": b"name\0\0" + BOMB,
    "text": b"Raw profile type exif\0\0" + BOMB,
    "noise": Random(1).randbytes(3000),
    "long": bytes(2_000_000),
}


def shown(data: bytes) -> np.ndarray:
    return images.decode(data).pixels


def add(data: bytes, extra: bytes, before: bytes) -> bytes:
    place = data.index(before) - 4
    return data[:place] + extra + data[place:]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("name", ANCILLARY, ids=[name.decode() for name in ANCILLARY])
def test_no_ancillary_chunk_spoils_a_picture(name: bytes, content: bytes) -> None:
    for before in (b"IDAT", b"IEND"):
        for checksum in (None, 0x12345678):
            whole = add(WHOLE, chunk(name, content, checksum=checksum), before)
            assert np.array_equal(shown(whole), np.asarray(PICTURES["rgb"]))


def test_text_bombs_are_not_unpacked() -> None:
    bombs = b"".join(chunk(b"zTXt", b"name\0\0" + BOMB) for _ in range(200))
    picture = png.read(add(WHOLE, bombs, b"IDAT"))
    assert len(picture.data) <= len(WHOLE)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_of_a_png_is_ignored(orientation: int) -> None:
    """As by Rekognition: "doesn't perform image correction for images in .png format"."""
    for extra in (
        chunk(b"eXIf", exif(orientation)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation='6'"),
        chunk(b"orNT", bytes([orientation])),
    ):
        assert np.array_equal(shown(add(WHOLE, extra, b"IDAT")), np.asarray(PICTURES["rgb"]))


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_shown_whole_or_not_at_all(kind: str) -> None:
    data = encode(PICTURES[kind])
    whole = shown(data)
    for end in range(1, len(data)):
        try:
            pixels = shown(data[:end])
        except InvalidImage:
            # At most the end of the file and the checksums may be missing.
            assert end <= len(data) - 12 - 4 - 4
        else:
            assert np.array_equal(pixels, whole)


@pytest.mark.parametrize("tail", [b"", b"\0", b"IEND", WHOLE, bytes(100_000)])
def test_data_after_the_end_and_a_missing_end_are_ignored(tail: bytes) -> None:
    for data in (WHOLE, WHOLE[:-12]):
        assert np.array_equal(shown(data + tail), np.asarray(PICTURES["rgb"]))


def test_pixels_in_many_chunks_with_others_between_them() -> None:
    parts = chunks(WHOLE)
    pixels = b"".join(content for name, content in parts if name == b"IDAT")
    single = [(b"IDAT", pixels[place : place + 1]) for place in range(len(pixels))]
    mixed = [part for piece in single for part in (piece, (b"IDAT", b""), (b"tEXt", b"a\0b"))]
    assert np.array_equal(shown(assemble(parts[0], *mixed)), np.asarray(PICTURES["rgb"]))


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_of_the_pixels_is_refused(name: bytes) -> None:
    data = bytearray(WHOLE)
    place = data.index(name)
    size = int.from_bytes(data[place - 4 : place], "big")
    data[place + 4 + size] ^= 1
    with pytest.raises(InvalidImage, match="damaged or truncated"):
        images.decode(bytes(data))


def test_a_wrong_checksum_or_window_of_the_compressed_data_is_ignored() -> None:
    header, (_, packed), end = (part for part in chunks(WHOLE))
    for altered in (
        packed[:-4] + b"abcd",
        packed[:-4],
        b"\x78\x00" + packed[2:],
        b"\x08\x1d" + packed[2:],
        packed + b"more",
    ):
        data = assemble(header, (b"IDAT", altered), end)
        assert np.array_equal(shown(data), np.asarray(PICTURES["rgb"]))


def test_a_wrong_transparency_is_ignored() -> None:
    palette = encode(PICTURES["palette"])
    expected = shown(palette)
    for content in (b"", bytes(17), bytes(300)):
        assert np.array_equal(shown(add(palette, chunk(b"tRNS", content), b"IDAT")), expected)
    wrong = chunk(b"tRNS", bytes(3), checksum=1)
    assert np.array_equal(shown(add(palette, wrong, b"IDAT")), expected)
    for extra in (chunk(b"tRNS", bytes(5)), chunk(b"PLTE", bytes(7))):
        assert np.array_equal(shown(add(WHOLE, extra, b"IDAT")), np.asarray(PICTURES["rgb"]))
    rgba = encode(PICTURES["rgba"])
    assert np.array_equal(shown(add(rgba, chunk(b"tRNS", bytes(6)), b"IDAT")), shown(rgba))


def unpacked(depth: int, colour: int, values: np.ndarray, transparent: bytes) -> bytes:
    """Return a PNG of values (rows, columns or more) with a transparent colour."""
    rows, columns = values.shape[:2]
    bits = values.reshape(rows, -1, 1) >> np.arange(depth)[::-1] & 1
    lines = np.packbits(bits.reshape(rows, -1).astype(np.uint8), axis=1)
    pixels = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    return assemble((b"IHDR", header), (b"tRNS", transparent), (b"IDAT", pixels), (b"IEND", b""))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("place", [0, 1 / 3, 1], ids=["black", "grey", "white"])
@pytest.mark.parametrize("longest_side", [1920, 8])
def test_a_transparent_grey_of_every_depth_becomes_white(
    depth: int, place: float, longest_side: int
) -> None:
    highest = (1 << depth) - 1
    transparent = round(place * highest)
    others = 0 if transparent else highest  # black and white stay what they are
    greys = np.full((16, 32), others)
    greys[:, 16:] = transparent
    data = unpacked(depth, 0, greys, struct.pack(">H", transparent))
    pixels = images.decode(data, longest_side=longest_side).pixels
    middle = pixels.shape[1] // 2
    assert (pixels[:, :middle] == (255 if others else 0)).all()
    assert (pixels[:, middle:] == 255).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_of_every_depth_becomes_white(depth: int) -> None:
    transparent = np.array([0x12, 0x56, 0x9A]) if depth == 8 else np.array([0x1234, 0x5678, 0x9ABC])
    colours = np.full((4, 8, 3), 0x34 << depth - 8)
    colours[:, 4:] = transparent
    pixels = shown(unpacked(depth, 2, colours, struct.pack(">3H", *transparent)))
    assert (pixels[:, :4] == 0x34).all()
    assert (pixels[:, 4:] == 255).all()


def test_a_palette_that_is_missing_or_broken_is_refused_and_a_long_one_is_cut() -> None:
    header, (_, colours), *rest = chunks(encode(PICTURES["palette"]))
    for palette in ((), ((b"PLTE", colours[:-1]),), ((b"PLTE", b""),)):
        with pytest.raises(InvalidImage):
            images.decode(assemble(header, *palette, *rest))
    long = assemble(header, (b"PLTE", colours + bytes(900)), *rest)
    assert np.array_equal(shown(long), shown(encode(PICTURES["palette"])))


def test_an_unknown_critical_chunk_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidImage, match="CgBI"):
        images.decode(SIGNATURE + chunk(b"CgBI", bytes(4)) + WHOLE[8:])


def test_the_first_picture_of_an_animation_is_read() -> None:
    red, blue = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "blue")
    data = encode(red, save_all=True, append_images=[blue])
    assert b"acTL" in data
    assert (shown(data) == (255, 0, 0)).all()


def interlaced(picture: Image.Image) -> bytes:
    """Return a PNG of 8-bit RGB in the seven passes of Adam7, without filters."""
    pixels = np.asarray(picture)
    rows = []
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    for left, top, across, down in [*starts, (0, 1, 1, 2)]:
        part = pixels[top::down, left::across]
        rows += [b"\0" + row.tobytes() for row in part if part.shape[1]]
    header = picture.width.to_bytes(4, "big") + picture.height.to_bytes(4, "big")
    return assemble(
        (b"IHDR", header + b"\x08\x02\0\0\1"),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    )


@pytest.mark.parametrize("size", [(70, 50), (1, 1), (2, 9), (5, 3), (8, 8)])
def test_an_interlaced_picture_is_complete_with_its_last_pass(size: tuple[int, int]) -> None:
    picture = pattern(*size)
    data = interlaced(picture)
    assert np.array_equal(shown(data), np.asarray(picture))
    header, (_, packed), end = chunks(data)
    raw = zlib.decompress(packed)
    assert png.read(data).unpacked_size == len(raw)
    with pytest.raises(InvalidImage):
        images.decode(assemble(header, (b"IDAT", zlib.compress(raw[:-1])), end))


def test_a_png_of_a_hundred_thousand_chunks_is_refused() -> None:
    with pytest.raises(InvalidImage, match="more than 100000 chunks"):
        images.decode(add(WHOLE, chunk(b"tEXt", b"") * 1_000_000, b"IDAT"))


@settings(max_examples=300)
@given(
    kind=st.sampled_from(sorted(PICTURES)),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=5)), max_size=6),
)
def test_what_is_read_is_a_sound_png_whatever_was_sent(
    kind: str, places: list[tuple[int, bytes]]
) -> None:
    data = encode(PICTURES[kind])
    for place, inserted in places:
        start = 8 + place % (len(data) - 8)
        data = data[:start] + inserted + data[start + len(inserted) // 2 :]
    try:
        picture = png.read(data)
    except InvalidImage:
        return
    names = [name for name, _ in chunks(picture.data)]
    assert [name for name in names if name not in (b"PLTE", b"tRNS")] == [b"IHDR", b"IDAT", b"IEND"]
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert opened.size == (picture.width, picture.height)
