"""Which free port a pump draws from at given valve positions, and what lies between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.plant.equipment import Equipment
from minifactory.plant.model import DeviceKind, Port


@dataclass(frozen=True)
class Intake:
    """The free port that a pump draws from, and the devices on the way to it, the pump first."""

    port: Port
    devices: tuple[str, ...]


class Plumbing:
    """The lines of a system from the catalogue, followed against the flow."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self._before = {stop: start for start, stop in equipment.connections}
        pumps = [device.name for device in equipment.devices.values() if device.kind is DeviceKind.PUMP]
        self.pumps = tuple(sorted(pumps))[:2]
        self.inlet_valves = {
            letter: self._valves_before(name) for letter, name in zip("AB", self.pumps, strict=False)
        }
        """Pump letter -> valves on its suction side."""

    def first_positions(self) -> dict[str, str]:
        """Every valve in the position that the description names first."""
        return {
            device.name: next(iter(device.positions))
            for device in self.equipment.devices.values()
            if device.positions
        }

    def intake(self, letter: str, stand: Mapping[str, str]) -> Intake:
        """Where pump `letter` (``A`` or ``B``) draws from with the valves as `stand` says."""
        pump = self.pumps["AB".index(letter)]
        passed = []
        port = Port(pump, "in")
        while True:
            passed.append(port.owner)
            source = self._before.get(port)
            if source is None:
                return Intake(port, tuple(passed))
            port = Port(source.owner, self._entry(source, stand))

    def outlet_valve(self) -> str:
        """The valve that distributes what leaves the system."""
        return next(
            (
                device.name
                for device in reversed(list(self.equipment.devices.values()))
                if device.positions and all(a == "in" for way in device.positions.values() for a, _ in way)
            ),
            "",
        )

    def loop_position(self) -> tuple[str, str]:
        """The valve and its position in which the pumps push out what is in the loop."""
        for device in self.equipment.devices.values():
            for position, ways in device.positions.items():
                if ("loop_out", "column") in ways and any(stop == "loop_in" for _, stop in ways):
                    return device.name, position
        return "", ""

    def _entry(self, left: Port, stand: Mapping[str, str]) -> str:
        """The port through which the liquid that leaves at `left` came in."""
        device = self.equipment.devices[left.owner]
        if device.kind is not DeviceKind.VALVE:
            return "in"
        ways = device.positions.get(stand.get(device.name, ""), next(iter(device.positions.values())))
        return next((start for start, stop in ways if stop == left.port), ways[0][0])

    def _valves_before(self, pump: str) -> frozenset[str]:
        found, open_ports = set(), [Port(pump, "in")]
        while open_ports:
            source = self._before.get(open_ports.pop())
            if source is None:
                continue
            device = self.equipment.devices[source.owner]
            if device.kind is DeviceKind.VALVE:
                found.add(device.name)
                open_ports += [
                    Port(device.name, way[0]) for ways in device.positions.values() for way in ways
                ]
            else:
                open_ports.append(Port(device.name, "in"))
        return frozenset(found)
