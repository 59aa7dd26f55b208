"""A measured curve made ready for a fit: a window, spikes out, binned, with the noise it shows by itself.

The noise of a sensor is what two neighbouring points differ by beyond a straight line: the second differences
of independent noise of standard deviation s have the standard deviation s sqrt(6). Their median absolute
value
is insensitive to peaks. What a model misses is no noise; it has its own part in the residual model
(:mod:`minifactory.calibration.estimation.discrepancy`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError
from minifactory.records.run import Trend
from minifactory.units import Kind

Array = NDArray[np.float64]

BINS = 220
"""Points of a curve that a fit sees at most."""
FEWEST = 12
"""Points below which a curve tells nothing that could be judged."""
SPIKE = 8.0
"""A point further than this many noise deviations from the median of its neighbours is a spike."""
NUMERICAL = 2e-4
"""Least noise, relative to the range: the solver's own error."""
LEAST_GAIN = 0.3
"""Least size of a model error where there is no signal, relative to that at the top."""
TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Observed:
    """A curve as a fit sees it.

    Parameters
    ----------
    name : str
        Of data and signal, e.g. ``47cm_hr.asc UV1``.
    signal : str
        Tag, e.g. ``UV1.Signal``.
    kind : Kind
    time : ndarray (n,)
        s of the run.
    values : ndarray (n,)
        SI.
    noise : ndarray (n,)
        Standard deviation of the noise of each (binned) value, SI.
    nuisance : ndarray (n, k)
        Courses that may be added in any amount: baseline offset and drift.
    axis : ndarray (n,)
        What is drawn: volume in m3, or the time.
    gains : ndarray (n,)
        Relative size of a model error at each point, at most 1.
    findings : tuple of Finding
        What was left out and why.
    spread : ndarray (n,) or (0,)
        Standard deviation (s) of the times that a binned value is the mean of; empty: none is binned.
    """

    name: str
    signal: str
    kind: Kind
    time: Array
    values: Array
    noise: Array
    nuisance: Array
    axis: Array
    gains: Array
    findings: tuple[Finding, ...] = field(default=())
    spread: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def sides(self) -> tuple[Array, ...]:
        """Times (s) at which a prediction is looked at, whose mean is that of the bin.

        Two points of the bin's own mean and variance: a curve that bends within a bin is averaged as the
        data were, to the third order.
        """
        if not self.spread.any():
            return (self.time,)
        return self.time - self.spread, self.time + self.spread

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.values.size)


def noise_of(values: Array) -> float:
    """Standard deviation of independent noise in evenly sampled `values` (n,), from second differences.

    Zero when neighbouring points do not differ (digitised or noise-free data).
    """
    if values.size < 5:
        return 0.0
    second = values[2:] - 2.0 * values[1:-1] + values[:-2]
    return float(TO_SIGMA * np.median(np.abs(second - np.median(second))) / np.sqrt(6.0))


