"""What the equipment's own control is made of: the fixed machine, and everything of it that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from minifactory.plant.model import Device, DeviceKind, Skid
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import hardware_pressure
from minifactory.signals.tags import Tag, TagTable
from minifactory.twin.commands import PRESSURE_LIMIT
from minifactory.twin.latency import NOMINAL, SPREAD
from minifactory.twin.pumps import Gradient, Leg

RAMP_TIME = 2.0
"""s from rest to full speed of a pump whose device states no ``ramp_rate`` (assumed)."""
MAX_FLOW = 100e-6 / 60.0
"""m3/s of a pump whose device states no ``max_flow``: AKTAexplorer 100, 100 mL/min."""
WASH_DURATION = 86.0
"""s of a pump wash: ``PumpWashPurifier`` in the logbook of ``pH5pt1_25pt2CV.asc`` (8:59:28 to 9:00:54)."""
WASH_FLOW = 20e-6 / 60.0
"""m3/s through the washed lines (assumed: 29 mL in 86 s, several times the volume of an inlet line)."""
HEARTBEAT_TIMEOUT = 5.0
"""s of link time after which a heartbeat that stands still puts the equipment in its safe state (assumed)."""
WAVELENGTHS = (280e-9, 254e-9, 215e-9)
"""m; of UV1, UV2 and UV3 at power on (assumed; 280 nm as in the logbook)."""
AVERAGING_TIME = 2.56
"""s; ``AveragingTimeUV 2.56 sec`` in the logbook of ``pH5pt1_25pt2CV.asc``."""


class Pending(NamedTuple):
    """An accepted action that has not taken effect: when it will (s), and its instruction number (or 0)."""

    due: float
    action: int
    channel: str
    name: str
    arguments: tuple[float, ...]
    number: int


class Wash(NamedTuple):
    """A running pump wash: pump (0 = A, 1 = B), and when its flow begins and ends (s)."""

    pump: int
    begin: float
    end: float


@dataclass(slots=True)
class ActuatorState:
    """All that changes; its members are immutable or replaced, so that a shallow copy is a snapshot.

    `registers` holds the set-points as accepted, `settings` those in force that are neither flow, composition
    nor valves; flows in m3/s, composition as fraction of B, times in s.
    """

    leg: Leg
    registers: dict[str, float]
    settings: dict[str, float]
    positions: tuple[int, ...]
    time: float = 0.0
    pending: tuple[Pending, ...] = ()
    flow: float = 0.0
    composition: float = 0.0
    gradient: Gradient | None = None
    wash: Wash | None = None
    paused: bool = False
    pressure_alarm: bool = False
    safe: bool = False
    held: bool = False
    ended: bool = False
    autozeros: int = 0
    fraction: int = 0
    actions: int = 0
    accepted: int = 0
    completed: int = 0
    outstanding: tuple[tuple[int, bool], ...] = ()
    last_beat: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What of a skid does not change.

    Parameters
    ----------
    valves : tuple of str
        Names, in the order of ``Segment.positions``.
    switch_times : tuple of (float, float)
        Nominal latency of each valve and its half width in s.
    latency : (float, float)
        The same of every other action.
    max_flow : float
        m3/s that one pump delivers at most.
    max_pressure : float
        Pa that the skid stands.
    rates : (float, float)
        Steepest ramp of pumps A and B in m3/s2.
    gains : (float, float)
        What pumps A and B truly deliver, divided by what they are told.
    wash_duration, heartbeat_timeout : float
        s.
    wash_flow : float
        m3/s.
    initial : Mapping of str to float
        Set-points at power on (SI).
    """

    valves: tuple[str, ...]
    switch_times: tuple[tuple[float, float], ...]
    latency: tuple[float, float]
    max_flow: float
    max_pressure: float
    rates: tuple[float, float]
    gains: tuple[float, float]
    wash_duration: float
    wash_flow: float
    heartbeat_timeout: float
    initial: Mapping[str, float]


def machine_of(table: TagTable, skid: Skid, parameters: ParameterSet) -> Machine:
    """The machine that a skid's devices, tags and parameters describe."""
    valves = tuple(
        tag.name.removesuffix(".SP")
        for tag in table.writable
        if tag.choices and _is_valve(skid.devices.get(tag.name.removesuffix(".SP")))
    )
    pumps = [device for device in skid.devices.values() if device.kind is DeviceKind.PUMP]
    pair = [_pump(pumps, name) for name in ("PumpA", "PumpB")]
    max_flow = _of(pair, "max_flow", MAX_FLOW)
    rates = [pump.value("ramp_rate", max_flow / RAMP_TIME) if pump else max_flow / RAMP_TIME for pump in pair]
    name = skid.name
    return Machine(
        valves=valves,
        switch_times=tuple(_switch_time(skid.devices[valve]) for valve in valves),
        latency=(
            parameters.get_or(f"{name}.Latency.nominal", NOMINAL),
            parameters.get_or(f"{name}.Latency.spread", SPREAD),
        ),
        max_flow=max_flow,
        max_pressure=min(skid.max_pressure, hardware_pressure(skid)),
        rates=(rates[0], rates[1]),
        gains=(
            parameters.get_or(f"{name}.PumpA.gain", 1.0),
            parameters.get_or(f"{name}.PumpB.gain", 1.0),
        ),
        wash_duration=parameters.get_or(f"{name}.PumpWash.duration", _of(pair, "wash_time", WASH_DURATION)),
        wash_flow=parameters.get_or(f"{name}.PumpWash.flow", _of(pair, "wash_flow", WASH_FLOW)),
        heartbeat_timeout=parameters.get_or(f"{name}.Heartbeat.timeout", HEARTBEAT_TIMEOUT),
        initial={tag.name: _at_power_on(tag, skid) for tag in table.writable},
    )


def _is_valve(device: Device | None) -> bool:
    return device is not None and device.kind is DeviceKind.VALVE


def _pump(pumps: list[Device], name: str) -> Device | None:
    """The pump called `name`; the first one where a skid calls them otherwise; None when there is none."""
    named = [pump for pump in pumps if pump.name == name]
    return next(iter(named or pumps), None)


def _of(pumps: list[Device | None], name: str, default: float) -> float:
    """The smallest of the pumps' values called `name`, or `default`."""
    return min((pump.value(name, default) for pump in pumps if pump), default=default)


def _switch_time(valve: Device) -> tuple[float, float]:
    nominal = valve.value("switch_time", NOMINAL)
    return nominal, valve.value("switch_spread", min(SPREAD, nominal))


def _at_power_on(tag: Tag, skid: Skid) -> float:
    value = 0.0
    if tag.name == PRESSURE_LIMIT:
        value = skid.max_pressure
    elif tag.name.endswith(".Wavelength.SP"):
        digits = "".join(letter for letter in tag.name.split(".")[0] if letter.isdigit())
        value = WAVELENGTHS[(int(digits or 1) - 1) % len(WAVELENGTHS)]
    elif tag.name.endswith("AveragingTime.SP"):
        cells = (device for device in skid.devices.values() if device.kind is DeviceKind.UV_CELL)
        value = max((cell.value("averaging_time", AVERAGING_TIME) for cell in cells), default=AVERAGING_TIME)
    return value if tag.choices else min(max(value, tag.lower), tag.upper)
