"""A bench-top skid for the tests of the controller: small, but it moves, lags, refuses and fails like a
real one.

Pumps ramp, valves take 0.4 s, instructions are accepted after 0.3 s, gradients run in pumped volume, a wash
takes 86 s with no flow to the column. UV is a peak over the composition, pressure is proportional to the
flow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from minifactory.clock import Clock
from minifactory.errors import EquipmentError
from minifactory.signals import Argument, Instruction, InstructionRefused, Quality, Reading, Tag, TagTable
from minifactory.units import (
    ABSORBANCE,
    CONDUCTIVITY,
    FLOW,
    NUMBER,
    PERCENT_B,
    PRESSURE,
    TIME,
    VOLUME,
)

ML = 1e-6
ML_MIN = ML / 60.0
NO_YES = ("No", "Yes")
OUTLETS = ("WasteF1", "F2", "F3", "F4")
STATES = ("Ready", "Running", "Paused", "Alarm", "Safe")
VALVE_TIME, ACCEPT_TIME, RAMP = 0.4, 0.3, 5.0 * ML_MIN
WASH_TIME = 86.0


def bench_table(extra: int = 0) -> TagTable:
    """The bench skid's tags, with `extra` further readings that change in every scan."""
    return TagTable.of(
        "bench1",
        [
            Tag("System.State", NUMBER, choices=STATES),
            Tag("System.Flow", FLOW, "mL/min"),
            Tag("Gradient.PercentB", PERCENT_B, "%B"),
            Tag("Gradient.Running", NUMBER, choices=NO_YES),
            Tag("InjectionValve.Position", NUMBER, choices=("Load", "Inject", "Waste")),
            Tag("OutletValve.Position", NUMBER, choices=OUTLETS),
            Tag("UV1.Signal", ABSORBANCE, "mAU"),
            Tag("Cond.Signal", CONDUCTIVITY, "mS/cm"),
            Tag("Pressure.System", PRESSURE, "MPa"),
            Tag("PumpWash.Running", NUMBER, choices=NO_YES),
            Tag("Instruction.Accepted", NUMBER),
            Tag("Instruction.Completed", NUMBER),
            Tag("Heartbeat.Echo", NUMBER),
            Tag("System.ProcessTime", TIME, "s"),
            Tag("System.Volume", VOLUME, "mL"),
            *(Tag(f"Extra{place}.Signal", NUMBER) for place in range(extra)),
            Tag(
                "System.Flow.SP", FLOW, "mL/min", True, lower=0.0, upper=100 * ML_MIN, readback="System.Flow"
            ),
            Tag(
                "Gradient.PercentB.SP",
                PERCENT_B,
                "%B",
                True,
                lower=0.0,
                upper=100.0,
                readback="Gradient.PercentB",
            ),
            Tag(
                "InjectionValve.SP",
                NUMBER,
                "",
                True,
                ("Load", "Inject", "Waste"),
                readback="InjectionValve.Position",
            ),
            Tag("OutletValve.SP", NUMBER, "", True, OUTLETS, readback="OutletValve.Position"),
            Tag("Heartbeat.SP", NUMBER, "", True),
        ],
        [
            Instruction("Gradient", (Argument("percent_b", PERCENT_B), Argument("volume", VOLUME))),
            Instruction("AutoZero"),
            Instruction("PumpWash", (Argument("pump", NUMBER),)),
            Instruction("Continue"),
            Instruction("ClearAlarm"),
        ],
    )


