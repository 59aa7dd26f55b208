"""How thorough a calibration is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How thorough a step is: steps of the chain (0: none), starts, seed.

    `beside`: whether a full-curve fit frees, beside what it is asked for, all that is stated with an
    uncertainty and the curves depend on.
    """

    samples: int = 1500
    starts: int = 8
    seed: int = 1
    beside: bool = True
