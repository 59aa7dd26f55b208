"""Plate heights of pulses at several velocities, and the van Deemter line through them.

Each peak is described by an exponentially modified Gaussian, whose mean and variance are insensitive to where
its tail is cut off (moments by summation are not):

    m = mu + tau,   v = sigma^2 + tau^2        H = L (v - v_line - V_inj^2 / 12) / (m - V_line - V_inj / 2)^2

in volume. The line H = A + C u (B / u belongs to molecular diffusion and needs velocities far below the ones
in use: it is only fitted to four velocities or more, and dropped where its interval contains 0) is fitted by
least squares; intervals are Student's. Source: J. J. van Deemter et al., Chem. Eng. Sci. 5 (1956) 271; EMG:
J. P. Foley, J. G. Dorsey, Anal. Chem. 55 (1983) 730.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import erfcx
from scipy.stats import t as student

from minifactory.errors import Finding, InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PeakShape:
    """An exponentially modified Gaussian: area, mean and variance (of the axis), quality."""

    area: float
    mean: float
    variance: float
    apex: float
    r_squared: float
    mean_deviation: float
    variance_deviation: float


@dataclass(frozen=True)
class PlateHeight:
    """One plate height (m) at an interstitial or superficial velocity (m/s), with its standard deviation."""

    name: str
    velocity: float
    height: float
    deviation: float
    plates: float


@dataclass(frozen=True)
class VanDeemter:
    """H = A + B / u + C u: coefficients with 95 % intervals (SI), R2, and the heights."""

    a: tuple[float, float, float]
    b: tuple[float, float, float] | None
    c: tuple[float, float, float]
    r_squared: float
    heights: tuple[PlateHeight, ...]
    findings: tuple[Finding, ...] = ()

    def at(self, velocity: Array) -> Array:
        """Heights (m) at velocities (m/s)."""
        return self.a[0] + (self.b[0] / velocity if self.b else 0.0) + self.c[0] * velocity


def emg(x: Array, area: float, centre: float, sigma: float, tau: float) -> Array:
    """An exponentially modified Gaussian of `area` at `x`; `tau` > 0 tails."""
    z = (sigma / tau - (x - centre) / sigma) / np.sqrt(2.0)
    gauss = np.exp(-0.5 * ((x - centre) / sigma) ** 2)
    with np.errstate(over="ignore", invalid="ignore"):
        near = gauss * erfcx(np.maximum(z, -5.0))
        far = 2.0 * np.exp(np.minimum(0.5 * (sigma / tau) ** 2 - (x - centre) / tau, 50.0))
    return np.asarray(area / (2.0 * tau) * np.where(z > -5.0, near, far))


def describe_peak(x: Array, y: Array, others: Array | None = None) -> PeakShape:
    """The peak of `y` (n,) over `x` (n,), with a linear baseline and in front of it any of `others` (n, k).

    Raises
    ------
    InputError
        There is no peak that stands out of the noise.
    """
    top = int(np.argmax(y))
    base = float(np.median(np.concatenate([y[: y.size // 12 + 1], y[-(y.size // 12) - 1 :]])))
    height = float(y[top] - base)
    above = x[(y - base) > 0.5 * height]
    noise = float(1.4826 * np.median(np.abs(np.diff(y, 2))) / np.sqrt(6.0))
    if not height > 6.0 * noise or above.size < 3:
        raise InputError(
            Finding(
                "pulse", f"no peak (height {height:.3g}, noise {noise:.3g})", "a peak above 6 times the noise"
            )
        )
    width = max(float(np.ptp(above)), float(np.ptp(x)) / y.size) / 2.355
    columns = [np.ones_like(x), (x - x.mean()) / np.ptp(x)]
    if others is not None:
        columns += list(others.T)

    def shape(point: Array) -> Array:
        return emg(x, 1.0, point[0], float(np.exp(point[1])), float(np.exp(point[2])))

    def solved(point: Array) -> tuple[Array, Array]:
        matrix = np.stack([shape(point), *columns], axis=1)
        amounts, *_ = np.linalg.lstsq(matrix, y, rcond=None)
        return amounts, matrix @ amounts

    start = np.array([x[top] - 0.3 * width, np.log(0.8 * width), np.log(0.6 * width)])
    low = np.array([x[0], np.log(0.02 * width), np.log(1e-3 * width)])
    high = np.array([x[-1], np.log(10 * width), np.log(10 * width)])
    found = least_squares(lambda p: solved(p)[1] - y, start, bounds=(low, high), x_scale=[width, 1.0, 1.0])
    amounts, fitted = solved(found.x)
    centre, sigma, tau = found.x[0], np.exp(found.x[1]), np.exp(found.x[2])
    residual = y - fitted
    spread = _moment_spread(found.jac, residual, sigma, tau)
    fine = np.linspace(x[0], x[-1], 4000)
    curve = emg(fine, 1.0, centre, float(sigma), float(tau))
    return PeakShape(
        area=float(amounts[0]),
        mean=float(centre + tau),
        variance=float(sigma**2 + tau**2),
        apex=float(fine[np.argmax(curve)]),
        r_squared=1.0 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum()),
        mean_deviation=spread[0],
        variance_deviation=spread[1],
    )


def _moment_spread(jacobian: Array, residual: Array, sigma: float, tau: float) -> tuple[float, float]:
    """Deviations of mean and variance; neighbouring residuals count as one where they are correlated."""
    correlated = float(np.corrcoef(residual[:-1], residual[1:])[0, 1]) if residual.std() > 0 else 0.0
    inflation = (1.0 + max(correlated, 0.0)) / max(1.0 - max(correlated, 0.0), 0.02)
    scale = float(residual @ residual) / max(residual.size - 6, 1) * inflation
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * scale
    of_mean = np.array([1.0, 0.0, tau])
    of_variance = np.array([0.0, 2.0 * sigma**2, 2.0 * tau**2])
    return float(np.sqrt(of_mean @ covariance @ of_mean)), float(
        np.sqrt(of_variance @ covariance @ of_variance)
    )


def plate_height(
    name: str,
    velocity: float,
    length: float,
    shape: PeakShape,
    line_volume: float,
    line_variance: float,
    injected: float,
) -> PlateHeight:
    """The plate height (m) of a bed of `length` (m) from a peak on an axis of volume (m3).

    Parameters
    ----------
    line_volume, line_variance : float
        m3 and m6 of what is not the bed.
    injected : float
        m3.

    Raises
    ------
    InputError
        The lines are wider than the whole peak.
    """
    mean = shape.mean - line_volume - 0.5 * injected
    variance = shape.variance - line_variance - injected**2 / 12.0
    if mean <= 0.0 or variance <= 0.0:
        raise InputError(
            Finding(
                name,
                f"the peak ({1e6 * shape.mean:.3g} mL, variance {1e12 * shape.variance:.3g} mL2) is "
                "not wider than "
                f"the lines ({1e6 * line_volume:.3g} mL, {1e12 * line_variance:.3g} mL2)",
                "a pulse through the column",
                "Inject less, or correct the volumes of the lines.",
            )
        )
    height = length * variance / mean**2
    relative = np.hypot(shape.variance_deviation / variance, 2.0 * shape.mean_deviation / mean)
    return PlateHeight(name, velocity, height, height * float(relative), length / height)


def van_deemter(heights: Sequence[PlateHeight]) -> VanDeemter:
    """The van Deemter line through `heights`.

    Raises
    ------
    InputError
        Fewer than three, or all at one velocity.
    """
    u = np.array([item.velocity for item in heights])
    h = np.array([item.height for item in heights])
    if u.size < 3 or np.ptp(u) < 0.2 * u.max():
        raise InputError(
            Finding(
                "plate heights",
                f"{u.size} pulses between {u.min() * 3.6e5:.0f} and {u.max() * 3.6e5:.0f} cm/h",
                "three or more velocities that differ by more than 20 %",
                "Inject the tracer at other velocities, e.g. half and twice.",
            )
        )
    findings = []
    with_b = _line(u, h, True) if u.size >= 4 else None
    a, b, c, r_squared = _line(u, h, False)
    if with_b is not None and with_b[1] is not None and with_b[1][1] > 0.0:
        a, b, c, r_squared = with_b
    else:
        findings.append(
            Finding(
                "plate heights",
                "the term B / u is not told by these velocities",
                remedy="Inject at a velocity well below the lowest one if it matters.",
                severity="warning",
            )
        )
    return VanDeemter(a, b, c, r_squared, tuple(heights), tuple(findings))


Interval = tuple[float, float, float]


def _line(u: Array, h: Array, with_b: bool) -> tuple[Interval, Interval | None, Interval, float]:
    columns = [np.ones_like(u), u / u.mean()] + ([u.mean() / u] if with_b else [])
    matrix = np.stack(columns, axis=1)
    amounts, *_ = np.linalg.lstsq(matrix, h, rcond=None)
    residual = h - matrix @ amounts
    freedom = u.size - matrix.shape[1]
    spread = np.full(matrix.shape[1], np.inf)
    if freedom > 0:
        scale = float(residual @ residual) / freedom
        spread = student.ppf(0.975, freedom) * np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)) * scale)
    total = float(((h - h.mean()) ** 2).sum())
    r_squared = 1.0 - float(residual @ residual) / total if total > 0.0 else 0.0

    def interval(at: int, scale: float) -> Interval:
        value, width = float(amounts[at]) * scale, float(spread[at]) * scale
        return value, value - width, value + width

    b = interval(2, float(u.mean())) if with_b else None
    return interval(0, 1.0), b, interval(1, 1.0 / float(u.mean())), r_squared
