"""The pixels of a JPEG file without its metadata, and an estimate of their decoding time.

A decoder gets only the segments that carry pixels. Profiles, comments, previews and damage between
the segments never reach it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from facedex.vision import exif
from facedex.vision.jpeg_frame import Frame, Scan, read_frame, read_scan
from facedex.vision.vision_errors import InvalidImage

SIGNATURE: Final = b"\xff\xd8\xff"

# A progressive JPEG has about 10 scans. Decoding a scan processes every pixel again, even if the
# scan has few bytes.
MOST_SCANS: Final = 100
MOST_SEGMENTS: Final = 10_000  # colour profiles and depth maps are split into segments of 64 kB

# ITU-T T.81, annex B. In compressed data FF 00 is a byte and FF D0..D7 are restart markers; FF 01
# has no length either, and in a run of FF only the last one counts. Between segments decoders skip
# bytes that are not a marker, so the same expression applies there.
_MARKER: Final = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_START, _END, _SCAN, _EXIF, _JFIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE1, 0xE0, 0xEE
# Start of a frame: C0 to CF except for DHT (C4), JPG (C8) and DAC (CC).
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # DHT, DAC, DQT, DRI

# The two application segments from which decoders infer the colours, without a preview.
_PLAIN_JFIF: Final = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_ADOBE_SIZE: Final = 12

_EOI: Final = b"\xff\xd9"
# Appended to a scan, it changes the pixels if the scan is incomplete, and nothing otherwise. If
# whole restart intervals are missing, the decoder continues at one of the restart markers.
_NOISE: Final = b"".join(
    bytes((n * 167 + 91 ^ n >> 1) % 251 for n in range(512)) + bytes((0xFF, 0xD0 + restart))
    for restart in range(8)
)

_DAMAGED: Final = "The JPEG image is damaged or truncated; send a complete file."


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A JPEG file's pixels.

    Attributes:
        frame: size and coding.
        orientation: of EXIF, 1 to 8; 1 if there is none.
        scans: number of scans.
        body: the file's segments with pixels, without its last marker.
        certain: whether the file's end and every detail of the pixels were there; otherwise,
            the last scan may be incomplete.
    """

    frame: Frame
    orientation: int
    scans: int
    body: bytes
    certain: bool

    @property
    def width(self) -> int:
        """Pixels, before the picture is turned upright."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels, before the picture is turned upright."""
        return self.frame.height

    @property
    def reducible(self) -> bool:
        """Whether a decoder can reduce it without all of it in memory: it has a single scan."""
        return not self.frame.progressive and self.scans == 1

    def require_few_scans(self, most: int) -> None:
        """Check that decoding does not take too long.

        Args:
            most: maximum number of pixels times scans.

        Raises:
            InvalidImage: if the image has too many scans for its size.
        """
        pixels = self.width * self.height
        if not self.reducible and self.scans * pixels > most:
            raise InvalidImage(
                f"The JPEG image of {self.width} x {self.height} pixels has {self.scans} scans;"
                f" send at most {max(1, most // pixels)}, or a baseline JPEG."
            )

    @property
    def data(self) -> bytes:
        """A file of this picture alone."""
        return self.body + _EOI

    @property
    def altered(self) -> bytes:
        """A file whose pixels differ from those of ``data`` if the last scan is incomplete."""
        return b"".join((self.body, _NOISE, _EOI))


def read(data: bytes) -> Jpeg:
    """Read a JPEG file; pass over everything but its pixels.

    Raises:
        InvalidImage: if the file has no complete picture, a coding that no browser shows, or more
            scans or segments than an encoder produces.
    """
    return _Reader(data).read()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._tables: list[memoryview] = []
        self._colours: dict[int, bytes] = {}
        self._frame: Frame | None = None
        self._scans: list[Scan] = []
        self._exif = b""
        self._ended = False

    def read(self) -> Jpeg:
        self._walk()
        frame = self._frame
        if frame is None or not self._scans:
            raise InvalidImage(_DAMAGED)
        full = frame.is_covered(self._scans, fully=True)
        # An encoder may leave out details.
        if not full and not (self._ended and frame.is_covered(self._scans, fully=False)):
            raise InvalidImage(_DAMAGED)
        body = b"".join((b"\xff\xd8", *self._colours.values(), *self._tables))
        certain = full and self._ended
        return Jpeg(frame, exif.orientation(self._exif), len(self._scans), body, certain)

    def _walk(self) -> None:
        """Collect the segments of the picture."""
        data, place, previews = self._data, 2, 0
        for _ in range(MOST_SEGMENTS):
            marker = _MARKER.search(data, place)
            if marker is None:
                return
            start, place = marker.start(), marker.end()
            kind = data[start + 1]
            if kind == _START:
                # A preview whose segment has a wrong length lies bare; a second one at once is
                # a repetition.
                previews += start > 2
                continue
            if kind == _END:
                if not previews:
                    self._ended = True
                    return
                previews -= 1
                continue
            # The length includes its own two bytes; decoders treat a smaller length as two.
            end = place + max(2, int.from_bytes(data[place : place + 2], "big"))
            if not previews and self._take(kind, start, end):
                return
            place = end
        raise InvalidImage(
            f"The JPEG image has more than {MOST_SEGMENTS} segments; save it again without its"
            " metadata."
        )

    def _take(self, kind: int, start: int, end: int) -> bool:
        """Take a segment; return whether the picture is complete."""
        content = self._data[start + 4 : end]
        if kind in _FRAMES:
            if self._frame is not None:
                raise InvalidImage(_DAMAGED)
            self._frame = read_frame(kind, content)
        elif kind == _SCAN:
            return self._take_scan(content, start, end)
        elif not self._scans:
            self._take_colours(kind, content)
        if kind in _TABLES or kind in _FRAMES:
            self._tables.append(self._view[start:end])
        return False

    def _take_scan(self, content: bytes, start: int, end: int) -> bool:
        if self._frame is None:
            raise InvalidImage(_DAMAGED)
        self._scans.append(read_scan(self._frame, content))
        if len(self._scans) > MOST_SCANS:
            raise InvalidImage(
                f"The JPEG image has more than {MOST_SCANS} scans; save it again with a standard"
                " encoder."
            )
        marker = _MARKER.search(self._data, end)
        stop = marker.start() if marker else len(self._data)
        # Filling before the marker, or the first half of a marker that was cut off.
        scan = self._view[start:stop]
        if self._data[stop - 1] == 0xFF:
            scan = scan[: len(bytes(scan).rstrip(b"\xff"))]
        self._tables.append(scan)
        complete = not self._frame.progressive and self._frame.is_covered(self._scans, fully=True)
        self._ended = complete and marker is not None
        return complete

    def _take_colours(self, kind: int, content: bytes) -> None:
        if kind == _JFIF and content.startswith(b"JFIF\0") and len(content) >= 14:
            self._colours[kind] = _PLAIN_JFIF
        elif kind == _ADOBE and content.startswith(b"Adobe") and len(content) >= _ADOBE_SIZE:
            self._colours[kind] = b"\xff\xee\0\x0e" + content[:_ADOBE_SIZE]
        elif kind == _EXIF and content.startswith(b"Exif\0") and not self._exif:
            self._exif = content[6:]
