"""A campaign of skids that draw buffers while one unit prepares them: virtual time, seeded delays.

A skid whose draw would bring a vessel below its minimum stands (its schedule shifts) until there is enough:
that is a depletion, and the standing time is idle time. Cycles last up to `late` longer than planned, and
batches take a random delay. Both rules see the same plan and the same
seeds, and levels with an estimation error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minifactory.services.buffers import BufferOrder, BufferVessel, PreparationUnit, Rule, Situation
from minifactory.services.forecast import Draw

STEP = 60.0
"""s of virtual time."""


@dataclass(frozen=True)
class Cycle:
    """A skid's cycle: planned draws from its start, and how long it lasts (s)."""

    skid: str
    draws: tuple[Draw, ...]
    lasts: float


@dataclass(frozen=True)
class CampaignOutcome:
    """What a campaign gave: idle hours of all skids, depletions, cycles done, batches, load of the unit."""

    idle_hours: float
    depletions: int
    cycles: int
    batches: int
    unit_busy: float


@dataclass
class _Skid:
    cycle: Cycle
    begun: float
    done: int = 0
    late: float = 0.0
    standing: bool = False


def run_campaign(
    vessels: Mapping[str, BufferVessel],
    cycles: Sequence[Cycle],
    unit: PreparationUnit,
    rule: Rule,
    seed: int,
    days: float = 11.0,
    late: float = 0.05,
    delay: float = 1800.0,
    error: float = 0.01,
    horizon: float = 48.0 * 3600.0,
) -> CampaignOutcome:
    """The campaign under `rule`.

    Parameters
    ----------
    late : float
        Standard deviation of a cycle's delay, relative (only later).
    delay : float
        Mean of a batch's delay, s (exponential).
    error : float
        Standard deviation of the level estimate, relative to the capacity.
    horizon : float
        s for which skids know their plan.
    """
    times, batches = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    levels = {name: vessel.capacity for name, vessel in vessels.items()}
    skids = [_Skid(cycle, 0.0, late=_late(times, cycle, late)) for cycle in cycles]
    spread = {name: error * vessel.capacity for name, vessel in vessels.items()}
    batch: tuple[BufferOrder, float] | None = None
    idle, depletions, made, busy = 0.0, 0, 0, 0.0
    for tick in range(round(days * 86400.0 / STEP)):
        now = tick * STEP
        if batch is not None and now >= batch[1]:
            name = batch[0].vessel
            given = min(batch[0].volume, vessels[name].capacity - levels[name])
            levels[name] += given
            left = batch[0].volume - given
            # What does not fit yet waits in the unit, which can prepare nothing else meanwhile.
            batch = (replace(batch[0], volume=left), batch[1]) if left > 1e-9 else None
            made += 1 if batch is None else 0
        if batch is None:
            seen = {
                name: float(np.clip(level + batches.normal(0.0, spread[name]), 0.0, vessels[name].capacity))
                for name, level in levels.items()
            }
            plan = [draw for skid in skids for draw in _plan(skid, now, horizon)]
            order = rule.choose(vessels, unit, Situation(now, seen, plan, spread))
            if order is not None and order.volume > 0.0:
                batch = (order, now + unit.lasts(order.volume) + float(batches.exponential(delay)))
        busy += STEP if batch is not None else 0.0
        for skid in skids:
            stood = skid.standing
            skid.standing = not _draw(skid, now, levels, vessels)
            if skid.standing:
                idle += STEP
                depletions += 0 if stood else 1
                skid.begun += STEP
            elif now + STEP >= skid.begun + skid.cycle.lasts + skid.late:
                skid.begun, skid.done = now + STEP, skid.done + 1
                skid.late = _late(times, skid.cycle, late)
    seconds = days * 86400.0
    return CampaignOutcome(idle / 3600.0, depletions, sum(skid.done for skid in skids), made, busy / seconds)


def _late(random: np.random.Generator, cycle: Cycle, late: float) -> float:
    return float(abs(random.normal(0.0, late))) * cycle.lasts


def _plan(skid: _Skid, now: float, horizon: float) -> list[Draw]:
    """Planned draws to come: of this cycle and the next ones, as if nothing were late."""
    turns = math.ceil(horizon / skid.cycle.lasts) + 1
    found = [
        draw.shifted(skid.begun + turn * skid.cycle.lasts)
        for turn in range(turns)
        for draw in skid.cycle.draws
    ]
    return [draw for draw in found if draw.end > now and draw.start < now + horizon]


def _draw(skid: _Skid, now: float, levels: dict[str, float], vessels: Mapping[str, BufferVessel]) -> bool:
    """Take what this step takes from the vessels; False (and nothing taken) when one has too little."""
    wanted: dict[str, float] = {}
    for draw in skid.cycle.draws:
        begin, end = max(skid.begun + draw.start, now), min(skid.begun + draw.end, now + STEP)
        if end > begin:
            part = draw.volume * (end - begin) / (draw.end - draw.start)
            wanted[draw.vessel] = wanted.get(draw.vessel, 0.0) + part
    if any(levels[name] - volume < vessels[name].minimum for name, volume in wanted.items()):
        return False
    for name, volume in wanted.items():
        levels[name] -= volume
    return True
