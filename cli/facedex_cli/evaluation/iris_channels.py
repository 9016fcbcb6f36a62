"""Measurement of how the iris network's channels follow from each other in photos.

For authors of the attributes pack: `python -m facedex_cli.evaluation.iris_channels PHOTOS...`
writes the tables that the pack's manifest names and prints their hash for the manifest, and then
how far the points of the thinned network are from those of the whole one. Users of the pack do not
need this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from facedex.vision.attributes import crops, networks
from facedex.vision.attributes.crops import CHIP
from facedex.vision.attributes.eyes import cut_eyes
from facedex.vision.packs import Pack, load
from facedex_cli.evaluation.sources import pictures
from facedex_models import installing, manifests
from facedex_models.attributes import tflite_to_onnx, thinning
from facedex_models.attributes.thinning import Table, Tables
from facedex_models.fetching import fetch_member

Pixels = NDArray[np.uint8]
Doubles = NDArray[np.float64]

# Channels that remain in each stage, by its first tensor: the first two sizes of the network, and
# the narrow layers of the second one. The widths are multiples of 16, the block of ONNX Runtime's
# layout. Removing as many elsewhere moves the points too far.
WIDTHS: Final = {3: 48, 73: 96, 64: 32, 81: 32, 95: 48, 109: 48, 123: 48}
# The middle of the chip, with the eye, counts this many times: a pupil is a small part of the
# pixels, but it decides the points. The part is in sixteenths of the chip.
_COUNT: Final = 30.0
_MIDDLE: Final = (slice(5, 11), slice(4, 12))
_PARTS: Final = 16
_DAMPING: Final = 1e-6  # of the covariance's trace, added to its diagonal
_BATCH: Final = 32


class Spread:
    """Mean and covariance of the channels of a tensor, over the pixels of many pictures."""

    def __init__(self) -> None:
        self._count: float = 0
        self._sum: Any = 0
        self._products: Any = 0

    def add(self, values: NDArray[np.float32]) -> None:
        """Add values (n, channels, rows, columns)."""
        side = values.shape[2]
        counts = np.ones((side, side))
        rows, columns = (
            slice(part.start * side // _PARTS, part.stop * side // _PARTS) for part in _MIDDLE
        )
        counts[rows, columns] = _COUNT
        pixels = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1]).astype(np.float64)
        each = np.broadcast_to(counts, (len(values), side, side)).reshape(-1)
        self._count += each.sum()
        self._sum = self._sum + each @ pixels
        self._products = self._products + (pixels * each[:, None]).T @ pixels

    @property
    def mean(self) -> Doubles:
        """(n,) the mean of each channel."""
        return np.asarray(self._sum / self._count)

    @property
    def covariance(self) -> Doubles:
        """(n, n) the covariance, with a little added to each variance."""
        spread = self._products / self._count - np.outer(self.mean, self.mean)
        return np.asarray(spread + _DAMPING * spread.trace() / len(spread) * np.eye(len(spread)))


def chips(pack: Pack, attributes: networks.AttributePack, sources: tuple[Path, ...]) -> Pixels:
    """Return the iris network's inputs (n, 64, 64, 3) for every eye in the photos."""
    found = []
    for picture, _ in pictures(sources):
        for face in pack.detect(picture):
            chip = crops.face_frame(face.landmarks * picture.extent).cut(picture.picture, CHIP)
            (points,) = attributes.mesh.run(np.asarray(chip)[None])
            found += cut_eyes([chip], points[..., 0] + 1j * points[..., 1])[1]
    return np.concatenate(found)


def measure(published: bytes, eyes: Pixels) -> Tables:
    """Return the tables for the iris network.

    Args:
        published: the network's file.
        eyes: (n, 64, 64, 3) inputs of the network.
    """
    model, network, names = tflite_to_onnx.expose_iris(published)
    stages, readers = thinning.stages(model), thinning.readers(model)
    wanted = [tensor for tensor in readers if stages[tensor] in WIDTHS]
    spreads = _spreads(network, {tensor: names[tensor] for tensor in wanted}, eyes)
    tables = {}
    for first, width in WIDTHS.items():
        members = [tensor for tensor in wanted if stages[tensor] == first]
        read = [
            (rows, spreads[tensor].covariance) for tensor in members for rows in readers[tensor]
        ]
        kept = choose(read, width)
        tables.update({tensor: follow(spreads[tensor], kept) for tensor in members})
    return tables


