"""Reads the lines between skids: the top-level ``connections`` of ``factory.yaml``.

    connections:
      - capture.OutletValve.Out5 > polish.Columns.in2
      - {line: polish.Mixer.out > capture.Station.in2, name: Transfer, inner_diameter: 0.75 mm, length: 1 m}

A line with a length is a piece of tubing of the skid from which it leads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from minifactory.errors import did_you_mean
from minifactory.plant.document import Reader
from minifactory.plant.model import Device, DeviceKind, Port, Skid
from minifactory.plant.skids import SkidInMaking
from minifactory.units import LENGTH

Links = list[tuple[Port, Port]]
EXAMPLE = 'e.g. "capture.OutletValve.Out5 > polish.InletA.A3"'


def read_connections(top: Reader, skids: Mapping[str, SkidInMaking]) -> Links:
    """The lines between skids, as pairs of ports of ``skid.Device``; the ports are taken from now."""
    links: Links = []
    for text, block in top.lines("connections"):
        start, stop = _ends(top if block is None else block, text, skids)
        if start is None or stop is None:
            continue
        (first, leaves), (second, enters) = start, stop
        if block is not None:
            leaves = _through_tubing(block, skids[first], leaves, len(links) + 1)
            block.finish()
        skids[first].reached.add(leaves)
        skids[second].reached.add(enters)
        links.append((_whole(first, leaves), _whole(second, enters)))
    return links


def check_lines(top: Reader, links: Links, skids: Mapping[str, Skid]) -> None:
    """Findings for lines that no liquid can come to or leave, however the valves stand."""
    onward: dict[str, set[str]] = {}
    back: dict[str, set[str]] = {}
    pairs = [(start.owner, stop.owner) for start, stop in links]
    for name, skid in skids.items():
        for start, stop in skid.connections:
            pairs.append(
                (
                    f"{name}.{start.owner}" if start.port else start.owner,
                    f"{name}.{stop.owner}" if stop.port else stop.owner,
                )
            )
    for first, second in pairs:
        onward.setdefault(first, set()).add(second)
        back.setdefault(second, set()).add(first)
    for start, stop in links:
        line = f'line "{start} > {stop}"'
        if not _meets_vessel(back, start.owner):
            top.fail(f"{line}: no liquid comes to {start}", "a way from a vessel", key="connections")
        if not _meets_vessel(onward, stop.owner):
            top.fail(f"{line}: liquid ends at {stop}", "a way on to a vessel", key="connections")


def _meets_vessel(onward: Mapping[str, set[str]], device: str) -> bool:
    seen, ahead = {device}, [device]
    while ahead:
        for following in onward.get(ahead.pop(), ()):
            if "." not in following:
                return True
            if following not in seen:
                seen.add(following)
                ahead.append(following)
    return False


def _whole(skid: str, port: Port) -> Port:
    return Port(f"{skid}.{port.owner}", port.port)


_End = tuple[str, Port] | None


def _ends(item: Reader, text: str, skids: Mapping[str, SkidInMaking]) -> Sequence[_End]:
    parts = [part.strip() for part in text.split(">")]
    if len(parts) != 2:
        item.fail(f'"{text}" is no line from one skid to another', EXAMPLE, key="connections")
        return None, None
    names = [part.partition(".")[0] for part in parts]
    if names[0] == names[1]:
        remedy = f"Write it among the connections of {names[0]}."
        item.fail(f'"{text}" stays on skid {names[0]}', "two skids", remedy, key="connections")
        return None, None
    return [_end(item, part, skids) for part in parts]


def _end(item: Reader, text: str, skids: Mapping[str, SkidInMaking]) -> _End:
    name, _, rest = text.partition(".")
    owner, _, port = rest.partition(".")
    if name not in skids:
        item.fail(f'no skid "{name}" (in "{text}")', EXAMPLE, did_you_mean(name, skids), key="connections")
        return None
    device = skids[name].devices.get(owner)
    if device is None:
        remedy = did_you_mean(owner, skids[name].devices)
        item.fail(f'no device "{owner}" on {name} (in "{text}")', remedy=remedy, key="connections")
    elif port not in device.ports:
        remedy = did_you_mean(port, device.ports)
        item.fail(f'"{name}.{owner}" has no port "{port}"', remedy=remedy, key="connections")
    elif Port(owner, port) in skids[name].taken:
        item.fail(f'port "{text}" is already connected', "a free port", "Use a junction.", key="connections")
    else:
        return name, Port(owner, port)
    return None


def _through_tubing(block: Reader, skid: SkidInMaking, leaves: Port, number: int) -> Port:
    """The tubing's end, its device added to the skid."""
    name = block.text("name", f"Transfer{number}")
    diameter = block.value("inner_diameter", LENGTH, skid.equipment.line_diameter)
    length = block.value("length", LENGTH)
    if name in skid.devices or "." in name:
        block.fail(f'"{name}" is no new device of {skid.name}', "a name of its own", key="name")
        return leaves
    volume = math.pi / 4.0 * diameter**2 * length
    values = {"inner_diameter": diameter, "length": length}
    skid.devices[name] = Device(name, DeviceKind.TUBING, ("in", "out"), volume, {}, values)
    skid.connections.append((leaves, Port(name, "in")))
    return Port(name, "out")
