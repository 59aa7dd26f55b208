"""Turning what happens in the engine into documents: knows run, origin of time and wall clock, nothing
else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from minifactory.clock import Clock
from minifactory.orbit.alarms import Change
from minifactory.orbit.current import Current
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Issued
from minifactory.orbit.level import Delivery
from minifactory.orbit.levels import Levels
from minifactory.orbit.outputs import Order
from minifactory.orbit.policy import Policy
from minifactory.orbit.publish import Publisher
from minifactory.orbit.states import Command, State
from minifactory.orbit.timing import Now
from minifactory.recipe.bound import BoundWatch
from minifactory.recipe.procedure import Procedure
from minifactory.records import documents as doc
from minifactory.signals import TagTable
from minifactory.signals.shown import duration


class Recorder:
    """Publishes the documents of one engine.

    Attributes
    ----------
    run : str
        The run that documents belong to; empty while there is none.
    origin : float
        Process time in s at which it started.
    marked : float
        Process time in s of the last clock mark.
    """

    def __init__(self, publisher: Publisher, clock: Clock, table: TagTable) -> None:
        self.run = ""
        self.origin = 0.0
        self.marked = 0.0
        self.publisher = publisher
        self._clock = clock
        self._writable = {tag.name: place for place, tag in enumerate(table.writable, len(table.readable))}
        self._tags = (*table.readable, *table.writable)

    def _head(self, process: float) -> tuple[str, float, datetime]:
        return self.run, process - self.origin, self._clock.wall()

    def run_started(self, now: Now, current: Current, skid: str, policy: Policy) -> None:
        """The run `current` begins on `skid`."""
        self.run, self.origin = current.identifier, now.process
        bound = current.bound
        self.publisher.publish(
            doc.RunStarted(
                *self._head(now.process),
                skid,
                bound.recipe,
                bound.version,
                current.origin,
                policy.scan,
                policy.lock_step,
                current.column_volume,
                bound.flow_tag,
                current.provenance,
            )
        )
        self.describe(now.process, tuple(phase.path for phase in bound.phases))
        self.clock_mark(now.process, now.link)

    def run_resumed(self, now: Now, current: Current, gap: float, policy: str, position: str) -> None:
        """The run `current` goes on after `gap` s (nan: unknown) without a controller."""
        self.run, self.origin = current.identifier, current.started or 0.0
        self.publisher.publish(doc.RunResumed(*self._head(now.process), gap, policy, position))
        self.describe(now.process, tuple(phase.path for phase in current.bound.phases))
        self.clock_mark(now.process, now.link)

    def unsupervised(self, now: Now, gap: float, reaction: str, text: str) -> None:
        """The run goes on after `gap` s in which its controller stood still."""
        self.publisher.publish(doc.RunResumed(*self._head(now.process), gap, reaction, text))
        self.clock_mark(now.process, now.link)

    def describe(self, process: float, phases: tuple[str, ...]) -> None:
        """The tags of the samples to come."""
        self.publisher.publish(doc.Descriptor(*self._head(process), self._tags, phases))

    def samples(self, process: float, image: Image, written: Mapping[str, float]) -> None:
        """What changed in this scan, read and written."""
        if not self.run or not (image.changed or written):
            return
        indices, values, quality = image.changed, image.changed_values, image.changed_quality
        if written:
            places = sorted((self._writable[name], value) for name, value in written.items())
            indices = [*indices, *(place for place, _ in places)]
            values = [*values, *(value for _, value in places)]
            quality = [*quality, *(0 for _ in places)]
        document = doc.Samples(*self._head(process), tuple(indices), tuple(values), tuple(quality))
        self.publisher.publish(document)

    def everything(self, process: float, image: Image, sent: Mapping[str, float]) -> None:
        """All values, as at the start of a run."""
        indices, values, quality = image.all()
        image.changed, image.changed_values, image.changed_quality = indices, values, quality
        self.samples(process, image, sent)
        image.changed, image.changed_values, image.changed_quality = [], [], []

    def transition(
        self, process: float, before: State, after: State, command: Command, reason: str, source: str
    ) -> None:
        """The state changed."""
        head = self._head(process)
        self.publisher.publish(
            doc.Transition(*head, before.value, after.value, command.value, reason, source)
        )

    def phase_started(self, process: float, procedure: Procedure) -> None:
        """The phase at the procedure's position begins."""
        phase = procedure.phase
        if phase is not None:
            head = self._head(process)
            self.publisher.publish(doc.PhaseStarted(*head, phase.path, phase.kind.value, phase.column_volume))

    def transfer(self, process: float, procedure: Procedure) -> None:
        """The phase at the procedure's position waits for another skid, or begins after it has waited."""
        states = procedure.published()
        if procedure.waiting:
            text = "; ".join(
                f"waits for {states[name].peer} ({name} {states[name].number})" for name in procedure.waits
            )
            self.note(process, "transfer", procedure.phase_path, text, {})
            return
        text = f"begins after waiting for {duration(procedure.waited)}"
        self.note(process, "transfer", procedure.phase_path, text, {"waited": procedure.waited})

    def phase_ended(self, process: float, procedure: Procedure, reason: str) -> None:
        """The phase at the procedure's position is over."""
        phase = procedure.phase
        if phase is None:
            return
        self.publisher.publish(
            doc.PhaseEnded(
                *self._head(process),
                phase.path,
                phase.kind.value,
                procedure.started - self.origin,
                procedure.phase_time,
                procedure.phase_volume,
                phase.column_volume,
                reason,
            )
        )

    def watch_fired(self, process: float, path: str, watch: BoundWatch, image: Image) -> None:
        """A watch came true; with the values that it saw."""
        seen = {name: value for name in watch.when.tags() if (value := image.values.get(name)) is not None}
        text = watch.when.text or str(watch.when)
        self.publisher.publish(doc.WatchFired(*self._head(process), path, watch.name, text, seen))

    def collected(self, process: float, delivery: Delivery | None) -> None:
        """A vessel has received something."""
        if delivery is not None and self.run:
            run, time, wall = self._head(process)
            start = delivery.start - self.origin
            self.publisher.publish(doc.Collected(run, time, wall, delivery.vessel, start, delivery.volume))

    def instruction(self, process: float, issued: Issued, stage: doc.Stage, message: str) -> None:
        """An instruction reached a stage."""
        self.publisher.publish(
            doc.InstructionRecord(
                *self._head(process),
                issued.number,
                issued.name,
                issued.arguments,
                issued.source,
                stage,
                issued.latency(process),
                message,
                issued.again,
            )
        )

    def setpoints(self, process: float, order: Order, stage: doc.Stage, message: str = "") -> None:
        """A write of set-points reached a stage."""
        latency = max(0.0, process - order.process) if order.process == order.process else 0.0
        head = self._head(process)
        values = dict(order.values)
        self.publisher.publish(doc.SetpointRecord(*head, values, order.source, stage, latency, message))

    def alarm(self, process: float, change: Change) -> None:
        """An alarm changed."""
        self.publisher.publish(
            doc.Alarm(
                *self._head(process),
                change.name,
                change.occurrence,
                change.priority,
                change.stage,
                change.message,
                change.actor,
                change.note,
                change.first_out,
            )
        )

    def operator(self, process: float, actor: str, command: str, accepted: bool, message: str) -> None:
        """Somebody asked for something."""
        self.publisher.publish(doc.OperatorAction(*self._head(process), actor, command, accepted, message))

    def note(self, process: float, category: str, source: str, text: str, data: Mapping[str, float]) -> None:
        """A line for the record."""
        self.publisher.publish(doc.Note(*self._head(process), category, source, text, dict(data)))

    def clock_mark(self, process: float, link: float) -> None:
        """The three times of this instant."""
        self.marked = process
        self.publisher.publish(doc.ClockMark(*self._head(process), link))

    def run_stopped(
        self, process: float, state: State, reason: str, scans: int, overruns: int, levels: Levels
    ) -> None:
        """The run is over."""
        self.publisher.publish(
            doc.RunStopped(
                *self._head(process),
                state.value,
                reason,
                scans,
                overruns,
                self.publisher.dropped,
                dict(levels.consumed),
                dict(levels.received),
            )
        )
        self.run = ""
