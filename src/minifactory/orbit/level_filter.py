"""The estimate of one vessel's content: what pumps moved, corrected by readings (scalar Kalman filter).

Between readings the variance grows with what has passed since the last one, as a pump's relative error does:
it is a bias, so its standard deviation is proportional to the volume. A reading z with standard deviation s
moves the estimate by K (z - v), K = P / (P + s^2), and leaves P (1 - K). The normalised innovation
(z - v) / sqrt(P + s^2) says whether pumps and reading agree; averaged over the readings it is the drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SMOOTHING = 0.2
"""Part of a new innovation in the averaged one."""
DRIFTS = 3.0
"""Averaged normalised innovation above which pumps and reading disagree: a leak, a bias, a wrong start."""


@dataclass(frozen=True)
class LevelTag:
    """Where the content of a vessel can be read: `scale` in m3 per SI unit, `deviation` in m3.

    `offset` (m3) is what the tag shows of the empty vessel, as a volume; `every` the s between two
    corrections.
    """

    tag: str
    deviation: float
    scale: float = 1.0
    offset: float = 0.0
    every: float = 10.0


@dataclass
class LevelFilter:
    """Variance and innovations of one vessel; volumes in m3.

    Attributes
    ----------
    variance : float
        m6, right after the last correction.
    passed : float
        m3 that had gone in and out altogether at the last correction.
    innovation : float
        Averaged normalised innovation.
    """

    variance: float = 0.0
    passed: float = 0.0
    innovation: float = 0.0
    corrected: float = -math.inf

    def deviation(self, relative: float, passed: float) -> float:
        """Standard deviation (m3) when `passed` (m3) has gone through pumps of this relative error."""
        return math.sqrt(self.variance + (relative * (passed - self.passed)) ** 2)

    def correct(
        self, estimate: float, reading: float, deviation: float, relative: float, passed: float
    ) -> float:
        """The corrected volume (m3) after a reading (m3) with this standard deviation (m3)."""
        before = self.deviation(relative, passed) ** 2
        total = before + deviation**2
        gain = before / total if total > 0.0 else 0.0
        surprise = (reading - estimate) / math.sqrt(total) if total > 0.0 else 0.0
        self.innovation += SMOOTHING * (surprise - self.innovation)
        self.variance, self.passed = (1.0 - gain) * before, passed
        return estimate + gain * (reading - estimate)

    @property
    def drifts(self) -> bool:
        """Whether pumps and readings disagree."""
        return abs(self.innovation) > DRIFTS
