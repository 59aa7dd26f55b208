"""The virtual skid: equipment control, process model and detectors behind the tags of a real skid.

Everything follows from the description, the true parameters and the seed; time is an argument. Inside, time
goes in samples of `period`, so that one long advance and many short ones to the same multiples give the same
run.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.opcua.source import Image
from minifactory.plant.model import Skid
from minifactory.plant.parameters import ParameterSet
from minifactory.signals import Quality, TagTable
from minifactory.skid.faults import Buttons, Fault, FaultKind, extra_pressure, falsify
from minifactory.twin.actuators import Actuators
from minifactory.twin.latency import DrawnLatency
from minifactory.twin.process import ProcessModel, ProcessValues
from minifactory.twin.pumps import Segment
from minifactory.twin.sensors import Sensors

PERIOD = 1.0
"""s of process time between two samples of the detectors (the scan of a lock-step run)."""
REMEMBERED = 1000
"""Instructions that are remembered for inspection."""


class Call(NamedTuple):
    """An instruction as it arrived: process time (s), owner, name, number."""

    time: float
    owner: str
    instruction: str
    number: int


class VirtualSkid:
    """A skid without hardware; offers what :class:`minifactory.opcua.source.TagSource` asks for.

    Parameters
    ----------
    table : TagTable
        The skid's tags and instructions.
    skid : Skid
        Its devices.
    process : ProcessModel
        What flows through it.
    parameters : ParameterSet
        The truth: gain of pumps and detectors, noise and so on (``docs/virtual-skid.md``).
    seed : int
        Of latencies and noise.
    period : float
        s of process time between two samples.
    link_speed : float or None
        Process seconds per second of link time, for the heartbeat; None in lock-step.
    faults : sequence of Fault
        What is to go wrong.

    Raises
    ------
    InputError
        When the table has readable tags that nothing of the skid provides.
    """

    def __init__(
        self,
        table: TagTable,
        skid: Skid,
        process: ProcessModel,
        parameters: ParameterSet,
        seed: int,
        period: float = PERIOD,
        link_speed: float | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        latency_seed, noise_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
        self.table = table
        self.process = process
        self.period = period
        self.faults = tuple(faults)
        self._buttons = Buttons()
        self.calls: deque[Call] = deque(maxlen=REMEMBERED)
        self.actuators = Actuators(table, skid, parameters, DrawnLatency(latency_seed), link_speed)
        self._sensors = Sensors(table, skid, process, parameters, noise_seed)
        self._names = tuple(tag.name for tag in table.readable)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._truth = process.values()
        self._image = Image(self._truth.time, [0.0] * len(self._names))
        self._image = self._sample(self._truth)

    @property
    def time(self) -> float:
        """Process time in s."""
        return self.actuators.time

    @property
    def truth(self) -> ProcessValues:
        """What is really the case; a controller never sees it."""
        return self._truth

    def image(self) -> Image:
        """The readable tags as they are now."""
        return self._image

    def set_points(self) -> Sequence[float]:
        """The set-points as accepted (SI), in the order of ``table.writable``."""
        return list(self.actuators.state.registers.values())

    def write(self, values: Mapping[str, float]) -> None:
        """Take over set-points (SI), all of them or none; InstructionRefused with every reason."""
        self.actuators.write(values)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Accept an instruction (SI); a number accepted before is ignored. InstructionRefused says why."""
        self.actuators.call(instruction, arguments, number)
        self.calls.append(Call(self.time, owner, instruction, number))

    def advance(self, process_time: float) -> None:
        """Let process time run to `process_time` (s); earlier times change nothing."""
        while self.time < process_time - 1e-9:
            samples = math.floor(self.time / self.period + 1e-9) + 1
            until = min(samples * self.period, process_time)
            self.face(self.process.advance(self.move(until)), until)

    def console(self, action: str) -> None:
        """Do what a person does at the equipment itself: ``hold``, ``pause``, ``continue`` or ``end``."""
        self.actuators.console(action)

    def inject(self, fault: Fault) -> None:
        """Add a fault; for tests, not for controllers."""
        self.faults = (*self.faults, fault)

    def clear_faults(self) -> None:
        """Take all faults away."""
        self.faults = ()

    def move(self, until: float) -> list[Segment]:
        """What pumps and valves do up to process time `until` (s); the process has to follow."""
        if self.faults:
            for action in self._buttons.pressed(self.faults, self.time):
                self.console(action)
        return self.actuators.advance(until)

    def face(self, truth: ProcessValues, until: float) -> None:
        """Measure what is the case at process time `until` (s)."""
        if self.faults:
            extra = extra_pressure(self.faults, until)
            truth = replace(truth, system_pressure=truth.system_pressure + extra) if extra else truth
        self._truth = truth
        if truth.system_pressure > self.actuators.pressure_limit and not self.actuators.alarm:
            self.actuators.trip_pressure()
        self._image = self._sample(truth)

    def _sample(self, truth: ProcessValues) -> Image:
        """The image of this instant."""
        state = self.actuators.state
        signals = self.actuators.signals()
        measured, qualities = self._sensors.sample(truth, state.settings, state.autozeros)
        signals.update(measured)
        signals["Air.PumpA"], signals["Air.PumpB"] = float(truth.air[0]), float(truth.air[1])
        signals.update(truth.readings)
        try:
            values = [signals[name] for name in self._names]
        except KeyError:
            missing = [name for name in self._names if name not in signals]
            raise InputError(
                [Finding(f"{self.table.skid} {name}", "is a tag that nothing provides") for name in missing]
            ) from None
        if not qualities and not self.faults:
            return Image(state.time, values)
        listed = [qualities.get(name, Quality.GOOD) for name in self._names]
        falsify(self.faults, state.time, self._places, values, listed, list(self._image.values))
        if any(
            fault.kind is FaultKind.FREEZE and not fault.tag and fault.acts(state.time)
            for fault in self.faults
        ):
            return self._image
        return Image(state.time, values, listed)
