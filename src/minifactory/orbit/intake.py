"""The first step of the scan: let time pass on the equipment, read it, judge the readings, keep the heart
beating."""

from __future__ import annotations

import math
from collections.abc import Mapping

from minifactory.errors import EquipmentError
from minifactory.orbit.guards import LinkGuard
from minifactory.orbit.image import Image
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy
from minifactory.orbit.words import Words
from minifactory.signals import Reading, SignalBackend


class Intake:
    """Reads the equipment into the image and watches the link while doing so.

    In lock-step the equipment is granted its time here, ages are not judged and there is no heartbeat:
    nothing can happen between two scans.
    """

    def __init__(
        self,
        backend: SignalBackend,
        words: Words,
        policy: Policy,
        image: Image,
        outputs: Outputs,
        guard: LinkGuard,
    ) -> None:
        self._backend, self._words, self._policy = backend, words, policy
        self._image, self._outputs, self._guard = image, outputs, guard
        self._beat = 0
        self._beat_at = -math.inf
        self._echo = math.nan
        self._unanswered = math.inf
        self._owed = False

    def read(self, process: float, link: float) -> None:
        """Read everything at process time `process` and link time `link` (s)."""
        readings: Mapping[str, Reading] | None = None
        try:
            self._backend.advance(process)
            readings = self._backend.read()
            self._image.take(readings, self._backend.now(), link)
            self._guard.good("read")
        except EquipmentError as fault:
            self._guard.fault("read", str(fault), link)
            since = self._guard.faulty("read")
            # What cannot be read cannot tell its time either: it ages by the link's own clock.
            late = since is not None and link - since >= self._policy.stale_after
            self._image.miss(link, distrust=late or self._policy.lock_step)
        if self._policy.lock_step:
            return
        if not self._image.lost:
            self._guard.good("age")
            if readings is not None:
                self._guard.heard(link)
        elif readings is not None:
            self._guard.fault("age", "no tag has a fresh reading", link)
            self._date(readings, link)
        self._follow_echo(link)

    def _date(self, readings: Mapping[str, Reading], link: float) -> None:
        """Tell the guard of which link time the newest of `readings`, all too old, is."""
        newest = max((reading.time for reading in readings.values() if reading.good), default=math.nan)
        age = self._backend.now() - newest
        if 0.0 <= age < math.inf:
            self._guard.heard(link - age)

    def redate(self, link: float) -> None:
        """Nobody looked until `link` (s): what has not been answered has time from now on.

        The heart beats at once, and the equipment counts as following when it has followed that beat.
        """
        self._guard.redate(link)
        self._owed, self._beat_at = True, -math.inf
        if self._unanswered < math.inf:
            self._unanswered = link

    def beat(self, link: float) -> None:
        """Change the heartbeat when it is time; before the write of the scan."""
        name = self._words.heartbeat
        if name is None or self._policy.lock_step or link - self._beat_at < self._policy.heartbeat:
            return
        if not self._beat and self._words.echo is not None:
            self._beat = int(self._image.values.get(self._words.echo) or 0)  # that of who was here before
        self._beat = self._beat % 1000 + 1
        self._beat_at, self._owed = link, False
        self._unanswered = min(self._unanswered, link)
        self._outputs.refresh(name, float(self._beat))

    @property
    def followed(self) -> bool:
        """Whether the equipment has followed a heartbeat of this controller, if there is one to follow.

        Until then it may be about to go into its safe state for want of one.
        """
        words = self._words
        if words.heartbeat is None or words.echo is None or self._policy.lock_step:
            return True
        return bool(self._beat) and not self._owed and self._image.values.get(words.echo) == self._beat

    def _follow_echo(self, link: float) -> None:
        name = self._words.echo
        if name is None or self._words.heartbeat is None or not self._beat:
            return
        echo = self._image.values.get(name)
        if echo is None:
            return
        if echo != self._echo:
            self._echo, self._unanswered = echo, math.inf
            self._guard.good("echo")
        elif link - self._unanswered > self._policy.heartbeat + self._policy.readback_link:
            self._guard.fault("echo", "the equipment answers, but no longer follows the heartbeat", link)
