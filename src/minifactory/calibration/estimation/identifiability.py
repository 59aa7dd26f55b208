"""What the data can tell and what they cannot, in words, with the experiment that would help.

Information is judged on the data alone, without priors: the derivatives of the whitened residuals. A
parameter
is *told* when the data alone give it a useful interval, *leant on its prior* when the interval is mostly what
was believed before, and *confounded* with another when only a combination of both is told.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.least_squares import Fit, covariance_of
from minifactory.calibration.estimation.space import Scale
from minifactory.errors import Finding

Array = NDArray[np.float64]

CONFOUNDED = 0.98
"""Correlation from which two parameters count as one."""
LOOSE_LOG = 0.7
"""Deviation of a logarithm (a factor of two) from which an interval is useless."""
LOOSE_LINEAR = 0.5
"""The same relative to the value, on a linear scale."""
THROUGH = 0.5
"""Posterior deviation over that of the data alone from which priors of others have told a parameter."""
MOST_LOG = 7.0
"""Deviation of a logarithm beyond which a parameter is not told at all."""
LEANING = 0.75
"""Posterior over prior deviation from which the prior did the work."""

REMEDIES = (
    (("nu", "k_eq"), "Add a gradient of another length, about three times as steep or as shallow"),
    (("sigma", "ionic_capacity", "q_max"), "Add a run at another load, into overload, or a breakthrough"),
    (("henry", "affinity"), "Add a run at another load or salt concentration"),
    (("interstitial_porosity", "particle_porosity", "pore_accessibility"),
     "Inject a tracer that enters no pores (blue dextran) beside salt"),
    (("film_coefficient", "pore_diffusivity", "surface_diffusivity", "dispersivity", "axial_dispersion",
    "k_kin"),
     "Inject pulses at other velocities, e.g. a third and three times the present one"),
    (("volume_factor",), "Inject a pulse with the column by-passed"),
    (("strength", "gain", "offset", "path_length", "extinction"),
     "Analyse the feed or a fraction, and read the detector on a known liquid"),
)  # fmt: skip
"""Last part of a path -> the experiment that tells it."""


@dataclass(frozen=True)
class Told:
    """What is known of one parameter: its deviation from the data alone and from both, and a verdict."""

    path: str
    alone: float
    posterior: float
    prior: float
    verdict: str

    @property
    def ok(self) -> bool:
        """Whether the data tell it."""
        return self.verdict == "told"


@dataclass(frozen=True)
class Identifiability:
    """All verdicts, and the findings that say it in words."""

    parameters: tuple[Told, ...]
    findings: tuple[Finding, ...]

    def verdict(self, path: str) -> str:
        """The verdict on `path`."""
        return next((item.verdict for item in self.parameters if item.path == path), "")


def identifiability(fit: Fit, data: str, beside: Collection[str] = ()) -> Identifiability:
    """What `fit` could tell from `data` (in words: "one gradient").

    Of the paths `beside`, which are free only because they are not exactly known, nothing is asked.
    """
    priors = int(np.isfinite(fit.problem.space.prior_spread).sum())
    own = fit.jacobian[: fit.jacobian.shape[0] - priors]
    alone = np.sqrt(np.diag(covariance_of(own))) if own.size else np.full(fit.coordinates.size, np.inf)
    told = []
    for item, by_data, post in zip(fit.problem.space.free, alone, fit.deviations, strict=True):
        value = abs(item.forward(fit.values[item.path])) if item.scale is Scale.LINEAR else 1.0
        loose = LOOSE_LOG if item.scale is Scale.LOG else LOOSE_LINEAR * max(value, 1e-12)
        if item.path in fit.at_bounds:
            verdict = "at a bound"
        elif item.prior is not None and post > LEANING * item.prior_spread:
            verdict = "leant on its prior"
        elif by_data <= loose:
            verdict = "told"
        else:
            # A prior on its partner makes a proper posterior of a confounded parameter, too.
            through = post < THROUGH * by_data and post < (MOST_LOG if item.scale is Scale.LOG else loose)
            verdict = "told with its prior" if item.prior is not None else "not told"
            verdict = "told through other priors" if item.prior is None and through else verdict
        told.append(Told(item.path, float(by_data), float(post), item.prior_spread, verdict))
    return Identifiability(tuple(told), tuple(_findings(fit, told, own, data, beside)))


def _findings(fit: Fit, told: list[Told], own: Array, data: str, beside: Collection[str]) -> list[Finding]:
    found = []
    paired: set[str] = set()
    pairs = correlations(own)
    paths = fit.problem.space.paths
    for i, j in _strongest(pairs):
        if {paths[i], paths[j]} & {*paired, *beside} or (
            told[i].ok and told[j].ok and told[i].alone < 0.1 * LOOSE_LOG
        ):
            continue
        paired |= {paths[i], paths[j]}
        found.append(
            Finding(
                "calibrate",
                f"{_pair(paths[i], paths[j])} are not identifiable from {data} (correlation "
                f"{pairs[i, j]:.3f})",
                remedy=f"{remedy(paths[i])}, or fix {_short(paths[j])}.",
                severity="warning",
            )
        )
    for item in told:
        if item.verdict == "not told" and item.path not in paired:
            found.append(
                Finding(
                    "calibrate",
                    f"{item.path} is not identifiable from {data} ({_width(fit, item)})",
                    remedy=f"{remedy(item.path)}, or fix it.",
                    severity="warning",
                )
            )
        elif item.verdict == "leant on its prior" and item.path not in beside:
            prior = next(f.prior for f in fit.problem.space.free if f.path == item.path)
            source = prior.source if prior else ""
            found.append(
                Finding(
                    "calibrate",
                    f"{item.path}: {data} hardly narrows its prior ({source})",
                    remedy=f"{remedy(item.path)} to replace the prior by data.",
                    severity="warning",
                )
            )
        elif item.verdict == "at a bound":
            found.append(
                Finding(
                    "calibrate",
                    f"{item.path} ends at a bound: {data} asks for a value beyond it, or does not tell it",
                    remedy=f"Widen the bound if that is physical; else {_lower_first(remedy(item.path))}.",
                    severity="warning",
                )
            )
    return found


def correlations(jacobian: Array) -> Array:
    """Correlations (p, p) of the estimates, from the derivatives of the whitened residuals."""
    covariance = covariance_of(jacobian)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    return np.asarray(covariance / np.outer(spread, spread))


def _strongest(pairs: Array) -> list[tuple[int, int]]:
    where = [
        (abs(pairs[i, j]), i, j) for i in range(len(pairs)) for j in range(i) if abs(pairs[i, j]) > CONFOUNDED
    ]
    return [(j, i) for _, i, j in sorted(where, reverse=True)]


def remedy(path: str) -> str:
    """The experiment that would tell `path`."""
    last = path.rsplit(".", 1)[-1]
    return next((text for names, text in REMEDIES if last in names), "Add a run under other conditions")


def _pair(one: str, other: str) -> str:
    owner, _, name = one.rpartition(".")
    owner_2, _, name_2 = other.rpartition(".")
    if owner == owner_2:
        return f'{name} and {name_2} of "{owner.rpartition(".")[2]}"'
    return f"{one} and {other}"


def _short(path: str) -> str:
    return path.rpartition(".")[2] if path.count(".") > 1 else path


def _width(fit: Fit, item: Told) -> str:
    free = next(f for f in fit.problem.space.free if f.path == item.path)
    if free.scale is Scale.LOG:
        factor = math.exp(min(2.0 * item.alone, 50.0))
        return "no limit" if factor > 1e6 else f"95 % interval: a factor of {factor:.2g} either way"
    width = 2.0 * item.alone * free.step
    return f"95 % interval: +-{width:.2g} around {fit.values[item.path]:.3g}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
