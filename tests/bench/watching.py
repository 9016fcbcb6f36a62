"""Analysis of a synthetic film: speed on one and two cores, memory, and recognised people."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from facedex.media import films, following, frames, people, segments
from facedex.media.people import Appearance
from facedex.media.segments import Grid, Segment
from facedex.media.tracking import Track
from facedex.vision import images, packs
from facedex.vision.faces import Box
from facedex.vision.packs import Pack
from facedex_models import installing
from tests.bench.films import Portrait, gather, jpeg, kept
from tests.bench.measuring import report

SECONDS = 30.0
THRESHOLD = 80.0  # minimum similarity of a recognised face


def watch(path: Path, segment: Segment, rate: float, side: int) -> list[Track]:
    """Analyse one segment in this process."""
    with path.open("rb") as source:
        pack = packs.load(installing.pull(), threads=1)
        return following.follow(source, segment, pack, rate=rate, longest_side=side)


def shares(path: Path, pieces: Sequence[Segment], pack: Pack, rate: float, side: int) -> list[str]:
    """Return lines with the CPU time per analysed frame: decoding, detecting, and in total."""
    decoding = detecting = 0.0
    count = 0
    with path.open("rb") as source:
        for piece in pieces:
            begin = time.process_time()
            for _, image in frames.sample(source, piece, Grid(rate)):
                found = time.process_time()
                decoding += found - begin
                pack.find(image, longest_side=side)
                begin = time.process_time()
                detecting += begin - found
                count += 1
        begin = time.process_time()
        for piece in pieces:
            following.follow(source, piece, pack, rate=rate, longest_side=side)
        whole = time.process_time() - begin
    rest = whole - decoding - detecting
    parts = {"decoding": decoding, "detecting": detecting, "tracking and embedding": rest}
    return [f"{name} {1000 * spent / count:.1f} ms a frame" for name, spent in parts.items()]


def peak_memory(path: Path, rate: float, side: int) -> float:
    """Return the peak megabytes of a separate process that analyses a film in one piece."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as worker:
        return worker.submit(_peak_memory, path, rate, side).result()


def _peak_memory(path: Path, rate: float, side: int) -> float:
    watch(path, Segment(0, 0, segments.FOREVER), rate, side)
    # Not getrusage's value, which is at least the parent's when it started this process.
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def judge(
    truth: Mapping[str, Any],
    tracks: Sequence[Track],
    groups: Sequence[Sequence[int]],
    enrolled: Mapping[str, Portrait],
    pack: Pack,
) -> list[str]:
    """Return lines that state whether the right people were found, and each as one person."""
    names = sorted(enrolled)
    gallery = []
    for name in names:
        image = images.decode(jpeg(enrolled[name]))
        gallery.append(pack.embed(image, pack.find(image)[:1])[0])
    lowest = pack.calibration.cosine(THRESHOLD)
    right = wrong = 0
    found: set[str] = set()
    purity: list[int] = []
    for group in groups:
        seen = Counter(name for index in group for name in _truly(truth, tracks[index]))
        really = seen.most_common(1)[0][0] if seen else "nobody"
        purity.append(len(seen))
        matches = Counter(
            names[max(range(len(names)), key=lambda n: float(gallery[n] @ tracks[index].vector))]
            for index in group
            if tracks[index].clear
            and max(float(vector @ tracks[index].vector) for vector in gallery) >= lowest
        )
        for name in matches:
            right += name == really
            wrong += name != really
            found |= {name} & {really}
    there = {face[0] for faces in truth["frames"].values() for face in faces}
    return [
        f"people: {len(groups)} told apart of {len(there)} who are there, {len(tracks)} tracks,"
        f" {sum(count > 1 for count in purity)} groups of more than one person",
        f"matches at {THRESHOLD:.0f}: precision {right / max(1, right + wrong):.3f},"
        f" recall {len(found) / len(there):.3f}",
    ]


def _truly(truth: Mapping[str, Any], track: Track) -> set[str]:
    """Return the people of a track's faces, by their positions."""
    return {
        name
        for sighting in track.sightings
        for name, *box in truth["frames"].get(str(sighting.timestamp), ())
        if overlap(sighting.face.box, Box(*box)) > 0.3
    }


def overlap(one: Box, other: Box) -> float:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--side", type=int, default=following.LONGEST_SIDE)
    parser.add_argument("--data", type=Path, help="folder of the test data")
    parser.add_argument("--film", type=Path, help="one that tests.bench.films made earlier")
    parser.add_argument("--memory", action="store_true", help="measure that, too")
    chosen = parser.parse_args()
    pack = packs.load(installing.pull(), threads=1)
    cast = gather(chosen.data, pack)
    path = chosen.film or kept(chosen.minutes, cast)
    truth = json.loads(path.with_suffix(".json").read_text("utf-8"))
    lines: list[str] = []

    begin = time.perf_counter()
    with path.open("rb") as source:
        film = films.probe(source)
    pieces = segments.cut(film, seconds=SECONDS, rate=chosen.rate)
    planning = time.perf_counter() - begin
    tracks: list[Track] = []
    spent = []
    for workers in (1, 2):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            # The workers are warm, as in a deployment for all but the first event.
            start = Segment(0, 0, 1000)
            warm = [pool.submit(watch, path, start, chosen.rate, chosen.side) for _ in range(4)]
            for job in warm:
                job.result()
            begin = time.perf_counter()
            jobs = [pool.submit(watch, path, piece, chosen.rate, chosen.side) for piece in pieces]
            parts = [job.result() for job in jobs]
            spent.append(time.perf_counter() - begin)
        lines.append(f"{workers} core(s): {film.duration / 1000 / spent[-1]:.1f} x real time")
    tracks = [track for part in parts for track in part]
    begin = time.perf_counter()
    appearances = [Appearance.of(track, n) for n, part in enumerate(parts) for track in part]
    groups = people.merge(appearances, cosine=pack.calibration.cosine(people.SAME_PERSON))
    merging = time.perf_counter() - begin
    lines.append(f"two workers are {spent[0] / spent[1]:.2f} x as fast as one")
    lines.append(
        f"planning {1000 * planning:.0f} ms and merging {1000 * merging:.0f} ms:"
        f" {100 * (planning + merging) / spent[1]:.2f} % of the time on two cores"
    )
    lines += shares(path, pieces[:4], pack, chosen.rate, chosen.side)
    lines += judge(truth, tracks, groups, {name: shots[0] for name, shots in cast.items()}, pack)
    if chosen.memory:
        peak = peak_memory(path, chosen.rate, chosen.side)
        lines.append(f"peak memory of one process, the film in one piece: {peak:.0f} MB")
    report(f"{film.duration / 60000:.1f} minutes of {film.width} x {film.height}", *lines)


if __name__ == "__main__":
    main()
