"""How long a phase will last, as far as its end follows from flow and clock alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minifactory.recipe.expressions import (
    CV,
    PHASE_VARIABLES,
    TIME,
    VOLUME,
    Both,
    Compare,
    Either,
    Expression,
    Literal,
    Node,
    Variable,
    walk,
)

COMPOSITION = ("Gradient.PercentB", "PercentB")
"""Names of the composition that the pumps make; it is commanded, not measured."""


@dataclass(frozen=True)
class Ramp:
    """A gradient from `start` to `end` (%B) over `volume` (m3); it decides when a composition is reached."""

    start: float
    end: float
    volume: float

    def at(self, volume: float) -> float:
        """%B after `volume` (m3)."""
        part = min(volume / self.volume, 1.0) if self.volume > 0.0 else 1.0
        return self.start + (self.end - self.start) * part

    def reaches(self, operator: str, limit: float) -> float:
        """m3 after which the composition is above (``>``) or below (``<``) `limit`; infinite if never."""
        sign = 1.0 if operator in (">", ">=") else -1.0
        if sign * self.start >= sign * limit:
            return 0.0
        if sign * self.end < sign * limit:
            return math.inf
        return self.volume * (limit - self.start) / (self.end - self.start)


def planned_time(
    until: Expression, flow: float, column_volume: float, ramp: Ramp | None = None
) -> float | None:
    """s until the condition comes true, if it depends on nothing but the phase's own counters; else None.

    Parameters
    ----------
    until : Expression
        The end of the phase.
    flow : float
        m3/s through the phase.
    column_volume : float
        m3; 1 CV.
    ramp : Ramp, optional
        The gradient that begins with the phase; a comparison with ``Gradient.PercentB`` follows from it.
    """
    return _time(until.root, flow, column_volume, ramp, certain=True)


def latest_time(until: Expression, flow: float, column_volume: float, ramp: Ramp | None = None) -> float:
    """s at which the condition is true whatever is measured; infinite when that is not certain."""
    return _time(until.root, flow, column_volume, ramp, certain=False) or 0.0


def measured(until: Expression) -> bool:
    """Whether the condition depends on anything but the phase's own counters."""
    return bool(until.external())


def _time(node: Node, flow: float, column_volume: float, ramp: Ramp | None, certain: bool) -> float | None:
    unknown = None if certain else math.inf
    if isinstance(node, Compare):
        left, right = node.left, node.right
        ordered = isinstance(right, Literal) and node.operator in ("<", "<=", ">", ">=")
        if ramp is not None and isinstance(left, Variable) and left.name in COMPOSITION and ordered:
            assert isinstance(right, Literal)
            return ramp.reaches(node.operator, right.value) / flow if flow > 0.0 else unknown
        counts = isinstance(left, Variable) and left.name in PHASE_VARIABLES and isinstance(right, Literal)
        if not counts or node.operator not in (">", ">="):
            constant = not any(isinstance(part, Variable) for part in walk(node))
            return math.inf if constant else unknown
        assert isinstance(left, Variable)
        assert isinstance(right, Literal)
        per_second = {TIME: 1.0, VOLUME: flow, CV: flow / column_volume if column_volume else 0.0}[left.name]
        if right.value <= 0.0:
            return 0.0
        return right.value / per_second if per_second > 0.0 else math.inf
    if isinstance(node, Both | Either):
        times = [_time(part, flow, column_volume, ramp, certain) for part in node.parts]
        known = [time for time in times if time is not None]
        if len(known) < len(times):
            return None
        return max(known) if isinstance(node, Both) else min(known)
    return unknown
