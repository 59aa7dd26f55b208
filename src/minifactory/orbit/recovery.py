"""Takes up the run of a controller that died, as soon as the equipment can tell what it did meanwhile."""

from __future__ import annotations

from minifactory.clock import Clock
from minifactory.errors import Finding, InputError
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.current import Current
from minifactory.orbit.desk import Reply
from minifactory.orbit.guards import FOLLOWED
from minifactory.orbit.image import Image
from minifactory.orbit.intake import Intake
from minifactory.orbit.policy import Policy
from minifactory.orbit.requests import Requests
from minifactory.orbit.restart import OnRestart, compare, resolved
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.watch import Watch
from minifactory.orbit.words import Words


class Recovery:
    """Lines the recovery of a run up, for when readings have settled."""

    def __init__(
        self,
        skid: str,
        clock: Clock,
        policy: Policy,
        words: Words,
        image: Image,
        intake: Intake,
        watch: Watch,
        sequencer: Sequencer,
        requests: Requests,
    ) -> None:
        self._skid, self._clock, self._policy, self._words = skid, clock, policy, words
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
                raise InputError(Finding(f"orbit {self._skid}", found, remedy="Restore the link."))
            state = self._watch.equipment.state or ""
            standing = state if state in FOLLOWED else ""
            seen = compare(saved, self._image, self._words, clock.wall(), standing)
            return self._sequencer.restore(saved, seen, on_restart, current)

        # What was called just before the end may not be shown as accepted yet, and the equipment may be about
        # to go into its safe state for want of a heartbeat.
        return self._requests.internal("recover", act, settled, lambda: self._intake.followed)
