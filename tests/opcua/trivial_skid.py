"""A small skid for tests: values behind the TagSource protocol, with no model inside."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from minifactory.errors import Finding
from minifactory.opcua.certificates import own_identity
from minifactory.opcua.process import serve
from minifactory.opcua.server import ServerSettings
from minifactory.opcua.source import Image
from minifactory.signals import Argument, Instruction, InstructionRefused, Quality, Tag, TagTable
from minifactory.units import (
    ABSORBANCE,
    FLOW,
    NUMBER,
    PERCENT_B,
    PRESSURE,
    TEMPERATURE,
    TIME,
    VOLUME,
)

ML_MIN = 1e-6 / 60.0


def skid_table(extra: int = 0) -> TagTable:
    """Fourteen tags of every form, plus `extra` analogue ones."""
    tags = [
        Tag("System.ProcessTime", TIME, "s"),
        Tag("System.State", NUMBER, choices=("Ready", "Running", "Paused")),
        Tag("System.Flow", FLOW, "mL/min", lower=0.0, upper=100 * ML_MIN, description="Flow to the column"),
        Tag("UV1.Signal", ABSORBANCE, "mAU", lower=0.0, upper=3.0),
        Tag("Cond.Temperature", TEMPERATURE, "degC", lower=273.15, upper=373.15),
        Tag("Pressure.System", PRESSURE, "MPa", lower=0.0, upper=1e7),
        Tag("Gradient.Running", NUMBER, choices=("No", "Yes")),
        Tag("OutletValve.Position", NUMBER, choices=("WasteF1", "F2", "F3")),
        Tag("Instruction.Accepted", NUMBER),
        Tag("Instruction.Completed", NUMBER),
        Tag("System.Flow.SP", FLOW, "mL/min", True, lower=0.0, upper=100 * ML_MIN, readback="System.Flow"),
        Tag("OutletValve.SP", NUMBER, "", True, ("WasteF1", "F2", "F3"), readback="OutletValve.Position"),
        Tag("Gradient.PercentB.SP", PERCENT_B, "%B", True, lower=0.0, upper=100.0),
        Tag("UV1.Lamp.SP", NUMBER, "", True, ("Off", "On")),
        *(Tag(f"Extra.Value{number}", PRESSURE, "MPa", lower=0.0, upper=1e7) for number in range(extra)),
    ]
    instructions = [
        Instruction("Gradient", (Argument("percent_b", PERCENT_B, "%B"), Argument("volume", VOLUME, "mL"))),
        Instruction("AutoZero"),
        Instruction("Break"),
        Instruction("Stall"),
    ]
    return TagTable.of("skid1", tags, instructions)


class TrivialSkid:
    """Flow follows its set-point at once, the outlet valve too; everything else is a function of time."""

    def __init__(self, extra: int = 0) -> None:
        self.table = skid_table(extra)
        self.time = 0.0
        self.restart()

    def restart(self) -> None:
        """As new, except for the time."""
        self.accepted = 0
        self.calls: list[tuple[str, dict[str, float], int, str]] = []
        self.points = {tag.name: 0.0 for tag in self.table.writable}
        self.quality: dict[str, Quality] = {}
        self.broken = False
        self.stalls = 0

    def image(self) -> Image:
        """The values now."""
        values = {
            "System.ProcessTime": self.time,
            "System.State": 1.0,
            "System.Flow": self.points["System.Flow.SP"],
            "UV1.Signal": 1.5 + math.sin(self.time),
            "Cond.Temperature": 298.15,
            "Pressure.System": 3e5,
            "Gradient.Running": 1.0 if any(name == "Gradient" for name, *_ in self.calls) else 0.0,
            "OutletValve.Position": self.points.get("OutletValve.SP", 0.0),
            "Instruction.Accepted": float(self.accepted),
            "Instruction.Completed": float(self.accepted),
        }
        names = [tag.name for tag in self.table.readable]
        worst = [self.quality.get(name, Quality.GOOD) for name in names] if self.quality else None
        return Image(self.time, [values.get(name, 1e6) for name in names], worst)

    def set_points(self) -> Sequence[float]:
        """The set-points in force."""
        return list(self.points.values())

    def write(self, values: Mapping[str, float]) -> None:
        """Take set-points over; 66 mL/min is refused."""
        if math.isclose(values.get("System.Flow.SP", 0.0), 66 * ML_MIN):
            raise InstructionRefused(Finding("skid1", "66 mL/min is an unlucky flow"))
        self.points.update(values)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Accept an instruction; a gradient to more than 90 %B is refused."""
        if number <= self.accepted:
            return
        if instruction == "Break":
            self.broken = True
        if instruction == "Stall":
            self.stalls = 1
        if arguments.get("percent_b", 0.0) > 90.0:
            raise InstructionRefused(Finding("skid1", "too steep"))
        self.accepted = number
        self.calls.append((instruction, dict(arguments), number, owner))

    def advance(self, process_time: float) -> None:
        """Let time run."""
        if self.broken:
            raise RuntimeError("the shaft broke")
        if self.stalls:
            self.stalls -= 1
            return
        self.time = max(self.time, process_time)


def main() -> None:
    """Serve in this process: ``trivial_skid.py PKI_FOLDER real|lock-step EXTRA_TAGS [PORT]``."""
    folder, manner, extra = sys.argv[1], sys.argv[2], int(sys.argv[3])
    identity = own_identity(Path(folder), "urn:minifactory:test:skid1")
    port = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    serve(TrivialSkid(extra), ServerSettings(identity, port=port, lock_step=manner == "lock-step"))


if __name__ == "__main__":
    main()
