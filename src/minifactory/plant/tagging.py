"""The tag table of a skid, derived from its devices: what can be read, set and instructed.

Names: ``System.*``, ``PumpA.*``, ``Gradient.*``, ``<Valve>.Position``, ``UV1.Signal`` ... (one per
wavelength), ``Cond.*``, ``pH.Signal``, ``<Level sensor>.Volume``, ``Pressure.*``, ``<Filter>.Pressure``;
set-points end in ``.SP``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minifactory.plant.model import Device, DeviceKind, Skid
from minifactory.signals.tags import Argument, Instruction, Tag, TagTable
from minifactory.units import (
    ABSORBANCE,
    CONDUCTIVITY,
    FLOW,
    LENGTH,
    NUMBER,
    PERCENT_B,
    PH,
    PRESSURE,
    TEMPERATURE,
    TIME,
    VOLUME,
    Kind,
)

NO_YES = ("No", "Yes")
STATES = ("Ready", "Running", "Paused", "Alarm", "Safe", "Held", "Ended")
AVERAGING_TIMES = (0.01, 10.24)
"""Shortest and longest averaging time of a UV signal in s."""


def tag_table(skid: Skid) -> TagTable:
    """All tags and instructions of `skid`; values in the SI units of each tag's kind.

    Parameters
    ----------
    skid : Skid
        Its valves, pumps and sensors decide which tags there are.
    """
    tags = [*_readings(skid), *_setpoints(skid)]
    return TagTable.of(skid.name, tags, _instructions(skid))


def max_flow(skid: Skid) -> float:
    """The largest flow in m3/s that one pump (and so the system) can deliver."""
    return min((pump.value("max_flow", math.inf) for pump in skid.of_kind(DeviceKind.PUMP)), default=math.inf)


def hardware_pressure(skid: Skid) -> float:
    """The pressure in Pa that the pumps bear; the skid's own limit may be set lower."""
    limits = [
        pump.values["max_pressure"] for pump in skid.of_kind(DeviceKind.PUMP) if "max_pressure" in pump.values
    ]
    return min(limits, default=skid.max_pressure)


def uv_channels(skid: Skid) -> tuple[tuple[str, Device], ...]:
    """The name of every UV signal (``UV1``, ``UV2`` ...) with its cell."""
    cells = [
        cell for cell in skid.of_kind(DeviceKind.UV_CELL) for _ in range(int(cell.value("channels", 1.0)))
    ]
    return tuple((f"UV{number}", cell) for number, cell in enumerate(cells, 1))


def gauged(skid: Skid) -> tuple[str, ...]:
    """The filters and membranes over which the skid shows the pressure."""
    filters = [each for each in skid.of_kind(DeviceKind.FILTER) if each.words.get("gauge", "yes") == "yes"]
    return tuple(each.name for each in (*filters, *skid.of_kind(DeviceKind.MEMBRANE)))


def metered(skid: Skid) -> tuple[str, ...]:
    """The membranes and make-up lines whose flow (of permeate) the skid shows."""
    return tuple(
        each.name for each in (*skid.of_kind(DeviceKind.MEMBRANE), *skid.of_kind(DeviceKind.MAKE_UP))
    )


