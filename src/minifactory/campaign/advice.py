"""What would have to change for the targets to be met: computed, and simulated again before it is said.

Every adjustable reference is scaled to 0..1 over its bounds. Finite differences (one simulation each) give
the sensitivity of every target's margin. Along each single reference, and then along the smallest
combination (least sum of squared scaled changes under the linearised targets, by sequential quadratic
programming), the change is simulated, corrected and simulated again until all targets are met, then drawn
back towards the start as far as they stay met. Nothing is advised that was not simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

from minifactory.campaign.targets import Adjustable, Target, shown
from minifactory.errors import SolverError
from minifactory.records.performance import Performance

FloatArray = NDArray[np.float64]
Simulate = Callable[[Mapping[str, float]], Performance]

STEP = 0.02
SLACK = 1e-6
CORRECTIONS = 5
HALVINGS = 4


@dataclass(frozen=True)
class Requirement:
    """A target with the reserve (SI) that the nominal value needs for the confidence asked for."""

    target: Target
    reserve: float = 0.0

    def margin(self, performance: Performance) -> float:
        """How far the figure is on the good side, relative to the limit; -inf if unknown."""
        value = self.target.value(performance)
        if not math.isfinite(value):
            return -math.inf
        scale = abs(self.target.limit) or 1.0
        return (self.target.margin(value) - self.reserve) / scale


@dataclass(frozen=True)
class Sensitivity:
    """The change of a figure (SI) over the whole range of a reference, by the slope at the start."""

    figure: str
    reference: str
    over_range: float


@dataclass(frozen=True)
class Change:
    """One reference from `before` to `after` (SI); `share` is the change relative to its range."""

    adjustable: Adjustable
    before: float
    after: float

    @property
    def share(self) -> float:
        """Signed change over the range of the adjustable."""
        return (self.after - self.before) / (self.adjustable.upper - self.adjustable.lower)

    def __str__(self) -> str:
        verb = "raise" if self.after > self.before else "lower"
        kind = self.adjustable.kind
        return (
            f"{verb} {self.adjustable.reference} from {shown(self.before, kind)} to {shown(self.after, kind)}"
        )


@dataclass(frozen=True)
class Advice:
    """Changes that were simulated, and what came of them; `meets` tells whether all targets are met then."""

    changes: tuple[Change, ...]
    performance: Performance
    meets: bool
    requirements: tuple[Requirement, ...]

    @property
    def size(self) -> float:
        """The length of the change in scaled space."""
        return math.sqrt(math.fsum(change.share**2 for change in self.changes))

    def __str__(self) -> str:
        said = " and ".join(map(str, self.changes))
        results = ", ".join(
            f"{item.target.title.lower()} {shown(item.target.value(self.performance), item.target.kind)}"
            for item in self.requirements
        )
        ending = "" if self.meets else " - still not met"
        return f"{said[:1].upper()}{said[1:]}: {results}{ending}"


@dataclass(frozen=True)
class Study:
    """All that was found: sensitivities, single changes, the combination, the nearest if nothing meets."""

    sensitivities: tuple[Sensitivity, ...]
    singles: tuple[Advice, ...]
    combination: Advice | None
    nearest: Advice | None
    simulations: int

    @property
    def best(self) -> Advice | None:
        """The smallest change that meets all targets: of one reference if one suffices; else None."""
        meeting = [advice for advice in self.singles if advice.meets]
        if meeting:
            return min(meeting, key=lambda advice: advice.size)
        return self.combination if self.combination is not None and self.combination.meets else None


def study(
    requirements: Sequence[Requirement],
    adjustables: Sequence[Adjustable],
    start: Mapping[str, float],
    simulate: Simulate,
    performance: Performance,
) -> Study:
    """What would have to change so that `performance` meets all `requirements`.

    Parameters
    ----------
    requirements : sequence of Requirement
        All targets, the met ones too: they must stay met.
    adjustables : sequence of Adjustable
        What may change, within which bounds.
    start : Mapping of str to float
        Present value (SI) of each adjustable by reference.
    simulate : callable
        The performance with other values (SI) by reference; a ``SolverError`` counts as missing every target.
    performance : Performance
        With the present values.
    """
    search = _Search(tuple(requirements), tuple(adjustables), start, simulate)
    origin = search.scaled(start)
    base = search.remember(origin, performance)
    slopes = search.slopes(origin, base)
    sensitivities = tuple(
        Sensitivity(item.target.figure, adjustable.reference, _signed(item) * float(slopes[row, column]))
        for row, item in enumerate(requirements)
        for column, adjustable in enumerate(adjustables)
    )
    singles = tuple(
        advice
        for column in range(len(adjustables))
        if (advice := search.along(origin, base, slopes[:, column], column)) is not None
    )
    combination = None
    if len(adjustables) > 1 and not any(advice.meets for advice in singles):
        combination = search.together(origin, base, slopes)
    meets = any(advice.meets for advice in singles) or (combination is not None and combination.meets)
    nearest = None if meets else search.nearest(origin)
    return Study(sensitivities, singles, combination, nearest, search.simulations)


def _signed(item: Requirement) -> float:
    """The factor from a relative margin to the figure itself (SI)."""
    return (1.0 if item.target.at_least else -1.0) * (abs(item.target.limit) or 1.0)


class _Search:
    """The simulations done so far, in scaled space."""

    def __init__(
        self,
        requirements: tuple[Requirement, ...],
        adjustables: tuple[Adjustable, ...],
        start: Mapping[str, float],
        simulate: Simulate,
    ) -> None:
        self.requirements = requirements
        self.adjustables = adjustables
        self.start = start
        self.simulate = simulate
        self.simulations = 0
        self._known: dict[tuple[float, ...], tuple[FloatArray, Performance]] = {}

    def scaled(self, values: Mapping[str, float]) -> FloatArray:
        """The point (n,) in 0..1 that stands for `values`; values outside their bounds are moved to them."""
        return np.array(
            [
                min(max((values[item.reference] - item.lower) / (item.upper - item.lower), 0.0), 1.0)
                for item in self.adjustables
            ]
        )

    def remember(self, point: FloatArray, performance: Performance) -> FloatArray:
        """The margins (m,) of a performance that is known already."""
        margins = np.array([item.margin(performance) for item in self.requirements])
        self._known[tuple(point)] = (margins, performance)
        return margins

    def margins(self, point: FloatArray) -> FloatArray:
        """The margins (m,) at `point`, simulated if need be; -inf where the simulation fails."""
        key = tuple(point)
        if key not in self._known:
            values = {
                item.reference: item.lower + float(place) * (item.upper - item.lower)
                for item, place in zip(self.adjustables, point, strict=True)
            }
            self.simulations += 1
            try:
                return self.remember(point, self.simulate(values))
            except SolverError:
                return np.full(len(self.requirements), -math.inf)
        return self._known[key][0]

    def slopes(self, point: FloatArray, base: FloatArray) -> FloatArray:
        """The change of the margins (m, n) per unit of scaled change, by one-sided differences."""
        table = np.zeros((len(self.requirements), len(self.adjustables)))
        for column in range(len(self.adjustables)):
            step = STEP if point[column] + STEP <= 1.0 else -STEP
            moved = point.copy()
            moved[column] += step
            difference = (self.margins(moved) - base) / step
            table[:, column] = np.where(np.isfinite(difference), difference, 0.0)
        return table

    def along(self, origin: FloatArray, base: FloatArray, slope: FloatArray, column: int) -> Advice | None:
        """The smallest change of one reference that meets everything, else its best; None if idle."""
        worst = int(np.argmin(base))
        if slope[worst] == 0.0 or not math.isfinite(base[worst]):
            return None
        direction = 1.0 if slope[worst] > 0 else -1.0
        end = 1.0 if direction > 0 else 0.0
        room = abs(end - origin[column])
        if room == 0.0:
            return None
        unit = np.zeros(origin.size)
        unit[column] = direction
        reached = self._first_meeting(origin, base, unit, slope * direction, room)
        return self._advice(origin, reached) if reached is not None else None

    def _first_meeting(
        self, origin: FloatArray, base: FloatArray, unit: FloatArray, slope: FloatArray, room: float
    ) -> FloatArray | None:
        """The nearest simulated point on the ray that meets all, else the best on it; None without a way."""
        low, distance = 0.0, self._linear_distance(base, slope, room)
        best: tuple[float, float] = (float(base.min()), 0.0)
        met = None
        for _ in range(CORRECTIONS):
            margins = self.margins(_clip(origin + distance * unit))
            best = max(best, (float(margins.min()), distance))
            if margins.min() >= 0.0:
                met = distance
                break
            if distance >= room:
                break
            low, before = distance, distance
            gained = margins - base
            with np.errstate(divide="ignore", invalid="ignore"):
                needed = np.where(gained > 0, -base / gained * distance, room)
            distance = min(room, max(1.05 * float(np.max(np.where(margins < 0, needed, 0.0))), 1.3 * before))
            if not math.isfinite(distance):
                distance = room
        if met is None:
            return _clip(origin + best[1] * unit) if best[1] > 0 else None
        for _ in range(HALVINGS):
            middle = 0.5 * (low + met)
            if self.margins(_clip(origin + middle * unit)).min() >= 0.0:
                met = middle
            else:
                low = middle
        return _clip(origin + met * unit)

    def _linear_distance(self, base: FloatArray, slope: FloatArray, room: float) -> float:
        """How far the linear model says one must go (scaled, at most `room`)."""
        lacking = base < 0
        if np.any(slope[lacking] <= 0):
            return room
        return min(room, max(STEP, 1.02 * float(np.max(-base[lacking] / slope[lacking]))))

    def together(self, origin: FloatArray, base: FloatArray, slopes: FloatArray) -> Advice | None:
        """The smallest combined change that meets everything, or None."""
        point, margins, table = origin, base, slopes
        for _ in range(3):
            proposed = _least_change(origin, point, margins, table)
            if proposed is None or np.allclose(proposed, point, atol=1e-6):
                return None
            point = proposed
            margins = self.margins(point)
            if margins.min() >= 0.0:
                way = point - origin
                length = float(np.linalg.norm(way))
                unit = way / length
                low, met = 0.0, length
                for _ in range(HALVINGS):
                    middle = 0.5 * (low + met)
                    if self.margins(_clip(origin + middle * unit)).min() >= 0.0:
                        met = middle
                    else:
                        low = middle
                return self._advice(origin, _clip(origin + met * unit))
            if not np.all(np.isfinite(margins)):
                return None
            table = self.slopes(point, margins)
        return None

    def nearest(self, origin: FloatArray) -> Advice | None:
        """The best that any simulation so far came to, after one last try where the linear model is best."""
        base = self._known[tuple(origin)][0]
        if np.all(np.isfinite(base)):
            self.margins(_largest_margin(origin, base, self.slopes(origin, base)))
        point = max(self._known, key=lambda key: float(self._known[key][0].min()))
        if point == tuple(origin):
            return None
        return self._advice(origin, np.array(point))

    def _advice(self, origin: FloatArray, point: FloatArray) -> Advice:
        margins = self.margins(point)
        changes = tuple(
            Change(item, self.start[item.reference], item.lower + float(place) * (item.upper - item.lower))
            for item, place, before in zip(self.adjustables, point, origin, strict=True)
            if abs(place - before) > 1e-9
        )
        performance = self._known[tuple(point)][1]
        return Advice(changes, performance, bool(margins.min() >= 0.0), self.requirements)


def _clip(point: FloatArray) -> FloatArray:
    return np.asarray(np.clip(point, 0.0, 1.0))


def _least_change(
    origin: FloatArray, point: FloatArray, margins: FloatArray, slopes: FloatArray
) -> FloatArray | None:
    """The point nearest to `origin` whose linearised margins are not negative; None when there is none."""
    most = _largest_margin(point, margins, slopes)
    if float((margins + slopes @ (most - point)).min()) < 0.0:
        return None
    found = minimize(
        lambda x: float((x - origin) @ (x - origin)),
        most,
        jac=lambda x: 2.0 * (x - origin),
        bounds=[(0.0, 1.0)] * origin.size,
        constraints=[
            {
                "type": "ineq",
                "fun": lambda x: margins + slopes @ (x - point) - SLACK,
                "jac": lambda _: slopes,
            }
        ],
        method="SLSQP",
        options={"maxiter": 200},
    )
    return _clip(np.asarray(found.x)) if found.success else most


def _largest_margin(point: FloatArray, margins: FloatArray, slopes: FloatArray) -> FloatArray:
    """The point within the bounds whose smallest linearised margin is largest (a linear programme)."""
    size = point.size
    # maximise t subject to margins + slopes (x - point) >= t and 0 <= x <= 1
    matrix = np.hstack([-slopes, np.ones((slopes.shape[0], 1))])
    limits = margins - slopes @ point
    found = linprog(
        np.append(np.zeros(size), -1.0),
        A_ub=matrix,
        b_ub=limits,
        bounds=[(0.0, 1.0)] * size + [(None, None)],
    )
    return _clip(np.asarray(found.x[:size])) if found.success else point
