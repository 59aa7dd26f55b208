"""The state table and the recipe at work: commands become transitions, breakpoints become actions."""

from __future__ import annotations

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.authority import METHOD, Authority, Level
from minifactory.orbit.checkpoint import Checkpoint, OpenInstruction
from minifactory.orbit.conduct import INTERLOCK_PAUSE, PAUSE, Conduct
from minifactory.orbit.current import Current
from minifactory.orbit.guards import EquipmentGuard, LinkGuard
from minifactory.orbit.hold_until import HoldUntil
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.restart import (
    OF_ITSELF,
    Findings,
    OnRestart,
    drop_unsent_gradient,
    ending_command,
    resting_state,
    take_up,
)
from minifactory.orbit.states import ENDED, ENDING, METHOD_RUNS, PASSING, TABLE, Command, State, request
from minifactory.orbit.timing import Grid, Now
from minifactory.orbit.words import Words
from minifactory.recipe.conditions import Sample
from minifactory.recipe.model import OnTimeout
from minifactory.recipe.procedure import Asked, Breakpoint
from minifactory.records.documents import Priority
from minifactory.signals import Quality
from minifactory.signals.shown import duration

_WITHOUT_PAUSE = frozenset({State.IDLE, State.HOLDING, State.HELD, State.STOPPED, State.COMPLETE})
"""States that know no pause, but in which an interlock can still stop the pumps."""

_COMMANDS = {
    Reaction.HOLD: Command.HOLD,
    Reaction.PAUSE: Command.PAUSE,
    Reaction.STOP: Command.STOP,
    Reaction.ABORT: Command.ABORT,
}