def choose(read: Sequence[tuple[Doubles, Doubles]], width: int) -> NDArray[np.intp]:
    """Return the channels that remain: those without which most of what is read is lost.

    Channels are removed one by one. The loss is that of Optimal Brain Surgeon (Hassibi and Stork,
    1992): the squared weights over the diagonal of the inverse covariance, as a share of all that
    is read, and its sum over the readers.

    Args:
        read: for each convolution, its weights (out, n) and the covariance (n, n) of its input.
        width: how many remain.
    """
    state = [
        (rows, np.asarray(np.linalg.inv(spread), np.float64), _power(rows, spread))
        for rows, spread in read
    ]
    kept = np.arange(state[0][0].shape[1])
    while len(kept) > width:
        losses = sum(
            (rows**2).sum(axis=0) / np.diag(inverse) / power for rows, inverse, power in state
        )
        worst = int(np.argmin(losses))
        rest = np.delete(np.arange(len(kept)), worst)
        state = [(*_without(rows, inverse, worst, rest), power) for rows, inverse, power in state]
        kept = kept[rest]
    return kept


def _without(
    rows: Doubles, inverse: Doubles, channel: int, rest: NDArray[np.intp]
) -> tuple[Doubles, Doubles]:
    """Return weights and inverse covariance after a channel's share has gone to the others."""
    factors = inverse[channel] / inverse[channel, channel]
    changed = rows - np.outer(rows[:, channel], factors)
    reduced = inverse - np.outer(inverse[:, channel], factors)
    return changed[:, rest], reduced[np.ix_(rest, rest)]


def _power(rows: Doubles, spread: Doubles) -> float:
    return float(np.trace(rows @ spread @ rows.T))


def follow(spread: Spread, kept: NDArray[np.intp]) -> Table:
    """Return how the other channels follow from those that are kept, by least squares."""
    mean, covariance = spread.mean, spread.covariance
    removed = np.setdiff1d(np.arange(len(mean)), kept)
    shares = np.linalg.solve(covariance[np.ix_(kept, kept)], covariance[np.ix_(kept, removed)])
    factors = np.asarray(shares.T, np.float64)
    return Table(kept, factors, mean[removed] - factors @ mean[kept])


def _spreads(network: bytes, names: Mapping[int, str], eyes: Pixels) -> dict[int, Spread]:
    watched = onnx.load_model_from_string(network)
    for name in names.values():
        watched.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    spreads = {tensor: Spread() for tensor in names}
    for start in range(0, len(eyes), _BATCH):
        seen = session.run([*names.values()], {"chips": eyes[start : start + _BATCH]})
        for spread, values in zip(spreads.values(), seen, strict=True):
            spread.add(values)
    return spreads


def points(network: bytes, eyes: Pixels) -> NDArray[np.float32]:
    """Return the lids' points and the middle of the iris (n, 17, 2) of each eye, in pixels."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return np.concatenate(session.run(None, {"chips": eyes}), axis=1)


def distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean distance between the points of the lids, and between the pupils."""
    apart = np.linalg.norm(one - other, axis=2)
    return float(apart[:, :-1].mean()), float(apart[:, -1].mean())


@click.command()
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(sources: tuple[Path, ...]) -> None:
    """Measure the channels of the iris network on photos and write the tables.

    SOURCES are photos, folders of photos, videos (.mp4), and archives (.zip), of which every 13th
    photo is used. Large, sharp faces must be among them.
    """
    (part,) = (each for each in manifests.attributes().networks if each.kind == "iris")
    assert part.ranges is not None
    attributes = networks.load(installing.pull("attributes"), threads=2)
    assert attributes is not None
    eyes = chips(load(installing.pull(), threads=2), attributes, sources)
    published = fetch_member(part.source)
    tables = measure(published, eyes)
    content = thinning.write(tables)
    path = Path(manifests.__file__).parent / "packs" / part.ranges.file
    path.write_bytes(content)
    click.echo(f"{path}: sha256 {hashlib.sha256(content).hexdigest()}, {len(content):,} bytes")
    whole = tflite_to_onnx.convert_iris(published)
    exact, moved = points(whole, eyes), points(whole, np.roll(eyes, 1, axis=2))
    thinned = points(tflite_to_onnx.thin_iris(published, content), eyes)
    for name, found in (("thinned", thinned), ("moved by a pixel", moved - [1, 0])):
        lids, pupils = distances(found.astype(np.float32), exact)
        click.echo(f"{len(eyes)} eyes, {name}: lids {lids:.3f} pixels, pupils {pupils:.3f}")


if __name__ == "__main__":
    main()
