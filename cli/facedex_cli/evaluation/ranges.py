"""Measurement of the ranges of a network's activations on photos, for 8-bit quantisation.

For authors of packs: `python -m facedex_cli.evaluation.ranges PACK PHOTOS...` writes the files that
the pack's manifest names, and prints their hashes for the manifest; `--only KIND` writes the file
of one network. Users of a pack do not need this module.
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
from facedex_models.activation_statistics import Measured

# Share of a photo's values within the range, in networks whose channels are not equalised. Clipping
# the few others costs less than coarser steps for all values would.
WITHIN = 0.9999
# Networks whose channels are equalised and whose averages are measured. Their ranges span all
# values: a large face is a single peak, and if it is clipped, a part of it becomes a second face.
EXACT = frozenset({"centerface"})
# Number of first and last activations that stay in floats. With the first ones of CenterFace in 8
# bits, dark faces are missed (one in eight in a dark video); landmarks are read from the last ones.
# The gender network's first convolution has too few channels to be faster in 8 bits, and its last
# layers are small.
IN_FLOATS = {"centerface": (3, 3), "gender": (3, 4)}
# Number of the next activations whose ranges span only a share of their values: small and dark
# faces need finer steps there, and the largest values are those of textures.
CUT = {"centerface": (18, 0.75)}
# The output of CenterFace's last layer. Its first channel is the heat map's log odds, which exceed
# this value where there is a face.
HEADS = "heads"
LIT = -1.4  # a heat of 0.2
# The photos for a detector are portraits, whose large faces do not determine the ranges for small
# faces. So the detector also processes crowds of faces, in squares of these sides.
CROWDS = (80, 48, 32, 24)  # pixels; the face takes about two thirds of the side
CANVAS = (480, 384)  # pixels, columns and rows
GAP = 12  # pixels between two squares
MARGIN = 1.5  # ratio of the square's side to the face's longer side
# It also processes sharp faces that fill the picture: squares of these sides, with these margins.
FILLING = ((448, 1.05), (320, 1.25))
SHARP = 100  # minimum of the face's longer side, in pixels


def measure(kind: str, network: bytes, batches: Sequence[NDArray[Any]]) -> Measured:
    """Return the range of each activation: the widest over all batches.

    Args:
        kind: the network's kind, which determines what else is measured.
        network: the ONNX model.
        batches: inputs of the network.
    """
    exact = kind in EXACT
    first, last = IN_FLOATS.get(kind, (0, 0))
    names = quantising.activations(preparing.prepare(network))
    names = names[first : len(names) - last]
    peaks = _peaks(network, names, batches) if exact else {}
    model = preparing.prepare(network, peaks)
    found = {name: [0.0, 0.0] for name in names}
    totals: dict[str, Any] = dict.fromkeys(names, 0)
    for seen in _observe(model, names, batches):
        for name, value in seen.items():
            within = 1.0 if exact else WITHIN
            ends = np.quantile(value, [1 - within, within])
            found[name] = [min(found[name][0], ends[0]), max(found[name][1], ends[1])]
            if exact:
                totals[name] = totals[name] + value.mean(axis=(0, 2, 3), dtype=np.float64)
    many, share = CUT.get(kind, (0, 1.0))
    ranges = {
        name: [_rounded(end * (share if place < many else 1)) for end in ends]
        for place, (name, ends) in enumerate(found.items())
    }
    read = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    means = {name: totals[name] / len(batches) for name in names if exact and name in read}
    averages = {name: [_rounded(mean, 3) for mean in means[name]] for name in means}
    measured = Measured(ranges, peaks, averages, {})
    if exact:
        measured = measured._replace(shifts=shifts(network, measured, batches))
    return measured


def shifts(
    network: bytes, measured: Measured, batches: Sequence[NDArray[Any]]
) -> dict[str, list[float]]:
    """Return what 8 bits add to CenterFace's last layer where it sees a face, on average.

    A picture without faces counts for nothing, each other one for the same.
    """
    short = onnx.load_model_from_string(quantising.quantise(network, *measured))
    exact = preparing.prepare(network)
    errors = []
    seen = (_observe(model, [HEADS], batches) for model in (exact, short))
    for expected, found in zip(*seen, strict=True):
        faces = expected[HEADS][:, 0] > LIT
        if faces.any():
            difference = np.moveaxis(found[HEADS] - expected[HEADS], 1, -1)
            errors.append(difference[faces].mean(axis=0, dtype=np.float64))
    return {HEADS: [_rounded(shift, 3) for shift in np.mean(errors, axis=0)]}


def _peaks(
    network: bytes, names: Sequence[str], batches: Sequence[NDArray[Any]]
) -> dict[str, list[float]]:
    """Return the largest absolute value of each channel of these activations."""
    peaks: dict[str, Any] = dict.fromkeys(names, 0)
    for seen in _observe(preparing.prepare(network), names, batches):
        for name, value in seen.items():
            peaks[name] = np.maximum(peaks[name], abs(value).max(axis=(0, 2, 3)))
    return {name: [_rounded(peak, 3) for peak in peaks[name]] for name in names}


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


def _rounded(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


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

    The detector's inputs include the images' largest faces in crowds, and the sharp ones alone.
    """
    batches: list[Any] = []
    squares = []
    alone = []
    run = pack.detector.network.run

    def record(batch: NDArray[Any]) -> list[NDArray[Any]]:
        batches.append(batch)
        return run(batch)

    pack.detector.network.run = record  # type: ignore[method-assign]
    chips = []
    for picture in pictures:
        faces = pack.find(picture)
        for face in faces[:1]:
            squares.append(_square(picture.picture, face))
            if max(face.size) >= SHARP:
                alone += [
                    _square(picture.picture, face, margin).resize((side, side))
                    for side, margin in FILLING
                ]
        landmarks = np.array([face.landmarks * picture.extent for face in faces], np.float32)
        cut = pack.embedder.cut(picture.picture, landmarks.reshape(-1, 5, 2))[0]
        chips += [cut[:, view] for view in range(cut.shape[1])]
    crowds = [canvas for side in CROWDS for canvas in crowd(squares, side)]
    batches += [detection.pad(canvas)[None] for canvas in crowds]
    batches += [detection.pad(np.asarray(face))[None] for face in alone]
    return batches, [chip for chip in chips if len(chip)]


