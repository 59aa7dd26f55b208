"""How much better one explanation of the same curves is than another, for what it costs in parameters.

    D = sum over curves of n/k ln(RSS / n) + chi2 of the priors
    AICc = D + 2 p + 2 p (p + 1) / (N - p - 1),    BIC = D + p ln N,    N = sum of n/k

RSS is that of the residuals in the common shape of error, its size profiled out; k neighbouring residuals
count as one, for all explanations the largest k that any of them shows, which is the cautious choice
(decision 10). p is the trace of the hat matrix of the data: a parameter that leans on its prior counts in
part. Source: K. P. Burnham, D. R. Anderson, Model Selection and Multimodel Inference (2002), chapters 2, 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.discrepancy import Residuals, baseline_of
from minifactory.calibration.estimation.least_squares import Fit, covariance_of

Array = NDArray[np.float64]

STRENGTHS = (
    (2.0, "hardly; the data do not choose"),
    (6.0, "weakly"),
    (10.0, "strongly"),
    (math.inf, "very strongly"),
)
"""Difference of a criterion below which the words hold (after R. E. Kass, A. E. Raftery, J. Am. Stat. Assoc.
90 (1995) 773)."""


@dataclass(frozen=True)
class Criterion:
    """How well a fit does.

    Parameters
    ----------
    deviance : float
        -2 log likelihood up to a constant, with that of the priors.
    parameters : float
        Those that the data tell.
    counted : float
        Residuals that count as independent.
    aicc, bic : float
    """

    deviance: float
    parameters: float
    counted: float

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for few residuals; infinite where there are too few."""
        p, left = self.parameters, self.counted - self.parameters - 1.0
        return self.deviance + 2.0 * p + 2.0 * p * (p + 1.0) / left if left > 0.0 else math.inf

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        return self.deviance + self.parameters * math.log(max(self.counted, 1.0))


def criteria(fits: Sequence[Fit]) -> list[Criterion]:
    """The criterion of each of `fits`, which are fits of the same curves."""
    curves = fits[0].problem.curves
    missed = [_missed(fit) for fit in fits]
    counted = 0.0
    deviances = [_of_priors(fit) for fit in fits]
    for at, curve in enumerate(curves):
        models = [fit.problem.residuals[at] for fit in fits]
        sums = [float(np.mean((parts[at] / curve.noise) ** 2)) for parts in missed]
        best = models[int(np.argmin(sums))]
        shape = Residuals(best.noise_factor, best.size).deviations(curve)
        count = curve.size / max(model.correlated for model in models)
        counted += count
        for number, parts in enumerate(missed):
            rest = parts[at] - baseline_of(curve, Residuals(best.noise_factor, best.size), parts[at])
            deviances[number] += count * math.log(max(float(np.mean((rest / shape) ** 2)), 1e-300))
    return [
        Criterion(deviance, _told(fit) + len(curves), counted)
        for deviance, fit in zip(deviances, fits, strict=True)
    ]


def weights(values: Sequence[float], odds: Sequence[float]) -> list[float]:
    """What each explanation is worth (sum 1): ``odds * exp(-criterion / 2)``."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return [1.0 / len(values)] * len(values)
    raw = [
        odd * math.exp(-0.5 * (value - min(finite))) if math.isfinite(value) else 0.0
        for value, odd in zip(values, odds, strict=True)
    ]
    return [item / sum(raw) for item in raw]


def strength(difference: float) -> str:
    """In words, how strongly a difference of a criterion speaks."""
    return next(words for limit, words in STRENGTHS if difference < limit or math.isinf(limit))


def _missed(fit: Fit) -> list[Array]:
    predicted = fit.problem.model.predict([fit.values])[0]
    return fit.problem.split(fit.problem.observed - predicted)


def _of_priors(fit: Fit) -> float:
    rest = fit.problem.prior_residuals(fit.coordinates)
    return float(rest @ rest)


def _told(fit: Fit) -> float:
    own = fit.jacobian[: fit.problem.size]
    return float(np.trace(own.T @ own @ covariance_of(fit.jacobian)))
