"""When each buffer vessel will run dry: planned draws from now on, and the level as estimated now.

The plan of a skid follows from its bound recipe (what each phase draws, and how long it lasts at most); its
start moves with what has really happened, and the level is corrected by what the estimator says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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


def planned_draws(bound: BoundRecipe, plant: Plant, start: float = 0.0) -> tuple[Draw, ...]:
    """What the recipe draws from every vessel, phase by phase, at most; begun at `start` (s).

    Where a measurement decides the end of a phase, the latest end counts for the volume; a phase whose end
    nothing bounds counts with its time at the flow of its volume, and with none when that is not known.
    """
    draws, clock = [], start
    for stage in Course(bound, plant, tag_table(plant.skids[bound.skid])).stages():
        planned = stage.phase.planned_time
        lasts = planned if planned is not None else stage.longest
        if not math.isfinite(lasts):
            lasts = stage.volume.high / stage.flow if stage.flow > 0.0 else 0.0
        draws += [
            Draw(vessel, clock, clock + lasts, amount.high)
            for vessel, amount in stage.drawn.items()
            if amount.high > 0.0 and math.isfinite(amount.high)
        ]
        clock += lasts
    return tuple(draws)


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
