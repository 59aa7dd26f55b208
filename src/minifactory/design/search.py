"""What a search moves and what it is after: variables, objectives and limits, scaled for the methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.design.candidates import Evaluation, FloatArray
from minifactory.design.figures import title_of_figure
from minifactory.records.limits import limit_text
from minifactory.units import NUMBER, Kind

_AWAY = 1e3
"""Violation of a limit by a candidate that could not be simulated, relative to the limit."""


@dataclass(frozen=True)
class Variable:
    """A reference that may change.

    Parameters
    ----------
    reference : str
    lower, upper : float
        SI.
    kind : Kind
    step : float
        SI; 0: any value; otherwise only `lower` plus multiples of it (1 for whole numbers).
    choices : tuple of float
        SI, ascending; when given, the only values allowed.
    also : tuple of str
        References that take the same value.
    """

    reference: str
    lower: float
    upper: float
    kind: Kind = NUMBER
    step: float = 0.0
    choices: tuple[float, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether only some values are allowed."""
        return bool(self.choices) or self.step > 0.0

    def value(self, place: float) -> float:
        """The value (SI) at `place`, 0 to 1 of the range; the nearest allowed one."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        value = self.lower + place * (self.upper - self.lower)
        if self.step > 0.0:
            value = self.lower + self.step * round((value - self.lower) / self.step)
        return min(max(value, self.lower), self.upper)

    def place(self, value: float) -> float:
        """Where `value` (SI) lies, 0 to 1, moved into the range."""
        if self.choices:
            nearest = min(range(len(self.choices)), key=lambda at: abs(self.choices[at] - value))
            return (nearest + 0.5) / len(self.choices)
        return min(max((value - self.lower) / (self.upper - self.lower), 0.0), 1.0)


@dataclass(frozen=True)
class Objective:
    """A figure that is made as large or as small as possible."""

    figure: str
    maximise: bool

    @property
    def title(self) -> str:
        """What people call it."""
        return title_of_figure(self.figure)

    def score(self, evaluation: Evaluation) -> float:
        """The figure with the sign that smaller is better; infinite when it is not known."""
        value = evaluation[self.figure]
        if not math.isfinite(value) or evaluation.fault:
            return math.inf
        return -value if self.maximise else value


@dataclass(frozen=True)
class Limit:
    """A figure that must stay on one side of a value.

    Parameters
    ----------
    figure : str
    at_least : bool
    limit : float
        SI.
    kind : Kind
    confidence : float
        Probability (0 to 1) with which it must be met under uncertainty; 0: the nominal value must meet it.
    where : str
        Where it stands.
    """

    figure: str
    at_least: bool
    limit: float
    kind: Kind = NUMBER
    confidence: float = 0.0
    where: str = ""

    @property
    def title(self) -> str:
        """What people call the figure."""
        return title_of_figure(self.figure)

    @property
    def text(self) -> str:
        """The limit as people read it."""
        return limit_text(self.at_least, self.limit, self.kind)

    def margin(self, value: float) -> float:
        """How far `value` (SI) is on the good side, relative to the limit; nan when unknown."""
        scale = abs(self.limit) or 1.0
        return (value - self.limit if self.at_least else self.limit - value) / scale

    def met(self, evaluation: Evaluation) -> bool:
        """Whether the figure is known and on the good side."""
        return not evaluation.fault and self.margin(evaluation[self.figure]) >= -1e-9

    def violation(self, evaluation: Evaluation, reserve: float = 0.0) -> float:
        """How far (relative, > 0) it is missed, with `reserve` (relative) to spare."""
        value = evaluation[self.figure]
        if evaluation.fault or not math.isfinite(value):
            return _AWAY
        return reserve - self.margin(value)


@dataclass(frozen=True)
class Space:
    """Variables in scaled coordinates, 0 to 1 each."""

    variables: tuple[Variable, ...]

    def values(self, point: FloatArray) -> dict[str, float]:
        """The candidate (SI by reference) at a point (n,)."""
        found = {}
        for variable, place in zip(self.variables, point, strict=True):
            value = variable.value(float(place))
            for reference in (variable.reference, *variable.also):
                found[reference] = value
        return found

    def point(self, values: Mapping[str, float]) -> FloatArray:
        """The point (n,) of a candidate; the middle where it does not say."""
        return np.array(
            [
                variable.place(values[variable.reference]) if variable.reference in values else 0.5
                for variable in self.variables
            ]
        )

    @property
    def continuous(self) -> list[int]:
        """Places of the variables that may take any value."""
        return [at for at, variable in enumerate(self.variables) if not variable.discrete]


def table(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
    reserves: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Scores (n, objectives) and violations (n, limits + 1) of evaluations; finite, however bad.

    The last violation says whether the candidate could be simulated at all.
    """
    scores = np.array([[item.score(one) for item in objectives] for one in evaluations])
    failed = ~np.isfinite(scores).all(axis=1)
    violations = np.array(
        [
            [*(item.violation(one, spare) for item, spare in zip(limits, reserves, strict=True)), -1.0]
            for one in evaluations
        ]
    )
    violations[failed, -1] = _AWAY
    finite = scores[np.isfinite(scores)]
    worst = float(np.abs(finite).max()) if finite.size else 1.0
    scores[~np.isfinite(scores)] = 10.0 * worst + 1.0
    return scores, violations
