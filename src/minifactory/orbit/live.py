"""What may be done to a run while it runs: force, cancel and skip a step, answer, edit, hold until.

Each is a request like any other: decided by the scan, refused with a reason, left in the record. They change
what is to be done and need authority over the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.authority import Level
from minifactory.orbit.current import Current, check_against, version_after
from minifactory.orbit.desk import Reply
from minifactory.orbit.hold_until import HoldUntil, Then
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.requests import Requests
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import ENDED, Command, State
from minifactory.orbit.timing import Now
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.conditions import Expression, Sample
from minifactory.recipe.difference import difference
from minifactory.records.documents import Priority
from minifactory.signals import TagTable
from minifactory.signals.shown import duration

_OVER = ENDED | {State.STOPPING, State.ABORTING, State.COMPLETING}
_STANDING = frozenset({State.RUNNING, State.HELD, State.PAUSED})


class Live:
    """Live operation of one controller.

    Parameters
    ----------
    use : callable
        Puts another bound recipe's interlocks, names and safe state in force.
    flow_tag : str or None
        The measured flow.
    """

    def __init__(
        self,
        table: TagTable,
        now: Now,
        sequencer: Sequencer,
        instructions: Instructions,
        alarms: Alarms,
        recorder: Recorder,
        requests: Requests,
        use: Callable[[BoundRecipe], None],
        flow_tag: str | None,
    ) -> None:
        self._table, self._now, self._sequencer = table, now, sequencer
        self._instructions, self._alarms, self._recorder = instructions, alarms, recorder
        self._requests, self._use, self._flow_tag = requests, use, flow_tag

    @property
    def version(self) -> str:
        """That of the recipe in force, changed as soon as a change is answered; empty without a run."""
        current = self._sequencer.current
        return "" if current is None else current.bound.version

    def refuse(self, text: str, actor: str, why: InputError) -> Reply:
        """Leave in the record that `actor` asked for something and may not."""

        def act() -> str:
            raise why

        return self._requests.ask(text, actor, act)

    def skip(self, actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to end the phase that runs and go on with the next."""
        return self._requests.method("skip", actor, level, lambda: self._end(f"skipped by {actor}", "skip"))

    def force(self, name: str, actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to take a condition as true: that of the waiting watch `name`, or of the phase's end (empty).

        A branch's watch cannot be forced.
        """

        def act() -> str:
            if not name:
                return self._end(f"end forced by {actor}", "force")
            current = self._running("force", _STANDING)
            if not self._sequencer.begin_watch(current, name, actor):
                raise self._unknown("force", name, current.procedure.waiting_for)
            return f"{name} fired"

        return self._requests.method(f"force {name or 'the end of the phase'}", actor, level, act)

    def cancel(self, name: str, actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to call something off that has not happened: a waiting watch, a phase or operation to come (by
        its path), or an instruction that waits to be sent (by its name)."""

        def act() -> str:
            current = self._loaded("cancel")
            procedure = current.procedure
            if procedure.cancel(name):
                return self._noted("cancel", actor, f"watch {name} of {procedure.phase_path} will not fire")
            after = procedure.position + (1 if procedure.in_phase or current.waiting_at is None else 0)
            after = current.waiting_at if current.waiting_at is not None else after
            paths = [phase.path for phase in current.bound.phases]
            places = [
                place
                for place, path in enumerate(paths)
                if place >= after and (path == name or path.startswith((f"{name}.", f"{name}[")))
            ]
            if places:
                if current.waiting_at in places:
                    raise self._refused("cancel", f"{name} is being asked about", "Answer, then skip it.")
                procedure.passed_over.update(places)
                shown = ", ".join(paths[place] for place in places[:5])
                shown += f" and {len(places) - 5} more" if len(places) > 5 else ""
                return self._noted("cancel", actor, f"passed over: {shown}")
            waiting = [item.name for item in self._instructions.waiting]
            if name in waiting:
                self._instructions.drop_waiting(name)
                return self._noted("cancel", actor, f"instruction {name} will not be sent")
            raise self._unknown("cancel", name, [*procedure.waiting_for, *paths[after:], *waiting])

        return self._requests.method(f"cancel {name}", actor, level, act)

    def hold_until(
        self,
        until: Expression,
        actor: str,
        timeout: float = float("inf"),
        then: Then = Then.HOLD,
    ) -> Reply:
        """Ask to hold until a condition is true; after `timeout` (s of process time) `then` follows."""

        def act() -> str:
            sequencer = self._sequencer
            current = self._loaded("hold")
            check_condition(until, self._table, current.bound.aliases)
            sequencer.go(Command.HOLD, f"held until {until.text or until} by {actor}", actor)
            sequencer.hold_until = HoldUntil(until, timeout, then, actor, current.column_volume)
            limit = "" if timeout == float("inf") else f", at most {duration(timeout)}, then {then.value}"
            return f"held until {sequencer.hold_until.text}{limit}"

        limit = "" if timeout == float("inf") else f" for {duration(timeout)} at most, then {then.value}"
        return self._requests.ask(f"hold until {until.text or until}{limit}", actor, act)

    def answer(
        self,
        name: str,
        text: str,
        actor: str,
        bound: BoundRecipe | None = None,
        level: Level = Level.OPERATOR,
    ) -> Reply:
        """Answer the input `name`; `bound` is the recipe with the answer put in, if it sets anything."""

        def act() -> str:
            current = self._loaded("answer")
            known = {item.name for item in current.bound.inputs}
            if name not in known:
                raise self._unknown("answer", name, known)
            if bound is not None:
                self._replace(current, bound)
            current.answers[name] = text
            self._alarms.clear(f"Input {name}")
            self._alarms.acknowledge_if_present(f"Input {name}", actor, text)
            self._recorder.note(self._now.process, "input", actor, f"{name} = {text}", {})
            waits = current.waiting_at
            if waits is not None and not current.unanswered(waits):
                current.resume_for = actor
            return f"{name} = {text}"

        return self._requests.method(f"answer {name} = {text}", actor, level, act)

    def edit(self, bound: BoundRecipe, actor: str, note: str = "", level: Level = Level.OPERATOR) -> Reply:
        """Ask to go on with `bound` instead: the same up to where the run stands, another from there on.

        All of it is taken over in one scan or none of it; the answer is the difference.
        """

        def act() -> str:
            current = self._loaded("edit")
            text = difference(current.bound, bound, self._table)
            if not text:
                return "nothing differs"
            version = self._replace(current, bound)
            said = f"version {version}" + (f": {note}" if note else "")
            self._recorder.note(self._now.process, "edit", actor, f"{said}\n{text}", {})
            self._recorder.describe(self._now.process, tuple(item.path for item in current.bound.phases))
            return f"{said}\n{text}"

        return self._requests.method("edit" + (f": {note}" if note else ""), actor, level, act)

    def look(self, sample: Sample, elapsed: float, volume: float) -> None:
        """End a hold whose condition has come true or whose time is over; called once per scan."""
        sequencer = self._sequencer
        hold = sequencer.hold_until
        if hold is None or sequencer.state is not State.HELD:
            return
        if hold.come(sample, elapsed, volume):
            sequencer.go(Command.RESTART, f"{hold.text} has come true", f"hold until, by {hold.actor}")
        elif hold.time >= hold.timeout and not hold.late:
            hold.late = True
            text = f'"{hold.text}" has not come true within {duration(hold.timeout)}'
            self._alarms.set("Hold until", Priority.MEDIUM, text, self._now.process - self._recorder.origin)
            if hold.then is not Then.HOLD:
                sequencer.go(Command(hold.then.value), text, f"hold until, by {hold.actor}")

    # Inside

    def _replace(self, current: Current, bound: BoundRecipe) -> str:
        """Go on with `bound`, all of it or none; the number of the version."""
        check_against(bound, self._table, self._flow_tag)
        version = version_after(current.bound.version)
        bound = replace(bound, version=version)
        if current.waiting_at is not None and current.waiting_at < len(bound.phases):
            before, after = current.bound.phases, bound.phases
            if before[current.waiting_at].path != after[current.waiting_at].path:
                raise self._refused("edit", "the phase that waits for an answer would be another", "")
        current.procedure.replace(bound)
        current.bound = current.procedure.bound
        self._use(bound)
        return version

    def _end(self, reason: str, what: str) -> str:
        current = self._running(what, frozenset({State.RUNNING}))
        phase = current.procedure.phase_path
        current.procedure.control.discard()
        self._sequencer.next_phase(reason)
        return f"{phase} ended"

    def _loaded(self, what: str) -> Current:
        current = self._sequencer.current
        state = self._sequencer.state
        if current is None or current.ended is not None or state in _OVER:
            raise self._refused(what, f"in state {state.value}", "No run is loaded or under way.")
        return current

    def _running(self, what: str, states: frozenset[State]) -> Current:
        current, state = self._loaded(what), self._sequencer.state
        if state not in states or not current.procedure.in_phase:
            legal = ", ".join(sorted(item.value for item in states))
            waits = " while a question is open" if current.waiting_at is not None else ""
            waits = " while the phase waits for another skid" if current.procedure.waiting else waits
            raise self._refused(what, f"in state {state.value}{waits}", f"Possible in: {legal}.")
        return current

    def _noted(self, what: str, actor: str, text: str) -> str:
        self._recorder.note(self._now.process, what, actor, text, {})
        return text

    def _refused(self, what: str, why: str, remedy: str) -> InputError:
        return InputError(Finding(f"orbit {self._table.skid}", f'"{what}" refused {why}', "", remedy))

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> InputError:
        names = list(known)
        remedy = did_you_mean(name, names) if names else "There is nothing now."
        return InputError(
            Finding(f"orbit {self._table.skid} {what}", f'nothing is called "{name}"', "", remedy)
        )


def check_condition(until: Expression, table: TagTable, aliases: Iterable[str]) -> None:
    """Raise InputError when a condition reads what the equipment does not have."""
    known = {*table.tags, *aliases}
    found = [
        Finding("hold until", f'nothing is called "{name}"', remedy=did_you_mean(name, known))
        for name in until.tags()
        if name not in known
    ]
    if found:
        raise InputError(found)
