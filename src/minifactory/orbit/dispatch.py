"""The last step of the scan, and its echo in the next ones: send, record, and see that it is obeyed."""

from __future__ import annotations

import math

from minifactory.errors import EquipmentError
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.guards import LinkGuard
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions, Step
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy
from minifactory.orbit.recorder import Recorder
from minifactory.records.documents import Priority, Stage
from minifactory.signals import InstructionRefused, SignalBackend

RETRY = 0.5
"""Link time in s between two attempts to write over a link that fails."""


class Dispatch:
    """Sends set-points and instructions of one skid and follows them; refusals and silence become demands."""

    def __init__(
        self,
        backend: SignalBackend,
        policy: Policy,
        outputs: Outputs,
        instructions: Instructions,
        guard: LinkGuard,
        alarms: Alarms,
        recorder: Recorder,
    ) -> None:
        self._backend, self._policy = backend, policy
        self._outputs, self._instructions = outputs, instructions
        self._guard, self._alarms, self._recorder = guard, alarms, recorder
        self._tried = -math.inf

    def verify(self, image: Image, process: float, link: float) -> list[Demand]:
        """Compare read-backs with what was sent; demands of what was not obeyed."""
        demands: list[Demand] = []
        confirmed, overdue = self._outputs.verify(image, process, link, self._instructions.blocking)
        for order in confirmed:
            self._recorder.setpoints(process, order, Stage.COMPLETED)
            for name in order.values:
                self._alarms.clear(f"Unconfirmed {name}")
        for order, name in overdue:
            message = f"{name} was not obeyed within its deadline"
            self._recorder.setpoints(process, order, Stage.OVERDUE, message)
            demands.append(self._unconfirmed(name, message, process))
        for step in self._instructions.follow(image, process, link):
            demands += self._report(step, process)
        return demands

    def send(self, process: float, link: float) -> tuple[dict[str, float], list[Demand]]:
        """Send what waits: set-points in one write, then instructions; what was written (SI), and demands."""
        failing = self._guard.faulty("write") is not None and not self._policy.lock_step
        if failing and link - self._tried < RETRY:
            return {}, []
        self._tried = link
        written: dict[str, float] = {}
        demands: list[Demand] = []
        try:
            written, orders = self._outputs.flush(self._backend, process, link)
            for order in orders:
                self._recorder.setpoints(process, order, Stage.ISSUED)
                if not order.open:
                    self._recorder.setpoints(process, order, Stage.COMPLETED)
            for step in self._instructions.flush(self._backend, link):
                demands += self._report(step, process)
            if written:
                self._guard.good("write")
        except InstructionRefused as refusal:
            for order in self._outputs.forget_failed():
                self._recorder.setpoints(process, order, Stage.REFUSED, str(refusal))
            demands.append(self._refused("set-points", str(refusal), process))
        except EquipmentError as fault:
            self._guard.fault("write", str(fault), link)
        return written, demands

    def _report(self, step: Step, process: float) -> list[Demand]:
        issued, stage, message = step
        self._recorder.instruction(process, issued, stage, message)
        if stage is Stage.REFUSED:
            return [self._refused(issued.name, message, process)]
        if stage is Stage.OVERDUE:
            text = f"{issued.name} (number {issued.number}) was not accepted within its deadline"
            return [self._unconfirmed(issued.name, text, process)]
        return []

    def _refused(self, name: str, message: str, process: float) -> Demand:
        self._alarms.set(f"Refused {name}", Priority.HIGH, message, process - self._recorder.origin)
        return Demand(name, self._policy.on_unconfirmed, message, True)

    def _unconfirmed(self, name: str, message: str, process: float) -> Demand:
        self._alarms.set(f"Unconfirmed {name}", Priority.HIGH, message, process - self._recorder.origin)
        return Demand(name, self._policy.on_unconfirmed, message, True)
