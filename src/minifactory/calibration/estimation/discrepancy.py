"""The residual model: sensor noise, and what the model misses, told apart.

    y = f(theta) + N b + d + e,    e_i ~ N(0, s_i^2),    d ~ N(0, t^2 g_i g_j exp(-|x_i - x_j| / l))

e is the noise that the curve itself shows; d is a correlated discrepancy whose size t and length l are found
by maximum (restricted) likelihood from the residuals; N b are baselines in any amount. Without d, thousands of
points would make the intervals of a model that is slightly wrong absurdly narrow. Where the residuals are
white d vanishes and the intervals are the classical ones. The idea: M. C. Kennedy, A. O'Hagan, J. R. Stat.
Soc. B 63 (2001) 425.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from minifactory.calibration.estimation.curves import Observed

Array = NDArray[np.float64]

WORTH = 3.0
"""Gain in log-likelihood below which a further parameter of the residual model is not believed."""
LONGEST = 0.15
"""Longest correlation length, relative to the window."""


@dataclass(frozen=True)
class Residuals:
    """The residual model of one curve: factor on the noise, size (SI) and length (s) of the discrepancy."""

    noise_factor: float = 1.0
    size: float = 0.0
    length: float = 0.0

    @property
    def has_discrepancy(self) -> bool:
        """Whether the model misses something beyond noise."""
        return self.size > 0.0


@dataclass(frozen=True, eq=False)
class Whitener:
    """Turns residuals of one curve into independent ones of deviation 1, baselines projected out.

    The discrepancy is a first-order process, so the innovations of its Kalman filter are the residuals times
    the inverse Cholesky factor of the covariance, in a time that grows with the points only. `log_determinant`
    is that of the covariance.
    """

    amplitude: Array
    variance: Array
    memory: Array
    basis: Array
    log_determinant: float

    def __call__(self, residual: Array) -> Array:
        """Whitened residuals, (n,) or (n, k)."""
        white = innovations(self, residual)
        return np.asarray(white - self.basis @ (self.basis.T @ white))


def innovations(model: Whitener, residual: Array) -> Array:
    """Whitened residuals (n,) or (n, k), baselines included."""
    table = np.ascontiguousarray(residual.reshape(len(residual), -1), dtype=np.float64)
    out = np.empty_like(table)
    _filter(table, model.amplitude, model.variance, model.memory, out)
    return out.reshape(residual.shape)


def whitener(curve: Observed, model: Residuals) -> Whitener:
    """The whitener of `curve` under `model`."""
    length = model.length if model.has_discrepancy else 1.0
    steps = np.diff(curve.time, append=curve.time[-1])
    made = Whitener(
        model.size * curve.gains,
        (model.noise_factor * curve.noise) ** 2,
        np.exp(-np.maximum(steps, 0.0) / length),
        np.zeros((curve.size, 0)),
        0.0,
    )
    columns = np.concatenate([np.zeros((curve.size, 1)), curve.nuisance], axis=1)
    out = np.empty_like(columns)
    determinant = _filter(columns, made.amplitude, made.variance, made.memory, out)
    basis = np.linalg.qr(out[:, 1:])[0] if curve.nuisance.shape[1] else made.basis
    return replace(made, basis=np.asarray(basis), log_determinant=float(determinant))


def _compiled(function: Any) -> Any:
    # The kernel calls nothing outside this file, so Numba's own cache (keyed by the file) is enough.
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _filter(residual, amplitude, variance, memory, out):  # type: ignore[no-untyped-def]
    """Innovations over their deviations; returns the logarithm of the covariance's determinant."""
    state = np.zeros(residual.shape[1])
    spread, logs = 1.0, 0.0
    for i in range(residual.shape[0]):
        a = amplitude[i]
        total = a * a * spread + variance[i]
        gain, root = a * spread / total, np.sqrt(total)
        logs += np.log(total)
        keep, m = 1.0 - gain * a, memory[i]
        for k in range(residual.shape[1]):
            innovation = residual[i, k] - a * state[k]
            out[i, k] = innovation / root
            state[k] = m * (state[k] + gain * innovation)
        spread = m * m * keep * spread + 1.0 - m * m
    return logs


def baseline_of(curve: Observed, model: Residuals, residual: Array) -> Array:
    """The baseline (n,) that fits `residual` (n,) best."""
    if not curve.nuisance.shape[1]:
        return np.zeros(curve.size)
    plain = replace(whitener(curve, model), basis=np.zeros((curve.size, 0)))
    amounts, *_ = np.linalg.lstsq(plain(curve.nuisance), plain(residual), rcond=None)
    return np.asarray(curve.nuisance @ amounts)


def estimate(curve: Observed, residual: Array) -> Residuals:
    """The residual model that `residual` (n,) of `curve` speaks for."""
    spread = max(float(np.std(residual)), 1e-30)
    window = float(np.ptp(curve.time))
    shortest = 1.5 * window / curve.size

    def loss(model: Residuals) -> float:
        white = whitener(curve, model)
        misfit = white(residual)
        return 0.5 * (float(misfit @ misfit) + white.log_determinant)

    def scaled(point: Array) -> Residuals:
        size, length = np.exp(np.clip(point[1:], -40.0, 40.0))
        limited = float(np.clip(length, shortest, LONGEST * window))
        return Residuals(float(np.exp(np.clip(point[0], -0.7, 3.0))), float(min(size, 100.0 * spread)), limited)

    plain = Residuals(float(np.clip(_noise_factor(curve, residual), 0.5, 20.0)))
    best, least = plain, loss(plain)
    stated = loss(Residuals())
    if stated <= least + WORTH:
        best, least = Residuals(), stated
    for part in (0.02, 0.06):
        start = np.array([0.0, np.log(2.0 * spread), np.log(part * window)])
        found = minimize(
            lambda point: loss(scaled(point)), start, method="Nelder-Mead", options={"maxiter": 160, "fatol": 0.02}
        )
        if found.fun < least - WORTH:
            best, least = scaled(found.x), float(found.fun)
    return best


def _noise_factor(curve: Observed, residual: Array) -> float:
    free = residual - baseline_of(curve, Residuals(), residual)
    return float(np.sqrt(np.mean((free / curve.noise) ** 2)))
