"""The numbers of the shipped packs, with which a FaceModelVersion such as 1.2 begins.

The manifest of a pulled pack contains its number. This table is for packs that an earlier release
pulled, whose manifests have no number, and for collections whose pack is not installed.
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

    Raises:
        ValueError: if neither the manifest nor the table has one.
    """
    found = manifest.get("number", NUMBERS.get(manifest["name"]))
    if not isinstance(found, int):
        raise ValueError("its manifest has no number")  # noqa: TRY004 - an error of the file
    return found


def name(model_version: str) -> str | None:
    """Return the name of the shipped pack with a FaceModelVersion, or None if there is none."""
    leading = model_version.partition(".")[0]
    return _NAMES.get(int(leading)) if leading.isdecimal() else None
