"""Design spaces after ICH Q8: where a process may be operated, with the probability of meeting every limit.

On a grid over the variables every point is sampled with the same draws of the uncertain factors. From the
probabilities follow the proven acceptable range of each variable (the others at their set-points), the
largest box of given probability around the set-points, and which limit fails first beyond the edge.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.design.candidates import Evaluation, FloatArray, Problem
from minifactory.design.ledger import Ledger
from minifactory.design.search import Limit, Variable
from minifactory.design.uncertainty import Factor, candidates_at, deviates
from minifactory.errors import Finding, InputError
from minifactory.units import show

MOST = 4
"""Variables beyond which a grid is no longer affordable."""

Progress = Callable[[str, float], None]
Box = tuple[tuple[int, int], ...]
"""First and last place on every axis."""


@dataclass(frozen=True)
class DesignSpace:
    """Probabilities over a grid.

    Parameters
    ----------
    variables : tuple of Variable
    axes : tuple of ndarray
        Values (SI) of each variable.
    limits : tuple of Limit
    together : ndarray, one axis per variable
        Probability of meeting all limits.
    each : ndarray, one axis per variable, then limits
        Of meeting each.
    set_points : tuple of int
        Place of the present value on each axis.
    samples : int
        Draws per point.
    level : float
        Probability that is asked for.
    """

    variables: tuple[Variable, ...]
    axes: tuple[FloatArray, ...]
    limits: tuple[Limit, ...]
    together: FloatArray
    each: FloatArray
    set_points: tuple[int, ...]
    samples: int
    level: float

    def acceptable(self, variable: int) -> tuple[float, float] | None:
        """The proven acceptable range (SI): the stretch around the set-point that keeps the level, if any."""
        place: list[int | slice] = list(self.set_points)
        place[variable] = slice(None)
        good = self.together[tuple(place)] >= self.level
        low = high = self.set_points[variable]
        if not good[low]:
            return None
        while low > 0 and good[low - 1]:
            low -= 1
        while high < good.size - 1 and good[high + 1]:
            high += 1
        return float(self.axes[variable][low]), float(self.axes[variable][high])

    def box(self) -> tuple[tuple[float, float], ...] | None:
        """The largest box of grid points that all keep the level, by its share of the range, if any.

        It holds the set-points where these keep the level, else it lies anywhere.
        """
        found = largest_box(
            self.together >= self.level - 1e-12,
            self.set_points if self.together[self.set_points] >= self.level else None,
        )
        if found is None:
            return None
        return tuple(
            (float(axis[low]), float(axis[high])) for axis, (low, high) in zip(self.axes, found, strict=True)
        )

    def first_to_fail(self) -> dict[str, int]:
        """At how many grid points each limit is the least probable one, among those below the level."""
        below = self.together < self.level
        worst = np.argmin(self.each, axis=-1)[below]
        return {
            item.title: int(np.sum(worst == place))
            for place, item in enumerate(self.limits)
            if np.any(worst == place)
        }


def design_space(
    problem: Problem,
    variables: Sequence[Variable],
    factors: Sequence[Factor],
    limits: Sequence[Limit],
    ledger: Ledger,
    *,
    points: int,
    samples: int,
    level: float,
    start: Mapping[str, float],
    seed: int = 1,
    progress: Progress | None = None,
) -> DesignSpace:
    """The probabilities over a grid of `points` values per variable (the set-point is always one of them).

    Raises
    ------
    InputError
        Too many variables, nothing asked for, or a set-point outside its range.
    """
    if not 1 <= len(variables) <= MOST:
        raise InputError(
            Finding(
                "design-space",
                f"{len(variables)} variables",
                f"1 to {MOST}",
                "Choose the ones that matter (robustness ranks them).",
            )
        )
    if not limits:
        raise InputError(Finding("design-space", "no limits", "at least one constraint or target"))
    axes, places = [], []
    for variable in variables:
        axis, place = _axis(variable, points, start[variable.reference])
        axes.append(axis)
        places.append(place)
    normal = deviates(max(samples, 1), len(factors), seed)
    draws = candidates_at(factors, normal) if factors and samples else [{}]
    shape = tuple(axis.size for axis in axes)
    candidates = []
    for values in itertools.product(*axes):
        held = {
            reference: float(value)
            for variable, value in zip(variables, values, strict=True)
            for reference in (variable.reference, *variable.also)
        }
        candidates += [{**held, **draw} for draw in draws]
    say = progress or (lambda _what, _part: None)
    found = ledger.evaluate(problem, candidates, lambda done, whole: say("mapping", done / whole))
    each = _shares(found, limits, len(draws)).reshape(*shape, len(limits))
    met = _together(found, limits, len(draws)).reshape(shape)
    return DesignSpace(
        tuple(variables), tuple(axes), tuple(limits), met, each, tuple(places), len(draws), level
    )


def _axis(variable: Variable, points: int, present: float) -> tuple[FloatArray, int]:
    if not variable.lower <= present <= variable.upper:
        raise InputError(
            Finding(
                f"design-space {variable.reference}",
                f"the set-point {show(present, variable.kind)} lies outside "
                f"{show(variable.lower, variable.kind)} to {show(variable.upper, variable.kind)}",
                "a range that holds the present value",
                "Widen the range.",
            )
        )
    if variable.choices:
        values = np.array(variable.choices)
    else:
        values = np.array([variable.value(place) for place in np.linspace(0.0, 1.0, points)])
    values = np.unique(np.append(values, present))
    return values, int(np.argmin(np.abs(values - present)))


def _shares(found: Sequence[Evaluation], limits: Sequence[Limit], draws: int) -> FloatArray:
    met = np.array([[item.met(one) for item in limits] for one in found], dtype=float)
    return np.asarray(met.reshape(-1, draws, len(limits)).mean(axis=1))


def _together(found: Sequence[Evaluation], limits: Sequence[Limit], draws: int) -> FloatArray:
    met = np.array([all(item.met(one) for item in limits) for one in found], dtype=float)
    return np.asarray(met.reshape(-1, draws).mean(axis=1))


def largest_box(
    good: NDArray[np.bool_], inside: tuple[int, ...] | None
) -> tuple[tuple[int, int], ...] | None:
    """The box (first, last place per axis) of true points with the largest product of relative widths.

    Every pair of places on every axis is tried; sums over boxes come from one summed table, so that a box is
    judged in constant time.
    """
    if not good.any():
        return None
    table = np.zeros([size + 1 for size in good.shape])
    table[tuple(slice(1, None) for _ in good.shape)] = ~good
    for axis in range(good.ndim):
        table = np.cumsum(table, axis=axis)
    best: tuple[float, tuple[tuple[int, int], ...]] | None = None
    ranges = []
    for axis, size in enumerate(good.shape):
        pairs = [(low, high) for low in range(size) for high in range(low, size)]
        if inside is not None:
            pairs = [(low, high) for low, high in pairs if low <= inside[axis] <= high]
        ranges.append(sorted(pairs, key=lambda pair: pair[0] - pair[1]))
    for box in itertools.product(*ranges):
        volume = float(
            np.prod([(high - low + 0.01) / size for (low, high), size in zip(box, good.shape, strict=True)])
        )
        if (best is None or volume > best[0]) and _faults_in(table, box) == 0.0:
            best = volume, box
    return best[1] if best is not None else None


def _faults_in(table: FloatArray, box: Sequence[tuple[int, int]]) -> float:
    total = 0.0
    for corner in itertools.product((0, 1), repeat=len(box)):
        place = tuple(high + 1 if side else low for side, (low, high) in zip(corner, box, strict=True))
        total += (-1.0) ** (len(box) - sum(corner)) * float(table[place])
    return total
