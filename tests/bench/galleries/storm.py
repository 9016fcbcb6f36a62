"""Searches while another process adds and deletes faces."""

from __future__ import annotations

import time
from collections import Counter

from facedex.store import search
from facedex.store.database import Connection
from tests.bench.galleries.subject import LIMIT, NAME, SCORE, Subject
from tests.bench.galleries.timing import during, ms, p99
from tests.bench.galleries.writing import writing

_CHECKS = 10


def measure(subject: Subject, seconds: float) -> list[str]:
    """Return the lines of the report.

    Args:
        seconds: how long each of the measurements takes.
    """
    subject.wait_for_server()

    def look(turn: int) -> object:
        return subject.look(subject.copied, subject.probe(turn))

    def look_in_sql(turn: int) -> object:
        return subject.look(subject.plain, subject.probe(turn))

    quiet, quiet_requests = during(look, seconds), during(subject.ask, seconds)
    before = Counter(subject.residents.events)
    with writing(subject.product.database_url, NAME) as written:
        time.sleep(2.0)  # the writer deletes from its second second on
        stormy = during(look, seconds)
        events = subject.residents.events - before
        stormy_requests = during(subject.ask, seconds)
        sql = during(look_in_sql, min(seconds, 5.0))
        right, from_memory = _check(subject)
    return [
        f"while {written}, at the seam: {ms(stormy)}; quiet: {ms(quiet)}:"
        f" p99 {p99(stormy) / p99(quiet):.1f} x; SQL meanwhile: {ms(sql)}",
        f"SearchFaces through boto3 meanwhile: {ms(stormy_requests)}; quiet: {ms(quiet_requests)}:"
        f" p99 {p99(stormy_requests) / p99(quiet_requests):.1f} x",
        f"the same answers as SQL at the same snapshot: {right} of {_CHECKS}, {from_memory} of them"
        f" from memory; {dict(events)}",
    ]


def _check(subject: Subject) -> tuple[int, int]:
    """Return how many answers equal SQL's, and how many were found in memory."""
    residents = subject.residents
    right, before = 0, residents.events["answers"]
    for turn in range(_CHECKS):
        subject.look(subject.copied, subject.probe(turn))  # lets the copy be brought up to date
        with subject.copied.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            found = _search(connection, subject, turn)
            connection.residents = None
            right += found == _search(connection, subject, turn)
            connection.residents = residents
    return right, residents.events["answers"] - before - _CHECKS


def _search(connection: Connection, subject: Subject, turn: int) -> object:
    return search.search(
        connection, subject.collection, subject.probe(turn), limit=LIMIT, min_score=SCORE
    )
