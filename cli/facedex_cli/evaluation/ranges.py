"""The ranges of a network's activations, measured on photos: what its 8 bits have to span.

For those who make packs: `python -m facedex_cli.evaluation.ranges PACK PHOTOS...` writes the files
that the pack's manifest names, and prints their hashes for it. Users of a pack never need it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from PIL import Image as pillow

from facedex.vision import detection, images
from facedex.vision.faces import Face
from facedex.vision.packs import Pack, load
from facedex_cli.evaluation.sources import pictures as read_sources
from facedex_models import installing, manifests, preparing, quantising
from facedex_models.quantising import Measured

# Of the values of one photo. The few beyond cost less than coarser steps for all others would:
# CenterFace's landmarks then move by half as much.
WITHIN = 0.9999
# How many activations stay in floats, from the first and to the last. In CenterFace dark faces are
# lost in the first ones (one in eight of a dark film's), and landmarks are read from the last.
IN_FLOATS = {"centerface": (10, 1)}
# Activations whose channels are equalised: what CenterFace reads landmarks from.
EQUALISED = {"centerface": ("535",)}
# Photos for a detector are portraits, whose large faces say little about the ranges that small ones
# need. So faces are shown to it in crowds as well, in squares of these sides.
CROWDS = (80, 48, 32, 24)  # pixels; the face itself has about two thirds
CANVAS = (480, 384)  # pixels, columns and rows
GAP = 12  # pixels between two squares
MARGIN = 1.5  # the square's side to the face's longer one


def measure(
    network: bytes, batches: Sequence[NDArray[Any]], equalised: Sequence[str] = ()
) -> Measured:
    """Return the range of each activation: the widest of all batches.

    equalised: activations whose channels are brought to one range first.
    """
    peaks: dict[str, list[float]] = {}
    if equalised:
        heights = [
            [
                np.quantile(abs(np.moveaxis(seen[name], 1, 0)), WITHIN, axis=(1, 2, 3))
                for name in seen
            ]
            for seen in _observe(preparing.prepare(network), equalised, batches)
        ]
        for name, highest in zip(equalised, map(list, zip(*heights, strict=True)), strict=True):
            peaks[name] = [_rounded(peak) for peak in np.max(highest, axis=0)]
    model = preparing.prepare(network, peaks)
    names = quantising.activations(model)
    found = {name: [0.0, 0.0] for name in names}
    for seen in _observe(model, names, batches):
        for name, value in seen.items():
            low, high = found[name]
            ends = np.quantile(value, [1 - WITHIN, WITHIN])
            found[name] = [min(low, float(ends[0])), max(high, float(ends[1]))]
    ranges = {name: [_rounded(end) for end in ends] for name, ends in found.items()}
    return Measured(ranges, peaks)


def _observe(
    model: onnx.ModelProto, names: Sequence[str], batches: Iterable[NDArray[Any]]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield, for each batch, the values of these tensors, the network's input among them or not."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    outputs = {value.name for value in watched.graph.output}
    inside = [name for name in names if name not in {value.name for value in watched.graph.input}]
    for name in inside:
        if name not in outputs:
            watched.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    entry = session.get_inputs()[0].name
    for batch in batches:
        values = dict(zip(inside, session.run(inside, {entry: batch}), strict=True))
        yield {name: batch if name == entry else values[name] for name in names}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def crowd(faces: Sequence[pillow.Image], side: int) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures (rows, columns, 3) RGB of all faces, side by side in squares of `side`."""
    across, down = (length // (side + GAP) for length in CANVAS)
    for start in range(0, len(faces), across * down):
        canvas = pillow.new("RGB", CANVAS, "grey")
        for place, face in enumerate(faces[start : start + across * down]):
            row, column = divmod(place, across)
            corner = (column * (side + GAP) + GAP // 2, row * (side + GAP) + GAP // 2)
            canvas.paste(face.resize((side, side), pillow.Resampling.BILINEAR), corner)
        yield np.asarray(canvas)


def inputs(pack: Pack, pictures: Sequence[images.Image]) -> tuple[list[Any], list[Any]]:
    """Return what the detector and the embedder are given for the pictures.

    The detector is given the pictures' largest faces in crowds as well.
    """
    seen: list[Any] = []
    squares = []
    run = pack.detector.network.run

    def listen(batch: NDArray[Any]) -> list[NDArray[Any]]:
        seen.append(batch)
        return run(batch)

    pack.detector.network.run = listen  # type: ignore[method-assign]
    chips = []
    for picture in pictures:
        whole = np.array([picture.pixels.shape[1], picture.pixels.shape[0]], np.float32)
        faces = pack.find(picture)
        squares += [_square(picture.pixels, face) for face in faces[:1]]
        marks = np.array([face.landmarks * whole for face in faces], np.float32).reshape(-1, 5, 2)
        cut = pack.embedder.cut(picture.pixels, marks)[0]
        chips += [cut[:, view] for view in range(cut.shape[1])]
    crowds = [canvas for side in CROWDS for canvas in crowd(squares, side)]
    seen += [detection.pad(canvas)[None] for canvas in crowds]
    return seen, [chip for chip in chips if len(chip)]


def _square(pixels: NDArray[np.uint8], face: Face) -> pillow.Image:
    """A face with some of what is around it; beyond the picture's edges it is black."""
    rows, columns = pixels.shape[:2]
    box = face.box
    x, y = (box.left + box.width / 2) * columns, (box.top + box.height / 2) * rows
    half = MARGIN * max(box.width * columns, box.height * rows) / 2
    corners = (round(x - half), round(y - half), round(x + half), round(y + half))
    return pillow.fromarray(pixels).crop(corners)


@click.command()
@click.argument("pack")
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(pack: str, sources: tuple[Path, ...]) -> None:
    """Measure PACK's activations on photos and write the files.

    SOURCES are photos, folders of photos, films (.mp4), and archives (.zip) of which every 13th
    photo is taken.
    """
    shipped = manifests.manifest(pack)
    parts = shipped.networks
    detector, *embedders = (replace(part, ranges=None) for part in parts)
    whole = replace(shipped, name=f"{pack}-float", detector=detector, embedders=tuple(embedders))
    directory = installing.install(whole)
    pictures = [picture for picture, _ in read_sources(sources)]
    given = inputs(load(directory, threads=2), pictures)
    for part, batches in zip(parts, given, strict=True):
        assert part.ranges is not None
        ranges, peaks = measure(
            (directory / part.file).read_bytes(), batches, EQUALISED.get(part.kind, ())
        )
        first, last = IN_FLOATS.get(part.kind, (0, 0))
        names = list(ranges)[first : len(ranges) - last]
        ranges = {name: ranges[name] for name in names}
        document: dict[str, Any] = {"network": part.kind, "photos": len(pictures), "ranges": ranges}
        if peaks:
            document["peaks"] = peaks
        content = (json.dumps(document, indent=1) + "\n").encode()
        path = Path(manifests.__file__).parent / "packs" / part.ranges.file
        path.write_bytes(content)
        click.echo(f"{path}: sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
