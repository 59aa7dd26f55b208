"""Two runs of one recipe laid over each other, phase by phase.

Phases are matched by path and occurrence. Inside a phase, places correspond that have the same volume since
the phase began; where nothing flows, the same time. Durations, holds and pauses of one run then do not
shift what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.records.run import PhaseRecord, Run

FloatArray = NDArray[np.float64]


def matched_phases(first: Run, second: Run) -> Iterator[tuple[PhaseRecord, PhaseRecord]]:
    """The pairs of phases that both runs executed, in the order of `first`."""
    waiting: dict[str, list[PhaseRecord]] = {}
    for phase in second.phases:
        waiting.setdefault(phase.path, []).append(phase)
    for phase in first.phases:
        others = waiting.get(phase.path)
        if others:
            yield phase, others.pop(0)


@dataclass(frozen=True)
class Passage:
    """The course of a run through one phase: `time` (n,) in s and `volume` (n,) in m3 since it began."""

    time: FloatArray
    volume: FloatArray


def passage(run: Run, phase: PhaseRecord, flow_tag: str = "System.Flow") -> Passage:
    """The passage of `run` through `phase`; without a measured flow the volume grows evenly."""
    flow = run.trends.get(flow_tag)
    if flow is None or flow.time.size < 2:
        time = np.array([phase.start, max(phase.end, phase.start)])
        return Passage(time, np.array([0.0, phase.volume]))
    inside = flow.time[(flow.time > phase.start) & (flow.time < phase.end)]
    time = np.concatenate([[phase.start], inside, [phase.end]])
    total = run.volume_axis(time, flow_tag)
    return Passage(time, np.maximum.accumulate(total - total[0]))


def course(run: Run, name: str, through: Passage) -> tuple[FloatArray, FloatArray]:
    """Volumes (n,) in m3 since a phase began and values (n,) SI of the trend `name`, at its own points."""
    trend = run.trends[name]
    start, end = through.time[0], through.time[-1]
    own = trend.time[(trend.time > start) & (trend.time < end)]
    times = np.union1d(through.time, own)
    return np.interp(times, through.time, through.volume), trend.at(times)


def counterpart(source: Passage, target: Passage, times: FloatArray) -> FloatArray:
    """The times (s) in `target` that correspond to `times` (s) in `source`; nan beyond the end of `target`.

    By volume when both passages have some, else by time since their beginnings.
    """
    if source.volume[-1] <= 0.0 or target.volume[-1] <= 0.0:
        moved = times - source.time[0] + target.time[0]
        return np.where(moved <= target.time[-1] + 1e-9, moved, np.nan)
    wanted = np.interp(times, source.time, source.volume)
    # Where the flow stands still the volume cannot tell times apart: the last moment of it counts.
    keep = np.append(np.diff(target.volume) > 0.0, True)
    keep[0] = True
    moved = np.interp(wanted, target.volume[keep], target.time[keep])
    slack = 1e-9 * target.volume[-1]
    return np.where(wanted <= target.volume[-1] + slack, moved, np.nan)


def corresponding_times(
    reference: Run, other: Run, flow_tag: str = "System.Flow"
) -> tuple[FloatArray, FloatArray]:
    """Times (n,) in s of `reference` and the times (n,) of `other` that correspond, over all matched phases.

    Sampled at the reference's own flow points, and at least 400 per phase.
    """
    here: list[FloatArray] = []
    there: list[FloatArray] = []
    for phase, match in matched_phases(reference, other):
        source = passage(reference, phase, flow_tag)
        target = passage(other, match, flow_tag)
        times = np.union1d(source.time, np.linspace(phase.start, phase.end, 400))
        moved = counterpart(source, target, times)
        known = np.isfinite(moved)
        here.append(times[known])
        there.append(moved[known])
    if not here:
        return np.empty(0), np.empty(0)
    return np.concatenate(here), np.concatenate(there)
