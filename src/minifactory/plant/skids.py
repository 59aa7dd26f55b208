"""Reads skids and columns, and connects columns and vessels to the ports of the skids."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from minifactory.errors import InputError, did_you_mean
from minifactory.plant.catalogue.columns import all_hardware
from minifactory.plant.catalogue.files import plain
from minifactory.plant.catalogue.resins import all_resins
from minifactory.plant.catalogue.systems import find_system, system_names
from minifactory.plant.column_binding import read_binding, read_modulators, read_sizes
from minifactory.plant.document import Reader
from minifactory.plant.equipment import EMPTY, Equipment, read_equipment
from minifactory.plant.flowpath import fixed_loops
from minifactory.plant.level_sensors import read_level_sensor
from minifactory.plant.model import (
    REACTIONS,
    Column,
    Device,
    DeviceKind,
    LevelSensor,
    Number,
    OnFailure,
    Port,
    Skid,
    Species,
    Vessel,
)
from minifactory.plant.tagging import tag_table
from minifactory.units import LENGTH, PRESSURE, VELOCITY, Kind, show

BED_MODELS = ("EDM", "LRM", "TDM", "LRMP", "GRM")


@dataclass
class SkidInMaking:
    """A skid while columns and vessels are being connected to it."""

    name: str
    reader: Reader
    equipment: Equipment
    devices: dict[str, Device]
    connections: list[tuple[Port, Port]]
    filled_with: str | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    on_failure: OnFailure = field(default_factory=OnFailure)
    level_sensors: list[LevelSensor] = field(default_factory=list)
    reached: set[Port] = field(default_factory=set)
    """Ports at which a line from or to another skid ends."""

    @property
    def taken(self) -> set[Port]:
        """The ports at which a line ends."""
        return {port for link in self.connections for port in link} | self.reached

    def finished(self) -> Skid:
        """The skid; places without a column and without a valve are connected through.

        Loops that no valve interrupts become findings.
        """
        taken = self.taken
        for place in self.equipment.places.values():
            if not place.positions and place.top not in taken:
                self.connections.append((place.top, place.bottom))
        skid = Skid(
            name=self.name,
            system=self.equipment.system,
            devices=self.devices,
            connections=tuple(self.connections),
            max_pressure=self.equipment.max_pressure,
            description=self.equipment.description,
            bypass=self.equipment.bypass,
            filled_with=self.filled_with,
            contents=self.contents,
            on_failure=self.on_failure,
            level_sensors=tuple(self.level_sensors),
        )
        known = {tag.name for tag in tag_table(skid).readable}
        for name in self.on_failure.tags:
            if name not in known:
                self.reader.fail(
                    f'on_failure: no tag "{name}"', "a reading of the skid", did_you_mean(name, known)
                )
        for device in (*skid.of_kind(DeviceKind.MEMBRANE), *skid.of_kind(DeviceKind.MAKE_UP)):
            for port in device.ports:
                if Port(device.name, port) not in self.taken:
                    self.reader.fail(
                        f'port "{device.name}.{port}" of a {device.kind.value} leads nowhere',
                        "a line or a vessel at each of its ports",
                        f'State it under "connections", or "connected: {self.name}.{device.name}.{port}".',
                    )
        for loop in fixed_loops(skid):
            self.reader.fail(f"the connections form a loop: {loop}", "a valve or vessel in every loop")
        return skid


def read_skids(top: Reader, materials: Collection[str]) -> dict[str, SkidInMaking]:
    """The skids by name, without columns and vessels."""
    skids = {}
    for item in top.members("skids", required=True):
        base = EMPTY
        if "system" in item:
            base = _find_base(item)
        elif "devices" not in item:
            item.fail('"system" is missing', "a system of the catalogue", did_you_mean("", system_names()))
        equipment = read_equipment(item, base)
        filling = item.reference("filled_with", materials, "material", required=False)
        contents = _read_contents(item.section("contents"), equipment, materials)
        on_failure = _read_on_failure(item.section("on_failure"))
        item.finish()
        devices, connections = dict(equipment.devices), list(equipment.connections)
        skids[item.name] = SkidInMaking(
            item.name, item, equipment, devices, connections, filling, contents, on_failure
        )
    return skids


def _read_on_failure(item: Reader) -> OnFailure:
    """What is to be done when something fails, each in one of the words for it."""
    tags = item.section("tags")
    found = OnFailure(
        link=item.choice("link", REACTIONS, ""),
        stale=item.choice("stale", REACTIONS, ""),
        unconfirmed=item.choice("unconfirmed", REACTIONS, ""),
        empty=item.choice("empty", REACTIONS, ""),
        full=item.choice("full", REACTIONS, ""),
        unsupervised=item.choice("unsupervised", REACTIONS, ""),
        tags={name: tags.choice(name, REACTIONS) for name in tags.keys},
    )
    tags.finish()
    item.finish()
    return found


def _read_contents(item: Reader, equipment: Equipment, materials: Collection[str]) -> dict[str, str]:
    """What single devices hold at the start, both names known."""
    found = {}
    for device in item.keys:
        if device not in equipment.devices:
            item.fail(f'no device "{device}"', remedy=did_you_mean(device, equipment.devices), key=device)
        material = item.reference(device, materials, "material")
        if material is not None and device in equipment.devices:
            found[device] = material
    item.finish()
    return found


def _find_base(item: Reader) -> Equipment:
    """The catalogue's equipment, its numbers noted under this skid."""
    try:
        system = find_system(item.text("system"))
    except InputError as fault:
        item.fail(fault.findings[0].found, remedy=fault.findings[0].remedy, key="system")
        return EMPTY
    for path, number in system.numbers.items():
        noted = f"{item.path}.{path}"
        item.report.numbers[noted] = replace(number, path=noted)
    return system.equipment


