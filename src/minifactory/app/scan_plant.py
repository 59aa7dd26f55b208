"""All controllers of a case on several skids, scanned in one process over the virtual plant, and recorded.

In lock-step all controllers scan at the same process times, one after another, so that the course of a plant
is the same each time.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from minifactory.app.case import Case, of_skid
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import controller, file_analysis, levels_of
from minifactory.app.home import DATABASE
from minifactory.app.links import Link, Options
from minifactory.app.operating import open_desk
from minifactory.clock import VirtualClock
from minifactory.drivers import InMemoryBackend
from minifactory.errors import EquipmentError, Finding
from minifactory.historian import Store, Writer, load_run
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.records.plant_run import PlantRun
from minifactory.skid.contents import Contents
from minifactory.skid.plant import VirtualPlant

SHOW_EVERY = 0.5
"""s of real time between two looks at the live status."""
Watcher = Callable[[Mapping[str, Status]], None]


def record_plant(
    case: Case,
    plant: VirtualPlant,
    options: Options,
    folder: Path,
    names: Mapping[str, str],
    watcher: Watcher | None = None,
    notes: Mapping[str, str] | None = None,
    attended: bool = False,
) -> dict[str, Status]:
    """Run all controllers of `case` on `plant` until every run has ended; the last status of each.

    The runs are recorded in `folder` under `names` (by skid) with what the vessels truly hold. When somebody
    attends, other terminals reach the controllers' desks, and Ctrl-C takes every skid into its safe state.
    """
    store = Store(folder / DATABASE)
    with Writer(store, folder / "spool") as writer:
        desks = folder if attended else None
        states = _run(case, plant, options, writer, names, desks, watcher, notes or {})
        writer.flush()
        file_contents(case, plant.contents(), writer, store, names)
    refuse_incomplete(writer, str(folder / DATABASE))
    return states


def recorded_plant(store: Store, names: Mapping[str, str]) -> PlantRun:
    """The runs of a plant by skid, as they were recorded under `names`."""
    return PlantRun({skid: load_run(store, name) for skid, name in names.items()}, {})


def ended_in(runs: PlantRun) -> str:
    """The state of a plant whose skids have ended: complete when all of them are."""
    states = [run.state for run in runs.runs.values()]
    return next((state for state in states if state != State.COMPLETE.value), State.COMPLETE.value)


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
    folder: Path | None,
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
            if folder is not None:
                desks.enter_context(open_desk(engine, own, names[skid], folder))
            engines[skid], clocks[skid] = engine, clock
        with _interruptible(engines if folder is not None else {}):
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
    if engines and threading.current_thread() is threading.main_thread():
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
