"""Peaks of a trend: where, how high, how much, how wide, how skewed, and how well separated.

A peak is an interval between two feet around a local maximum whose prominence is large enough. The baseline
under it is the straight line between the feet (valley to valley), a rolling baseline, or nothing. Moments are
integrals over the interval (trapezoidal rule); widths are crossings of the signal with a level, linearly
interpolated. Definitions after IUPAC, *Nomenclature for chromatography*, Pure Appl. Chem. 65 (1993) 819-872
(resolution and plate number from the widths at half height; asymmetry at 10 %, tailing at 5 % of the height).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_opening, uniform_filter1d
from scipy.signal import find_peaks as local_maxima

FloatArray = NDArray[np.float64]

PLATES_HALF_HEIGHT = 8.0 * math.log(2.0)
RESOLUTION_HALF_HEIGHT = math.sqrt(2.0 * math.log(2.0))


class Baseline(Enum):
    """What is subtracted before a peak is measured."""

    NONE = "none"
    VALLEY = "valley to valley"
    ROLLING = "rolling"


@dataclass(frozen=True)
class Peak:
    """One peak on an axis x (time in s or volume in m3) of a signal in SI units y.

    Parameters
    ----------
    start, apex, end : float
        x of the feet and of the maximum.
    height : float
        y of the maximum above the baseline.
    area : float
        Integral of y over x above the baseline.
    mean, variance, skewness : float
        First moment (x), second central moment (x^2) and standardised third central moment.
    width_half, width_tenth : float
        Widths (x) at 50 % and 10 % of the height; nan where the signal does not fall that low.
    asymmetry, tailing : float
        Back over front half width at 10 % of the height; whole over twice the front width at 5 %.
    """

    start: float
    apex: float
    end: float
    height: float
    area: float
    mean: float
    variance: float
    skewness: float
    width_half: float
    width_tenth: float
    asymmetry: float
    tailing: float

    @property
    def plates(self) -> float:
        """Plate number from the width at half height."""
        return PLATES_HALF_HEIGHT * (self.apex / self.width_half) ** 2 if self.width_half > 0 else math.nan


def find_peaks(
    x: FloatArray,
    y: FloatArray,
    *,
    min_prominence: float | None = None,
    baseline: Baseline = Baseline.VALLEY,
    window: float = 0.0,
) -> tuple[Peak, ...]:
    """The peaks of `y` over `x`, in order of x.

    Parameters
    ----------
    x : ndarray (n,)
        Time in s or volume in m3, ascending; equal neighbours are allowed.
    y : ndarray (n,)
        Signal in SI units.
    min_prominence : float or None
        Least height above the higher of the two neighbouring valleys; None: 2 % of the range of `y`.
    baseline : Baseline
        What is subtracted.
    window : float
        Width (units of x) of the rolling baseline; 0: one fifth of the axis.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, dtype=np.float64)[good], np.asarray(y, dtype=np.float64)[good]
    if x.size < 3 or float(np.ptp(y)) == 0.0:
        return ()
    if baseline is Baseline.ROLLING:
        y = y - rolling_baseline(x, y, window)
    least = 0.02 * float(np.ptp(y)) if min_prominence is None else min_prominence
    places = local_maxima(y, prominence=max(least, np.finfo(float).tiny))[0]
    feet = _feet(x, y, places, max(0.05 * least, 1e-9 * float(np.ptp(y))))
    return tuple(
        measure(x[a : b + 1], y[a : b + 1], valley=baseline is Baseline.VALLEY) for a, b in feet if b - a >= 2
    )


def _feet(x: FloatArray, y: FloatArray, places: NDArray[np.intp], floor: float) -> list[tuple[int, int]]:
    """Indices between which each maximum rises: where it meets the line that touches the signal from below.

    The line is drawn between the maxima next to it (or the ends); `floor` (SI) is what counts as having met
    it.
    """
    feet = []
    for number, place in enumerate(places):
        before = 0 if number == 0 else int(places[number - 1])
        after = y.size if number == places.size - 1 else int(places[number + 1]) + 1
        left, right = _touching(x[before:after], y[before:after], int(place) - before)
        left, right = left + before, right + before
        if x[right] > x[left]:
            slope = (y[right] - y[left]) / (x[right] - x[left])
            above = y - (y[left] + slope * (x - x[left]))
        else:  # no flow meanwhile: noise at one place of the axis
            above = y - max(y[left], y[right])
        lefts = np.flatnonzero(above[left:place] <= floor)
        rights = np.flatnonzero(above[place + 1 : right + 1] <= floor)
        feet.append((left + int(lefts[-1]), int(place) + 1 + int(rights[0])))
    return feet


