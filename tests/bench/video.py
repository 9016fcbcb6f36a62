"""Stored video end to end: how much faster than it plays, with one worker and with two.

    python -m tests.bench.video --data DIR [--minutes 10] [--film FILE]

A film with a known truth (see ``tests.bench.films``) is searched through the API of a server of
its own, with one portrait of each person enrolled.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from facedex.vision import packs
from facedex.vision.faces import Box
from facedex_models import installing
from tests.bench.films import gather, jpeg, make
from tests.bench.measuring import machine
from tests.bench.watching import _overlap as overlap
from tests.conftest import Server

_THRESHOLD = 80.0
_SAME_PLACE = 0.3  # intersection over union


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--data", type=Path, help="folder of the test data")
    parser.add_argument("--film", type=Path, help="one that tests.bench.films made earlier")
    chosen = parser.parse_args()
    pack = packs.load(installing.pull(), threads=1)
    cast = gather(chosen.data, pack)
    path = chosen.film or Path(tempfile.mkdtemp()) / "film.mp4"
    if not chosen.film:
        make(path, chosen.minutes, cast)
    short = Path(tempfile.mkdtemp()) / "short.mp4"
    make(short, 0.05, cast)
    truth = json.loads(path.with_suffix(".json").read_text("utf-8"))
    print(machine())
    for workers in (1, 2):
        server = Server(
            Path(tempfile.mkdtemp()) / "data",
            FACEDEX_MODELS=str(installing.pull().parent),
            FACEDEX_VIDEO_WORKERS=str(workers),
        )
        try:
            client, s3 = server.client("rekognition"), server.client("s3")
            client.create_collection(CollectionId="cast")
            for name, portraits in cast.items():
                client.index_faces(
                    CollectionId="cast",
                    Image={"Bytes": jpeg(portraits[0])},
                    ExternalImageId=Path(name).stem,
                    MaxFaces=1,
                )
            s3.create_bucket(Bucket="films")
            s3.upload_file(str(path), "films", path.name)
            s3.upload_file(str(short), "films", short.name)
            for _ in range(2 * workers):  # the first with each worker, which loads its networks
                _search(client, short.name)
            with _Memory(server.process.pid) as memory:
                taken, planning, answer, persons = _search(client, path.name)
        finally:
            server.stop()
        length = answer["VideoMetadata"]["DurationMillis"] / 1000
        print(
            f"{workers} worker(s): {taken:.1f} s for {length:.0f} s of film,"
            f" {length / taken:.1f} x real time; planned in {planning:.2f} s"
            f" ({planning / taken:.1%}); a worker's peak {memory.peak / 2**20:.0f} MiB"
        )
    print(_judge(truth, persons))


def _search(client: Any, name: str) -> tuple[float, float, Any, list[Any]]:
    """Search the film; the seconds taken, and until it was planned, and the results."""
    begin = time.perf_counter()
    job_id = client.start_face_search(
        Video={"S3Object": {"Bucket": "films", "Name": name}},
        CollectionId="cast",
        FaceMatchThreshold=_THRESHOLD,
    )["JobId"]
    planning = 0.0
    while True:
        answer = client.get_face_search(JobId=job_id)
        if not planning and "VideoMetadata" in answer:
            planning = time.perf_counter() - begin
        if answer["JobStatus"] != "IN_PROGRESS":
            break
        time.sleep(0.05)
    taken = time.perf_counter() - begin
    assert answer["JobStatus"] == "SUCCEEDED", answer
    persons = list(answer["Persons"])
    while "NextToken" in answer:
        answer = client.get_face_search(JobId=job_id, NextToken=answer["NextToken"])
        persons += answer["Persons"]
    return taken, planning, answer, persons


class _Memory:
    """The largest resident size of a worker while the block runs."""

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


def _judge(truth: Mapping[str, Any], persons: list[Any]) -> str:
    """Whether those who were found are those who are there."""
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
    right = {
        (index, name)
        for index, name in claims
        if name in {n for n, _ in really[index].most_common(1)}
    }
    everybody = {Path(name).stem for faces in truth["frames"].values() for name, *_ in faces}
    found = {name for _, name in right}
    mixed = sum(len(names) > 1 for names in really.values())
    return (
        f"{len(really)} persons told apart of {len(everybody)}, {mixed} of them mixed;"
        f" precision {len(right) / max(1, len(claims)):.3f},"
        f" recall {len(found) / len(everybody):.3f} at {_THRESHOLD:.0f}"
    )


if __name__ == "__main__":
    main()
