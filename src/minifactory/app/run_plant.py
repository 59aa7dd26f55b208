"""Runs a case on several skids in one process: one controller per skid over the virtual plant, hand-shakes
between them, and one record of the whole.

Every skid's run is recorded under its own name; the plant as a whole is judged, as the prediction is, by
the skid that fills the pool. In lock-step all controllers scan at the same process times, one after another,
so that the course of a plant is the same each time.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from minifactory.app.case import Case, of_skid
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import controller, file_analysis, levels_of
from minifactory.app.home import DATABASE
from minifactory.app.links import Link, Options
from minifactory.app.operating import open_desk
from minifactory.app.predict_plant import PlantPrediction, collecting
from minifactory.campaign.appraisal import appraise
from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Decision, Verdict, judge
from minifactory.campaign.report import BatchRecord, write
from minifactory.clock import VirtualClock
from minifactory.drivers import InMemoryBackend
from minifactory.errors import EquipmentError, Finding, InputError, did_you_mean
from minifactory.historian import Store, Writer, load_run
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.plant.network import shared_vessels
from minifactory.records.compare import Comparison, compare
from minifactory.records.export import write_parquet
from minifactory.records.performance import Performance
from minifactory.records.plant_run import PlantRun
from minifactory.records.run import Run
from minifactory.skid.contents import Contents
from minifactory.skid.plant import VirtualPlant, open_plant

SHOW_EVERY = 0.5
"""s of real time between two looks at the live status."""
Watcher = Callable[[Mapping[str, Status]], None]


@dataclass(frozen=True)
class PlantOutcome:
    """What came of a case on several skids; all but the first four are None when the gate stayed closed.

    `runs` are the recorded runs by skid, `whole` all of them as one.
    """

    case: Case
    identifier: str
    prediction: PlantPrediction
    gate: GateResult
    runs: Mapping[str, Run] | None = None
    whole: Run | None = None
    performance: Performance | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    record: Path | None = None

    @property
    def exit_code(self) -> int:
        """0 targets met, 1 missed or gate closed, 3 not complete."""
        return 1 if self.verdict is None else self.verdict.exit_code

    def as_dict(self) -> dict[str, Any]:
        """One JSON document: states, performance, targets, record (SI units)."""
        judgements = self.gate.judgements if self.verdict is None else self.verdict.judgements
        return {
            "case": self.case.name,
            "run": self.identifier,
            "skids": {
                skid: {"run": run.identifier, "state": run.state, "duration": run.duration}
                for skid, run in (self.runs or {}).items()
            },
            "state": "Gate closed" if self.whole is None else self.whole.state,
            "decision": "gate closed" if self.verdict is None else self.verdict.decision.value,
            "reasons": list(self.gate.lines()) if self.verdict is None else list(self.verdict.reasons),
            "performance": None if self.performance is None else dict(self.performance.values),
            "prediction": {
                name: {"value": value, "lower": low, "upper": high}
                for name, value in self.prediction.whole.performance.values.items()
                for low, high in [self.prediction.whole.interval(name)]
            },
            "targets": [
                {
                    "figure": item.target.figure,
                    "limit": item.target.limit,
                    "at_least": item.target.at_least,
                    "value": item.value,
                    "met": item.met,
                    "missed_by": item.missed_by,
                }
                for item in judgements
            ],
            "gate": {"passed": self.gate.passed, "advice": list(self.gate.lines())},
            "record": None if self.record is None else str(self.record),
        }


def run_plant(
    case: Case,
    options: Options,
    folder: Path,
    prediction: PlantPrediction,
    passed: GateResult,
    *,
    watcher: Watcher | None = None,
    say: Callable[[str], None] | None = None,
    notes: Mapping[str, str] | None = None,
) -> PlantOutcome:
    """The outcome of running `case` on all its skids in this process, from the gate to the record.

    Parameters
    ----------
    case : Case
        Opened with ``several=True``.
    options : Options
        Seed, scan, truth and faults (as ``SKID:FAULT``); in memory, in lock-step.
    folder : Path
        The folder of runs.
    prediction, passed
        From :func:`minifactory.app.predict_plant.predict_plant` and the gate.
    watcher, say : callable, optional
        Shown the live status of all skids; told what happens next.
    notes : Mapping of str to str, optional
        What else the record is to say of where the runs come from.

    Raises
    ------
    InputError
        A start is refused.
    """
    tell = say or (lambda _text: None)
    identifier = f"{case.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not passed.passed:
        return PlantOutcome(case, identifier, prediction, passed)
    tell("The prediction meets the targets: the gate is open.")
    tell(f"Skids {', '.join(case.bounds)} in memory, speed max.")
    store = Store(folder / DATABASE)
    plant = open_plant(
        options.plant or case.folder,
        options.seed,
        None,
        faults_by_skid(options.faults, tuple(case.bounds)),
        options.identical,
        tuple(case.bounds),
    )
    started = datetime.now(UTC)
    names = {skid: f"{identifier}-{skid}" for skid in case.bounds}
    with Writer(store, folder / "spool") as writer:
        states = _run(case, plant, options, writer, names, folder, watcher, notes or {})
        writer.flush()
        file_contents(case, plant.contents(), writer, store, names)
    refuse_incomplete(writer, str(folder / DATABASE))
    for skid, status in states.items():
        tell(f"{skid} ended in state {status.state.value}: {status.reason.rstrip('.')}.")
    return concluded(case, identifier, prediction, passed, store, names, folder, started)


def faults_by_skid(faults: tuple[str, ...], skids: tuple[str, ...]) -> dict[str, list[str]]:
    """``SKID:KIND...`` by skid.

    Raises
    ------
    InputError
        A fault that names no skid of the case.
    """
    found: dict[str, list[str]] = {}
    for text in faults:
        skid, _, fault = text.partition(":")
        if skid not in skids or not fault:
            raise InputError(
                Finding(
                    "--fault",
                    f'"{text}"',
                    f"SKID:FAULT with one of {', '.join(skids)}",
                    did_you_mean(skid, skids),
                )
            )
        found.setdefault(skid, []).append(fault)
    return found


class _Together(InMemoryBackend):
    """A skid of a plant whose controllers scan one after another: the first of a scan moves all of them."""

    def __init__(self, plant: VirtualPlant, skid: str) -> None:
        super().__init__(plant.skids[skid])
        self._plant = plant

    def advance(self, process_time: float) -> None:
        """Let the process time of the whole plant run to `process_time` (s)."""
        for skid in self._plant.skids.values():
            skid.advance(process_time)
        super().advance(process_time)


def _run(
    case: Case,
    plant: VirtualPlant,
    options: Options,
    writer: Writer,
    names: Mapping[str, str],
    folder: Path,
    watcher: Watcher | None,
    notes: Mapping[str, str],
) -> dict[str, Status]:
    """Scan all controllers until every run has ended; the last status of each."""
    engines: dict[str, Engine] = {}
    clocks: dict[str, VirtualClock] = {}
    wall = datetime.now(UTC)
    with ExitStack() as desks:
        for skid in case.bounds:
            own = of_skid(case, skid)
            clock = VirtualClock(wall_start=wall)
            policy = Policy.in_lock_step(options.scan)
            link = Link(
                _Together(plant, skid), clock, policy, "virtual skid", "in memory", lambda _answers: None
            )
            engine = controller(own, link, writer, None, None, None)
            engine.load(
                own.bound,
                names[skid],
                origin=link.origin,
                provenance={**provenance(case, options, names), **notes},
                levels=levels_of(own),
            )
            engine.command("start", "command line")
            desks.enter_context(open_desk(engine, own, names[skid], folder))
            engines[skid], clocks[skid] = engine, clock
        with _interruptible(engines):
            return _scan(engines, clocks, watcher)


def _scan(
    engines: Mapping[str, Engine], clocks: Mapping[str, VirtualClock], watcher: Watcher | None
) -> dict[str, Status]:
    shown, states = 0.0, {skid: engine.status for skid, engine in engines.items()}
    while True:
        for skid, engine in engines.items():
            if states[skid].state in ENDED:
                continue
            states[skid] = engine.scan()
            for name, other in engines.items():
                if name != skid:
                    other.exchange.tell(engine.exchange.said, clocks[name].link_time())
            if states[skid].state is State.IDLE:
                raise EquipmentError(
                    Finding(f"orbit {skid}", f"the start was refused: {states[skid].reason}")
                )
        now = time.monotonic()
        if watcher is not None and now - shown >= SHOW_EVERY:
            shown = now
            watcher(states)
        if all(status.state in ENDED for status in states.values()):
            break
    for engine in engines.values():
        engine.leave()
    if watcher is not None:
        watcher(states)
    return states


@contextmanager
def _interruptible(engines: Mapping[str, Engine]) -> Iterator[None]:
    """Ctrl-C and SIGTERM take every skid into its safe state."""

    def interrupted(number: int, _frame: FrameType | None) -> None:
        actor = "operator (Ctrl-C)" if number == signal.SIGINT else "system (SIGTERM)"
        for engine in engines.values():
            engine.command("abort", actor)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def provenance(case: Case, options: Options, names: Mapping[str, str]) -> Mapping[str, str]:
    """What the record of every skid says of where its run comes from."""
    return {
        **{f"sha256 {name}": value for name, value in case.hashes.items()},
        "software": f"MiniFactory {version('minifactory')}",
        "backend": "in memory" if options.in_memory else "OPC UA",
        "speed": options.speed_text,
        "scan": f"{options.scan:g} s of process time",
        "skid seed": str(options.seed),
        "runs of the plant": ", ".join(names.values()),
    }


def file_contents(
    case: Case, found: Contents, writer: Writer, store: Store, names: Mapping[str, str]
) -> None:
    """Put what the vessels truly hold into the record of the skid that filled them or drew from them."""
    for skid, name in names.items():
        run = load_run(store, name, ())
        filled = {pool.vessel for pool in run.pools}
        drawn = {vessel for vessel, volume in run.consumed.items() if volume > 0.0}
        own = Contents(
            found.time,
            {vessel: each for vessel, each in found.received.items() if vessel in filled},
            {vessel: each for vessel, each in found.drawn.items() if vessel in drawn},
            found.held,
        )
        file_analysis(of_skid(case, skid), writer, run, own, datetime.now(UTC))


def concluded(
    case: Case,
    identifier: str,
    prediction: PlantPrediction,
    passed: GateResult,
    store: Store,
    names: Mapping[str, str],
    folder: Path,
    started: datetime,
) -> PlantOutcome:
    """Compare, judge, and write the record of the plant as a whole."""
    runs = {skid: load_run(store, name) for skid, name in names.items()}
    plant = PlantRun(runs, {})
    try:
        collects = collecting(case, plant)
    except InputError:
        collects = collecting(case, prediction.plant)  # it has not come so far as to fill its pool
    whole = plant.whole(collects, shared_vessels(case.plant).keys())
    states = [run.state for run in runs.values()]
    ended = next((state for state in states if state != State.COMPLETE.value), State.COMPLETE.value)
    whole = replace(whole, identifier=identifier, state=ended)
    performance = appraise(whole, case.plant, case.targets)
    comparison = compare(prediction.whole, whole, performance)
    verdict = judge(whole, performance, case.targets, comparison)
    audits = {skid: store.verify(name) for skid, name in names.items()}
    broken = [
        f"The record of {skid} is not intact: {one.fault}" for skid, one in audits.items() if not one.intact
    ]
    if broken:
        verdict = replace(verdict, decision=Decision.INCOMPLETE, reasons=(*verdict.reasons, *broken))
    record = BatchRecord(
        case=case.name,
        run=whole,
        performance=performance,
        verdict=verdict,
        plant=case.plant,
        recipe=case.bounds[collects],
        prediction=prediction.whole,
        comparison=comparison,
        gate=passed,
        audit=audits[collects],
        started=started,
        ended=datetime.now(UTC),
        software=f"MiniFactory {version('minifactory')}",
        created=datetime.now(UTC),
    )
    place = write(record, folder / identifier / "record.html")
    for skid, run in prediction.plant.runs.items():
        write_parquet(run, folder / identifier / f"prediction-{skid}.parquet")
    return PlantOutcome(
        case, identifier, prediction, passed, runs, whole, performance, comparison, verdict, place
    )
