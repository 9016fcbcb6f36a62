"""Estimation of a JPEG file's decoding time from its markers, before decoding."""

from __future__ import annotations

import re

from facedex.vision.vision_errors import InvalidImage

# A progressive JPEG has about 10 scans. Decoding a scan processes every pixel again, even if the
# scan has few bytes.
MOST_SCANS = 100
MOST_SCANNED = 2_000_000_000  # pixels times scans: 31 scans of 64 megapixels, 1.5 to 2 seconds
MOST_SEGMENTS = 10_000  # colour profiles and depth maps are split into segments of 64 kB
MOST_FILLING = 100_000  # fill bytes between two segments; Pillow reads them one by one

# ITU-T T.81, annex B. In compressed data FF 00 is a byte and FF D0..D7 are restart markers; FF 01
# has no length either, and in a run of FF only the last one counts. Between segments decoders skip
# bytes that are not a marker, so the same expression applies there.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_START, _END, _SCAN = b"\xd8", b"\xd9", b"\xda"


def count_scans(data: bytes) -> int:
    """Return the number of scans of a JPEG file, which may be truncated.

    Raises:
        InvalidImage: if the file has more scans, segments or fill bytes than an encoder produces.
    """
    scans = segments = 0
    place = 0
    while True:
        marker = _MARKER.search(data, place)
        if not scans and (marker.start() if marker else len(data)) - place > MOST_FILLING:
            raise InvalidImage(
                "The JPEG image is damaged: most of it is fill bytes; send a complete file."
            )
        if not marker or marker[1] == _END:
            return scans
        place = marker.end()
        segments += 1
        scans += marker[1] == _SCAN
        if scans > MOST_SCANS:
            raise InvalidImage(
                f"The JPEG image has more than {MOST_SCANS} scans; save it again with a standard"
                " encoder."
            )
        if segments > MOST_SEGMENTS:
            raise InvalidImage(
                f"The JPEG image has more than {MOST_SEGMENTS} segments; save it again without its"
                " metadata."
            )
        if marker[1] != _START:
            # The length includes its own two bytes; decoders treat a smaller length as two.
            place += max(2, int.from_bytes(data[place : place + 2], "big"))


def check_scans(scans: int, width: int, height: int) -> None:
    """Check that decoding a JPEG image does not take too long.

    Raises:
        InvalidImage: if the image has too many scans for its size.
    """
    if scans * width * height > MOST_SCANNED:
        raise InvalidImage(
            f"The JPEG image of {width} x {height} pixels has {scans} scans; send at most"
            f" {MOST_SCANNED // (width * height)}, or a baseline JPEG."
        )
