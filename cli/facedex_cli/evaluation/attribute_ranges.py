"""Measurement of the ranges of attribute networks' activations on photos, for 8-bit quantisation.

For authors of the attributes pack: `python -m facedex_cli.evaluation.attribute_ranges KIND
PHOTOS...`, with the kind `age` or `gender`, writes the file that the pack's manifest names and
prints its hash for the manifest, and then how much the answers of the network in 8 bits differ in
photos that were not measured. Users of the pack do not need this module.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facedex.vision import alignment
from facedex.vision.packs import Pack, load
from facedex_cli.evaluation.ranges import measure, to_json
from facedex_cli.evaluation.sources import pictures
from facedex_models import converting, installing, manifests, quantising
from facedex_models.attributes.dlib_heads_to_onnx import SIDE
from facedex_models.fetching import fetch_member

KINDS = ("age", "gender")
# The five-point chip of dlib with a padding of 0.2, in 64 x 64 pixels: eyes, nose, corners
# of the mouth.
TEMPLATE = np.array(
    [[19.84, 20.98], [44.11, 20.43], [31.77, 33.05], [21.39, 43.2], [42.01, 43.34]], np.float32
)
_BATCH = 32
_FEWEST = 2  # of the photos, every second one is for the comparison


def chips(pack: Pack, sources: tuple[Path, ...]) -> NDArray[np.uint8]:
    """Return a chip (n, 64, 64, 3) of every face in the photos."""
    found = [np.empty((0, SIDE, SIDE, 3), np.uint8)]
    for picture, _ in pictures(sources):
        faces = [face.landmarks * picture.extent for face in pack.detect(picture)]
        landmarks = np.array(faces, np.float32).reshape(-1, 5, 2)
        found.append(alignment.align(picture.picture, landmarks, TEMPLATE, SIDE))
    return np.concatenate(found)


def answers(network: bytes, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what a network finds for each chip: the mean age, or the probability of male."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    probabilities = session.run(["probabilities"], {"chips": faces})[0]
    expected: NDArray[np.float64] = probabilities @ np.arange(probabilities.shape[1])
    return expected


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(kind: str, sources: tuple[Path, ...]) -> None:
    """Measure the activations of the network KIND on photos and write the file.

    SOURCES are photos, folders of photos, videos (.mp4), and archives (.zip), of which every 13th
    photo is used.
    """
    (part,) = (each for each in manifests.attributes().networks if each.kind == kind)
    assert part.ranges is not None
    network = converting.CONVERTERS[kind](fetch_member(part.source))
    faces = chips(load(installing.pull(), threads=2), sources)
    if len(faces) < _FEWEST:
        raise click.UsageError("There are fewer than two faces in these photos.")
    seen, unseen = faces[::2], faces[1::2]
    batches = [seen[start : start + _BATCH] for start in range(0, len(seen), _BATCH)]
    measured = measure(kind, network, batches)
    document = {"network": kind, "faces": len(seen), **measured._asdict()}
    content = to_json({name: value for name, value in document.items() if value}).encode()
    path = Path(manifests.__file__).parent / "packs" / part.ranges.file
    path.write_bytes(content)
    click.echo(f"{path}: sha256 {hashlib.sha256(content).hexdigest()}")
    exact = answers(network, unseen)
    change = abs(answers(quantising.quantise(network, *measured), unseen) - exact).mean()
    moved = abs(answers(network, np.roll(unseen, 1, axis=2)) - exact).mean()
    click.echo(
        f"{len(unseen)} other faces: {change:.4f} of change on average,"
        f" {moved:.4f} if the chip moves by a pixel"
    )


if __name__ == "__main__":
    main()
