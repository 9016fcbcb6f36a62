"""Quiet searches at the seam: in memory, in SQL, and by FAISS without a proof."""

from __future__ import annotations

from tests.bench.galleries.filling import BATCH
from tests.bench.galleries.people import LIMIT, batches
from tests.bench.galleries.subject import Subject
from tests.bench.galleries.timing import bandwidth, faiss_flat, median, ms, times


def measure(subject: Subject, rounds: int) -> list[str]:
    """Return the lines of the report."""
    look, plain, copied = subject.look, subject.plain, subject.copied
    read = bandwidth()
    stage = subject.resident.coder.head
    scan = subject.faces * stage / read
    checked = range(20)
    found = [look(copied, subject.probe(turn)) for turn in checked]
    same = [look(plain, subject.probe(turn)) for turn in checked]
    equal = sum(one == other for one, other in zip(found, same, strict=True))
    true = sum(
        matches[0].face.face_id == face_id
        for (matches,), face_id in zip(found, subject.ids, strict=False)
    )
    ours = times(lambda turn: look(copied, subject.probe(turn)), rounds)
    sql = times(lambda turn: look(plain, subject.probe(turn)), 5)
    flat = faiss_flat(batches(subject.people(), subject.faces, BATCH), subject.probes, LIMIT)
    memory = subject.residents.resident_bytes / subject.faces
    return [
        f"memory bandwidth: {read / 1e9:.1f} GB/s; first stage of {stage} bytes a face:"
        f" {1000 * scan:.1f} ms",
        f"in memory, at the seam: {ms(ours)}: {median(ours) / scan:.1f} x the first stage",
        f"SQL: {ms(sql)}",
        f"FAISS flat fp16: {ms(flat)}",
        f"the same answers as SQL: {equal} of {len(checked)}; true matches first: {true} of"
        f" {len(checked)}",
        f"ready after {subject.loaded:.1f} s (the first search took {subject.first:.2f} s);"
        f" {memory:.0f} bytes a face; {dict(subject.residents.events)}",
    ]


def measure_many(subject: Subject, rounds: int) -> list[str]:
    """Return the line on many probes at once."""
    look, copied, plain = subject.look, subject.copied, subject.plain
    many, ten = subject.probes[:100], subject.probes[100:110]
    rounds = max(5, rounds // 20)
    hundred = times(lambda _: look(copied, many), rounds)
    singles = times(lambda _: [look(copied, [each]) for each in ten], rounds)
    sql = times(lambda _: look(plain, ten), 1, warm_up=0)
    return [
        f"100 probes at once: {ms(hundred)}; 10 after each other: {ms(singles)}:"
        f" {median(hundred) / median(singles):.2f} x; these 10 at once in SQL: {ms(sql)}"
    ]
