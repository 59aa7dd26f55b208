"""The documents that a controller publishes while it runs, and that the historian and the pages read.

One run is the sequence RunStarted, Descriptor, then Samples, PhaseStarted, PhaseEnded, Collected, Transition,
WatchFired, InstructionRecord, SetpointRecord, Alarm, OperatorAction, Note and ClockMark in the order in which
they happened, and RunStopped. Documents are frozen, carry SI values and are published by one thread in order
of time; a subscriber takes them through :class:`Subscriber` and never makes the controller wait.

`run` names the run that a document belongs to (empty when the controller is idle), `time` is process time in
s since the start of that run, `wall` the wall time (UTC) of the record. After the restart of a controller a
run continues with RunResumed and a new Descriptor; times go on from the same origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from minifactory.signals.tags import Tag


class Priority(Enum):
    """How soon a person must act on an alarm (ISA-18.2)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class AlarmStage(Enum):
    """What happened to an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"


class Stage(Enum):
    """How far an instruction or a set-point has come."""

    ISSUED = "issued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    REFUSED = "refused"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Document:
    """What all documents share: the run, the process time in s since its start, and the wall time (UTC)."""

    run: str
    time: float
    wall: datetime


@dataclass(frozen=True, slots=True)
class RunStarted(Document):
    """A run began.

    Parameters
    ----------
    skid, recipe, version : str
        What runs what.
    origin : str
        ``"virtual skid"`` or ``"skid"``, as :attr:`minifactory.records.run.Run.origin`.
    scan : float
        Process time between scans in s.
    lock_step : bool
        Whether the controller is the time master.
    column_volume : float
        m3; 0 when no column takes part.
    flow_tag : str
        The measured flow whose integral is the volume axis.
    provenance : Mapping of str to str
        Hashes of inputs, versions, seed, speed, backend.
    """

    skid: str
    recipe: str
    version: str
    origin: str
    scan: float
    lock_step: bool
    column_volume: float = 0.0
    flow_tag: str = "System.Flow"
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunResumed(Document):
    """A controller that had died took the run up again.

    `gap` is the link time in s for which nobody supervised (nan when unknown), `policy` the declared restart
    policy, `position` what was found and decided.
    """

    gap: float
    policy: str
    position: str


@dataclass(frozen=True, slots=True)
class Descriptor(Document):
    """The tags of the samples that follow: a sample's index is the position of its tag in `tags`.

    Readings and set-points are both there (`Tag.writable`), and so are the controller's own derived values.
    `phases` are the paths of the phases to come, in order.
    """

    tags: tuple[Tag, ...]
    phases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Samples(Document):
    """The values that changed in one scan.

    Parameters
    ----------
    indices : tuple of int, n entries
        Positions in the descriptor's `tags`, ascending.
    values : tuple of float, n entries
        SI; index of the choice for tags with choices.
    quality : tuple of int, n entries
        As :class:`minifactory.signals.Quality`; a change of quality alone is a change, too.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]
    quality: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transition(Document):
    """The controller changed its ISA-88 state because of `command`, for `reason`, asked by `source`."""

    before: str
    after: str
    command: str
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class PhaseStarted(Document):
    """Phase `path` of `kind` began; `column_volume` (m3) is 1 CV in it."""

    path: str
    kind: str
    column_volume: float


@dataclass(frozen=True, slots=True)
class PhaseEnded(Document):
    """Phase `path` ended for `reason`.

    `start` (s since the start of the run) is when it began, `duration` (s) the time for which it was running
    (without holds and washes), `volume` (m3) what was pumped through it, `column_volume` (m3) 1 CV.
    """

    path: str
    kind: str
    start: float
    duration: float
    volume: float
    column_volume: float
    reason: str


@dataclass(frozen=True, slots=True)
class Collected(Document):
    """What vessel `vessel` received from `start` until `time` (s): `volume` in m3 by the measured flow."""

    vessel: str
    start: float
    volume: float


@dataclass(frozen=True, slots=True)
class WatchFired(Document):
    """Watch `name` of phase `path` came true; `condition` is its text, `values` (SI) what it saw."""

    path: str
    name: str
    condition: str
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstructionRecord(Document):
    """One stage in the life of a one-shot instruction.

    `number` grows by one with every instruction of a run; `arguments` are SI; `source` is who asked (phase,
    watch, interlock, operator); `latency` is the process time in s since it was issued. `again`: told again
    by a controller that came back, for it cannot know what the record has; the store takes it in once.
    """

    number: int
    name: str
    arguments: Mapping[str, float]
    source: str
    stage: Stage
    latency: float = 0.0
    message: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class SetpointRecord(Document):
    """One stage in the life of a write of set-points (SI): issued together, then confirmed by read-back."""

    values: Mapping[str, float]
    source: str
    stage: Stage
    latency: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Alarm(Document):
    """An alarm changed; `occurrence` tells two raisings of the same `name` apart."""

    name: str
    occurrence: int
    priority: Priority
    stage: AlarmStage
    message: str
    actor: str = ""
    note: str = ""
    first_out: bool = False


@dataclass(frozen=True, slots=True)
class OperatorAction(Document):
    """`actor` asked for `command`; `accepted` tells whether it was legal, `message` what was answered."""

    actor: str
    command: str
    accepted: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Note(Document):
    """Something worth a line in the record; `category` is a word such as ``prediction`` or ``level``."""

    category: str
    source: str
    text: str
    data: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockMark(Document):
    """Process, wall and link time (`link`, s) of one instant; a series shows steps of the wall clock."""

    link: float


@dataclass(frozen=True, slots=True)
class RunStopped(Document):
    """A run ended.

    Parameters
    ----------
    state : str
        ISA-88 state in which it ended: ``Complete``, ``Stopped`` or ``Aborted``.
    reason : str
        Why; for ``Complete`` simply that all phases are done.
    scans, overruns : int
        How many scans, and how many of them were late.
    dropped : int
        Documents that a subscriber could not take (also alarmed).
    consumed : Mapping of str to float
        Volume (m3) drawn from each vessel by the measured flow.
    collected : Mapping of str to float
        Volume (m3) delivered to each vessel by the measured flow.
    """

    state: str
    reason: str
    scans: int = 0
    overruns: int = 0
    dropped: int = 0
    consumed: Mapping[str, float] = field(default_factory=dict)
    collected: Mapping[str, float] = field(default_factory=dict)


class Subscriber(Protocol):
    """Whoever wants to see the documents."""

    def offer(self, document: Document) -> bool:
        """Take `document` without blocking and without raising; False when it had to be dropped.

        Called by the scan thread. A subscriber that must not lose anything spools on its side; whatever it
        refuses is counted and alarmed by the controller. One that may fail on its side can tell so in a text
        attribute `trouble`, empty while all is well: the controller alarms it.
        """
