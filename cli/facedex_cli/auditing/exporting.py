"""Export of the audit log as JSON lines or CSV, with constant memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

from facedex.store import audit_reading
from facedex.store.audit import timestamp
from facedex.store.audit_reading import Filter, Link
from facedex.store.database import Database

COLUMNS: Final = (
    "position",
    "time",
    "operation",
    "outcome",
    "error",
    "caller_kind",
    "caller",
    "source",
    "region",
    "collection",
    "collection_name",
    "user",
    "processor",
    "job",
    "access_key",
    "face_count",
    "faces",
    "omitted",
    "request",
    "hash",
)
# Beginnings of cells that spreadsheets take for formulas.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")

Advance = Callable[[int], None]
# None if the row was removed, a text if it was replaced by one that is not an entry.
Entry = dict[str, Any] | str | None
_Write = Callable[[Link, bytes, Entry, str | None], None]


def export(
    database: Database,
    wanted: Filter,
    output: TextIO,
    format_: str,
    advance: Advance = lambda _: None,
) -> int:
    """Write the rows that are asked for, in the order of the chain.

    Args:
        database: the database.
        wanted: which rows.
        output: where to.
        format_: "jsonl" or "csv".
        advance: called with the number of rows read so far.

    Returns:
        The number of rows written.

    Raises:
        StoreError: if the log cannot be read.
    """
    with database.reading() as connection:
        start = audit_reading.start(connection)
        head = audit_reading.head(connection)
        names = audit_reading.collection_names(connection)
    write = _write_csv(output) if format_ == "csv" else _write_json(output)
    if format_ == "jsonl":
        header = {
            "facedex_audit": 1,
            "exported": timestamp(),
            "complete": wanted == Filter(),
            "start": str(start),
            "head": str(head),
        }
        output.write(json.dumps(header) + "\n")
    previous, written = start.hash, 0
    for read, link in enumerate(_until(database, start.position, head.position), 1):
        entry = _parse(link)
        members = entry if isinstance(entry, dict) else {}
        if not members or wanted.matches(members):
            name = names.get(str(members.get("collection", "")))
            write(link, previous, entry, name)
            written += 1
        previous = link.hash
        advance(read)
    return written


def _until(database: Database, after: int, last: int) -> Iterator[Link]:
    for link in audit_reading.links(database, after):
        if link.position > last:
            return
        yield link


def _parse(link: Link) -> Entry:
    """Return the entry; one that was replaced by another text as that text."""
    try:
        entry = None if link.entry is None else json.loads(link.entry)
        return entry if entry is None or isinstance(entry, dict) else link.entry
    except ValueError:
        return link.entry


def _write_json(output: TextIO) -> _Write:
    def write(link: Link, previous: bytes, entry: Entry, name: str | None) -> None:
        row = {
            "position": link.position,
            "id": link.id,
            "previous": previous.hex(),
            "hash": link.hash.hex(),
            "collection_name": name,
            "entry": entry,
        }
        output.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _write_csv(output: TextIO) -> _Write:
    writer = csv.DictWriter(output, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(link: Link, _: bytes, entry: Entry, name: str | None) -> None:
        members = entry if isinstance(entry, dict) else {}
        own = {"position": link.position, "hash": link.hash.hex(), "collection_name": name}
        faces = members.get("faces", ())
        listed = " ".join(map(str, faces)) if isinstance(faces, list | tuple) else faces
        row = {**members, "faces": listed, **own}
        writer.writerow({column: _cell(value) for column, value in row.items()})

    return write


def _cell(value: object) -> object:
    """Return a value that a spreadsheet does not run: a caller's name may be anything."""
    text = isinstance(value, str) and value.startswith(_FORMULAS)
    return f"'{value}" if text else value