def _readings(skid: Skid) -> Iterator[Tag]:
    flow = max_flow(skid)
    yield _state("System.State", STATES, "What the equipment's own control is doing")
    yield Tag("System.ProcessTime", TIME, "s", lower=0.0, description="Process time since the start")
    yield Tag("System.Flow", FLOW, "mL/min", lower=0.0, upper=flow, description="Flow of both pumps together")
    yield Tag("System.Volume", VOLUME, "mL", lower=0.0, description="Pumped into the system since the start")
    yield Tag("PumpA.Flow", FLOW, "mL/min", lower=0.0, upper=flow, description="Flow of pump A")
    yield Tag("PumpB.Flow", FLOW, "mL/min", lower=0.0, upper=flow, description="Flow of pump B")
    yield _number("Gradient.PercentB", PERCENT_B, "%B", 0.0, 100.0, "Share of pump B in the flow")
    yield _state("Gradient.Running", NO_YES, "Whether a gradient is running")
    for valve in skid.of_kind(DeviceKind.VALVE):
        yield _state(f"{valve.name}.Position", tuple(valve.positions), f"Position of {valve.name}")
    for name, cell in uv_channels(skid):
        top = cell.value("saturation", 3.0)
        yield _number(f"{name}.Signal", ABSORBANCE, "mAU", -top, top, "Absorbance since the last auto-zero")
    for name, _ in uv_channels(skid):
        yield Tag(
            f"{name}.Wavelength", LENGTH, "nm", lower=0.0, description="Wavelength of this signal; 0: off"
        )
    if uv_channels(skid):
        low, high = AVERAGING_TIMES
        yield _number("AveragingTime", TIME, "s", low, high, "Averaging time of the UV signals")
    for cell in skid.of_kind(DeviceKind.CONDUCTIVITY_CELL)[:1]:
        top = cell.value("saturation", CONDUCTIVITY.upper)
        yield _number("Cond.Signal", CONDUCTIVITY, "mS/cm", 0.0, top, "Conductivity in the cell")
        yield _number("Cond.Temperature", TEMPERATURE, "degC", 273.15, 373.15, "Temperature in the cell")
    if skid.of_kind(DeviceKind.PH_CELL):
        yield _number("pH.Signal", PH, "", 0.0, 14.0, "pH in the cell")
    for sensor in skid.level_sensors:
        low, high = -0.1 * sensor.capacity, 1.1 * sensor.capacity
        yield _number(sensor.tag, VOLUME, "mL", low, high, f"What {sensor.vessel} holds")
    pressure = hardware_pressure(skid)
    yield _number("Pressure.System", PRESSURE, "MPa", -1e5, 1.1 * pressure, "Pressure behind the pumps")
    yield _number("Pressure.Delta", PRESSURE, "MPa", -1e5, 1.1 * pressure, "Pressure drop over the column")
    for name in gauged(skid):
        yield _number(f"{name}.Pressure", PRESSURE, "MPa", -1e5, 1.1 * pressure, f"Pressure over {name}")
    for name in metered(skid):
        yield Tag(f"{name}.Flow", FLOW, "mL/min", lower=0.0, description=f"What goes through {name}")
    for name in dict.fromkeys([*gauged(skid), *metered(skid)]):
        yield Tag(f"{name}.Volume", VOLUME, "mL", lower=0.0, description=f"What has gone through {name}")
    yield _number("Pressure.Limit", PRESSURE, "MPa", 0.0, pressure, "Pressure at which the pumps stop")
    yield _state("Air.PumpA", NO_YES, "Air in the inlet of pump A")
    yield _state("Air.PumpB", NO_YES, "Air in the inlet of pump B")
    yield Tag("Fraction.Number", NUMBER, lower=0.0, description="Number of the fraction being collected")
    yield _state("PumpWash.Running", NO_YES, "Whether a pump wash is running")
    yield Tag(
        "Instruction.Accepted", NUMBER, lower=0.0, description="Number of the last instruction accepted"
    )
    yield Tag(
        "Instruction.Completed", NUMBER, lower=0.0, description="Number of the last instruction completed"
    )
    yield _state("Alarm.Pressure", NO_YES, "Whether the pressure limit stopped the pumps")
    yield Tag("Heartbeat.Echo", NUMBER, description="The heartbeat as the equipment received it")


def _setpoints(skid: Skid) -> Iterator[Tag]:
    flow = max_flow(skid)
    yield _setpoint("System.Flow", FLOW, "mL/min", 0.0, flow, "Flow of both pumps together")
    yield _setpoint(
        "Gradient.PercentB", PERCENT_B, "%B", 0.0, 100.0, "Share of pump B; a change ends a gradient"
    )
    for valve in skid.of_kind(DeviceKind.VALVE):
        yield Tag(
            f"{valve.name}.SP",
            NUMBER,
            writable=True,
            choices=tuple(valve.positions),
            description=f"Wanted position of {valve.name}",
            readback=f"{valve.name}.Position",
        )
    pressure = hardware_pressure(skid)
    yield _setpoint("Pressure.Limit", PRESSURE, "MPa", 0.0, pressure, "Pressure at which the pumps stop")
    for name, cell in uv_channels(skid):
        top = cell.value("max_wavelength", 700e-9)
        yield _setpoint(f"{name}.Wavelength", LENGTH, "nm", 0.0, top, "Wavelength of this signal; 0: off")
    if uv_channels(skid):
        low, high = AVERAGING_TIMES
        yield _setpoint("AveragingTime", TIME, "s", low, high, "Averaging time of the UV signals")
    yield Tag(
        "Heartbeat.SP",
        NUMBER,
        writable=True,
        description="Counter; when it stands still too long the equipment goes safe; 0: not watched",
        readback="Heartbeat.Echo",
    )


def _instructions(skid: Skid) -> Iterator[Instruction]:
    yield Instruction(
        "Gradient",
        (Argument("percent_b", PERCENT_B, "%B"), Argument("volume", VOLUME, "mL")),
        "Linear change of composition over a pumped volume, from the present one",
    )
    if uv_channels(skid):
        yield Instruction("AutoZero", description="Takes the present UV signals as zero")
    yield Instruction(
        "PumpWash",
        (Argument("pump", NUMBER),),
        "Flushes the inlet of pump A (0) or B (1) to waste; no flow to the column meanwhile",
    )
    yield Instruction("FractionNext", description="Moves the fraction collector on")
    yield Instruction("Pause", description="Stops the pumps; valves stay")
    yield Instruction("Continue", description="Takes up the flow after a pause")
    yield Instruction("ClearAlarm", description="Acknowledges an alarm of the equipment")


def _state(name: str, choices: tuple[str, ...], description: str) -> Tag:
    return Tag(name, NUMBER, choices=choices, description=description)


def _number(name: str, kind: Kind, unit: str, lower: float, upper: float, description: str) -> Tag:
    return Tag(name, kind, unit, lower=lower, upper=upper, description=description)


def _setpoint(name: str, kind: Kind, unit: str, lower: float, upper: float, description: str) -> Tag:
    return Tag(f"{name}.SP", kind, unit, True, (), lower, upper, description, name)
