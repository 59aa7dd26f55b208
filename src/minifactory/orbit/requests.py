"""What people and other programs may ask of the controller, from any thread; the scan decides.

Every request is answered with a :class:`Reply` and leaves an operator action in the record, whether it was
accepted or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.authority import METHOD, Authority, Level
from minifactory.orbit.conduct import Conduct
from minifactory.orbit.current import action_faults
from minifactory.orbit.desk import Desk, Reply, Request
from minifactory.orbit.levels import Levels
from minifactory.orbit.readiness import Readiness
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import TABLE, Command, State, askable
from minifactory.orbit.timing import Now
from minifactory.recipe.bound import BoundAction, BoundInstruction
from minifactory.signals import TagTable
from minifactory.signals.shown import ARGUMENTS, said
from minifactory.signals.shown import duration as words
from minifactory.units import VOLUME, show

_GOES_ON = frozenset({Command.START, Command.RESUME, Command.RESTART})
"""Commands that need authority over the method; what makes things stand is open to everyone."""
_ENDING = frozenset({State.STOPPING, State.ABORTING, State.COMPLETING, State.ABORTED})


class Requests:
    """The requests that the controller of one skid understands.

    Parameters
    ----------
    ready : Readiness
        What forbids a start, and whether it can be decided yet.
    link_time : callable
        The link's clock in s.
    patience : float
        Link time in s for which a start waits for good readings before it is refused.
    authority : Authority
        Who may set what.
    longest_shelf : float
        Process time in s for which an alarm may be shelved.
    levels : callable
        What is known of the vessels now.
    """

    def __init__(
        self,
        table: TagTable,
        now: Now,
        sequencer: Sequencer,
        conduct: Conduct,
        alarms: Alarms,
        recorder: Recorder,
        ready: Readiness,
        link_time: Callable[[], float],
        patience: float,
        authority: Authority,
        longest_shelf: float,
        levels: Callable[[], Levels | None],
    ) -> None:
        self._levels = levels
        self._authority, self._longest_shelf = authority, longest_shelf
        self._table, self._now, self._sequencer, self._conduct = table, now, sequencer, conduct
        self._alarms, self._recorder = alarms, recorder
        self._ready, self._link_time, self._patience = ready, link_time, patience
        self._desk = Desk()

    @property
    def waiting(self) -> bool:
        """Whether a request has not been decided."""
        return self._desk.waiting

    def answer(self) -> None:
        """Decide what has been asked; called once per scan."""
        for asked in self._desk.take():
            try:
                message, accepted = asked.act(), True
            except InputError as refusal:
                message, accepted = str(refusal), False
            self._recorder.operator(self._now.process, asked.actor, asked.text, accepted, message)
            asked.reply.answer(accepted, message)

    def command(self, command: str | Command, actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask for an ISA-88 command; InputError when there is none of that name."""
        wanted = askable(command, self._table.skid)
        asked = self._link_time()
        defer = (lambda: self._too_early(asked)) if wanted is Command.START else None
        return self.ask(wanted.value, actor, lambda: self._obey(wanted, actor, level), defer)

    def acknowledge(self, alarm: str, actor: str, note: str) -> Reply:
        """Ask to acknowledge `alarm`."""
        return self.ask(f"acknowledge {alarm}", actor, lambda: self._alarms.acknowledge(alarm, actor, note))

    def shelve(self, alarm: str, duration: float, actor: str, note: str) -> Reply:
        """Ask to hide `alarm` for `duration` s of process time."""

        def act() -> None:
            if not 0.0 < duration <= self._longest_shelf:
                expected = f"more than 0 s, at most {words(self._longest_shelf)}"
                raise InputError(Finding(f"alarm {alarm}", f"shelved for {words(duration)}", expected))
            self._alarms.shelve(alarm, self._now.process + duration, actor, note)

        return self.ask(f"shelve {alarm} for {words(duration)}", actor, act)

    def unshelve(self, alarm: str, actor: str, note: str) -> Reply:
        """Ask to show `alarm` again before its time."""
        return self.ask(f"unshelve {alarm}", actor, lambda: self._alarms.unshelve(alarm, actor, note))

    def set_points(
        self,
        values: Mapping[str, float],
        actor: str,
        level: Level = Level.OPERATOR,
        take: bool = False,
    ) -> Reply:
        """Ask for set-points (SI) by hand; with `take` they are held until they are handed back."""
        text = said(values, self._table.tags)
        action = BoundAction(dict(values))

        def act() -> str:
            if take:
                self._check(action)
                self._take(values, level, actor)
            return self._by_hand(action, actor, level)

        return self.ask(f"{'take and ' if take else ''}set {text}", actor, act)

    def instruct(
        self,
        instruction: str,
        arguments: Mapping[str, float],
        actor: str,
        level: Level = Level.OPERATOR,
    ) -> Reply:
        """Ask for a one-shot instruction (arguments in SI) by hand."""
        text = said(arguments, ARGUMENTS)
        action = BoundAction(instructions=(BoundInstruction(instruction, dict(arguments)),))
        return self.ask(f"{instruction}({text})", actor, lambda: self._by_hand(action, actor, level))

    def take(self, things: Sequence[str], actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to hold set-points or the method."""
        return self.ask(f"take {', '.join(things)}", actor, lambda: self._take(things, level, actor))

    def release(self, things: Sequence[str], actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to hand things back to the recipe; nothing named: everything that `actor` may hand back."""

        def act() -> str:
            named = list(things) or [
                name for name in self._authority.holders if self._authority.permits(name, level, actor)
            ]
            released = self._authority.release(self._known(named), level, actor)
            self._conduct.hand_back(released, self._now.process, self._now.link)
            return f"handed back: {', '.join(released)}" if released else "nothing was held"

        return self.ask(f"release {', '.join(things) or 'everything'}", actor, act)

    def grant(self, things: Sequence[str], to: Level, name: str, actor: str) -> Reply:
        """Ask, as an operator, to give things to `name` at level `to`."""

        def act() -> str:
            self._allow(self._known(things), Level.OPERATOR, actor, "grant")
            time = self._now.process - self._recorder.origin
            return "; ".join(self._authority.grant(things, to, name, actor, time))

        return self.ask(f"grant {', '.join(things)} to {name} ({to.word})", actor, act)

    def tell_level(self, vessel: str, volume: float, actor: str) -> Reply:
        """Ask to take `volume` (m3) as the present content of `vessel`."""
        text = f"{vessel} holds {show(volume, VOLUME)}"
        return self.ask(text, actor, lambda: self._tell_level(vessel, volume))

    def method(self, text: str, actor: str, level: Level, act: Callable[[], str]) -> Reply:
        """Ask for a change of what is to be done, which needs authority over the method."""

        def allowed() -> str:
            self._allow([METHOD], level, actor, text.partition(" ")[0])
            return act()

        return self.ask(text, actor, allowed)

    def internal(
        self, text: str, act: Callable[[], str], settled: Callable[[float], bool], ready: Callable[[], bool]
    ) -> Reply:
        """Line up something of the controller itself, for when `settled` is content with the s for which
        readings have been good, and `ready` says so; for the latter it does not wait for ever."""
        asked = self._link_time()
        good_since: list[float] = []

        def defer() -> bool:
            if self._too_early(asked):
                good_since.clear()
                return True
            now = self._link_time()
            if not good_since:
                good_since.append(now)
            return not settled(now - good_since[0]) or (not ready() and now - asked < self._patience)

        return self.ask(text, "restart", act, defer)

    def ask(
        self,
        text: str,
        actor: str,
        act: Callable[[], str | None],
        defer: Callable[[], bool] | None = None,
    ) -> Reply:
        """Line up a request that `act` carries out in the scan and answers in words."""
        return self._desk.put(Request(text, actor, lambda: act() or "", defer=defer))

    def _too_early(self, asked: float) -> bool:
        return not self._ready.complete and self._link_time() - asked < self._patience

    def _obey(self, command: Command, actor: str, level: Level) -> str:
        sequencer = self._sequencer
        if command in _GOES_ON and command in TABLE[sequencer.state]:
            self._allow([METHOD], level, actor, command.value)
        if command is Command.START and command in TABLE[sequencer.state]:
            faults = self._ready.forbids_start()
            if faults:
                raise InputError(faults)
        before = sequencer.state
        sequencer.go(command, f"{command.value} by {actor}", actor)
        return f"already {before.value}" if sequencer.state is before else sequencer.state.value

    def _allow(self, things: Iterable[str], level: Level, actor: str, what: str) -> None:
        found = self._authority.check(things, level, actor, what)
        if found:
            raise InputError(found)

    def _known(self, things: Sequence[str]) -> Sequence[str]:
        """`things`, if every one can be held; InputError otherwise."""
        known = [METHOD, *(tag.name.removesuffix(".SP") for tag in self._table.writable)]
        found = [
            Finding(f"orbit {self._table.skid}", f'"{thing}" cannot be held', "", did_you_mean(thing, known))
            for thing in things
            if thing.removesuffix(".SP") not in known
        ]
        if found:
            raise InputError(found)
        return things

    def _take(self, things: Iterable[str], level: Level, actor: str) -> str:
        time = self._now.process - self._recorder.origin
        changed = self._authority.take(self._known(list(things)), level, actor, time)
        return f"taken: {'; '.join(changed)}" if changed else "held already"

    def _check(self, action: BoundAction) -> None:
        where = f"orbit {self._table.skid}"
        faults = action_faults(where, action, self._table)
        state = self._sequencer.state
        if state in _ENDING:
            found = f"working by hand refused in state {state.value}"
            faults.append(Finding(where, found, remedy="Wait, or reset first."))
        faults += self._ready.forbids(action)
        if faults:
            raise InputError(faults)

    def _by_hand(self, action: BoundAction, actor: str, level: Level) -> str:
        self._check(action)
        if self._sequencer.under_way or level < Level.RECIPE:
            things = list(action.setpoints)
            if any(item.name == self._conduct.words.gradient for item in action.instructions):
                things.append(self._conduct.words.composition_setpoint or METHOD)
            self._allow(things or [METHOD], level, actor, "set" if action.setpoints else "instruction")
        self._conduct.apply(action, actor, self._now.process, self._now.link, self._sequencer.current)
        held = [name for name in action.setpoints if self._authority.held(name)]
        until = "until they are handed back" if held else "until the recipe sets them again"
        return f"set, {until}" if action.setpoints and self._sequencer.under_way else ""

    def _tell_level(self, vessel: str, volume: float) -> None:
        where, levels = f"orbit {self._table.skid}", self._levels()
        if levels is None:
            raise InputError(Finding(where, "no run is loaded", remedy="Load a recipe first."))
        if vessel not in levels.vessels:
            found = f'no vessel "{vessel}"'
            raise InputError(Finding(where, found, remedy=did_you_mean(vessel, levels.vessels)))
        highest = levels.capacity(vessel)
        if not 0.0 <= volume <= highest:
            raise InputError(
                Finding(f"{where} {vessel}", show(volume, VOLUME), f"0 mL to {show(highest, VOLUME)}")
            )
        levels.tell(vessel, volume)
