"""The numbers of the shipped packs: what a FaceModelVersion such as 1.2 begins with.

A pulled pack's manifest gives its number. This table is for what has no manifest at hand: a pack
that an earlier release pulled, whose manifest has no number yet, and a collection whose pack is
not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "dlib": 1,
        "opencv-zoo": 2,
        "buffalo_sc": 3,
        "buffalo_l": 4,
        "antelopev2": 5,
        "sface": 6,
        "sface-dlib": 7,
    }
)
_NAMES: Final = MappingProxyType({number: name for name, number in NUMBERS.items()})


def number(manifest: Mapping[str, Any]) -> int:
    """Return a pulled pack's number.

    Raises ValueError where neither its manifest nor the table has one.
    """
    found = manifest.get("number", NUMBERS.get(manifest["name"]))
    if not isinstance(found, int):
        raise ValueError("its manifest has no number")  # noqa: TRY004 - a fault of the file
    return found


def name(model_version: str) -> str | None:
    """Return the name of the shipped pack that a FaceModelVersion stands for, if it is of one."""
    leading = model_version.partition(".")[0]
    return _NAMES.get(int(leading)) if leading.isdecimal() else None
