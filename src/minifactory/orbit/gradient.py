"""A gradient that runs in the equipment, followed by volume so that a hold can freeze it and a restart go
on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class GradientTrack:
    """What is left of the gradient that was issued last.

    `target` in %B, `volume` (m3) over which it was to run, `passed` (m3) what has been pumped since.
    """

    target: float = 0.0
    volume: float = 0.0
    passed: float = 0.0
    running: bool = False

    def issued(self, arguments: Mapping[str, float]) -> None:
        """A gradient with these arguments (SI) starts now."""
        self.target = arguments.get("percent_b", 0.0)
        self.volume = arguments.get("volume", 0.0)
        self.passed, self.running = 0.0, True

    def cancelled(self) -> None:
        """A composition step has ended it."""
        self.running = False

    def elapse(self, volume: float) -> None:
        """`volume` (m3) more has been pumped."""
        if self.running:
            self.passed += volume
            if self.passed >= self.volume:
                self.running = False

    @property
    def rest(self) -> Mapping[str, float]:
        """Arguments (SI) of the instruction that completes it."""
        return {"percent_b": self.target, "volume": max(0.0, self.volume - self.passed)}
