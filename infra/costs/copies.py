"""Searches that a function answers from a copy of the gallery in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.costs.tables import HOURS, MILLION, table

if TYPE_CHECKING:
    from infra.costs.model import Use

_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Searches:
    """What the searches of a month take.

    Attributes:
        share: the part of them that copies answer.
        waiting: milliseconds for which a function waits for the database, on average.
        working: milliseconds of a function's own work besides, as measured.
        database: milliseconds of the database's processor, on average.
    """

    share: float
    waiting: float
    working: float
    database: float


def searches(use: Use) -> Searches:
    """Return what a search takes on average, with the reading of the copies."""
    store, copies = table("measured")["store"], table("measured")["copies"]
    millions = use.faces / MILLION
    sql = store["overhead_ms"] + store["scan_ms_per_million"] * millions
    loads = HOURS / copies["container_hours"] * copies["containers"]
    share = 0.0
    if fits(use) and use.images:
        share = max(0.0, 1 - copies["searches_before"] * loads / use.images)
    if not share:
        return Searches(0.0, sql, 0.0, sql)
    read = loads / use.images * millions
    from_copy = store["overhead_ms"] + copies["database_ms"]
    return Searches(
        share,
        share * from_copy + (1 - share) * sql,
        share * (copies["scan_ms"] + copies["scan_ms_per_million"] * millions)
        + read * copies["read_ms_per_million"],
        share * from_copy + (1 - share) * sql + read * copies["read_database_ms_per_million"],
    )


def from_copy(faces: int, slower: float) -> float:
    """Return the milliseconds of a search that a copy answers.

    Args:
        slower: how many times as long as measured a function takes.
    """
    store, copies = table("measured")["store"], table("measured")["copies"]
    scan = copies["scan_ms"] + copies["scan_ms_per_million"] * faces / MILLION
    return float(store["overhead_ms"] + copies["database_ms"] + slower * scan)


def fits(use: Use) -> bool:
    """Return whether functions make a copy of a gallery."""
    copies = table("measured")["copies"]
    needed = use.faces * copies["growth"] * copies["bytes_per_face"]
    return bool(use.faces >= copies["smallest"] and needed <= use.gallery_memory * _MIB)


def needed(faces: int) -> int:
    """Return the setting gallery_memory with which a copy of that many faces fits, in MiB."""
    copies = table("measured")["copies"]
    return int(-(-faces * copies["growth"] * copies["bytes_per_face"] // _MIB))


def largest(gallery_memory: int) -> int:
    """Return about how many faces a copy has at most."""
    copies = table("measured")["copies"]
    return int(gallery_memory * _MIB / copies["growth"] / copies["bytes_per_face"] // 1e5 * 1e5)
