"""Time as an argument: the clock that the rest of the code is given.

Durations use a monotonic clock; the wall clock only stamps records. A clock has two faces: *process time*, in
which phases run and which a virtual clock may drive faster than real, and *link time*, in which staleness,
heartbeats and deadlines run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


def monotonic() -> float:
    """s since an arbitrary instant; nobody can set it, and it goes on while the machine sleeps (on Linux)."""
    return time.clock_gettime(_SOURCE) if _SOURCE is not None else time.monotonic()


_SOURCE: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """What a controller may know of time."""

    def now(self) -> float:
        """Process time in s since an arbitrary origin; never goes backwards."""

    def link_time(self) -> float:
        """Monotonic time in s of the link to the equipment; never goes backwards."""

    def wall(self) -> datetime:
        """Wall time (UTC) for records only."""

    def wait_until(self, process_time: float) -> None:
        """Return when process time has reached `process_time` (s)."""


@dataclass
class RealClock:
    """The machine's own clocks, process time running `speed` times as fast as the monotonic clock."""

    speed: float = 1.0
    _start: float = field(default_factory=monotonic)

    def now(self) -> float:
        """Process time in s since this clock was made."""
        return (monotonic() - self._start) * self.speed

    def link_time(self) -> float:
        """Monotonic time in s."""
        return monotonic()

    def wall(self) -> datetime:
        """Wall time (UTC)."""
        return datetime.now(UTC)

    def wait_until(self, process_time: float) -> None:
        """Sleep until process time has reached `process_time` (s); returns at once if it has passed."""
        while (left := (process_time - self.now()) / self.speed) > 0.0:
            time.sleep(left)


@dataclass
class VirtualClock:
    """A clock that stands still unless it is moved; link time follows process time."""

    time: float = 0.0
    wall_start: datetime = field(default_factory=lambda: datetime(2020, 1, 1, tzinfo=UTC))

    def now(self) -> float:
        """Process time in s."""
        return self.time

    def link_time(self) -> float:
        """The same as process time, in s."""
        return self.time

    def wall(self) -> datetime:
        """The starting wall time plus process time."""
        return self.wall_start + timedelta(seconds=self.time)

    def wait_until(self, process_time: float) -> None:
        """Move to `process_time` (s) at once; never backwards."""
        self.time = max(self.time, process_time)
