"""Peaks against shapes whose area, moments, widths and resolution are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifactory.records.peaks import Baseline, find_peaks, measure, resolution, rolling_baseline

X = np.linspace(0.0, 20.0, 4001)


def gaussian(centre: float, sigma: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-0.5 * ((X - centre) / sigma) ** 2)


@given(st.floats(6.0, 14.0), st.floats(0.2, 1.0), st.floats(1e-3, 1e3))
def test_a_gaussian_is_measured_as_what_it_is(centre: float, sigma: float, height: float) -> None:
    (peak,) = find_peaks(X, gaussian(centre, sigma, height), baseline=Baseline.NONE)
    # The feet lie where the signal has fallen to 0.1 % of the height (3.7 sigma): 2e-4 of the area is lost.
    # The grid is 0.005; linear interpolation of a width errs by less than (0.005 / sigma)^2.
    assert peak.apex == pytest.approx(centre, abs=1e-4)
    assert peak.height == pytest.approx(height, rel=1e-4)
    assert peak.area == pytest.approx(height * sigma * math.sqrt(2 * math.pi), rel=1e-3)
    assert peak.mean == pytest.approx(centre, abs=2e-3 * sigma)
    assert peak.variance == pytest.approx(sigma**2, rel=1e-2)
    assert peak.skewness == pytest.approx(0.0, abs=1e-2)
    assert peak.width_half == pytest.approx(2 * math.sqrt(2 * math.log(2)) * sigma, rel=1e-3)
    assert peak.width_tenth == pytest.approx(2 * math.sqrt(2 * math.log(10)) * sigma, rel=1e-3)
    assert peak.asymmetry == pytest.approx(1.0, abs=2e-3)
    assert peak.tailing == pytest.approx(1.0, abs=2e-3)
    assert peak.plates == pytest.approx((centre / sigma) ** 2, rel=3e-3)


def test_two_peaks_and_their_resolution() -> None:
    first, second = find_peaks(X, gaussian(6.0, 0.5) + gaussian(10.0, 0.5, 2.0))
    # Rs = 1.18 d / (w1 + w2) with w = 2.355 sigma is d / (4 sigma) for equal Gaussians; overlap < 1e-4.
    assert resolution(first, second) == pytest.approx(4.0 / (4 * 0.5), rel=1e-2)


def test_a_tailing_peak_is_skewed_to_the_back() -> None:
    t = X - 5.0
    tail = np.where(t > 0, t * np.exp(-np.clip(t, 0, None)), 0.0)
    (peak,) = find_peaks(X, tail)
    assert peak.asymmetry > 1.5
    assert peak.tailing > 1.2
    assert 1.0 < peak.skewness < math.sqrt(2.0)  # gamma(2): 2 / sqrt(2), less what the feet cut off


def test_drift_under_a_peak_does_not_count() -> None:
    y = gaussian(10.0, 0.5) + 0.05 * X
    (peak,) = find_peaks(X, y)
    assert peak.area == pytest.approx(0.5 * math.sqrt(2 * math.pi), rel=0.02)
    assert peak.height == pytest.approx(1.0, rel=0.02)


def test_the_rolling_baseline_follows_drift_and_cuts_peaks() -> None:
    drift = 0.3 * np.sin(X / 10.0)
    base = rolling_baseline(X, drift + gaussian(10.0, 0.2), window=4.0)
    # An opening of 4 units is off by at most the drift's change over it: 0.03 per unit times 4.
    assert np.max(np.abs(base - drift)) < 0.12


def test_noise_below_the_prominence_is_no_peak() -> None:
    noise = np.random.default_rng(3).normal(0.0, 1.0, X.size)
    y = gaussian(10.0, 1.0, 100.0) + noise
    assert len(find_peaks(X, y, min_prominence=20.0)) == 1


@pytest.mark.parametrize("y", [np.zeros(4001), np.full(4001, 2.0), np.full(4001, np.nan)])
def test_nothing_there(y: np.ndarray) -> None:
    assert find_peaks(X, y) == ()


def test_a_peak_cut_by_the_end_of_the_record_is_still_found() -> None:
    (peak,) = find_peaks(X[:2100], gaussian(10.0, 1.0)[:2100], baseline=Baseline.NONE)
    assert peak.apex == pytest.approx(10.0, abs=1e-3)
    assert math.isnan(peak.width_half)


def test_noise_while_nothing_flows_is_no_peak() -> None:
    """On an axis of volume time passes at one place: between two peaks the pumps stood for a while."""
    noise = np.random.default_rng(3).normal(0.0, 1e-3, 400)
    x = np.concatenate((np.linspace(0.0, 1.0, 100), np.full(200, 1.0), np.linspace(1.0, 2.0, 100)))
    y = noise + np.exp(-(((x - 0.5) / 0.1) ** 2)) + np.exp(-(((x - 1.5) / 0.1) ** 2))
    found = find_peaks(x, y, min_prominence=1e-4)
    large = [peak for peak in found if peak.height > 0.5]
    assert [peak.apex for peak in large] == pytest.approx([0.5, 1.5], abs=0.03)


def test_gaps_in_the_axis_are_allowed() -> None:
    volume = np.concatenate([[0.0, 0.0, 0.0], X])
    signal = np.concatenate([[0.0, 0.0, 0.0], gaussian(10.0, 0.5)])
    assert measure(volume, signal).area == pytest.approx(0.5 * math.sqrt(2 * math.pi), rel=1e-6)
