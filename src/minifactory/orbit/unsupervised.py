"""Time in which nobody supervised, in the middle of a run: the process was stopped, the machine slept or was
too busy for a scan.

It is noticed at the next scan by the clock of the link, which goes on while a machine sleeps. Until the
equipment can be read again and follows the heartbeat, the method stands still. Then what was pumped meanwhile
follows from the equipment's own counters, as after a restart of the controller, and is booked; windows of
conditions fill anew; set-points are re-asserted; equipment that has gone safe for want of a heartbeat is told
to go on. What cannot be resolved is held.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.conduct import PAUSE, Conduct
from minifactory.orbit.guards import EquipmentGuard
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.intake import Intake
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.readiness import Readiness
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.restart import FLOWING, OF_ITSELF, Findings, compare, drop_unsent_gradient
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import ENDING, METHOD_RUNS, Command, State
from minifactory.orbit.timing import Now
from minifactory.orbit.words import Words
from minifactory.records.documents import Priority

ALARM = "Unsupervised"
SAFE_ALARM = "Equipment safe"
"""The guard's alarm of equipment that has gone safe by itself: no reason to end the run here."""


class Unsupervised:
    """Notices that no scan was done for too long, and takes the run up again.

    Parameters
    ----------
    wall : callable
        Wall time (UTC), for the record.

    Attributes
    ----------
    pending : bool
        Whether it is not known yet what happened meanwhile: the method stands still.
    count, longest : int and float
        How often nobody supervised, and for how long (s of link time) at most.
    """

    def __init__(
        self,
        policy: Policy,
        words: Words,
        now: Now,
        wall: Callable[[], datetime],
        image: Image,
        intake: Intake,
        outputs: Outputs,
        instructions: Instructions,
        conduct: Conduct,
        equipment: EquipmentGuard,
        ready: Readiness,
        sequencer: Sequencer,
        recorder: Recorder,
        alarms: Alarms,
    ) -> None:
        self.count, self.longest = 0, 0.0
        self._policy, self._words, self._now, self._wall = policy, words, now, wall
        self._image, self._intake, self._outputs, self._instructions = image, intake, outputs, instructions
        self._conduct, self._equipment, self._ready = conduct, equipment, ready
        self._sequencer, self._recorder, self._alarms = sequencer, recorder, alarms
        self._before: Checkpoint | None = None
        self._since = self._process = 0.0

    @property
    def pending(self) -> bool:
        """Whether the method stands still until it is known what happened."""
        return self._before is not None

    def notice(self, process: float, link: float, washing: bool) -> None:
        """See whether the last scan, at `process` and `link` (s), is too long ago; called first in a scan.

        `washing`: the method stood still then.
        """
        passed = self._now.link - link
        if self._policy.lock_step or passed <= self._policy.unsupervised_after:
            return
        self.count, self.longest = self.count + 1, max(self.longest, passed)
        # Deadlines of what was on its way ran out without anybody looking: they begin anew.
        for each in (self._intake, self._outputs, self._instructions):
            each.redate(self._now.link)
        if self._before is None and self._sequencer.under_way:
            self._before = self._sequencer.checkpoint(self._wall().isoformat(), washing)
            self._since, self._process = self._now.link, process

    def resolve(self) -> Demand | None:
        """Take the run up again once the equipment tells what it did; what follows."""
        before, current = self._before, self._sequencer.current
        if before is None:
            return None
        if current is None or not current.under_way:
            self._before = None
            return None
        ending = self._sequencer.state in ENDING
        known = self._ready.complete and self._intake.followed
        if not known and not ending and self._now.link - self._since < self._policy.readback_link:
            return None
        self._before = None
        state = self._equipment.state or ""
        standing = state if state in OF_ITSELF else ""
        gap = self._now.process - self._process
        found = compare(before, self._image, self._words, self._wall(), standing, gap)
        self._book(before, found)
        return None if ending else self._decide(found)

    def spared(self, demands: list[Demand]) -> list[Demand]:
        """`demands` less that to abort because the equipment went safe while nobody supervised."""
        if not self.pending:
            return demands
        return [item for item in demands if item.name != SAFE_ALARM]

    def _book(self, before: Checkpoint, found: Findings) -> None:
        current = self._sequencer.current
        assert current is not None
        assert current.started is not None
        now, image, words, procedure = self._now, self._image, self._words, current.procedure
        same = (procedure.position, procedure.started - current.started)
        same_phase = same == (before.position, before.phase_started)  # nobody has skipped it meanwhile
        flowing = before.state in FLOWING and not before.washing and same_phase
        running = before.state in {item.value for item in METHOD_RUNS} and not before.washing and same_phase
        # It goes on as it is, but windows of time fill anew.
        procedure.take_up(
            procedure.position,
            procedure.started,
            procedure.phase_time + (found.ran if running else 0.0),
            procedure.phase_volume + (found.volume if flowing else 0.0),
            procedure.fired,
            procedure.memory(),
        )
        current.bound = procedure.bound
        if flowing:
            self._conduct.gradient.elapse(found.volume)
        flow = image.last(words.flow) if words.flow else None
        mixed = image.last(words.composition) if words.composition else None
        delivery = current.levels.elapse(now.process, found.volume, flow or 0.0, mixed or 0.0, image)
        self._recorder.collected(now.process, delivery)
        if self._sequencer.hold_until is not None:
            self._sequencer.hold_until.elapse(found.gap, found.volume)
        self._outputs.reassert()

    def _decide(self, found: Findings) -> Demand | None:
        sequencer, now = self._sequencer, self._now
        reaction = self._policy.on_unsupervised
        if found.doubts and reaction.rank < Reaction.HOLD.rank:
            reaction = Reaction.HOLD
        text = f"nobody supervised for {found.gap:.1f} s (the process or the machine stood still)"
        text += f", {found.volume * 1e6:.3g} mL were pumped"
        text += "; unknown: " + "; ".join(found.doubts) if found.doubts else ""
        text += f"; the equipment is in its state {found.standing}" if found.standing else ""
        self._recorder.unsupervised(now, found.gap, reaction.value, text)
        time = now.process - self._recorder.origin
        self._alarms.set(ALARM, Priority.HIGH, text, time)
        self._alarms.clear(ALARM)  # it is over; the alarm stays until somebody has seen it
        if found.standing and sequencer.state in (State.RUNNING, State.HELD):
            drop_unsent_gradient(self._instructions, self._conduct)
            sequencer.put(State.PAUSED, text)
            self._outputs.reduce(PAUSE, 0.0)
            if reaction is Reaction.ALARM:
                sequencer.go(Command.RESUME, text, ALARM)
        return None if reaction is Reaction.ALARM else Demand(ALARM, reaction, text, True)
