"""Measurements of a phase, taken up scan by scan: heights, areas, moments; what they remember is JSON.

Areas and moments are over the volume pumped in the phase (trapezoids). Moments count only what is above zero,
after the baseline (the value of the first good scan) if it is subtracted. More than `MOST_BAD` of the scans
without a good value make the measurement bad.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from minifactory.recipe.conditions import Sample
from minifactory.signals import Quality, Reading

MEASURES = ("maximum", "minimum", "mean", "last", "area", "apex", "centre", "width")
"""Height and extremes; mean over time; last value; area over volume; volume at the maximum; first moment (the
retention volume) and four standard deviations (the width) of the peak."""
PHASE_ITSELF = ("volume", "time")
"""What may be measured of the phase itself: what it pumped (m3), how long it ran (s)."""
MOST_BAD = 0.05


@dataclass
class Gathering:
    """What has been seen of one signal in one phase so far."""

    scans: int = 0
    bad: int = 0
    base: float = 0.0
    highest: float = -math.inf
    lowest: float = math.inf
    at: float = 0.0
    last: float = math.nan
    volume: float = 0.0
    total: float = 0.0
    zeroth: float = 0.0
    first: float = 0.0
    second: float = 0.0
    time: float = 0.0
    mean: float = 0.0

    def take(self, value: float | None, sample: Sample, baseline: bool) -> None:
        """One scan; None when there is no good value."""
        self.scans += 1
        if value is None or not math.isfinite(value):
            self.bad += 1
            return
        began = self.scans - self.bad == 1
        if began:
            self.base = value if baseline else 0.0
        value -= self.base
        if not began:
            step, mid = sample.phase_volume - self.volume, 0.5 * (sample.phase_volume + self.volume)
            area = 0.5 * (self.last + value) * step
            positive = 0.5 * (max(self.last, 0.0) + max(value, 0.0)) * step
            self.total += area
            self.zeroth += positive
            self.first += positive * mid
            self.second += positive * (mid * mid + step * step / 12.0)
        if value > self.highest:
            self.highest, self.at = value, sample.phase_volume
        self.lowest, self.last = min(self.lowest, value), value
        self.volume, self.time = sample.phase_volume, sample.time
        self.mean += (value - self.mean) / (self.scans - self.bad)

    def reading(self, how: str) -> Reading:
        """The measurement (SI), at the time of the last good value."""
        good = self.scans - self.bad
        poor = good == 0 or self.bad > MOST_BAD * self.scans
        centre = self.first / self.zeroth if self.zeroth > 0.0 else math.nan
        spread = self.second / self.zeroth - centre * centre if self.zeroth > 0.0 else math.nan
        values = {
            "maximum": self.highest,
            "minimum": self.lowest,
            "mean": self.mean,
            "last": self.last,
            "area": self.total,
            "apex": self.at,
            "centre": centre,
            "width": 4.0 * math.sqrt(max(spread, 0.0)) if spread == spread else math.nan,
        }
        return Reading(values[how], self.time, Quality.BAD if poor else Quality.GOOD)

    def record(self) -> dict[str, Any]:
        """As JSON (infinities and NaN as texts)."""
        return {name: value if math.isfinite(value) else str(value) for name, value in asdict(self).items()}


def gathering(record: dict[str, Any]) -> Gathering:
    """What :meth:`Gathering.record` wrote."""
    values: dict[str, Any] = {k: float(v) if isinstance(v, str) else v for k, v in record.items()}
    return Gathering(**values)
