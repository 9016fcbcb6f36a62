"""Latency, memory and price of a gallery, from measured figures and prices."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent
_HOURS: Final = 730  # a month
_GIB: Final = 1 << 30
# Assumed: the share of a machine's memory that galleries and programs may fill; the rest is
# Postgres' cache. The share of a server's time that may be used, so that requests rarely wait.
MEMORY_SHARE: Final = 0.8
TIME_SHARE: Final = 0.7
# Assumed: the disk is twice as large as the tables, as their rewriting needs their size again.
DISK_FACTOR: Final = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine to rent.

    Attributes:
        gib: its memory.
        month: dollars a month.
    """

    name: str
    gib: int
    month: float


@cache
def table(name: str) -> dict[str, Any]:
    """Return the figures of a file, "measured" or "prices"."""
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))


def search(where: str, faces: int) -> float:
    """Return the milliseconds of one search: the line through the two measured sizes.

    Args:
        where: "memory" or "sql".
        faces: number of faces in the collection.
    """
    measured = table("measured")[where]
    (few, many), (short, long) = measured["faces"], measured["milliseconds"]
    slope = (long - short) / (many - few)
    return float(max(0.0, short + slope * (faces - few)))


def request(where: str, faces: int) -> float:
    """Return the milliseconds of SearchFaces through boto3."""
    return search(where, faces) + float(table("measured")["server"]["http_milliseconds"])


def memory(faces: int) -> float:
    """Return the bytes of the copies of galleries with so many faces in all."""
    return float(faces * table("measured")["memory"]["bytes_per_face"])


def disk(faces: int) -> float:
    """Return the bytes of the faces in Postgres."""
    return float(faces * table("measured")["server"]["bytes_per_row"])


def smallest(faces: int) -> Machine:
    """Return the smallest machine for server, Postgres and a copy of all faces in memory."""
    needed = memory(faces) + table("measured")["server"]["base_mib"] * (1 << 20)
    for row in table("prices")["machines"]:
        if needed <= MEMORY_SHARE * row["gib"] * _GIB:
            return Machine(row["name"], row["gib"], row["hour"] * _HOURS)
    raise ValueError(f"No machine has the memory for {faces} faces.")


def month(faces: int) -> float:
    """Return the dollars a month of that machine and its disk."""
    disk_month: float = table("prices")["disk"]["gib_month"]
    return smallest(faces).month + DISK_FACTOR * disk(faces) / _GIB * disk_month


def servers(rate: int, faces: int) -> int:
    """Return the number of measured machines for a rate of SearchFacesByImage.

    Args:
        rate: requests a second.
        faces: number of faces in the collection that is searched.
    """
    photos: float = table("measured")["server"]["photos_per_second"]
    busy = 1 / photos + search("memory", faces) / 1000
    return ceil(rate * busy / TIME_SHARE)


def database_cores(rate: int) -> float:
    """Return the cores of Postgres that this rate of requests uses."""
    return float(rate * table("measured")["server"]["database_milliseconds"] / 1000)
