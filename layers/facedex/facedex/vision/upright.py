"""Turned faces: looked at again with their heads up.

A face whose landmarks are implausible, or that is tilted so far that they are inexact, is cut out,
turned and searched again: first small and by quarters, which shows that most are upright, then in
all directions. What is found there is brought back to the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, detection, geometry, plausibility, pose
from facedex.vision.alignment import View
from facedex.vision.detection import Detections, Floats, Pixels

Find = Callable[[Pixels], Detections]

# Log odds that landmarks are right. Those that CenterFace puts on turned faces have -12 in the
# median and, in photos, none above -2; of upright faces nine in ten have above 2, profiles have
# down to -7.
SURE = 1.5  # of landmarks that need no second look
HASTY = -2.0  # the same where time matters
BESIDE = -5.0  # the same beside a face that surely is upright
LEAST = -1.0  # of a turned face's, unless two views show them in the same place
FAINT = -3.0  # in a tile of the whole picture, to be worth a closer look
VAGUE = -6.0  # of a first look's that are kept where another view is not certain either
NOISE = -8.0  # of a first look's that are kept where no other view shows the face better
CLEARLY = 2.0  # by which another view must be better
TWICE = 2.0  # that a second view with the same landmarks adds
AHEAD = 8.0  # by which an upright face is seen better than turned by quarters

# Degrees of roll.
UPRIGHT = 20.0  # that a face seen best as it stands has at most
TILT = 35.0  # up to which landmarks are as exact as those of an upright face
SIDEWAYS = 45.0  # beyond which the whole picture is turned, too
NEARLY = 10.0  # from a quarter: a camera held that way
LEANING = 12.0  # that half of a crowd's heads have where not the heads but the picture is turned
CROWD = 3  # faces

# Mean distance between the same landmarks in two looks, in sizes of the box.
ALIKE = 0.1
ROUGHLY = 0.25  # where the face is small in one of them

# How many faces of a picture are looked at again, the largest; a turned picture is searched as a
# whole besides.
MANY = 16
FEW = 1  # where time matters

# Side by side, so that one run of the network sees them all. Detectors search a picture of 480
# pixels as it is.
SMALL_TILE = 64  # of the look by quarters
ALL_WAYS = tuple(View(turn=turn) for turn in range(0, 360, 45))
TILE = 96
EXACT_TILE = 160  # of the last look, at the face with its head up
AROUND = 2.0  # sides of the face's box in the side of a tile
NEAR = 0.5  # halves of a tile's side from its middle, within which the face's own middle lies
WHOLE_WAYS = tuple(View(turn=turn) for turn in range(40, 360, 40))
WHOLE_TILE = 160
WHOLE_AROUND = 1.1  # longer sides of the picture in the side of a tile
WIDEST = 1920  # pixels of a turned picture: detectors search two thirds of that

# A square by its corners and its middle.
_SQUARE = np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]], dtype=np.float32)


class Look(NamedTuple):
    """A face as one look showed it, in the picture's coordinates."""

    box: Floats  # (4,) x1 y1 x2 y2
    score: float
    landmarks: Floats  # (5, 2)
    trust: float  # log odds that the landmarks are right
    view: int  # in which it was seen

    @property
    def worth(self) -> float:
        """Log odds that this look is the right one: half weight for the detector's own score."""
        return float(_worth(np.float32(self.trust), np.float32(self.score)))

    @property
    def size(self) -> float:
        """Side in pixels of a square as large as the box."""
        return float(np.sqrt(np.prod(self.box[2:] - self.box[:2])))

    @property
    def roll(self) -> float:
        """Angle in degrees, clockwise, by which the landmarks say the face is turned."""
        return float(plausibility.rolls(self.landmarks[None])[0])

    def resembles(self, other: Look, within: float = ALIKE) -> bool:
        """Return whether both have the landmarks in the same places."""
        return bool(_apart(self.landmarks, other.landmarks) < within * self.size)


