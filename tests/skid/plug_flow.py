"""An AKTA-like tag table, a bare skid, and an analytic process: two buffers mixed, delayed by a volume."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from minifactory.plant.model import Device, DeviceKind, Role, Skid, Species
from minifactory.plant.parameters import Parameter, ParameterSet
from minifactory.signals import Argument, Instruction, Tag, TagTable
from minifactory.twin.process import ProcessValues
from minifactory.twin.pumps import Segment
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

ML_MIN = 1e-6 / 60.0
VALVES = {
    "BufferValveA1": tuple(f"A1{at}" for at in range(1, 9)),
    "PumpAInlet": tuple(f"A{at}" for at in range(1, 9)),
    "PumpBInlet": ("B1", "B2"),
    "InjectionValve": ("Load", "Inject", "Waste"),
    "ColumnPosition": tuple(f"Position{at}" for at in range(1, 9)),
    "FlowDirection": ("Down", "Up"),
    "OutletValve": ("WasteF1", *(f"F{at}" for at in range(2, 9))),
}
YES_NO = ("No", "Yes")
STATES = ("Ready", "Running", "Paused", "Alarm", "Safe", "Held", "Ended")


def table() -> TagTable:
    def read(name: str, kind: Kind, unit: str = "", choices: tuple[str, ...] = ()) -> Tag:
        return Tag(name, kind, unit, False, choices)

    tags = [
        read("System.State", NUMBER, choices=STATES),
        read("System.ProcessTime", TIME, "s"),
        read("System.Flow", FLOW, "mL/min"),
        read("System.Volume", VOLUME, "mL"),
        read("PumpA.Flow", FLOW, "mL/min"),
        read("PumpB.Flow", FLOW, "mL/min"),
        read("Gradient.PercentB", PERCENT_B, "%B"),
        read("Gradient.Running", NUMBER, choices=YES_NO),
        *(read(f"{valve}.Position", NUMBER, choices=choices) for valve, choices in VALVES.items()),
        *(read(f"UV{at}.Signal", ABSORBANCE, "mAU") for at in (1, 2, 3)),
        *(read(f"UV{at}.Wavelength", LENGTH, "nm") for at in (1, 2, 3)),
        read("AveragingTime", TIME, "s"),
        read("Cond.Signal", CONDUCTIVITY, "mS/cm"),
        read("Cond.Temperature", TEMPERATURE, "degC"),
        read("pH.Signal", PH),
        read("Pressure.System", PRESSURE, "MPa"),
        read("Pressure.Delta", PRESSURE, "MPa"),
        read("Pressure.Limit", PRESSURE, "MPa"),
        read("Air.PumpA", NUMBER, choices=YES_NO),
        read("Air.PumpB", NUMBER, choices=YES_NO),
        read("Fraction.Number", NUMBER),
        read("PumpWash.Running", NUMBER, choices=YES_NO),
        read("Instruction.Accepted", NUMBER),
        read("Instruction.Completed", NUMBER),
        read("Alarm.Pressure", NUMBER, choices=YES_NO),
        read("Heartbeat.Echo", NUMBER),
        Tag("System.Flow.SP", FLOW, "mL/min", True, (), 0.0, 100 * ML_MIN, readback="System.Flow"),
        Tag("Gradient.PercentB.SP", PERCENT_B, "%B", True, (), 0.0, 100.0, readback="Gradient.PercentB"),
        *(
            Tag(f"{valve}.SP", NUMBER, "", True, choices, readback=f"{valve}.Position")
            for valve, choices in VALVES.items()
        ),
        Tag("Pressure.Limit.SP", PRESSURE, "MPa", True, (), 0.0, 10e6),
        *(Tag(f"UV{at}.Wavelength.SP", LENGTH, "nm", True, (), 0.0, 700e-9) for at in (1, 2, 3)),
        Tag("AveragingTime.SP", TIME, "s", True, (), 0.01, 10.24),
        Tag("Heartbeat.SP", NUMBER, "", True),
    ]
    instructions = [
        Instruction("Gradient", (Argument("percent_b", PERCENT_B, "%B"), Argument("volume", VOLUME, "mL"))),
        Instruction("AutoZero"),
        Instruction("PumpWash", (Argument("pump", NUMBER),)),
        Instruction("FractionNext"),
        Instruction("Pause"),
        Instruction("Continue"),
        Instruction("ClearAlarm"),
    ]
    return TagTable.of("akta1", tags, instructions)


def skid() -> Skid:
    devices = [
        *(
            Device(valve, DeviceKind.VALVE, ("in", "out"), positions=dict.fromkeys(choices, ()))
            for valve, choices in VALVES.items()
        ),
        Device("PumpA", DeviceKind.PUMP, ("in", "out"), values={"max_flow": 100 * ML_MIN}),
        Device("PumpB", DeviceKind.PUMP, ("in", "out"), values={"max_flow": 100 * ML_MIN}),
        Device("UV", DeviceKind.UV_CELL, ("in", "out"), values={"path_length": 0.01, "channels": 3.0}),
        Device("Cond", DeviceKind.CONDUCTIVITY_CELL, ("in", "out")),
        Device("pH", DeviceKind.PH_CELL, ("in", "out")),
        Device("Pressure", DeviceKind.PRESSURE_SENSOR, ("in", "out")),
    ]
    return Skid("akta1", "AKTAexplorer 100", {device.name: device for device in devices}, (), 10e6)


def parameters(**values: float) -> ParameterSet:
    """Parameters of skid akta1; double underscores stand for dots."""
    paths = {f"akta1.{name.replace('__', '.')}": value for name, value in values.items()}
    return ParameterSet({path: Parameter(path, value, NUMBER, "test") for path, value in paths.items()})


PRODUCT = Species("product", Role.PRODUCT, 150.0, extinction={280e-9: 2.0e4, 254e-9: 1.0e4})
SALT = Species("chloride", Role.STRONG_ION, 0.0355, charge=-1)


class PlugFlow:
    """Buffer A (20 mM salt) and B (1000 mM salt with product) mixed ideally, seen a dead volume later.

    Conductivity is 0.01 S m2/mol times salt, pressure is proportional to flow (`resistance` in Pa s/m3).
    """

    def __init__(self, dead_volume: float = 2e-6, product: float = 0.002, resistance: float = 5e12) -> None:
        self.dead_volume, self.resistance = dead_volume, resistance
        self.inlets = np.array([[20.0, 0.0], [1000.0, product]])
        self.species = (SALT, PRODUCT)
        self.detectors = ("UV", "Cond")
        self.volume_a = self.volume_b = self.flow = self.time = 0.0
        self._volumes, self._parts = [-dead_volume, 0.0], [0.0, 0.0]

    def advance(self, segments: Sequence[Segment]) -> ProcessValues:
        for segment in segments:
            assert segment.start == self.time, "segments must follow each other without gaps"
            self.time = segment.end
            self.flow = segment.a_end + segment.b_end
            volume = segment.volume_a + segment.volume_b
            self.volume_a += segment.volume_a
            self.volume_b += segment.volume_b
            if volume > 0.0:
                for a, b, share in (
                    (segment.a_start, segment.b_start, 0.0),
                    (segment.a_end, segment.b_end, 1.0),
                ):
                    part = b / (a + b) if a + b > 0.0 else self._parts[-1]
                    self._volumes.append(self.volume_a + self.volume_b - volume * (1.0 - share))
                    self._parts.append(part)
        return self.values()

    def values(self) -> ProcessValues:
        seen = self.volume_a + self.volume_b - self.dead_volume
        at = max(bisect_right(self._volumes, seen) - 1, 0)
        low, high = self._volumes[at], self._volumes[min(at + 1, len(self._volumes) - 1)]
        share = (seen - low) / (high - low) if high > low else 0.0
        part = self._parts[at] + share * (self._parts[min(at + 1, len(self._parts) - 1)] - self._parts[at])
        mixed = (1.0 - part) * self.inlets[0] + part * self.inlets[1]
        pressure = self.resistance * self.flow
        return ProcessValues(
            time=self.time,
            concentrations=np.array([mixed, mixed]),
            conductivity=0.01 * float(mixed[0]),
            ph=5.1,
            system_pressure=pressure,
            column_pressure=0.4 * pressure,
        )
