from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facedex.vision import packs
from facedex.vision.calibration import Calibration, fit

KNOWN = Calibration([0.5, 0.6, 0.8], [0.1, 0.01, 0.0001])


def test_similarity_counts_false_matches_in_ten_thousand() -> None:
    assert KNOWN.similarity(0.8) == pytest.approx(99)
    assert KNOWN.similarity(0.7) == pytest.approx(90)
    assert KNOWN.similarity(0.6) == pytest.approx(0)
    assert KNOWN.similarity(0.9) == pytest.approx(99.9)  # the line continues after its last knot
    assert KNOWN.similarity(-1) == 0
    assert Calibration([0.5, 0.6], [0.1, 1e-6]).similarity(1) == 100


def test_threshold_0_admits_everything_and_100_only_the_surest() -> None:
    assert KNOWN.cosine(0) == -1
    assert KNOWN.cosine(100) == 1
    steep = Calibration([0.5, 0.6], [0.1, 1e-6])
    assert 0.6 < steep.cosine(100) < 1
    assert steep.similarity(steep.cosine(100) + 1e-9) == 100
    assert steep.similarity(steep.cosine(100) - 1e-3) < 100


@given(st.floats(0.001, 99.9))
def test_cosine_is_the_inverse_of_similarity(similarity: float) -> None:
    # A threshold has single precision.
    assert KNOWN.similarity(KNOWN.cosine(similarity)) == pytest.approx(similarity, abs=1e-5)


@given(st.floats(0, 100), st.floats(-1, 1))
def test_comparing_similarities_and_comparing_cosines_agree(
    threshold: float, cosine: float
) -> None:
    lowest = KNOWN.cosine(threshold)
    if abs(cosine - lowest) > 1e-9:
        reached = np.float32(KNOWN.similarity(cosine)) >= np.float32(threshold)
        assert (cosine >= lowest) == reached


@given(st.floats(0.61, 0.99))
def test_a_similarity_as_clients_read_it_admits_its_own_cosine_and_the_next_one_does_not(
    cosine: float,
) -> None:
    read = np.float32(KNOWN.similarity(cosine))
    assert KNOWN.cosine(float(read)) <= cosine
    # Clients with numbers of single precision send the shortest text of such a number.
    assert KNOWN.cosine(float(str(read))) <= cosine
    assert KNOWN.cosine(float(np.nextafter(read, np.float32(101)))) >= cosine


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


def test_a_fit_needs_enough_comparisons() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(np.zeros(1000))


def normal(mean: float, size: int, *, spread: float = 0.1) -> NDArray[np.float64]:
    return np.random.default_rng(size).normal(mean, spread, size)


def normal_rate(cosine: float, mean: float, *, spread: float = 0.1) -> float:
    return math.erfc((cosine - mean) / spread / math.sqrt(2)) / 2


# Cosines and rates of normal(0.2, 150_000) from before the introduction of mixtures.
COSINES = """
0.20021 0.32879 0.38628 0.43391 0.44521 0.45525 0.46606 0.47413 0.48493 0.49661 0.50814 0.51855
0.52993 0.53974 0.54698 0.55378 0.56046 0.59445 0.6213 0.6442 0.66451 0.68295 0.69996 0.71582
0.73075"""
RATES = """
0.501 0.1 0.0316 0.01 0.0074 0.00548 0.00405 0.003 0.00222 0.00164 0.00122 0.0009 0.000666 0.000493
0.000365 0.00027 0.0002 3.26e-05 5.32e-06 8.67e-07 1.41e-07 2.31e-08 3.76e-09 6.13e-10 1e-10"""
ALONE = [float(text) for text in COSINES.split()], [float(text) for text in RATES.split()]


def test_a_mixture_of_one_sample_equals_the_fit_of_that_sample() -> None:
    sample = normal(0.2, 150_000)
    assert fit(sample) == ALONE
    assert fit([sample]) == ALONE


def test_the_same_sample_twice_is_worth_no_more_than_once() -> None:
    sample = normal(0.2, 150_000)
    assert fit([sample, sample]) == ALONE
    assert fit([sample, sample], [1, 2]) == ALONE


@pytest.mark.parametrize("weights", [None, (3.0, 1.0)])
def test_a_mixture_has_the_mean_rate_of_its_samples_however_large_each_is(
    weights: tuple[float, float] | None,
) -> None:
    fitted = Calibration(*fit([normal(0.0, 3_000_000), normal(0.3, 600_000)], weights))
    share = 0.75 if weights else 0.5
    for cosine in (0.5, 0.55, 0.6, 0.65):
        true = share * normal_rate(cosine, 0.0) + (1 - share) * normal_rate(cosine, 0.3)
        assert float(fitted.false_match_rate(cosine)) == pytest.approx(true, rel=0.05)
    true = (1 - share) * normal_rate(0.78, 0.3)  # outside the range of the counts
    assert abs(math.log10(float(fitted.false_match_rate(0.78)) / true)) < 0.25


def test_the_effective_size_of_a_mixture_is_the_harmonic_mean() -> None:
    fit([normal(0.2, 60_000), normal(0.2, 400_000)])
    with pytest.raises(ValueError, match="count as 95238 of one sample"):
        fit([normal(0.2, 50_000), normal(0.2, 1_000_000)])
    with pytest.raises(ValueError, match="too few"):
        fit([normal(0.2, 400_000), np.empty(0)])
    with pytest.raises(ValueError, match="too few"):
        fit([])


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, float("nan")), (1.0, 1.0, 1.0)])
def test_a_mixture_needs_a_weight_for_each_sample(weights: tuple[float, ...]) -> None:
    sample = normal(0.2, 150_000)
    with pytest.raises(ValueError, match="a weight above 0 for each"):
        fit([sample, sample], weights)


def test_the_default_pack_gives_the_usual_thresholds_different_cosines(
    pack_directory: Path,
) -> None:
    calibration = packs.load(pack_directory).calibration
    cosines = [calibration.cosine(s) for s in (0.1, 80, 90, 99, 99.9)]
    assert cosines == sorted(set(cosines))
    assert calibration.similarity(1.0) == 100