def read_columns(
    top: Reader, skids: Mapping[str, SkidInMaking], species: Mapping[str, Species]
) -> dict[str, Column]:
    """The columns by name, each connected to its place on its skid."""
    columns = {}
    for item in top.members("columns"):
        column = _read_column(item, skids, species)
        tubing = item.section("tubing")
        if column.skid in skids:
            skid = skids[column.skid]
            diameter = tubing.value("inner_diameter", LENGTH, skid.equipment.line_diameter)
            length = tubing.value("length", LENGTH, skid.equipment.line_length)
            column = _connect_column(item, column, skid, diameter, length)
        tubing.finish()
        item.finish()
        columns[item.name] = column
    return columns


def _read_column(item: Reader, skids: Mapping[str, SkidInMaking], species: Mapping[str, Species]) -> Column:
    hardware_name = item.text("hardware", "own")
    hardware = all_hardware().get(plain(hardware_name))
    if hardware is None and "inner_diameter" not in item:
        known = [each.name for each in all_hardware().values()]
        item.fail(
            f'"{hardware_name}" is no column of the catalogue',
            "a column of the catalogue, or inner_diameter and max_pressure",
            did_you_mean(hardware_name, known),
            key="hardware",
        )
    resin_name = item.text("resin")
    resin = all_resins().get(plain(resin_name))
    if resin is None and "particle_diameter" not in item and "particle_diameters" not in item and resin_name:
        known = [each.name for each in all_resins().values()]
        item.fail(
            f'"{resin_name}" is no resin of the catalogue',
            "a resin of the catalogue, or particle_diameter",
            did_you_mean(resin_name, known),
            key="resin",
        )
    fallback = math.nan  # stands in where a finding already says what is missing
    own = hardware.source if hardware else ""
    of_resin = resin.source if resin else ""
    bed_height = _value(
        item, "bed_height", LENGTH, hardware.max_bed_height if hardware and hardware.fixed else None, own
    )
    if hardware and not hardware.min_bed_height * 0.999 <= bed_height <= hardware.max_bed_height * 1.001:
        low, high = show(hardware.min_bed_height, LENGTH), show(hardware.max_bed_height, LENGTH)
        if not math.isnan(bed_height):
            item.fail(
                f"{show(bed_height, LENGTH)} does not fit in {hardware.name}",
                f"{low} to {high}",
                key="bed_height",
            )
    if bed_height == 0.0:
        item.fail("a bed without height", "more than 0 cm", key="bed_height")
    kind, components = read_binding(item, species)
    sizes = read_sizes(item)
    if sizes:
        diameter = 1.0 / sum(share / each for each, share in sizes)
    else:
        of_catalogue = resin.particle_diameter if resin else fallback
        diameter = _value(item, "particle_diameter", LENGTH, of_catalogue, of_resin)
    return Column(
        name=item.name,
        skid=item.reference("skid", skids, "skid") or "",
        hardware=hardware.name if hardware else hardware_name,
        resin=resin.name if resin else resin_name,
        inner_diameter=_value(
            item, "inner_diameter", LENGTH, hardware.inner_diameter if hardware else fallback, own
        ),
        bed_height=bed_height,
        particle_diameter=diameter,
        bed_model=item.choice("bed_model", BED_MODELS, "LRMP"),
        binding_model=kind,
        counter_ion=components.get("counter_ion"),
        components=components,
        modulators=read_modulators(item, kind, species),
        particle_sizes=sizes,
        max_pressure=_value(item, "max_pressure", PRESSURE, hardware.max_pressure if hardware else None, own),
        max_flow_velocity=_value(
            item, "max_velocity", VELOCITY, resin.max_velocity if resin else math.inf, of_resin
        ),
        max_bed_pressure=_value(
            item, "max_bed_pressure", PRESSURE, resin.max_pressure if resin else math.inf, of_resin
        ),
        place=item.text("position", ""),
    )


