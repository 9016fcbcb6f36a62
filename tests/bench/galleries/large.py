"""Codes of a gallery that is larger than this machine's Postgres could hold, without Postgres."""

from __future__ import annotations

import time

import numpy as np
import psutil

from facedex.gallery.resident import Resident
from tests.bench.galleries.people import LIMIT, SCORE, People, Vectors, batches
from tests.bench.galleries.timing import bandwidth, median, ms, times

_BATCH = 65_536  # as the store reads them
_PROBES = 60
_MOST = 1 << 20  # candidates are counted, not compared


def measure(faces: int, dimension: int) -> list[str]:
    """Return the lines of the report."""
    before = psutil.Process().memory_info().rss
    begun = time.perf_counter()
    resident: Resident | None = None
    known: Vectors | None = None
    random = np.random.default_rng(4)
    encoding = 0.0
    for number, vectors in enumerate(batches(People(dimension), faces, _BATCH)):
        started = time.perf_counter()
        if resident is None:
            resident, known = Resident(vectors, faces), vectors[:_PROBES].copy()
        # The first half of an id is its vector's number, the other half is random.
        ids = np.empty((len(vectors), 2), np.uint64)
        ids[:, 0] = np.arange(number * _BATCH, number * _BATCH + len(vectors))
        ids[:, 1] = random.integers(0, 2**63, len(vectors), np.uint64)
        resident.load(ids, vectors)
        encoding += time.perf_counter() - started
    assert resident is not None
    assert known is not None
    filled = time.perf_counter() - begun
    memory = psutil.Process().memory_info().rss - before
    others = People(dimension, seed=2)
    probes = [others.other_photo(vector) for vector in known]
    counts: list[int] = []
    present = 0

    def look(turn: int) -> None:
        nonlocal present
        number = turn % _PROBES
        (found,) = resident.search([probes[number]], limit=LIMIT, min_score=SCORE, most=_MOST)
        if turn >= 0:
            counts.append(-1 if found is None else len(found.ids))
            present += found is None or number in found.ids[:, 0]

    taken = times(look, _PROBES)
    read = bandwidth()
    stage = resident.coder.head
    scan = faces * stage / read
    ten, half, most = (int(np.quantile(counts, share)) for share in (0.1, 0.5, 1.0))
    return [
        f"the scan of {faces:,} codes: {ms(taken)}; reading the first stage of {stage} bytes a face"
        f" at {read / 1e9:.1f} GB/s: {1000 * scan:.1f} ms: {median(taken) / scan:.2f} x",
        f"{resident.nbytes / faces:.1f} bytes a face, by the process {memory / faces:.1f}",
        f"candidates to compare for {LIMIT} matches: median {half}, 10th percentile {ten}, most"
        f" {most}; without proof: {counts.count(-1)} of {len(counts)}",
        f"true matches among the candidates: {present} of {_PROBES}",
        f"drawn and encoded in {filled:.0f} s, of which encoding {encoding:.0f} s",
    ]
