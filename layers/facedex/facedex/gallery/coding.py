"""Codes of one byte a dimension, and a bound on the score of a vector that is known by its code.

A vector x is stored as z = Rᵀ(x − μ): μ is the mean of the gallery and R an orthonormal basis. Its
first axis is the direction of μ, in which probes are longest; the others are the gallery's
principal axes. The *head* of a code has the first axes and is scanned; the *tail* has the others
and is read for a few rows only.

With g = Rᵀq, the score of a probe q is q·x = q·μ + g·z. The head of z is known up to the rounding
of its bytes, and of the tail the head has only the norm, rounded up. By the inequality of Cauchy
and Schwarz, q·x ≤ q·μ + g_head·head + ‖g_tail‖·norm + (error bounds). That norm is a byte of the
code like the others, so that one inner product of bytes is an upper bound for its own vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.questions import OFFSET, Questions
from facedex.gallery.rotation import Vectors, rotate, to_single

_LARGEST: Final = 127
_SIGN: Final = np.uint8(OFFSET)  # to add the offset to a byte is to change its sign bit
# The SIMD kernels of the scan read 16 bytes at a time.
_ALIGNMENT: Final = 16
# Bytes of a head: the coordinate along the mean in three bytes, of which two are added and one is
# finer, the norm of the tail, and one byte for each further axis.
_COARSE, _COARSE_TOO, _FINE, NORM, _FIRST = range(5)
# Bytes of a head at most, chosen by times: a longer head takes longer to scan, and leaves fewer
# tails to be read. Of the vectors of one network, 128 numbers, the shorter one leaves next to
# nothing; and ONNX Runtime's products take a step in time above it.
_LONG_HEAD: Final = 160
_SHORT_HEAD: Final = 128
_SHORT_VECTOR: Final = 132
_NORM_ZERO: Final = -126  # the byte of norm 0; -127 marks a removed row
_NORM_STEPS: Final = _LARGEST - _NORM_ZERO
_FINE_STEPS: Final = 250
# How far the norms of later vectors may exceed the largest that the code was fitted to.
_ROOM: Final = 1.25
_NEARLY_ALL: Final = 0.9995
# The error bounds may be exceeded by this factor before a vector counts as an outlier.
_TOLERANCE: Final = 1.1
# The same for the numbers along the axes.
_MARGIN: Final = 1.4
_SAMPLE: Final = 8192  # vectors for the principal axes


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of some vectors.

    Attributes:
        heads, tails: (n, h) and (n, t) uint8, each the signed value plus ``OFFSET``.
        outliers: (n,) bool: vectors for which the bounds do not hold.
    """

    heads: NDArray[np.uint8]
    tails: NDArray[np.uint8]
    outliers: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Coded:
    """The signed codes of some vectors, and what decides whether the bounds hold for them.

    Attributes:
        heads, tails: (n, h) and (n, t).
        norms: (n,) of the tails.
        head_lengths, tail_lengths: (n,) lengths of the codes.
        along, across, behind: (n,) errors along the mean, of the other axes of the head, and of the
            tail.
    """

    heads: NDArray[np.int8]
    tails: NDArray[np.int8]
    norms: Vectors
    head_lengths: Vectors
    tail_lengths: Vectors
    along: Vectors
    across: Vectors
    behind: Vectors


