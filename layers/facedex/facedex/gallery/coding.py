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
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.rotation import rotate, to_single

Vectors = NDArray[np.float32]  # (n, d)

_LARGEST: Final = 127
# The SIMD kernels of the scan read 16 bytes at a time.
_ALIGNMENT: Final = 16
# Bytes of a head: the coordinate along the mean in three bytes, of which two are added and one is
# finer, the norm of the tail, and one byte for each further axis.
_COARSE, _COARSE_TOO, _FINE, NORM, _FIRST = range(5)
HEAD: Final = 128  # at most
_NORM_ZERO: Final = -126  # the byte of norm 0; -127 marks a removed row
_NORM_STEPS: Final = _LARGEST - _NORM_ZERO
_FINE_STEPS: Final = 250
# How far the norms of later vectors may exceed the largest that the code was fitted to.
_ROOM: Final = 1.25
_NEARLY_ALL: Final = 0.9995
# The error bounds may be exceeded by this factor before a vector counts as an outlier.
_TOLERANCE: Final = 1.1
_SAMPLE: Final = 8192  # vectors for the principal axes
# The same for the numbers along the axes.
_MARGIN: Final = 1.4
# The offset of a byte in memory: FAISS's "8-bit direct signed" has unsigned bytes.
OFFSET: Final = 128


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of some vectors.

    Attributes:
        heads: (n, h) uint8, each the signed value plus :data:`OFFSET`.
        tails: (n, t) int8.
        outliers: (n,) bool: vectors for which the bounds do not hold.
    """

    heads: NDArray[np.uint8]
    tails: NDArray[np.int8]
    outliers: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Questions:
    """Probes, prepared for comparison with codes.

    The upper bound of a score is ``offset + step * (head · code)``, with the signed bytes of the
    code.

    Attributes:
        heads: (h, p) int8, from -127 to 127.
        step, offset: (p,) of the upper bounds.
        norm_step, norm_base: (p,) what the norm of the tail adds to the upper bound:
            ``norm_step * byte + norm_base``.
        heads_exact, tails: (p, h) and (p, t) float32, of the estimates that use head and tail.
        base: (p,) of the estimates.
        error: (p,) the largest differences between an estimate and the true score.
        tail_error: (p,) the part of it that is due to the tail.
    """

    heads: NDArray[np.int8]
    step: NDArray[np.float64]
    offset: NDArray[np.float64]
    norm_step: NDArray[np.float64]
    norm_base: NDArray[np.float64]
    heads_exact: Vectors
    tails: Vectors
    base: NDArray[np.float64]
    error: NDArray[np.float64]
    tail_error: NDArray[np.float64]

    def bounds(
        self, numbers: NDArray[np.int64], products: NDArray[np.int32] | Vectors
    ) -> NDArray[np.float64]:
        """Return upper bounds of scores, (n,).

        Args:
            numbers: (n,) numbers of questions.
            products: (n,) products of their heads with those of codes.
        """
        bounds: NDArray[np.float64] = self.offset[numbers] + self.step[numbers] * products
        return bounds

    def closer_bounds(
        self,
        numbers: NDArray[np.int64],
        bounds: NDArray[np.float64],
        norms: NDArray[np.uint8],
        tails: NDArray[np.int8],
    ) -> NDArray[np.float64]:
        """Return upper bounds of scores that know the tails, (n,).

        Args:
            numbers: (n,) numbers of questions.
            bounds: (n,) upper bounds that know the norms of the tails.
            norms: (n,) these norms, as in the heads.
            tails: (n, t).
        """
        steps = norms.astype(np.float64) - OFFSET
        exact = _inner(tails.astype(np.float32), self.tails, numbers) + self.tail_error[numbers]
        known = self.norm_base[numbers] + self.norm_step[numbers] * steps
        closer: NDArray[np.float64] = bounds - known + exact
        return closer

    def estimates(
        self, numbers: NDArray[np.int64], heads: NDArray[np.uint8], tails: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """Return estimates of scores, (n,).

        Args:
            numbers: (n,) numbers of questions.
            heads, tails: (n, h) and (n, t), the codes.
        """
        signed = heads.astype(np.float32) - np.float32(OFFSET)
        near = _inner(signed, self.heads_exact, numbers)
        near += _inner(tails.astype(np.float32), self.tails, numbers)
        estimates: NDArray[np.float64] = self.base[numbers] + near
        return estimates


class Coder:
    """The code of a gallery.

    Args:
        sample: (n, d) vectors of the gallery, at least one.

    Attributes:
        dimension: d.
        head, tail: bytes of the two parts of a code.
    """

    def __init__(self, sample: Vectors) -> None:
        self.dimension = d = sample.shape[1]
        self._axes = min(d, HEAD - _FIRST + 1)  # in the head, with that of the mean
        self.head = -(-(self._axes - 1 + _FIRST) // _ALIGNMENT) * _ALIGNMENT
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
        longest = float(np.linalg.norm(sample, axis=1).max()) or 1.0
        # An axis along which the sample does not vary must still hold later vectors.
        spread = np.maximum(_MARGIN * np.abs(z).max(axis=0), 0.1 * longest / np.sqrt(d))
        spread[0] /= 2  # of two bytes
        self._scales = (spread / _LARGEST).astype(np.float32)
        self._longest = _ROOM * longest
        largest_tail = np.linalg.norm(z[:, self._axes :], axis=1).max(initial=0.0)
        self._norm_scale = np.float32((_ROOM * largest_tail + 1e-6 * longest) / _NORM_STEPS)
        heads, tails, norms = self._quantise(z)
        along, across, behind, _ = self._errors(z, heads, tails, norms)
        tiny = 1e-6 * longest
        self._largest_head = _TOLERANCE * float(_lengths(heads).max())
        self._along = _TOLERANCE * float(along.max()) + tiny
        self._across = _TOLERANCE * float(across.max()) + tiny
        self._behind = _TOLERANCE * float(behind.max(initial=0.0)) + tiny

    @property
    def parameters(self) -> dict[str, NDArray[Any]]:
        """What :meth:`restored` needs."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

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
        z = self._rotate(vectors)
        heads, tails, norms = self._quantise(z)
        along, across, behind, beyond = self._errors(z, heads, tails, norms)
        outliers = (
            (along > self._along)
            | (across > self._across)
            | (behind > self._behind)
            | beyond
            | (_lengths(heads) > self._largest_head)
            | (np.linalg.norm(vectors, axis=1) > self._longest)
        )
        return Codes((heads.astype(np.int16) + OFFSET).astype(np.uint8), tails, outliers)

    def removed(self) -> NDArray[np.uint8]:
        """Return the head of a row without a vector: its bound is far below that of a face."""
        head = np.full(self.head, OFFSET, np.uint8)
        head[[_COARSE, _COARSE_TOO, NORM]] = OFFSET - _LARGEST
        return head

    def questions(self, probes: Vectors) -> Questions:
        """Return (p, d) probes, rounded to half precision as Postgres reads them."""
        q = probes.astype(np.float16).astype(np.float64)
        g = np.einsum("pi,ij->pj", q, self._basis.astype(np.float64))
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
        step = np.maximum(np.abs(bounded).max(axis=1), 1e-30) / _LARGEST
        whole = np.rint(bounded / step[:, None])
        lost = np.linalg.norm(bounded - step[:, None] * whole, axis=1) * self._largest_head
        norm_base = -bounded[:, NORM] * _NORM_ZERO
        return Questions(
            heads=np.ascontiguousarray(whole.astype(np.int8).T),
            step=step,
            offset=base + norm_base + error + lost,
            norm_step=step * whole[:, NORM],
            norm_base=norm_base,
            heads_exact=heads.astype(np.float32),
            tails=(g[:, self._axes :] * self._scales[self._axes :]).astype(np.float32),
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

    def _quantise(self, z: Vectors) -> tuple[NDArray[np.int8], NDArray[np.int8], Vectors]:
        """Return the signed heads and tails, and the norms of the tails."""
        steps = z / self._scales
        np.rint(steps, out=steps)
        np.clip(steps[:, 0], -2 * _LARGEST, 2 * _LARGEST, out=steps[:, 0])
        np.clip(steps[:, 1:], -_LARGEST, _LARGEST, out=steps[:, 1:])
        norms: Vectors = np.linalg.norm(z[:, self._axes :], axis=1)
        heads = np.zeros((len(z), self.head), np.int8)
        heads[:, _COARSE] = half = np.trunc(steps[:, 0] / 2)
        heads[:, _COARSE_TOO] = steps[:, 0] - half
        rest = (z[:, 0] - steps[:, 0] * self._scales[0]) * (_FINE_STEPS / self._scales[0])
        heads[:, _FINE] = np.clip(np.rint(rest), -_LARGEST, _LARGEST)
        rounded_up = np.ceil(norms * np.float32(1 + 1e-5) / self._norm_scale) + _NORM_ZERO
        heads[:, NORM] = np.minimum(rounded_up, _LARGEST)
        heads[:, _FIRST : _FIRST + self._axes - 1] = steps[:, 1 : self._axes]
        tails: NDArray[np.int8] = steps[:, self._axes :].astype(np.int8)
        return heads, tails, norms

    def _errors(
        self, z: Vectors, heads: NDArray[np.int8], tails: NDArray[np.int8], norms: Vectors
    ) -> tuple[Vectors, Vectors, Vectors, NDArray[np.bool_]]:
        """Return the errors along the mean, of the other axes of the head, and of the tail.

        The last array marks tails that are too long for their byte.
        """
        scales = self._scales
        coarse = heads[:, [_COARSE, _COARSE_TOO]].sum(axis=1) * scales[0]
        along = np.abs(z[:, 0] - coarse - heads[:, _FINE] * (scales[0] / _FINE_STEPS))
        stored = heads[:, _FIRST : _FIRST + self._axes - 1]
        across = np.linalg.norm(z[:, 1 : self._axes] - stored * scales[1 : self._axes], axis=1)
        behind = np.linalg.norm(z[:, self._axes :] - tails * scales[self._axes :], axis=1)
        beyond = norms * np.float32(1 + 1e-5) > self._norm_scale * _NORM_STEPS
        return along, across, behind, beyond


def _inner(codes: Vectors, vectors: Vectors, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the inner product of each code with the vector of its number, (n,)."""
    # einsum has no threads: those of a BLAS wait for a further product at the cost of a processor.
    if len(vectors) == 1:
        found = np.einsum("ij,j->i", codes, vectors[0])
    else:
        found = np.einsum("ij,ij->i", codes, vectors[numbers])
    exact: NDArray[np.float64] = found.astype(np.float64)
    return exact


def _usual(vectors: Vectors) -> NDArray[np.bool_]:
    """Return which vectors are not much longer than nearly all others."""
    lengths = np.linalg.norm(vectors, axis=1)
    usual: NDArray[np.bool_] = lengths <= _ROOM * np.quantile(lengths, _NEARLY_ALL)
    return usual


def _lengths(heads: NDArray[np.int8]) -> Vectors:
    """Return the lengths of signed heads."""
    lengths: Vectors = np.linalg.norm(heads.astype(np.float32), axis=1)
    return lengths


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
