"""Volumes of lines and the porosity of the bed from the delays of the file's own conductivity fronts.

A front is where half of a step's change in conductivity is done, in volume since the step began, in the file
and in the prediction (:func:`minifactory.records.compare.front_volume`). In plug flow each delay is a sum of
volumes:

    loop     column and lines from the loop to the detector (behind)
    mixer    behind + mixer to loop: after a pump wash, a step or a gradient of %B
    inlet    behind + mixer + inlet valve to pump
    line     behind + mixer + inlet + the line between two inlet valves

Least squares with bounds (no volume below zero) gives the changes of these volumes that meet all fronts best.
As every front has a say, each is also judged *left out*: by the volumes that the others alone give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from minifactory.calibration.generation.levels import Readings
from minifactory.calibration.generation.phases import PlannedPhase
from minifactory.records.alignment import passage
from minifactory.records.compare import front, front_volume
from minifactory.records.run import Run

FloatArray = NDArray[np.float64]

SCALE = 1e-6
"""m3: the least squares are in mL, so that their tolerances mean something."""
CONDUCTIVITY_TAG = "Cond.Signal"
COMMON, LOOP, INLET, LINE = "mixer", "loop", "inlet", "line"
LEAST_STEP = 0.001
"""Least step of a front, relative to the range of the prediction; it must also stand out of the noise."""


TERMS = ("behind", "mixer", "inlet", "line")
SUMS = {LOOP: 1, COMMON: 2, INLET: 3, LINE: 4}
"""Group -> how many of the terms its delay is the sum of."""
PULSE = "pulse"
OVERSHOOT = 0.5
"""Part of a step by which a measured course may leave the range between its levels."""


@dataclass(frozen=True)
class FrontFit:
    """One front: volumes (m3) since its step began, predicted and measured, and what it is good for.

    `left_out` (m3) is predicted minus measured when this front has no say in the volumes; None when nothing
    else tells them. A front that is `disturbed` leaves the range of its two levels: something unknown came
    with it, and it has no say. The group ``pulse`` is the salt of an injected sample, which told the column's
    volume.
    """

    step: str
    phase: str
    group: str
    predicted: float
    measured: float
    left_out: float | None = None
    disturbed: bool = False

    @property
    def difference(self) -> float:
        """Predicted minus measured, in m3."""
        return self.predicted - self.measured

    @property
    def counts(self) -> bool:
        """Whether it has a say in the volumes."""
        return not self.disturbed and self.group in SUMS


def group_of(phase: PlannedPhase, before: PlannedPhase | None) -> str:
    """What the delay of a phase's front consists of; empty when nothing changed the liquid."""
    if "wash" in phase.fresh:
        return COMMON
    if "loop" in phase.fresh:
        return LOOP
    if "inlet" in phase.fresh:
        if before is None:
            return ""
        same_valve = before.sources[0].owner == phase.sources[0].owner
        return LINE if same_valve and _between_valves(phase) else INLET
    return COMMON if "%B" in phase.fresh else ""


def line_of(phases: Sequence[PlannedPhase]) -> str:
    """The tubing between two inlet valves; empty when there is none."""
    return next((name for phase in phases if (name := _between_valves(phase))), "")


def _between_valves(phase: PlannedPhase) -> str:
    """The device after which a further valve follows, on the way from the pump to the vessel."""
    names = [name for name in phase.passed if "Line" in name]
    return names[1] if len(names) > 1 else ""


def front_fits(planned: Sequence[PlannedPhase], run: Run, readings: Readings) -> tuple[FrontFit, ...]:
    """The fronts of all steps that the file and the prediction show."""
    trend = run.trends.get(CONDUCTIVITY_TAG)
    if trend is None:
        return ()
    least = LEAST_STEP * float(trend.values.max() - trend.values.min())
    volume, values = readings.curve()
    records = {record.path.rsplit(".", 1)[-1]: record for record in run.phases}
    found: list[FrontFit] = []
    before: PlannedPhase | None = None
    for phase in planned:
        if phase.stretch is None:
            continue
        group = group_of(phase, before)
        before = phase
        record = records.get(phase.name)
        if not group or record is None:
            continue
        inside = (volume >= phase.stretch.start) & (volume <= phase.stretch.end)
        if inside.sum() < 3:
            continue
        seen = front_volume(volume[inside] - phase.stretch.start, values[inside], least)
        expected = front(run, CONDUCTIVITY_TAG, passage(run, record), least)
        if seen is not None and expected is not None:
            disturbed = _disturbed(values[inside])
            found.append(
                FrontFit(phase.stretch.name, record.path, group, expected, seen, disturbed=disturbed)
            )
    return tuple(found)


def judged(found: Sequence[FrontFit], present: Mapping[str, float]) -> tuple[FrontFit, ...]:
    """The same with each front's left-out difference; `present` (m3) as in :func:`corrections`."""
    result = []
    for item in found:
        others = [other for other in found if other is not item and other.counts]
        told = {other.group for other in others}
        rest = None
        if item.counts and item.group in told:
            grown = corrections(others, present)
            rest = item.difference + sum(grown.get(term, 0.0) for term in TERMS[: SUMS[item.group]])
        elif item.disturbed:
            rest = item.difference
        result.append(replace(item, left_out=rest))
    return tuple(result)


def corrections(found: Sequence[FrontFit], present: Mapping[str, float]) -> Mapping[str, float]:
    """How much (m3) each term must grow; `present` (m3) is what each has that it can give.

    Terms that no front distinguishes from the one before are left out.
    """
    used = [item for item in found if item.counts]
    groups = sorted({SUMS[item.group] for item in used})
    if not used:
        return {}
    # Of the terms between two groups only the last can be told from the smaller group: the others stay.
    names = ["behind", *(TERMS[group - 1] for group in groups[1:])]
    matrix = np.array([[1.0, *(float(SUMS[item.group] >= group) for group in groups[1:])] for item in used])
    wanted = np.array([-item.difference for item in used])
    least = np.array([-present.get(name, np.inf) for name in names])
    solved = lsq_linear(matrix, wanted / SCALE, bounds=(np.minimum(least / SCALE, -1e-9), np.inf))
    return dict(zip(names, (SCALE * solved.x).tolist(), strict=True))


def _disturbed(values: FloatArray) -> bool:
    """Whether a course (n,) leaves the range between its first and last level by much."""
    count = max(values.size // 50, 1)
    start, end = float(np.median(values[:count])), float(np.median(values[-count:]))
    step = abs(end - start)
    low, high = min(start, end), max(start, end)
    return bool(max(low - values.min(), values.max() - high) > OVERSHOOT * step)
