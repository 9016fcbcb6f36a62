"""Measurement of the ranges of a network's activations on photos, for 8-bit quantisation.

For authors of packs: `python -m facedex_cli.evaluation.ranges PACK PHOTOS...` writes the files that
the pack's manifest names, and prints their hashes for the manifest. Users of a pack do not need
this module.
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

# Share of a photo's values within the range. Clipping the few others costs less than coarser steps
# for all values would: the shift of CenterFace's landmarks is halved.
WITHIN = 0.9999
# Number of first and last activations that stay in floats. With the first ones of CenterFace in 8
# bits, dark faces are missed (one in eight in a dark video); landmarks are read from the last one.
IN_FLOATS = {"centerface": (10, 1)}
# Activations whose channels are equalised: CenterFace's landmarks are computed from this one.
EQUALISED = {"centerface": ("535",)}
# The photos for a detector are portraits, whose large faces do not determine the ranges for small
# faces. So the detector also processes crowds of faces, in squares of these sides.
CROWDS = (80, 48, 32, 24)  # pixels; the face takes about two thirds of the side
CANVAS = (480, 384)  # pixels, columns and rows
GAP = 12  # pixels between two squares
MARGIN = 1.5  # ratio of the square's side to the face's longer side


def measure(
    network: bytes, batches: Sequence[NDArray[Any]], equalised: Sequence[str] = ()
) -> Measured:
    """Return the range of each activation: the widest over all batches.

    Args:
        network: the ONNX model.
        batches: inputs of the network.
        equalised: activations whose channels are first scaled to the same range.
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
    """Yield the values of tensors, which may include the network's input, for each batch."""
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
    """Yield images (rows, columns, 3) RGB of all faces, in a grid of squares.

    Args:
        faces: images of faces.
        side: side of the squares in pixels.
    """
    across, down = (length // (side + GAP) for length in CANVAS)
    for start in range(0, len(faces), across * down):
        canvas = pillow.new("RGB", CANVAS, "grey")
        for place, face in enumerate(faces[start : start + across * down]):
            row, column = divmod(place, across)
            corner = (column * (side + GAP) + GAP // 2, row * (side + GAP) + GAP // 2)
            canvas.paste(face.resize((side, side), pillow.Resampling.BILINEAR), corner)
        yield np.asarray(canvas)


def inputs(pack: Pack, pictures: Sequence[images.Image]) -> tuple[list[Any], list[Any]]:
    """Return the inputs of the detector and of the embedder for images.

    The detector's inputs include crowds of the images' largest faces.
    """
    batches: list[Any] = []
    squares = []
    run = pack.detector.network.run

    def record(batch: NDArray[Any]) -> list[NDArray[Any]]:
        batches.append(batch)
        return run(batch)

    pack.detector.network.run = record  # type: ignore[method-assign]
    chips = []
    for picture in pictures:
        size = np.array([picture.pixels.shape[1], picture.pixels.shape[0]], np.float32)
        faces = pack.find(picture)
        squares += [_square(picture.pixels, face) for face in faces[:1]]
        landmarks = np.array([face.landmarks * size for face in faces], np.float32)
        cut = pack.embedder.cut(picture.pixels, landmarks.reshape(-1, 5, 2))[0]
        chips += [cut[:, view] for view in range(cut.shape[1])]
    crowds = [canvas for side in CROWDS for canvas in crowd(squares, side)]
    batches += [detection.pad(canvas)[None] for canvas in crowds]
    return batches, [chip for chip in chips if len(chip)]


def _square(pixels: NDArray[np.uint8], face: Face) -> pillow.Image:
    """Crop a face with a margin; areas outside the image are black."""
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

    SOURCES are photos, folders of photos, videos (.mp4), and archives (.zip), of which every 13th
    photo is used.
    """
    shipped = manifests.manifest(pack)
    parts = shipped.networks
    detector, *embedders = (replace(part, ranges=None) for part in parts)
    in_floats = replace(
        shipped, name=f"{pack}-float", detector=detector, embedders=tuple(embedders)
    )
    directory = installing.install(in_floats)
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
