"""Groups of face vectors that look like one person.

Two steps. Pairs of faces whose inner product reaches a bar are joined into connected components,
block by block, so that no matrix of all pairs is ever in memory. A chain of similar faces can join
two people, so each component is then divided by average linkage: two clusters are one person only
if their faces resemble each other on average as much as the bar demands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows and columns of the products after which the pairs that were found are joined.
_BLOCK: Final = 4096
# Rows of them that are in memory at the same time: 16 MiB in single precision, near the caches.
_TILE: Final = 1024
# Products that are looked at together, as one number: few of them reach the bar.
_WORD: Final = 8
# Pairs that are joined one by one before it is looked up which others are joined by them.
_VISITED: Final = 50_000
# The most clusters that are joined at once: their matrix has 32 MiB in double precision.
_MOST: Final = 2000


def group(
    vectors: NDArray[np.float32],
    bar: float,
    *,
    together: Sequence[int],
    apart: Collection[tuple[int, int]] = (),
    on_progress: Callable[[float], None] = lambda _: None,
) -> list[list[int]]:
    """Return groups of faces that look like one person, each with at least two faces.

    Args:
        vectors: (n, d) unit vectors.
        bar: the inner product that two faces of one person reach on average.
        together: (n,) numbers of known people: faces with the same number are one person whatever
            they look like. A negative number stands for no known person.
        apart: pairs of faces, by their index, that are not one person whatever they look like.
        on_progress: receives the share of the work that is done, from 0 to 1.

    Returns:
        Indices of each group's faces in ascending order; the largest group first.
    """
    labels = _components(vectors, bar, _same_number(together), on_progress)
    parted: dict[int, set[int]] = defaultdict(set)
    for one, other in apart:
        parted[one].add(other)
        parted[other].add(one)
    found = []
    for members in _classes(labels):
        clusters = _divide(_start(vectors, members, together), bar, parted)
        found += [sorted(each.members) for each in clusters if len(each.members) > 1]
    on_progress(1.0)
    return sorted(found, key=lambda members: (-len(members), members))


def _same_number(numbers: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Yield pairs of indices that join equal numbers; negative ones are not joined."""
    first: dict[int, int] = {}
    for index, number in enumerate(numbers):
        if number >= 0 and first.setdefault(number, index) != index:
            yield first[number], index


def _components(
    vectors: NDArray[np.float32],
    bar: float,
    joined: Iterable[tuple[int, int]],
    on_progress: Callable[[float], None],
) -> NDArray[np.intp]:
    """Return (n,) labels of connected components: of pairs at the bar, and of joined pairs."""
    count = len(vectors)
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(one: int, other: int) -> None:
        one, other = root(one), root(other)
        if one != other:
            parents[max(one, other)] = min(one, other)

    for one, other in joined:
        join(one, other)
    starts = range(0, count, _BLOCK)
    blocks = [(row, column) for row in starts for column in starts if column >= row]
    labels = _roots(parents)
    for done, (row, column) in enumerate(blocks):
        pairs = _similar(vectors[row : row + _BLOCK], vectors[column : column + _BLOCK], bar)
        pairs += (row, column)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        while len(pairs):
            # Most pairs of a large component are joined by a few of them already.
            pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
            for one, other in pairs[:_VISITED].tolist():
                join(one, other)
            pairs = pairs[_VISITED:]
            labels = _roots(parents)
        on_progress((done + 1) / (len(blocks) + 1))
    return labels


