"""Images/s of a bulk import against the bare vision pipeline, run in as many threads.

The bare pipeline reads the same files, finds the faces and makes their vectors, in one process,
without HTTP and without a database.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

from facedex.settings import Settings
from facedex.vision import packs
from facedex.vision.images import decode
from facedex_models import installing
from local.importing.indexing import Indexer, Job, work_off
from local.importing.journal import Journal, Request
from local.importing.photos import Folder, Photo
from tests.bench.measuring import portrait, report
from tests.bench.serving import serving

ROUNDS = 7
PHOTOS = 60
CONCURRENCIES = (1, 2, 3, 4)


def make_photos(folder: Path) -> None:
    """The same portrait in files whose bytes differ: a JPEG may have anything at its end."""
    photo = portrait()
    for number in range(PHOTOS):
        (folder / f"{number}.jpg").write_bytes(photo + number.to_bytes(4, "big"))


def rate(work: Callable[[], int]) -> float:
    """Photos a second."""
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)


def main(concurrencies: tuple[int, ...]) -> None:
    pack = installing.pull()
    settings = Settings.from_environment(
        {"FACEDEX_DATABASE_URL": "none", "FACEDEX_MODELS": str(pack.parent)}
    )
    pipeline = packs.load(pack, threads=settings.threads)
    names = count()

    def look(photo: Photo) -> None:
        image = decode(Path(photo.place).read_bytes())
        faces = pipeline.find(image, longest_side=settings.detection_side)
        assert len(pipeline.embed(image, faces)) == 1

    with tempfile.TemporaryDirectory() as place, serving() as server:
        folder = Path(place, "photos")
        folder.mkdir()
        make_photos(folder)
        source = Folder(folder)
        photos = [photo for photo in source.find() if isinstance(photo, Photo)]
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")
        indexer = Indexer(client, "bench", source)

        def bare(concurrency: int) -> int:
            with ThreadPoolExecutor(concurrency) as pool:
                return sum(1 for _ in pool.map(look, photos))

        def ours(concurrency: int) -> int:
            # A journal and names of its own for each run, so that each photo is stored anew.
            turn = next(names)
            jobs = [
                Job(photo, Request(f"{turn}.{number}", None, "AUTO"))
                for number, photo in enumerate(photos)
            ]
            with closing(
                Journal(Path(place, f"{turn}.sqlite"), arn="bench", created="")
            ) as journal:
                done = work_off(jobs, indexer.index, concurrency=concurrency, stopped=lambda: False)
                for job, outcome in done:
                    assert outcome.faces == 1
                    journal.add(job.photo, job.request, outcome)
            return len(jobs)

        lines = []
        for concurrency in concurrencies:
            rounds = [
                (rate(lambda: bare(concurrency)), rate(lambda: ours(concurrency)))  # noqa: B023
                for _ in range(ROUNDS)
            ][1:]
            plain, imported = zip(*rounds, strict=True)
            share = statistics.median(b / a for a, b in rounds)
            lines.append(
                f"{concurrency} at once: bare {statistics.median(plain):.1f} images/s,"
                f" import {statistics.median(imported):.1f} images/s: {100 * share:.0f} %"
            )
    report(f"Import of 640x480 portraits, {settings.threads} inference threads", *lines)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or CONCURRENCIES)
