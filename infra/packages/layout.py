"""The content of each layer, read from ``layers.toml``."""

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
_EVERY: Final = "all"  # the table that applies to every layer


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's row of ``layers.toml``, which explains it.

    Attributes:
        needs: values of ``Need``; empty if every function gets the layer.
        packages: distributions.
        without: distributions that are excluded although others depend on them.
        source: package of this project that is in the layer, or empty.
        drop, keep: patterns of paths.
    """

    needs: frozenset[str]
    packages: tuple[str, ...]
    without: tuple[str, ...]
    source: str
    drop: tuple[str, ...]
    keep: tuple[str, ...]

    def takes(self, path: str) -> bool:
        """Return whether a file belongs in the layer; its path has "/" and no leading one."""
        return not _matches(path, self.drop) or _matches(path, self.keep)


@cache
def layout() -> Mapping[str, Layer]:
    """Return the layers by name, in the order in which Lambda merges them."""
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
    """Return the names of the layers for a function with these needs, at most five."""
    wanted = {need.value for need in needs}
    return tuple(
        name for name, layer in layout().items() if not layer.needs or layer.needs & wanted
    )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(_expression(pattern).fullmatch(path) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a path pattern: "*" stays within a folder, "**" does not."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))