def settle(
    find: Find, pixels: Pixels, found: Detections, *, thorough: bool = True
) -> tuple[Detections, NDArray[np.bool_]]:
    """Return the faces with their landmarks put right, and which landmarks can be trusted.

    Faces that need no second look stay as they are.

    find: searches RGB pixels of at most 480 a side as they are; found: the largest face first;
    thorough: more faces are looked at again, and a picture in which no face can be trusted is
    searched in other directions, too.
    """
    trust, rolls = plausibility.judge(pixels, found)
    # A face that surely is upright says that the camera was.
    beside = not thorough and bool(((trust >= SURE) & (abs(rolls) < UPRIGHT)).any())
    least = BESIDE if beside else SURE if thorough else HASTY
    doubtful = (trust < least) | (abs(rolls) > TILT)
    legible = ~doubtful | (trust > NOISE)
    looks = {}
    again = np.flatnonzero(doubtful)
    most = MANY if thorough else FEW
    unseen = set(again[most:].tolist())
    for face in again[:most].tolist():
        look = Look(
            found.boxes[face],
            float(found.scores[face]),
            found.landmarks[face],
            float(trust[face]),
            view=-1,
        )
        better, legible[face] = _look_again(find, pixels, look, beside=beside)
        if better is not look:
            looks[face] = better
            rolls[face] = better.roll
    extra: list[Look] = []
    if (roll := _common_roll(rolls[list(looks)], rolls[legible])) is not None:
        extra = list(_search_along(find, pixels, roll))
    elif thorough and not legible.any():
        extra = list(_search_turned(find, pixels))
    if not looks and not extra:
        return found, legible
    kept = [place for place in range(len(legible)) if place not in looks]
    seen = [*looks.values(), *extra]
    settled = detection.join([found.take(np.array(kept, dtype=np.intp)), _gather(seen)])
    certain = [*legible[kept], *legible[list(looks)], *[True] * len(extra)]
    right = np.array(certain, dtype=bool)
    # Two boxes on one turned face have become one. A trusted one is the one to keep, of the first
    # looks and the exact ones if there is a choice, and last one that was only doubted.
    place = np.arange(len(right))
    late = place >= len(right) - len(extra)
    doubted = np.zeros(len(right), dtype=bool)
    doubted[: len(kept)] = [face in unseen for face in kept]
    standing = settled.scores + 2 * right - late - 1.5 * doubted
    chosen = geometry.suppress(settled.boxes, standing, detection.OVERLAP)
    return settled.take(chosen), right[chosen]


def _gather(looks: Sequence[Look]) -> Detections:
    return Detections(
        boxes=np.array([look.box for look in looks], dtype=np.float32),
        scores=np.array([look.score for look in looks], dtype=np.float32),
        landmarks=np.array([look.landmarks for look in looks], dtype=np.float32),
    )


def _look_again(
    find: Find, pixels: Pixels, look: Look, *, beside: bool = False
) -> tuple[Look, bool]:
    """Return a face as it is seen with its head up, and whether its landmarks can be trusted.

    beside: it is unlikely to be turned, so what no quick look shows is not looked at further.
    """
    if look.trust >= SURE:
        exact = _look_exactly(find, pixels, look)
        if exact and exact.resembles(look):
            return exact, True
    elif abs(look.roll) < TILT:
        upright, turned = _look_by_quarters(find, pixels, look)
        if upright > turned + AHEAD or (beside and np.isneginf(turned)):
            return look, look.trust > NOISE
    seen = list(_look(find, pixels, look.box, ALL_WAYS, TILE, AROUND))
    if not seen:
        return look, look.trust > NOISE
    # The same wrong landmarks turn with the view; right ones stay on the face.
    same = [any(a is not b and a.resembles(b) for b in seen) for a in seen]
    place = max(range(len(seen)), key=lambda number: seen[number].worth + TWICE * same[number])
    best, twice = seen[place], same[place]
    if abs(best.roll) < UPRIGHT and abs(look.roll) < TILT:
        # A profile, or hardly to be seen: no better looked at in any other way.
        return look, best.trust > NOISE
    exact = _look_exactly(find, pixels, best)
    if exact and exact.resembles(best, ROUGHLY):
        best = exact
    if not twice and best.trust < LEAST:
        return look, look.trust > VAGUE
    if look.trust < SURE and best.trust < look.trust + CLEARLY:
        return look, look.trust > VAGUE
    return best, True


