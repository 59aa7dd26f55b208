"""Start values from retention: where the digital factory's peaks have to move to lie on the measured ones.

Yamamoto's analysis of the measured peaks takes them for linear, without dispersion and dead volumes. The same
analysis of the predicted peaks makes the same mistakes, so that the difference of both is what the parameters
have to change by; two or three such steps put the peaks in place before any curve is fitted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.experiment import Experiment
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.calibration.estimation.retention import Elution, Retention, equilibrium_constant, yamamoto
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Column
from minifactory.plant.requirements import paths
from minifactory.records.peaks import find_peaks

Array = NDArray[np.float64]

PROMINENCE = 0.03
"""Least height of a peak over its valleys, relative to the range of the curve."""
MOVES = 4
"""How often the predicted peaks are moved at most."""
IN_PLACE = 0.01
"""Relative difference of the salt at predicted and measured peaks from which they lie on one another."""
FARTHEST = 0.5
"""Largest change of ln nu in one move."""
CHARGES = (0.3, 40.0)
"""nu beyond these is no charge."""


@dataclass(frozen=True)
class Starts:
    """Start values by path, the retention analyses by protein, and findings.

    `salts` are the geometric means of the salt (mol/m3) at which each protein elutes.
    """

    values: Mapping[str, float]
    retentions: Mapping[str, Retention]
    elutions: Mapping[str, tuple[Elution, ...]]
    findings: tuple[Finding, ...]
    capacity: float = 0.0

    @property
    def reaches(self) -> dict[str, float]:
        """ln of ionic capacity over the salt at elution, by protein: what nu is multiplied with in ln q/c."""
        return {
            name: math.log(self.capacity) - float(np.mean([math.log(e.peak) for e in elutions]))
            for name, elutions in self.elutions.items()
            if elutions
        }


@dataclass(frozen=True)
class _Pair:
    """A peak where it was measured, and where it is predicted."""

    measured: Elution
    predicted: Elution

    @property
    def off(self) -> float:
        return abs(math.log(self.predicted.peak / self.measured.peak))


def retention_starts(model: FactoryModel, column: Column) -> Starts:
    """Start values of k_eq (and nu, with several slopes) that put predicted peaks onto measured ones."""
    if column.binding_model.lower() != "sma" or column.counter_ion is None:
        return Starts({}, {}, {}, ())
    parameters = model.ways.parameters
    capacity, solid = parameters[f"{column.name}.ionic_capacity"], _solid(column, parameters)
    values: dict[str, float] = {}
    best: tuple[float, dict[str, float]] = (np.inf, {})
    retentions: dict[str, Retention] = {}
    elutions: dict[str, tuple[Elution, ...]] = {}
    findings: list[Finding] = []
    for number in range(MOVES):
        pairs, told = _pairs(model, column, values)
        if number == 0:
            findings += told
            elutions = {name: tuple(pair.measured for pair in own) for name, own in pairs.items()}
        worst = max((pair.off for own in pairs.values() for pair in own), default=np.inf)
        complete = all(len(pairs.get(name, ())) >= len(own) for name, own in elutions.items())
        if not complete or worst >= best[0]:
            break
        best = (worst, dict(values))
        if worst < IN_PLACE:
            break
        for name, own in pairs.items():
            nu, k_eq = (_present(model, column, values, name, key, other) for key, other in _DEFAULTS)
            moved, told_by, more = _moved(name, own, nu, k_eq, capacity, solid)
            findings += more if number == 0 else []
            if told_by is not None:
                retentions.setdefault(name, told_by)
            path = f"{column.name}.{name}"
            values |= {f"{path}.{key}": value for key, value in moved.items()}
    return Starts(best[1], retentions, elutions, tuple(findings), capacity)


_DEFAULTS = (("nu", 5.0), ("k_eq", 1e-3))


def _present(
    model: FactoryModel, column: Column, values: Mapping[str, float], name: str, key: str, default: float
) -> float:
    general = paths(column.name, model.plant.species[name], key)
    return values.get(f"{column.name}.{name}.{key}", model.ways.parameters.first(general, default))


def _moved(
    name: str, pairs: Sequence[_Pair], nu: float, k_eq: float, capacity: float, solid: float
) -> tuple[dict[str, float], Retention | None, list[Finding]]:
    """nu and k_eq (k_eq alone with one slope) by what measured and predicted peaks differ in."""
    findings: list[Finding] = []
    if len(pairs) > 1:
        try:
            told = yamamoto([pair.measured for pair in pairs], capacity, solid)
            now = yamamoto([pair.predicted for pair in pairs], capacity, solid)
        except InputError as fault:
            findings = [
                Finding(f"{f.where} of {name}", f.found, f.expected, f.remedy, "warning")
                for f in fault.findings
            ]
        else:
            changed = nu * math.exp(
                float(np.clip(math.log(max(told.nu, 1e-3) / now.nu), -FARTHEST, FARTHEST))
            )
            if CHARGES[0] < told.nu < CHARGES[1]:
                reach = math.log(capacity) - float(np.mean([math.log(p.measured.peak) for p in pairs]))
                strength = math.log(k_eq) + nu * reach
                strength += math.log(told.k_eq) + told.nu * reach - math.log(now.k_eq) - now.nu * reach
                return {"nu": changed, "k_eq": math.exp(strength - changed * reach)}, told, []
    ratios = [
        equilibrium_constant(nu, pair.measured, capacity, solid)
        / equilibrium_constant(nu, pair.predicted, capacity, solid)
        for pair in pairs
    ]
    return {"k_eq": k_eq * float(np.exp(np.mean(np.log(ratios))))}, None, findings


def _pairs(
    model: FactoryModel, column: Column, values: Mapping[str, float]
) -> tuple[dict[str, list[_Pair]], list[Finding]]:
    """The peaks by protein, and experiments without any."""
    species = model.plant.species
    names = list(species)
    assert column.counter_ion is not None
    salt = names.index(column.counter_ion)
    found: dict[str, list[_Pair]] = {}
    findings: list[Finding] = []
    watched = [e for e in model.experiments if any(c.signal.startswith("UV") for c in e.curves)]
    for experiment, (times, outlet) in zip(watched, model.outlets(values, watched), strict=True):
        curve = next(c for c in experiment.curves if c.signal.startswith("UV"))
        measured = find_peaks(
            experiment.course.at(curve.time),
            curve.values,
            min_prominence=PROMINENCE * float(np.ptp(curve.values)),
        )
        gradient = _rising(times, outlet[:, salt])
        expected = [
            (name, _apex(times, outlet[:, names.index(name)]))
            for name, item in species.items()
            if item.role.is_protein and outlet[:, names.index(name)].max() > 0.0
        ]
        expected = sorted((e for e in expected if gradient[0] < e[1]), key=lambda e: e[1])
        seen = [p for p in measured if gradient[0] < p.apex]
        if not seen:
            findings.append(
                Finding(
                    experiment.name,
                    "no peak elutes in the gradient",
                    "a peak that stands out of the baseline",
                    "Was the protein loaded, and is the detector's window right?",
                    "warning",
                )
            )
            continue
        for (name, predicted), peak in _matched(expected, seen):
            rows = []
            for label, at in (("measured", peak), ("predicted", predicted)):
                level, slope, start = _salt(times, outlet[:, salt], experiment, at)
                rows.append(Elution(f"{experiment.name} {label}", start, level, slope))
            if all(row.slope > 0.0 and row.peak > row.start * 1.0001 for row in rows):
                found.setdefault(name, []).append(_Pair(*rows))
    return found, findings


def _apex(times: Array, values: Array) -> float:
    """Where the largest of `values` lies, between the points (parabola)."""
    at = int(np.argmax(values))
    if not 0 < at < values.size - 1:
        return float(times[at])
    x, y = times[at - 1 : at + 2] - times[at], values[at - 1 : at + 2] - values[at]
    bend = (y[2] / x[2] - y[0] / x[0]) / (x[2] - x[0])
    slope = y[0] / x[0] - bend * x[0]
    if not bend < 0.0:
        return float(times[at])
    return float(times[at] + np.clip(-0.5 * slope / bend, x[0], x[2]))


def _solid(column: Column, parameters: Mapping[str, float]) -> float:
    if column.bed_model in ("LRM", "EDM"):
        return column.volume * (1.0 - parameters[f"{column.name}.total_porosity"])
    outside = 1.0 - parameters[f"{column.name}.interstitial_porosity"]
    return column.volume * outside * (1.0 - parameters[f"{column.name}.particle_porosity"])


def _rising(times: Array, salt: Array) -> tuple[float, float]:
    """When the gradient is between a tenth and the whole of its rise, s."""
    top = int(np.argmax(salt))
    low = int(np.argmin(salt[: top + 1])) if top else 0
    level = salt[low] + 0.02 * (salt[top] - salt[low])
    later = np.flatnonzero(salt[low : top + 1] > level)
    return float(times[low + int(later[0])] if later.size else times[low]), float(times[top])


def _salt(times: Array, salt: Array, experiment: Experiment, at: float) -> tuple[float, float, float]:
    """Salt (mol/m3) at time `at` (s), its slope over the volume (mol/m3 per m3) there, and where it began."""
    level = float(np.interp(at, times, salt))
    before = salt[times < at]
    start = float(before.min()) if before.size else level
    # The slope from a tenth of the way up to here: local ripples do not matter.
    last = int(np.searchsorted(times, at))
    half = start + 0.3 * (level - start)
    early = np.flatnonzero(salt[:last] <= half)
    begin = float(times[int(early[-1])]) if early.size else float(times[0])
    volumes = np.interp([begin, at], *_volumes(experiment))
    gone = float(volumes[1] - volumes[0])
    rise = level - float(np.interp(begin, times, salt))
    return level, rise / gone if gone > 0.0 else 0.0, start


def _volumes(experiment: Experiment) -> tuple[Array, Array]:
    segments = experiment.course.segments
    times = np.array([segments[0].start, *(s.end for s in segments)])
    return times, np.concatenate([[0.0], np.cumsum([s.volume_a + s.volume_b for s in segments])])


def _matched(expected: Sequence[tuple[str, float]], seen: Sequence) -> list[tuple[tuple[str, float], float]]:  # type: ignore[type-arg]
    """Predicted and measured peaks in the same order, by the least change of places."""
    if not expected:
        return []
    count = min(len(expected), len(seen))
    strongest = sorted(seen, key=lambda p: -p.area)[: max(count, 6)]
    places = sorted(p.apex for p in strongest)
    best: list[tuple[tuple[str, float], float]] = []
    least = np.inf
    for some in itertools.combinations(range(len(expected)), count):
        for chosen in itertools.combinations(places, count):
            cost = sum(abs(expected[i][1] - place) for i, place in zip(some, chosen, strict=True))
            if cost < least:
                least = cost
                best = [(expected[i], place) for i, place in zip(some, chosen, strict=True)]
    return best
