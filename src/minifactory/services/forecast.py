"""When each buffer vessel will run dry: planned draws from now on, and the level as estimated now.

The plan of a skid follows from its bound recipe (what each phase draws, and how long it lasts at most); its
start moves with what has really happened, and the level is corrected by what the estimator says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.course import Course


@dataclass(frozen=True)
class Draw:
    """`volume` (m3) leaves `vessel` evenly between `start` and `end` (s)."""

    vessel: str
    start: float
    end: float
    volume: float

    def shifted(self, time: float) -> Draw:
        """The same, `time` s later."""
        return replace(self, start=self.start + time, end=self.end + time)


@dataclass(frozen=True)
class PlannedPhase:
    """A phase as planned: its path, how long it lasts (s), and what it draws from each vessel (m3)."""

    path: str
    lasts: float
    draws: Mapping[str, float]


def planned_phases(bound: BoundRecipe, plant: Plant) -> tuple[PlannedPhase, ...]:
    """What the recipe draws from every vessel, phase by phase, at most.

    Where a measurement decides the end of a phase, the latest end counts for the volume; a phase whose end
    nothing bounds counts with its time at the flow of its volume, and with none when that is not known.
    """
    phases = []
    for stage in Course(bound, plant, tag_table(plant.skids[bound.skid])).stages():
        planned = stage.phase.planned_time
        lasts = planned if planned is not None else stage.longest
        if not math.isfinite(lasts):
            lasts = stage.volume.high / stage.flow if stage.flow > 0.0 else 0.0
        drawn = {
            vessel: amount.high
            for vessel, amount in stage.drawn.items()
            if amount.high > 0.0 and math.isfinite(amount.high)
        }
        phases.append(PlannedPhase(stage.phase.path, lasts, drawn))
    return tuple(phases)


def draws_of(phases: Iterable[PlannedPhase], start: float) -> Iterator[Draw]:
    """What `phases` draw one after another, begun at `start` (s)."""
    for phase in phases:
        end = start + phase.lasts
        yield from (Draw(vessel, start, end, volume) for vessel, volume in phase.draws.items())
        start = end


def planned_draws(bound: BoundRecipe, plant: Plant, start: float = 0.0) -> tuple[Draw, ...]:
    """What the recipe draws from every vessel, as :func:`planned_phases`; begun at `start` (s)."""
    return tuple(draws_of(planned_phases(bound, plant), start))


HORIZON = 48.0 * 3600.0
"""s for which a schedule looks ahead."""


class Schedule:
    """What skids will still draw by their plans, from the phases in which they are.

    Parameters
    ----------
    plans : Mapping of str to sequence of PlannedPhase
        The plan of every skid.
    """

    def __init__(self, plans: Mapping[str, Sequence[PlannedPhase]]) -> None:
        self._plans = plans
        self._places = {
            skid: {phase.path: place for place, phase in enumerate(plan)} for skid, plan in plans.items()
        }
        self._at: dict[str, tuple[int, float]] = {}

    def see(self, skid: str, phase: str, now: float) -> None:
        """`skid` is in `phase` (its path) at `now` (s); one that its plan does not know changes nothing."""
        place = self._places.get(skid, {}).get(phase)
        if place is not None and self._at.get(skid, (-1, 0.0))[0] != place:
            self._at[skid] = place, now

    def end(self, skid: str) -> None:
        """`skid` draws nothing any more."""
        self._at[skid] = len(self._plans.get(skid, ())), 0.0

    def draws(self, now: float) -> list[Draw]:
        """What is still to be drawn at `now` (s), as far as it begins within :data:`HORIZON`.

        A skid that has not been seen begins now; a phase that lasts longer than planned is about to end.
        """
        found: list[Draw] = []
        for skid, plan in self._plans.items():
            place, since = self._at.get(skid, (0, now))
            if place < len(plan):
                since = max(since, now - plan[place].lasts)
            coming = takewhile(lambda draw: draw.start < now + HORIZON, draws_of(plan[place:], since))
            found += [draw for draw in coming if draw.end > now]
        return found


def level_at(volume: float, draws: Iterable[Draw], now: float, time: float) -> float:
    """m3 in a vessel at `time` that holds `volume` at `now` (s), with these draws of it."""
    for draw in draws:
        begin, end = max(draw.start, now), min(draw.end, time)
        if end > begin:
            volume -= draw.volume * (end - begin) / (draw.end - draw.start)
    return volume


def runs_dry(volume: float, minimum: float, draws: Sequence[Draw], now: float) -> float:
    """When (s) a vessel with `volume` (m3) now comes down to `minimum`; infinite if never in the plan."""
    left, rates = volume - minimum, []
    if left <= 0.0:
        return now
    for draw in draws:
        if draw.end > now and draw.end > draw.start:
            rate = draw.volume / (draw.end - draw.start)
            rates += [(max(draw.start, now), rate), (draw.end, -rate)]
    clock, flow = now, 0.0
    for time, change in sorted(rates):
        if flow > 0.0 and left <= flow * (time - clock):
            return clock + left / flow
        left -= flow * (time - clock)
        clock, flow = time, flow + change
    return math.inf


def depletion(
    levels: Mapping[str, float],
    minimum: Mapping[str, float],
    draws: Sequence[Draw],
    now: float,
    uncertainty: Mapping[str, float] | None = None,
    sigmas: float = 2.0,
) -> dict[str, float]:
    """Vessel -> when (s) it runs dry; `uncertainty` (m3, one standard deviation) is taken off its level."""
    spread = uncertainty or {}
    return {
        vessel: runs_dry(
            volume - sigmas * spread.get(vessel, 0.0),
            minimum.get(vessel, 0.0),
            [draw for draw in draws if draw.vessel == vessel],
            now,
        )
        for vessel, volume in levels.items()
    }
