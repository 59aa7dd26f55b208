"""The units that stand for a device: one for most, two for a filter, before and behind its membrane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.plant.model import Device, DeviceKind

BEFORE = " (before)"
"""What the unit before the membrane of a filter has behind the name of its filter."""


@dataclass(frozen=True)
class Parts:
    """The units of a device.

    Parameters
    ----------
    units : tuple of str
        Names, in the direction of flow.
    entry : str
        The unit that liquid enters.
    exits : Mapping of str to str
        Port -> the unit whose liquid leaves through it; ports that are not named belong to the last unit.
    inner : tuple of (str, str)
        From unit to unit within the device.
    """

    units: tuple[str, ...]
    entry: str
    exits: Mapping[str, str] = field(default_factory=dict)
    inner: tuple[tuple[str, str], ...] = ()

    def exit(self, port: str) -> str:
        """The unit whose liquid leaves through `port`."""
        return self.exits.get(port, self.units[-1])


def parts_of(name: str, device: Device) -> Parts:
    """The units of `device`, which the network calls `name`."""
    if device.kind is DeviceKind.FILTER:
        before = name + BEFORE
        return Parts((before, name), before, {}, ((before, name),))
    return Parts((name,), name)