def _look_by_quarters(find: Find, pixels: Pixels, look: Look) -> tuple[float, float]:
    """Return the worth of a face as it stands, and at most when turned by quarters.

    It is that of small views, and minus infinity where they show no face.
    """
    corner, side = _surroundings(look.box, AROUND)
    square = (corner + _SQUARE * side)[None].astype(np.float32)
    tile = alignment.align(pixels, square, _SQUARE * SMALL_TILE, SMALL_TILE)[0]
    canvas = np.concatenate([np.rot90(tile, quarters) for quarters in range(4)], axis=1)
    found = find(canvas)
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    views = centres[:, 0] // SMALL_TILE
    centres[:, 0] -= views * SMALL_TILE
    near = (abs(centres - SMALL_TILE / 2) < NEAR * SMALL_TILE / 2).all(axis=1)
    found, views = found.take(near), views[near]
    worth = _worth(plausibility.judge(canvas, found).trust, found.scores)
    places = corner + found.landmarks * (side / SMALL_TILE)
    same = (views == 0) & (_apart(places, look.landmarks) < ROUGHLY * look.size)
    upright, turned = (worth[which].max(initial=-np.inf) for which in (same, views != 0))
    return float(upright), float(turned)


def _look_exactly(find: Find, pixels: Pixels, look: Look) -> Look | None:
    """Return a face as it is seen when it is turned by the roll of its landmarks, if it is."""
    seen = _look(find, pixels, look.box, (View(turn=-look.roll),), EXACT_TILE, AROUND)
    return max(seen, key=lambda each: each.worth, default=None)


def _search_turned(find: Find, pixels: Pixels) -> Iterator[Look]:
    """Search the whole picture turned; give what is surely a face, as it is with its head up."""
    rows, columns = pixels.shape[:2]
    side = max(rows, columns)
    middle = np.array([columns, rows, columns, rows], dtype=np.float32) / 2
    whole = (middle + np.array([-side, -side, side, side]) / 2).astype(np.float32)
    seen = list(_look(find, pixels, whole, WHOLE_WAYS, WHOLE_TILE, WHOLE_AROUND, near=1.0))
    taken: list[Look] = []
    for look in sorted(seen, key=lambda each: -each.worth):
        if look.trust < FAINT or any(_overlap(look, other) for other in taken):
            continue
        exact = _look_exactly(find, pixels, look)
        if not exact or not exact.resembles(look, ROUGHLY):
            continue
        twice = any(each is not look and each.resembles(exact, ROUGHLY) for each in seen)
        if twice or exact.trust >= LEAST:
            taken.append(exact)
            yield exact


def _search_along(find: Find, pixels: Pixels, roll: float) -> Iterator[Look]:
    """Search the whole picture with faces of that roll upright; give what is surely a face.

    Where one face is turned, others are that were not found.
    """
    quarter = 90 * round(roll / 90)
    picture, back = _turn(pixels, quarter if abs(roll - quarter) < NEARLY else roll)
    found = find(picture)
    trust = plausibility.judge(picture, found).trust
    for face in range(len(trust)):
        look = Look(
            _turn_box(back, found.boxes[face].reshape(1, 2, 2)),
            float(found.scores[face]),
            geometry.apply(back, found.landmarks[face][None])[0],
            float(trust[face]),
            view=-1,
        )
        exact = _look_exactly(find, pixels, look) if look.trust >= LEAST else None
        if exact and exact.trust >= LEAST and exact.resembles(look, ROUGHLY):
            yield exact


def _common_roll(turned: Floats, rolls: Floats) -> float | None:
    """Return by how much a picture's faces are turned if others may have been missed for it.

    turned: the rolls of faces that were seen better with their heads up; rolls: of all.
    """
    sideways = turned[abs(turned) > SIDEWAYS]
    if len(sideways):
        # The one that the others are closest to: angles have no mean.
        apart = abs((sideways - sideways[:, None] + 180) % 360 - 180).sum(axis=1)
        return float(sideways[apart.argmin()])
    middle = float(np.median(rolls)) if len(rolls) >= CROWD else 0.0
    return middle if abs(middle) > LEANING else None


