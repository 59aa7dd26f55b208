"""The units that stand for a device: one for most, two for a filter, before and behind its membrane.

A valve is none, or (with dead volume) one for each way through it. A membrane for ultrafiltration is a row of
cells along its channel, the outlet of the channel (called as the device is), and the permeate side behind all
of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

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
    driven : tuple of (str, str)
        Likewise, at a flow of its own: the drive that has the name of the first unit.
    """

    units: tuple[str, ...]
    entry: str
    exits: Mapping[str, str] = field(default_factory=dict)
    inner: tuple[tuple[str, str], ...] = ()
    driven: tuple[tuple[str, str], ...] = ()

    def exit(self, port: str) -> str:
        """The unit whose liquid leaves through `port`."""
        return self.exits.get(port, self.units[-1])


def parts_of(name: str, device: Device) -> Parts:
    """The units of `device`, which the network calls `name`."""
    if device.kind is DeviceKind.FILTER:
        before = name + BEFORE
        return Parts((before, name), before, {}, ((before, name),))
    if device.kind is DeviceKind.MEMBRANE:
        cells = tuple(f"{name} ({at + 1})" for at in range(int(device.value("cells", 1.0))))
        permeate = f"{name} (permeate)"
        return Parts(
            (*cells, name, permeate),
            cells[0],
            {"retentate": name, "permeate": permeate},
            tuple(pairwise((*cells, name))),
            tuple((cell, permeate) for cell in cells),
        )
    return Parts((name,), name)


def has_dead_volume(device: Device) -> bool:
    """Whether `device` is a valve each way through which keeps liquid of its own."""
    return device.kind is DeviceKind.VALVE and device.words.get("dead_volume") == "yes"


def way_through(name: str, entered: str, left: str) -> str:
    """The unit that stands for the way from one port of a valve with dead volume to another."""
    return f"{name} ({entered} > {left})"


def ways_through(name: str, valve: Device) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The units of a valve with dead volume: each with the port that it leads to and where it is open."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for position, pairs in valve.positions.items():
        for entered, left in pairs:
            unit = way_through(name, entered, left)
            found[unit] = left, (*found.get(unit, (left, ()))[1], position)
    return found
