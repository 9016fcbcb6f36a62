"""Grouping of tracks by person, also across the borders of segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedex.media.people import Appearance, merge
from facedex.vision.faces import Box

SAME = 0.9
LEFT, RIGHT = Box(0.1, 0.2, 0.1, 0.2), Box(0.7, 0.2, 0.1, 0.2)


def vector(*values: float) -> NDArray[np.float32]:
    raw = np.array([*values, *[0.0] * (4 - len(values))], dtype=np.float32)
    return raw / np.float32(np.linalg.norm(raw))


ANNE, BERT = vector(1), vector(0, 1)
ALMOST_ANNE = vector(1, 0.3)


def seen(
    start: int,
    end: int,
    who: NDArray[np.float32],
    place: Box = LEFT,
    *,
    segment: int = 0,
    views: int = 3,
    clear: bool = True,
) -> Appearance:
    return Appearance(segment, start, end, place, place, who, views, clear)


def test_people_are_numbered_in_the_order_in_which_they_appear() -> None:
    tracks = [seen(9000, 9500, BERT), seen(0, 500, ANNE), seen(5000, 5500, ANNE)]
    assert merge(tracks, cosine=SAME) == [[1, 2], [0]]


def test_faces_seen_at_the_same_moment_are_different_people_however_alike() -> None:
    tracks = [seen(0, 1000, ANNE), seen(1000, 2000, ANNE, RIGHT), seen(5000, 6000, ANNE)]
    groups = merge(tracks, cosine=SAME)
    assert len(groups) == 2
    assert not any({0, 1} <= set(group) for group in groups)


def test_people_seen_together_are_never_merged_through_a_third_track() -> None:
    # 0 and 2 are closest; 1 was seen with 2 and must not join their group through 0.
    tracks = [
        seen(0, 1000, ANNE),
        seen(4000, 5000, ALMOST_ANNE, RIGHT),
        seen(4500, 5500, ANNE),
    ]
    assert merge(tracks, cosine=SAME) == [[0, 2], [1]]


def test_a_chain_of_likenesses_does_not_make_one_person() -> None:
    # Each resembles the next; the first and the last are different people.
    steps = [vector(np.cos(turn), np.sin(turn)) for turn in np.linspace(0, np.pi / 2, 7)]
    tracks = [seen(2000 * n, 2000 * n + 500, step) for n, step in enumerate(steps)]
    groups = merge(tracks, cosine=SAME)
    assert not any({0, 6} <= set(group) for group in groups)
    assert len(groups) >= 2


def test_a_track_that_continues_in_the_next_segment_is_one_person() -> None:
    # Elsewhere, these vectors would be too far apart.
    other_light = vector(1, 0.55)
    assert float(ANNE @ other_light) < SAME
    parts = [seen(0, 3000, ANNE), seen(3200, 6000, other_light, segment=1)]
    assert merge(parts, cosine=SAME) == [[0, 1]]
    apart = [seen(0, 3000, ANNE), seen(3200, 6000, other_light, RIGHT, segment=1)]
    assert merge(apart, cosine=SAME) == [[0], [1]]


def test_another_face_at_the_same_place_after_a_segment_border_is_another_person() -> None:
    parts = [seen(0, 3000, ANNE), seen(3200, 6000, BERT, segment=1)]
    assert merge(parts, cosine=SAME) == [[0], [1]]


def test_unclear_tracks_are_joined_only_across_segment_borders() -> None:
    tracks = [
        seen(0, 3000, ANNE, clear=False),
        seen(3200, 6000, ANNE, segment=1, clear=False),
        seen(9000, 9900, ANNE, segment=2, clear=False),
        seen(20_000, 21_000, ANNE, segment=3),
    ]
    assert merge(tracks, cosine=SAME) == [[0, 1], [2], [3]]


def test_the_order_in_which_tracks_come_does_not_matter() -> None:
    drawn = np.random.default_rng(5)
    centres = drawn.standard_normal((6, 4))
    tracks = [
        seen(700 * n, 700 * n + 600, vector(*(centres[n % 6] + drawn.normal(0, 0.05, 4))))
        for n in range(60)
    ]
    groups = merge(tracks, cosine=SAME)
    shuffled = drawn.permutation(60)
    again = merge([tracks[index] for index in shuffled], cosine=SAME)
    assert [sorted(int(shuffled[index]) for index in group) for group in again] == groups
    assert sorted(index for group in groups for index in group) == list(range(60))


def test_without_tracks_there_are_no_people() -> None:
    assert merge([], cosine=SAME) == []