def _value(item: Reader, key: str, kind: Kind, default: float | None, source: str) -> float:
    """A value that the catalogue may supply; then it is noted with the catalogue's source."""
    value = item.value(key, kind, default)
    if key not in item and default is not None and math.isfinite(default):
        path = f"{item.path}.{key}"
        item.report.numbers[path] = Number(path, default, show(default, kind), source, "catalogue")
    return value


def _connect_column(
    item: Reader, column: Column, skid: SkidInMaking, diameter: float, length: float
) -> Column:
    """The column with its place; its device and two pieces of tubing are added to the skid."""
    places = skid.equipment.places
    free = [name for name, place in places.items() if place.top not in skid.taken]
    name = column.place or (free[0] if len(free) == 1 else "")
    if name not in places:
        found = f'"{name}" is no place for a column' if name else '"position" is missing'
        item.fail(
            found,
            f"a place on {skid.equipment.system or skid.name}",
            did_you_mean(name, free or places),
            key="position",
        )
        return column
    if name not in free:
        item.fail(f'"{name}" is taken by another column', remedy=did_you_mean("", free), key="position")
        return column
    for new in (column.name, f"{column.name}TubingTop", f"{column.name}TubingBottom"):
        if new in skid.devices:
            item.fail(f'"{new}" is also the name of a device of {skid.name}', remedy="Rename the column.")
            return column
    place = places[name]
    volume = math.pi / 4.0 * diameter**2 * length
    tube = {"inner_diameter": diameter, "length": length}
    above = Device(f"{column.name}TubingTop", DeviceKind.TUBING, ("in", "out"), volume, {}, tube)
    below = Device(f"{column.name}TubingBottom", DeviceKind.TUBING, ("in", "out"), volume, {}, tube)
    bed = Device(column.name, DeviceKind.COLUMN, ("in", "out"), 0.0, {}, {})
    for device in (above, bed, below):
        skid.devices[device.name] = device
    skid.connections += [
        (place.top, Port(above.name, "in")),
        (Port(above.name, "out"), Port(bed.name, "in")),
        (Port(bed.name, "out"), Port(below.name, "in")),
        (Port(below.name, "out"), place.bottom),
    ]
    return replace(column, place=name, positions=place.positions)


def connect_vessels(
    vessels: Mapping[str, Vessel], blocks: Mapping[str, Reader], skids: Mapping[str, SkidInMaking]
) -> None:
    """Connect every vessel to the ports that its ``connected`` names and to what reads its level, then drains
    to a waste vessel."""
    sinks: dict[str, list[str]] = {name: [] for name in skids}
    taken = {name: set(skid.devices) for name, skid in skids.items()}
    for name, block in blocks.items():
        for text in block.texts("connected"):
            parts = text.split(".")
            if len(parts) != 3:
                block.fail(f'"{text}" is not a port', 'e.g. "akta1.OutletValve.F2"', key="connected")
            elif parts[0] not in skids:
                remedy = did_you_mean(parts[0], skids)
                block.fail(f'no skid "{parts[0]}" (in "{text}")', remedy=remedy, key="connected")
            else:
                _connect_vessel(block, vessels[name], skids[parts[0]], Port(parts[1], parts[2]), sinks)
        if (found := read_level_sensor(block, vessels[name], taken)) is not None:
            reader, sensor = found
            skids[reader].level_sensors.append(sensor)
            taken[reader].add(sensor.name)
        block.finish()
    for skid in skids.values():
        for drain in skid.equipment.drains:
            if drain not in skid.taken and sinks[skid.name]:
                skid.connections.append((drain, Port(sinks[skid.name][0])))


def _connect_vessel(
    block: Reader, vessel: Vessel, skid: SkidInMaking, port: Port, sinks: dict[str, list[str]]
) -> None:
    device = skid.devices.get(port.owner)
    if device is None:
        remedy = did_you_mean(port.owner, skid.devices)
        block.fail(f'no device "{port.owner}" on {skid.name}', remedy=remedy, key="connected")
    elif port.port not in device.ports:
        remedy = did_you_mean(port.port, device.ports)
        block.fail(f'"{port.owner}" has no port "{port.port}"', remedy=remedy, key="connected")
    elif port in skid.taken:
        ends = (str(b if a == port else a) for a, b in skid.connections if port in (a, b))
        other = next(ends, "another skid")
        block.fail(
            f'port "{skid.name}.{port}" is already connected to "{other}"', "a free port", key="connected"
        )
    elif vessel.name in skid.devices:
        block.fail(
            f'"{vessel.name}" is also the name of a device of {skid.name}', remedy="Rename the vessel."
        )
    elif _takes_in(device, port.port):
        skid.connections.append((Port(vessel.name), port))
    else:
        skid.connections.append((port, Port(vessel.name)))
        if vessel.purpose == "waste":
            sinks[skid.name].append(vessel.name)


def _takes_in(device: Device, port: str) -> bool:
    """Whether liquid usually enters the device at this port."""
    if device.kind is DeviceKind.VALVE:
        return any(start == port for joints in device.positions.values() for start, _ in joints)
    return port not in ("out", "retentate", "permeate")
