"""Parallel branches, as far as they can be judged beforehand: who sets what, and how long the join waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from minifactory.errors import Finding
from minifactory.recipe.bound import BoundBranch, BoundPhase, BoundRecipe

_EXCLUSIVE = ("Gradient", "PumpWash")
"""Instructions that take the pumps over; only the phases of the operation itself may give them."""


def conflicts(bound: BoundRecipe) -> list[Finding]:
    """What two branches, or a branch and the phases beside it, would set at the same time."""
    findings: list[Finding] = []
    for place, branch in enumerate(bound.branches):
        where = branch.phases[0].where or branch.path if branch.phases else branch.path
        own = _sets(branch.phases)
        for phase in branch.phases:
            names = _instructions(phase)
            findings += [
                Finding(
                    phase.where or phase.path,
                    f"{name} in a parallel branch",
                    "in the phases of the operation itself",
                    "Move it there.",
                )
                for name in _EXCLUSIVE
                if name in names
            ]
        others = [("the phases beside it", _sets(bound.phases[branch.first : branch.last + 1]))]
        others += [
            (f"branch {other.path}", _sets(other.phases))
            for other in bound.branches[:place]
            if other.first == branch.first
        ]
        for name, sets in others:
            shared = ", ".join(sorted(item.removesuffix(".SP") for item in own & sets))
            if shared:
                found = f"branch {branch.path} and {name} both set {shared}"
                findings.append(Finding(where, found, "one of them", "Leave it to one branch."))
    return list(dict.fromkeys(findings))


def joined(
    phase: BoundPhase, place: int, phases: Sequence[BoundPhase], branches: Sequence[BoundBranch]
) -> BoundPhase:
    """`phase` with the planned length that it has when it waits for the branches that end with it."""
    waits = [branch for branch in branches if branch.last == place]
    if not waits or phase.planned_time is None:
        return phase
    before = _planned(phases[waits[0].first : place])
    lengths = [_planned(branch.phases) for branch in waits]
    if before is None or any(length is None for length in lengths):
        return replace(phase, planned_time=None, planned_volume=None)
    needed = max(length for length in lengths if length is not None) - before
    if needed <= phase.planned_time:
        return phase
    flow = phase.planned_volume / phase.planned_time if phase.planned_volume and phase.planned_time else 0.0
    return replace(phase, planned_time=needed, planned_volume=flow * needed)


def _planned(phases: Sequence[BoundPhase]) -> float | None:
    times = [phase.planned_time for phase in phases]
    known = [time for time in times if time is not None]
    return sum(known) if len(known) == len(times) else None


def _sets(phases: Sequence[BoundPhase]) -> set[str]:
    found: set[str] = set()
    for phase in phases:
        found.update(phase.start.setpoints)
        for watch in phase.watches:
            found.update(watch.action.setpoints)
    return found


def _instructions(phase: BoundPhase) -> set[str]:
    actions = [phase.start, *(watch.action for watch in phase.watches)]
    return {item.name for action in actions for item in action.instructions}
