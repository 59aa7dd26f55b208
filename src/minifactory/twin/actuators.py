"""The equipment's own control: from set-points and instructions to what pumps and valves truly do.

One class serves both worlds: with nominal latencies it is part of the prediction, with drawn latencies and
the true gains of the pumps part of the virtual skid. It is a plain object without clock, thread or random
state: process time is an argument, :meth:`Actuators.snapshot` and :meth:`Actuators.restore` roll it back.

Manners, after the logbook of a real AKTApurifier run (``pH5pt1_25pt2CV.asc``) where it tells, else assumed:

- valves, set-points and instructions take effect after a latency; in one channel they keep their order;
- a higher flow and a pump wash wait for the valves that were sent before them;
- pumps ramp linearly, together, so that the composition is kept while the flow changes;
- a gradient is linear in pumped volume; it stands while nothing flows;
- a pump wash stops the flow to the column for 86 s, then the flow returns;
- an alarm stops the pumps at once, ends programmes and sets the flow set-point to zero.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

from minifactory.plant.model import Skid
from minifactory.plant.parameters import ParameterSet
from minifactory.signals.tags import TagTable
from minifactory.twin import pumps
from minifactory.twin.commands import (
    FLOW,
    HEARTBEAT,
    PERCENT_B,
    PRESSURE_LIMIT,
    Condition,
    instruction_findings,
    refuse,
    setpoint_findings,
)
from minifactory.twin.latency import Latency, NominalLatency
from minifactory.twin.machine import ActuatorState, Pending, Wash, machine_of
from minifactory.twin.pumps import Gradient, Segment

STOP_TIME = 0.2
"""s in which a pump at full speed comes to rest on an alarm (assumed)."""


class Actuators:
    """The state machine of one skid's pumps, valves, programmes and alarms.

    Parameters
    ----------
    table : TagTable
        The skid's tags; names as in the tag contract.
    skid : Skid
        Its devices give ramps, limits and switching times.
    parameters : ParameterSet
        ``<skid>.PumpA.gain``, ``<skid>.PumpB.gain`` and those named in ``docs/virtual-skid.md``.
    latency : Latency
        Nominal for predictions, drawn for the virtual skid.
    link_speed : float or None
        Process seconds per second of link time, for the heartbeat; None suspends it (lock-step).
    """

    def __init__(
        self,
        table: TagTable,
        skid: Skid,
        parameters: ParameterSet,
        latency: Latency | None = None,
        link_speed: float | None = None,
    ) -> None:
        self.table = table
        self.machine = machine_of(table, skid, parameters)
        self.latency: Latency = NominalLatency() if latency is None else latency
        self.link_speed = link_speed
        rate = self.machine.max_flow / STOP_TIME
        self._stop_rates = (rate, rate)
        self._states = {name: float(at) for at, name in enumerate(table.tag("System.State").choices)}
        self._valve_places = {f"{valve}.SP": at for at, valve in enumerate(self.machine.valves)}
        self._position_tags = tuple(f"{valve}.Position" for valve in self.machine.valves)
        registers = {tag.name: self.machine.initial.get(tag.name, 0.0) for tag in table.writable}
        elsewhere = {FLOW, PERCENT_B, *self._valve_places}
        settings = {name: value for name, value in registers.items() if name not in elsewhere}
        self.state = ActuatorState(
            leg=pumps.steady(0.0, 0.0, 0.0, 0.0, None),
            registers=registers,
            settings=settings,
            positions=tuple(int(registers[name]) for name in self._valve_places),
        )

    @property
    def time(self) -> float:
        """Process time in s."""
        return self.state.time

    @property
    def valves(self) -> tuple[str, ...]:
        """Names of the valves, in the order of :attr:`Segment.positions`."""
        return self.machine.valves

    @property
    def flow(self) -> float:
        """Nominal system flow in m3/s now (what the pumps believe to deliver)."""
        return self.state.leg.flow(self.state.time)

    @property
    def volume(self) -> float:
        """Nominal volume in m3 pumped to the system since the start."""
        return self.state.leg.volume(self.state.time)

    @property
    def pressure_limit(self) -> float:
        """The pressure in Pa above which the equipment stops its pumps; set to 0: the skid's own limit."""
        chosen = self.state.settings.get(PRESSURE_LIMIT, 0.0)
        return min(chosen, self.machine.max_pressure) if chosen > 0.0 else self.machine.max_pressure

    @property
    def alarm(self) -> str:
        """The alarm that stands, in words; empty when there is none."""
        if self.state.safe:
            return "in the safe state"
        if self.state.ended:
            return "the run was ended at the equipment"
        return "the pressure alarm stands" if self.state.pressure_alarm else ""

    def named_positions(self, positions: tuple[int, ...]) -> dict[str, str]:
        """Valve name -> position name for the positions of a segment."""
        return {
            valve: self.table.tags[f"{valve}.SP"].choices[position]
            for valve, position in zip(self.valves, positions, strict=True)
        }

    def snapshot(self) -> ActuatorState:
        """A copy of everything that changes."""
        return copy.copy(self.state)

    def restore(self, state: ActuatorState) -> None:
        """Go back to a snapshot, which stays usable."""
        self.state = copy.copy(state)

    def write(self, values: Mapping[str, float]) -> None:
        """Take over set-points (SI), all of them or none; values that do not change do nothing.

        Raises
        ------
        InstructionRefused
            With every reason.
        """
        state = self.state
        refuse(setpoint_findings(self.table, values, self.machine.max_flow, self.alarm))
        registers = dict(state.registers)
        for name in registers:
            if name not in values or values[name] == registers[name]:
                continue
            value = float(values[name])
            registers[name] = value
            place = self._valve_places.get(name)
            if name == HEARTBEAT:
                state.settings = {**state.settings, name: value}
                state.last_beat = state.time
            elif place is not None:
                self._post(name, name, (value,), 0, self.machine.switch_times[place])
        # Valves are posted first: flow and composition come after them.
        for name, channel in ((FLOW, "flow"), (PERCENT_B, "composition")):
            if name in registers and registers[name] != state.registers[name]:
                waits = channel == "flow" and registers[name] > state.flow
                self._post(channel, name, (registers[name],), 0, self.machine.latency, waits)
        for name in state.settings:
            if name != HEARTBEAT and registers[name] != state.registers[name]:
                self._post(name, name, (registers[name],), 0, self.machine.latency)
        state.registers = registers

    def call(self, instruction: str, arguments: Mapping[str, float], number: int) -> None:
        """Accept a one-shot instruction (arguments in SI); a number accepted before is ignored.

        Raises
        ------
        InstructionRefused
            With every reason.
        """
        state = self.state
        if number <= state.accepted:
            return
        condition = Condition(
            paused=self._will_be_paused(),
            alarm=self.alarm,
            washing=state.wash is not None or any(item.name == "PumpWash" for item in state.pending),
        )
        refuse(instruction_findings(self.table, instruction, arguments, condition))
        known = self.table.instructions[instruction]
        ordered = tuple(float(arguments[argument.name]) for argument in known.arguments)
        channel = _CHANNELS.get(instruction, instruction)
        state.accepted = number
        state.outstanding = (*state.outstanding, (number, False))
        if instruction == "Gradient" and PERCENT_B in state.registers:
            # From here on the set-point is the programme's target: a step back to where it began is a change.
            state.registers = {**state.registers, PERCENT_B: ordered[0]}
        self._post(channel, instruction, ordered, number, self.machine.latency, channel == "wash")

    def console(self, action: str) -> None:
        """Do what a person does at the equipment itself: ``hold``, ``pause``, ``continue`` or ``end``.

        Hold keeps the flow and stops a gradient at its present composition; end stops the pumps, until
        ``ClearAlarm`` says that somebody begins anew.
        """
        state = self.state
        if action == "hold":
            state.held = True
            if state.gradient is not None:
                state.composition, state.gradient = state.leg.composition(state.time), None
                state.registers = {**state.registers, PERCENT_B: 100.0 * state.composition}
                self._relaunch()
        elif action == "pause":
            state.paused, state.wash = True, None
            self._relaunch()
        elif action == "continue":
            state.held = state.paused = False
            self._relaunch()
        elif action == "end":
            state.ended, state.held, state.paused = True, False, False
            self._stop()
        else:
            raise ValueError(action)

    def advance(self, until: float) -> list[Segment]:
        """The segments from now to process time `until` (s), with a breakpoint wherever anything changes."""
        segments: list[Segment] = []
        state = self.state
        while True:
            upto = min(until, self._next_event())
            if upto > state.time:
                segments.append(self._segment(state.time, upto))
                state.time = upto
            if not self._happen(state.time) and state.time >= until:
                return segments

    def trip_pressure(self) -> None:
        """The hardware's answer to a pressure above the limit: pumps stop, alarm until ClearAlarm."""
        self.state.pressure_alarm = True
        self._stop()

    def signals(self) -> dict[str, float]:
        """Tag name -> value (SI) of everything that the equipment's own control knows exactly."""
        state = self.state
        leg, time = state.leg, state.time
        a_flow, b_flow = leg.flows(time)
        wash_a, wash_b = self._wash_flows(time)
        values = {
            "System.State": self._states[self._state_name()],
            "System.ProcessTime": time,
            "System.Flow": a_flow + b_flow,
            "System.Volume": leg.volume(time),
            "PumpA.Flow": a_flow + wash_a,
            "PumpB.Flow": b_flow + wash_b,
            "Gradient.PercentB": 100.0 * leg.composition(time),
            "Gradient.Running": float(state.gradient is not None or self._is_pending("Gradient")),
            "PumpWash.Running": float(state.wash is not None or self._is_pending("PumpWash")),
            "Fraction.Number": float(state.fraction),
            "Instruction.Accepted": float(state.accepted),
            "Instruction.Completed": float(state.completed),
            "Alarm.Pressure": float(state.pressure_alarm),
            "Heartbeat.Echo": state.registers.get(HEARTBEAT, 0.0),
        }
        for name, position in zip(self._position_tags, state.positions, strict=True):
            values[name] = float(position)
        for name, value in state.settings.items():
            values[name[:-3]] = value
        return values

    def _state_name(self) -> str:
        state = self.state
        if state.safe:
            return "Safe"
        if state.pressure_alarm:
            return "Alarm"
        if state.ended:
            return "Ended"
        if state.paused:
            return "Paused"
        if state.held:
            return "Held"
        moving = state.flow > 0.0 or state.leg.total > 0.0 or state.leg.slope != 0.0 or state.wash is not None
        return "Running" if moving else "Ready"

    def _is_pending(self, name: str) -> bool:
        return any(item.name == name for item in self.state.pending)

    def _will_be_paused(self) -> bool:
        paused = self.state.paused
        for item in self.state.pending:
            if item.channel == "control":
                paused = item.name == "Pause"
        return paused

    def _post(
        self,
        channel: str,
        name: str,
        arguments: tuple[float, ...],
        number: int,
        latency: tuple[float, float],
        after_valves: bool = False,
    ) -> None:
        state = self.state
        state.actions += 1
        due = state.time + self.latency.of(state.actions, *latency)
        for item in state.pending:
            if item.channel == channel or (after_valves and item.name in self._valve_places):
                due = max(due, item.due)
        item = Pending(due, state.actions, channel, name, arguments, number)
        state.pending = tuple(sorted((*state.pending, item)))

    def _beat_deadline(self) -> float:
        state = self.state
        if self.link_speed is None or state.safe or state.registers.get(HEARTBEAT, 0.0) == 0.0:
            return math.inf
        return state.last_beat + self.machine.heartbeat_timeout * self.link_speed

    def _next_event(self) -> float:
        state = self.state
        upto = min(state.leg.next_breakpoint(state.time), self._beat_deadline())
        if state.pending:
            upto = min(upto, state.pending[0].due)
        if state.wash is not None:
            upto = min(upto, state.wash.end, state.wash.begin if state.wash.begin > state.time else math.inf)
        return upto

    def _happen(self, time: float) -> bool:
        """Let happen the first thing that is due at `time` (s); False when there is none."""
        state = self.state
        if state.pending and state.pending[0].due <= time:
            item, state.pending = state.pending[0], state.pending[1:]
            if self._take_effect(item) and item.number:
                self._complete(item.number)
        elif state.leg.end <= time:
            self._relaunch()
        elif state.wash is not None and state.wash.end <= time:
            state.wash = None
            self._relaunch()
        elif self._beat_deadline() <= time:
            state.safe = True
            self._stop()
        else:
            return False
        return True

    def _complete(self, number: int) -> None:
        """Note that `number` has taken effect; shown once all earlier ones have, too."""
        state = self.state
        rest = [(other, done or other == number) for other, done in state.outstanding]
        while rest and rest[0][1]:
            state.completed = rest.pop(0)[0]
        state.outstanding = tuple(rest)

    def _take_effect(self, item: Pending) -> bool:
        """Do what was accepted; False when it has to wait for a ramp and was posted again."""
        state = self.state
        place = self._valve_places.get(item.name)
        if place is not None:
            positions = list(state.positions)
            positions[place] = int(item.arguments[0])
            state.positions = tuple(positions)
        elif item.name == FLOW:
            state.flow = item.arguments[0]
            self._relaunch()
        elif item.name == PERCENT_B:
            state.composition, state.gradient = item.arguments[0] / 100.0, None
            self._relaunch()
        elif item.name == "Gradient":
            return self._begin_gradient(item)
        elif item.name == "PumpWash":
            self._begin_wash(int(item.arguments[0]))
        elif item.name in ("Pause", "Continue"):
            state.paused = item.name == "Pause"
            state.held = state.held and state.paused
            state.wash = None if state.paused else state.wash
            self._relaunch()
        elif item.name == "AutoZero":
            state.autozeros += 1
        elif item.name == "FractionNext":
            state.fraction += 1
        elif item.name == "ClearAlarm":
            state.pressure_alarm = state.safe = state.ended = False
            state.last_beat = state.time
        else:
            state.settings = {**state.settings, item.name: item.arguments[0]}
        return True

    def _begin_gradient(self, item: Pending) -> bool:
        state = self.state
        leg = state.leg
        if self.alarm:
            return True
        stepping = leg.gradient is None and math.isfinite(leg.end) and self._desired_flow() > 0.0
        if stepping and abs(leg.composition(state.time) - leg.target) > 1e-12:
            state.pending = tuple(sorted((*state.pending, item._replace(due=leg.end))))
            return False
        begin = state.composition if state.gradient is None else leg.composition(state.time)
        percent, volume = item.arguments
        state.gradient = Gradient(leg.volume(state.time), begin, percent / 100.0, volume)
        self._relaunch()
        return True

    def _begin_wash(self, pump: int) -> None:
        state = self.state
        if self.alarm or state.paused:
            return
        end = state.time + self.machine.wash_duration
        state.wash = Wash(pump, math.inf, end)
        self._relaunch()
        standing = state.leg.end if state.leg.slope != 0.0 else state.time
        state.wash = Wash(pump, min(standing, end), end)

    def _stop(self) -> None:
        """Bring the pumps to rest at once, end every programme, drop what is pending for the pumps."""
        state = self.state
        leg = state.leg
        state.composition = leg.composition(state.time)
        state.flow, state.gradient, state.wash = 0.0, None, None
        state.pending = tuple(item for item in state.pending if item.name not in (FLOW, PERCENT_B))
        stopped = {FLOW: 0.0, PERCENT_B: 100.0 * state.composition}
        state.registers = {name: stopped.get(name, value) for name, value in state.registers.items()}
        self._relaunch()

    def _desired_flow(self) -> float:
        state = self.state
        still = state.paused or state.wash is not None or bool(self.alarm)
        return 0.0 if still else state.flow

    def _relaunch(self) -> None:
        """Set the pumps on their way to what is wanted now."""
        state = self.state
        leg, time = state.leg, state.time
        flows, pumped, desired = leg.flows(time), leg.volume(time), self._desired_flow()
        ended = state.gradient
        nothing = pumps.instant(time) * sum(flows)
        if ended is not None and ended.end - pumped <= 1e-9 * ended.volume + nothing:
            state.composition, state.gradient = ended.target, None
        rates = self._stop_rates if self.alarm else self.machine.rates
        if state.gradient is not None:
            total = flows[0] + flows[1]
            state.leg = pumps.along(time, total, pumped, desired, state.gradient, rates)
        else:
            state.leg = pumps.towards(time, flows, pumped, desired, state.composition, rates)

    def _wash_flows(self, time: float) -> tuple[float, float]:
        """What a wash drives through the inlet lines of pumps A and B from `time` (s) on, in m3/s."""
        wash = self.state.wash
        if wash is None or wash.begin > time:
            return 0.0, 0.0
        flow = self.machine.wash_flow
        return (flow, 0.0) if wash.pump == 0 else (0.0, flow)

    def _segment(self, start: float, end: float) -> Segment:
        state = self.state
        leg, (a_gain, b_gain) = state.leg, self.machine.gains
        a_start, b_start = leg.flows(start)
        a_end, b_end = (a_start, b_start) if math.isinf(leg.end) else leg.flows(end)
        wash_a, wash_b = self._wash_flows(start)
        return Segment(
            start,
            end,
            a_start * a_gain,
            a_end * a_gain,
            b_start * b_gain,
            b_end * b_gain,
            wash_a,
            wash_b,
            state.positions,
        )


_CHANNELS = {"Gradient": "composition", "PumpWash": "wash", "Pause": "control", "Continue": "control"}
