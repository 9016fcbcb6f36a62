"""Verification of the audit log's chain: of the table, or of an exported file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from facedex.store import audit_reading
from facedex.store.audit_reading import Link, Place, link_hash
from facedex.store.database import Database

_PRUNING: Final = "PruneAuditLog"
# Errors of reading a text that is not what an export or a log has; RecursionError: lists in lists.
_UNREADABLE: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

Advance = Callable[[int], None]


class Broken(Exception):
    """The log was changed; the message names the first broken row in one sentence."""


@dataclass(slots=True)
class Chain:
    """Verifies links one after the other.

    Attributes:
        place: the place of the last link; at first, the one before the first link.
        known: the known heads, by position, that were not reached yet.
        rows: number of links.
        pruned: whether a row notes the removal of the rows before the first link.
    """

    place: Place
    known: dict[int, bytes] = field(default_factory=dict)
    rows: int = 0
    pruned: bool = False
    _start: Place = field(init=False)

    def __post_init__(self) -> None:
        """Keep the place before the first link."""
        self._start = self.place
        self._compare()

    def add(self, link: Link) -> None:
        """Verify the next link.

        Raises:
            Broken: if it does not continue the chain.
        """
        if link.position != self.place.position + 1:
            raise Broken(
                f"Row {self.place.position + 1} was removed: row {self.place.position} is followed"
                f" by row {link.position}."
            )
        if link.entry is None:
            raise Broken(f"The entry of row {link.position} was removed (id {link.id}).")
        if link_hash(self.place.hash, link.position, link.id, link.entry) != link.hash:
            raise Broken(
                f"Row {link.position} was changed (id {link.id}): its hash is not that of its entry"
                " and of the row before it."
            )
        self.place = Place(link.position, link.hash)
        self.rows += 1
        self._compare()
        self.pruned |= _notes_removal(link.entry, self._start)

    def skip_to(self, place: Place) -> None:
        """Continue after a place that a selection of rows names.

        Raises:
            Broken: if it is not a known head at its position.
        """
        self.place = place
        self._compare()

    def end(self) -> None:
        """Verify that the chain has all known heads, and notes the removal of earlier rows.

        Raises:
            Broken: if it does not.
        """
        for position in sorted(self.known):
            if position < self._start.position:
                raise Broken(
                    f"The known head at row {position} cannot be compared: the rows up to"
                    f" {self._start.position} were removed because of their age."
                )
            raise Broken(
                f"Row {self.place.position + 1} was removed: the log ends at row"
                f" {self.place.position}, and its known head is row {position}."
            )
        if self._start.position and not self.pruned:
            raise Broken(
                f"Row {self._start.position} was removed, and no later row notes that it was"
                " removed because of its age."
            )

    def _compare(self) -> None:
        known = self.known.pop(self.place.position, None)
        if known is not None and known != self.place.hash:
            raise Broken(
                f"Row {self.place.position} is not the known head: a row up to it was changed and"
                " the chain was made again."
            )


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification that found nothing broken.

    Attributes:
        rows: number of verified rows.
        head: the place of the last one.
        waiting: number of rows that are not chained yet.
        gaps: number of places at which a filtered file lacks rows.
    """

    rows: int
    head: Place
    waiting: int = 0
    gaps: int = 0


def verify_table(
    database: Database, known: dict[int, bytes], advance: Advance = lambda _: None
) -> Verified:
    """Verify the log of a database.

    Args:
        database: the database.
        known: hashes of known heads, by position.
        advance: called with the number of rows verified so far.

    Raises:
        Broken: if a row was changed, removed or moved.
        StoreError: if the log cannot be read.
    """
    while True:
        with database.reading() as connection:
            start = audit_reading.start(connection)
        try:
            return _verify_table(database, start, dict(known), advance)
        except Broken:
            # Rows may have become too old while they were read.
            with database.reading() as connection:
                if audit_reading.start(connection) == start:
                    raise