def _touching(x: FloatArray, y: FloatArray, top: int) -> tuple[int, int]:
    """Indices on either side of `top` of the line below all of `y`: the edge of its lower convex hull."""
    slope, left, right = 0.0, -1, -1
    for _ in range(100):
        i = int(np.argmin(y[:top] - slope * x[:top]))
        j = top + 1 + int(np.argmin(y[top + 1 :] - slope * x[top + 1 :]))
        if (i, j) == (left, right):
            break
        left, right = i, j
        slope = float((y[j] - y[i]) / (x[j] - x[i])) if x[j] > x[i] else 0.0
    return left, right


def rolling_baseline(x: FloatArray, y: FloatArray, window: float = 0.0) -> FloatArray:
    """The baseline (n,) of `y`: a morphological opening of `window` (units of x), smoothed as widely.

    It follows drift slower than the window and cuts off every peak that is narrower.
    """
    span = float(x[-1] - x[0])
    width = window if window > 0 else span / 5.0
    points = max(3, round(width / span * x.size)) if span > 0 else 3
    even = np.linspace(x[0], x[-1], x.size)
    resampled = np.interp(even, x, y)
    opened = grey_opening(resampled, size=points, mode="nearest")
    smooth = uniform_filter1d(np.asarray(opened, dtype=np.float64), points, mode="nearest")
    return np.asarray(np.minimum(np.interp(x, even, smooth), y))


def measure(x: FloatArray, y: FloatArray, *, valley: bool = True) -> Peak:
    """The peak in the interval `x` (n,), `y` (n,); `valley` subtracts the line between its ends."""
    if valley:
        slope = (y[-1] - y[0]) / (x[-1] - x[0]) if x[-1] > x[0] else 0.0
        y = y - (y[0] + slope * (x - x[0]))
    top = int(np.argmax(y))
    height, apex = _vertex(x, y, top)
    area = float(np.trapezoid(y, x))
    mean = variance = skewness = math.nan
    if area > 0:
        mean = float(np.trapezoid(y * x, x)) / area
        variance = float(np.trapezoid(y * (x - mean) ** 2, x)) / area
        if variance > 0:
            skewness = float(np.trapezoid(y * (x - mean) ** 3, x)) / area / variance**1.5
    half = _crossings(x, y, top, 0.5 * height)
    tenth = _crossings(x, y, top, 0.1 * height)
    twentieth = _crossings(x, y, top, 0.05 * height)
    front = apex - tenth[0]
    front_twentieth = apex - twentieth[0]
    return Peak(
        start=float(x[0]),
        apex=apex,
        end=float(x[-1]),
        height=height,
        area=area,
        mean=mean,
        variance=variance,
        skewness=skewness,
        width_half=half[1] - half[0],
        width_tenth=tenth[1] - tenth[0],
        asymmetry=(tenth[1] - apex) / front if front > 0 else math.nan,
        tailing=(twentieth[1] - twentieth[0]) / (2.0 * front_twentieth) if front_twentieth > 0 else math.nan,
    )


def _vertex(x: FloatArray, y: FloatArray, top: int) -> tuple[float, float]:
    """Height and x of the parabola through the highest point and its neighbours."""
    if 0 < top < y.size - 1 and x[top - 1] < x[top] < x[top + 1]:
        centred = x[top - 1 : top + 2] - x[top]
        scale = float(np.max(np.abs(centred)))
        a, b, c = np.polyfit(centred / scale, y[top - 1 : top + 2], 2)
        if a < 0 and abs(b) <= -2.0 * a:
            return float(c - b * b / (4 * a)), float(x[top] - scale * b / (2 * a))
    return float(y[top]), float(x[top])


def _crossings(x: FloatArray, y: FloatArray, top: int, level: float) -> tuple[float, float]:
    """x where the signal, going down from the maximum to either side, falls below `level`; nan if never."""
    left = right = math.nan
    below = np.flatnonzero(y[:top] < level)
    if below.size:
        i = int(below[-1])
        left = float(x[i] + (level - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i]))
    below = np.flatnonzero(y[top + 1 :] < level)
    if below.size:
        i = top + int(below[0])
        right = float(x[i] + (level - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i]))
    return left, right


def resolution(first: Peak, second: Peak) -> float:
    """The resolution of two peaks from their widths at half height: 1.18 (x2 - x1) / (w1 + w2)."""
    widths = first.width_half + second.width_half
    return RESOLUTION_HALF_HEIGHT * abs(second.apex - first.apex) / widths