def _turn(pixels: Pixels, roll: float) -> tuple[Pixels, Floats]:
    """Return the picture turned back by a roll, and the transform (1, 2, 3) to the one given."""
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    extent = np.array(pixels.shape[1::-1])
    # A face's pixels are as large as before, of a picture as large as detectors search any.
    size = abs(turn) @ extent
    scale = max(1.0, size.max() / WIDEST)
    width, height = (int(side) for side in np.ceil(size / scale - 1e-6))
    picture = pillow.fromarray(pixels)
    reduced = picture.reduce(int(scale))
    turn *= scale
    back = np.column_stack([turn, extent / 2 - turn @ [width / 2, height / 2]])
    factors = np.array(reduced.size) / extent
    sampled = reduced.transform(
        (width, height),
        pillow.Transform.AFFINE,
        tuple((back * factors[:, None]).ravel().tolist()),
        resample=pillow.Resampling.BILINEAR,
    )
    return np.asarray(sampled), back[None].astype(np.float32)


def _overlap(one: Look, other: Look) -> bool:
    return bool(geometry.overlaps(one.box, other.box[None])[0] > detection.OVERLAP)


def _look(
    find: Find,
    pixels: Pixels,
    box: Floats,
    views: Sequence[View],
    tile: int,
    around: float,
    *,
    near: float = NEAR,
) -> Iterator[Look]:
    """Search the surroundings of a box in several views, `tile` pixels a side, and give the faces.

    near: how far from the box's middle a face may lie, in halves of a tile.
    """
    corner, side = _surroundings(box, around)
    square = (corner + _SQUARE * side)[None].astype(np.float32)
    template = _SQUARE * tile
    tiles = alignment.cut(pixels, square, template, tile, views)[0]
    high = -(-len(views) // (detection.WHOLE_SIDE // tile))
    wide = -(-len(views) // high)
    places = np.array([divmod(view, wide)[::-1] for view in range(len(views))]) * tile
    canvas = np.zeros((int(places[-1, 1]) + tile, wide * tile, 3), dtype=np.uint8)
    for (x, y), part in zip(places.tolist(), tiles, strict=True):
        canvas[y : y + tile, x : x + tile] = part
    found = find(canvas)
    trust = plausibility.judge(canvas, found).trust
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    for number, (view, place) in enumerate(zip(views, places, strict=True)):
        back = geometry.invert(
            geometry.similarity_transforms(square, alignment.change(template, tile, view))
        )
        distance = abs(centres - place - tile / 2).max(axis=1, initial=0)
        for face in np.flatnonzero(distance < near * tile / 2).tolist():
            corners = found.boxes[face].reshape(1, 2, 2) - place
            yield Look(
                _turn_box(back, corners),
                float(found.scores[face]),
                geometry.apply(back, found.landmarks[face][None] - place)[0],
                float(trust[face]),
                number,
            )


def _surroundings(box: Floats, around: float) -> tuple[Floats, float]:
    """Return the upper left corner (2,) and the side of the square about a box."""
    side = around * float((box[2:] - box[:2]).max())
    return (box[:2] + box[2:] - side) / 2, side


def _worth(trust: Floats | np.float32, scores: Floats | np.float32) -> Floats:
    chances = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(trust + 0.5 * np.log(chances / (1 - chances)))


def _apart(landmarks: Floats, others: Floats) -> Floats:
    """Return the mean distance in pixels between landmarks (n, 5, 2) or (5, 2) and others."""
    return np.asarray(np.linalg.norm(landmarks - others, axis=-1).mean(axis=-1))


def _turn_box(transform: Floats, corners: Floats) -> Floats:
    """Return the box (4,) around the ellipse in a box, moved by a similarity transform.

    The corners of a turned box lie outside the face.
    """
    middle = geometry.apply(transform, corners.mean(axis=1, keepdims=True))[0, 0]
    half = abs(transform[0, :, :2]) ** 2 @ ((corners[0, 1] - corners[0, 0]) / 2) ** 2
    return np.concatenate([middle - np.sqrt(half), middle + np.sqrt(half)])