def _verify_table(
    database: Database, start: Place, known: dict[int, bytes], advance: Advance
) -> Verified:
    chain = Chain(start, known)
    for link in audit_reading.links(database, start.position):
        chain.add(link)
        advance(chain.rows)
    with database.reading() as connection:
        unchained = audit_reading.unchained(connection)
    if unchained.lost is not None:
        raise Broken(
            f"The row with the id {unchained.lost} has no place in the chain and is not about to"
            " get one: its link was removed."
        )
    chain.pruned |= unchained.waiting > 0  # the note may be one of these rows
    chain.end()
    return Verified(chain.rows, chain.place, unchained.waiting)


def verify_file(lines: Iterable[str], known: dict[int, bytes]) -> Verified:
    """Verify an exported file, without a database.

    Args:
        lines: its lines.
        known: hashes of known heads, by position.

    Raises:
        Broken: if a row was changed, removed or moved, or the file is not an export.
    """
    rows = iter(lines)
    header = _read_header(next(rows, ""))
    complete = bool(header["complete"])
    chain = Chain(_place(header["start"]), dict(known))
    gaps = 0
    for number, line in enumerate(rows, 2):
        previous, link = _read_row(line, number)
        if not complete and link.position > chain.place.position + 1:
            gaps += 1
            chain.skip_to(Place(link.position - 1, previous))
        chain.add(link)
    if complete:
        end = _place(header["head"])
        if chain.place != end:
            raise Broken(
                f"Row {chain.place.position + 1} was removed: the file ends at row"
                f" {chain.place.position}, and its first line names row {end.position}."
            )
        chain.end()
    elif chain.known:
        raise Broken(
            f"The known head at row {min(chain.known)} cannot be compared: the file is a selection"
            " without that row."
        )
    return Verified(chain.rows, chain.place, gaps=gaps)


def _notes_removal(entry: str, start: Place) -> bool:
    if not start.position or _PRUNING not in entry:
        return False
    try:
        members = json.loads(entry)
        noted = (members.get("operation"), members.get("through"), members.get("hash"))
    except _UNREADABLE:
        return False  # another text, with a hash that was made for it
    return noted == (_PRUNING, str(start.position), start.hash.hex())


def _read_header(line: str) -> dict[str, object]:
    try:
        header: dict[str, object] = json.loads(line)
        is_header = header["facedex_audit"] == 1 and "complete" in header
        _place(header["start"]), _place(header["head"])
    except _UNREADABLE:
        is_header, header = False, {}
    if not is_header:
        raise Broken("The file is not an export in the format jsonl: its first line is another.")
    return header


def _read_row(line: str, number: int) -> tuple[bytes, Link]:
    from facedex.store.audit import canonical

    try:
        row = json.loads(line)
        entry = canonical(row["entry"]) if isinstance(row["entry"], dict) else row["entry"]
        if entry is not None:
            entry.encode()  # raises ValueError for halves of surrogate pairs, which no log has
        link = Link(int(row["position"]), int(row["id"]), bytes.fromhex(row["hash"]), entry)
        return bytes.fromhex(row["previous"]), link
    except _UNREADABLE:
        raise Broken(f"Line {number} of the file is not a row of an export.") from None


def read_place(text: str) -> Place:
    """Return the place in a text such as ``12 1a2b…``.

    Raises:
        ValueError: if it has none.
    """
    position, digest = text.split()
    place = Place(int(position), bytes.fromhex(digest))
    if place.position < 0 or len(place.hash) != len(audit_reading.GENESIS):
        raise ValueError
    return place


def known_heads(places: Iterable[Place]) -> dict[int, bytes]:
    """Return the hashes of known heads by position.

    Raises:
        Broken: if two of them contradict each other.
    """
    known: dict[int, bytes] = {}
    for place in places:
        if known.setdefault(place.position, place.hash) != place.hash:
            raise Broken(
                f"The known heads at row {place.position} differ: the chain was made again between"
                " them, or one is that of another log."
            )
    return known


def _place(text: object) -> Place:
    return read_place(str(text))
