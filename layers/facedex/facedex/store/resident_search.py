"""The search of a gallery that has a copy in memory: exact, in one statement.

The copy proposes candidates, and names a score that no other vector of the copy reaches. One
statement, at one snapshot, compares the candidates exactly, adds what changed since the copy was
brought up to date, leaves out what was deleted, and checks that the collection is the same. If the
last of its matches has at least that score, no vector outside can be among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from facedex.gallery.blocks import Damaged
from facedex.store import copies
from facedex.store.collections import Collection
from facedex.store.copies import CURRENT, Copy, Kind, Version, changes
from facedex.store.database import Connection
from facedex.store.residents import Residents
from facedex.store.vectors import to_array, to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facedex.gallery.resident import Candidates

# More changes than this since the last refresh make SQL's own search the better choice.
_MOST_NEWER: Final = 5000
# More candidates than these are too many.
_MOST_CANDIDATES: Final = 2000
_CANDIDATES_PER_MATCH: Final = 5
# Statements of one search: candidates may be deleted between them.
_ATTEMPTS: Final = 3

_UNSUPPORTED: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
)


def search(
    residents: Residents,
    connection: Connection,
    kind: Kind,
    columns: str,
    collection: Collection,
    probes: Sequence[NDArray[np.float32]],
    *,
    limit: int,
    min_score: float,
    exclude: object | None,
) -> list[Any] | None:
    """Return the rows of a search, as those of SQL's own, or None if the copy cannot answer.

    Args:
        connection: not in a transaction, or in one that only reads and has no snapshot yet or
            takes one for each statement.
        columns: the columns to read.
        exclude: value of the kind's ``order`` column that never matches.

    Returns:
        Rows with ``probe``, ``score`` and the columns, at least one for each probe. No rows if the
        collection was deleted or changed its model.
    """
    try:
        copy = residents.find(collection, kind)
        if copy is None or any(len(probe) != copy.resident.coder.dimension for probe in probes):
            return None
        return _Search(
            residents, connection, kind, columns, collection, copy, limit, min_score, exclude
        ).run(probes)
    except _UNSUPPORTED as error:
        if not connection.autocommit:
            raise  # the transaction has failed
        residents.turn_off()
        residents.fall_back("the database's schema has no log of changes", error)
    except psycopg.Error:
        raise
    except Exception as error:  # SQL answers, whatever the reason
        residents.drop(collection, kind, damaged=isinstance(error, Damaged))
        residents.fall_back("the copy could not be searched", error)
    return None


class _Search:
    def __init__(
        self,
        residents: Residents,
        connection: Connection,
        kind: Kind,
        columns: str,
        collection: Collection,
        copy: Copy,
        limit: int,
        min_score: float,
        exclude: object | None,
    ) -> None:
        self._residents, self._connection = residents, connection
        self._kind, self._columns, self._collection = kind, columns, collection
        self._copy, self._limit, self._min_score = copy, limit, min_score
        self._exclude = exclude

    def run(self, probes: Sequence[NDArray[np.float32]]) -> list[Any] | None:
        # The excluded vector takes a place among the candidates.
        wanted = self._limit + (self._exclude is not None)
        most = _MOST_CANDIDATES + _CANDIDATES_PER_MATCH * wanted
        resident = self._copy.resident
        # Before the scan: what is written meanwhile is newer than this version.
        version = self._copy.version
        found = resident.search(probes, limit=wanted, min_score=self._min_score, most=most)
        pending = dict(enumerate(found, 1))
        answers: dict[int, list[Any]] = {}
        for _ in range(_ATTEMPTS):
            chosen = {number: each for number, each in pending.items() if each is not None}
            if len(chosen) < len(pending):
                self._residents.fall_back("too many vectors may be matches")
                return None
            rows = self._ask(version, {number: probes[number - 1] for number in chosen}, chosen)
            if not rows:
                return rows
            for row in rows:
                answers.setdefault(row.probe, []).append(row)
            floors = {number: self._lowest(answers[number]) for number in chosen}
            missed = [number for number in chosen if chosen[number].floor > floors[number]]
            if not missed:
                self._residents.events.add("answers")
                return [row for number in sorted(answers) for row in answers[number]]
            if self._connection.info.transaction_status != TransactionStatus.IDLE:
                # The codes may be newer by now than the snapshot that the transaction keeps: they
                # may lack vectors that it sees.
                self._residents.fall_back("the transaction may keep its snapshot")
                return None
            self._residents.events.add("widenings")
            version = self._copy.version
            pending = {}
            for number in missed:
                del answers[number]
                (pending[number],) = resident.search(
                    [probes[number - 1]], limit=None, min_score=floors[number], most=most
                )
        self._residents.fall_back("the matches changed during the search")
        return None

    def _lowest(self, rows: Sequence[Any]) -> float:
        """Return a score such that no vector with a lower one belongs to the answer."""
        complete = len(rows) == self._limit and rows[-1].score is not None
        return float(rows[-1].score) if complete else self._min_score

    def _ask(
        self,
        version: Version,
        probes: Mapping[int, NDArray[np.float32]],
        candidates: Mapping[int, Candidates],
    ) -> list[Any] | None:
        """Return the rows for these probes; None if the copy is not current, [] if it is gone."""
        rows = self._connection.execute(
            _statement(
                self._kind, self._columns, self._collection, self._exclude, one=len(probes) == 1
            ),
            {
                "limit": self._limit,
                "lowest": self._min_score,
                "exclude": self._exclude,
                "model": self._collection.model_version,
                "snapshot": version.snapshot,
                "server": version.server,
                # The excluded vector may be among the first.
                "first": self._limit + (self._exclude is not None),
                "numbers": list(candidates),
                "probes": [to_text(probes[number]) for number in candidates],
                "ids": [copies.to_text(each.ids) for each in candidates.values()],
                "bounds": [to_array(each.bounds) for each in candidates.values()],
            },
        ).fetchall()
        if not rows:
            return []
        if rows[0].newer or not rows[0].current:
            self._residents.note_changes(self._collection, self._kind)
        if not rows[0].current:
            self._residents.fall_back("the copy is not current")
            return None
        if rows[0].newer > _MOST_NEWER:
            self._residents.fall_back("the copy lacks many changes")
            return None
        return rows


def _statement(
    kind: Kind, columns: str, collection: Collection, exclude: object | None, *, one: bool
) -> str:
    """Return the statement that answers a search; compare it with that in ``search.py``.

    It compares the first candidates and all that is newer, and of the others only those whose
    bounds reach the scores found. A row may be both a candidate and newer, and is compared once.

    Args:
        one: whether there is one probe. Postgres then knows it without the parameters, and keeps
            its plan instead of planning each search, which takes half of the statement's time.
    """
    asked = ("%(numbers)s::int[]", "%(probes)s::halfvec[]", "%(ids)s::text[]", "%(bounds)s::text[]")
    if one:
        probes = f"(VALUES ({', '.join(f'({each})[1]' for each in asked)}))"
    else:
        probes = f"unnest({', '.join(asked)})"
    conditions = f"""gallery.collection_key = {collection.key:d} AND state.current
                AND gallery.vector <#> probe.vector <= -%(lowest)s::float8"""
    if exclude is not None:
        conditions += f" AND {kind.order} <> %(exclude)s"
    compared = f"""SELECT {columns}, gallery.vector <#> probe.vector AS distance
            FROM {kind.table} AS gallery WHERE {conditions}"""
    return f"""
    WITH newer AS MATERIALIZED (
        {changes(kind, collection)} LIMIT {_MOST_NEWER + 1}
    ), state AS MATERIALIZED (
        SELECT {CURRENT} AS current, (SELECT count(*) FROM newer) AS newer,
            coalesce((SELECT array_agg(DISTINCT item) FROM newer), ARRAY[]::uuid[]) AS items
        FROM collections
        WHERE collection_key = {collection.key:d} AND deleted_at IS NULL
            AND model_version = %(model)s
    ), probe AS MATERIALIZED (
        SELECT number, vector, ids::uuid[] AS ids, bounds::float8[] AS bounds
        FROM {probes} AS probe (number, vector, ids, bounds)
    )
    SELECT probe.number AS probe, -nearest.distance AS score, state.current, state.newer, {columns}
    FROM state CROSS JOIN probe
    LEFT JOIN LATERAL (
        WITH best AS MATERIALIZED (
            {compared}
                AND gallery.{kind.key} = ANY(probe.ids[:%(first)s] || state.items)
            ORDER BY distance, {kind.order} LIMIT %(limit)s
        ), reached AS MATERIALIZED (
            SELECT CASE WHEN count(*) = %(limit)s THEN max(distance) ELSE 'Infinity' END AS distance
            FROM best
        )
        SELECT * FROM best
        UNION ALL (
            {compared}
                AND gallery.{kind.key} = ANY(probe.ids[%(first)s + 1 : (
                    SELECT count(*) FROM reached, unnest(probe.bounds) AS bound
                    WHERE -bound <= reached.distance
                )])
                AND gallery.{kind.key} <> ALL(state.items)
        )
        ORDER BY distance, {kind.order} LIMIT %(limit)s
    ) AS nearest ON true
    ORDER BY probe.number, nearest.distance, {kind.order}
    """
