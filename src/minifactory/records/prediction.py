"""What is expected of a run: the nominal simulation, and simulations with drawn parameters.

Intervals are quantiles of the samples (linear interpolation between order statistics), so they say how
uncertain the parameters make the result; sensor noise is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minifactory.records.alignment import FloatArray, corresponding_times
from minifactory.records.performance import FIGURES, Performance
from minifactory.records.run import Run
from minifactory.units import Kind


@dataclass(frozen=True)
class Band:
    """Where a trend is expected: between `lower` and `upper` (n,) SI at `time` (n,) s of the nominal run."""

    name: str
    kind: Kind
    time: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True)
class Prediction:
    """A nominal run with its performance, and the performances of the samples.

    Parameters
    ----------
    run : Run
        Simulated with the stated parameters.
    performance : Performance
        Of that run.
    samples : tuple of Performance
        Of the runs with drawn parameters; empty when no uncertainty was propagated.
    bands : Mapping of str to Band
        Of some trends, by tag.
    level : float
        Probability content of intervals and bands.
    """

    run: Run
    performance: Performance
    samples: tuple[Performance, ...] = ()
    bands: Mapping[str, Band] = field(default_factory=dict)
    level: float = 0.95

    def values(self, figure: str) -> FloatArray:
        """The samples' values (n,) of `figure` (SI) that are known."""
        values = np.array([sample[figure] for sample in self.samples], dtype=np.float64)
        return values[np.isfinite(values)]

    def interval(self, figure: str) -> tuple[float, float]:
        """Lower and upper limit (SI) of `figure`; nan without samples."""
        values = self.values(figure)
        if values.size < 2:
            return math.nan, math.nan
        tail = 0.5 * (1.0 - self.level)
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return float(low), float(high)

    def probability(self, met: Callable[[Performance], bool]) -> float:
        """The share of the samples for which `met` is true; nan without samples."""
        if not self.samples:
            return math.nan
        return sum(map(met, self.samples)) / len(self.samples)

    def intervals(self) -> dict[str, tuple[float, float]]:
        """The intervals (SI) of all figures."""
        return {name: self.interval(name) for name in FIGURES}


def bands(nominal: Run, samples: Sequence[Run], tags: Sequence[str], level: float = 0.95) -> dict[str, Band]:
    """The bands of `tags` over the sampled runs, laid over `nominal` phase by phase.

    At places that fewer than half of the samples reach there is no band (nan).
    """
    if len(samples) < 2:
        return {}
    times = np.unique(np.concatenate([corresponding_times(nominal, nominal)[0]]))
    tail = 0.5 * (1.0 - level)
    found = {}
    maps = [corresponding_times(nominal, run) for run in samples]
    for tag in tags:
        if tag not in nominal.trends:
            continue
        rows = [
            _carried(run, tag, times, here, there)
            for run, (here, there) in zip(samples, maps, strict=True)
            if tag in run.trends and here.size
        ]
        if not rows:
            continue
        table = np.vstack(rows)
        enough = np.isfinite(table).sum(axis=0) >= max(2, len(samples) // 2)
        limits = np.full((2, times.size), np.nan)
        if enough.any():
            limits[:, enough] = np.nanquantile(table[:, enough], [tail, 1.0 - tail], axis=0)
        found[tag] = Band(tag, nominal.trends[tag].kind, times, limits[0], limits[1])
    return found


def _carried(run: Run, tag: str, times: FloatArray, here: FloatArray, there: FloatArray) -> FloatArray:
    """The values of `run` where it corresponds to `times` (s) of the nominal run; nan where nothing does."""
    moved = np.interp(times, here, there, left=np.nan, right=np.nan)
    values = run.trends[tag].at(np.nan_to_num(moved))
    return np.where(np.isfinite(moved), values, np.nan)
