"""The salt of a small sample that leaves the column last: it tells what liquid the column holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.generation.acts import Act, Deed
from minifactory.calibration.generation.plumbing import Plumbing

FloatArray = NDArray[np.float64]

CLEAR = 10.0
"""Heights of a pulse over the scatter of the baseline at least."""
WIDEST = 0.2
"""Part of its delay that a pulse may be wide."""


@dataclass(frozen=True)
class LatePulse:
    """A salt pulse: `place` (m3 of the file), `delay` (m3 since the middle of the injection), and the
    conductivity (S/m) that the sample must have had to make its area."""

    place: float
    delay: float
    conductivity: float


@dataclass(frozen=True)
class Injection:
    """A loop emptied from `begin` to `stop` (m3), and the next `change` of composition (m3)."""

    begin: float
    stop: float
    change: float


def injection(done: Sequence[Act], plumbing: Plumbing) -> Injection | None:
    """The first injection from a loop that ends before the composition changes; None without one."""
    valve, position = plumbing.loop_position()
    turns = [act for act in done if act.deed is Deed.VALVE and act.name == valve]
    begin = next((act for act in turns if act.position == position), None)
    if begin is None:
        return None
    stop = next((act for act in turns if act.volume > begin.volume and act.position != position), None)
    later = [act.volume for act in done if act.deed is Deed.GRADIENT and act.volume > begin.volume]
    change = min(later, default=float("inf"))
    if stop is None or stop.volume >= change:
        return None
    return Injection(begin.volume, stop.volume, change)


def late_pulse(curve: tuple[FloatArray, FloatArray], given: Injection) -> LatePulse | None:
    """The pulse behind an injection in a curve, or None.

    The curve is volumes (n,) in m3 and conductivities (n,) in S/m.
    """
    volume, values = curve
    inside = (volume > given.stop) & (volume < given.change)
    if inside.sum() < 10:
        return None
    place, height = volume[inside], values[inside] - np.median(values[inside])
    scatter = 1.4826 * float(np.median(np.abs(height)))
    apex = int(np.argmax(np.abs(height)))
    if abs(height[apex]) < CLEAR * max(scatter, 1e-6):
        return None
    sign = np.sign(height[apex])
    outside = np.flatnonzero(sign * height < 0.05 * abs(height[apex]))
    first = max(outside[outside < apex], default=0)
    last = min(outside[outside > apex], default=height.size - 1)
    part = slice(int(first), int(last) + 1)
    area = float(np.trapezoid(height[part], place[part]))
    centre = float(np.trapezoid(height[part] * place[part], place[part])) / area
    delay = centre - 0.5 * (given.begin + given.stop)
    if place[part][-1] - place[part][0] > WIDEST * delay:
        return None
    conductivity = float(np.median(values[inside])) + area / (given.stop - given.begin)
    return LatePulse(centre, delay, conductivity) if conductivity > 0.0 else None
