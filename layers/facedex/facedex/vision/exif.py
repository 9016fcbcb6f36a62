"""The orientation that EXIF metadata states."""

from __future__ import annotations

import struct
from typing import Final

# EXIF 2.32, tag 0x0112: 1 is upright, 2 to 8 are mirrored or turned.
UPRIGHT: Final = 1
_ORIENTATION: Final = 0x0112
_LAST: Final = 8
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
# Sizes of the types that writers use: BYTE, SHORT and LONG. The specification says SHORT.
_TYPES: Final = {1: "B", 3: "H", 4: "I"}


def orientation(block: bytes) -> int:
    """Return the orientation in a TIFF block; 1 if the block is damaged or states none.

    Args:
        block: the content of an EXIF segment after ``Exif`` and two zero bytes. It may be cut off:
            only the first directory is read, as far as it goes.
    """
    order = _ORDERS.get(block[:4])
    if order is None or len(block) < 8:
        return UPRIGHT
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    if place + 2 > len(block):
        return UPRIGHT
    (count,) = struct.unpack_from(f"{order}H", block, place)
    entries = block[place + 2 : place + 2 + 12 * count]
    whole = entries[: len(entries) // 12 * 12]
    for tag, kind, _, value in struct.iter_unpack(f"{order}HHI4s", whole):
        if tag == _ORIENTATION and kind in _TYPES:
            (number,) = struct.unpack_from(f"{order}{_TYPES[kind]}", value)
            return number if UPRIGHT <= number <= _LAST else UPRIGHT
    return UPRIGHT
