"""Decoding of images to upright RGB pixels."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageChops
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from facedex.observability import metrics
from facedex.observability.recording import record, timing
from facedex.turns import Turns
from facedex.vision import allocator, jpeg, png, rgb
from facedex.vision.jpeg import Jpeg
from facedex.vision.png import Png
from facedex.vision.vision_errors import Busy, ImageTooLarge, ImageTooSmall, InvalidImage

Pixels = NDArray[np.uint8]

FORMATS: Final = {jpeg.SIGNATURE: "JPEG", png.SIGNATURE: "PNG"}
LONGEST_SIDE: Final = 1920
MAX_PIXELS: Final = 64_000_000
# Of an image that cannot be reduced while it is decoded: PNG and progressive JPEG. All its pixels
# are in memory, with up to 6 bytes each.
MAX_WHOLE_PIXELS: Final = 25_000_000
MOST_SCANS: Final = 16  # of a progressive JPEG of that size, half a second; encoders make about 10
MAX_SIDE: Final = 65_500  # the longest side that JPEG decoders accept

# Decoding of all threads, in pixels in memory. Images of at most SMALL pixels do not wait for their
# turn: the number of threads bounds them.
IN_FLIGHT: Final = 50_000_000
SMALL: Final = 4_000_000

# The transposition that turns an image of each orientation upright (EXIF 2.32, tag 0x0112).
UPRIGHT: Final = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
TURNED: Final = frozenset({5, 6, 7, 8})  # orientations that exchange width and height

# The greys that a JPEG decoder makes of missing coefficients, and those that become of CMYK.
_MISSING: Final = frozenset({(128, 128, 128)})
_MISSING_CMYK: Final = _MISSING | {(grey, grey, grey) for grey in range(62, 67)}
_MOST_REPACKED: Final = 64 << 20  # bytes of unpacked pixels; packing takes half a second

allocator.configure()  # every process that handles pixels imports this module
in_flight: Final = Turns(IN_FLIGHT)
# As many large images are decoded at once as there are processors: sixteen at once would all take
# as long as the last one of a queue.
decoding: Final = Turns(os.cpu_count() or 1)


class Image:
    """An upright image; its picture may be smaller than the original.

    Photos are decoded to a picture and frames of videos to pixels. Each is converted to the other
    when it is first needed.

    Args:
        source: the picture, RGB, or its pixels (rows, columns, 3).

    Attributes:
        width: of the upright original, in pixels.
        height: likewise.
    """

    def __init__(self, source: pillow.Image | Pixels, width: int, height: int) -> None:
        if isinstance(source, pillow.Image):
            self.picture = source
        else:
            self.pixels = source
        self.width, self.height = width, height

    @cached_property
    def picture(self) -> pillow.Image:
        """The picture, RGB."""
        return pillow.fromarray(self.pixels)

    @cached_property
    def pixels(self) -> Pixels:
        """The picture's pixels (rows, columns, 3) RGB."""
        return np.asarray(self.picture)

    @property
    def extent(self) -> NDArray[np.float32]:
        """(2,) columns and rows of the picture."""
        return np.array(self.picture.size, dtype=np.float32)


@timing(metrics.STAGE_DURATION, "decoding")
def decode(
    data: bytes,
    *,
    longest_side: int = LONGEST_SIDE,
    max_pixels: int = MAX_PIXELS,
    max_whole_pixels: int = MAX_WHOLE_PIXELS,
    smallest_side: int = 1,
    patience: float | None = None,
) -> Image:
    """Decode a JPEG or PNG image and turn it upright by its EXIF orientation.

    The format is detected from the content. An image whose longest side is at least twice
    `longest_side` is reduced to 1/2, 1/4 or 1/8 of its size; the result's longest side stays at or
    above `longest_side`. Transparent pixels become white, the background for which cropped
    portraits are made. What is not pixels or orientation is ignored, whether damaged or not.

    All threads together decode at most 50 megapixels in memory, plus images below 4 megapixels;
    others wait for their turn.

    Args:
        data: the file's content.
        longest_side: pixels below which the longest side is never reduced.
        max_pixels: maximum size; checked against the header before decoding.
        max_whole_pixels: the same for PNG and progressive JPEG, whose pixels are all in memory
            before they can be reduced. It is the number of 8-bit RGB pixels: a PNG of 16 bits or
            with transparency may have fewer.
        smallest_side: minimum of either side.
        patience: seconds to wait for the turn at most; without a limit if None.

    Raises:
        Busy: if the turn did not come in time.
        InvalidImage: if the data is not a complete JPEG or PNG, or is a JPEG with more scans than
            an encoder produces.
        ImageTooLarge: if the image has more pixels than allowed.
        ImageTooSmall: if a side has fewer than `smallest_side` pixels.
    """
    kind = _kind(data)
    try:
        file = _read(data, kind)
        _check_size(file, max_pixels, max_whole_pixels)
        _check_smallest(file, smallest_side)
        if isinstance(file, Png):
            return _decode_png(file, longest_side, patience)
        file.require_few_scans(MOST_SCANS * max_whole_pixels)
        return _decode_jpeg(file, longest_side, patience)
    except (Busy, ImageTooLarge, ImageTooSmall, InvalidImage):
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise InvalidImage(
            f"The {kind} image is damaged or truncated; send a complete file."
        ) from error