class Sequencer:
    """Where the run stands, and the only place that changes it.

    Attributes
    ----------
    state : State
        ISA-88 state.
    reason : str
        Why.
    current : Current or None
        The run that is loaded.
    hold_until : HoldUntil or None
        What ends the hold; None when a person does.
    """

    def __init__(
        self,
        skid: str,
        words: Words,
        policy: Policy,
        now: Now,
        grid: Grid,
        image: Image,
        outputs: Outputs,
        instructions: Instructions,
        conduct: Conduct,
        equipment: EquipmentGuard,
        link: LinkGuard,
        alarms: Alarms,
        recorder: Recorder,
        authority: Authority,
    ) -> None:
        self.state = State.IDLE
        self.reason = ""
        self.current: Current | None = None
        self.hold_until: HoldUntil | None = None
        self._authority = authority
        self.entered = now.process
        self._entered_link = now.link
        self._skid, self._words, self._policy, self._now, self._grid = skid, words, policy, now, grid
        self._image, self._outputs, self._instructions = image, outputs, instructions
        self._conduct, self._equipment, self._link = conduct, equipment, link
        self._alarms, self._recorder = alarms, recorder

    @property
    def under_way(self) -> bool:
        """Whether a run has started and not ended."""
        return self.current is not None and self.current.under_way

    # Commands and demands

    def react(self, demand: Demand) -> None:
        """Carry out what a guard demands, unless the state meets it already."""
        command = _COMMANDS.get(demand.reaction)
        if command is None:
            return
        if command is Command.PAUSE and self.state in _WITHOUT_PAUSE:
            self._outputs.reduce(INTERLOCK_PAUSE, 0.0)
        elif command in TABLE[self.state]:
            self.go(command, demand.message, demand.name)

    def go(self, command: Command, reason: str, source: str) -> None:
        """Go where the table leads; no effect when the state has satisfied `command` already.

        Raises
        ------
        InputError
            When `command` is not legal in this state.
        """
        before, after = self.state, request(self.state, command, self._skid)
        if after is before:
            return
        now, current = self._now, self.current
        if command in (Command.STOP, Command.ABORT):
            reason = self._with_first_out(reason, source)
        self.state, self.reason = after, reason
        self.entered, self._entered_link = now.process, now.link
        if after not in (State.HOLDING, State.HELD):
            self.hold_until = None
        starting = before is State.IDLE and after is State.RUNNING
        if starting and current is not None:
            self._begin_run(current)
        self._recorder.transition(now.process, before, after, command, reason, source)
        if current is not None and current.under_way:
            if after in (State.STOPPING, State.ABORTING):
                if current.procedure.in_phase:
                    self._recorder.phase_ended(now.process, current.procedure, f"{command.value}: {reason}")
                current.procedure.leave()
            if starting:
                self._go_to(current, 0)
                if self.state is not after:
                    return  # a question comes before the first phase
        if after in ENDING:  # nobody holds anything any longer
            self._all_handed_back(source)
        self._conduct.enter(after, self._equipment.state, now.process, now.link)
        if after in ENDED:
            self._end_run(after, reason)

    def put(self, state: State, reason: str) -> None:
        """Be in `state`, in which the equipment is already: there is nothing to do for it."""
        self.state, self.reason = state, reason
        self.entered, self._entered_link = self._now.process, self._now.link

    def _all_handed_back(self, source: str) -> None:
        held = self._authority.clear()
        if held:
            text = f"the recipe has everything back: {', '.join(held)}"
            self._recorder.note(self._now.process, "authority", source, text, {})

    def _with_first_out(self, reason: str, source: str) -> str:
        """`reason` behind the alarm with which the trouble began, unless it is that alarm itself."""
        first = self._alarms.first_out
        if first is None or source in (first.name, first.name.partition(" ")[2]) or first.message == reason:
            return reason
        return f"{first.message} (first out: {first.name}); then {reason}"

    def restore(self, saved: Checkpoint, found: Findings, policy: OnRestart, current: Current) -> str:
        """Take up the run `saved` after a restart of the controller; what was decided, in words."""
        now, conduct = self._now, self._conduct
        self.current = current
        self._authority.recall(saved.authority)
        take_up(saved, found, current, now.process, now.link, self._outputs, self._instructions, conduct)
        doubtful = "; unknown: " + "; ".join(found.doubts) if found.doubts else ""
        stood = f"; the equipment is in its state {found.standing}" if found.standing else ""
        decided = f"restart after {found.gap:.1f} s, policy {policy.value}{stood}{doubtful}"
        self.put(resting_state(saved.state), decided)
        self._recorder.run_resumed(now, current, found.gap, policy.value, decided)
        self._recorder.everything(now.process, self._image, {})
        was_running = self.state is State.RUNNING
        if found.standing and self.state in (State.RUNNING, State.HELD):
            self.state = State.PAUSED  # the equipment has stopped its pumps itself: follow it
        if self.state is State.PAUSED:
            self._outputs.reduce(PAUSE, 0.0)
        ending = ending_command(saved.state)
        if policy is OnRestart.SAFE or ending is State.ABORTING:
            self.go(Command.ABORT, decided, "restart")
        elif ending is not None:
            self.go(Command.FINISH if ending is State.COMPLETING else Command.STOP, decided, "restart")
        elif self.state is State.RUNNING and (policy is not OnRestart.RESUME or found.doubts):
            drop_unsent_gradient(self._instructions, conduct)
            self.go(Command.PAUSE if policy is OnRestart.ASK else Command.HOLD, decided, "restart")
        elif self.state is State.PAUSED and was_running:
            drop_unsent_gradient(self._instructions, conduct)
            if policy is OnRestart.RESUME and not found.doubts and found.standing in OF_ITSELF:
                self.go(Command.RESUME, decided, "restart")
        if self.state not in (State.RUNNING, State.RESUMING):
            self._alarm("Restart", decided, Priority.HIGH)
        if current.waiting_at is not None and self.state is State.PAUSED:
            if asks := self._ask(current):
                self.reason = f"{decided}; asks {asks}"
            elif policy is OnRestart.RESUME:
                current.resume_for = "restart"  # it was answered just before the end
        return decided

    def handed(self) -> tuple[object, ...]:
        """Where the run stands in its transfers: differs when one has gone on."""
        if self.current is None:
            return ()
        return tuple(item.order for item in self.current.procedure.published().values())

    def checkpoint(self, wall: str, washing: bool) -> Checkpoint | None:
        """Where the run stands; None when there is none."""
        current, image, words = self.current, self._image, self._words
        if current is None or current.started is None:
            return None
        procedure, levels, gradient = current.procedure, current.levels, self._conduct.gradient
        track = (gradient.target, gradient.volume, gradient.passed, gradient.running)
        return Checkpoint(
            run=current.identifier,
            recipe=current.bound.recipe,
            version=current.bound.version,
            skid=self._skid,
            origin=current.origin,
            state=self.state.value,
            time=self._now.process - current.started,
            wall=wall,
            position=procedure.position,
            phase_started=procedure.started - current.started,
            phase_time=procedure.phase_time,
            phase_volume=procedure.phase_volume,
            fired=procedure.fired,
            memory=procedure.memory(),
            wanted=dict(self._outputs.wanted),
            factors=dict(self._outputs.factors),
            number=self._instructions.number,
            open=tuple(
                OpenInstruction(item.number, item.name, item.arguments, item.source)
                for item in self._instructions.open
            ),
            closed=tuple(
                OpenInstruction(item.number, item.name, item.arguments, item.source)
                for item in self._instructions.closed(self._now.link)
            ),
            gradient=track,
            consumed=dict(levels.consumed),
            received=dict(levels.received),
            outlet=levels.outlet,
            collecting=(levels.collecting[0] - current.started, levels.collecting[1]),
            turning=levels.turning,
            contents=dict(levels.start),
            washing=washing,
            device_time=image.last(words.process_time) if words.process_time else None,
            device_volume=image.last(words.pumped) if words.pumped else None,
            ended=current.ended is not None,
            answers=dict(current.answers),
            waiting_at=current.waiting_at,
            authority=self._authority.record(),
            hold=None if self.hold_until is None else self.hold_until.record(),
            provenance=current.provenance,
        )

    # The method

    def follow(self, sample: Sample, washing: bool) -> None:
        """Evaluate the conditions of the phase, unless the method stands still or the flow is unknown."""
        current = self.current
        if current is None or self.state not in METHOD_RUNS or washing:
            return
        if current.waiting_at is not None:
            self._go_to(current, current.waiting_at)
            return
        if current.procedure.started == self._now.process:
            return
        if self._words.flow is not None and self._image.quality(self._words.flow) is not Quality.GOOD:
            return
        found = current.procedure.evaluate(sample)
        if found is not None:
            self._break(current, found)

    def next_phase(self, reason: str) -> None:
        """End the phase for `reason` and begin the next; after the last one the run completes."""
        current = self.current
        if current is None:
            return
        following = current.procedure.following()
        self._recorder.phase_ended(self._now.process, current.procedure, reason)
        self._alarms.clear("Time-out")
        self._go_to(current, following)

    def _go_to(self, current: Current, position: int) -> None:
        """Begin the phase at `position`, when its questions are answered; complete behind the last one."""
        asked = current.unanswered(position)
        if asked:
            current.waiting_at = position
            current.procedure.leave()
            self.go(Command.PAUSE, f"asks {self._ask(current)}", "recipe")
            return
        current.waiting_at = None
        self._control(current, position)
        self._begin_phase(current, position)
        if current.procedure.done:
            self.go(Command.FINISH, "all phases are done", "recipe")

    def _ask(self, current: Current) -> str:
        """Alarm every question that is open; the questions in words."""
        for name, question in current.open_questions():
            self._alarm(f"Input {name}", question, Priority.MEDIUM)
        return "; ".join(f"{name}: {question}" for name, question in current.open_questions())

    def _control(self, current: Current, position: int) -> None:
        """Let the recipe's controllers set what they set before the phase at `position`; nothing while
        somebody has taken the method."""
        procedure, now = current.procedure, self._now
        permitted = self._authority.permits(METHOD, Level.RECIPE, "recipe")
        if procedure.settle(position, now.process, permitted):
            current.bound = procedure.bound
        for note in procedure.control.taken():
            source = f"controller {note.controller}"
            self._recorder.note(now.process, "controller", source, note.text, note.data)

    def begin_watch(self, current: Current, name: str, actor: str) -> bool:
        """Take the waiting watch `name` as come true on the word of `actor`; False when there is none."""
        phase, watch, now = current.procedure.phase, current.procedure.force(name), self._now
        if watch is None or phase is None:
            return False
        self._recorder.watch_fired(now.process, phase.path, watch, self._image)
        self._conduct.follow(
            watch.action, f"{phase.path} {name}, forced by {actor}", now.process, now.link, current
        )
        if watch.end_phase:
            self.next_phase(f"{name}, forced by {actor}")
        return True

    def _break(self, current: Current, found: Breakpoint) -> None:
        now, phase = self._now, current.procedure.phase
        assert phase is not None
        if found.begins is not None:
            self._recorder.transfer(now.process, current.procedure)
            self._started(current, found.begins)
        for watch in found.fired:
            self._recorder.watch_fired(now.process, phase.path, watch, self._image)
            source = f"{phase.path} {watch.name}".rstrip()
            self._conduct.follow(watch.action, source, now.process, now.link, current)
        if found.ended is not None:
            self.next_phase(found.ended)
        elif found.timeout is not None:
            reason = f"{phase.path}: no end within {duration(phase.timeout)}"
            self._alarms.set("Time-out", Priority.HIGH, reason, now.process - self._recorder.origin)
            reaction = Reaction.ABORT if found.timeout is OnTimeout.ABORT else Reaction.HOLD
            self.react(Demand(phase.path, reaction, reason, True))

    def _begin_phase(self, current: Current, position: int) -> None:
        now = self._now
        asked = current.procedure.begin(position, now.process)
        if asked is not None and current.procedure.waiting:
            self._recorder.transfer(now.process, current.procedure)
            source = f"{asked.source}, waiting"
            self._conduct.follow(asked.action, source, now.process, now.link, current)
        elif asked is not None:
            self._started(current, asked)

    def _started(self, current: Current, asked: Asked) -> None:
        now = self._now
        self._recorder.phase_started(now.process, current.procedure)
        current.begun(current.procedure.position)
        self._conduct.follow(asked.action, asked.source, now.process, now.link, current)

    # States that pass

    def pass_on(self) -> None:
        """Leave a passing state when its work is done, and a held one when it has lasted too long."""
        state, now, current = self.state, self._now, self.current
        if state in (State.HELD, State.PAUSED):
            waits = current is not None and current.waiting_at is not None
            if state is State.PAUSED and waits and current is not None and current.resume_for:
                self.go(Command.RESUME, f"answered by {current.resume_for}", current.resume_for)
                current.resume_for = ""
            elif now.process - self.entered >= self._policy.hold_timeout:
                self.go(Command.STOP, f"{state.value} for {duration(self._policy.hold_timeout)}", "engine")
        elif state in PASSING:
            self._pass(state)

    def _pass(self, state: State) -> None:
        now = self._now
        if state in (State.HOLDING, State.RESTARTING):
            if self._conduct.finished(state, self._equipment.state, now.process, now.link):
                self.go(Command.DONE, self.reason, "engine")
            return
        if self.entered == now.process:
            return
        if state is State.ABORTING and not self._link.healthy:
            waited = now.link - self._entered_link
            if self._policy.lock_step or waited >= self._policy.readback_link:
                self._alarm("Safe state", "the safe state could not be confirmed", Priority.CRITICAL)
                self.go(Command.DONE, self.reason, "engine")
        elif self._conduct.finished(state, self._equipment.state, now.process, now.link):
            if not self._outputs.settled:
                pending = ", ".join(self._outputs.pending) or "set-points"
                self._alarm(f"{state.value} unconfirmed", f"not confirmed: {pending}", Priority.HIGH)
            self.go(Command.DONE, self.reason, "engine")

    # Start and end of a run

    def _begin_run(self, current: Current) -> None:
        image, now, words = self._image, self._now, self._words
        accepted = image.values.get(words.accepted) if words.accepted else None
        self._instructions.continue_after(int(accepted or 0))
        current.started = now.process
        self._all_handed_back("engine")
        current.levels.begin()
        self._recorder.run_started(now, current, self._skid, self._policy)
        self._recorder.everything(now.process, image, self._outputs.sent)
        if current.forecast is not None:
            text = f"expected to take {duration(current.forecast.duration)}"
            self._recorder.note(now.process, "prediction", "dry run", text, current.forecast.figures)
            findings = current.forecast.findings
            text = f"no error, {len(findings)} warning{'' if len(findings) == 1 else 's'}"
            text += "".join(f"\n{finding}" for finding in findings)
            self._recorder.note(now.process, "check", "static check", text, {})
        for name, answer in current.answers.items():
            self._recorder.note(now.process, "input", "before the start", f"{name} = {answer}", {})
        self._conduct.follow(current.bound.initial, "initial", now.process, now.link, current)

    def _end_run(self, state: State, reason: str) -> None:
        current, now, grid = self.current, self._now, self._grid
        if current is None or not current.under_way:
            return
        current.ended = now.process
        self._recorder.collected(now.process, current.levels.close(now.process))
        self._recorder.samples(now.process, self._image, {})
        self._recorder.run_stopped(now.process, state, reason, grid.count, grid.overruns, current.levels)

    def _alarm(self, name: str, message: str, priority: Priority) -> None:
        self._alarms.set(name, priority, message, self._now.process - self._recorder.origin)
