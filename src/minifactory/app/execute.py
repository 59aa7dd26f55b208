"""Runs a recipe over a link: controller, historian, progress, and what happens on Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from minifactory.app.case import Case
from minifactory.app.links import Link
from minifactory.app.operating import Desk, open_desk
from minifactory.app.showing import Watcher, showing
from minifactory.errors import EquipmentError, Finding
from minifactory.historian import Writer
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.desk import Reply
from minifactory.orbit.engine import Engine
from minifactory.orbit.inlets import FlowPathInlets
from minifactory.orbit.journal import Journal
from minifactory.orbit.level_filter import LevelTag
from minifactory.orbit.levels import Levels
from minifactory.orbit.predictor import Predictor
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.standing import standing_interlocks
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.orbit.ways import FlowPathWays
from minifactory.plant.network import seen_from, touches
from minifactory.recipe.model import PhaseKind
from minifactory.records.analysis import load_analysis, pool_analysis
from minifactory.records.documents import Subscriber
from minifactory.records.run import Run

if TYPE_CHECKING:
    from minifactory.historian import Store
    from minifactory.skid.contents import Contents

SHOW_EVERY = 0.2
"""s of real time between two looks at the status for the progress."""

UNATTENDED = 600.0
"""s of process time for which a run may stand (Held, Paused) before it is stopped if nobody can be asked."""
STANDING = {State.HELD: "restart", State.PAUSED: "resume"}
"""States in which a run waits for a person, and the command that goes on from each."""

LONGEST_PACE = 1.0
"""s of real time between two scans of virtual time while a person lets the run stand, at most."""

Question = Callable[[Status], str]


@dataclass
class Interruption:
    """Ctrl-C: the first holds and asks, the second aborts; without a person the safe state at once.

    The person is asked as well when an interlock holds or pauses the run.

    Parameters
    ----------
    ask : callable or None
        Shows the status and gives ``restart``, ``stop`` or ``abort``; None: nobody can be asked.
    """

    ask: Question | None
    count: int = 0
    _asking: threading.Thread | None = None
    _reply: Reply | None = None

    @contextmanager
    def guarding(self, engine: Engine) -> Iterator[Interruption]:
        """Turn SIGINT and SIGTERM into commands while the run lasts."""

        def interrupted(number: int, _frame: FrameType | None) -> None:
            self.count += 1
            alone = self.ask is None or number != signal.SIGINT or self.count > 1
            actor = "operator (Ctrl-C)" if number == signal.SIGINT else "system (SIGTERM)"
            engine.command("abort" if alone else "hold", actor)

        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {
                number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)
            }
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def attend(self, engine: Engine, status: Status, stands_still: bool) -> None:
        """Ask the person once the run stands; the scan goes on unless virtual time stands still."""
        if self.ask is None or status.state not in STANDING:
            self._reply = None
            return
        if self._asking is not None and self._asking.is_alive():
            return
        if self._reply is not None and self._reply.accepted is not False:
            return  # answered; the controller is about to follow
        self._asking = threading.Thread(target=self._converse, args=(engine, status), daemon=True)
        self._asking.start()
        if stands_still:
            while self._asking.is_alive() and self.count < 2:
                self._asking.join(SHOW_EVERY)

    def _converse(self, engine: Engine, status: Status) -> None:
        assert self.ask is not None
        answer = self.ask(status)
        if answer == "restart":
            self.count = 0
            answer = STANDING[status.state]
        self._reply = engine.command(answer, "operator at the terminal")


def run_recipe(
    case: Case,
    link: Link,
    writer: Writer,
    identifier: str,
    *,
    provenance: Mapping[str, str],
    predictor: Predictor | None = None,
    watcher: Watcher | None = None,
    ask: Question | None = None,
    journal: Journal | None = None,
    runs: Path | None = None,
    answers: Mapping[str, str] | None = None,
) -> Status:
    """The last status of the run of `case` over `link`, recorded by `writer` under `identifier`.

    With `runs`, the folder of runs, other terminals can reach the controller's desk; `answers` are those to
    the recipe's inputs that are put into `case` already.

    Raises
    ------
    InputError
        When the start is refused.
    """
    engine = controller(case, link, writer, ask is not None, predictor, journal)
    engine.load(
        case.bound,
        identifier,
        origin=link.origin,
        provenance=provenance,
        levels=levels_of(case),
        answers=answers,
    )
    reply = engine.command("start", "command line")
    return _at_the_desk(case, link, engine, reply, watcher, ask, identifier, runs)


def _at_the_desk(
    case: Case,
    link: Link,
    engine: Engine,
    reply: Reply,
    watcher: Watcher | None,
    ask: Question | None,
    identifier: str,
    runs: Path | None,
) -> Status:
    if runs is None:
        return supervise(case, link, engine, reply, watcher, ask)
    with open_desk(engine, case, identifier, runs, after=None if link.policy.lock_step else reply) as desk:
        return supervise(case, link, engine, reply, watcher, ask, desk)


def take_up_run(
    case: Case,
    link: Link,
    writer: Writer,
    saved: Checkpoint,
    on_restart: OnRestart,
    journal: Journal,
    *,
    watcher: Watcher | None = None,
    ask: Question | None = None,
    runs: Path | None = None,
) -> Status:
    """The last status of a run that another process left in its journal, taken up over `link`.

    Raises
    ------
    InputError
        When `saved` is of another recipe or skid, or the run had ended.
    EquipmentError
        When the equipment cannot be read.
    """
    engine = controller(case, link, writer, ask is not None, None, journal)
    reply = engine.recover(case.bound, saved, on_restart, levels=levels_of(case))
    return _at_the_desk(case, link, engine, reply, watcher, ask, saved.run, runs)


def controller(
    case: Case,
    link: Link,
    writer: Subscriber,
    attended: bool,
    predictor: Predictor | None,
    journal: Journal | None,
    levels: Levels | None = None,
) -> Engine:
    """The controller of a case's skid; it waits for ever only when a person attends, who can be asked.

    `levels` are the estimators that it goes on with from run to run; None: those of :func:`levels_of`.
    """
    policy = link.policy.declared(**vars(case.skid.on_failure))
    if not attended:
        policy = replace(policy, hold_timeout=min(policy.hold_timeout, UNATTENDED))
    column = case.plant.columns.get(case.bound.column or "")
    ways, shown = _ways(case)
    engine = Engine(
        link.backend,
        link.clock,
        policy,
        interlocks=standing_interlocks(case.table, case.skid, column),
        safe=case.bound.safe,
        predictor=predictor,
        journal=journal,
        ways=ways,
        levels=levels or levels_of(case),
    )
    engine.exchange.shown = shown
    ways.elsewhere = engine.exchange.position
    engine.subscribe(writer)
    return engine


def _ways(case: Case) -> tuple[FlowPathWays, tuple[str, ...]]:
    """Where the liquid of the case's skid can go, and the valves through which that of others runs."""
    skid = case.bound.skid
    valves = [item for item in touches(case.plant) if item.what == "valve"]
    passed = [item.name for item in valves if item.second == skid]
    shown = dict.fromkeys(item.name.partition(".")[2] for item in valves if item.first == skid)
    return FlowPathWays(case.skid, seen_from(case.plant, skid), passed), tuple(shown)


