"""A skid in the same process, without a network: the backend for long campaigns, soaks and Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping

from minifactory.opcua.source import TagSource
from minifactory.signals import Quality, Reading, TagTable


class InMemoryBackend:
    """A :class:`~minifactory.signals.SignalBackend` over a source; the caller is its time master.

    Parameters
    ----------
    source : TagSource
        The skid.
    """

    def __init__(self, source: TagSource) -> None:
        self._source = source
        self.table: TagTable = source.table
        self._names = tuple(tag.name for tag in source.table.readable)
        self._image = source.image()

    def read(self) -> Mapping[str, Reading]:
        """The image of the last advance, values in SI units."""
        image = self._image
        time = image.time
        if image.qualities is None:
            good = Quality.GOOD
            return {
                name: Reading(value, time, good)
                for name, value in zip(self._names, image.values, strict=True)
            }
        return {
            name: Reading(value, time, quality)
            for name, value, quality in zip(self._names, image.values, image.qualities, strict=True)
        }

    def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units); InstructionRefused if the skid refuses any."""
        self._source.write(values)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI units); InstructionRefused if the skid refuses it."""
        self._source.call(instruction, arguments, number, owner)

    def advance(self, process_time: float) -> None:
        """Let the skid's process time run to `process_time` (s)."""
        self._source.advance(process_time)
        self._image = self._source.image()

    def now(self) -> float:
        """The skid's process time in s."""
        return self._image.time

    def close(self) -> None:
        """Nothing is left open."""
