"""Stored video end to end: speed as a multiple of real time, with one and two workers.

    python -m tests.bench.video --data DIR [--minutes 10] [--film FILE]

A film with a known truth (see ``tests.bench.films``; it is made once and kept) is searched
through the API of a server of its own, with one portrait of each person enrolled. A minute of such
a film is searched before, and twice the film after, which shows that a worker's memory does not
depend on how long a film is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from facedex.vision import packs
from facedex.vision.faces import Box
from facedex_models import installing
from tests.bench.films import Portrait, enrol, gather, kept, repeat
from tests.bench.measuring import report
from tests.bench.serving import serving
from tests.bench.watching import overlap
from tests.conftest import Server

_THRESHOLD = 80.0
_SAME_PLACE = 0.3  # intersection over union
_SHORT = 1.0  # minutes
_BUCKET, _COLLECTION = "films", "cast"


@dataclass(frozen=True, slots=True)
class Search:
    """A finished job.

    Attributes:
        seconds: from the request to the end.
        planning, joining: seconds of these steps, from the workers' log.
        length: seconds of the film.
        memory: peak bytes of the largest worker.
        persons: all entries of the response.
    """

    seconds: float
    planning: float
    joining: float
    length: float
    memory: int
    persons: list[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--data", type=Path, help="folder of the test data")
    parser.add_argument("--film", type=Path, help="one that tests.bench.films made earlier")
    chosen = parser.parse_args()
    cast = gather(chosen.data, packs.load(installing.pull(), threads=1))
    path = chosen.film or kept(chosen.minutes, cast)
    short = kept(_SHORT, cast)
    double = Path(tempfile.mkdtemp()) / f"twice-{path.name}"
    repeat(path, double, times=2)
    truth = json.loads(path.with_suffix(".json").read_text("utf-8"))
    lines, rates = [], []
    for workers in (1, 2):
        with _serving(workers, cast, path, short, double) as server:
            # The first segments load the networks, in every worker.
            for _ in range(2):
                little = _search(server, short.name)
            found = _search(server, path.name)
            much = _search(server, double.name) if workers > 1 else None
        rates.append(found.length / found.seconds)
        edges = (found.planning + found.joining) / found.seconds
        lines += [
            f"{workers} worker(s): {rates[-1]:.1f} x real time, {found.seconds:.1f} s for"
            f" {found.length:.0f} s of film",
            f"  planning {found.planning:.2f} s and putting together {found.joining:.2f} s:"
            f" {edges:.1%}",
            "  a worker's memory, at most: "
            + ", ".join(
                f"{each.memory / 2**20:.0f} MiB in {each.length / 60:.0f} min"
                for each in (little, found, much)
                if each
            ),
        ]
    lines.append(f"two workers are {rates[1] / rates[0]:.2f} x as fast as one")
    report(path.name, *lines, *judge(truth, found.persons))


@contextmanager
def _serving(
    workers: int, cast: Mapping[str, Sequence[Portrait]], *films: Path
) -> Iterator[Server]:
    """A server with the films, and a portrait of each person in them."""
    settings = {"FACEDEX_VIDEO_WORKERS": str(workers), "POWERTOOLS_LOG_LEVEL": "INFO"}
    with serving(**settings) as product:
        enrol(product.client("rekognition"), _COLLECTION, cast)
        s3 = product.client("s3")
        s3.create_bucket(Bucket=_BUCKET)
        for path in films:
            s3.upload_file(str(path), _BUCKET, path.name)
        yield product.server


def _search(server: Server, name: str) -> Search:
    client = server.client("rekognition")
    begin = time.perf_counter()
    with _Memory(server.process.pid) as memory:
        job_id = client.start_face_search(
            Video={"S3Object": {"Bucket": _BUCKET, "Name": name}},
            CollectionId=_COLLECTION,
            FaceMatchThreshold=_THRESHOLD,
        )["JobId"]
        while (answer := client.get_face_search(JobId=job_id))["JobStatus"] == "IN_PROGRESS":
            time.sleep(0.2)
    taken = time.perf_counter() - begin
    assert answer["JobStatus"] == "SUCCEEDED", answer
    persons = list(answer["Persons"])
    length = answer["VideoMetadata"]["DurationMillis"] / 1000
    while "NextToken" in answer:
        answer = client.get_face_search(JobId=job_id, NextToken=answer["NextToken"])
        persons += answer["Persons"]
    planning, joining = _step_seconds(server, job_id)
    return Search(taken, planning, joining, length, memory.peak, persons)


def _step_seconds(server: Server, job_id: str) -> list[float]:
    """Return the seconds of the steps that workers log: planning and joining."""
    lines = server.log.read_text("utf-8").splitlines()
    lines_of_job = [json.loads(line) for line in lines if line.startswith("{") and job_id in line]
    return [line["seconds"] for line in lines_of_job if "seconds" in line]


class _Memory:
    """The largest resident size of a worker, measured while the block runs."""

    def __init__(self, pid: int) -> None:
        self._server, self.peak = psutil.Process(pid), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            for each in self._server.children():
                if "search_video_segment" in each.cmdline():
                    self.peak = max(self.peak, each.memory_info().rss)


def judge(truth: Mapping[str, Any], persons: list[Any]) -> list[str]:
    """Return lines that state whether the persons found are those in the film."""
    really: dict[int, Counter[str]] = {}
    said: dict[int, set[str]] = {}
    for each in persons:
        index, box = each["Person"]["Index"], each["Person"]["BoundingBox"]
        place = Box(box["Left"], box["Top"], box["Width"], box["Height"])
        there = truth["frames"].get(str(each["Timestamp"]), ())
        really.setdefault(index, Counter()).update(
            Path(name).stem for name, *face in there if overlap(place, Box(*face)) > _SAME_PLACE
        )
        said.setdefault(index, set()).update(
            match["Face"]["ExternalImageId"] for match in each.get("FaceMatches", ())
        )
    claims = [(index, name) for index, names in said.items() for name in names]
    right = [(index, name) for index, name in claims if [name] == _chief(really[index])]
    everybody = {Path(name).stem for faces in truth["frames"].values() for name, *_ in faces}
    found = {name for _, name in right}
    mixed = sum(len(names) > 1 for names in really.values())
    nobody = [index for index in really if not _chief(really[index])]
    unmatched = sum(not said[index] for index in really) - len(nobody)
    indices = Counter(name for names in really.values() for name in _chief(names))
    twice = [name for name, count in indices.items() if count > 1]
    return [
        f"{len(really)} persons found where {len(everybody)} are: {mixed} mixed,"
        f" {len(twice)} more than once ({', '.join(twice) or 'none'}), {unmatched} without a match,"
        f" {len(nobody)} in the background of somebody's photo or where nobody is",
        f"precision {len(right) / max(1, len(claims)):.3f},"
        f" recall {len(found) / len(everybody):.3f} at {_THRESHOLD:.0f}",
    ]


def _chief(names: Counter[str]) -> list[str]:
    return [name for name, _ in names.most_common(1)]


if __name__ == "__main__":
    main()
