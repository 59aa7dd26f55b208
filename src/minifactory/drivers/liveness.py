"""Whether what is read is alive: a value, or a whole device, that stands still is not believed for long.

A device whose control has stopped may go on answering with fresh time stamps. Two signs give it away: its own
clock stands still, or a signal that never does (a detector with noise) does. A reading is then stamped with
the instant at which the sign was last seen to move, so that it ages like one that was not renewed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from minifactory.signals import Reading

PATIENCE = 0.5
"""s for which the device's clock may stand still between two looks at it, before its readings age."""


class Liveness:
    """Ages the readings of one device; times in s of the reader's clock.

    Parameters
    ----------
    clock : str
        Tag that never stands still while the device lives; empty: none is known.
    alive : Mapping of str to float
        Tags that never stand still for longer than so many s.
    """

    def __init__(self, clock: str, alive: Mapping[str, float]) -> None:
        self._clock, self._alive = clock, dict(alive)
        self._seen: dict[str, tuple[float, float]] = {}
        self._clock_runs = False

    def forget(self) -> None:
        """The link was down: whatever stood still meanwhile was not seen to."""
        self._seen.clear()

    def judge(self, readings: Mapping[str, Reading], now: float) -> Mapping[str, Reading]:
        """`readings` as of `now` (s), those that are not alive dated back to when they last were."""
        judged = readings
        if self._alive:
            judged = dict(readings)
            for name, limit in self._alive.items():
                reading = readings.get(name)
                if reading is None:
                    continue
                moved = self._moved(name, reading.value, now)
                if now - moved > limit:
                    judged[name] = replace(reading, time=min(reading.time, moved))
        shown = readings.get(self._clock)
        if shown is None or not math.isfinite(shown.value):
            return judged
        moved = self._moved(self._clock, shown.value, now)
        self._clock_runs = self._clock_runs or moved == now
        if not self._clock_runs or now - moved <= PATIENCE:
            return judged
        return {name: replace(item, time=min(item.time, moved)) for name, item in judged.items()}

    def _moved(self, name: str, value: float, now: float) -> float:
        """When `name` was last seen to have another value than before."""
        before = self._seen.get(name)
        if before is None or before[0] != value:
            self._seen[name] = (value, now)
            return now
        return before[1]
