"""Optimal cut points: which stretches of a chromatogram to collect, exact on its cumulative curves.

With P_k(t) the mass of component k that has passed and V(t) the volume, the fraction from a to b holds

    yield          (P_k(b) - P_k(a)) / loaded
    purity         (P_k(b) - P_k(a)) >= p sum_j (P_j(b) - P_j(a))    as G(b) >= G(a), G = P_k - p sum_j P_j
    concentration  (P_k(b) - P_k(a)) >= c (V(b) - V(a))              as H(b) >= H(a), H = P_k - c V

so that every limit is a comparison of one curve at two times. A dynamic programme over a grid of times finds
the best set of disjoint fractions, whatever their order and number; sequential quadratic programming moves
the cuts off the grid, on the cubic curves through P and its known derivative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import minimize

from minifactory.design.candidates import FloatArray
from minifactory.errors import Finding, InputError, TargetError, did_you_mean
from minifactory.units import MASS_CONCENTRATION, VOLUME, show

GRID = 900
"""Times that the programme may cut at before the cuts are moved off the grid."""
SLACK = 1e-9


@dataclass(frozen=True)
class Curves:
    """What passed an outlet.

    Parameters
    ----------
    components : tuple of str
        The proteins.
    time : ndarray (n,)
        s, ascending.
    volume, flow : ndarray (n,)
        m3 that have passed, and m3/s.
    passed, rates : ndarray (n, components)
        kg (or any one measure) that has passed, and its rate per s.
    """

    components: tuple[str, ...]
    time: FloatArray
    volume: FloatArray
    flow: FloatArray
    passed: FloatArray
    rates: FloatArray

    def between(self, start: float, end: float) -> Curves:
        """The part from `start` to `end` (s)."""
        chosen = (self.time >= start) & (self.time <= end)
        return Curves(
            self.components,
            self.time[chosen],
            self.volume[chosen],
            self.flow[chosen],
            self.passed[chosen],
            self.rates[chosen],
        )


@dataclass(frozen=True)
class Wanted:
    """A component to be collected.

    Parameters
    ----------
    component : str
    loaded : float
        What counts as yield 1, in the measure of the curves.
    purity, recovery, concentration : float
        Least purity and yield (0 to 1) and concentration (measure per m3) of each of its fractions.
    volume : float
        Largest m3 of each.
    weight : float
        Of its yield in the sum that is made as large as possible.
    fractions : int
        How many stretches may be collected of it; each meets the limits on its own.
    """

    component: str
    loaded: float
    purity: float = 0.0
    recovery: float = 0.0
    concentration: float = 0.0
    weight: float = 1.0
    fractions: int = 1
    volume: float = math.inf


@dataclass(frozen=True)
class Fraction:
    """A stretch that is collected: from `start` to `end` (s), m3, masses by component, and its figures."""

    component: str
    start: float
    end: float
    volume: float
    masses: Mapping[str, float]
    recovery: float

    @property
    def purity(self) -> float:
        """Mass of the component / mass of all; nan when empty."""
        total = math.fsum(self.masses.values())
        return self.masses[self.component] / total if total > 0.0 else math.nan

    @property
    def concentration(self) -> float:
        """Mass of the component per m3; nan when empty."""
        return self.masses[self.component] / self.volume if self.volume > 0.0 else math.nan


State = tuple[int, ...]


class _Step(NamedTuple):
    """The last fraction of a state: the state before it, start, which component is wanted, end (grid)."""

    before: State
    start: int
    place: int
    end: int


def best_cuts(curves: Curves, wanted: Sequence[Wanted]) -> tuple[Fraction, ...]:
    """The fractions that give the largest weighted sum of yields within all limits, in order of time.

    Raises
    ------
    InputError
        A component that the curves do not have, or no curve at all.
    TargetError
        Limits that no stretch meets: names the component and the two limits that exclude each other.
    """
    _check(curves, wanted)
    grid = _grid(curves, wanted)
    coarse = _at(curves, grid)
    findings = [one for item in wanted for one in _conflicts(coarse, item, curves.components)]
    if findings:
        raise TargetError(findings)
    chosen = _programme(coarse, curves.components, wanted)
    for item in wanted:
        if item.recovery > 0.0 and not any(product is item for product, _, _ in chosen):
            others = ", ".join(other.component for other in wanted if other is not item)
            raise TargetError(
                Finding(
                    f"fraction of {item.component}",
                    f"a yield of {item.recovery:.1%} cannot be had together with the limits of {others}",
                    "fractions that do not overlap",
                    "Lower one of the limits, or separate the peaks better.",
                )
            )
    return _polished(curves, chosen)


def fraction_of(curves: Curves, item: Wanted, start: float, end: float) -> Fraction:
    """What is collected between two given cuts (s)."""
    volume, passed = _splines(curves)
    masses = np.asarray(passed(end) - passed(start))
    return Fraction(
        item.component,
        start,
        end,
        float(volume(end) - volume(start)),
        dict(zip(curves.components, masses.tolist(), strict=True)),
        float(masses[curves.components.index(item.component)]) / item.loaded,
    )


@dataclass(frozen=True)
class _Coarse:
    """The curves at the grid: times (g,), volume (g,), passed (g, components)."""

    time: FloatArray
    volume: FloatArray
    passed: FloatArray


def _check(curves: Curves, wanted: Sequence[Wanted]) -> None:
    findings = [
        Finding(
            "pool", f'no component "{item.component}"', "", did_you_mean(item.component, curves.components)
        )
        for item in wanted
        if item.component not in curves.components
    ]
    findings += [
        Finding("pool", f"no {item.component} was loaded", "a positive amount")
        for item in wanted
        if not item.loaded > 0.0
    ]
    if curves.time.size < 4 or not wanted:
        findings.append(Finding("pool", "nothing to collect from or for", "a chromatogram and a component"))
    if findings:
        raise InputError(findings)


def _splines(curves: Curves) -> tuple[CubicHermiteSpline, CubicHermiteSpline]:
    return (
        CubicHermiteSpline(curves.time, curves.volume, curves.flow),
        CubicHermiteSpline(curves.time, curves.passed, curves.rates),
    )


def _grid(curves: Curves, wanted: Sequence[Wanted]) -> FloatArray:
    """Cut times on a grid: dense where the wanted components leave, the ends always."""
    places = [curves.components.index(item.component) for item in wanted]
    rates = np.abs(curves.rates[:, places]).max(axis=1)
    density = rates / max(float(rates.max()), 1e-300) + 0.05
    steps = np.diff(curves.time) * 0.5 * (density[1:] + density[:-1])
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return np.unique(np.interp(np.linspace(0.0, along[-1], GRID), along, curves.time))


def _at(curves: Curves, times: FloatArray) -> _Coarse:
    volume, passed = _splines(curves)
    return _Coarse(times, np.asarray(volume(times)), np.asarray(passed(times)))


def _allowed(coarse: _Coarse, item: Wanted, components: Sequence[str], **changed: float) -> np.ndarray:
    """Whether the fraction from each grid time (row) to each (column) meets the limits of `item`."""
    purity = changed.get("purity", item.purity)
    recovery = changed.get("recovery", item.recovery)
    concentration = changed.get("concentration", item.concentration)
    own = coarse.passed[:, components.index(item.component)]
    total = coarse.passed.sum(axis=1)
    scale = max(item.loaded, 1e-300)
    upper = np.triu(np.ones((own.size, own.size), dtype=bool), 1)
    for curve in (own - purity * total, own - concentration * coarse.volume):
        upper &= curve[None, :] - curve[:, None] >= -SLACK * scale
    upper &= coarse.volume[None, :] - coarse.volume[:, None] <= changed.get("volume", item.volume) * (
        1.0 + 1e-9
    )
    if recovery > 0.0:
        upper &= own[None, :] - own[:, None] >= recovery * item.loaded * (1.0 - 1e-6)
    return upper


def _conflicts(coarse: _Coarse, item: Wanted, components: Sequence[str]) -> list[Finding]:
    """Why nothing can be collected of `item`, when nothing can."""
    own = coarse.passed[:, components.index(item.component)]
    gain = (own[None, :] - own[:, None]) > 1e-6 * item.loaded
    if np.any(_allowed(coarse, item, components) & gain):
        return []
    where = f"fraction of {item.component}"
    for name, text in (("purity", "a purity"), ("concentration", "a concentration"), ("recovery", "a yield")):
        alone = {"purity": 0.0, "recovery": 0.0, "concentration": 0.0, "volume": math.inf}
        alone[name] = getattr(item, name)
        if getattr(item, name) > 0.0 and not np.any(_allowed(coarse, item, components, **alone) & gain):
            said, most = (
                show(value, MASS_CONCENTRATION) if name == "concentration" else f"{value:.5g}"
                for value in (getattr(item, name), _best_alone(coarse, item, components, name))
            )
            return [
                Finding(
                    where,
                    f"{text} of {said} is reached nowhere; the best is {most}",
                    f"at most {most}",
                    "Lower the limit, or separate the peaks better.",
                )
            ]
    best = _best_recovery(coarse, item, components)
    asked = [f"a purity of {item.purity:.5g}"] if item.purity > 0.0 else []
    asked += [f"{show(item.concentration, MASS_CONCENTRATION)}"] if item.concentration > 0.0 else []
    asked += [f"{show(item.volume, VOLUME)} at most"] if math.isfinite(item.volume) else []
    return [
        Finding(
            where,
            f"its limits exclude each other: {' and '.join(asked)} leave a yield of {best:.4g} at most",
            f"a yield of {item.recovery:.4g}",
            "Lower one of them, or separate the peaks better.",
        )
    ]


def _best_alone(coarse: _Coarse, item: Wanted, components: Sequence[str], name: str) -> float:
    own = np.diff(coarse.passed[:, components.index(item.component)])
    if name == "recovery":
        return float(own.sum() / item.loaded)
    below = np.diff(coarse.passed.sum(axis=1)) if name == "purity" else np.diff(coarse.volume)
    relevant = own > 1e-6 * item.loaded / own.size
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(relevant & (below > 0.0), own / below, 0.0)))


def _best_recovery(coarse: _Coarse, item: Wanted, components: Sequence[str]) -> float:
    own = coarse.passed[:, components.index(item.component)]
    allowed = _allowed(coarse, item, components, recovery=0.0)
    return float(np.max(np.where(allowed, own[None, :] - own[:, None], 0.0)) / item.loaded)


def _programme(
    coarse: _Coarse, components: Sequence[str], wanted: Sequence[Wanted]
) -> list[tuple[Wanted, float, float]]:
    """The best disjoint fractions on the grid, as (wanted, start, end)."""
    size = coarse.time.size
    gains = []
    for item in wanted:
        own = coarse.passed[:, components.index(item.component)]
        value = item.weight * (own[None, :] - own[:, None]) / item.loaded
        gains.append(np.where(_allowed(coarse, item, components), value, -np.inf))
    states = list(itertools.product(*(range(item.fractions + 1) for item in wanted)))
    best = {state: np.full(size, -np.inf) for state in states}
    best[states[0]] = np.zeros(size)
    came: dict[State, list[_Step | None]] = {state: [None] * size for state in states}
    for state in states:  # in order: every state comes after those with fewer fractions
        value, steps = best[state], came[state]
        for place, count in enumerate(state):
            if count == 0:
                continue
            before = (*state[:place], count - 1, *state[place + 1 :])
            candidates = best[before][:, None] + gains[place]
            start = np.argmax(candidates, axis=0)
            gained = candidates[start, np.arange(size)]
            for end in np.flatnonzero(gained > value).tolist():
                value[end] = gained[end]
                steps[end] = _Step(before, int(start[end]), place, end)
        # A fraction that has ended stays collected: the best up to here, not only at here.
        for end in range(1, size):
            if value[end - 1] >= value[end]:
                value[end], steps[end] = value[end - 1], steps[end - 1]
    last = max(states, key=lambda one: (best[one][-1], -sum(one)))
    chosen: list[tuple[Wanted, float, float]] = []
    step = came[last][size - 1]
    while step is not None:
        chosen.append((wanted[step.place], float(coarse.time[step.start]), float(coarse.time[step.end])))
        step = came[step.before][step.start]
    return chosen[::-1]


def _polished(curves: Curves, chosen: Sequence[tuple[Wanted, float, float]]) -> tuple[Fraction, ...]:
    """The fractions with their cuts moved off the grid."""
    if not chosen:
        return ()
    volume, passed = _splines(curves)
    rate, flow = passed.derivative(), volume.derivative()
    start, end = float(curves.time[0]), float(curves.time[-1])
    scale = end - start
    items = [item for item, _, _ in chosen]
    places = [curves.components.index(item.component) for item in items]
    first = np.array([cut for _, a, b in chosen for cut in (a, b)])

    def gained(x: FloatArray, at: int, weights: FloatArray, per_volume: float) -> float:
        a, b = start + scale * x[2 * at], start + scale * x[2 * at + 1]
        return float((passed(b) - passed(a)) @ weights - per_volume * (volume(b) - volume(a)))

    def slope(x: FloatArray, at: int, weights: FloatArray, per_volume: float) -> FloatArray:
        grown = np.zeros(x.size)
        for column, sign in ((2 * at, -1.0), (2 * at + 1, 1.0)):
            t = start + scale * x[column]
            grown[column] = sign * scale * float(rate(t) @ weights - per_volume * flow(t))
        return grown

    def unit(place: int) -> FloatArray:
        return np.asarray(np.eye(len(curves.components))[place])

    terms = [
        (at, unit(place) * item.weight / item.loaded, 0.0)
        for at, (item, place) in enumerate(zip(items, places, strict=True))
    ]
    limits = []
    for at, (item, place) in enumerate(zip(items, places, strict=True)):
        limits.append((at, (unit(place) - item.purity) / item.loaded, 0.0, 0.0))
        limits.append((at, unit(place) / item.loaded, item.concentration / item.loaded, 0.0))
        limits.append((at, unit(place) / item.loaded, 0.0, item.recovery))
        if math.isfinite(item.volume):
            limits.append((at, 0.0 * unit(place), 1.0 / item.volume, -1.0))
    order = np.diff(np.eye(first.size), axis=0)
    constraints = [
        {
            "type": "ineq",
            "fun": lambda x: np.array([gained(x, at, w, c) - least for at, w, c, least in limits]),
            "jac": lambda x: np.array([slope(x, at, w, c) for at, w, c, _ in limits]),
        },
        {"type": "ineq", "fun": lambda x: order @ x, "jac": lambda _: order},
    ]
    begin = (first - start) / scale
    found = minimize(
        lambda x: -sum(gained(x, *term) for term in terms),
        begin,
        jac=lambda x: -np.sum([slope(x, *term) for term in terms], axis=0),
        bounds=[(0.0, 1.0)] * first.size,
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 100, "ftol": 1e-12},
    )
    worst = min(float(np.min(item["fun"](found.x))) for item in constraints)  # type: ignore[operator]
    better = -float(found.fun) >= sum(gained(begin, *term) for term in terms) - SLACK
    cuts = start + scale * found.x if worst >= -1e-6 and better else first
    return tuple(
        fraction_of(curves, item, float(cuts[2 * at]), float(cuts[2 * at + 1]))
        for at, item in enumerate(items)
    )
