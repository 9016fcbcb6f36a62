"""Probes, prepared for comparison with codes; ``coding.py`` explains the bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.rotation import Vectors

# The offset of a byte in memory: FAISS's "8-bit direct signed" has unsigned bytes.
OFFSET: Final = 128


@dataclass(frozen=True, slots=True)
class Questions:
    """Probes, prepared for comparison with codes.

    The upper bound of a score is ``offset + step * (head · code)``, with the signed bytes of the
    code. Where the tail is known, ``whole_offset + step * (head · code + tail · code)`` is a closer
    one, without what the norm of the tail contributes to the product of the heads.

    Attributes:
        heads: (h, p) int8, from -127 to 127.
        whole_tails: (t, p) int8.
        step, offset, whole_offset: (p,) of the upper bounds.
        norm_step, norm_base: (p,) what the norm of the tail adds to the upper bound:
            ``norm_step * byte + norm_base``.
        heads_exact, tails: (p, h) and (p, t) float32, of the estimates that use head and tail.
        base: (p,) of the estimates.
        error: (p,) the largest differences between an estimate and the true score.
        tail_error: (p,) the part of it that is due to the tail.
    """

    heads: NDArray[np.int8]
    whole_tails: NDArray[np.int8]
    step: NDArray[np.float64]
    offset: NDArray[np.float64]
    whole_offset: NDArray[np.float64]
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
        of_tails: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return upper bounds of scores that know the tails, (n,).

        Args:
            numbers: (n,) numbers of questions.
            bounds: (n,) upper bounds that know the norms of the tails.
            norms: (n,) these norms, as in the heads.
            of_tails: (n,) the products of the tails.
        """
        steps = norms.astype(np.float64) - OFFSET
        known = self.norm_base[numbers] + self.norm_step[numbers] * steps
        closer: NDArray[np.float64] = bounds - known + of_tails + self.tail_error[numbers]
        return closer

    def products_of_tails(
        self, numbers: NDArray[np.int64], tails: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Return the products of tails (n, t) with those of the questions, (n,)."""
        return _inner(_signed(tails), self.tails, numbers)

    def estimates(
        self,
        numbers: NDArray[np.int64],
        heads: NDArray[np.uint8],
        of_tails: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return estimates of scores, (n,).

        Args:
            numbers: (n,) numbers of questions.
            heads: (n, h), the codes.
            of_tails: (n,) the products of the tails.
        """
        near = _inner(_signed(heads), self.heads_exact, numbers)
        estimates: NDArray[np.float64] = self.base[numbers] + near + of_tails
        return estimates


def _signed(codes: NDArray[np.uint8]) -> Vectors:
    return codes.astype(np.float32) - np.float32(OFFSET)


def _inner(codes: Vectors, vectors: Vectors, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the inner product of each code with the vector of its number, (n,)."""
    # einsum has no threads: those of a BLAS wait for a further product at the cost of a processor.
    if len(vectors) == 1:
        found = np.einsum("ij,j->i", codes, vectors[0])
    else:
        found = np.einsum("ij,ij->i", codes, vectors[numbers])
    exact: NDArray[np.float64] = found.astype(np.float64)
    return exact
