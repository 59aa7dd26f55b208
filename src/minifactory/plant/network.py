"""Skids that touch, seen as one graph: what liquid can reach when lines lead from one skid to another.

A line of the top-level ``connections`` joins a port of one skid to a port of another; a vessel may stand
between ports of several. Seen as a whole, a device is called ``skid.Device`` and a column by its own name;
seen from one skid, its own devices keep their plain names. A skid that no line joins to another is its own
graph, unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from minifactory.plant.model import Device, DeviceKind, Plant, Port, Skid


def group(plant: Plant, names: Iterable[str]) -> tuple[str, ...]:
    """The skids of `names` and all that lines join to them, in the order of the description."""
    found = set(names)
    while True:
        more = {
            name
            for link in plant.connections
            for name in (skid_of(link[0]), skid_of(link[1]))
            if {skid_of(link[0]), skid_of(link[1])} & found
        }
        if more <= found:
            return tuple(name for name in plant.skids if name in found)
        found |= more


def skid_of(port: Port) -> str:
    """The skid of a port of the plant, ``skid.Device``."""
    return port.owner.partition(".")[0]


def whole_name(plant: Plant, skid: str, device: str) -> str:
    """What `device` of `skid` is called among several skids."""
    return device if device in plant.columns else f"{skid}.{device}"


def joined(plant: Plant, names: Sequence[str]) -> Skid:
    """The graph of several skids as one; that of a single skid is the skid itself."""
    if len(names) == 1:
        return plant.skids[names[0]]
    return _graph(plant, names, None)


def seen_from(plant: Plant, name: str) -> Skid:
    """The graph that the streams of skid `name` can run in: its own devices, and those of its group."""
    names = group(plant, (name,))
    return plant.skids[name] if len(names) == 1 else _graph(plant, names, name)


def _graph(plant: Plant, names: Sequence[str], plain: str | None) -> Skid:
    """One skid made of `names`; the devices of `plain` keep their names."""

    def called(skid: str, device: str) -> str:
        return device if skid == plain else whole_name(plant, skid, device)

    devices: dict[str, Device] = {}
    connections: list[tuple[Port, Port]] = []
    contents: dict[str, str] = {}
    for name in names:
        skid = plant.skids[name]
        for device in skid.devices.values():
            devices[called(name, device.name)] = replace(device, name=called(name, device.name))
        for link in skid.connections:
            start, stop = (
                Port(called(name, port.owner), port.port) if port.owner in skid.devices else port
                for port in link
            )
            connections.append((start, stop))
        contents |= {called(name, device): material for device, material in skid.contents.items()}
    for link in plant.connections:
        if {skid_of(port) for port in link} <= set(names):
            first, last = (Port(called(*port.owner.split(".", 1)), port.port) for port in link)
            connections.append((first, last))
    whole = plain is None
    own = plant.skids[names[0] if plain is None else plain]
    return Skid(
        name="+".join(names) if whole else own.name,
        system="" if whole else own.system,
        devices=devices,
        connections=tuple(connections),
        max_pressure=min(plant.skids[name].max_pressure for name in names) if whole else own.max_pressure,
        description="" if whole else own.description,
        bypass={} if whole else own.bypass,
        filled_with=None if whole else own.filled_with,
        contents=contents,
    )


@dataclass(frozen=True)
class Touch:
    """Why two skids depend on each other.

    `what` is ``vessel`` (`first` fills it and `second` draws from it), ``line`` (from `first` to `second`) or
    ``valve`` (of `first`, through which a stream of `second` can run); `name` that of vessel, line or valve.
    """

    what: str
    name: str
    first: str
    second: str


def touches(plant: Plant) -> Iterator[Touch]:
    """Where the skids of a plant depend on each other, in the order of the description."""
    for vessel in plant.vessels:
        fills = [name for name, skid in plant.skids.items() if _ends(skid, vessel, 1)]
        draws = [name for name, skid in plant.skids.items() if _ends(skid, vessel, 0)]
        for first in fills:
            yield from (Touch("vessel", vessel, first, second) for second in draws if second != first)
    for start, stop in plant.connections:
        yield Touch("line", f"{start} > {stop}", skid_of(start), skid_of(stop))
    for name in plant.skids:
        names = group(plant, (name,))
        if len(names) > 1:
            yield from _passed_valves(plant, names, name)


def _passed_valves(plant: Plant, names: Sequence[str], name: str) -> Iterator[Touch]:
    graph = joined(plant, names)
    onward: dict[str, set[str]] = {}
    for start, stop in graph.connections:
        if start.port and stop.port:
            onward.setdefault(start.owner, set()).add(stop.owner)
    kinds = {device.name: device.kind for device in graph.devices.values()}
    pumps = [item for item, kind in kinds.items() if kind is DeviceKind.PUMP and item.startswith(f"{name}.")]
    seen, ahead = set(pumps), list(pumps)
    while ahead:
        for device in onward.get(ahead.pop(), ()):
            if device not in seen and kinds[device] is not DeviceKind.PUMP:
                seen.add(device)
                ahead.append(device)
    for device in graph.devices:
        owner = device.partition(".")[0]
        if device in seen and kinds[device] is DeviceKind.VALVE and owner != name:
            yield Touch("valve", device, owner, name)


def _ends(skid: Skid, vessel: str, end: int) -> bool:
    return any(link[end] == Port(vessel) for link in skid.connections)


def elsewhere(plant: Plant, skid: str) -> tuple[frozenset[str], frozenset[str]]:
    """Vessels that other skids than `skid` fill, and those that other skids draw from."""
    others = [item for name, item in plant.skids.items() if name != skid]
    filled = {vessel for vessel in plant.vessels for item in others if _ends(item, vessel, 1)}
    drawn = {vessel for vessel in plant.vessels for item in others if _ends(item, vessel, 0)}
    return frozenset(filled), frozenset(drawn)


def shared_vessels(
    plant: Plant, among: Iterable[str] | None = None
) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Vessels that are filled and drawn from: the skids that fill each, and those that draw from it.

    `among` are the skids that count; None: all.
    """
    names = plant.skids if among is None else tuple(among)
    found = {}
    for vessel in plant.vessels:
        fills = tuple(name for name in names if _ends(plant.skids[name], vessel, 1))
        draws = tuple(name for name in names if _ends(plant.skids[name], vessel, 0))
        if fills and draws:
            found[vessel] = (fills, draws)
    return found
