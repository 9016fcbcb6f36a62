"""Faces are grouped into people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facedex.vision import grouping
from facedex.vision.grouping import group

Vectors = NDArray[np.float32]


def unit(vectors: Any) -> Vectors:
    rows: Vectors = np.asarray(vectors, dtype=np.float32)
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def people(count: int, photos: int, *, seed: int = 0) -> Vectors:
    """Return vectors of people in their order; two photos of one have a cosine of about 0.7."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(unit(rng.normal(size=(count, 128))), photos, axis=0)
    return unit(centres + unit(rng.normal(size=centres.shape)) * 0.65)


def alone(count: int) -> list[int]:
    return [-1] * count


def as_sets(groups: Iterable[Iterable[int]]) -> set[frozenset[int]]:
    return {frozenset(members) for members in groups}


def test_each_person_is_a_group_and_strangers_are_in_none() -> None:
    vectors = np.concatenate([people(20, 5), people(30, 1, seed=1)])
    shuffled = np.random.default_rng(2).permutation(len(vectors))
    groups = group(vectors[shuffled], 0.4, together=alone(len(vectors)))
    assert as_sets(shuffled[members].tolist() for members in groups) == {
        frozenset(range(first, first + 5)) for first in range(0, 100, 5)
    }


def test_a_chain_of_similar_faces_does_not_join_two_people() -> None:
    # Each resembles the next by 0.77, and the first and the last resemble each other by -0.97.
    angles = np.arange(6) * 0.69
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert as_sets(group(vectors, 0.7, together=alone(6))) == {
        frozenset({0, 1}),
        frozenset({2, 3}),
        frozenset({4, 5}),
    }


def test_faces_of_a_user_stay_together_and_attract_their_like() -> None:
    vectors = people(2, 3)
    groups = group(vectors, 0.4, together=[7, -1, -1, 7, -1, -1])
    # The user's faces are of two people, which resemble each other too little on average.
    assert {0, 3} <= set(groups[0])


@pytest.mark.parametrize("most", [2000, 3])
def test_faces_that_are_known_to_be_two_people_are_never_in_one_group(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "_MOST", most)
    vectors = people(1, 8)
    for members in group(vectors, 0.4, together=alone(8), apart=[(0, 5), (5, 2)]):
        assert not {0, 5} <= set(members)
        assert not {2, 5} <= set(members)


def test_more_faces_than_a_matrix_holds_are_grouped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = people(3, 40)
    whole = as_sets(group(vectors, 0.3, together=alone(120)))
    assert len(whole) == 3
    monkeypatch.setattr(grouping, "_MOST", 10)
    monkeypatch.setattr(grouping, "_BLOCK", 32)
    monkeypatch.setattr(grouping, "_VISITED", 50)
    assert as_sets(group(vectors, 0.3, together=alone(120))) == whole


def test_the_groups_of_a_component_are_those_of_average_linkage() -> None:
    rng = np.random.default_rng(3)
    for seed in range(20):
        vectors = people(4, 6, seed=seed)
        bar = float(rng.uniform(0.1, 0.6))
        assert as_sets(group(vectors, bar, together=alone(24))) == _by_hand(vectors, bar)


def _by_hand(vectors: Vectors, bar: float) -> set[frozenset[int]]:
    """Join the two most similar clusters, again and again, by the mean of all pairs of faces."""
    clusters = [[number] for number in range(len(vectors))]
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    while True:
        pairs = [
            (products[np.ix_(one, other)].mean(), first, second)
            for first, one in enumerate(clusters)
            for second, other in enumerate(clusters)
            if first < second
        ]
        score, first, second = max(pairs)
        if score < bar:
            return {frozenset(each) for each in clusters if len(each) > 1}
        clusters[first] += clusters.pop(second)


def test_progress_rises_to_the_end() -> None:
    seen: list[float] = []
    group(people(2, 3), 0.4, together=alone(6), on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_collection_without_faces_has_no_groups() -> None:
    assert group(np.empty((0, 128), np.float32), 0.4, together=[]) == []
