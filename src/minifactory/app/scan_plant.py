"""All controllers of a case on several skids, scanned in one process over the virtual plant, and recorded.

In lock-step all controllers scan at the same process times, one after another, so that the course of a plant
is the same each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from minifactory.app.buffer_service import as_loaded, buffer_service, ledger_in, told
from minifactory.app.case import Case, of_skid
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import controller, file_analysis, levels_of
from minifactory.app.home import DATABASE
from minifactory.app.interrupting import Interruption, Question
from minifactory.app.links import Link, Options
from minifactory.app.operating import PATIENCE, Desk, open_desk
from minifactory.clock import VirtualClock
from minifactory.drivers import InMemoryBackend
from minifactory.errors import EquipmentError, Finding
from minifactory.historian import Store, Writer, load_run
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.records.plant_run import PlantRun
from minifactory.services.buffer_orbit import BufferOrbit
from minifactory.services.ledger import MemoryLedger
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
    served: Path | None = None,
    waits: Mapping[str, Mapping[str, float]] | None = None,
    say: Callable[[str], None] | None = None,
    ask: Question | None = None,
) -> dict[str, Status]:
    """Run all controllers of `case` on `plant` until every run has ended; the last status of each.

    The runs are recorded in `folder` under `names` (by skid) with what the vessels truly hold. When somebody
    attends, other terminals reach the controllers' desks; Ctrl-C holds all skids and has the person asked
    (`ask`), or takes them into their safe state when nobody can be.
    Services among `names` keep their ledgers in `served`, and `say` is told what they have done. `waits` are
    those that are expected, as of :meth:`~minifactory.records.plant_run.PlantRun.waits`.
    """
    store = Store(folder / DATABASE)
    with Writer(store, folder / "spool") as writer, ExitStack() as closing:
        controlled = _controlled(
            *(case, plant, options, writer, names, notes or {}, served, closing, ask is not None)
        )
        for skid, each in controlled.items():
            each.engine.exchange.expected = (waits or {}).get(skid, {})
        if attended:
            for skid, each in controlled.items():
                each.show(closing.enter_context(open_desk(each.engine, each.case, names[skid], folder)))
        interruption = Interruption(names, _Engines(controlled), ask, say or (lambda _text: None))
        with interruption.heeded() if attended else nullcontext():
            _scan(controlled, watcher, interruption)
        for skid, each in controlled.items():
            if each.service is not None and say is not None:
                say(f"{skid}: {told(each.service)}.")
        states = {skid: each.status for skid, each in controlled.items()}
        writer.flush()
        own = {skid: names[skid] for skid in case.bounds}
        file_contents(case, plant.contents(), writer, store, own)
    refuse_incomplete(writer, str(folder / DATABASE))
    return states


def recorded_plant(store: Store, names: Mapping[str, str]) -> PlantRun:
    """The runs of a plant by skid, as they were recorded under `names`."""
    return PlantRun({skid: load_run(store, name) for skid, name in names.items()}, {})


def ended_in(runs: PlantRun) -> str:
    """The state of a plant whose skids have ended: complete when all of them are."""
    states = [run.state for run in runs.runs.values()]
    return next((state for state in states if state != State.COMPLETE.value), State.COMPLETE.value)


class Together(InMemoryBackend):
    """A skid of a plant whose controllers scan one after another: the first of a scan moves all of them."""

    def __init__(self, plant: VirtualPlant, skid: str) -> None:
        super().__init__(plant.skids[skid])
        self._plant = plant

    def advance(self, process_time: float) -> None:
        """Let the process time of the whole plant run to `process_time` (s)."""
        for skid in self._plant.skids.values():
            skid.advance(process_time)
        super().advance(process_time)


@dataclass
class _Controlled:
    """A skid and its controller, and the service that it gives, if it does."""

    case: Case
    engine: Engine
    clock: VirtualClock
    status: Status
    service: BufferOrbit | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do."""
        if self.service is not None:
            return self.service.over
        return self.status.state in ENDED

    def scan(self) -> None:
        """One scan; EquipmentError when a start was refused (a service tries again)."""
        if self.service is not None:
            self.status = self.service.scan()
            return
        self.status = self.engine.scan()
        if self.status.state is State.IDLE:
            name, reason = self.status.skid, self.status.reason
            raise EquipmentError(Finding(f"orbit {name}", f"the start was refused: {reason}"))

    def show(self, desk: Desk) -> None:
        """Let those at the desk see what the service runs."""
        if self.service is not None:
            self.service.loaded = lambda made: desk.use(as_loaded(self.case, made))


def _controlled(
    case: Case,
    plant: VirtualPlant,
    options: Options,
    writer: Writer,
    names: Mapping[str, str],
    notes: Mapping[str, str],
    served: Path | None,
    closing: ExitStack,
    attended: bool,
) -> dict[str, _Controlled]:
    """A controller for each skid in `names`, with what it is to run."""
    found: dict[str, _Controlled] = {}
    wall = datetime.now(UTC)
    facts = {**provenance(case, options, {skid: names[skid] for skid in case.bounds}), **notes}
    for skid, name in names.items():
        own = of_skid(case, skid)
        clock = VirtualClock(wall_start=wall)
        policy = Policy.in_lock_step(options.scan)
        link = Link(Together(plant, skid), clock, policy, "virtual skid", "in memory", lambda _answers: None)
        levels = levels_of(own)
        engine = controller(own, link, writer, attended, None, None, levels)
        each = found[skid] = _Controlled(own, engine, clock, engine.status)
        if skid in case.bounds:
            engine.load(own.bound, name, origin=link.origin, provenance=facts, levels=levels)
            engine.command("start", "command line")
        else:
            ledger = MemoryLedger() if served is None else closing.enter_context(ledger_in(served))
            each.service = buffer_service(*(own, engine, levels, ledger, name, clock.now, link.origin, facts))
    return found


def _scan(controlled: Mapping[str, _Controlled], watcher: Watcher | None, interruption: Interruption) -> None:
    shown = 0.0
    while not all(each.over for each in controlled.values()):
        interruption.wait()
        for each in controlled.values():
            if each.over:
                continue
            each.scan()
            for other in controlled.values():
                if other is not each:
                    other.engine.exchange.tell(each.engine.exchange.said, other.clock.link_time())
        now = time.monotonic()
        if watcher is not None and now - shown >= SHOW_EVERY:
            shown = now
            watcher({skid: each.status for skid, each in controlled.items()})
    for each in controlled.values():
        each.engine.leave()
    if watcher is not None:
        watcher({skid: each.status for skid, each in controlled.items()})


@dataclass
class _Engines:
    """The controllers of this process, for Ctrl-C."""

    controlled: Mapping[str, _Controlled]

    def state(self, skid: str) -> State:
        """Where `skid` stands."""
        return self.controlled[skid].engine.state

    def command(self, skid: str, word: str) -> str:
        """Ask for a command; why it was refused, or empty."""
        reply = self.controlled[skid].engine.command(word, "operator at the terminal")
        return "" if reply.wait(PATIENCE) else reply.message

    def abort(self, actor: str) -> None:
        """Take all skids into their safe state."""
        for each in self.controlled.values():
            each.engine.command("abort", actor)


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
