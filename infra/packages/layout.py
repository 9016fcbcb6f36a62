"""What goes into which layer, as ``layers.toml`` says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from facedex.api.catalog import Need

_TABLE: Final = Path(__file__).with_name("layers.toml")
_EVERY: Final = "all"  # the table of what holds for every layer


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's row of the table; see there.

    Attributes:
        needs: values of ``Need``; empty if every function gets the layer.
        packages: distributions.
        without: distributions that are left out although others name them.
        source: package of this project that goes with them, or empty.
        drop, keep: patterns of paths.
    """

    needs: frozenset[str]
    packages: tuple[str, ...]
    without: tuple[str, ...]
    source: str
    drop: tuple[str, ...]
    keep: tuple[str, ...]

    def takes(self, path: str) -> bool:
        """Whether a file belongs into the layer; its path has "/" and no leading one."""
        return not _matches(path, self.drop) or _matches(path, self.keep)


@cache
def layout() -> Mapping[str, Layer]:
    """The layers by name, in the order in which Lambda lays them over each other."""
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    every = table.pop(_EVERY)
    return {
        name: Layer(
            needs=frozenset(row.get("needs", ())),
            packages=tuple(row.get("packages", ())),
            without=tuple(row.get("without", ())),
            source=row.get("source", ""),
            drop=(*every["drop"], *row.get("drop", ())),
            keep=tuple(row.get("keep", ())),
        )
        for name, row in table.items()
    }


def layers_of(needs: frozenset[Need]) -> tuple[str, ...]:
    """The names of the layers that a function with these needs gets, at most five."""
    wanted = {need.value for need in needs}
    return tuple(
        name for name, layer in layout().items() if not layer.needs or layer.needs & wanted
    )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(_expression(pattern).fullmatch(path) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of paths: "*" stays within a folder, "**" does not."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))
