"""The candidates of a gallery in memory contain every best vector, on any gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facedex.gallery.coding import NORM, Coder, Codes
from facedex.gallery.questions import OFFSET
from facedex.gallery.resident import Candidates, Resident, memory_of
from facedex.gallery.scanning import SEGMENT, Ids

Vectors = NDArray[np.float32]
MOST = 10**6


def ids_of(count: int, start: int = 1) -> Ids:
    numbers = np.random.default_rng(start).permutation(count).astype(np.uint64)
    return np.stack([numbers * 7919 + np.uint64(1), np.arange(count, dtype=np.uint64)], axis=1)


def halves(vectors: NDArray[Any]) -> Vectors:
    """Return vectors as Postgres stores them."""
    return vectors.astype(np.float16).astype(np.float32)


def unit(vectors: NDArray[Any]) -> Vectors:
    return halves(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def gallery(kind: str, count: int, dimension: int, seed: int) -> Vectors:
    """Return a gallery that is easy or made to defeat the code."""
    drawn = np.random.default_rng(seed)
    noise = drawn.standard_normal((count, dimension))
    if kind == "random":
        return unit(noise)
    if kind == "one face":
        return unit(np.ones((count, dimension)) + 0 * noise)
    if kind == "duplicates":
        return unit(noise[drawn.integers(0, max(1, count // 10), count)])
    if kind == "clusters":
        centres = drawn.standard_normal((max(1, count // 20), dimension))
        return unit(centres[drawn.integers(0, len(centres), count)] + 1e-3 * noise)
    if kind == "tiny differences":
        return unit(np.ones(dimension) + 1e-6 * noise)
    if kind == "one axis":
        return unit(np.eye(dimension)[drawn.integers(0, dimension, count)])
    if kind == "opposites":
        return unit(noise[:1] * drawn.choice([-1, 1], (count, 1)))
    if kind == "outliers":
        vectors = np.ones((count, dimension)) + 0.01 * noise
        vectors[:: max(2, count // 5)] = noise[:: max(2, count // 5)]
        return unit(vectors)
    if kind == "not unit":
        return halves(noise * drawn.choice([0, 1e-7, 0.1, 3], (count, 1)))
    raise AssertionError(kind)


KINDS = (
    "random",
    "one face",
    "duplicates",
    "clusters",
    "tiny differences",
    "one axis",
    "opposites",
    "outliers",
    "not unit",
)


def check(vectors: Vectors, ids: Ids, probe: Vectors, limit: int, low: float, found: Any) -> None:
    """Check candidates against scores in double precision, and in single in any order."""
    assert isinstance(found, Candidates)
    candidates = {tuple(each) for each in found.ids.tolist()}
    doubles = vectors.astype(np.float64) @ halves(probe).astype(np.float64)
    singles = vectors[:, ::-1] @ halves(probe)[::-1]
    numbers = {tuple(each): number for number, each in enumerate(ids.tolist())}
    chosen = [numbers[tuple(each)] for each in found.ids.tolist()]
    assert (np.diff(found.bounds) <= 0).all()
    outside = np.array([tuple(each) not in candidates for each in ids.tolist()], bool)
    for scores in (doubles, singles.astype(np.float64)):
        assert (scores[chosen] <= found.bounds).all()
        assert not outside.any() or scores[outside].max() < found.floor
        good = np.sort(scores[scores >= low])[::-1][:limit]
        # As many vectors as wanted reach the floor, or all above the minimum are candidates.
        assert found.floor <= low or (len(good) == limit and good[-1] >= found.floor)


@settings(max_examples=80)
@given(
    kind=st.sampled_from(KINDS),
    fitted=st.sampled_from(KINDS),
    count=st.integers(1, 400),
    dimension=st.sampled_from([1, 2, 5, 16, 64, 128, 129, 140, 257]),
    limit=st.sampled_from([1, 2, 10, 300]),
    low=st.sampled_from([-2.0, 0.0, 0.5, 0.9, 0.99999]),
    near=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_no_vector_outside_the_candidates_is_among_the_best(
    kind: str,
    fitted: str,
    count: int,
    dimension: int,
    limit: int,
    low: float,
    near: bool,
    seed: int,
) -> None:
    """The code may even be fitted to a gallery of another kind."""
    vectors, ids = gallery(kind, count, dimension, seed), ids_of(count)
    sample = vectors if kind == fitted else gallery(fitted, count, dimension, seed + 1)
    probe = vectors[0] if near else gallery("random", 1, dimension, seed + 2)[0]
    resident = Resident(sample, count)
    resident.load(ids[: count // 2], vectors[: count // 2])
    resident.add(ids[count // 2 :], vectors[count // 2 :])
    (found,) = resident.search([probe], limit=limit, min_score=low, most=MOST)
    if resident.usable:
        check(vectors, ids, probe, limit, low, found)
    else:
        assert found is None


def decoded(coder: Coder, codes: Codes) -> Vectors:
    """Return the vectors that the codes stand for."""
    heads, tails = (each.astype(np.float32) - OFFSET for each in (codes.heads, codes.tails))
    axes = coder.dimension - coder.tail
    first = heads[:, 0] + heads[:, 1] + heads[:, 2] / 250
    z = np.concatenate([first[:, None], heads[:, 4 : 3 + axes], tails], axis=1)
    vectors: Vectors = coder._mean + (z * coder._scales) @ coder._basis.T
    return vectors


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    dimension=st.sampled_from([2, 16, 128, 129, 140, 257]),
    share=st.floats(0, 1),
    sign=st.sampled_from([-1, 1]),
    seed=st.integers(0, 2**16),
    scanned=st.booleans(),
)
def test_bounds_hold_for_probes_in_the_direction_of_the_error(
    kind: str, dimension: int, share: float, sign: int, seed: int, scanned: bool
) -> None:
    vectors = gallery(kind, 200, dimension, seed)
    coder = Coder(vectors, scanned=scanned)
    codes = coder.encode(vectors)
    assert not codes.outliers.any()
    none = np.zeros(200, np.int64)
    error = vectors - decoded(coder, codes)
    heads, tails = (each.astype(np.float64) - OFFSET for each in (codes.heads, codes.tails))
    # The error of the whole code, of the head alone, and a probe like a face with some of it.
    tail = vectors - coder._mean
    inner = coder._basis[:, : dimension - coder.tail]
    tail -= tail @ inner @ inner.T
    for direction in (*error[:5], *tail[:5]):
        length = np.linalg.norm(direction)
        probe = share * vectors[-1] + sign * (1 - share) * direction / max(float(length), 1e-9)
        probe = halves(probe)
        asked = coder.questions(probe[None])
        scores = vectors.astype(np.float64) @ probe.astype(np.float64)
        bounds = asked.offset + asked.step * (heads @ asked.heads)[:, 0]
        assert (bounds >= scores).all()
        known = asked.products_of_tails(none, codes.tails)
        closer = asked.closer_bounds(none, bounds, codes.heads[:, NORM], known)
        assert (closer >= scores).all()
        norms = asked.heads[NORM] * heads[:, NORM]
        product = heads @ asked.heads[:, 0] - norms + tails @ asked.whole_tails[:, 0]
        assert (asked.whole_offset + asked.step * product >= scores).all()
        estimates = asked.estimates(none, codes.heads, known)
        assert (np.abs(estimates - scores) <= asked.error).all()


@settings(max_examples=25)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**16), keep=st.floats(0, 1))
def test_removed_vectors_are_no_candidates(kind: str, seed: int, keep: float) -> None:
    vectors, ids = gallery(kind, 300, 128, seed), ids_of(300)
    resident = Resident(vectors, 300)
    resident.load(ids[:200], vectors[:200])
    resident.add(ids[200:], vectors[200:])
    kept = np.random.default_rng(seed).random(300) < keep
    resident.remove(ids[~kept])
    resident.remove(ids[~kept])  # a second time, as after an interrupted refresh
    assert resident.size == kept.sum()
    (found,) = resident.search([vectors[0]], limit=10, min_score=0.2, most=MOST)
    assert found is not None
    assert {tuple(each) for each in found.ids.tolist()} <= {
        tuple(each) for each in ids[kept].tolist()
    }
    check(vectors[kept], ids[kept], vectors[0], 10, 0.2, found)


def test_several_probes_have_the_candidates_of_each_alone() -> None:
    vectors, ids = gallery("clusters", 5000, 128, 1), ids_of(5000)
    resident = Resident(vectors, 5000)
    resident.load(ids, vectors)
    probes = [*gallery("random", 4, 128, 2), vectors[7]]
    together = resident.search(probes, limit=10, min_score=0.1, most=MOST)
    for probe, found in zip(probes, together, strict=True):
        (alone,) = resident.search([probe], limit=10, min_score=0.1, most=MOST)
        assert found is not None
        assert alone is not None
        # Sums of single precision differ with their order.
        assert abs(found.floor - alone.floor) < 1e-6
        assert {*map(tuple, found.ids.tolist())} == {*map(tuple, alone.ids.tolist())}


def test_more_candidates_than_allowed_are_none() -> None:
    vectors, ids = gallery("one face", 5000, 128, 1), ids_of(5000)
    resident = Resident(vectors, 5000)
    resident.load(ids, vectors)
    assert resident.search([vectors[0]], limit=10, min_score=0.9, most=4000) == [None]
    (found,) = resident.search([vectors[0]], limit=10, min_score=0.9, most=5000)
    assert found is not None
    assert len(found.ids) == 5000


def test_a_gallery_grows_over_several_segments_and_shrinks_again() -> None:
    vectors, ids = gallery("random", 9000, 16, 1), ids_of(9000)
    resident = Resident(vectors[:2000], 10)
    resident.load(ids[:10], vectors[:10])
    for start in range(10, 9000, 310):
        resident.add(ids[start : start + 310], vectors[start : start + 310])
    assert resident.size == 9000
    (found,) = resident.search([vectors[8999]], limit=10, min_score=0.1, most=MOST)
    check(vectors, ids, vectors[8999], 10, 0.1, found)
    memory = resident.nbytes
    resident.remove(ids[:8900])
    assert resident.nbytes < memory / 10
    (found,) = resident.search([vectors[8999]], limit=10, min_score=0.1, most=MOST)
    check(vectors[8900:], ids[8900:], vectors[8999], 10, 0.1, found)


def test_a_gallery_whose_vectors_come_and_go_keeps_few_segments() -> None:
    vectors, ids = gallery("random", 4000, 16, 5), ids_of(4000)
    resident = Resident(vectors[:2000], 2000)
    resident.load(ids[:2000], vectors[:2000])
    present = list(range(2000))
    random = np.random.default_rng(6)
    for turn in range(200):
        # Half of those that are removed were added a moment ago.
        removed = present[-10:] + random.choice(present[:-10], 10, replace=False).tolist()
        present = [number for number in present if number not in set(removed)]
        added = [(2000 + turn * 20 + number) % 4000 for number in range(20)]
        added = [number for number in added if number not in set(present)]
        resident.remove(ids[removed])
        resident.add(ids[added], vectors[added])
        present += added
    assert resident.size == len(present)
    assert len(resident._segments) <= 5
    (found,) = resident.search([vectors[0]], limit=None, min_score=-1.1, most=MOST)
    assert found is not None
    assert sorted(found.ids.tolist()) == sorted(ids[present].tolist())


def test_memory_is_foreseen() -> None:
    vectors, ids = gallery("random", 70_000, 257, 1), ids_of(70_000)
    resident = Resident(vectors[:5000], 70_000)
    resident.load(ids, vectors)
    assert resident.nbytes <= memory_of(70_000, 257)
    assert memory_of(70_000, 257) < 300 * 2 * SEGMENT


def test_removed_codes_leave_memory() -> None:
    vectors, ids = gallery("random", 2000, 257, 1), ids_of(2000)
    resident = Resident(vectors, 2000)
    resident.load(ids, vectors)
    resident.remove(ids[:1])
    (segment,) = resident._segments
    (row,) = np.flatnonzero(~segment.alive)
    assert np.array_equal(segment._heads[row], resident.coder.removed())
    assert (segment.tails[row] == OFFSET).all()


def test_an_odd_vector_in_the_sample_does_not_loosen_the_bounds_of_the_others() -> None:
    drawn = np.random.default_rng(1)
    vectors = unit(np.ones(256) + 0.5 * drawn.standard_normal((8000, 256)))
    vectors[4000] = gallery("random", 1, 256, 2)[0]
    ids = ids_of(8000)
    resident = Resident(vectors, 8000)
    resident.load(ids, vectors)
    assert list(resident.outliers) == [tuple(ids[4000].tolist())]
    for probe in (vectors[7], vectors[4000]):
        (found,) = resident.search([probe], limit=10, min_score=0.5, most=100)
        check(vectors, ids, probe, 10, 0.5, found)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**16), dimension=st.sampled_from([16, 128, 257]))
def test_removed_rows_rank_far_below_the_best_faces(seed: int, dimension: int) -> None:
    drawn = np.random.default_rng(seed)
    towards = drawn.standard_normal(dimension)
    noise = drawn.standard_normal((300, dimension))
    vectors = unit(towards / np.linalg.norm(towards) + 0.3 / np.sqrt(dimension) * noise)
    coder = Coder(vectors)
    asked = coder.questions(vectors[:20])
    heads = np.vstack([coder.encode(vectors).heads, coder.removed()]).astype(np.float64) - 128
    bounds = asked.offset + asked.step * (heads @ asked.heads)
    assert (bounds[-1] < np.median(bounds[:-1], axis=0)).all()
