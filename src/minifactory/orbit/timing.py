"""The phase-locked scan: scan n is due at t0 + n scan, whatever the scans before it took."""

from __future__ import annotations

from dataclasses import dataclass

from minifactory.clock import Clock


@dataclass
class Now:
    """The instant of this scan, the same for all its steps: process time and link time in s."""

    process: float
    link: float


class Grid:
    """The instants at which scans are due.

    Attributes
    ----------
    count : int
        Grid points passed.
    overruns : int
        Grid points that were missed because a scan took too long.
    """

    def __init__(self, clock: Clock, scan: float) -> None:
        self.count = 0
        self.overruns = 0
        self._clock, self._scan = clock, scan
        self._origin = clock.now()

    def wait(self) -> float:
        """Return when the next scan is due, with its process time in s; skips instants that have passed."""
        self.count += 1
        due = self._origin + self.count * self._scan
        late = int((self._clock.now() - due) / self._scan)
        if late > 0:
            self.overruns += late
            self.count += late
            due = self._origin + self.count * self._scan
        self._clock.wait_until(due)
        return due