def _similar(
    rows: NDArray[np.float32], columns: NDArray[np.float32], bar: float
) -> NDArray[np.intp]:
    """Return (m, 2) indices of a row and a column whose inner product reaches the bar."""
    # As many columns as fill whole words; those beyond reach no bar.
    width = -(-len(columns) // _WORD) * _WORD
    reached = np.zeros((min(_TILE, len(rows)), width), dtype=bool)
    found = []
    for start in range(0, len(rows), _TILE):
        tile = rows[start : start + _TILE]
        np.greater_equal(tile @ columns.T, bar, out=reached[: len(tile), : len(columns)])
        words = reached[: len(tile)].view(np.uint64)
        row, word = np.nonzero(words)
        which, place = np.nonzero(words[row, word].view(bool).reshape(-1, _WORD))
        found.append(np.stack([row[which] + start, word[which] * _WORD + place], axis=1))
    return np.concatenate(found)


def _roots(parents: list[int]) -> NDArray[np.intp]:
    """Return the root of each node of a forest."""
    labels = np.asarray(parents, dtype=np.intp)
    while True:
        above = labels[labels]
        if (above == labels).all():
            return labels
        labels = above


def _classes(labels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the indices of each label that occurs at least twice."""
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[order])) + 1
    return [members for members in np.split(order, edges) if len(members) > 1]


@dataclass(slots=True)
class _Cluster:
    """Faces that are taken for one person.

    Attributes:
        members: their indices.
        total: (d,) the sum of their vectors. The inner product of two sums, divided by the numbers
            of faces, is the average inner product of their pairs.
    """

    members: list[int]
    total: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of the vectors: (d,)."""
        return self.total / len(self.members)

    def add(self, other: _Cluster) -> None:
        """Take the faces of another cluster."""
        self.members += other.members
        self.total = self.total + other.total

    def excludes(self, other: _Cluster, parted: Mapping[int, set[int]]) -> bool:
        """Return whether a face of one and a face of the other are known to be two people."""
        return bool(parted) and any(
            not parted[each].isdisjoint(other.members) for each in self.members if each in parted
        )


def _start(
    vectors: NDArray[np.float32], members: NDArray[np.intp], together: Sequence[int]
) -> list[_Cluster]:
    """Return the clusters to begin with: each known person's faces, and each other face."""
    clusters: list[_Cluster] = []
    known: dict[int, _Cluster] = {}
    for index in members.tolist():
        cluster = _Cluster([index], vectors[index].astype(np.float64))
        number = together[index]
        if number >= 0 and known.setdefault(number, cluster) is not cluster:
            known[number].add(cluster)
        else:
            clusters.append(cluster)
    return clusters


def _divide(clusters: list[_Cluster], bar: float, parted: Mapping[int, set[int]]) -> list[_Cluster]:
    """Join clusters by average linkage.

    Of more clusters than fit into a matrix, some are joined first; each of the others is then added
    to the one that it resembles most, or waits for the next round.
    """
    found: list[_Cluster] = []
    while clusters:
        joined = _link(clusters[:_MOST], bar, parted)
        rest = []
        if len(clusters) > _MOST:
            means = np.stack([each.mean for each in joined])
            for cluster in clusters[_MOST:]:
                scores = means @ cluster.mean
                best = joined[int(scores.argmax())]
                if scores.max() >= bar and not best.excludes(cluster, parted):
                    best.add(cluster)
                else:
                    rest.append(cluster)
        found += joined
        clusters = rest
    return found


def _link(clusters: list[_Cluster], bar: float, parted: Mapping[int, set[int]]) -> list[_Cluster]:
    """Join clusters by average linkage, the most similar pair first, while the bar is reached."""
    means = np.stack([each.mean for each in clusters])
    scores = means @ means.T
    np.fill_diagonal(scores, -np.inf)
    for number, cluster in enumerate(clusters):
        if any(each in parted for each in cluster.members):
            for other, against in enumerate(clusters):
                if cluster.excludes(against, parted):
                    scores[number, other] = scores[other, number] = -np.inf
    best = scores.max(axis=1)
    gone = set()
    while True:
        one = int(best.argmax())
        if best[one] < bar:
            return [each for number, each in enumerate(clusters) if number not in gone]
        other = int(scores[one].argmax())
        # Rows whose best was one of the two are looked at again.
        was = (scores[one] == best) | (scores[other] == best)
        stale = np.flatnonzero(was & (best > -np.inf))
        size, added = len(clusters[one].members), len(clusters[other].members)
        row = (scores[one] * size + scores[other] * added) / (size + added)
        row[[one, other]] = -np.inf
        scores[one], scores[:, one] = row, row
        scores[other], scores[:, other] = -np.inf, -np.inf
        clusters[one].add(clusters[other])
        gone.add(other)
        best = np.maximum(best, row)
        for number in {one, other, *stale.tolist()}:
            best[number] = scores[number].max()
