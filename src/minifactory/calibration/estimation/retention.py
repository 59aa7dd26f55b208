"""Characteristic charge and equilibrium constant from the salt at which gradients elute a protein.

In the linear range of SMA the band moves with K(I) = k_eq (Lambda / I)^nu per volume of solid, and leaves a
column of solid volume V_s, run with a gradient of slope g = dI/dV, at the salt I_R:

    integral from I_0 to I_R of dI / K(I) = g V_s
    I_R^(nu+1) - I_0^(nu+1) = (nu + 1) k_eq Lambda^nu g V_s

so that gradients of several slopes tell nu (the slope of ln g against ln I_R is nu + 1) and k_eq. Source: S.
Yamamoto et al., Biotechnol. Bioeng. 25 (1983) 1465; in these terms D. Karlsson, N. Jakobsson, A. Axelsson, B.
Nilsson, J. Chromatogr. A 1055 (2004) 29.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import t as student

from minifactory.errors import Finding, InputError

Array = NDArray[np.float64]

FEWEST_SLOPES = 2
CLOSE = 1.3
"""Ratio of the steepest to the shallowest gradient below which nu is a guess."""


@dataclass(frozen=True)
class Elution:
    """One gradient: salt at its start and at the peak (mol/m3), and slope in mol/m3 per m3."""

    name: str
    start: float
    peak: float
    slope: float


@dataclass(frozen=True)
class Retention:
    """nu and k_eq (per volume of solid) with their covariance (of nu and ln k_eq) and degrees of freedom."""

    nu: float
    k_eq: float
    covariance: Array
    freedom: int
    capacity: float
    solid: float
    scatter: float

    def interval(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Intervals of ``nu`` and ``k_eq``; infinite without a degree of freedom."""
        deviations = np.sqrt(np.diag(self.covariance))
        half = self._factor(level) * deviations if self.freedom > 0 else np.full(2, math.inf)
        return {
            "nu": (self.nu - half[0], self.nu + half[0]),
            "k_eq": (self.k_eq * math.exp(-half[1]), self.k_eq * float(np.exp(half[1]))),
        }

    def _factor(self, level: float) -> float:
        return float(student.ppf(0.5 + 0.5 * level, self.freedom)) if self.freedom > 0 else math.inf

    def predict(self, start: float, slope: float, level: float = 0.95) -> tuple[float, float, float]:
        """Salt (mol/m3) at the peak of another gradient, with the interval in which it is expected."""
        point = np.array([self.nu, math.log(self.k_eq)])

        def at(coordinates: Array) -> float:
            return math.log(
                peak_salt(coordinates[0], math.exp(coordinates[1]), start, slope, self.capacity, self.solid)
            )

        value = at(point)
        steps = 1e-5 * np.maximum(np.abs(point), 1.0)
        slopes = np.array([(at(point + h) - at(point - h)) / (2.0 * h.sum()) for h in np.diag(steps)])
        spread = math.sqrt(float(slopes @ self.covariance @ slopes) + self.scatter**2)
        half = self._factor(level) * spread if self.freedom > 0 else math.inf
        return math.exp(value), math.exp(value - half), float(np.exp(value + half))


def peak_salt(nu: float, k_eq: float, start: float, slope: float, capacity: float, solid: float) -> float:
    """Salt (mol/m3) at which a gradient of `slope` (mol/m3 per m3) from `start` elutes the peak.

    `capacity` in mol per m3 of solid, `solid` (m3) the solid volume of the column.
    """
    power = nu + 1.0
    grown = math.log(power * k_eq * slope * solid / capacity) + math.log(capacity) * power
    return math.exp(np.logaddexp(grown, power * math.log(max(start, 1e-9))) / power)


def equilibrium_constant(nu: float, elution: Elution, capacity: float, solid: float) -> float:
    """k_eq that puts the peak of `elution` where it was, for a given `nu`."""
    power = nu + 1.0
    top = math.log(elution.peak) * power + math.log1p(-min((elution.start / elution.peak) ** power, 0.999999))
    return math.exp(top - math.log(power * elution.slope * solid) - nu * math.log(capacity))


def yamamoto(elutions: Sequence[Elution], capacity: float, solid: float) -> Retention:
    """nu and k_eq from the peaks of several gradients.

    Parameters
    ----------
    elutions : sequence of Elution
    capacity : float
        Ionic capacity, mol per m3 of solid.
    solid : float
        Solid volume of the column, m3.

    Raises
    ------
    InputError
        Fewer than two slopes, or peaks that do not come later in salt when the gradient is steeper.
    """
    slopes = np.array([item.slope for item in elutions])
    peaks = np.array([item.peak for item in elutions])
    if len(elutions) < FEWEST_SLOPES or slopes.max() < CLOSE * slopes.min():
        raise InputError(
            Finding(
                "retention",
                f"{len(elutions)} gradients with slopes that differ by a factor of "
                f"{slopes.max() / slopes.min():.2f}",
                f"two or more whose slopes differ by a factor of {CLOSE} at least",
                "Add a gradient of another length, about three times as steep or as shallow.",
            )
        )
    order = np.argsort(slopes)
    if np.any(np.diff(peaks[order]) <= 0.0) or np.any(peaks <= 0.0):
        raise InputError(
            Finding(
                "retention",
                "the peak does not elute at more salt in the steeper gradient",
                "peaks of the same protein on the same column",
                "Check which peak is which, the salt axis, and whether pH or column differed.",
            )
        )

    def misses(point: Array) -> Array:
        return np.array(
            [
                math.log(peak_salt(point[0], math.exp(point[1]), e.start, e.slope, capacity, solid) / e.peak)
                for e in elutions
            ]
        )

    line = np.polyfit(np.log(peaks), np.log(slopes), 1)
    nu = max(float(line[0]) - 1.0, 0.1)
    first = np.array([nu, math.log(equilibrium_constant(nu, elutions[0], capacity, solid))])
    solved = least_squares(misses, first, x_scale=[1.0, 1.0], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    freedom = len(elutions) - 2
    scatter = math.sqrt(float(solved.fun @ solved.fun) / freedom) if freedom > 0 else 0.0
    covariance = np.linalg.pinv(solved.jac.T @ solved.jac) * scatter**2
    return Retention(
        float(solved.x[0]), float(math.exp(solved.x[1])), covariance, freedom, capacity, solid, scatter
    )
