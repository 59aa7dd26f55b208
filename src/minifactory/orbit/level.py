"""What is known of one vessel, what one delivery was, and who knows which vessels feed the pumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

PUMPS = ("PumpA", "PumpB")
"""Names of the pumps that make up the gradient, A and B."""


class Inlets(Protocol):
    """Who knows which vessels feed the pumps."""

    def sources(self, position: Callable[[str], float | None]) -> tuple[str | None, str | None]:
        """Vessels that feed pump A and pump B; `position` gives the last value of a tag, None if unknown."""

    def beside(self, position: Callable[[str], float | None]) -> Sequence[tuple[str, str | None, str]]:
        """What flows by itself: tag of its flow, the vessel it leaves (None: the stream) and enters."""


@dataclass(frozen=True)
class Level:
    """What is known of one vessel.

    Volumes in m3: `volume` now (None when the start is unknown), `consumed` and `received` since the start of
    the run, `uncertainty` one standard deviation of `volume`. `empty_in` is the time in s until the vessel's
    minimum at the present draw (infinite when nothing is drawn), `full_in` that until its capacity at what it
    receives now. `drift` is the averaged normalised difference of readings and estimate (0 without readings).
    """

    vessel: str
    volume: float | None
    consumed: float
    received: float
    uncertainty: float
    empty_in: float
    full_in: float = math.inf
    drift: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """What one vessel received between two switches of the outlet: times in s (process), volume in m3."""

    vessel: str
    start: float
    end: float
    volume: float
