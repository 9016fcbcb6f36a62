"""Rounding of weights to small integers with a scale for each output channel.

Rounding each weight to the nearest integer does not minimise the error of the layer's output: if
two inputs are correlated, rounding one weight up can compensate for rounding the other down. GPTQ
(Frantar et al., arXiv:2210.17323) rounds one weight after another and adjusts the remaining ones to
compensate for the errors so far. A few factors of the inputs' covariance are nearly as good as the
complete covariance, and each step then has only as many unknowns as there are factors.
"""

from __future__ import annotations

import numpy as np

from facedex_models.sface.network import Doubles
from facedex_models.sface.tables import Spread

# Candidates for the scale, relative to that of the largest weight; below 1, it is clipped.
_SHRUNK = np.linspace(0.7, 1, 16)


def scales_of(weights: Doubles, most: int) -> Doubles:
    """Return, for each row, the scale with the smallest squared error in integers up to `most`."""
    largest = np.abs(weights).max(axis=1) + 1e-12
    best: Doubles = largest / most
    least = np.full(len(weights), np.inf)
    for share in _SHRUNK:
        scales = largest * share / most
        whole = np.clip(np.rint(weights / scales[:, None]), -most, most)
        errors = ((whole * scales[:, None] - weights) ** 2).sum(axis=1)
        better = errors < least
        least[better], best[better] = errors[better], scales[better]
    return best


def round_nearest(weights: Doubles, most: int) -> tuple[Doubles, Doubles]:
    """Round weights to the nearest integers; return rows from -most to most and their scales."""
    scales = scales_of(weights, most)
    return np.clip(np.rint(weights / scales[:, None]), -most, most), scales


def round_balanced(
    weights: Doubles, most: int, given: Spread, damping: float
) -> tuple[Doubles, Doubles]:
    """Round weights so that the output's error is small for inputs with a given covariance.

    Let e be the errors of the weights before i. The optimal errors of the weights from i on, if
    they were continuous, are -D⁻¹ V M⁻¹ z, where D and V are the rest and the factors of the
    weights from i on, M = 1 + Vᵀ D⁻¹ V, and z is the sum of the factors of the weights before i,
    each multiplied by its error.

    Args:
        weights: (out, n).
        most: largest integer.
        given: covariance of the n inputs.
        damping: added to each input's variance, as a share of the mean variance.

    Returns:
        Rows of integers from -most to most, and the rows' scales.
    """
    factors = given.factors
    rest = given.rest + damping * np.mean(given.rest + (factors**2).sum(axis=1))
    order = np.argsort(-(rest + (factors**2).sum(axis=1)), kind="stable")
    outer = factors[:, :, None] * factors[:, None, :] / rest[:, None, None]
    moments = np.eye(factors.shape[1]) + np.cumsum(outer[order][::-1], axis=0)[::-1]
    directions = np.linalg.solve(moments, factors[order][:, :, None])[:, :, 0]
    scales = scales_of(weights, most)
    whole = np.empty_like(weights)
    pending = np.zeros((len(weights), factors.shape[1]))
    for place, direction in zip(order, directions, strict=True):
        wanted = weights[:, place] + pending @ direction / rest[place]
        whole[:, place] = np.clip(np.rint(wanted / scales), -most, most)
        error = weights[:, place] - whole[:, place] * scales
        pending += error[:, None] * factors[place]
    return whole, scales
