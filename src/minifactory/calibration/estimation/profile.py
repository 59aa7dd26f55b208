"""Profile likelihood: how the misfit rises when one parameter is held and all others follow.

The 95 % interval is where -2 log likelihood has risen by 3.84 (chi-square with one degree of freedom). It
needs
no assumption on the form of the posterior; where the profile stays flat the interval is open, which is what
"not identifiable" means. Source: A. Raue et al., Bioinformatics 25 (2009) 1923.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from minifactory.calibration.estimation.space import Space

Array = NDArray[np.float64]

RISE = 3.84
"""Rise of -2 log likelihood at the ends of a 95 % interval."""
STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.2, 4.0)
"""Where the profile is computed on either side, in deviations of the covariance."""


class Judged(Protocol):
    """What profiles and Monte Carlo need of a problem (or of its emulator)."""

    @property
    def space(self) -> Space:
        """Its parameters."""
        ...

    def residual_many(self, coordinates: Array) -> Array:
        """Whitened residuals (k, m) at (k, p)."""
        ...

    def derivatives(self, coordinates: Array) -> tuple[Array, Array]:
        """Whitened residuals (m,) and their derivatives (m, p)."""
        ...


@dataclass(frozen=True, eq=False)
class Profile:
    """One profile: values (SI), rise of -2 log likelihood, and the 95 % interval (SI, or infinite)."""

    path: str
    values: Array
    rise: Array
    lower: float
    upper: float


def profile(problem: Judged, best: Array, deviations: Array, path: str) -> Profile:
    """The profile of `path` around the optimum `best` (p,) with `deviations` (p,)."""
    space = problem.space
    at = space.paths.index(path)
    lower, upper = space.bounds
    base, _ = problem.derivatives(best)
    least = float(base @ base)
    width = min(float(deviations[at]), 0.25 * float(upper[at] - lower[at]))
    points = [(float(best[at]), 0.0)]
    for sign in (-1.0, 1.0):
        follow = best.copy()
        for step in STEPS:
            place = float(np.clip(best[at] + sign * step * width, lower[at], upper[at]))
            follow, misfit = _held(problem, follow, at, place)
            points.append((place, max(misfit - least, 0.0)))
            if misfit - least > 2.0 * RISE or place in (lower[at], upper[at]):
                break
    points.sort()
    coordinates, rise = np.array(points).T
    ends = [_crossing(coordinates, rise, float(best[at]), sign) for sign in (-1.0, 1.0)]
    free = space.free[at]
    return Profile(
        path,
        np.array([free.back(float(value)) for value in coordinates]),
        rise,
        free.back(ends[0]) if math.isfinite(ends[0]) else -math.inf,
        free.back(ends[1]) if math.isfinite(ends[1]) else math.inf,
    )


def _held(problem: Judged, start: Array, at: int, place: float) -> tuple[Array, float]:
    """The best point with coordinate `at` held at `place`, and its misfit."""
    others = np.arange(start.size) != at
    lower, upper = problem.space.bounds

    def whole(free: Array) -> Array:
        point = start.copy()
        point[at], point[others] = place, free
        return point

    if not np.any(others):
        residual, _ = problem.derivatives(whole(np.zeros(0)))
        return whole(np.zeros(0)), float(residual @ residual)
    margin = 1e-9 * (upper - lower)
    solved = least_squares(
        lambda free: problem.derivatives(whole(free))[0],
        np.clip(start, lower + margin, upper - margin)[others],
        jac=lambda free: problem.derivatives(whole(free))[1][:, others],
        bounds=(lower[others], upper[others]),
        x_scale="jac",
        max_nfev=12,
        ftol=1e-5,
        xtol=1e-6,
    )
    return whole(solved.x), 2.0 * float(solved.cost)


def _crossing(coordinates: Array, rise: Array, best: float, sign: float) -> float:
    """Where the rise reaches its limit on one side; infinite when it does not."""
    side = coordinates * sign >= best * sign - 1e-15
    x, y = coordinates[side], rise[side]
    order = np.argsort(x * sign)
    x, y = x[order], y[order]
    above = np.flatnonzero(y >= RISE)
    if not above.size:
        return math.inf * sign
    i = int(above[0])
    if i == 0:
        return float(x[0])
    # The square root of the rise is nearly straight.
    a, b = math.sqrt(y[i - 1]), math.sqrt(y[i])
    part = (math.sqrt(RISE) - a) / (b - a) if b > a else 1.0
    return float(x[i - 1] + part * (x[i] - x[i - 1]))
