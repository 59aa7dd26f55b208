"""What people and other programs may ask of the controller, from any thread; the scan decides.

Every request is answered with a :class:`Reply` and leaves an operator action in the record, whether it was
accepted or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.conduct import Conduct
from minifactory.orbit.current import action_faults
from minifactory.orbit.desk import Desk, Reply, Request
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
    ) -> None:
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

    def command(self, command: str | Command, actor: str) -> Reply:
        """Ask for an ISA-88 command; InputError when there is none of that name."""
        wanted = askable(command, self._table.skid)
        asked = self._link_time()
        defer = (lambda: self._too_early(asked)) if wanted is Command.START else None
        return self._ask(wanted.value, actor, lambda: self._obey(wanted, actor), defer)

    def acknowledge(self, alarm: str, actor: str, note: str) -> Reply:
        """Ask to acknowledge `alarm`."""
        return self._ask(f"acknowledge {alarm}", actor, lambda: self._alarms.acknowledge(alarm, actor, note))

    def shelve(self, alarm: str, duration: float, actor: str, note: str) -> Reply:
        """Ask to hide `alarm` for `duration` s of process time."""

        def act() -> None:
            self._alarms.shelve(alarm, self._now.process + duration, actor, note)

        return self._ask(f"shelve {alarm} for {words(duration)}", actor, act)

    def set_points(self, values: Mapping[str, float], actor: str) -> Reply:
        """Ask for set-points (SI) by hand."""
        text = said(values, self._table.tags)
        action = BoundAction(dict(values))
        return self._ask(f"set {text}", actor, lambda: self._by_hand(action, actor))

    def instruct(self, instruction: str, arguments: Mapping[str, float], actor: str) -> Reply:
        """Ask for a one-shot instruction (arguments in SI) by hand."""
        text = said(arguments, ARGUMENTS)
        action = BoundAction(instructions=(BoundInstruction(instruction, dict(arguments)),))
        return self._ask(f"{instruction}({text})", actor, lambda: self._by_hand(action, actor))

    def tell_level(self, vessel: str, volume: float, actor: str) -> Reply:
        """Ask to take `volume` (m3) as the present content of `vessel`."""
        text = f"{vessel} holds {show(volume, VOLUME)}"
        return self._ask(text, actor, lambda: self._tell_level(vessel, volume))

    def skip(self, actor: str) -> Reply:
        """Ask to end the phase that runs."""
        return self._ask("skip", actor, lambda: self._skip(actor))

    def internal(self, text: str, act: Callable[[], str], settle: float) -> Reply:
        """Line up something of the controller itself, for when readings have been good for `settle` s."""
        asked = self._link_time()
        good_since: list[float] = []

        def defer() -> bool:
            if self._too_early(asked):
                good_since.clear()
                return True
            if not good_since:
                good_since.append(self._link_time())
            return self._link_time() - good_since[0] < settle

        return self._ask(text, "restart", act, defer)

    def _ask(
        self,
        text: str,
        actor: str,
        act: Callable[[], str | None],
        defer: Callable[[], bool] | None = None,
    ) -> Reply:
        return self._desk.put(Request(text, actor, lambda: act() or "", defer=defer))

    def _too_early(self, asked: float) -> bool:
        return not self._ready.complete and self._link_time() - asked < self._patience

    def _obey(self, command: Command, actor: str) -> str:
        sequencer = self._sequencer
        if command is Command.START and command in TABLE[sequencer.state]:
            faults = self._ready.forbids_start()
            if faults:
                raise InputError(faults)
        before = sequencer.state
        sequencer.go(command, f"{command.value} by {actor}", actor)
        return f"already {before.value}" if sequencer.state is before else sequencer.state.value

    def _by_hand(self, action: BoundAction, actor: str) -> None:
        where = f"orbit {self._table.skid}"
        faults = action_faults(where, action, self._table)
        state = self._sequencer.state
        if state in _ENDING:
            found = f"working by hand refused in state {state.value}"
            faults.append(Finding(where, found, remedy="Wait, or reset first."))
        if faults:
            raise InputError(faults)
        self._conduct.apply(action, actor, self._now.process, self._now.link, self._sequencer.current)

    def _tell_level(self, vessel: str, volume: float) -> None:
        where, current = f"orbit {self._table.skid}", self._sequencer.current
        if current is None:
            raise InputError(Finding(where, "no run is loaded", remedy="Load a recipe first."))
        levels = current.levels
        if vessel not in levels.vessels:
            found = f'no vessel "{vessel}"'
            raise InputError(Finding(where, found, remedy=did_you_mean(vessel, levels.vessels)))
        highest = levels.capacity(vessel)
        if not 0.0 <= volume <= highest:
            raise InputError(
                Finding(f"{where} {vessel}", show(volume, VOLUME), f"0 mL to {show(highest, VOLUME)}")
            )
        levels.tell(vessel, volume)

    def _skip(self, actor: str) -> None:
        if self._sequencer.state is not State.RUNNING:
            raise InputError(
                Finding(
                    f"orbit {self._table.skid}",
                    f'"skip" refused in state {self._sequencer.state.value}',
                    remedy="A phase can be skipped while Running.",
                )
            )
        self._sequencer.next_phase(f"skipped by {actor}")
