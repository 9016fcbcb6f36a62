"""Streaming video end to end: frames per second on one core, latency, memory, and recovery.

    python -m tests.bench.streaming --data DIR [--minutes 5] [--kills 4]

A film with a known truth (see ``tests.bench.films``; it is made once and kept) is pushed into a
video stream of a server of its own, with one portrait of each person enrolled, and its records are
read as any consumer reads them. First faster than real time, with the worker on one core; then in
real time with ``facedex stream push``; at the end its worker is killed again and again.
``--minutes 60`` shows that an hour takes no more memory than its first minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from facedex.vision import packs
from facedex.vision.faces import Box
from facedex_models import installing
from tests.bench.films import RATE, Portrait, enrol, gather, kept
from tests.bench.measuring import report
from tests.bench.serving import serving
from tests.bench.watching import overlap
from tests.conftest import Server
from tests.e2e.streaming import Scene, moment, workers

_COLLECTION: Final = "cast"
_FILM: Final = 1.0  # minutes; it is pushed in a loop
_AHEAD: Final = 15.0  # seconds of film that the producer is ahead of the records
_POLL: Final = 0.02  # seconds between two reads of the data stream
_FIRST: Final = 15  # records after which a worker counts as warm
_SAME_PLACE: Final = 0.3  # intersection over union
_IN_FLIGHT: Final = 0.5  # seconds in which a killed worker's last request may still be processed


@dataclass(frozen=True, slots=True)
class Fed:
    """The results for a film that was pushed faster than real time.

    Attributes:
        rate: analysed frames per second.
        speed: seconds of film per second.
        core: fraction of its core that the worker used.
        memory: resident bytes of the worker at each of `_marks`.
        judged: whether the right people were recognised.
    """

    rate: float
    speed: float
    core: float
    memory: list[int]
    judged: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="of film for the memory")
    parser.add_argument("--seconds", type=float, default=40, help="of real time for the latency")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--data", type=Path, help="folder of the test data")
    chosen = parser.parse_args()
    cast = gather(chosen.data, packs.load(installing.pull(), threads=1))
    film, turns = kept(_FILM, cast), max(1, round(chosen.minutes / _FILM))
    with _serving(cast) as server:
        with _running(server) as scene:
            fed = _feed(scene, film, turns)
        with _running(server) as scene, _pushing(scene, film):
            latency = _latencies(scene, chosen.seconds)
            recovery = [_kill(scene) for _ in range(chosen.kills)]
    lines = [
        f"one core: {fed.rate:.1f} frames looked at in a second, the stream"
        f" {fed.speed:.1f} x as fast as real time; {fed.core:.0%} of the core used:"
        f" {fed.rate / fed.core:.1f} frames in a second of its time",
        f"  {fed.judged}",
        f"from a frame to its record, {len(latency)} of them:"
        f" median {statistics.median(latency):.2f} s,"
        f" p99 {statistics.quantiles(latency, n=100)[98]:.2f} s",
        f"the worker's memory at the beginning, at each quarter of {turns * _FILM:g} minutes of"
        f" film and at the end: {', '.join(f'{each / 2**20:.0f}' for each in fed.memory)} MiB",
    ]
    if recovery:
        lines.append(
            f"from kill -9 of the worker to the next record, {len(recovery)} times:"
            f" median {statistics.median(recovery):.1f} s, at most {max(recovery):.1f} s"
        )
    report(f"{film.name}, 1280x720 at 30 frames a second in H.264, as a live stream", *lines)


@contextmanager
def _serving(cast: Mapping[str, Sequence[Portrait]]) -> Iterator[Server]:
    """A server with one portrait of each person in the film."""
    with serving() as product:
        enrol(product.client("rekognition"), _COLLECTION, cast)
        yield product.server


@contextmanager
def _running(server: Server) -> Iterator[Scene]:
    """A running stream processor."""
    scene = Scene(server, _COLLECTION)
    scene.start()
    scene.wait("RUNNING")
    try:
        yield scene
    finally:
        scene.stop()


def _feed(scene: Scene, film: Path, turns: int) -> Fed:
    """Push a film in a loop, as fast as a worker on one core processes it."""
    (pid,) = workers(scene.server)
    worker = psutil.Process(pid)
    length = 60 * _FILM
    start = time.time()
    judge = _Judge(film, start)
    marks = [each * 60 + start for each in _marks(turns * _FILM)]
    memory: list[int] = []
    begun: tuple[float, float, int, float] | None = None
    reached, count = start, 0

    def read() -> None:
        nonlocal reached, count, begun
        for record in scene.records():
            judge.see(record)
            count += 1
            reached = moment(record)
        # The first frames load the networks.
        if begun is None and reached >= marks[0]:
            begun = (time.perf_counter(), _used(worker), count, reached)
        while len(memory) < len(marks) and reached >= marks[len(memory)]:
            memory.append(worker.memory_info().rss)
        time.sleep(_POLL)

    with _apart(scene.server.process.pid, pid):
        for turn in range(turns):
            # One session each, as the service ends sessions that are silent for long.
            scene.push(film.read_bytes(), start=start + turn * length, pace=False)
            # One film ahead: its fragments are held, and none is too old.
            while reached < start + turn * length - _AHEAD:
                read()
        while len(memory) < len(marks):
            read()
        assert begun is not None
        taken = time.perf_counter() - begun[0]
        return Fed(
            (count - begun[2]) / taken,
            (reached - begun[3]) / taken,
            (_used(worker) - begun[1]) / taken,
            memory,
            judge.verdict(),
        )


def _marks(minutes: float) -> list[float]:
    """Return the minutes of film at which memory is measured."""
    return [0.1, *(minutes * quarter / 4 for quarter in (1, 2, 3)), minutes - 0.01]


def _used(process: psutil.Process) -> float:
    """Return the seconds of CPU time."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _apart(server: int, worker: int) -> Iterator[None]:
    """Give a worker one core for itself, and the other cores to all other processes."""
    everywhere = os.sched_getaffinity(0)
    *others, last = sorted(everywhere)
    processes = (server, os.getpid())
    try:
        _pin(worker, {last})
        for each in processes:
            _pin(each, set(others) or {last})
        yield
    finally:
        for each in (worker, *processes):
            _pin(each, everywhere)


