"""Carrying out: what each ISA-88 state does to the equipment, and what the method's breakpoints ask for.

Hold freezes a running gradient and the counters, the flow goes on. Pause stops the pumps, valves stay. Stop
(and the end of a complete run) stops the pumps first and then takes the safe state; Abort takes the safe
state at once, in one write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from minifactory.orbit.authority import Authority
from minifactory.orbit.current import Current
from minifactory.orbit.gradient import GradientTrack
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.orbit.words import Words
from minifactory.recipe.bound import BoundAction
from minifactory.signals import TagTable

PAUSE, INTERLOCK_PAUSE, INTERLOCK = "pause", "interlock pause", "interlock"
"""Who may reduce the flow."""


_STANDING = {"Alarm": "ClearAlarm", "Paused": "Continue", "Held": "Continue", "Safe": "ClearAlarm"}
"""States in which the equipment stands for a reason of its own, and the instruction that ends each."""


class Conduct:
    """The hands of the engine: turns actions and states into set-points and instructions.

    Attributes
    ----------
    safe : BoundAction
        The declared safe state.
    words : Words
        The tags that the controller knows by meaning.
    gradient : GradientTrack
        The gradient that runs in the equipment.
    """

    def __init__(
        self,
        table: TagTable,
        words: Words,
        policy: Policy,
        image: Image,
        outputs: Outputs,
        instructions: Instructions,
        safe: BoundAction,
        authority: Authority,
    ) -> None:
        self.safe = safe
        self._authority = authority
        self.gradient = GradientTrack()
        self.words, self._table, self._policy = words, table, policy
        self._image, self._outputs, self._instructions = image, outputs, instructions
        self._shutting_down = False
        self._waiting = False
        self._entered, self._entered_link = 0.0, 0.0

    def follow(
        self, action: BoundAction, source: str, process: float, link: float, current: Current | None
    ) -> None:
        """Ask for what the recipe wants in this scan; what somebody else holds is kept for later."""
        setpoints = self._authority.permitted(action.setpoints)
        composition = self.words.composition_setpoint
        if composition is not None and self._authority.held(composition):
            if composition in action.setpoints:
                self.gradient.cancelled()
            for item in action.instructions:
                if item.name == self.words.gradient:
                    self.gradient.issued(item.arguments)
                    self._authority.withheld.pop(composition, None)
            kept = tuple(item for item in action.instructions if item.name != self.words.gradient)
            action = replace(action, instructions=kept)
        self.apply(replace(action, setpoints=setpoints), source, process, link, current)

    def hand_back(self, names: Sequence[str], process: float, link: float) -> None:
        """The things `names` are with the recipe again: what it asked for meanwhile comes into force."""
        values = self._authority.returned(names)
        self._outputs.want(values, "handed back")
        composition = self.words.composition_setpoint
        if composition is not None and composition.removesuffix(".SP") in names and composition not in values:
            self._continue_gradient(process, link)

    def apply(
        self, action: BoundAction, source: str, process: float, link: float, current: Current | None
    ) -> None:
        """Ask for everything in `action` on behalf of `source` in this scan."""
        self._outputs.want(action.setpoints, source)
        if self.words.composition_setpoint in action.setpoints and not self._authority.held(
            self.words.composition_setpoint or ""
        ):
            self.gradient.cancelled()
        for item in action.instructions:
            self._instructions.ask(item.name, item.arguments, source, process, link)
            if item.name == self.words.gradient:
                self.gradient.issued(item.arguments)
                self._outputs.release(self.words.composition_setpoint)
        if current is not None:
            seen_by = self._seen_by(action)
            current.levels.moved(seen_by)
            if action.outlet is not None:
                current.levels.switch(action.outlet, seen_by)

    def enter(self, state: State, equipment: str | None, process: float, link: float) -> None:
        """What entering `state` does to the equipment, which says itself to be in `equipment`."""
        self._entered, self._entered_link = process, link
        match state:
            case State.HOLDING:
                self._freeze_gradient()
            case State.PAUSING:
                self._outputs.reduce(PAUSE, 0.0)
            case State.RESUMING | State.RESTARTING:
                self._waiting = self._tell_to_go_on(equipment, state.value, process, link)
                if not self._waiting:
                    self._go_on(state, process, link)
            case State.STOPPING | State.COMPLETING:
                self._end_programmes()
                self._shutting_down = self.words.flow_setpoint is not None
                if self.words.flow_setpoint is not None:
                    self._outputs.want({self.words.flow_setpoint: 0.0}, state.value)
                else:
                    self._take_safe_state(state.value, process, link)
            case State.ABORTING:
                self._end_programmes()
                self._shutting_down = False
                self._take_safe_state(state.value, process, link)
            case State.IDLE:
                for who in (PAUSE, INTERLOCK_PAUSE):
                    self._outputs.reduce(who, None)
            case _:
                pass

    def finished(self, state: State, equipment: str | None, process: float, link: float) -> bool:
        """Whether the passing `state` has done its work."""
        patient = process - self._entered < self._policy.settle
        patient = patient or link - self._entered_link < self._policy.readback_link
        if state is State.HOLDING:
            return True
        if state in (State.RESUMING, State.RESTARTING) and self._waiting:
            if equipment in _STANDING and patient:
                return False
            self._waiting = False
            self._outputs.reassert()
            self._go_on(state, process, link)
            if state is State.RESUMING:
                self._continue_gradient(process, link)
                return False
        if state is State.RESTARTING:
            return True
        if not self._outputs.settled and patient:
            return False
        if self._shutting_down:
            # The pumps stand still (or were given time enough): now the rest of the safe state.
            self._shutting_down = False
            self._entered, self._entered_link = process, link
            self._take_safe_state(state.value, process, link)
            return False
        return True

    def _go_on(self, state: State, process: float, link: float) -> None:
        self._outputs.reduce(INTERLOCK_PAUSE, None)
        self._outputs.reduce(PAUSE, None)
        if state is State.RESTARTING:
            self._continue_gradient(process, link)

    def _tell_to_go_on(self, equipment: str | None, source: str, process: float, link: float) -> bool:
        """Lift a pause or alarm that the equipment itself is in; True when that is to be waited for."""
        if equipment not in _STANDING:
            return False
        name = _STANDING[equipment]
        if name in self._table.instructions:
            self._instructions.ask(name, {}, source, process, link)
        return True

    def _end_programmes(self) -> None:
        self._instructions.drop()
        self.gradient.cancelled()

    def _take_safe_state(self, source: str, process: float, link: float) -> None:
        self._outputs.replace(self.safe.setpoints, source)
        for item in self.safe.instructions:
            self._instructions.ask(item.name, item.arguments, source, process, link)

    def _freeze_gradient(self) -> None:
        words = self.words
        if not self.gradient.running or words.composition is None or words.composition_setpoint is None:
            return
        if self._authority.held(words.composition_setpoint):
            return
        present = self._image.last(words.composition)
        if present is not None:
            tag = self._table.tags[words.composition_setpoint]
            self._outputs.want({words.composition_setpoint: min(max(present, tag.lower), tag.upper)}, "hold")

    def _continue_gradient(self, process: float, link: float) -> None:
        if not self.gradient.running or self.words.gradient is None:
            return
        if self.words.composition_setpoint and self._authority.held(self.words.composition_setpoint):
            return
        rest = self.gradient.rest
        self._instructions.ask(self.words.gradient, rest, "restart", process, link)
        self.gradient.issued(rest)
        self._outputs.release(self.words.composition_setpoint)

    def _seen_by(self, action: BoundAction) -> dict[str, float]:
        tags = self._table.tags
        return {
            tags[name].readback: value
            for name, value in action.setpoints.items()
            if tags[name].choices and tags[name].readback in tags
        }
