"""What a calibration returns: steps, estimates with intervals, curves with bands, findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.discrepancy import Residuals, baseline_of
from minifactory.calibration.estimation.identifiability import Identifiability, identifiability
from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.posterior import Posterior
from minifactory.calibration.estimation.profile import Profile
from minifactory.calibration.estimation.space import Free, Scale
from minifactory.errors import Finding
from minifactory.units import Kind

Array = NDArray[np.float64]

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
        return self.verdict not in ("not told", "at a bound") and bool(np.isfinite([self.lower, self.upper]).all())


@dataclass(frozen=True, eq=False)
class FittedCurve:
    """A curve with what was fitted (baseline included) and the 95 % band of a new measurement, all SI (n,)."""

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


@dataclass(frozen=True, eq=False)
class Calibration:
    """All steps in order; `sources` are the hashes of the runs by name."""

    steps: tuple[Step, ...]
    sources: Mapping[str, str]
    seconds: float = 0.0

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The last estimate of each path."""
        return {item.path: item for step in self.steps for item in step.estimates}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, each once."""
        return tuple(dict.fromkeys(finding for step in self.steps for finding in step.findings))


def estimates_of(
    fit: Fit, told: Identifiability, posterior: Posterior | None = None, profiles: Mapping[str, Profile] | None = None
) -> tuple[Estimate, ...]:
    """The estimates of a fit, with the intervals of the posterior, else the profiles, else the covariance."""
    found = []
    for at, (free, c, sd) in enumerate(zip(fit.problem.space.free, fit.coordinates, fit.deviations, strict=True)):
        low, high, method = float(c - WIDE * sd), float(c + WIDE * sd), "covariance"
        spread = float(sd)
        if profiles and free.path in profiles:
            held, method = profiles[free.path], "profile"
            low = free.forward(held.lower) if np.isfinite(held.lower) and held.lower > 0 or free.scale is Scale.LINEAR else -np.inf  # noqa: E501
            high = free.forward(held.upper) if np.isfinite(held.upper) else np.inf
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


def _back(free: Free, coordinate: float) -> float:
    if not np.isfinite(coordinate):
        return coordinate
    if free.scale is Scale.LOG and coordinate > 300.0:
        return float("inf")
    return free.back(coordinate)


def fitted_curves(fit: Fit) -> tuple[FittedCurve, ...]:
    """Curves with the fit and the band of a new measurement: parameters, model error and noise together."""
    problem = fit.problem
    values = fit.values
    slopes = {
        f.path: (f.back(float(c) + 1e-4) - f.back(float(c) - 1e-4)) / 2e-4
        for f, c in zip(problem.space.free, fit.coordinates, strict=True)
    }
    predicted, jacobian = problem.model.sensitivities(values, {p: 1e-4 * abs(s) for p, s in slopes.items()})
    scaled = jacobian * np.array(list(slopes.values()))
    capped = np.minimum(fit.deviations, 2.0)
    shrink = capped / np.maximum(fit.deviations, 1e-300)
    covariance = fit.covariance * np.outer(shrink, shrink)
    variance = np.einsum("ij,jk,ik->i", scaled, covariance, scaled)
    out = []
    for curve, model, mean, var in zip(
        problem.curves, problem.residuals, problem.split(predicted), problem.split(variance), strict=True
    ):
        base = baseline_of(curve, model, curve.values - mean)
        total = np.maximum(var, 0.0) + (model.size * curve.gains) ** 2 + (model.noise_factor * curve.noise) ** 2
        half = WIDE * np.sqrt(total)
        out.append(FittedCurve(curve, mean + base, mean + base - half, mean + base + half, model))
    return tuple(out)


def judged(fit: Fit, data: str) -> Identifiability:
    """Shorthand of :func:`identifiability`."""
    return identifiability(fit, data)