def observed(
    name: str,
    trend: Trend,
    window: tuple[float, float],
    *,
    baseline: int = 2,
    multiplicative: bool = False,
    axis: Array | None = None,
    bins: int = BINS,
) -> Observed:
    """The part of `trend` between the times of `window` (s).

    Parameters
    ----------
    baseline : int
        0: none; 1: an offset; 2: an offset and a drift are free.
    multiplicative : bool
        A model error grows with the signal (absorbance); else it is the same everywhere.
    axis : ndarray, optional
        What to draw over, at each point of the trend.

    Raises
    ------
    InputError
        Nothing there, or nothing that moves.
    """
    inside = (trend.time >= window[0]) & (trend.time <= window[1])
    good = inside & np.isfinite(trend.values)
    if trend.quality is not None:
        good &= trend.quality == 0
    time, values = trend.time[good], trend.values[good]
    drawn = time if axis is None else axis[good]
    findings: list[Finding] = []
    lost = int(inside.sum() - good.sum())
    if lost:
        findings.append(
            Finding(
                name, f"{lost} of {int(inside.sum())} points are not numbers or not good", severity="warning"
            )
        )
    if time.size < FEWEST:
        first, last = (
            (float(end) for end in (trend.time[0], trend.time[-1])) if trend.time.size else (0.0, 0.0)
        )
        found = f"{time.size} usable points from {window[0] / 60.0:.1f} min on, where it is compared"
        if not window[0] < last:
            found = f"it lasts from {first / 60.0:.1f} to {last / 60.0:.1f} min, but is compared from "
            found += f"{window[0] / 60.0:.1f} min on"
        remedy = "Export the whole curve; is it a run of this recipe, and is the unit of its time right?"
        raise InputError([*findings, Finding(name, found, f"at least {FEWEST} points", remedy)])
    keep, spikes = _without_spikes(values)
    if spikes:
        findings.append(
            Finding(
                name,
                f"{spikes} of {values.size} points are spikes (air, electrical) and are left out",
                severity="warning",
            )
        )
    time, values, drawn = time[keep], values[keep], drawn[keep]
    spread = float(np.ptp(values))
    if not spread > 1e-9 * max(float(np.abs(values).max()), 1e-30):
        raise InputError(
            [
                *findings,
                Finding(
                    name, "the signal does not move", "a curve", "Is the detector on, and the unit right?"
                ),
            ]
        )
    noise = max(noise_of(values), 0.5 * _resolution(values))
    binned_time, binned, counts, places, widths = _binned(time, values, drawn, bins)
    size = np.abs(binned - np.median(binned)) if multiplicative else np.ones_like(binned)
    gains = np.maximum(size / max(float(size.max()), 1e-300), LEAST_GAIN)
    return Observed(
        name=name,
        signal=trend.name,
        kind=trend.kind,
        time=binned_time,
        values=binned,
        noise=np.hypot(noise / np.sqrt(counts), NUMERICAL * spread),
        nuisance=_baseline(binned_time, baseline),
        axis=places,
        gains=gains,
        findings=tuple(findings),
        spread=widths,
    )


def _without_spikes(values: Array) -> tuple[NDArray[np.bool_], int]:
    """Which points stay: not those that jump out of both neighbours by more than the curve's steps."""
    keep = np.ones(values.size, dtype=bool)
    if values.size < 7:
        return keep, 0
    around = np.median(np.stack([values[:-4], values[1:-3], values[3:-1], values[4:]]), axis=0)
    away = np.abs(values[2:-2] - around)
    steps = np.maximum.reduce([np.abs(values[1:-3] - around), np.abs(values[3:-1] - around)])
    noise = max(noise_of(values), _resolution(values), 1e-3 * float(np.ptp(values)) / SPIKE)
    keep[2:-2] = ~((away > SPIKE * noise) & (away > 5.0 * steps))
    return keep, int((~keep).sum())


def _resolution(values: Array) -> float:
    """The smallest step between different values: what the file's digits resolve (as a deviation)."""
    steps = np.abs(np.diff(np.unique(values)))
    return float(steps.min() / np.sqrt(12.0)) if values.size > 1 and steps.size else 0.0


def _binned(time: Array, values: Array, axis: Array, bins: int) -> tuple[Array, Array, Array, Array, Array]:
    """Means of time, values, how many there are, mean of the axis, and deviation of the times, by bin."""
    if time.size <= bins:
        return time, values, np.ones(time.size), axis, np.zeros(0)
    edges = np.linspace(time[0], time[-1], bins + 1)
    at = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins).astype(float)
    filled = counts > 0
    offset = time - (0.5 * (edges[1:] + edges[:-1]))[at]
    means = [
        np.bincount(at, series, minlength=bins)[filled] / counts[filled]
        for series in (time, values, axis, offset, offset**2)
    ]
    spread = np.sqrt(np.maximum(means[4] - means[3] ** 2, 0.0))
    return means[0], means[1], counts[filled], means[2], spread


def _baseline(time: Array, order: int) -> Array:
    width = max(float(np.ptp(time)), 1e-300)
    centred = (time - time.mean()) / width
    return np.stack([centred**power for power in range(order)], axis=1) if order else np.zeros((time.size, 0))
