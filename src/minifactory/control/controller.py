"""The interface of a cycle-to-cycle controller.

A controller is a frozen dataclass of parameters with one pure function, `step`. It knows no clock, tag,
recipe or process; all numbers are SI. What it remembers is JSON, so that journal and restart need to know
nothing of it. Bounds, rates and doubtful measurements are the business of :mod:`minifactory.control.loop`,
alike for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

Memory = Mapping[str, Any]
"""What a controller remembers from one step to the next: JSON only."""


@dataclass(frozen=True)
class Measurement:
    """What is known of one cycle that has ended; all of it good.

    Parameters
    ----------
    cycle : int
        The cycle that made the product.
    values : Mapping of str to float
        What was measured of it, SI, by the names in `measures`.
    settings : Mapping of str to float
        The settings *with which that cycle was made* (after bounds and rates), SI, by the names in `sets`.
    """

    cycle: int
    values: Mapping[str, float]
    settings: Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """What a controller wants of the next cycle.

    `setting` may lie beyond the bounds; `note` says why, for the record.
    """

    memory: Memory
    setting: Mapping[str, float]
    note: str


class Controller(Protocol):
    """One law of control.

    Attributes
    ----------
    kind : str
        What it is called in a recipe (``kind:``).
    roles : tuple of str
        What it must be given measurements of; `may` further ones that it uses when they are there.
    outputs : tuple of str
        What it sets.
    """

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    may: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]

    def begin(self) -> Memory:
        """What it remembers before the first cycle."""

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        """What it wants after a cycle of which `measured` is known; changes nothing."""