def head_bytes(dimension: int, *, scanned: bool = True) -> int:
    """Return the bytes of a head.

    Args:
        dimension: of the vectors.
        scanned: whether FAISS scans the heads, instead of products of matrices.
    """
    most = _LONG_HEAD if scanned and dimension > _SHORT_VECTOR else _SHORT_HEAD
    return min(most, -(-(dimension - 1 + _FIRST) // _ALIGNMENT) * _ALIGNMENT)


class Coder:
    """The code of a gallery.

    Args:
        sample: (n, d) vectors of the gallery, at least one.
        scanned: as in :func:`head_bytes`.

    Attributes:
        dimension: d.
        head, tail: bytes of the two parts of a code.
    """

    def __init__(self, sample: Vectors, *, scanned: bool = True) -> None:
        self.dimension = d = sample.shape[1]
        self.head = head_bytes(d, scanned=scanned)
        self._axes = min(d, self.head - _FIRST + 1)  # in the head, with that of the mean
        self.tail = d - self._axes
        # What adding in single precision may lose, here, in the scan and in Postgres: half a unit
        # in the last place for each term, and as much again.
        self._rounding = (d + self.head) * 2.0**-22
        self._mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._basis = _basis(sample, self._mean)
        z = self._rotate(sample)
        # Bounds that hold for a few odd vectors, of false detections for example, would be too far
        # from the scores of all others: those become outliers.
        usual = _usual(z) & _usual(z[:, self._axes :])
        sample, z = sample[usual], z[usual]
        longest = float(_lengths(sample).max()) or 1.0
        # An axis along which the sample does not vary must still hold later vectors.
        spread = np.maximum(_MARGIN * np.abs(z).max(axis=0), 0.1 * longest / np.sqrt(d))
        spread[0] /= 2  # of two bytes
        self._scales = (spread / _LARGEST).astype(np.float32)
        self._longest = _ROOM * longest
        largest_tail = _lengths(z[:, self._axes :]).max()
        self._norm_scale = np.float32((_ROOM * largest_tail + 1e-6 * longest) / _NORM_STEPS)
        coded = self._quantise(z)
        tiny = 1e-6 * longest
        self._largest_head = _TOLERANCE * float(coded.head_lengths.max())
        self._largest_tail = _TOLERANCE * float(coded.tail_lengths.max()) + 1
        self._along = _TOLERANCE * float(coded.along.max()) + tiny
        self._across = _TOLERANCE * float(coded.across.max()) + tiny
        self._behind = _TOLERANCE * float(coded.behind.max()) + tiny

    @cached_property
    def exact_basis(self) -> NDArray[np.float64]:
        """The basis R, (d, d), in the precision of the questions."""
        return self._basis.astype(np.float64)

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """What :meth:`restored` needs."""
        return {
            name: np.asarray(value) for name, value in vars(self).items() if name != "exact_basis"
        }

    @classmethod
    def restored(cls, parameters: Mapping[str, NDArray[Any]]) -> Coder:
        """Return the coder with these parameters."""
        coder = cls.__new__(cls)
        for name, value in parameters.items():
            setattr(coder, name, value if value.ndim else value[()])
        coder.dimension, coder.head, coder.tail = (
            int(each) for each in (coder.dimension, coder.head, coder.tail)
        )
        return coder

    def encode(self, vectors: NDArray[np.floating[Any]]) -> Codes:
        """Return the codes of (n, d) vectors, in half or single precision."""
        vectors = to_single(vectors)
        coded = self._quantise(self._rotate(vectors))
        outliers = (
            (coded.along > self._along)
            | (coded.across > self._across)
            | (coded.behind > self._behind)
            | (coded.norms * np.float32(1 + 1e-5) > self._norm_scale * _NORM_STEPS)
            | (coded.head_lengths > self._largest_head)
            | (coded.tail_lengths > self._largest_tail)
            | (_lengths(vectors) > self._longest)
        )
        heads, tails = (each.view(np.uint8) ^ _SIGN for each in (coded.heads, coded.tails))
        return Codes(heads, tails, outliers)

    def removed(self) -> NDArray[np.uint8]:
        """Return the head of a row without a vector: its bound is far below that of a face."""
        head = np.full(self.head, OFFSET, np.uint8)
        head[[_COARSE, _COARSE_TOO, NORM]] = OFFSET - _LARGEST
        return head

    def questions(self, probes: Vectors) -> Questions:
        """Return (p, d) probes, rounded to half precision as Postgres reads them."""
        q = probes.astype(np.float16).astype(np.float64)
        # BLAS, for a hundred probes; Facedex's processes give it one thread.
        g = q @ self.exact_basis
        base = q @ self._mean.astype(np.float64)
        beyond = np.linalg.norm(g[:, self._axes :], axis=1)
        heads = np.zeros((len(q), self.head))
        heads[:, _COARSE] = heads[:, _COARSE_TOO] = g[:, 0] * self._scales[0]
        heads[:, _FINE] = heads[:, _COARSE] / _FINE_STEPS
        inner = slice(_FIRST, _FIRST + self._axes - 1)
        heads[:, inner] = g[:, 1 : self._axes] * self._scales[1 : self._axes]
        bounded = heads.copy()
        bounded[:, NORM] = beyond * self._norm_scale
        error = (
            np.abs(g[:, 0]) * self._along
            + np.linalg.norm(g[:, 1 : self._axes], axis=1) * self._across
            + self._rounding * np.linalg.norm(q, axis=1) * self._longest
        )
        tails = g[:, self._axes :] * self._scales[self._axes :]
        largest = np.maximum(np.abs(bounded).max(axis=1), np.abs(tails).max(axis=1, initial=1e-30))
        step = largest / _LARGEST
        whole, whole_tails = np.rint(bounded / step[:, None]), np.rint(tails / step[:, None])
        rest = bounded - step[:, None] * whole
        lost = np.linalg.norm(rest, axis=1) * self._largest_head
        # What the norm loses does not matter where the tail is known.
        rest[:, NORM] = 0
        rest_of_tails = np.linalg.norm(tails - step[:, None] * whole_tails, axis=1)
        lost_of_all = np.linalg.norm(rest, axis=1) * self._largest_head
        lost_of_all += rest_of_tails * self._largest_tail
        norm_base = -bounded[:, NORM] * _NORM_ZERO
        return Questions(
            heads=np.ascontiguousarray(whole.astype(np.int8).T),
            whole_tails=np.ascontiguousarray(whole_tails.astype(np.int8).T),
            step=step,
            offset=base + norm_base + error + lost,
            whole_offset=base + error + beyond * self._behind + lost_of_all,
            norm_step=step * whole[:, NORM],
            norm_base=norm_base,
            heads_exact=heads.astype(np.float32),
            tails=tails.astype(np.float32),
            base=base,
            error=error + beyond * self._behind,
            tail_error=beyond * self._behind,
        )

    def bounds(self, probes: Vectors, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return bounds (p, n) of the scores of (n, d) vectors that have no code."""
        q = probes.astype(np.float16).astype(np.float64)
        lengths = np.outer(np.linalg.norm(q, axis=1), np.linalg.norm(vectors, axis=1))
        # BLAS would start threads, which wait for more work at the expense of the scan.
        found: NDArray[np.float64] = np.einsum("pd,nd->pn", q, vectors)
        found += self._rounding * lengths
        return found

    def _rotate(self, vectors: Vectors) -> Vectors:
        return rotate(vectors - self._mean, self._basis)

    def _quantise(self, z: Vectors) -> _Coded:
        """Return the codes of rotated vectors (n, d), which are overwritten."""
        inner, outer = slice(1, self._axes), slice(self._axes, None)
        norms = _lengths(z[:, outer])
        steps = z / self._scales
        np.rint(steps, out=steps)
        np.clip(steps[:, 0], -2 * _LARGEST, 2 * _LARGEST, out=steps[:, 0])
        np.clip(steps[:, 1:], -_LARGEST, _LARGEST, out=steps[:, 1:])
        tails = steps[:, outer].astype(np.int8)
        heads = np.zeros((len(z), self.head), np.int8)
        heads[:, _FIRST : _FIRST + self._axes - 1] = steps[:, inner]
        heads[:, _COARSE] = half = np.trunc(steps[:, 0] / 2)
        heads[:, _COARSE_TOO] = steps[:, 0] - half
        rounded_up = np.ceil(norms * np.float32(1 + 1e-5) / self._norm_scale) + _NORM_ZERO
        heads[:, NORM] = np.minimum(rounded_up, _LARGEST)
        squares = np.square(_lengths(steps[:, inner])), _lengths(steps[:, outer])
        # What the codes lack.
        steps *= self._scales
        np.subtract(z, steps, out=z)
        fine = np.float32(self._scales[0] / _FINE_STEPS)
        heads[:, _FINE] = finest = np.clip(np.rint(z[:, 0] / fine), -_LARGEST, _LARGEST)
        special = heads[:, :_FIRST].astype(np.float32)
        return _Coded(
            heads,
            tails,
            norms,
            head_lengths=np.sqrt(squares[0] + np.square(_lengths(special))),
            tail_lengths=squares[1],
            along=np.abs(z[:, 0] - finest * fine),
            across=_lengths(z[:, inner]),
            behind=_lengths(z[:, outer]),
        )


def _usual(vectors: Vectors) -> NDArray[np.bool_]:
    """Return which vectors are not much longer than nearly all others."""
    lengths = _lengths(vectors)
    usual: NDArray[np.bool_] = lengths <= _ROOM * np.quantile(lengths, _NEARLY_ALL)
    return usual


def _lengths(vectors: Vectors) -> Vectors:
    """Return the lengths of vectors (n, d)."""
    squares: Vectors = np.einsum("ij,ij->i", vectors, vectors)
    return np.sqrt(squares)


def _basis(sample: Vectors, mean: Vectors) -> Vectors:
    """Return (d, d) orthonormal columns: the direction of the mean, then the principal axes."""
    some = sample[:: -(-len(sample) // _SAMPLE)]
    centred = some.astype(np.float64) - mean
    covariance = centred.T @ centred / len(some)
    direction = mean.astype(np.float64)
    length = float(np.linalg.norm(direction))
    if length < 1e-6:
        direction, length = np.eye(len(mean))[0], 1.0
    direction /= length
    # What varies along the mean is removed, and a variance above all others put in its place, so
    # that this direction is the first axis.
    across = np.eye(len(mean)) - np.outer(direction, direction)
    covariance = across @ covariance @ across
    covariance += (10 * np.trace(covariance) + 1) * np.outer(direction, direction)
    _, columns = np.linalg.eigh(covariance)
    basis = np.ascontiguousarray(columns[:, ::-1], dtype=np.float32)
    # Eigenvectors have any sign. Removed rows are far back along the mean, not far ahead of it.
    basis[:, 0] *= np.copysign(1.0, basis[:, 0] @ direction)
    return basis
