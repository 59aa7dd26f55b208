"""The residual model: sensor noise, and what the model misses, told apart.

    y = f(theta) + N b + d + e,    e_i ~ N(0, s_i^2),    d_i ~ N(0, t^2 g_i^2), correlated

e is the noise that the curve itself shows; d is what the model misses: its size t (growing with the
signal, g) follows from the residuals by maximum likelihood. Neighbouring misses are alike, so that k of them
count as one: k is the integrated autocorrelation time of the standardised residuals, and the log likelihood
is divided by it. Point estimates stay those of least squares; without d and k, thousands of points would make
the intervals of a model that is slightly wrong absurdly narrow. Where residuals are white, t = 0 and k = 1:
the intervals are the classical ones. N b are baselines in any amount.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from minifactory.calibration.estimation.curves import Observed

Array = NDArray[np.float64]

WORTH = 3.0
"""Gain in log likelihood below which a model error is not believed."""
WHITE = 2.5
"""Autocorrelation of neighbours, over its deviation in white noise, from which residuals are not white."""
MOST = 0.1
"""Largest correlation time, relative to the number of points: at least ten count."""


@dataclass(frozen=True)
class Residuals:
    """The residual model of one curve.

    Parameters
    ----------
    noise_factor : float
        On the noise that the curve shows.
    size : float
        Model error (SI) where the signal is largest.
    correlated : float
        How many neighbouring residuals count as one, at least 1.
    """

    noise_factor: float = 1.0
    size: float = 0.0
    correlated: float = 1.0

    @property
    def has_discrepancy(self) -> bool:
        """Whether the model misses something beyond noise."""
        return self.size > 0.0 or self.correlated > 1.0

    def deviations(self, curve: Observed) -> Array:
        """Standard deviation (n,) of the residuals of `curve`, SI."""
        return np.asarray(np.hypot(self.noise_factor * curve.noise, self.size * curve.gains))


@dataclass(frozen=True, eq=False)
class Whitener:
    """Turns residuals of one curve into independent ones of deviation 1, baselines projected out."""

    weights: Array
    basis: Array

    def __call__(self, residual: Array) -> Array:
        """Whitened residuals, (n,) or (n, k)."""
        white = residual * (self.weights if residual.ndim == 1 else self.weights[:, None])
        return np.asarray(white - self.basis @ (self.basis.T @ white))


def whitener(curve: Observed, model: Residuals) -> Whitener:
    """The whitener of `curve` under `model`."""
    weights = 1.0 / (model.deviations(curve) * np.sqrt(model.correlated))
    if not curve.nuisance.shape[1]:
        return Whitener(weights, np.zeros((curve.size, 0)))
    basis, _ = np.linalg.qr(curve.nuisance * weights[:, None])
    return Whitener(weights, np.asarray(basis))


def baseline_of(curve: Observed, model: Residuals, residual: Array) -> Array:
    """The baseline (n,) that fits `residual` (n,) best."""
    if not curve.nuisance.shape[1]:
        return np.zeros(curve.size)
    weights = 1.0 / model.deviations(curve)
    amounts, *_ = np.linalg.lstsq(curve.nuisance * weights[:, None], residual * weights, rcond=None)
    return np.asarray(curve.nuisance @ amounts)


def estimate(curve: Observed, residual: Array) -> Residuals:
    """The residual model that `residual` (n,) of `curve` speaks for."""
    free = residual - baseline_of(curve, Residuals(1.0, float(np.std(residual))), residual)

    def loss(size: float) -> float:
        spread = np.hypot(curve.noise, size * curve.gains)
        return float(0.5 * np.sum((free / spread) ** 2) + np.sum(np.log(spread)))

    largest = 3.0 * float(np.sqrt(np.mean((free / curve.gains) ** 2))) + 1e-300
    smallest = 1e-3 * float(np.min(curve.noise))
    found = minimize_scalar(
        lambda x: loss(float(np.exp(x))), bounds=(np.log(smallest), np.log(max(largest, 2 * smallest)))
    )
    size = float(np.exp(found.x)) if loss(0.0) - float(found.fun) > WORTH else 0.0
    factor = 1.0
    if size == 0.0:
        factor = float(np.clip(np.sqrt(np.mean((free / curve.noise) ** 2)), 0.5, 3.0))
        factor = 1.0 if abs(factor - 1.0) < 2.0 / np.sqrt(curve.size) else factor
    shape = free / np.hypot(factor * curve.noise, size * curve.gains)
    return Residuals(factor, size, correlation_time(shape))


def correlation_time(standardised: Array) -> float:
    """How many of these residuals (n,) count as one: 1 + 2 sum of autocorrelations, 1 for white ones."""
    count = standardised.size
    centred = standardised - standardised.mean()
    power = float(centred @ centred)
    if power <= 0.0 or count < 8:
        return 1.0
    lags = int(MOST * count) + 1
    rho = np.array([float(centred[: count - k] @ centred[k:]) / power for k in range(1, lags + 1)])
    if rho[0] < WHITE / np.sqrt(count):
        return 1.0
    below = np.flatnonzero(rho < 0.05)
    last = int(below[0]) if below.size else lags
    return float(np.clip(1.0 + 2.0 * rho[:last].sum(), 1.0, max(MOST * count, 1.0)))