def _pin(pid: int, cores: set[int]) -> None:
    """Restrict all threads of a process, including later ones, to some cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def _pushing(scene: Scene, film: Path) -> Iterator[None]:
    """Push the film in real time, in a loop, with ``facedex stream push``."""
    program = str(Path(sys.executable).with_name("facedex"))
    command = [program, "stream", "push", str(film), "--stream", scene.name, "--loop"]
    with subprocess.Popen(
        [*command, "--url", scene.server.url], stdout=subprocess.DEVNULL
    ) as producer:
        try:
            yield
        finally:
            producer.send_signal(signal.SIGINT)


def _latencies(scene: Scene, seconds: float) -> list[float]:
    """Return the seconds from each frame's producer timestamp until its record is read."""
    scene.collect(lambda found: len(found) > _FIRST)
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        records = scene.records()
        now = time.time()
        found += [now - moment(record) for record in records]
        time.sleep(_POLL)
    return found


def _kill(scene: Scene) -> float:
    """Kill the worker; return the seconds until a record of the next worker arrives."""
    scene.collect(lambda found: len(found) > _FIRST)
    time.sleep(random.uniform(0, 1))
    (pid,) = workers(scene.server)
    os.kill(pid, signal.SIGKILL)
    killed = time.perf_counter()
    while not scene.records() or time.perf_counter() - killed < _IN_FLIGHT:
        time.sleep(_POLL)
    return time.perf_counter() - killed


class _Judge:
    """Comparison of records with the truth about a film that is pushed in a loop."""

    def __init__(self, film: Path, start: float) -> None:
        self._truth = json.loads(film.with_suffix(".json").read_text("utf-8"))["frames"]
        self._start = start
        self._there = self._right = self._wrong = 0

    def see(self, record: Any) -> None:
        number = round((moment(record) - self._start) * RATE) % len(self._truth)
        there = self._truth[str(round(1000 * number / RATE))]
        for face in record["FaceSearchResponse"]:
            box = face["DetectedFace"]["BoundingBox"]
            place = Box(box["Left"], box["Top"], box["Width"], box["Height"])
            really = {
                Path(name).stem for name, *true in there if overlap(place, Box(*true)) > _SAME_PLACE
            }
            said = {match["Face"]["ExternalImageId"] for match in face["MatchedFaces"]}
            self._there += bool(really)
            self._right += bool(said & really)
            self._wrong += len(said - really)

    def verdict(self) -> str:
        return (
            f"of {self._there} faces {self._right / self._there:.1%} were named rightly, and"
            f" {self._wrong} names were wrong"
        )


if __name__ == "__main__":
    main()
