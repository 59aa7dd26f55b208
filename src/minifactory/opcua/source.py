"""What a skid must offer to be published by the OPC UA server: an image, set-points, instructions, time.

The names are those of :class:`minifactory.signals.SignalBackend`, so that one object serves the server and
the in-memory backend. All calls are synchronous, come from one thread, and must return at once (well below
1 ms): they run on the server's event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from minifactory.signals.reading import Quality
from minifactory.signals.tags import TagTable


@dataclass(frozen=True, slots=True)
class Image:
    """The values of all readable tags at one instant.

    Parameters
    ----------
    time : float
        Process time in s at which the values were sampled.
    values : sequence of float, shape (number of readable tags,)
        In SI units of each tag's kind (index into the choices for positions and states), in the order of
        ``table.readable``.
    qualities : sequence of Quality, shape (number of readable tags,), or None
        None when every value is good.
    """

    time: float
    values: Sequence[float]
    qualities: Sequence[Quality] | None = None


class TagSource(Protocol):
    """A skid behind the server: the virtual skid, or an adapter to anything else."""

    @property
    def table(self) -> TagTable:
        """The tags and instructions that are published."""

    def image(self) -> Image:
        """The readable tags as they are now; asked for once after each advance."""

    def set_points(self) -> Sequence[float]:
        """The set-points in force (SI units), in the order of ``table.writable``."""

    def write(self, values: Mapping[str, float]) -> None:
        """Take over set-points (SI units), all of them or none.

        Raises
        ------
        InstructionRefused
            When a value is refused; none has been taken over.
        """

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Accept a one-shot instruction (SI units); a number accepted before is ignored.

        Raises
        ------
        InstructionRefused
            When the instruction is not possible now.
        """

    def advance(self, process_time: float) -> None:
        """Let process time run to `process_time` (s); never backwards, earlier times change nothing."""


@runtime_checkable
class Shared(Protocol):
    """Equipment whose process time goes on only as far as several controllers have granted it."""

    async def reach(self, process_time: float, patience: float) -> None:
        """Grant time up to `process_time` (s); return when it is reached, or after `patience` s."""

    def release(self) -> None:
        """Nobody controls it any more: it goes with the others until it is granted time again."""


@runtime_checkable
class Console(Protocol):
    """Equipment at which a person may act on the spot."""

    def console(self, action: str) -> None:
        """Do what a person does at the equipment: ``hold``, ``pause``, ``continue`` or ``end``."""
