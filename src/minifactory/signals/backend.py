"""What every piece of equipment offers to a controller, whether real, virtual or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from minifactory.errors import EquipmentError
from minifactory.signals.reading import Reading
from minifactory.signals.tags import TagTable


class InstructionRefused(EquipmentError):
    """The equipment refused an instruction or set-point and said why."""


class SignalBackend(Protocol):
    """A skid as seen through its tags. Calls are synchronous; the scan thread is the only caller.

    A backend in lock-step moves the equipment's process time in :meth:`advance`; a free-running one returns
    at once. None of the calls may block longer than the backend's declared link time-out; a silent link shows
    as ageing readings (their `time` stands still) and as ``EquipmentError`` on writes and calls.
    """

    table: TagTable

    def read(self) -> Mapping[str, Reading]:
        """The newest reading of every readable tag, values in SI units."""

    def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units) in one call; all of them or none.

        Raises
        ------
        InstructionRefused
            When the equipment refuses a value.
        EquipmentError
            When the link is down.
        """

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue a one-shot instruction; returns when it was accepted, not when it is done.

        `number` grows with every instruction of a run. The equipment shows the number last accepted and last
        completed in the tags ``Instruction.Accepted`` and ``Instruction.Completed``, and ignores a number
        that it has accepted before: this is how a controller that died finds out what was done.
        """

    def advance(self, process_time: float) -> None:
        """Let the equipment's process time run to `process_time` (s); no-op when it runs by itself."""

    def now(self) -> float:
        """The clock (s) in which this backend stamps readings."""

    def close(self) -> None:
        """Leave the equipment; idempotent."""
