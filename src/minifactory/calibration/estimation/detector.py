"""What the detectors show by themselves: noise, baseline drift, saturation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.curves import noise_of
from minifactory.errors import Finding
from minifactory.records.run import Trend

Array = NDArray[np.float64]

FLAT_SHARE = 0.004
"""Share of the points that stand at the very top from which a signal counts as cut off."""
FLAT_WIDTH = 2e-3
"""Width of the top, relative to the range."""


@dataclass(frozen=True)
class DetectorReport:
    """Noise (SI), drift (SI per s, from what is not peak), and where (SI) it is cut off, or None."""

    name: str
    noise: float
    drift: float
    saturation: float | None

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {"noise": self.noise, "drift_per_s": self.drift, "saturation": self.saturation}


def report(
    name: str, trend: Trend, window: tuple[float, float]
) -> tuple[DetectorReport, Trend, list[Finding]]:
    """The report on `trend` inside `window` (s), the trend without what is cut off, and findings."""
    inside = (trend.time >= window[0]) & (trend.time <= window[1]) & np.isfinite(trend.values)
    time, values = trend.time[inside], trend.values[inside]
    if values.size < 5:
        return DetectorReport(name, 0.0, 0.0, None), trend, []
    findings: list[Finding] = []
    drift = _drift(time, values)
    level = _saturation(values)
    kept = trend
    if level is not None:
        cut = trend.values >= level
        quality = np.zeros(trend.values.size, np.int8) if trend.quality is None else trend.quality.copy()
        quality[cut] = 1
        kept = replace(trend, quality=quality)
        findings.append(
            Finding(
                name,
                f"the signal is cut off at {level:.4g} {trend.kind.si} ({int(cut.sum())} points)",
                remedy="Those points are left out; use a shorter path or another wavelength to see the top.",
                severity="warning",
            )
        )
    return DetectorReport(name, noise_of(values), drift, level), kept, findings


def _drift(time: Array, values: Array) -> float:
    """Slope (per s) between the quiet values of the first and last quarter: a low quantile is no peak."""
    quarter = max(values.size // 4, 2)
    span = float(time[-quarter:].mean() - time[:quarter].mean())
    if span <= 0.0:
        return 0.0
    return float((np.quantile(values[-quarter:], 0.1) - np.quantile(values[:quarter], 0.1)) / span)


def _saturation(values: Array) -> float | None:
    """The level at which many neighbouring points stand that are the highest of all; None without."""
    top, span = float(values.max()), float(np.ptp(values))
    if span <= 0.0:
        return None
    at_top = values >= top - FLAT_WIDTH * span
    longest, run = 0, 0
    for flag in at_top.tolist():
        run = run + 1 if flag else 0
        longest = max(longest, run)
    # A rounded peak spends sqrt(8 * width) of its half width at the top; a cut one stays exactly there.
    exact = int((values >= top - 1e-6 * span).sum())
    flat = longest > max(8, FLAT_SHARE * values.size) and exact > 0.6 * longest
    return top - FLAT_WIDTH * span if flat else None