def levels_of(case: Case) -> Levels:
    """The level estimators of all vessels, from what the case says they hold at the start."""
    vessels = case.plant.vessels
    return Levels(
        {name: vessel.volume for name, vessel in vessels.items()},
        {name: vessel.minimum for name, vessel in vessels.items()},
        FlowPathInlets(case.skid),
        capacity={name: vessel.capacity for name, vessel in vessels.items()},
        readings={
            each.vessel: LevelTag(each.tag, each.deviation, every=each.every)
            for each in case.skid.level_sensors
        },
    )


def supervise(
    case: Case,
    link: Link,
    engine: Engine,
    reply: Reply,
    watcher: Watcher | None,
    ask: Question | None,
    desk: Desk | None = None,
) -> Status:
    """Scan until the run has ended; `reply` is the answer to its start or restart.

    Where virtual time would rush, it goes at the pace of real time while a person lets the run stand.
    """
    shown, state = 0.0, engine.state
    interruption = Interruption(ask)
    with interruption.guarding(engine), showing(watcher) as show:
        while True:
            status = engine.scan()
            now = time.monotonic()
            if now - shown >= SHOW_EVERY or status.state is not state:
                shown, state = now, status.state
                show(status)
            if status.state in ENDED:
                break
            if status.state is State.IDLE and reply.accepted is False:
                raise EquipmentError(
                    Finding(f"orbit {case.bound.skid}", f"the start was refused: {reply.message}")
                )
            if ask is not None:
                interruption.attend(engine, status, link.policy.lock_step)
            if desk is not None and desk.attended(status) and link.policy.lock_step:
                time.sleep(min(link.policy.scan, LONGEST_PACE))
        engine.leave()
        show(status)
    return status


def finish_run(case: Case, link: Link, writer: Writer, store: Store, identifier: str, status: Status) -> None:
    """Close the link after the run `identifier`, and put what a laboratory would find into its record."""
    from minifactory.historian import load_run  # a controller that comes back does not wait for it

    writer.flush()
    link.backend.close()
    found = link.finish(status.link == "good")
    if found is not None:
        file_analysis(case, writer, load_run(store, identifier, ()), found, link.clock.wall())


def file_analysis(case: Case, writer: Writer, run: Run, found: Contents, wall: datetime) -> None:
    """Put what the virtual skid's vessels truly hold into the record, as a laboratory would."""
    source = "the virtual skid (its truth)"
    for vessel, amounts in found.received.items():
        writer.offer(pool_analysis(run.identifier, run.duration, wall, vessel, amounts, source))
    if any(phase.kind == PhaseKind.LOAD.value for phase in run.phases):
        loaded: dict[str, float] = {}
        for vessel, amounts in found.drawn.items():
            if case.plant.vessels[vessel].purpose == "feed":
                for name, amount in amounts.items():
                    loaded[name] = loaded.get(name, 0.0) + amount
        writer.offer(load_analysis(run.identifier, run.duration, wall, loaded, source))
