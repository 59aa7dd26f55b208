"""A full-curve calibration errs as much as it says: benchmarks.calibration_coverage_sma in short."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.calibration_coverage_sma import posed, repeat
from scipy.stats import chi2

pytestmark = pytest.mark.slow
REPEATS = 2
EXACT = (
    *("C1.interstitial_porosity", "C1.particle_porosity", "akta1.volume_factor", "akta1.PumpA.gain"),
    *("akta1.PumpB.gain", "akta1.Cond.gain"),
)


def test_estimates_miss_the_truth_as_far_as_their_covariance_says() -> None:
    """The squared misses, in units of the stated covariance, of all parameters of seeded repeats are a
    chi-square sum: between its 0.1 % and 99.9 % quantile."""
    problem = posed((12.0,), ("k_eq", "film_coefficient"), EXACT).problem
    total = 0.0
    for seed in range(REPEATS):
        gaps, covariance = repeat(problem, seed)
        total += float(gaps @ np.linalg.solve(covariance, gaps))
    low, high = chi2.ppf([0.001, 0.999], REPEATS * len(problem.space.paths))
    assert low < total < high
