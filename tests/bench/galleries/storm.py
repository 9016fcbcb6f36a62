"""Searches while another process adds and deletes faces."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from facedex.store import search
from facedex.store.database import Connection
from tests.bench.galleries.people import LIMIT, SCORE
from tests.bench.galleries.subject import NAME, Subject
from tests.bench.galleries.timing import during, ms, p99
from tests.bench.galleries.writing import Writer, writing

_CHECKS = 10
_TURN = 2.0  # seconds of writing, and as many of rest


def measure(subject: Subject, seconds: float) -> list[str]:
    """Return the lines of the report.

    Args:
        seconds: how long the searches of each kind take, with and without writes.
    """
    subject.wait_for_server()

    def look(turn: int) -> object:
        return subject.look(subject.copied, subject.probe(turn))

    def look_in_sql(turn: int) -> object:
        return subject.look(subject.plain, subject.probe(turn))

    before = Counter(subject.residents.events)
    with writing(subject.product.database_url, NAME) as writer:
        writer.resume()
        time.sleep(_TURN)  # the writer deletes new faces from its second second on
        stormy, quiet = _in_turns(writer, look, seconds)
        events = subject.residents.events - before
        stormy_requests, quiet_requests = _in_turns(writer, subject.ask, seconds)
        stormy_sql, quiet_sql = _in_turns(writer, look_in_sql, 2 * _TURN)
        writer.resume()
        right, from_memory = _check(subject)
    return [
        f"while {writer}, at the seam: {ms(stormy)}; without writes: {ms(quiet)}:"
        f" p99 {p99(stormy) / p99(quiet):.1f} x",
        f"SearchFaces through boto3 meanwhile: {ms(stormy_requests)}; without writes:"
        f" {ms(quiet_requests)}: p99 {p99(stormy_requests) / p99(quiet_requests):.1f} x",
        f"SQL meanwhile: {ms(stormy_sql)}; without writes: {ms(quiet_sql)}:"
        f" p99 {p99(stormy_sql) / p99(quiet_sql):.1f} x",
        f"the same answers as SQL at the same snapshot: {right} of {_CHECKS}, {from_memory} of them"
        f" from memory; {dict(events)}",
    ]


def _in_turns(
    writer: Writer, search: Callable[[int], object], seconds: float
) -> tuple[list[float], list[float]]:
    """Return the times of searches with and without writes, which share all other disturbances."""
    stormy: list[float] = []
    quiet: list[float] = []
    while len(stormy) == 0 or sum(stormy) < seconds:
        writer.resume()
        search(0)  # the first one may find that much has changed since it was last asked
        time.sleep(_TURN / 4)
        stormy += during(search, _TURN)
        writer.pause()
        search(0)
        time.sleep(_TURN / 4)
        quiet += during(search, _TURN)
    return sorted(stormy), sorted(quiet)


def _check(subject: Subject) -> tuple[int, int]:
    """Return how many answers equal SQL's, and how many were found in memory."""
    residents = subject.residents
    right = from_memory = 0
    for turn in range(_CHECKS):
        subject.look(subject.copied, subject.probe(turn))  # lets the copy be brought up to date
        with subject.copied.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            before = residents.events["answers"]
            found = _search(connection, subject, turn)
            from_memory += residents.events["answers"] - before
            connection.residents = None
            right += found == _search(connection, subject, turn)
            connection.residents = residents
    return right, from_memory


def _search(connection: Connection, subject: Subject, turn: int) -> object:
    return search.search(
        connection, subject.collection, subject.probe(turn), limit=LIMIT, min_score=SCORE
    )
