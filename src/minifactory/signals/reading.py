"""A reading: value, time and quality (the three that OPC UA gives with every value)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Quality(IntEnum):
    """How far a value can be trusted; the order matters (larger is worse)."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as it was read.

    Parameters
    ----------
    value : float
        In SI units of the tag's kind; for valves and states the index into the tag's choices.
    time : float
        Source time in s of the clock by which the reader judges age (process time in lock-step, link time
        otherwise).
    quality : Quality
        What source and link say of it.
    """

    value: float
    time: float
    quality: Quality = Quality.GOOD

    @property
    def good(self) -> bool:
        """Whether a condition may fire on this value."""
        return self.quality is Quality.GOOD
