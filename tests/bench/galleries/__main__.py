"""Searches of a large gallery: in memory, in SQL, and by FAISS without a proof.

    python -m tests.bench.galleries [--faces 1000000] [--parts seam storm]
    python -m tests.bench.galleries --large 20000000

The parts are: quiet searches at the seam; a hundred probes at once; requests through boto3,
compared with those of a small collection; searches while another process adds and deletes 200 faces
a second; and, only if it is named, the memory of the server over ``--minutes`` of such writes.
``--large`` searches codes without Postgres.
"""

from __future__ import annotations

import argparse
import os

# As the facedex command does, before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries import large, memory, requests, seam, storm
from tests.bench.galleries.subject import Subject
from tests.bench.measuring import report
from tests.bench.serving import serving

_PARTS = ("seam", "many", "requests", "storm", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each part of the storm")
    parser.add_argument("--minutes", type=float, default=1.0, help="of the part memory")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS[:4])
    parser.add_argument("--large", type=int, default=0, metavar="FACES")
    parser.add_argument("--dimension", type=int, default=manifest(DEFAULT).dimension)
    chosen = parser.parse_args()
    if chosen.large:
        report("Codes of a large gallery", *large.measure(chosen.large, chosen.dimension))
        return
    with serving(FACEDEX_GALLERY_MEMORY="65536") as product:
        subject = Subject(product, chosen.faces, chosen.dimension)
        parts = {
            "seam": lambda: seam.measure(subject, chosen.rounds),
            "many": lambda: seam.measure_many(subject, chosen.rounds),
            "requests": lambda: requests.measure(subject, chosen.rounds),
            "storm": lambda: storm.measure(subject, chosen.seconds),
            "memory": lambda: memory.measure(subject, chosen.minutes),
        }
        for part in _PARTS:
            if part in chosen.parts:
                report(f"One collection of {chosen.faces:,} faces: {part}", *parts[part]())
        subject.close()


if __name__ == "__main__":
    main()
