"""A synthetic film of several people in many shots, with the true positions of all faces."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import platformdirs
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from facedex.vision import images, packs
from facedex.vision.packs import Pack
from facedex_cli.demo import portraits
from facedex_models import installing

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT, RATE = 1280, 720, 30
SHOT = (3.0, 9.0)  # seconds
FACE = (70, 200)  # pixels of the face's height
PHOTOS = "pairs"  # folder of the test data


@dataclass(frozen=True, slots=True)
class Portrait:
    """A photo of one person, and the position of the face.

    Attributes:
        box: left, top, right, bottom in pixels of `picture`.
    """

    person: str
    name: str
    picture: Image.Image
    box: tuple[float, float, float, float]


def gather(data: Path | None, pack: Pack) -> dict[str, list[Portrait]]:
    """Return portraits by person: those of the test data, or the two public ones."""
    found: dict[str, list[Portrait]] = {}
    for person, names in _photos(data).items():
        for name, content in names.items():
            image = images.decode(content, longest_side=1000)
            faces = pack.find(image)
            if len(faces) != 1:
                continue  # the true positions must be certain
            rows, columns = image.pixels.shape[:2]
            left, top, width, height = faces[0].box
            box = (left * columns, top * rows, (left + width) * columns, (top + height) * rows)
            portrait = Portrait(person, name, Image.fromarray(image.pixels), box)
            found.setdefault(person, []).append(portrait)
    return found


def _photos(data: Path | None) -> dict[str, dict[str, bytes]]:
    folder = data / PHOTOS if data else None
    if folder is None or not folder.is_dir():
        return {name: {name: content} for name, content in portraits.fetch().items()}
    names = sorted(path.name for path in folder.glob("*.jpg"))
    person = {name: name for name in names}
    with (folder / "pairs.csv").open() as file:
        for row in csv.DictReader(file):
            if row["Decision"] == "Yes":
                one, other = person[row["file_x"]], person[row["file_y"]]
                person = {n: min(one, other) if p in (one, other) else p for n, p in person.items()}
    grouped: dict[str, dict[str, bytes]] = {}
    for name in names:
        grouped.setdefault(person[name], {})[name] = (folder / name).read_bytes()
    return grouped


@dataclass(frozen=True, slots=True)
class _Actor:
    """A portrait that moves through one shot."""

    person: str
    patch: Pixels
    box: tuple[float, float, float, float]  # of the face, in pixels of the patch
    start: NDArray[np.float64]  # x y of the patch
    end: NDArray[np.float64]
    sway: float  # pixels

    def place(self, share: float) -> tuple[int, int]:
        x, y = self.start + (self.end - self.start) * share
        return round(x), round(y + self.sway * np.sin(9 * share))


def make(
    path: Path, minutes: float, people: Mapping[str, Sequence[Portrait]], seed: int = 1
) -> None:
    """Write a film of 1280 x 720 in H.264 and, beside it, the truth as JSON.

    The truth: ``{"people": [...], "frames": {"<ms>": [[person, left, top, width, height], ...]}}``
    with boxes as ratios, for every frame.
    """
    drawn = np.random.default_rng(seed)
    truth: dict[str, list[list[Any]]] = {}
    total = round(minutes * 60 * RATE)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, (pixels, faces) in enumerate(_frames(total, people, drawn)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            truth[str(round(1000 * number / RATE))] = faces
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    known = {"people": sorted(people), "frames": truth}
    path.with_suffix(".json").write_text(json.dumps(known), encoding="utf-8")


def kept(minutes: float, people: Mapping[str, Sequence[Portrait]]) -> Path:
    """Return such a film, made once and cached for the user, as making it takes minutes."""
    program = Path(__file__).read_bytes()
    shown = [(each.name, each.box) for name in sorted(people) for each in people[name]]
    key = hashlib.sha256(program + repr((minutes, shown)).encode()).hexdigest()[:16]
    path = platformdirs.user_cache_path("facedex") / "films" / f"{key}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{key}-{os.getpid()}.mp4")
        make(unfinished, minutes, people)
        unfinished.with_suffix(".json").replace(path.with_suffix(".json"))
        unfinished.replace(path)
    return path


def repeat(path: Path, copy: Path, times: int) -> None:
    """Write a film that repeats another several times, without encoding it again."""
    with av.open(str(copy), "w") as output:
        stream: VideoStream | None = None
        begin = 0
        for _ in range(times):
            with av.open(str(path)) as film:
                shown = film.streams.video[0]
                stream = stream or output.add_stream_from_template(shown)
                end = begin
                for packet in film.demux(shown):
                    if packet.pts is None or packet.dts is None:
                        continue  # the last one is empty
                    packet.pts += begin
                    packet.dts += begin
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.stream = stream
                    output.mux(packet)
            begin = end


def _frames(
    total: int, people: Mapping[str, Sequence[Portrait]], drawn: np.random.Generator
) -> Iterator[tuple[Pixels, list[list[Any]]]]:
    made = 0
    names = sorted(people)
    while made < total:
        count = min(total - made, round(drawn.uniform(*SHOT) * RATE))
        background = _background(drawn)
        cast = drawn.permutation(names)[: drawn.integers(1, min(4, len(names)) + 1)]
        lanes = WIDTH / len(cast)
        actors = [
            _actor(people[name][int(drawn.integers(len(people[name])))], lane * lanes, lanes, drawn)
            for lane, name in enumerate(cast)
        ]
        for step in range(count):
            pixels, faces = background.copy(), []
            for actor in actors:
                left, top = actor.place(step / count)
                _paste(pixels, actor.patch, left, top)
                x1, y1, x2, y2 = actor.box
                faces.append(
                    [
                        actor.person,
                        (left + x1) / WIDTH,
                        (top + y1) / HEIGHT,
                        (x2 - x1) / WIDTH,
                        (y2 - y1) / HEIGHT,
                    ]
                )
            yield pixels, faces
        made += count


def _actor(portrait: Portrait, left: float, width: float, drawn: np.random.Generator) -> _Actor:
    x1, y1, x2, y2 = portrait.box
    # The face and its surroundings, no wider than the actor's lane.
    margin = 0.35 * (y2 - y1)
    around = (
        max(0, int(x1 - margin)),
        max(0, int(y1 - margin)),
        min(portrait.picture.width, int(x2 + margin)),
        min(portrait.picture.height, int(y2 + margin)),
    )
    scale = drawn.uniform(*FACE) / (y2 - y1)
    scale = min(scale, 0.8 * width / (around[2] - around[0]))
    size = round((around[2] - around[0]) * scale), round((around[3] - around[1]) * scale)
    patch = np.asarray(portrait.picture.crop(around).resize(size, Image.Resampling.LANCZOS))
    free = np.array([max(1.0, width - size[0]), max(1.0, HEIGHT - size[1] - 60)])
    start, end = (np.array([left, 30.0]) + free * drawn.uniform(size=2) for _ in range(2))
    box = (
        (x1 - around[0]) * scale,
        (y1 - around[1]) * scale,
        (x2 - around[0]) * scale,
        (y2 - around[1]) * scale,
    )
    return _Actor(portrait.person, patch, box, start, end, drawn.uniform(0, 25))


def _background(drawn: np.random.Generator) -> Pixels:
    coarse = drawn.integers(20, 235, size=(9, 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = drawn.integers(0, 12, size=(HEIGHT, WIDTH, 1), dtype=np.uint8)
    return np.asarray(smooth) // 2 + 40 + grain


def _paste(pixels: Pixels, patch: Pixels, left: int, top: int) -> None:
    rows, columns = patch.shape[:2]
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(WIDTH, left + columns), min(HEIGHT, top + rows)
    if x1 < x2 and y1 < y2:
        pixels[y1:y2, x1:x2] = patch[y1 - top : y2 - top, x1 - left : x2 - left]


def jpeg(portrait: Portrait) -> bytes:
    """Return a portrait as a JPEG for enrolment."""
    file = io.BytesIO()
    portrait.picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def enrol(client: Any, collection: str, people: Mapping[str, Sequence[Portrait]]) -> None:
    """Create a collection with one portrait of each person."""
    client.create_collection(CollectionId=collection)
    for name, portraits_of in people.items():
        client.index_faces(
            CollectionId=collection,
            Image={"Bytes": jpeg(portraits_of[0])},
            ExternalImageId=Path(name).stem,
            MaxFaces=1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--data", type=Path)
    chosen = parser.parse_args()
    make(chosen.path, chosen.minutes, gather(chosen.data, packs.load(installing.pull())))


if __name__ == "__main__":
    main()
