from __future__ import annotations

import cmath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedex.vision import geometry
from facedex.vision.geometry import Similarity

TEMPLATE = np.array(
    [(48.4, 50.9), (101.5, 49.7), (74.5, 77.3), (51.8, 99.5), (96.9, 99.8)], dtype=np.float32
)
POINTS = geometry.complexes(TEMPLATE)


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.2, 20),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_known_similarity_transform_is_recovered(
    angle: float, scale: float, x: float, y: float
) -> None:
    known = Similarity(cmath.rect(scale, angle), complex(x, y))
    moved = [known.move(point) for point in POINTS]
    found = Similarity.fit(POINTS, moved)
    assert np.allclose(found, known)
    assert np.allclose([found.inverse.move(point) for point in moved], POINTS)
    assert np.allclose(geometry.complexes(known.apply(TEMPLATE)), moved, rtol=1e-5, atol=1e-3)
    turn, shift = known
    rows = np.reshape(known.coefficients, (2, 3))
    assert np.allclose(
        rows @ [3, 4, 1], [(turn * (3 + 4j) + shift).real, (turn * (3 + 4j) + shift).imag]
    )


def test_the_transform_is_the_least_squares_one() -> None:
    noise = np.random.default_rng(7)
    moved = TEMPLATE * 3 + noise.normal(0, 4, TEMPLATE.shape)
    points = geometry.complexes(moved.astype(np.float32))
    factor, shift = Similarity.fit(points, POINTS)

    def error(transform: Similarity) -> float:
        pairs = zip(points, POINTS, strict=True)
        return sum(abs(transform.move(one) - other) ** 2 for one, other in pairs)

    best = error(Similarity(factor, shift))
    for step in (0.005, -0.005, 0.005j, -0.005j):
        assert error(Similarity(factor * (1 + step), shift)) > best
        assert error(Similarity(factor, shift + 10 * step)) > best


@pytest.mark.parametrize(
    ("source", "target"),
    [([9 + 9j] * 5, POINTS), (POINTS, [9 + 9j] * 5), ([-1, 1, 0], [1, 1, -2])],
    ids=["one place", "onto one place", "no common direction"],
)
def test_points_that_determine_no_direction_are_only_translated(
    source: list[complex], target: list[complex]
) -> None:
    factor, shift = Similarity.fit(source, target)
    assert factor == 1
    assert sum(source) / len(source) + shift == pytest.approx(sum(target) / len(target))


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0, 0, 10, 10], dtype=np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], dtype=np.float32)
    assert np.allclose(geometry.overlaps(box, others), [1, 1 / 3, 0])


def test_suppression_keeps_the_best_of_each_heap() -> None:
    boxes = np.array(
        [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [51, 51, 61, 61]], dtype=np.float32
    )
    scores = np.array([0.5, 0.9, 0.8, 0.4], dtype=np.float32)
    assert geometry.suppress(boxes, scores, 0.3).tolist() == [1, 2]
    assert geometry.suppress(boxes[:0], scores[:0], 0.3).size == 0
