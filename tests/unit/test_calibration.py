from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedex.vision import packs
from facedex.vision.calibration import Calibration, fit

KNOWN = Calibration([0.5, 0.6, 0.8], [0.1, 0.01, 0.0001])


def test_similarity_counts_false_matches_in_ten_thousand() -> None:
    assert KNOWN.similarity(0.8) == pytest.approx(99)
    assert KNOWN.similarity(0.7) == pytest.approx(90)
    assert KNOWN.similarity(0.6) == pytest.approx(0)
    assert KNOWN.similarity(0.9) == pytest.approx(99.9)  # the line goes on beyond its last knot
    assert KNOWN.similarity(-1) == 0
    assert Calibration([0.5, 0.6], [0.1, 1e-6]).similarity(1) == 100


def test_a_threshold_of_nothing_admits_everything_and_of_100_only_the_surest() -> None:
    assert KNOWN.cosine(0) == -1
    assert KNOWN.cosine(100) == 1
    steep = Calibration([0.5, 0.6], [0.1, 1e-6])
    assert 0.6 < steep.cosine(100) < 1
    assert steep.similarity(steep.cosine(100) + 1e-9) == 100
    assert steep.similarity(steep.cosine(100) - 1e-3) < 100


@given(st.floats(0.001, 99.9))
def test_cosine_is_the_inverse_of_similarity(similarity: float) -> None:
    assert KNOWN.similarity(KNOWN.cosine(similarity)) == pytest.approx(similarity, abs=1e-6)


@given(st.floats(0, 100), st.floats(-1, 1))
def test_comparing_similarities_and_comparing_cosines_agree(
    threshold: float, cosine: float
) -> None:
    lowest = KNOWN.cosine(threshold)
    if abs(cosine - lowest) > 1e-9:
        assert (cosine >= lowest) == (KNOWN.similarity(cosine) >= threshold)


def test_similarities_of_many_cosines_come_at_once_and_never_fall() -> None:
    many = KNOWN.similarities(np.linspace(-1, 1, 1001))
    assert many.shape == (1001,)
    assert (np.diff(many) >= 0).all()


@pytest.mark.parametrize(
    ("cosine", "rate"),
    [([0.5], [0.1]), ([0.5, 0.4], [0.1, 0.01]), ([0.5, 0.6], [0.1, 0.2]), ([0.5, 0.6], [0.1])],
)
def test_knots_that_are_not_a_falling_curve_are_refused(
    cosine: list[float], rate: list[float]
) -> None:
    with pytest.raises(ValueError, match="A calibration needs"):
        Calibration(cosine, rate)


def test_a_fit_recovers_a_normal_distribution_beyond_its_counts() -> None:
    sample = np.random.default_rng(5).normal(0.2, 0.1, 2_000_000)
    fitted = Calibration(*fit(sample))
    for cosine in (0.4, 0.5, 0.6, 0.65, 0.7):
        true = math.erfc((cosine - 0.2) / 0.1 / math.sqrt(2)) / 2
        assert abs(math.log10(float(fitted.false_match_rate(cosine)) / true)) < 0.25


def test_a_fit_wants_enough_comparisons() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(np.zeros(1000))


def test_the_default_pack_tells_the_usual_thresholds_apart(pack_directory: Path) -> None:
    calibration = packs.load(pack_directory).calibration
    cosines = [calibration.cosine(s) for s in (0.1, 80, 90, 99, 99.9)]
    assert cosines == sorted(set(cosines))
    assert calibration.similarity(1.0) == 100
