"""A unit procedure as one list of steps: loops are written out turn by turn.

The phases of turn 2 of a loop around the operation ``cycle`` are called ``cex.cycle[2].load``; every reader
of a bound recipe sees a plain list, and a loop that may end early says so with a leave at the end of a turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from minifactory.recipe.conditions import Expression
from minifactory.recipe.model import Operation, Phase, Repeat, UnitProcedure

MOST_TURNS = 1000
MOST_STEPS = 20_000


@dataclass(frozen=True)
class Leave:
    """At the end of a turn: `skip` steps are passed over when `when` is true; `at` as in
    :class:`~minifactory.recipe.bound.BoundLeave`."""

    when: Expression
    skip: int
    at: int = 0


@dataclass(frozen=True)
class Step:
    """One phase of the list: its `path` with turns, the `plain` path of the recipe, and loops that end here.

    `operation` and `turn` tell which operation in which turn it belongs to; `first` marks its first step.
    """

    path: str
    plain: str
    phase: Phase
    leaves: tuple[Leave, ...] = ()
    operation: Operation | None = None
    turn: str = ""
    first: bool = False


def steps(item: UnitProcedure) -> list[Step]:
    """All steps of a unit procedure, in order."""

    def unit(suffix: str) -> list[Step]:
        found: list[Step] = []
        for operation in item.operations:
            found += _operation(operation, f"{item.name}{suffix}", item.name)
        return found

    return _by_turn(_loop(item.repeat, unit))


def _by_turn(found: list[Step]) -> list[Step]:
    """`found` with what each phase sets the so-and-so-many-th time that it comes."""
    seen: Counter[str] = Counter()
    told = []
    for step in found:
        seen[step.plain] += 1
        settings = step.phase.settings.in_turn(seen[step.plain])
        if settings is not step.phase.settings:
            step = replace(step, phase=replace(step.phase, settings=settings))
        told.append(step)
    return told


def branch_steps(phases: tuple[Phase, ...], path: str, plain: str) -> list[Step]:
    """The steps of a parallel branch."""
    found: list[Step] = []
    for phase in phases:
        found += _phase(phase, path, plain)
    return found


def size(item: UnitProcedure) -> int:
    """How many steps there will be, without making them."""
    total = sum(
        _times(operation.repeat) * sum(_times(phase.repeat) for phase in operation.phases)
        for operation in item.operations
    )
    return total * _times(item.repeat)


def _times(repeat: Repeat | None) -> int:
    return 1 if repeat is None else repeat.times


def _operation(operation: Operation, path: str, plain: str) -> list[Step]:
    def turn(suffix: str) -> list[Step]:
        here = f"{path}.{operation.name}{suffix}"
        found: list[Step] = []
        for phase in operation.phases:
            found += _phase(phase, here, f"{plain}.{operation.name}")
        found = [replace(step, operation=operation, turn=here) for step in found]
        return [replace(found[0], first=True), *found[1:]] if found else []

    return _loop(operation.repeat, turn)


def _phase(phase: Phase, path: str, plain: str) -> list[Step]:
    return _loop(
        phase.repeat,
        lambda suffix: [Step(f"{path}.{phase.name}{suffix}", f"{plain}.{phase.name}", phase)],
    )


def _loop(repeat: Repeat | None, turn: Callable[[str], list[Step]]) -> list[Step]:
    if repeat is None:
        return turn("")
    turns = [turn(f"[{number}]") for number in range(1, repeat.times + 1)]
    if repeat.until is not None:
        after = sum(len(item) for item in turns)
        begin = 0
        for number, item in enumerate(turns[:-1]):
            end = begin + len(item)
            turns[number] = [
                _leaving(step, repeat.until, begin + place, end, after) for place, step in enumerate(item)
            ]
            begin = end
    return [step for item in turns for step in item]


def _leaving(step: Step, until: Expression, place: int, end: int, after: int) -> Step:
    """`step` with the leave of this turn, if the turn may end with it: by itself or out of an inner loop."""
    following = place + 1
    leads = following == end or any(following + leave.skip == end for leave in step.leaves)
    if not leads:
        return step
    leave = Leave(until, after - following, end - following)
    return replace(step, leaves=(*step.leaves, leave))
