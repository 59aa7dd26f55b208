"""How far a measured run is from its prediction: trends, fronts, peaks, pools, phases and figures.

Everything is compared at corresponding places (:mod:`minifactory.records.alignment`), so that a late phase
counts once, as a phase, and not again in every trend after it. Deviations of trends are relative to the
range of the prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.records.alignment import FloatArray, Passage, counterpart, course, matched_phases, passage
from minifactory.records.peaks import Peak, find_peaks
from minifactory.records.performance import FIGURES, Performance
from minifactory.records.pools import collect
from minifactory.records.prediction import Prediction
from minifactory.records.run import PhaseRecord, Run
from minifactory.units import ABSORBANCE, CONDUCTIVITY, FLOW, PERCENT_B, PH, PRESSURE, Kind

COMPARED = frozenset(kind.name for kind in (ABSORBANCE, CONDUCTIVITY, PH, PRESSURE, FLOW, PERCENT_B))
FRONT_STEP = 0.004
"""Least step of a front, relative to the range of the trend over the whole run."""
FRONT_SCATTER = 8.0
"""Least step of a front, relative to the scatter of its levels."""
PEAK_PROMINENCE = 0.05
POINTS = 400
CLOSE = 1e-3
"""Relative distance that scan times and sampling alone may make between a run and its prediction."""


@dataclass(frozen=True)
class TrendDeviation:
    """One trend against its prediction.

    `mean`, `maximum` and `bias` are the mean absolute, the largest absolute and the mean signed difference
    (measured minus predicted), relative to `span` (SI), the range of the prediction; `at` (s, measured run)
    is where it is largest.
    """

    name: str
    kind: Kind
    span: float
    mean: float
    maximum: float
    bias: float
    at: float


@dataclass(frozen=True)
class FrontDeviation:
    """Where a front passes: volumes (m3) since the start of `phase` at which half of the step is done."""

    name: str
    phase: str
    predicted: float
    measured: float
    column_volume: float

    @property
    def difference(self) -> float:
        """Measured minus predicted, in CV (in m3 when the phase has no column)."""
        return (self.measured - self.predicted) / (self.column_volume or 1.0)


@dataclass(frozen=True)
class PeakDeviation:
    """A predicted peak over the volume (m3) since the start of `phase`, and the measured one nearest."""

    name: str
    phase: str
    predicted: Peak
    measured: Peak | None
    column_volume: float

    @property
    def shift(self) -> float:
        """Measured minus predicted apex, in CV (in m3 without column); nan without a measured peak."""
        if self.measured is None:
            return math.nan
        return (self.measured.apex - self.predicted.apex) / (self.column_volume or 1.0)

    @property
    def height_ratio(self) -> float:
        """Measured over predicted height; nan without a measured peak."""
        return self.measured.height / self.predicted.height if self.measured else math.nan

    @property
    def area_ratio(self) -> float:
        """Measured over predicted area; nan without a measured peak."""
        return self.measured.area / self.predicted.area if self.measured else math.nan


@dataclass(frozen=True)
class PoolDeviation:
    """What a vessel received: predicted and measured volume (m3)."""

    vessel: str
    predicted: float
    measured: float


@dataclass(frozen=True)
class PhaseDeviation:
    """A phase: predicted and measured durations (s) and volumes (m3); nan for one that was not executed."""

    path: str
    predicted_duration: float
    measured_duration: float
    predicted_volume: float
    measured_volume: float
    reason: str


@dataclass(frozen=True)
class FigureDeviation:
    """A figure of performance (SI): predicted with interval, and measured; `inside` is None if unknown."""

    name: str
    predicted: float
    lower: float
    upper: float
    measured: float

    @property
    def inside(self) -> bool | None:
        """Whether the measured value lies in the predicted interval, or within :data:`CLOSE` of it."""
        if not all(map(math.isfinite, (self.lower, self.upper, self.measured))):
            return None
        slack = CLOSE * max(abs(self.lower), abs(self.upper))
        return self.lower - slack <= self.measured <= self.upper + slack


@dataclass(frozen=True)
class Comparison:
    """All deviations of a measured run from its prediction."""

    trends: tuple[TrendDeviation, ...]
    fronts: tuple[FrontDeviation, ...]
    peaks: tuple[PeakDeviation, ...]
    pools: tuple[PoolDeviation, ...]
    phases: tuple[PhaseDeviation, ...]
    figures: tuple[FigureDeviation, ...]


def compare(
    prediction: Prediction, measured: Run, performance: Performance, flow_tag: str = "System.Flow"
) -> Comparison:
    """The deviations of `measured` with its `performance` from `prediction`, as far as it went."""
    predicted = prediction.run
    courses = [
        _Course(
            planned, executed, passage(predicted, planned, flow_tag), passage(measured, executed, flow_tag)
        )
        for planned, executed in matched_phases(predicted, measured)
    ]
    return Comparison(
        trends=_trends(predicted, measured, courses),
        fronts=_fronts(predicted, measured, courses),
        peaks=_peaks(predicted, measured, courses),
        pools=_pools(predicted, measured),
        phases=_phases(predicted, measured),
        figures=tuple(
            FigureDeviation(name, prediction.performance[name], *prediction.interval(name), performance[name])
            for name in FIGURES
        ),
    )


@dataclass(frozen=True)
class _Course:
    """A matched phase in both runs."""

    planned: PhaseRecord
    executed: PhaseRecord
    before: Passage
    after: Passage


def _common(predicted: Run, measured: Run) -> list[str]:
    return [
        name
        for name, trend in predicted.trends.items()
        if not trend.step and trend.kind.name in COMPARED and name in measured.trends
    ]


def _trends(predicted: Run, measured: Run, courses: Sequence[_Course]) -> tuple[TrendDeviation, ...]:
    found = []
    for name in _common(predicted, measured):
        expected, seen, places, weights = [], [], [], []
        for pair in courses:
            # Midpoints of equal steps: a point on the edge would belong to the phase before, too.
            steps = (np.arange(POINTS) + 0.5) / POINTS
            times = pair.planned.start + steps * (pair.planned.end - pair.planned.start)
            moved = counterpart(pair.before, pair.after, times)
            known = np.isfinite(moved)
            expected.append(predicted.trends[name].at(times[known]))
            seen.append(measured.trends[name].at(moved[known]))
            places.append(moved[known])
            weights.append(np.full(int(known.sum()), pair.planned.end - pair.planned.start))
        if not expected or not sum(part.size for part in expected):
            continue
        found.append(
            _deviation(
                name,
                predicted.trends[name].kind,
                *(np.concatenate(parts) for parts in (expected, seen, places, weights)),
            )
        )
    return tuple(found)


def _deviation(
    name: str, kind: Kind, expected: FloatArray, seen: FloatArray, places: FloatArray, weights: FloatArray
) -> TrendDeviation:
    span = float(np.ptp(expected)) or float(np.max(np.abs(expected))) or 1.0
    difference = (seen - expected) / span
    largest = int(np.argmax(np.abs(difference)))
    total = float(weights.sum()) or 1.0
    return TrendDeviation(
        name=name,
        kind=kind,
        span=span,
        mean=float((weights * np.abs(difference)).sum()) / total,
        maximum=float(abs(difference[largest])),
        bias=float((weights * difference).sum()) / total,
        at=float(places[largest]),
    )


def _fronts(predicted: Run, measured: Run, courses: Sequence[_Course]) -> tuple[FrontDeviation, ...]:
    found = []
    for name in _common(predicted, measured):
        trend = predicted.trends[name]
        if trend.kind.name != CONDUCTIVITY.name:
            continue
        span = float(np.ptp(trend.values))
        for pair in courses:
            planned = front(predicted, name, pair.before, FRONT_STEP * span)
            executed = front(measured, name, pair.after, FRONT_STEP * span)
            if planned is not None and executed is not None:
                found.append(
                    FrontDeviation(name, pair.planned.path, planned, executed, pair.planned.column_volume)
                )
    return tuple(found)


def front(run: Run, name: str, through: Passage, least: float) -> float | None:
    """The volume (m3 since the phase began) at which half of the trend's step in this phase is done.

    As :func:`front_volume`; None also when nothing flows in this phase.
    """
    if through.volume[-1] <= 0.0:
        return None
    return front_volume(*course(run, name, through), least)


def front_volume(volume: FloatArray, values: FloatArray, least: float) -> float | None:
    """The place on `volume` (n,), from 0, at which half of the step of `values` (n,) is done.

    Levels are the medians of the first and of the last 2 % of the volume: a gain error of the detector
    does not move the front. None when the step is smaller than `least` or drowns in noise.
    """
    before, after = values[volume <= 0.02 * volume[-1]], values[volume >= 0.98 * volume[-1]]
    if not before.size or not after.size:
        return None
    start, end = float(np.median(before)), float(np.median(after))
    if abs(end - start) < max(least, FRONT_SCATTER * max(float(before.std()), float(after.std()))):
        return None
    done = (values - start) / (end - start)
    crossings = np.flatnonzero((done[:-1] < 0.5) & (done[1:] >= 0.5))
    if not crossings.size:
        return None
    places = [
        volume[i] + (0.5 - done[i]) / (done[i + 1] - done[i]) * (volume[i + 1] - volume[i]) for i in crossings
    ]
    return float(np.median(places))


def _peaks(predicted: Run, measured: Run, courses: Sequence[_Course]) -> tuple[PeakDeviation, ...]:
    found = []
    for name in _common(predicted, measured):
        if predicted.trends[name].kind.name != ABSORBANCE.name:
            continue
        for pair in courses:
            if pair.planned.kind != "elute":
                continue
            expected = _peaks_in(predicted, name, pair.before)
            seen = list(_peaks_in(measured, name, pair.after))
            for peak in sorted(expected, key=lambda item: -item.area):
                nearest = min(seen, key=lambda item: abs(item.apex - peak.apex), default=None)
                if nearest is not None:
                    seen.remove(nearest)
                found.append(
                    PeakDeviation(name, pair.planned.path, peak, nearest, pair.planned.column_volume)
                )
    return tuple(found)


def _peaks_in(run: Run, name: str, through: Passage) -> tuple[Peak, ...]:
    volume, values = course(run, name, through)
    return find_peaks(volume, values, min_prominence=PEAK_PROMINENCE * float(np.ptp(values)))


def _pools(predicted: Run, measured: Run) -> tuple[PoolDeviation, ...]:
    planned, executed = collect(predicted), collect(measured)
    names = [*planned, *(name for name in executed if name not in planned)]
    return tuple(
        PoolDeviation(
            name,
            planned[name].volume if name in planned else 0.0,
            executed[name].volume if name in executed else 0.0,
        )
        for name in names
    )


def _phases(predicted: Run, measured: Run) -> tuple[PhaseDeviation, ...]:
    pairs = {id(planned): executed for planned, executed in matched_phases(predicted, measured)}
    found = []
    for planned in predicted.phases:
        executed = pairs.get(id(planned))
        found.append(
            PhaseDeviation(
                planned.path,
                planned.end - planned.start,
                executed.end - executed.start if executed else math.nan,
                planned.volume,
                executed.volume if executed else math.nan,
                executed.reason if executed else "not executed",
            )
        )
    return tuple(found)
