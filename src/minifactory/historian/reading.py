"""A stored run read back as a `Run`, and its tags, trends and documents.

Samples are stored on change. A trend of a measured value gets one more point, one scan before each change,
wherever the value stood still for longer than a scan: the straight line between points then is what was
measured. Trends of set-points and positions hold their value until the next point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import EnvironmentFault, Finding
from minifactory.historian.entries import GAP, SEGMENT, to_document
from minifactory.historian.lines import event_of, gap_event
from minifactory.historian.segments import Track, unpack
from minifactory.historian.store import Store
from minifactory.records import documents as doc
from minifactory.records.analysis import LOAD_ANALYSIS, POOL_ANALYSIS
from minifactory.records.run import Event, PhaseRecord, PoolRecord, Run, Trend
from minifactory.signals.tags import Tag

UNFINISHED = "cut short: the record ends here"
LOST = "the record of its end is missing"


def load_run(store: Store, identifier: str, tags: Collection[str] | None = None) -> Run:
    """The run `identifier` as it was recorded, complete or not.

    Parameters
    ----------
    store : Store
        Where it was recorded.
    identifier : str
        Its name.
    tags : collection of str or None
        Trends wanted; None: all.

    Raises
    ------
    InputError
        No such run.
    EnvironmentFault
        The database cannot be read, or the record of this run has no beginning or is damaged.
    """
    reader = _Reader(wanted=tags)
    for stored in store.entries(identifier):
        entry = stored.entry
        if entry.kind == SEGMENT:
            reader.segment(entry.blob or b"", float(entry.content["last"]))
        elif entry.kind == GAP:
            reader.events.append(gap_event(entry))
        else:
            document = to_document(entry)
            if document is not None:
                reader.take(document)
    if reader.started is None:
        raise EnvironmentFault(
            Finding(
                f"run {identifier}", "its record has no beginning", "a RunStarted document", "Run verify."
            )
        )
    return reader.run(identifier)


def documents(store: Store, identifier: str) -> Iterator[doc.Document]:
    """The documents of a run in the order of recording, samples apart (see :func:`load_run`)."""
    for stored in store.entries(identifier):
        document = to_document(stored.entry)
        if document is not None:
            yield document


@dataclass
class _Reader:
    """What has been gathered of one run."""

    wanted: Collection[str] | None
    started: doc.RunStarted | None = None
    stopped: doc.RunStopped | None = None
    state: str = ""
    last: float = 0.0
    table: tuple[Tag, ...] = ()
    tags: dict[str, Tag] = field(default_factory=dict)
    tracks: dict[str, list[Track]] = field(default_factory=dict)
    open_phase: doc.PhaseStarted | None = None
    lost: list[tuple[doc.PhaseStarted, float]] = field(default_factory=list)
    phases: list[PhaseRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    collected: list[doc.Collected] = field(default_factory=list)
    analyses: dict[str, Mapping[str, float]] = field(default_factory=dict)
    loaded: dict[str, float] = field(default_factory=dict)

    def segment(self, blob: bytes, last: float) -> None:
        """Take the tracks of a segment that follows the present descriptor."""
        self.last = max(self.last, last)
        indices = None
        if self.wanted is not None:
            indices = {place for place, tag in enumerate(self.table) if tag.name in self.wanted}
        for track in unpack(blob, indices):
            if track.index < len(self.table):
                self.tracks.setdefault(self.table[track.index].name, []).append(track)

    def take(self, document: doc.Document) -> None:
        """Take any other document."""
        match document:
            case doc.RunStarted():
                self.started = document
            case doc.Descriptor():
                self.table = document.tags
                self.tags.update({tag.name: tag for tag in document.tags})
            case doc.PhaseStarted():
                self._lose_open_phase(document.path, document.time)
                self.open_phase = document
            case doc.PhaseEnded():
                self._lose_open_phase(document.path, document.start)
                self.phases.append(_phase(document))
                self.open_phase = None
            case doc.Collected():
                self.collected.append(document)
            case doc.Note(category=category) if category == POOL_ANALYSIS:
                self.analyses[document.source] = document.data
            case doc.Note(category=category) if category == LOAD_ANALYSIS:
                self.loaded = dict(document.data)
            case doc.Transition():
                self.state = document.after
            case doc.RunStopped():
                self.stopped = document
                self.state = document.state
        if not isinstance(document, doc.Note):
            self.last = max(self.last, document.time)
        event = event_of(document, self.tags)
        if event is not None:
            self.events.append(event)

    def _lose_open_phase(self, follower: str, time: float) -> None:
        """The phase `follower` began at `time` (s): one that is still open has ended without a record."""
        if self.open_phase is not None and self.open_phase.path != follower:
            self.lost.append((self.open_phase, time))
            self.open_phase = None

    def run(self, identifier: str) -> Run:
        """All of it as a Run."""
        started = self.started
        assert started is not None
        trends = {
            name: _trend(self.tags[name], parts, started.scan, self.last)
            for name, parts in self.tracks.items()
        }
        order = {name: place for place, name in enumerate(self.tags)}
        trends = dict(sorted(trends.items(), key=lambda item: order[item[0]]))
        run = Run(
            identifier=identifier,
            origin=started.origin,
            state=self.state or "Unknown",
            skid=started.skid,
            recipe=started.recipe,
            trends=trends,
            phases=tuple(self.phases),
            events=tuple(sorted(self.events, key=lambda event: event.time)),
            pools=_pools(self.collected, self.analyses),
            loaded=self.loaded,
            consumed=dict(self.stopped.consumed) if self.stopped is not None else {},
            column_volume=started.column_volume,
            provenance={**started.provenance, "scan": f"{started.scan:g} s"},
        )
        phases = list(run.phases)
        for phase, end in self.lost:
            phases.append(_cut_phase(run, phase, end, started.flow_tag, LOST))
        if self.open_phase is not None:
            phases.append(_cut_phase(run, self.open_phase, self.last, started.flow_tag, UNFINISHED))
        return replace(run, phases=tuple(sorted(phases, key=lambda phase: phase.start)))


def _phase(ended: doc.PhaseEnded) -> PhaseRecord:
    return PhaseRecord(
        ended.path, ended.kind, ended.start, ended.time, ended.volume, ended.column_volume, ended.reason
    )


def _cut_phase(run: Run, started: doc.PhaseStarted, last: float, flow_tag: str, reason: str) -> PhaseRecord:
    """A phase whose end is not recorded; its volume is the integral of the measured flow until `last` (s)."""
    volume = 0.0
    if flow_tag in run.trends:
        limits = run.volume_axis(np.array([started.time, last]), flow_tag)
        volume = float(limits[1] - limits[0])
    return PhaseRecord(started.path, started.kind, started.time, last, volume, started.column_volume, reason)


def _pools(
    collected: list[doc.Collected], analyses: Mapping[str, Mapping[str, float]]
) -> tuple[PoolRecord, ...]:
    """The collected parts; a vessel's analysis is shared among its parts by volume (the pool is mixed)."""
    totals: dict[str, float] = {}
    for part in collected:
        totals[part.vessel] = totals.get(part.vessel, 0.0) + part.volume
    pools = []
    for part in collected:
        share = part.volume / totals[part.vessel] if totals[part.vessel] > 0 else 0.0
        found = analyses.get(part.vessel, {})
        amounts = {name: amount * share for name, amount in found.items()}
        pools.append(PoolRecord(part.vessel, part.start, part.time, part.volume, amounts))
    return tuple(pools)


def _trend(tag: Tag, parts: list[Track], scan: float, last: float) -> Trend:
    """The trend of one tag from its tracks, up to `last` (s)."""
    time = np.concatenate([part.time for part in parts])
    values = np.concatenate([part.values for part in parts])
    quality = None
    if any(part.quality is not None for part in parts):
        quality = np.concatenate(
            [np.zeros(part.time.size, np.int8) if part.quality is None else part.quality for part in parts]
        )
    step = tag.writable or bool(tag.choices)
    held = _held(time, scan, last, step)
    if held.size:
        places = np.searchsorted(time, held, side="right")
        time = np.insert(time, places, held)
        values = np.insert(values, places, values[places - 1])
        quality = None if quality is None else np.insert(quality, places, quality[places - 1])
    return Trend(tag.name, tag.kind, time, values, quality, step)


def _held(time: NDArray[np.float64], scan: float, last: float, step: bool) -> NDArray[np.float64]:
    """Moments (s) at which the value of the point before still stood and a line must pass through it."""
    ends = time[1:] - scan
    between = np.empty(0) if step else ends[np.diff(time) > 1.5 * scan]
    return np.append(between, last) if last > time[-1] else between
