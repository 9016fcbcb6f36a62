"""Grouping faces into people, compared with the bare products of all pairs of vectors.

The faces are synthetic: each person has twenty, with cosines like those of photos of one person.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from facedex.vision.grouping import group
from tests.bench.measuring import milliseconds, ratio, report, side_by_side

_DIMENSION = 256
_PHOTOS = 20
_NOISE = 0.65  # two photos of a person have a cosine of about 0.7
_BAR = 0.45
_BLOCK = 4096


def people(count: int) -> NDArray[np.float32]:
    """Return (count, d) unit vectors, shuffled."""
    rng = np.random.default_rng(0)

    def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / lengths

    centres = unit(rng.normal(size=(-(-count // _PHOTOS), _DIMENSION)))
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000])
    for chosen in parser.parse_args().faces:
        main(chosen)
