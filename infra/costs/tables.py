"""AWS's prices, and what was measured: the TOML files of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

HOURS: Final = 730  # of a month, as AWS counts
MILLION: Final = 1_000_000


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this folder."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))
