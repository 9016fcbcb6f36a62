"""Memory of a server that is searched while its collection changes."""

from __future__ import annotations

import time

import psutil
import psycopg

from tests.bench.galleries.subject import NAME, Subject
from tests.bench.galleries.timing import ms
from tests.bench.galleries.writing import writing

_SAMPLES = 12
_PAUSE = 0.02  # seconds between searches, which leaves the machine some time for the writer


def measure(subject: Subject, minutes: float) -> list[str]:
    """Return the lines of the report, one for each of some samples."""
    subject.wait_for_server()
    lines = []
    server = psutil.Process(subject.product.server.process.pid)
    with writing(subject.product.database_url, NAME) as writer:
        writer.resume()
        for number in range(_SAMPLES + 1):
            lines.append(
                f"after {number * minutes / _SAMPLES:.1f} minutes: {_sample(subject, server)}"
            )
            if number < _SAMPLES:
                lines[-1] += f"; then {ms(_search(subject, 60 * minutes / _SAMPLES))}"
    return [f"memory while {writer}", *lines]


def _search(subject: Subject, seconds: float) -> list[float]:
    taken, turn = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for search in (subject.ask, lambda turn: subject.look(subject.copied, subject.probe(turn))):
            begun = time.perf_counter()
            search(turn)
            taken.append(time.perf_counter() - begun)
            time.sleep(_PAUSE)
        turn += 1
    return sorted(taken)


def _sample(subject: Subject, server: psutil.Process) -> str:
    pythons = [
        each
        for each in [server, *server.children(recursive=True)]
        if each.name().startswith(("python", "facedex"))
    ]
    backends = [each for each in server.children(recursive=True) if each.name() == "postgres"]
    own = psutil.Process()
    with psycopg.connect(subject.product.database_url, autocommit=True) as connection:
        (log, rows) = connection.execute(
            "SELECT pg_total_relation_size('gallery_changes'), count(*) FROM gallery_changes"
        ).fetchone() or (0, 0)
    mib = [sum(_private(each) for each in group) >> 20 for group in (pythons, [own], backends)]
    return (
        f"server {mib[0]} MiB, this process {mib[1]} MiB, Postgres's processes {mib[2]} MiB;"
        f" copy {subject.residents.resident_bytes >> 20} MiB; log {log >> 20} MiB, {rows} rows"
    )


def _private(process: psutil.Process) -> int:
    """Return the memory of a process that is not shared with others."""
    return int(process.memory_full_info().uss)