class BenchSkid:
    """The bench skid in lock-step or, with a clock, free running (it follows the clock by itself).

    `unplugged` makes every call fail, `frozen` lets readings stand still, `corrupt` overwrites readings,
    `stuck` names set-points that are accepted and not obeyed, `refuse` set-points and instructions that are
    not accepted, `deaf` makes instructions vanish.
    """

    STEP = 0.1

    def __init__(self, clock: Clock | None = None, extra: int = 0) -> None:
        self.table = bench_table(extra)
        self.time = 0.0
        self.clock = clock
        self.setpoints = {tag.name: 0.0 for tag in self.table.writable}
        self.values = {tag.name: 0.0 for tag in self.table.readable}
        self.writes: list[tuple[float, dict[str, float]]] = []
        self.calls: list[tuple[float, str, dict[str, float], int]] = []
        self.done: list[tuple[str, int]] = []
        self.unplugged = self.frozen = self.deaf = False
        self.corrupt: dict[str, Reading] = {}
        self.stuck: set[str] = set()
        self.refuse: set[str] = set()
        self.resistance = 2e5 / (5.0 * ML_MIN)
        self.pumped = 0.0
        self._extra = extra
        self._due: list[tuple[float, str, float]] = []
        self._waiting: list[tuple[float, str, dict[str, float], int]] = []
        self._gradient: tuple[float, float, float, float, int] | None = None
        self._wash_until: tuple[float, int] | None = None
        self._image: dict[str, Reading] = {}
        self._last_number = 0
        self._publish()

    # SignalBackend

    def read(self) -> Mapping[str, Reading]:
        self._link()
        self._follow_clock()
        return self._image

    def write(self, values: Mapping[str, float]) -> None:
        self._link()
        self._follow_clock()
        refused = self.refuse & set(values)
        if refused:
            raise InstructionRefused(f"{sorted(refused)[0]} refused")
        self.writes.append((self.time, dict(values)))
        for name, value in values.items():
            changed = self.setpoints[name] != value
            self.setpoints[name] = value
            if name in self.stuck:
                continue
            if name == "Gradient.PercentB.SP" and changed:
                self._gradient = None
                self._waiting = [item for item in self._waiting if item[1] != "Gradient"]
                self._due.append((self.time + ACCEPT_TIME, "Gradient.PercentB", value))
            elif name.endswith("Valve.SP"):
                self._due.append((self.time + VALVE_TIME, name.replace(".SP", ".Position"), value))
            elif name == "Heartbeat.SP":
                self._due.append((self.time, "Heartbeat.Echo", value))

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        assert owner == self.table.skid
        self._link()
        self._follow_clock()
        if instruction in self.refuse:
            raise InstructionRefused(f"{instruction} refused")
        self.calls.append((self.time, instruction, dict(arguments), number))
        if not self.deaf and number > self._last_number:
            self._last_number = number
            if instruction == "Gradient":
                self.setpoints["Gradient.PercentB.SP"] = arguments["percent_b"]
            self._waiting.append((self.time + ACCEPT_TIME, instruction, dict(arguments), number))

    def advance(self, process_time: float) -> None:
        self._link()
        if self.clock is None:
            self._run_to(process_time)

    def now(self) -> float:
        return self.time if self.clock is None else self.clock.link_time()

    def close(self) -> None:
        self.unplugged = True

    # The skid itself

    def _link(self) -> None:
        if self.unplugged:
            raise EquipmentError("bench1: no answer")

    def _follow_clock(self) -> None:
        if self.clock is not None:
            self._run_to(self.clock.now())

    def _run_to(self, time: float) -> None:
        while self.time < time - 1e-9:
            self._step(min(self.STEP, time - self.time))
        self._publish()

    def _step(self, dt: float) -> None:
        values = self.values
        self.time += dt
        for due in [item for item in self._due if item[0] <= self.time + 1e-9]:
            self._due.remove(due)
            values[due[1]] = due[2]
        for waiting in [item for item in self._waiting if item[0] <= self.time + 1e-9]:
            self._waiting.remove(waiting)
            self._accept(*waiting[1:])
        stopped = self._wash_until is not None or STATES[int(values["System.State"])] in (
            "Paused",
            "Alarm",
            "Safe",
        )
        wanted = 0.0 if stopped or "System.Flow.SP" in self.stuck else self.setpoints["System.Flow.SP"]
        before = values["System.Flow"]
        flow = before + max(-RAMP * dt, min(RAMP * dt, wanted - before))
        values["System.Flow"] = flow
        volume = 0.5 * (before + flow) * dt
        self.pumped += volume
        self._mix(volume)
        if self._wash_until is not None and self.time >= self._wash_until[0]:
            self._finish("PumpWash", self._wash_until[1])
            self._wash_until = None
        if not stopped:
            values["System.State"] = float(STATES.index("Running" if flow > 0.0 else "Ready"))
        part = values["Gradient.PercentB"]
        values["UV1.Signal"] = math.exp(-(((part - 50.0) / 10.0) ** 2)) if flow > 0.0 else 0.0
        values["Cond.Signal"] = 0.1 + 0.05 * part
        values["Pressure.System"] = self.resistance * flow
        values["System.ProcessTime"], values["System.Volume"] = self.time, self.pumped
        values["PumpWash.Running"] = float(self._wash_until is not None)
        values["Gradient.Running"] = float(self._gradient is not None)
        for place in range(self._extra):
            values[f"Extra{place}.Signal"] = self.time + place

    def _mix(self, volume: float) -> None:
        if self._gradient is None:
            return
        start, target, length, passed, number = self._gradient
        passed += volume
        part = min(1.0, passed / length) if length > 0.0 else 1.0
        self.values["Gradient.PercentB"] = start + (target - start) * part
        self._gradient = (start, target, length, passed, number)
        if part >= 1.0:
            self._gradient = None
            self._finish("Gradient", number)

    def _accept(self, instruction: str, arguments: dict[str, float], number: int) -> None:
        self.values["Instruction.Accepted"] = float(number)
        if instruction == "Gradient":
            start = self.values["Gradient.PercentB"]
            self._gradient = (start, arguments["percent_b"], arguments["volume"], 0.0, number)
        elif instruction == "PumpWash":
            self._wash_until = (self.time + WASH_TIME, number)
        else:
            if instruction in ("Continue", "ClearAlarm"):
                self.values["System.State"] = 1.0
            self._finish(instruction, number)

    def _finish(self, instruction: str, number: int) -> None:
        self.done.append((instruction, number))
        self.values["Instruction.Completed"] = float(number)

    def _publish(self) -> None:
        if self.frozen:
            return
        stamp = self.now()
        self._image = {name: Reading(value, stamp, Quality.GOOD) for name, value in self.values.items()}
        self._image.update(self.corrupt)
