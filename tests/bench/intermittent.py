"""Searches of a function on Lambda: how its copy of a gallery is read, and what it saves.

The database and the search share this machine. The processor time of the database is what Aurora
would be paid for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facedex.gallery import resident, scanning
from facedex.store import collections
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.intermittent import IntermittentResidents
from facedex.store.search import Match, search
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries.filling import add
from tests.bench.galleries.people import People, Vectors
from tests.bench.measuring import report
from tests.bench.serving import serving

_BATCH = 20_000
_LIMIT, _SCORE = 10, 0.8
_MOST = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a search: of the clock, of this process, and of the database."""

    elapsed: float
    here: float
    database: float


def spent_by_postgres() -> float:
    """Return the processor time of all processes of Postgres on this machine, in seconds."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text("utf-8").rpartition(")")
        except OSError:
            continue
        if fields[0].endswith("(postgres"):
            # With its ended children: utime, stime, cutime, cstime.
            ticks += sum(map(int, fields[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def look(database: Database, collection: Collection, probe: Vectors) -> list[list[Match]]:
    with database.reading() as connection:
        return search(connection, collection, [probe], limit=_LIMIT, min_score=_SCORE)


def cost(
    database: Database, collection: Collection, probes: Sequence[Vectors]
) -> tuple[Cost, list[list[list[Match]]]]:
    """Return the cost of a search, on average over the probes, and the answers."""
    clock, here, postgres = time.perf_counter(), time.process_time(), spent_by_postgres()
    found = [look(database, collection, probe) for probe in probes]
    spent = (
        time.perf_counter() - clock,
        time.process_time() - here,
        spent_by_postgres() - postgres,
    )
    return Cost(*(each / len(probes) for each in spent)), found


def ms(value: Cost) -> str:
    each = (value.elapsed, value.here, value.database)
    return " / ".join(f"{1000 * seconds:.1f}" for seconds in each) + " ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=manifest(DEFAULT).dimension)
    parser.add_argument("--rounds", type=int, default=50)
    chosen = parser.parse_args()
    for module in (scanning, resident):  # as on Lambda
        setattr(module, "available", lambda: False)  # noqa: B010
    with serving(FACEDEX_GALLERY_MEMORY="0") as product:
        product.client("rekognition").create_collection(CollectionId="staff")

        def batches() -> Iterator[Vectors]:
            people = People(chosen.dimension)
            for start in range(0, chosen.faces, _BATCH):
                yield people.draw(min(_BATCH, chosen.faces - start))

        add(product.database_url, "staff", batches())
        others = People(chosen.dimension, seed=2)
        probes = [others.other_photo(each) for each in next(batches())[: chosen.rounds]]
        plain = Database(product.database_url)
        function = Database(product.database_url, connections=2)
        function.residents = residents = IntermittentResidents(4 << 30)
        with plain.reading() as connection:
            collection = collections.find(connection, "staff")
        cost(plain, collection, probes[:3])
        sql, expected = cost(plain, collection, probes[:20])
        reading: list[Cost] = []
        while not residents.events["loads"] and len(reading) < _MOST:
            reading.append(cost(function, collection, probes[:1])[0])
        cost(function, collection, probes[:3])
        memory, found = cost(function, collection, probes)
        assert residents.events["answers"] == len(probes) + 3
        same = sum(one == other for one, other in zip(found, expected, strict=False))
        longest = max(each.elapsed for each in reading)
        extra = [
            sum(getattr(each, name) - getattr(sql, name) for each in reading)
            for name in Cost.__slots__
        ]
        lines = [
            "elapsed / processor of the function / processor of the database:",
            f"SQL: {ms(sql)}; from memory: {ms(memory)}; {same} of {len(expected)} the same",
            f"read during {len(reading)} searches: median"
            f" {1000 * statistics.median(each.elapsed for each in reading):.0f} ms, longest"
            f" {1000 * longest:.0f} ms; in all {ms(Cost(*extra))} more than SQL",
            f"{residents.resident_bytes / chosen.faces:.0f} bytes a face",
        ]
        plain.close()
        function.close()
    report(f"A function's searches of {chosen.faces:,} faces", *lines)


if __name__ == "__main__":
    main()
