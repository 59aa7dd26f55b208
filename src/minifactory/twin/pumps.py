"""The motion of two gradient pumps: what both deliver as functions of time, in closed form.

A :class:`Leg` is a stretch of time in which the system flow is linear. The composition either follows from
both pumps moving linearly to their targets (isocratic steps, starts and stops), or from the gradient, which
is linear in *pumped volume*:

    Q(t) = Q0 + s (t - t0)          V(t) = V0 + Q0 (t - t0) + s (t - t0)^2 / 2
    B(t) = c(V(t)) Q(t)             c(V) = c0 + (c1 - c0) (V - V_start) / V_gradient

Everything is evaluated from the start of the leg, never accumulated, so that values do not depend on how time
is cut into steps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

CURVED_PARTS = 8
"""Pieces into which a flow ramp during a gradient is cut, where B(t) is cubic and not linear."""


class Segment(NamedTuple):
    """A stretch of time between two breakpoints, in which every flow is linear and no valve moves.

    Parameters
    ----------
    start, end : float
        Process time in s.
    a_start, a_end, b_start, b_end : float
        True flow in m3/s that pump A and pump B deliver to the system, at both ends.
    wash_a, wash_b : float
        True flow in m3/s from each pump's inlet lines to waste (pump wash), constant.
    positions : tuple of int
        Index of the position of each valve, in the order of :attr:`Actuators.valves`; the same object as long
        as nothing switches, hashable for caches of flow paths.
    """

    start: float
    end: float
    a_start: float
    a_end: float
    b_start: float
    b_end: float
    wash_a: float
    wash_b: float
    positions: tuple[int, ...]

    @property
    def duration(self) -> float:
        """s."""
        return self.end - self.start

    @property
    def volume_a(self) -> float:
        """m3 that pump A delivers to the system."""
        return 0.5 * (self.a_start + self.a_end) * (self.end - self.start)

    @property
    def volume_b(self) -> float:
        """m3 that pump B delivers to the system."""
        return 0.5 * (self.b_start + self.b_end) * (self.end - self.start)


class Gradient(NamedTuple):
    """A programme linear in pumped volume: composition from `start` to `target` (0 to 1) in `volume` (m3).

    `begin` is the pumped volume (m3) at which it began.
    """

    begin: float
    start: float
    target: float
    volume: float

    @property
    def end(self) -> float:
        """Pumped volume (m3) at which the target is reached."""
        return self.begin + self.volume

    def composition(self, pumped: float) -> float:
        """Fraction of B (0 to 1) when `pumped` m3 have gone through since the start of the run."""
        part = (pumped - self.begin) / self.volume
        return self.start + (self.target - self.start) * min(max(part, 0.0), 1.0)


class Leg(NamedTuple):
    """One stretch of pump motion; flows are nominal (before pump gain), in m3/s, volumes in m3.

    `end` is infinite when nothing is to change; `target` is the fraction of B to which a leg without gradient
    leads.
    """

    start: float
    end: float
    total: float
    slope: float
    b_flow: float
    b_slope: float
    pumped: float
    target: float
    gradient: Gradient | None = None

    def volume(self, time: float) -> float:
        """m3 pumped until `time` (s)."""
        elapsed = time - self.start
        return self.pumped + elapsed * (self.total + 0.5 * self.slope * elapsed)

    def flow(self, time: float) -> float:
        """System flow in m3/s at `time` (s)."""
        return max(self.total + self.slope * (time - self.start), 0.0)

    def flows(self, time: float) -> tuple[float, float]:
        """Flow of pump A and of pump B in m3/s at `time` (s)."""
        elapsed = time - self.start
        total = max(self.total + self.slope * elapsed, 0.0)
        if self.gradient is None:
            part = min(max(self.b_flow + self.b_slope * elapsed, 0.0), total)
        else:
            part = total * self.gradient.composition(self.volume(time))
        return total - part, part

    def composition(self, time: float) -> float:
        """Fraction of B (0 to 1) at `time` (s); where nothing flows, that with which it would start."""
        if self.gradient is not None:
            return self.gradient.composition(self.volume(time))
        _, part = self.flows(time)
        total = self.flow(time)
        return part / total if total > 0.0 else self.target

    def next_breakpoint(self, time: float) -> float:
        """The first time (s) after `time` at which the flows cease to be linear."""
        if self.gradient is None or self.slope == 0.0 or math.isinf(self.end):
            return self.end
        part = (self.end - self.start) / CURVED_PARTS
        if part <= instant(time):
            return self.end
        done = math.floor((time - self.start) / part + 1e-9) + 1
        if self.start + done * part <= time + instant(time):
            done += 1
        return self.end if done >= CURVED_PARTS else self.start + done * part


def instant(time: float) -> float:
    """A duration in s that is nothing at process time `time` (s): a nanosecond, or what the time resolves."""
    return max(1e-9, 4.0 * math.ulp(time))


def steady(time: float, flow: float, composition: float, pumped: float, gradient: Gradient | None) -> Leg:
    """A leg of constant flow (m3/s), which a running gradient ends when its volume is through."""
    end = math.inf
    if gradient is not None and flow > 0.0:
        end = time + max(gradient.end - pumped, 0.0) / flow
    return Leg(time, end, flow, 0.0, flow * composition, 0.0, pumped, composition, gradient)


def towards(
    time: float,
    flows: tuple[float, float],
    pumped: float,
    flow: float,
    composition: float,
    rates: tuple[float, float],
) -> Leg:
    """A leg in which both pumps reach `flow` (m3/s) at `composition` (0 to 1) together.

    `flows` is what pumps A and B deliver at `time` (s), `rates` their steepest ramps in m3/s2,
    of which one sets the pace.
    """
    a_step = (1.0 - composition) * flow - flows[0]
    b_step = composition * flow - flows[1]
    duration = max(abs(a_step) / rates[0], abs(b_step) / rates[1])
    if duration <= instant(time):
        return steady(time, flow, composition, pumped, None)
    total = flows[0] + flows[1]
    slope = (flow - total) / duration
    return Leg(time, time + duration, total, slope, flows[1], b_step / duration, pumped, composition)


def along(
    time: float, total: float, pumped: float, flow: float, gradient: Gradient, rates: tuple[float, float]
) -> Leg:
    """A leg from system flow `total` to `flow` (m3/s) in which the gradient goes on with the volume."""
    composition = gradient.composition(pumped)
    rate = min(rates[0] / max(1.0 - composition, 1e-9), rates[1] / max(composition, 1e-9))
    duration = abs(flow - total) / rate
    if duration <= instant(time):
        return steady(time, flow, composition, pumped, gradient)
    slope = (flow - total) / duration
    end = min(time + duration, time + _duration_of(gradient.end - pumped, total, slope))
    return Leg(time, end, total, slope, 0.0, 0.0, pumped, composition, gradient)


def _duration_of(volume: float, flow: float, slope: float) -> float:
    """Time in s in which `volume` (m3) goes through at a flow (m3/s) that changes by `slope` (m3/s2)."""
    square = flow * flow + 2.0 * slope * volume
    if square < 0.0:
        return math.inf
    denominator = flow + math.sqrt(square)
    return 2.0 * max(volume, 0.0) / denominator if denominator > 0.0 else math.inf
