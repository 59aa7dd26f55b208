"""Reads the devices and connections of a skid: from a catalogue file, and as changes in ``factory.yaml``.

The same block describes a whole system and a change to one: a device that exists gets the stated numbers, a
new one is added (``after:`` splices it into the line that leaves a port), ``without:`` takes two-port devices
out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from minifactory.errors import did_you_mean
from minifactory.plant.device_values import DEVICE_CHOICES, DEVICE_VALUES, KIND_NAMES
from minifactory.plant.document import Reader
from minifactory.plant.filters import check_filter
from minifactory.plant.membranes import PORTS, check_membrane
from minifactory.plant.model import Device, DeviceKind, Port
from minifactory.plant.reactors import complete_reactor
from minifactory.units import (
    LENGTH,
    PRESSURE,
    TEMPERATURE,
    VOLUME,
)


@dataclass(frozen=True)
class ColumnPlace:
    """Where a column can be connected: the ports before and behind it, and what puts it in line.

    `positions` maps valves to the positions in which liquid goes through this place.
    """

    top: Port
    bottom: Port
    positions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Equipment:
    """The graph of one system, before columns and vessels are connected.

    `max_pressure` in Pa; `line_diameter` and `line_length` (m) are those of the tubing between a column and
    its place; `bypass` maps valves to the positions that lead past all columns; `drains` are ports that go to
    waste.
    """

    system: str
    description: str
    devices: Mapping[str, Device]
    connections: tuple[tuple[Port, Port], ...]
    max_pressure: float
    places: Mapping[str, ColumnPlace]
    bypass: Mapping[str, str]
    drains: tuple[Port, ...]
    line_diameter: float = 0.75e-3
    line_length: float = 0.3
    temperature: float = 298.15


EMPTY = Equipment("", "", {}, (), math.inf, {}, {}, ())


def read_equipment(reader: Reader, base: Equipment = EMPTY) -> Equipment:
    """The equipment that a block describes, starting from `base`.

    Faults become findings of the reader's report; what is faulty is left out.
    """
    devices = dict(base.devices)
    connections = list(base.connections)
    spliced: list[tuple[Reader, str, str]] = []
    for name in reader.texts("without"):
        _take_out(reader, name, devices, connections)
    defaults = _read_defaults(reader.section("defaults"))
    block = reader.section("devices")
    for name in block.keys:
        item = block.section(name, required=True)
        if "." in name or ">" in name:
            item.fail(f'"{name}" is not a device name', "a name without dot or >")
            continue
        device = _read_device(item, name, devices.get(name), defaults)
        if device is not None:
            devices[name] = device
        if "after" in item:
            spliced.append((item, name, item.text("after")))
        item.finish()
    for text in reader.texts("connections"):
        connections.extend(_read_chain(reader, text, devices))
    for item, name, after in spliced:
        _splice(item, name, after, devices, connections)
    _check_ports(reader, connections)
    places = {**base.places, **_read_places(reader, devices)}
    bypass = {**base.bypass, **_read_positions(reader.section("bypass"), devices)}
    drains = (
        *base.drains,
        *(port for text in reader.texts("drains") if (port := _port(reader, text, devices))),
    )
    line = reader.section("column_tubing")
    known_pressure = base.max_pressure if math.isfinite(base.max_pressure) else None
    equipment = Equipment(
        system=base.system,
        description=reader.text("description", base.description),
        devices=devices,
        connections=tuple(connections),
        max_pressure=reader.value("max_pressure", PRESSURE, known_pressure),
        places=places,
        bypass=bypass,
        drains=drains,
        line_diameter=line.value("inner_diameter", LENGTH, base.line_diameter),
        line_length=line.value("length", LENGTH, base.line_length),
        temperature=reader.value("temperature", TEMPERATURE, base.temperature),
    )
    line.finish()
    return equipment


def _read_defaults(reader: Reader) -> dict[DeviceKind, Device]:
    """Numbers that hold for every new device of a kind."""
    defaults = {}
    for name in reader.keys:
        kind = KIND_NAMES.get(name)
        if kind is None:
            reader.fail(f'no kind of device "{name}"', remedy=did_you_mean(name, KIND_NAMES), key=name)
            continue
        item = reader.section(name)
        values = {key: item.value(key, unit) for key, unit in DEVICE_VALUES[kind].items() if key in item}
        defaults[kind] = Device(name, kind, (), item.value("volume", VOLUME, 0.0), {}, values)
        item.finish()
    return defaults


def _read_device(
    item: Reader, name: str, known: Device | None, defaults: Mapping[DeviceKind, Device]
) -> Device | None:
    if known is None:
        kind = KIND_NAMES.get(item.choice("kind", tuple(KIND_NAMES)), DeviceKind.TUBING)
        base = defaults.get(kind, Device(name, kind, ()))
    else:
        base = known
        kind = known.kind
        if "kind" in item and item.text("kind") != kind.value:
            item.fail(f'"{name}" is a {kind.value}', remedy="Leave its kind out.", key="kind")
    positions = dict(base.positions)
    if kind is DeviceKind.VALVE:
        positions.update({port: ((port, "out"),) for port in item.texts("selects")})
        positions.update({port: (("in", port),) for port in item.texts("distributes")})
        positions.update(_read_joints(item))
        if not positions:
            item.fail("a valve without positions", 'e.g. "positions: {Load: pump > column}"')
    ports = _ports(kind, positions, item.texts("ports") if kind is DeviceKind.JUNCTION else (), known)
    stated = {key: item.value(key, unit) for key, unit in DEVICE_VALUES[kind].items() if key in item}
    values = {**base.values, **stated}
    volume = item.value("volume", VOLUME) if "volume" in item else None
    if kind is DeviceKind.TUBING:
        volume = _complete_tubing(item, values, set(stated), volume, known)
    elif volume is None:
        volume = base.volume
    words = {
        key: item.choice(key, choices, base.words.get(key, choices[0]))
        for key, choices in DEVICE_CHOICES.get(kind, {}).items()
    }
    if words.get("dead_volume") == "yes" and not volume > 0.0:
        item.fail("a valve with dead volume, but no volume", 'e.g. "volume: 20 uL", of one way through it')
    if kind is DeviceKind.FILTER:
        check_filter(item, values, volume)
    elif kind is DeviceKind.MEMBRANE:
        check_membrane(item, values, volume)
    if kind is DeviceKind.REACTOR:
        volume = complete_reactor(item, values, volume if "volume" in item or known else None)
    elif kind in (DeviceKind.TANK, DeviceKind.SUPERLOOP, DeviceKind.MAKE_UP) and not volume > 0.0:
        item.fail(f"a {kind.value} without volume", 'e.g. "volume: 50 mL"')
    return Device(name, kind, ports, volume, positions, values, words)


def _complete_tubing(
    item: Reader, values: dict[str, float], stated: set[str], volume: float | None, known: Device | None
) -> float:
    """The volume (m3) of a tube; its length and inner diameter are completed in `values`."""
    diameter = values.get("inner_diameter")
    if diameter is None or diameter <= 0.0:
        item.fail("tubing without inner_diameter", 'e.g. "inner_diameter: 0.75 mm"')
        return math.nan
    area = math.pi / 4.0 * diameter**2
    if volume is not None and "length" in stated:
        if not math.isclose(volume, area * values["length"], rel_tol=0.02):
            item.fail(
                "volume, length and inner_diameter contradict each other",
                f"{area * values['length'] * 1e6:.4g} mL for this length and diameter",
                "Leave one of the three out.",
            )
    elif volume is None and ("length" in stated or known is None):
        if "length" not in values:
            item.fail("tubing without volume or length", 'e.g. "length: 30 cm" or "volume: 0.5 mL"')
            return math.nan
    else:
        values["length"] = (known.volume if volume is None and known else volume or 0.0) / area
    return area * values["length"]


def _ports(
    kind: DeviceKind,
    positions: Mapping[str, tuple[tuple[str, str], ...]],
    stated: tuple[str, ...],
    known: Device | None,
) -> tuple[str, ...]:
    if kind is DeviceKind.VALVE:
        ports = dict.fromkeys(known.ports if known else ())
        for joints in positions.values():
            ports.update(dict.fromkeys(port for joint in joints for port in joint))
        return tuple(ports)
    if kind is DeviceKind.JUNCTION:
        return stated or (known.ports if known else ("a", "b", "out"))
    return PORTS if kind is DeviceKind.MEMBRANE else ("in", "out")


def _read_joints(item: Reader) -> dict[str, tuple[tuple[str, str], ...]]:
    block = item.section("positions")
    positions = {}
    for position in block.keys:
        joints = []
        for text in block.texts(position):
            parts = [part.strip() for part in text.split(">")]
            if len(parts) == 2 and all(parts):
                joints.append((parts[0], parts[1]))
            else:
                block.fail(f'"{text}" joins no two ports', 'e.g. "pump > column"', key=position)
        positions[position] = tuple(joints)
    return positions


def _read_chain(reader: Reader, text: str, devices: Mapping[str, Device]) -> list[tuple[Port, Port]]:
    parts = [part.strip() for part in text.split(">")]
    if len(parts) < 2:
        reader.fail(f'"{text}" connects nothing', 'e.g. "PumpA > Mixer > UV"', key="connections")
        return []
    for middle in parts[1:-1]:
        if "." in middle:
            reader.fail(f'"{middle}" in the middle of a chain', "a device with two ports", key="connections")
            return []
    links = []
    for left, right in pairwise(parts):
        start = _port(reader, left if "." in left else f"{left}.out", devices, "connections")
        stop = _port(reader, right if "." in right else f"{right}.in", devices, "connections")
        if start is not None and stop is not None:
            links.append((start, stop))
    return links


def _port(reader: Reader, text: str, devices: Mapping[str, Device], key: str = "") -> Port | None:
    """The port that ``Device.port`` names, or None with a finding."""
    owner, _, port = text.partition(".")
    device = devices.get(owner)
    if device is None:
        reader.fail(f'no device "{owner}" (in "{text}")', remedy=did_you_mean(owner, devices), key=key)
        return None
    if port not in device.ports:
        remedy = did_you_mean(port, device.ports)
        reader.fail(f'{device.kind.value} "{owner}" has no port "{port}"', remedy=remedy, key=key)
        return None
    return Port(owner, port)


def _splice(
    item: Reader, name: str, after: str, devices: Mapping[str, Device], links: list[tuple[Port, Port]]
) -> None:
    port = _port(item, after if "." in after else f"{after}.out", devices, "after")
    device = devices.get(name)
    if port is None or device is None:
        return
    if device.ports != ("in", "out"):
        item.fail("only a device with two ports can be put into a line", key="after")
        return
    for number, (start, stop) in enumerate(links):
        if start == port:
            links[number : number + 1] = [(start, Port(name, "in")), (Port(name, "out"), stop)]
            return
    item.fail(f'no line leaves "{port}"', remedy="Name a port from which a connection starts.", key="after")


def _take_out(reader: Reader, name: str, devices: dict[str, Device], links: list[tuple[Port, Port]]) -> None:
    device = devices.get(name)
    if device is None or device.ports != ("in", "out"):
        remedy = did_you_mean(name, [each.name for each in devices.values() if each.ports == ("in", "out")])
        reader.fail(f'no device "{name}" with two ports', remedy=remedy, key="without")
        return
    before = [start for start, stop in links if stop == Port(name, "in")]
    behind = [stop for start, stop in links if start == Port(name, "out")]
    links[:] = [link for link in links if name not in (link[0].owner, link[1].owner)]
    if before and behind:
        links.append((before[0], behind[0]))
    del devices[name]


def _check_ports(reader: Reader, links: list[tuple[Port, Port]]) -> None:
    seen: set[Port] = set()
    for link in links:
        for port in link:
            if port in seen:
                reader.fail(f'two lines end at port "{port}"', "one line per port", "Use a junction.")
            seen.add(port)


def _read_places(reader: Reader, devices: Mapping[str, Device]) -> dict[str, ColumnPlace]:
    places = {}
    for item in reader.members("column_places"):
        top = _port(item, item.text("top"), devices, "top")
        bottom = _port(item, item.text("bottom"), devices, "bottom")
        positions = _read_positions(item.section("positions"), devices)
        item.finish()
        if top is not None and bottom is not None:
            places[item.name] = ColumnPlace(top, bottom, positions)
    return places


def _read_positions(block: Reader, devices: Mapping[str, Device]) -> dict[str, str]:
    """Valve -> position, both known."""
    found = {}
    for valve in block.keys:
        device = devices.get(valve)
        if device is None or device.kind is not DeviceKind.VALVE:
            valves = [each.name for each in devices.values() if each.kind is DeviceKind.VALVE]
            block.fail(f'no valve "{valve}"', remedy=did_you_mean(valve, valves), key=valve)
            continue
        position = block.reference(valve, device.positions, f"position of {valve}")
        if position is not None:
            found[valve] = position
    return found
