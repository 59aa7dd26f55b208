"""The estimate of one vessel's content: what pumps moved, corrected by readings (Kalman filter).

A pump's relative error is a bias: what flows in counts (1 + b_in), what flows out (1 + b_out), and both are
learnt with the content. With P the covariance of (v, b_in, b_out), d_in and d_out what the pumps showed since
the last reading, and h = (1, d_in, -d_out), a reading z with standard deviation s moves all three by
K (z - v), K = P h / (h P h + s^2). Without readings the standard deviation of v is that of the pumps, times
what has passed. The normalised innovation (z - v) / sqrt(h P h + s^2) says whether pumps and readings agree;
averaged over the readings, it is the drift. A bias may wander between two readings by a part of its spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 0.2
"""Part of a new innovation in the averaged one."""
WANDER = 0.1
"""How far a bias may move between two readings, as a part of the spread of a pump's error (assumed)."""
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
    """Covariance, biases and innovations of one vessel; volumes in m3.

    Attributes
    ----------
    relative : float
        Standard deviation of a pump's relative error.
    variance : float
        m6, of the content at the start.
    received, consumed : float
        m3 that the pumps had shown to go in and out at the last correction.
    innovation : float
        Averaged normalised innovation.
    corrected : float
        s of process time of the last correction.
    """

    relative: float
    variance: float = 0.0
    received: float = 0.0
    consumed: float = 0.0
    innovation: float = 0.0
    corrected: float = -math.inf
    _biases: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _covariance: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._covariance = np.diag([self.variance, self.relative**2, self.relative**2])

    def _seen(self, received: float, consumed: float) -> NDArray[np.float64]:
        return np.array([1.0, received - self.received, self.consumed - consumed])

    def shift(self, received: float, consumed: float) -> float:
        """m3 that the content differs by from what the pumps have shown since the last correction."""
        return float(self._biases @ self._seen(received, consumed)[1:])

    def deviation(self, received: float, consumed: float) -> float:
        """Standard deviation (m3) of the content by now."""
        seen = self._seen(received, consumed)
        return math.sqrt(max(float(seen @ self._covariance @ seen), 0.0))

    def correct(
        self, estimate: float, reading: float, deviation: float, received: float, consumed: float
    ) -> float:
        """The corrected volume (m3) after a reading (m3) with this standard deviation (m3); `estimate` has
        the :meth:`shift` in it."""
        seen = self._seen(received, consumed)
        moved = np.eye(3)
        moved[0] = seen
        before = moved @ self._covariance @ moved.T
        before[[1, 2], [1, 2]] += (WANDER * self.relative) ** 2
        total = float(before[0, 0]) + deviation**2
        gain = before[:, 0] / total if total > 0.0 else np.zeros(3)
        surprise = (reading - estimate) / math.sqrt(total) if total > 0.0 else 0.0
        self.innovation += SMOOTHING * (surprise - self.innovation)
        self._covariance = before - np.outer(gain, before[0])
        self._biases = self._biases + gain[1:] * (reading - estimate)
        self.received, self.consumed = received, consumed
        return estimate + float(gain[0]) * (reading - estimate)

    @property
    def drifts(self) -> bool:
        """Whether pumps and readings disagree."""
        return abs(self.innovation) > DRIFTS or max(map(abs, self._biases)) > DRIFTS * self.relative
