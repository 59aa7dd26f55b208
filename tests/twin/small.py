"""A small skid for tests: two pumps, mixer, column or by-pass, outlet valve."""

from __future__ import annotations

from minifactory.plant.model import Device, DeviceKind, Material, Plant, Port, Skid, Vessel
from minifactory.plant.parameters import ParameterSet

ML = 1e-6


def valve(name: str, ports: tuple[str, ...], **positions: tuple[tuple[str, str], ...]) -> Device:
    return Device(name, DeviceKind.VALVE, ports, positions=positions)


def pipe(name: str, volume: float, kind: DeviceKind = DeviceKind.TUBING) -> Device:
    return Device(name, kind, ("in", "out"), volume=volume)


def joined(text: str) -> tuple[tuple[Port, Port], ...]:
    """Connections from lines such as ``A1 - InletA.A1``; vessels have no port."""
    pairs = []
    for line in text.split("\n"):
        if line.strip():
            source, target = (Port(*part.strip().split(".")) for part in line.split(" - "))
            pairs.append((source, target))
    return tuple(pairs)


DEVICES = (
    valve("InletA", ("A1", "A2", "out"), A1=(("A1", "out"),), A2=(("A2", "out"),)),
    pipe("LineA", 2 * ML),
    Device("PumpA", DeviceKind.PUMP, ("in", "out")),
    Device("PumpB", DeviceKind.PUMP, ("in", "out")),
    Device("Mixer", DeviceKind.MIXER, ("a", "b", "out"), volume=2 * ML),
    valve(
        "ColumnValve",
        ("in", "to", "from", "out"),
        Bypass=(("in", "out"),),
        Column=(("in", "to"), ("from", "out")),
        Closed=(),
    ),
    pipe("C1", 0.0, DeviceKind.COLUMN),
    pipe("UV1", 0.01 * ML, DeviceKind.UV_CELL),
    valve("OutletValve", ("in", "F1", "F2"), F1=(("in", "F1"),), F2=(("in", "F2"),)),
)
CONNECTIONS = joined(
    """
    buffer - InletA.A1
    feed - InletA.A2
    InletA.out - LineA.in
    LineA.out - PumpA.in
    PumpA.out - Mixer.a
    salt - PumpB.in
    PumpB.out - Mixer.b
    Mixer.out - ColumnValve.in
    ColumnValve.to - C1.in
    C1.out - ColumnValve.from
    ColumnValve.out - UV1.in
    UV1.out - OutletValve.in
    OutletValve.F1 - waste
    OutletValve.F2 - pool
    """
)


def small_plant(connections: tuple[tuple[Port, Port], ...] = CONNECTIONS) -> Plant:
    skid = Skid("s1", "test", {device.name: device for device in DEVICES}, connections, 1e6)
    vessels = {name: Vessel(name, 1e-3, 5e-4, name) for name in ("buffer", "feed", "salt", "waste", "pool")}
    materials = {name: Material(name, {}) for name in vessels}
    return Plant("test", {}, materials, vessels, {"s1": skid}, {}, ParameterSet({}))
