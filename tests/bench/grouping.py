"""Grouping faces into people, compared with the bare products of all pairs of vectors.

The faces are synthetic: each person has twenty, with cosines like those of photos of one person.
With ``--command``, the command ``facedex people group`` is timed on a collection of such faces.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex.vision.grouping import group
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries.filling import add
from tests.bench.measuring import milliseconds, ratio, report, side_by_side
from tests.bench.serving import serving

_DIMENSION = 256
_PHOTOS = 20
_NOISE = 0.65  # two photos of a person have a cosine of about 0.7
_BAR = 0.45
_BLOCK = 4096
_BATCH = 10_000  # faces that are written at once


def people(count: int, dimension: int = _DIMENSION) -> NDArray[np.float32]:
    """Return (count, dimension) unit vectors, shuffled."""
    rng = np.random.default_rng(0)

    def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / lengths

    centres = unit(rng.normal(size=(-(-count // _PHOTOS), dimension)))
    faces = np.repeat(centres, _PHOTOS, axis=0)[:count]
    faces = unit(faces + unit(rng.normal(size=faces.shape)) * _NOISE)
    return rng.permutation(faces).astype(np.float32)


def main(count: int) -> None:
    vectors = people(count)
    groups = 0

    def ours() -> None:
        nonlocal groups
        groups = len(group(vectors, _BAR, together=[-1] * count))

    def bare() -> None:
        for row in range(0, count, _BLOCK):
            for column in range(row, count, _BLOCK):
                _ = vectors[row : row + _BLOCK] @ vectors[column : column + _BLOCK].T

    products, grouped = side_by_side([bare, ours], rounds=1, warm_up=0)
    report(
        f"{count:,} faces of {-(-count // _PHOTOS):,} people, {_DIMENSION} dimensions",
        f"products of all pairs {milliseconds(products)}",
        f"groups {milliseconds(grouped)}: {ratio(grouped, products):.2f} x; {groups:,} groups",
    )


def command(count: int) -> None:
    """Report how long ``facedex people group`` takes, with all that it reads from the database."""
    with serving() as product:
        product.client("rekognition").create_collection(CollectionId="many")
        vectors = people(count, manifest(DEFAULT).dimension)
        add(product.database_url, "many", iter(np.array_split(vectors, -(-count // _BATCH))))
        program = Path(sys.executable).with_name("facedex")
        begun = time.perf_counter()
        subprocess.run(
            [program, "people", "group", "many", f"--data-dir={product.server.directory}"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        taken = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report(
            f"facedex people group, {count:,} faces",
            f"{taken:.1f} s",
            f"CPU time {used.ru_utime + used.ru_stime:.1f} s",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--command", action="store_true")
    given = parser.parse_args()
    for chosen in given.faces:
        (command if given.command else main)(chosen)