def fits(data: bytes) -> bool:
    """Return whether an image has at most the default numbers of pixels; decode nothing.

    Raises:
        InvalidImage: if the data has no complete JPEG or PNG header.
    """
    try:
        _check_size(_read(data, _kind(data)), MAX_PIXELS, MAX_WHOLE_PIXELS)
    except ImageTooLarge:
        return False
    return True


def _kind(data: bytes) -> str:
    kind = next((name for magic, name in FORMATS.items() if data.startswith(magic)), None)
    if kind is None:
        raise InvalidImage("The image is neither JPEG nor PNG; send one of these formats.")
    return kind


def _read(data: bytes, kind: str) -> Jpeg | Png:
    return jpeg.read(data) if kind == "JPEG" else png.read(data)


def _check_size(file: Jpeg | Png, max_pixels: int, max_whole_pixels: int) -> None:
    most = max_pixels if file.reducible else min(max_pixels, max_whole_pixels)
    width, height = file.width, file.height
    if _weight(file) > most:
        advice = "" if most == max_pixels else f" A baseline JPEG may have {max_pixels}."
        if width * height <= most:
            advice = " The limit is for 8 bits and three colours; this image has more of them."
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels; send at most {most} pixels.{advice}"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageTooLarge(
            f"The image has {width} x {height} pixels; either side may have at most {MAX_SIDE}."
        )


def _weight(file: Jpeg | Png) -> int:
    """Return the pixels of an image, or as many of 8-bit RGB as have its bytes if those are more.

    A PNG of 16 bits and four channels takes nearly three times as long as one of 8-bit RGB.
    """
    pixels = file.width * file.height
    return max(pixels, pixels * file.pixel_bits // 24) if isinstance(file, Png) else pixels


def _check_smallest(file: Jpeg | Png, side: int) -> None:
    if min(file.width, file.height) < side:
        turned = isinstance(file, Jpeg) and file.orientation in TURNED
        width, height = (file.height, file.width) if turned else (file.width, file.height)
        raise ImageTooSmall(
            f"The image has {width} x {height} pixels; either side must have at least {side}."
        )


def _reduction(width: int, height: int, longest_side: int) -> int:
    return next((n for n in (8, 4, 2) if max(width, height) // n >= longest_side), 1)


@contextmanager
def _turn(file: Jpeg | Png, pixels: int, patience: float | None) -> Iterator[None]:
    """Wait until an image may be decoded, and return its memory afterwards.

    Args:
        file: the image.
        pixels: number of its pixels that are in memory while it is decoded.
        patience: seconds to wait at most; without a limit if None.
    """
    if _weight(file) <= SMALL:
        yield
        return
    with ExitStack() as turn:
        try:
            # In this order: a thread that holds pixels waits for nothing more.
            turn.enter_context(decoding.hold(1, patience))
            turn.enter_context(in_flight.hold(pixels, patience))
        except TimeoutError:
            raise Busy("The server is decoding other large images; try again.") from None
        yield
    allocator.trimmer.trim_later()


def _decode_jpeg(file: Jpeg, longest_side: int, patience: float | None) -> Image:
    width, height = file.width, file.height
    reduction = _reduction(width, height, longest_side)
    with _turn(file, width * height // (reduction**2 if file.reducible else 1), patience):
        picture = _load_jpeg(file.data, reduction)
        last = picture.getpixel((picture.width - 1, picture.height - 1))
        missing = _MISSING_CMYK if len(file.frame.components) == 4 else _MISSING
        if not file.certain or last in missing:
            _require_complete(picture, _load_jpeg(file.altered, reduction))
        if file.orientation in UPRIGHT:
            picture = picture.transpose(UPRIGHT[file.orientation])
    record(metrics.DECODED_PIXELS, picture.width * picture.height)
    if file.orientation in TURNED:
        width, height = height, width
    return Image(picture, width, height)


def _load_jpeg(data: bytes, reduction: int) -> pillow.Image:
    # Without Pillow's own limit of pixels: this module has checked the size against the settings.
    with JpegImageFile(io.BytesIO(data)) as source:
        width, height = source.size
        if reduction > 1:
            source.draft(None, (max(1, width // reduction), max(1, height // reduction)))
            if source.size != (width, height):
                reduction = 1  # the JPEG decoder reduces the image
        source.load()
        return rgb.reduce(source, reduction)


def _require_complete(picture: pillow.Image, altered: pillow.Image) -> None:
    """Check that the last scan is complete: what follows it then makes no difference."""
    if ImageChops.difference(picture, altered).getbbox() is not None:
        raise InvalidImage("The JPEG image is damaged or truncated; send a complete file.")


def _decode_png(file: Png, longest_side: int, patience: float | None) -> Image:
    with _turn(file, _weight(file), patience):
        reduction = _reduction(file.width, file.height, longest_side)
        try:
            picture = _load_png(file, reduction)
        except Exception:  # damage that may concern the compression and not the pixels
            if file.unpacked_size > _MOST_REPACKED:
                raise
            picture = _load_png(file.repacked(), reduction)
    record(metrics.DECODED_PIXELS, picture.width * picture.height)
    return Image(picture, file.width, file.height)


def _load_png(file: Png, reduction: int) -> pillow.Image:
    with PngImageFile(io.BytesIO(file.data)) as source:
        source.load()
        rgb.read_transparency(source, file.depth)
        return rgb.reduce(source, reduction)