def _square(picture: pillow.Image, face: Face, margin: float = MARGIN) -> pillow.Image:
    """Crop a face with a margin; areas outside the image are black."""
    columns, rows = picture.size
    box = face.box
    x, y = (box.left + box.width / 2) * columns, (box.top + box.height / 2) * rows
    half = margin * max(box.width * columns, box.height * rows) / 2
    corners = (round(x - half), round(y - half), round(x + half), round(y + half))
    return picture.crop(corners)


def to_json(document: dict[str, Any]) -> str:
    """Return JSON with a line for each activation."""
    parts = []
    for name, value in document.items():
        text = json.dumps(value)
        if isinstance(value, dict):
            lines = (f"  {json.dumps(key)}: {json.dumps(value[key])}" for key in value)
            text = "{\n" + ",\n".join(lines) + "\n }"
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


@click.command()
@click.argument("pack")
@click.option("--only", metavar="KIND", help="The kind of the network to measure; all by default.")
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(pack: str, sources: tuple[Path, ...], only: str | None) -> None:
    """Measure PACK's activations on photos and write the files.

    SOURCES are photos, folders of photos, videos (.mp4), and archives (.zip), of which every 13th
    photo is used.
    """
    shipped = manifests.manifest(pack)
    parts = shipped.networks
    in_floats = replace(
        shipped,
        name=f"{pack}-float",
        networks=tuple(replace(part, ranges=None) for part in parts),
    )
    directory = installing.install(in_floats)
    pictures = [picture for picture, _ in read_sources(sources)]
    given = inputs(load(directory, threads=2), pictures)
    for part, batches in zip(parts, given, strict=True):
        if only not in (None, part.kind):
            continue
        assert part.ranges is not None
        measured = measure(part.kind, (directory / part.file).read_bytes(), batches)
        document = {"network": part.kind, "photos": len(pictures), **measured._asdict()}
        content = to_json({name: value for name, value in document.items() if value}).encode()
        path = Path(manifests.__file__).parent / "packs" / part.ranges.file
        path.write_bytes(content)
        click.echo(f"{path}: sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
