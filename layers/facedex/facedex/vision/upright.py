"""A second look at faces that may be turned.

A face whose landmarks are implausible, or so tilted that they are inexact, is cropped, turned and
searched again: first small and in quarter turns, which show that most such faces are upright, then
in all directions. The faces found there are mapped back to the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facedex.vision import detection, geometry, plausibility
from facedex.vision.alignment import View
from facedex.vision.detection import Detections, Floats
from facedex.vision.looks import (
    AROUND,
    ROUGHLY,
    Find,
    Look,
    look_around,
    look_by_quarters,
    look_exactly,
    turn,
    turn_box,
)

if TYPE_CHECKING:
    from PIL.Image import Image

# Log odds that a face's landmarks are right. The landmarks that CenterFace places on turned faces
# have -12 in the median; in photos, one in a hundred has more than -4. Of upright faces, nine in
# ten have more than 2; profiles have as little as -7.
SURE = 1.5  # landmarks that need no second look
QUICK = -2.0  # as SURE, where time matters: in videos and streams
BESIDE = -5.0  # as SURE, beside a face that is clearly upright
LEAST = -1.0  # minimum for a turned face, unless two views agree on its landmarks
FAINT = -3.0  # minimum in a tile of the whole picture for a closer look
VAGUE = -6.0  # minimum to keep the first landmarks if no other view is certain
NOISE = -8.0  # minimum to keep the first landmarks if no other view is better
CLEARLY = 2.0  # lead by which another view must be better
TWICE = 2.0  # bonus if a second view has the same landmarks
AHEAD = 8.0  # lead of the upright view over the quarter turns that ends the search

# Degrees of roll.
UPRIGHT = 20.0  # maximum of a face that is best seen as it is
TILT = 35.0  # maximum at which landmarks are as exact as those of an upright face
SIDEWAYS = 45.0  # minimum at which the whole picture is turned, too
NEARLY = 10.0  # maximum distance from a quarter turn of a camera held that way
LEANING = 12.0  # minimum of half of a crowd's heads if the picture is turned and not the heads
CROWD = 3  # faces

# The number of faces in a picture, largest first, that get a second look. A turned picture is also
# searched as a whole.
MANY = 16
FEW = 1  # where time matters

ALL_WAYS = tuple(View(turn=turn) for turn in range(0, 360, 45))
TILE = 96
WHOLE_WAYS = tuple(View(turn=turn) for turn in range(40, 360, 40))
WHOLE_TILE = 160
WHOLE_AROUND = 1.1  # longer sides of the picture in the side of a tile


def verify_landmarks(
    find: Find, picture: Image, found: Detections, *, thorough: bool = True
) -> tuple[Detections, NDArray[np.bool_]]:
    """Correct the landmarks of turned faces, and decide which landmarks can be trusted.

    Args:
        find: searches RGB pictures, those of at most 480 pixels a side without scaling them.
        picture: RGB.
        found: the faces that a first search found in it, largest first.
        thorough: whether more faces get a second look, and whether a picture in which no face can
            be trusted is searched in other directions, too.

    Returns:
        The faces, of which those that need no second look are unchanged, and for each (n,) whether
        its landmarks can be trusted.
    """
    trust, rolls = plausibility.judge(picture, found)
    # A face that surely is upright says that the camera was.
    beside = not thorough and bool(((trust >= SURE) & (abs(rolls) < UPRIGHT)).any())
    least = BESIDE if beside else SURE if thorough else QUICK
    doubtful = (trust < least) | (abs(rolls) > TILT)
    legible = ~doubtful | (trust > NOISE)
    looks = {}
    again = np.flatnonzero(doubtful)
    most = MANY if thorough else FEW
    for face in again[:most].tolist():
        look = Look(
            found.boxes[face],
            float(found.scores[face]),
            found.landmarks[face],
            float(trust[face]),
            view=-1,
        )
        better, legible[face] = _look_again(find, picture, look, beside=beside)
        if better is not look:
            looks[face] = better
            rolls[face] = better.roll
    extra: list[Look] = []
    if (roll := _common_roll(rolls[list(looks)], rolls[legible])) is not None:
        extra = list(_search_along(find, picture, roll))
    elif thorough and not legible.any():
        extra = list(_search_turned(find, picture))
    if not looks and not extra:
        return found, legible
    kept = np.array([face for face in range(len(legible)) if face not in looks], dtype=np.intp)
    settled = detection.join([found.select(kept), _gather([*looks.values(), *extra])])
    certain = [*legible[kept], *legible[list(looks)], *[True] * len(extra)]
    right = np.array(certain, dtype=bool)
    # Two boxes on one turned face have become one. A trusted one is the one to keep, of the first
    # looks and the exact ones if there is a choice; one that was doubted and not looked at again
    # comes after them.
    standing = settled.scores + 2 * right
    standing[len(right) - len(extra) :] -= 1
    standing[: len(kept)] -= 1.5 * np.isin(kept, again[most:])
    chosen = geometry.suppress(settled.boxes, standing, detection.OVERLAP)
    return settled.select(chosen), right[chosen]


def _gather(looks: Sequence[Look]) -> Detections:
    return Detections(
        boxes=np.array([look.box for look in looks], dtype=np.float32),
        scores=np.array([look.score for look in looks], dtype=np.float32),
        landmarks=np.array([look.landmarks for look in looks], dtype=np.float32),
    )


def _look_again(
    find: Find, picture: Image, look: Look, *, beside: bool = False
) -> tuple[Look, bool]:
    """Return the best view of a face, and whether its landmarks can be trusted.

    Args:
        find: searches RGB pictures.
        picture: the picture.
        look: the face as the first search found it.
        beside: whether another face is clearly upright. This one is then probably upright too, and
            gets no further look unless the quick one shows a turned face.
    """
    if look.trust >= SURE:
        exact = look_exactly(find, picture, look)
        if exact and exact.resembles(look):
            return exact, True
    elif abs(look.roll) < TILT:
        upright, turned = look_by_quarters(find, picture, look)
        if upright > turned + AHEAD or (beside and np.isneginf(turned)):
            return look, look.trust > NOISE
    seen = list(look_around(find, picture, look.box, ALL_WAYS, TILE, AROUND))
    if not seen:
        return look, look.trust > NOISE
    # The same wrong landmarks turn with the view; right ones stay on the face.
    same = [any(a is not b and a.resembles(b) for b in seen) for a in seen]
    place = max(range(len(seen)), key=lambda number: seen[number].worth + TWICE * same[number])
    best, twice = seen[place], same[place]
    if abs(best.roll) < UPRIGHT and abs(look.roll) < TILT:
        # A profile, or a face that is hard to see: no other view shows it better.
        return look, best.trust > NOISE
    # A second look at the same wrong landmarks must not outvote others that are as good alone.
    rivals = [
        other
        for other in seen
        if other.worth >= best.worth - CLEARLY and not other.resembles(best, ROUGHLY)
    ]
    best = _exact(find, picture, best)
    if rivals:
        rival = max(rivals, key=lambda other: other.worth)
        exact = _exact(find, picture, rival)
        if exact is not rival and exact.trust > best.trust:
            best, twice = exact, True  # two looks show these landmarks, too
    if not twice and best.trust < LEAST:
        return look, look.trust > VAGUE
    if look.trust < SURE and best.trust < look.trust + CLEARLY:
        return look, look.trust > VAGUE
    return best, True


def _exact(find: Find, picture: Image, look: Look) -> Look:
    """Return the upright view of a face, or the look itself if that view shows another face."""
    exact = look_exactly(find, picture, look)
    return exact if exact and exact.resembles(look, ROUGHLY) else look


def _search_turned(find: Find, picture: Image) -> Iterator[Look]:
    """Search the whole picture in turned views, and yield the upright views of certain faces."""
    columns, rows = picture.size
    side = max(rows, columns)
    middle = np.array([columns, rows, columns, rows], dtype=np.float32) / 2
    whole = (middle + np.array([-side, -side, side, side]) / 2).astype(np.float32)
    seen = list(look_around(find, picture, whole, WHOLE_WAYS, WHOLE_TILE, WHOLE_AROUND, near=1.0))
    taken: list[Look] = []
    for look in sorted(seen, key=lambda each: -each.worth):
        if look.trust < FAINT or any(_overlap(look, other) for other in taken):
            continue
        exact = look_exactly(find, picture, look)
        if not exact or not exact.resembles(look, ROUGHLY):
            continue
        twice = any(each is not look and each.resembles(exact, ROUGHLY) for each in seen)
        if twice or exact.trust >= LEAST:
            taken.append(exact)
            yield exact


def _search_along(find: Find, picture: Image, roll: float) -> Iterator[Look]:
    """Search the whole picture turned back by a roll, and yield certain faces.

    If one face is turned, others that the first search missed may be turned as well.
    """
    quarter = 90 * round(roll / 90)
    turned, back = turn(picture, quarter if abs(roll - quarter) < NEARLY else roll)
    found = find(turned)
    trust = plausibility.judge(turned, found).trust
    for face in range(len(trust)):
        look = Look(
            turn_box(back, found.boxes[face]),
            float(found.scores[face]),
            back.apply(found.landmarks[face]),
            float(trust[face]),
            view=-1,
        )
        exact = look_exactly(find, picture, look) if look.trust >= LEAST else None
        if exact and exact.trust >= LEAST and exact.resembles(look, ROUGHLY):
            yield exact


def _common_roll(turned: Floats, rolls: Floats) -> float | None:
    """Return the roll of a picture in which more turned faces may have been missed, or None.

    Args:
        turned: rolls of the faces whose upright view is better, degrees.
        rolls: rolls of all faces, degrees.
    """
    sideways = turned[abs(turned) > SIDEWAYS]
    if len(sideways):
        # The one that the others are closest to: angles have no mean.
        apart = abs((sideways - sideways[:, None] + 180) % 360 - 180).sum(axis=1)
        return float(sideways[apart.argmin()])
    middle = float(np.median(rolls)) if len(rolls) >= CROWD else 0.0
    return middle if abs(middle) > LEANING else None


def _overlap(one: Look, other: Look) -> bool:
    return bool(geometry.overlaps(one.box, other.box[None])[0] > detection.OVERLAP)
