"""Takes up the run of a controller that died, as soon as the equipment can tell what it did meanwhile."""

from __future__ import annotations

from minifactory.clock import Clock
from minifactory.errors import Finding, InputError
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.current import Current
from minifactory.orbit.desk import Reply
from minifactory.orbit.guards import FOLLOWED
from minifactory.orbit.hold_until import recalled
from minifactory.orbit.image import Image
from minifactory.orbit.intake import Intake
from minifactory.orbit.policy import Policy
from minifactory.orbit.requests import Requests
from minifactory.orbit.restart import OnRestart, compare, resolved
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import State
from minifactory.orbit.watch import Watch
from minifactory.orbit.words import Words
from minifactory.signals import TagTable


class Recovery:
    """Lines the recovery of a run up, for when readings have settled."""

    def __init__(
        self,
        table: TagTable,
        clock: Clock,
        policy: Policy,
        words: Words,
        image: Image,
        intake: Intake,
        watch: Watch,
        sequencer: Sequencer,
        requests: Requests,
    ) -> None:
        self._table, self._clock, self._policy, self._words = table, clock, policy, words
        self._image, self._intake, self._watch = image, intake, watch
        self._sequencer, self._requests = sequencer, requests

    def take_up(self, current: Current, saved: Checkpoint, on_restart: OnRestart) -> Reply:
        """Ask for `current` to go on where `saved` left it."""
        clock = self._clock
        began = clock.now(), clock.link_time()

        def settled(good: float) -> bool:
            process, link = clock.now() - began[0], clock.link_time() - began[1]
            rate = process / link if link > 0.0 else 1.0
            after = self._policy.resolve_after + self._policy.scan / rate
            return resolved(saved, self._image, self._words, after, rate, good)

        def act() -> str:
            if self._image.lost:
                found = f"recover: {self._watch.link.message}"
                raise InputError(Finding(f"orbit {self._table.skid}", found, remedy="Restore the link."))
            state = self._watch.equipment.state or ""
            standing = state if state in FOLLOWED else ""
            seen = compare(saved, self._image, self._words, clock.wall(), standing)
            decided = self._sequencer.restore(saved, seen, on_restart, current)
            if saved.hold is None or self._sequencer.state is not State.HELD:
                return decided
            if on_restart is not OnRestart.RESUME:
                return f"{decided}; held until told, whatever was to end the hold"
            try:
                hold = recalled(saved.hold, self._table, current.bound.aliases)
            except InputError as fault:
                return f"{decided}; held until told, for what was to end the hold cannot be read: {fault}"
            hold.elapse(seen.gap, seen.volume)
            self._sequencer.hold_until = hold
            return decided

        # What was called just before the end may not be shown as accepted yet, and the equipment may be about
        # to go into its safe state for want of a heartbeat.
        return self._requests.internal("recover", act, settled, lambda: self._intake.followed)
