"""The live status of a controller: one frozen snapshot, replaced as a whole, safe to read from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.orbit.alarms import ActiveAlarm, Alarms
from minifactory.orbit.authority import Authority
from minifactory.orbit.image import Image
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import State
from minifactory.orbit.timing import Grid
from minifactory.recipe.transfers import TransferState


@dataclass(frozen=True, slots=True)
class Status:
    """What an operator sees at a glance; SI units.

    Parameters
    ----------
    skid, run, recipe : str
        Which controller, run and recipe; empty when there is none.
    state : State
        ISA-88 state.
    reason : str
        Why it is in this state.
    time : float
        Process time in s since the start of the run.
    phase : str
        Path of the phase; empty when none runs.
    phase_number, phase_count : int
        Position of the phase, counted from 1, and how many there are.
    phase_time, phase_volume, phase_cv : float
        Running time (s), volume (m3) and column volumes of the phase.
    cv_left, time_left : float or None
        Column volumes and s left in the phase, when its length is known beforehand.
    washing : bool
        Whether the method waits for a pump wash.
    values : Mapping of str to float or None
        Tag -> SI value; None when bad or stale: never show anything else as good.
    outlet : str
        Vessel that receives the outlet.
    link : str
        ``good`` or what is wrong with the link.
    alarms : tuple of ActiveAlarm
        Oldest first.
    scans, overruns, dropped : int
        Scans so far, late ones, and documents that a subscriber could not take.
    scan_time : float
        Computing time of the last scan in s.
    unconfirmed : tuple of str
        Set-points that the equipment has not confirmed yet.
    flow_factor : float
        Part of the wanted flow that interlocks leave.
    version : str
        Of the recipe, with the number of live edits (``1+2``).
    asks : tuple of (str, str)
        Inputs that the run waits for: name and question.
    watching : tuple of str
        Watches of the phase that have not fired.
    beside : tuple of str
        Phases that run in branches beside this one.
    holders : Mapping of str to str
        What is not with the recipe, and who holds it.
    shelved : tuple of ActiveAlarm
        Alarms that are hidden for a time.
    hold_until : str
        The condition that ends the hold; empty when a person does.
    waits : tuple of str
        Transfers for which the phase has to wait before it begins.
    slow_writes, longest_write : int and float
        Writes of the journal that took too long, and s that the longest took.
    unsupervised, longest_unsupervised : int and float
        How often no scan was done for too long, and s of link time that the longest such time took.
    transfers, peers : tuple of TransferState
        Where this skid stands in each transfer, and where its peers stand, as far as it is known.
    """

    skid: str
    run: str
    recipe: str
    state: State
    reason: str
    time: float
    phase: str
    phase_number: int
    phase_count: int
    phase_time: float
    phase_volume: float
    phase_cv: float
    cv_left: float | None
    time_left: float | None
    washing: bool
    values: Mapping[str, float | None]
    outlet: str
    link: str
    alarms: tuple[ActiveAlarm, ...] = ()
    scans: int = 0
    overruns: int = 0
    dropped: int = 0
    scan_time: float = 0.0
    unconfirmed: tuple[str, ...] = ()
    flow_factor: float = 1.0
    version: str = ""
    asks: tuple[tuple[str, str], ...] = ()
    watching: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    holders: Mapping[str, str] = field(default_factory=dict)
    shelved: tuple[ActiveAlarm, ...] = ()
    hold_until: str = ""
    waits: tuple[str, ...] = ()
    transfers: tuple[TransferState, ...] = ()
    peers: tuple[TransferState, ...] = ()
    slow_writes: int = 0
    longest_write: float = 0.0
    unsupervised: int = 0
    longest_unsupervised: float = 0.0

    def value(self, name: str) -> float | None:
        """The value (SI) of tag or alias `name`; None when it is bad, stale or unknown."""
        return self.values.get(name)


def snapshot(
    skid: str,
    sequencer: Sequencer,
    time: float,
    washing: bool,
    image: Image,
    outputs: Outputs,
    link: str,
    alarms: Alarms,
    grid: Grid,
    dropped: int,
    scan_time: float,
    authority: Authority,
    slow_writes: tuple[int, float] = (0, 0.0),
    unsupervised: tuple[int, float] = (0, 0.0),
) -> Status:
    """The status of this scan, from the parts of the engine."""
    current = sequencer.current
    procedure = None if current is None else current.procedure
    phase = None if procedure is None else procedure.phase
    cv_left = time_left = None
    if phase is not None and procedure is not None:
        if phase.planned_volume is not None and phase.column_volume:
            cv_left = max(0.0, phase.planned_volume - procedure.phase_volume) / phase.column_volume
        if phase.planned_time is not None:
            time_left = max(0.0, phase.planned_time - procedure.phase_time)
    return Status(
        skid=skid,
        run="" if current is None else current.identifier,
        recipe="" if current is None else current.bound.recipe,
        state=sequencer.state,
        reason=sequencer.reason,
        time=time,
        phase="" if phase is None else phase.path,
        phase_number=0 if procedure is None else procedure.position + 1,
        phase_count=0 if current is None else len(current.bound.phases),
        phase_time=0.0 if procedure is None else procedure.phase_time,
        phase_volume=0.0 if procedure is None else procedure.phase_volume,
        phase_cv=0.0 if procedure is None else procedure.phase_cv,
        cv_left=cv_left,
        time_left=time_left,
        washing=washing,
        values=dict(image.values),
        outlet="" if current is None or current.levels.outlet is None else current.levels.outlet,
        link=link,
        alarms=alarms.active(),
        scans=grid.count,
        overruns=grid.overruns,
        dropped=dropped,
        scan_time=scan_time,
        unconfirmed=outputs.pending,
        flow_factor=min(outputs.factors.values(), default=1.0),
        version="" if current is None else current.bound.version,
        asks=() if current is None else current.open_questions(),
        watching=() if procedure is None else procedure.waiting_for,
        beside=() if procedure is None else procedure.beside,
        holders={name: str(holder) for name, holder in authority.holders.items()},
        shelved=alarms.shelved(),
        hold_until="" if sequencer.hold_until is None else sequencer.hold_until.text,
        waits=() if procedure is None else procedure.waits,
        transfers=() if procedure is None else tuple(procedure.published().values()),
        peers=() if procedure is None else tuple(procedure.heard().values()),
        slow_writes=slow_writes[0],
        longest_write=slow_writes[1],
        unsupervised=unsupervised[0],
        longest_unsupervised=unsupervised[1],
    )
