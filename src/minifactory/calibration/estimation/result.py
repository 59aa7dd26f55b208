"""What a calibration returns: steps, estimates with intervals, curves with bands, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.discrepancy import Residuals, baseline_of
from minifactory.calibration.estimation.identifiability import Identifiability
from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.posterior import Posterior
from minifactory.calibration.estimation.profile import Profile
from minifactory.calibration.estimation.space import Free, Scale
from minifactory.errors import Finding
from minifactory.units import Kind

Array = NDArray[np.float64]

POOR = "poor fit"
"""Verdict on everything that a fit gives which does not describe its curves."""
WIDE = 1.959964
"""Deviations of a 95 % interval."""


@dataclass(frozen=True)
class Estimate:
    """One estimated parameter (SI).

    Parameters
    ----------
    path : str
    kind : Kind
    value, lower, upper : float
        Best value and 95 % interval; infinite ends where the data give none.
    scale : Scale
    spread : float
        Standard deviation on that scale (of the natural logarithm, or SI).
    method : str
        Where the interval is from: ``posterior``, ``profile`` or ``covariance``.
    verdict : str
        Of the identifiability report.
    prior : str
        Source of its prior; empty without one.
    """

    path: str
    kind: Kind
    value: float
    lower: float
    upper: float
    scale: Scale
    spread: float
    method: str
    verdict: str
    prior: str = ""

    @property
    def trusted(self) -> bool:
        """Whether it may go into a new version of the parameters."""
        return self.verdict not in ("not told", "at a bound", POOR) and bool(
            np.isfinite([self.lower, self.upper]).all()
        )


@dataclass(frozen=True, eq=False)
class FittedCurve:
    """A curve with what was fitted (baseline included) and the 95 % band of a measurement, SI (n,)."""

    observed: Observed
    fitted: Array
    lower: Array
    upper: Array
    residuals: Residuals


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the sequence: what it estimated, from what, and what it found."""

    name: str
    data: tuple[str, ...]
    estimates: tuple[Estimate, ...] = ()
    curves: tuple[FittedCurve, ...] = ()
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    fit: Fit | None = None
    posterior: Posterior | None = None
    seconds: float = 0.0


def estimates_of(
    fit: Fit,
    told: Identifiability,
    posterior: Posterior | None = None,
    profiles: Mapping[str, Profile] | None = None,
) -> tuple[Estimate, ...]:
    """The estimates of a fit, with the intervals of the posterior, else the profiles, else the covariance."""
    found = []
    for at, (free, c, sd) in enumerate(
        zip(fit.problem.space.free, fit.coordinates, fit.deviations, strict=True)
    ):
        low, high, method = float(c - WIDE * sd), float(c + WIDE * sd), "covariance"
        spread = float(sd)
        if profiles and free.path in profiles:
            held, method = profiles[free.path], "profile"
            low = (
                free.forward(held.lower)
                if (np.isfinite(held.lower) and held.lower > 0) or free.scale is Scale.LINEAR
                else -np.inf
            )
            high = _forward(free, held.upper)
        if posterior is not None:
            low, high = posterior.interval(at)
            spread, method = float(posterior.samples[:, at].std()), "posterior"
        found.append(
            Estimate(
                free.path,
                free.kind,
                fit.values[free.path],
                _back(free, low),
                _back(free, high),
                free.scale,
                spread * (1.0 if free.scale is Scale.LOG else free.step),
                method,
                told.verdict(free.path),
                free.prior.source if free.prior else "",
            )
        )
    return tuple(found)


def _forward(free: Free, value: float) -> float:
    if not np.isfinite(value) or (free.scale is Scale.LOG and value <= 0.0):
        return value if not np.isfinite(value) else float("-inf")
    return free.forward(value)


def _back(free: Free, coordinate: float) -> float:
    if not np.isfinite(coordinate):
        return coordinate
    if free.scale is Scale.LOG and coordinate > 300.0:
        return float("inf")
    return free.back(coordinate)


def fitted_curves(fit: Fit) -> tuple[FittedCurve, ...]:
    """Curves with the fit and the band of a new measurement: parameters, model error and noise together.

    What the parameters contribute is the leverage of each point: its part in the column space of the whitened
    derivatives, in units of its own variance. That needs no covariance of parameters that nothing tells.
    """
    problem = fit.problem
    predicted = problem.model.predict([fit.values])[0]
    spaces, sizes, _ = np.linalg.svd(fit.jacobian, full_matrices=False)
    told = spaces[: problem.size, sizes > 1e-8 * max(float(sizes.max(initial=0.0)), 1e-300)]
    leverage = (told**2).sum(axis=1)
    out = []
    for curve, model, mean, share in zip(
        problem.curves, problem.residuals, problem.split(predicted), problem.split(leverage), strict=True
    ):
        base = baseline_of(curve, model, curve.values - mean)
        half = WIDE * model.deviations(curve) * np.sqrt(1.0 + share * model.correlated)
        out.append(FittedCurve(curve, mean + base, mean + base - half, mean + base + half, model))
    return tuple(out)
