from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facedex.vision import geometry

TEMPLATE = np.array(
    [(48.4, 50.9), (101.5, 49.7), (74.5, 77.3), (51.8, 99.5), (96.9, 99.8)], dtype=np.float32
)


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.2, 20),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_a_known_similarity_transform_is_recovered(
    angle: float, scale: float, x: float, y: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    known = np.column_stack([turn, [x, y]]).astype(np.float32)[None]
    moved = geometry.apply(known, TEMPLATE[None])
    found = geometry.similarity_transforms(TEMPLATE[None], moved[0])
    assert np.allclose(found, known, atol=2e-3 * max(1, scale))
    back = geometry.apply(geometry.invert(found), moved)
    assert np.allclose(back[0], TEMPLATE, atol=0.05)


def test_the_transform_is_the_least_squares_one() -> None:
    noise = np.random.default_rng(7)
    points = (TEMPLATE * 3 + noise.normal(0, 4, TEMPLATE.shape)).astype(np.float32)
    best = geometry.similarity_transforms(points[None], TEMPLATE)

    def error(transform: geometry.Floats) -> float:
        return float(((geometry.apply(transform, points[None])[0] - TEMPLATE) ** 2).sum())

    for step in (0.005, -0.005):
        rotated = best.copy()
        rotated[0, 0, 1] -= step
        rotated[0, 1, 0] += step
        assert error(rotated) > error(best)
        assert error(best * (1 + step)) > error(best)


def test_coinciding_landmarks_give_a_finite_transform() -> None:
    same = np.full((1, 5, 2), 9, dtype=np.float32)
    assert np.isfinite(geometry.similarity_transforms(same, TEMPLATE)).all()


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
