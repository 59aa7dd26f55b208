"""Schedules from durations: cycle time, bottleneck, twin and periodic counter-current columns, demand.

Everything is in the periodic steady state, found directly. A skid that runs one batch after the other starts
one every ``duration + changeover``. With n columns in turns, a column is loaded while the others do the rest:

    twin       n columns in parallel, one loads at a time: cycle = max(load, whole / n)
    PCC        what breaks through a column is caught on the next: n >= 1 + rest / load, no stop of load

Vessels hold what is delivered in a cycle and not yet taken: with delivery at a rate during a part of the
cycle and a steady demand, the largest level is the delivered volume times (1 - share of the cycle in which it
flows).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.design.study import Demand
from minifactory.records.run import Run

DAY = 86_400.0


@dataclass(frozen=True)
class Turn:
    """Continuous loading with `columns` in turns: time between two starts (s), share of time in load."""

    columns: int
    cycle: float
    loading: float


@dataclass(frozen=True)
class Schedule:
    """A periodic schedule of one recipe.

    Parameters
    ----------
    duration, load, rest : float
        s of a run, of its load phases, and of all others.
    cycle : float
        s between two starts over all skids.
    per_day : float
        Batches per day.
    batches : int
        Of the campaign, and `makespan` s of it.
    bottleneck : str
        What sets the cycle.
    shares : Mapping of str to float
        Part of the run that each kind of phase takes.
    longest : tuple of (str, float)
        The longest phases (s).
    turns : tuple of Turn
        What more columns would bring.
    pcc : int
        Columns with which the load never stops.
    buffers, buffers_per_day : Mapping of str to float
        m3 from each vessel per batch, and per day.
    hold : float
        m3 that a tank behind the pool must hold, if the next step draws steadily.
    analyser : float
        Load of the analyser (1: always busy).
    product_per_day : float
        kg.
    """

    duration: float
    load: float
    rest: float
    cycle: float
    per_day: float
    batches: int
    makespan: float
    bottleneck: str
    shares: Mapping[str, float]
    longest: tuple[tuple[str, float], ...]
    turns: tuple[Turn, ...]
    pcc: int
    buffers: Mapping[str, float]
    buffers_per_day: Mapping[str, float]
    hold: float
    analyser: float
    product_per_day: float


def schedule(run: Run, demand: Demand, pool_mass: float, pool: str) -> Schedule:
    """The periodic schedule of the recipe of a predicted run.

    Parameters
    ----------
    run : Run
        Its phases, consumption and pools.
    demand : Demand
    pool_mass : float
        kg of product per batch.
    pool : str
        Vessel of the pool.
    """
    duration = run.duration
    load = math.fsum(phase.end - phase.start for phase in run.phases if phase.kind == "load")
    occupied = duration + demand.changeover
    own = occupied / demand.skids
    analyser = demand.analyses * demand.analysis_time
    cycle = max(own, analyser)
    bottleneck = (
        f"{demand.skids} skid{'s' if demand.skids > 1 else ''}" if own >= analyser else "the analyser"
    )
    open_share = demand.hours_per_day / DAY
    per_day = _per_day(cycle, occupied, demand) if open_share < 1.0 else DAY / cycle
    batches = demand.batches
    if demand.product > 0.0 and pool_mass > 0.0:
        batches = math.ceil(demand.product / pool_mass - 1e-9)
    makespan = (batches - 1) * DAY / per_day + occupied if batches > 1 else occupied
    rest = occupied - load
    pcc = 1 + math.ceil(rest / load - 1e-9) if load > 0.0 else 1
    turns = (
        tuple(_turn(columns, load, occupied) for columns in range(1, max(pcc, 2) + 1)) if load > 0.0 else ()
    )
    kinds: dict[str, float] = {}
    for phase in run.phases:
        kinds[phase.kind] = kinds.get(phase.kind, 0.0) + (phase.end - phase.start) / duration
    longest = sorted(((phase.path, phase.end - phase.start) for phase in run.phases), key=lambda one: -one[1])
    collected = [one for one in run.pools if one.vessel == pool]
    volume = math.fsum(one.volume for one in collected)
    flowing = math.fsum(one.end - one.start for one in collected)
    buffers = dict(run.consumed)
    return Schedule(
        duration,
        load,
        rest,
        cycle,
        per_day,
        batches,
        makespan,
        bottleneck,
        kinds,
        tuple(longest[:5]),
        turns,
        pcc,
        buffers,
        {name: amount * per_day for name, amount in buffers.items()},
        volume * max(0.0, 1.0 - flowing / cycle),
        analyser / cycle,
        pool_mass * per_day,
    )


def _per_day(cycle: float, occupied: float, demand: Demand) -> float:
    """Batches per day when runs may only be started within some hours of the day."""
    if occupied >= DAY:
        return demand.skids / math.ceil(occupied / DAY)
    starts = math.floor(demand.hours_per_day / cycle - 1e-9) + 1
    return float(max(1, min(starts, math.floor(DAY / cycle))))


def _turn(columns: int, load: float, occupied: float) -> Turn:
    cycle = max(load, occupied / columns)
    return Turn(columns, cycle, load / cycle)
