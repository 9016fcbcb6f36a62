"""Images/s of a bulk import, compared with the bare vision pipeline in as many threads.

    python -m tests.bench.importing [--data DIR] [--concurrency 1 2 3 4]

The bare pipeline reads the same files, finds the faces and makes their vectors, in one process,
without HTTP and without a database; with as many inference threads for each photo as the product
has by default, and with one, which is faster where several photos are at work. What a request costs
beside that is the same for every photo, so its share depends on how large photos are: it is
measured on the smallest that make sense, 640x480, and with `--data` on those of the test data, up
to 2500x1728.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

from facedex.settings import Settings
from facedex.vision import packs
from facedex.vision.images import decode
from facedex.vision.packs import Pack
from facedex_cli.importing.connection import connect
from facedex_cli.importing.indexing import Indexer, Job, run_jobs
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.photos import Folder, Photo
from facedex_models import installing
from tests.bench.measuring import portrait, report
from tests.bench.serving import Product, serving

ROUNDS = 7
PHOTOS = 60
CONCURRENCIES = (1, 2, 3, 4)


def make_photos(folder: Path, originals: Iterable[bytes]) -> Path:
    """Write photos with different bytes, as a JPEG may have any bytes at its end."""
    folder.mkdir()
    for number, photo in enumerate(islice(cycle(originals), PHOTOS)):
        (folder / f"{number}.jpg").write_bytes(photo + number.to_bytes(4, "big"))
    return folder


def rate(work: Callable[[], int]) -> float:
    """Return the photos processed per second."""
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)


class Course:
    """The two ways of processing the photos of a folder.

    Args:
        side: longest side of the picture that the detector sees.
    """

    def __init__(self, folder: Path, side: int, server: Product) -> None:
        source = Folder(folder)
        self._photos = [photo for photo in source.find() if isinstance(photo, Photo)]
        self._side, self._folder = side, folder
        clients = connect(server.server.url, server.server.directory, max(CONCURRENCIES), None)
        clients.rekognition.create_collection(CollectionId=folder.name)
        self._indexer = Indexer(clients.index_faces, folder.name, source)

    def bare(self, pipeline: Pack, concurrency: int) -> int:
        """Run the vision pipeline alone."""
        with ThreadPoolExecutor(concurrency) as pool:
            return sum(1 for _ in pool.map(partial(self._index, pipeline), self._photos))

    def ours(self, concurrency: int) -> int:
        """Run the import with new names and a new journal, so that each photo is stored again."""
        turn = uuid4().hex
        jobs = [
            Job(photo, Request(f"{turn}.{number}", None, "AUTO"))
            for number, photo in enumerate(self._photos)
        ]
        path = self._folder.with_name(f"{turn}.sqlite")
        with closing(Journal(path, arn="bench", created="")) as journal:
            for job, outcome in run_jobs(
                jobs, self._indexer.index, concurrency=concurrency, stopped=lambda: False
            ):
                assert outcome.faces
                journal.add(job.photo, job.request, outcome)
        return len(jobs)

    def _index(self, pipeline: Pack, photo: Photo) -> None:
        image = decode(Path(photo.place).read_bytes())
        faces = pipeline.find(image, longest_side=self._side)
        assert len(pipeline.embed(image, faces))


def compare(course: Course, pipelines: Sequence[Pack], concurrency: int) -> str:
    """Return a line of figures."""
    ways: list[Callable[[], int]] = [
        *(partial(course.bare, pipeline, concurrency) for pipeline in pipelines),
        partial(course.ours, concurrency),
    ]
    rounds = [[rate(way) for way in ways] for _ in range(ROUNDS)][1:]
    *plain, imported = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    shares = [
        statistics.median(rates[-1] / rates[number] for rates in rounds)
        for number in range(len(pipelines))
    ]
    return (
        f"{concurrency} at once: bare {' and '.join(f'{each:.1f}' for each in plain)} images/s,"
        f" import {imported:.1f} images/s:"
        f" {' and '.join(f'{100 * share:.0f} %' for share in shares)}"
    )


def main(data: Path | None, concurrencies: Sequence[int]) -> None:
    pack = installing.pull()
    settings = Settings.from_environment(
        {
            "FACEDEX_AUTH": "none",
            "FACEDEX_DATABASE_URL": "none",
            "FACEDEX_MODELS": str(pack.parent),
        }
    )
    threads = settings.threads, 1
    pipelines = [packs.load(pack, threads=each) for each in threads]
    sets = {"portraits of 640x480": [portrait()]}
    if data:
        sets["photos of the test data"] = [
            path.read_bytes() for path in sorted((data / "pairs").glob("*.jpg"))
        ]
    with tempfile.TemporaryDirectory() as place, serving() as server:
        for number, (name, originals) in enumerate(sets.items()):
            folder = make_photos(Path(place, f"set-{number}"), originals)
            course = Course(folder, settings.detection_side, server)
            report(
                f"Import of {name}, against {threads[0]} and {threads[1]} inference threads",
                *(compare(course, pipelines, concurrency) for concurrency in concurrencies),
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the test data")
    parser.add_argument("--concurrency", type=int, nargs="+", default=CONCURRENCIES)
    chosen = parser.parse_args()
    main(chosen.data, chosen.concurrency)
