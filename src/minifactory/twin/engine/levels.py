"""Volumes of vessels in time, and when one runs empty or full.

Flows are linear within a section, so a volume is V(t) = V0 + net0 dt + net' dt^2 / 2, known before anything
is integrated. A schedule reads here when a vessel will be empty or full.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.sections import Section, section_arrays
from minifactory.twin.engine.specification import Vessel
from minifactory.twin.engine.tables import Array

# A level may be off by this part of the capacity: rounding of flows times durations.
SLACK = 1e-9


@dataclass(frozen=True)
class LevelEvent:
    """A vessel has run empty or full at `time` (s), while its flows would go on."""

    vessel: str
    what: Literal["empty", "full"]
    time: float


@dataclass(frozen=True)
class Levels:
    """Volumes of the vessels at the ends of the sections, and what happens on the way.

    Attributes
    ----------
    vessels : tuple of str
    times : ndarray (sections + 1,)
        s.
    volumes : ndarray (sections + 1, vessels)
        m3; beyond a vessel's bounds after it ran empty or full.
    events : tuple of LevelEvent
        First crossing of each bound of each vessel, in order of time.
    """

    vessels: tuple[str, ...]
    times: Array
    volumes: Array
    events: tuple[LevelEvent, ...]


def vessel_levels(network: Network, state: Array, sections: Sequence[Section]) -> Levels:
    """How the volumes of all vessels go while `sections` drive the network from `state`.

    Raises
    ------
    InputError
        Sections that do not fit the network.
    """
    times, flows, _ = section_arrays(network, sections)
    return levels_of(network, state, times, flows)


def levels_of(network: Network, state: Array, times: Array, flows: Array) -> Levels:
    """As :func:`vessel_levels`, from times (n, 2) and flows (n, 2, links) in the order of the tables."""
    layout = network.layout
    vessels = [unit for unit in network.units if isinstance(unit, Vessel)]
    start = layout.volumes(state)
    volumes = np.zeros((len(times) + 1, len(vessels)))
    events: list[LevelEvent] = []
    for v, vessel in enumerate(vessels):
        u = layout.unit_index[vessel.name]
        signs = (layout.tables.link_target == u).astype(float) - (layout.tables.link_source == u)
        net = flows @ signs
        volumes[0, v] = start[u]
        open_events = {"empty", "full"}
        for i, (t0, t1) in enumerate(times):
            volumes[i + 1, v] = volumes[i, v] + 0.5 * (t1 - t0) * (net[i, 0] + net[i, 1])
            for event in _crossings(vessel, volumes[i, v], t0, t1, net[i]):
                if event.what in open_events:
                    open_events.remove(event.what)
                    events.append(event)
    ends = np.concatenate((times[:1, 0], times[:, 1]))
    return Levels(
        tuple(vessel.name for vessel in vessels), ends, volumes, tuple(sorted(events, key=lambda e: e.time))
    )


def check_levels(network: Network, state: Array, times: Array, flows: Array) -> Levels:
    """The levels; InputError naming every vessel that runs empty or full, and when."""
    levels = levels_of(network, state, times, flows)
    if levels.events:
        remedies = {
            "empty": "Fill it more, or stop drawing from it by then.",
            "full": "Stop filling it by then, draw from it, or give it more capacity.",
        }
        raise InputError(
            [
                Finding(
                    f"vessel {event.vessel}", f"runs {event.what} at t = {event.time:.6g} s",
                    "liquid between empty and full", remedies[event.what],
                )
                for event in levels.events
            ]
        )  # fmt: skip
    return levels


def _crossings(vessel: Vessel, start: float, t0: float, t1: float, net: Array) -> list[LevelEvent]:
    """First times in (t0, t1] at which the volume leaves 0 .. capacity by more than rounding."""
    slack = SLACK * vessel.capacity
    slope = (net[1] - net[0]) / (t1 - t0) if t1 > t0 else 0.0
    found = []
    bounds: tuple[tuple[Literal["empty", "full"], float, float], ...] = (
        ("empty", -1.0, 0.0),
        ("full", 1.0, vessel.capacity),
    )
    for what, sign, bound in bounds:
        # sign * (V - bound) > slack, as a polynomial in t - t0
        c, b, a = sign * (start - bound) - slack, sign * net[0], 0.5 * sign * slope
        if c > 0.0:
            found.append(LevelEvent(what=what, vessel=vessel.name, time=float(t0)))
            continue
        inside = [r for r in _roots(a, b, c) if 0.0 <= r < (t1 - t0) and 2.0 * a * r + b > 0.0]
        if inside:
            found.append(LevelEvent(what=what, vessel=vessel.name, time=float(t0) + min(inside)))
    return found


def _roots(a: float, b: float, c: float) -> list[float]:
    """The real roots of a t^2 + b t + c, without cancellation."""
    if a == 0.0:
        return [-c / b] if b else []
    square = b * b - 4.0 * a * c
    if square < 0.0:
        return []
    q = -0.5 * (b + math.copysign(math.sqrt(square), b))
    return [q / a, c / q] if q else [0.0]
