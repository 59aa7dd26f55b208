"""What follows from an empty or a full bottle, whatever the recipe says: an alarm, and the pumps stop.

The guard acts on the level estimate itself, with a recipe under way or only loaded. What has tripped stays
tripped, so that nothing flows again by itself, until the vessel is told to hold something else or the valves
lead elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.levels import Levels
from minifactory.orbit.policy import Policy
from minifactory.records.documents import Priority
from minifactory.units import VOLUME, show

CALM = 1.2
"""A warning of a low level goes when the time to empty is this many times the limit again."""


class BottleGuard:
    """Watches the vessels that are drawn from and the one that receives."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._empty: set[str] = set()
        self._full: set[str] = set()
        self._low: set[str] = set()
        self._drift: set[str] = set()

    def look(
        self,
        levels: Levels,
        image: Image,
        time: float,
        alarms: Alarms,
        needed: float = math.inf,
        watched: Callable[[], frozenset[str]] = frozenset,
    ) -> list[Demand]:
        """The demands of this scan; `time` in s since the start of the run, for the alarms.

        `needed` is for how long (s) the phase still draws, as far as it is planned: a bottle that lasts
        longer needs no warning, nor do those `watched` by the conditions of the phase.
        """
        self._tell_drift(levels, time, alarms)
        draw, outlet = levels.draw, levels.outlet
        if not draw and not levels.delivering and not self._empty and not self._full:
            return []
        self._release(levels, image, alarms)
        demands: list[Demand] = []
        for vessel, rate in draw.items():
            volume = levels.volume(vessel)
            if volume is None or rate <= 0.0:
                continue
            left = volume - levels.minimum(vessel)
            if left <= 0.0:
                self._empty.add(vessel)
            elif (
                left < min(self._policy.low_level, needed) * rate
                and vessel not in self._low
                and vessel not in watched()
            ):
                self._low.add(vessel)
                text = f"{vessel} will be empty in {left / rate / 60.0:.1f} min: {_left(left)} left"
                alarms.set(f"Level low {vessel}", Priority.LOW, text, time)
        if outlet is not None and levels.delivering:
            volume = levels.volume(outlet)
            if volume is not None and volume >= levels.capacity(outlet):
                self._full.add(outlet)
        for vessel in sorted(self._empty):
            text = f"{vessel} is empty: by the measured flow it has reached its minimum of "
            text += show(levels.minimum(vessel), VOLUME)
            fresh = alarms.set(f"Level empty {vessel}", Priority.HIGH, text, time)
            demands.append(Demand(f"Level empty {vessel}", self._policy.on_empty, text, fresh))
        for vessel in sorted(self._full):
            text = f"{vessel} is full: by the measured flow it has reached its capacity of "
            text += show(levels.capacity(vessel), VOLUME)
            fresh = alarms.set(f"Level full {vessel}", Priority.HIGH, text, time)
            demands.append(Demand(f"Level full {vessel}", self._policy.on_full, text, fresh))
        return demands

    def _tell_drift(self, levels: Levels, time: float, alarms: Alarms) -> None:
        """A warning while readings and estimate of a vessel disagree: a leak, a bias, a wrong start."""
        drifting = set(levels.drifting())
        for vessel in drifting - self._drift:
            drift = levels.level(vessel).drift
            text = f"{vessel} holds {'more' if drift > 0.0 else 'less'} by its reading than by the pumps"
            alarms.set(f"Level drift {vessel}", Priority.LOW, text, time)
        for vessel in self._drift - drifting:
            alarms.clear(f"Level drift {vessel}")
        self._drift = drifting

    def _release(self, levels: Levels, image: Image, alarms: Alarms) -> None:
        """Forget what no longer holds."""
        if self._empty:
            sources = levels.sources(image)
            for vessel in list(self._empty):
                volume = levels.volume(vessel)
                if volume is None or volume > levels.minimum(vessel) or vessel not in sources:
                    self._empty.discard(vessel)
                    alarms.clear(f"Level empty {vessel}")
        for vessel in list(self._full):
            volume = levels.volume(vessel)
            if volume is None or volume < levels.capacity(vessel) or vessel != levels.outlet:
                self._full.discard(vessel)
                alarms.clear(f"Level full {vessel}")
        drawn = {vessel: rate for vessel, rate in levels.draw.items() if rate > 0.0}
        for vessel in list(self._low) if drawn else ():
            rate, volume = drawn.get(vessel), levels.volume(vessel)
            enough = CALM * self._policy.low_level * (rate or 0.0)
            if rate is None or volume is None or volume - levels.minimum(vessel) > enough:
                self._low.discard(vessel)
                alarms.clear(f"Level low {vessel}")


def _left(volume: float) -> str:
    return show(volume, VOLUME, 3)
