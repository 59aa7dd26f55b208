"""How long the equipment takes to obey: nominal in predictions, drawn per action in the virtual skid.

A real AKTA executes an instruction 0.2 to 1.0 s after it was sent. A draw depends on the seed and the number
of the action alone (SplitMix64 of both: Steele, Lea, Flood, OOPSLA 2014, doi 10.1145/2660193.2660195), so
that it neither depends on how time is cut into steps nor needs state of its own to be rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NOMINAL, SPREAD = 0.6, 0.4
"""Nominal latency and half width in s of an action whose device states none: 0.2 to 1.0 s, as a real AKTA."""

_MASK = (1 << 64) - 1


class Latency(Protocol):
    """When an action takes effect."""

    def of(self, action: int, nominal: float, spread: float) -> float:
        """The latency in s of the action with this running number; nominal and half width in s."""


@dataclass(frozen=True)
class NominalLatency:
    """Every action takes its nominal time: for predictions."""

    def of(self, action: int, nominal: float, spread: float) -> float:  # noqa: ARG002
        """`nominal` itself, in s."""
        return nominal


@dataclass(frozen=True)
class DrawnLatency:
    """Every action takes a time of its own, uniform within its spread; never less than zero."""

    seed: int

    def of(self, action: int, nominal: float, spread: float) -> float:
        """The drawn latency in s of this action; the same for the same seed and number."""
        return max(nominal + spread * (2.0 * _uniform(self.seed, action) - 1.0), 0.0)


def _uniform(seed: int, number: int) -> float:
    """A number in [0, 1) that follows from both arguments."""
    word = (_mixed((seed * 0x9E3779B97F4A7C15) & _MASK) + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    return (_mixed(word) >> 11) * 2.0**-53


def _mixed(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
