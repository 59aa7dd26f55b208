"""The engine: one phase-locked scan that reads, judges, decides and writes, in this order and in one thread.

Scan: read image -> quality -> estimators -> interlocks -> conditions -> state table -> write image ->
publish. Interlocks act with no recipe running. Everything that happens at one breakpoint goes out in one
write. What the single steps are lives in the files beside this one; here is only their order and what they
say to each other.
"""

from __future__ import annotations

import time as computing
from collections.abc import Mapping, Sequence

from minifactory.clock import Clock
from minifactory.errors import EquipmentError, Finding, InputError
from minifactory.orbit.alarms import Alarms
from minifactory.orbit.authority import Authority, Level
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.conduct import INTERLOCK, INTERLOCK_PAUSE, Conduct
from minifactory.orbit.current import Current, check_against
from minifactory.orbit.desk import Reply
from minifactory.orbit.dispatch import Dispatch
from minifactory.orbit.estimates import Estimates
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.intake import Intake
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.journal import Journal
from minifactory.orbit.level import Level as VesselLevel
from minifactory.orbit.levels import Levels
from minifactory.orbit.live import Live
from minifactory.orbit.log import Log
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.patience import PatientBackend
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.predictor import Predictor
from minifactory.orbit.publish import Publisher
from minifactory.orbit.readiness import Readiness
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.recovery import Recovery
from minifactory.orbit.requests import Requests
from minifactory.orbit.restart import OnRestart, may_recover
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import ENDED, Command, State
from minifactory.orbit.status import Status, snapshot
from minifactory.orbit.timing import Grid, Now
from minifactory.orbit.transfers import Exchange
from minifactory.orbit.unsupervised import Unsupervised
from minifactory.orbit.watch import Watch
from minifactory.orbit.ways import Ways
from minifactory.orbit.words import Words
from minifactory.recipe.bound import BoundAction, BoundInterlock, BoundRecipe
from minifactory.recipe.procedure import Procedure
from minifactory.records.documents import Priority, Subscriber
from minifactory.signals import SignalBackend


class Engine:
    """The controller of one skid.

    Parameters
    ----------
    backend : SignalBackend
        The equipment, real or not.
    clock : Clock
        Time; in lock-step a virtual clock that only this engine moves.
    policy : Policy
        Declared behaviour.
    interlocks : sequence of BoundInterlock
        In force at all times; those of a loaded recipe come on top.
    safe : BoundAction
        Safe state while no recipe is loaded.
    predictor : Predictor or None
        Model for the dry run before a start.
    journal : Journal or None
        Where the position of the run is kept for a restart; None: nowhere.
    ways : Ways or None
        Who knows which valve positions are dead ends; None: nobody watches that.
    levels : Levels or None
        What is known of the vessels while no recipe is loaded.

    Attributes
    ----------
    status : Status
        Snapshot of the last scan; replaced as a whole, safe to read in any thread.
    policy : Policy
        As declared.
    live : Live
        What may be done to the run while it runs: force, cancel, edit, answer, hold until.
    authority : Authority
        Who holds what; asked for by :meth:`take`, :meth:`release` and :meth:`grant`.
    exchange : Exchange
        Hand-shakes with the controllers of other skids.
    """

    def __init__(
        self,
        backend: SignalBackend,
        clock: Clock,
        policy: Policy | None = None,
        *,
        interlocks: Sequence[BoundInterlock] = (),
        safe: BoundAction | None = None,
        predictor: Predictor | None = None,
        journal: Journal | None = None,
        ways: Ways | None = None,
        levels: Levels | None = None,
    ) -> None:
        self.policy = policy = policy or Policy()
        if not policy.lock_step:
            backend = PatientBackend(backend, policy.patience)
        self._backend, self._clock, self._predictor = backend, clock, predictor
        self._table = table = backend.table
        self._words = words = Words.of(table)
        self._now = now = Now(clock.now(), clock.link_time())
        self._grid = Grid(clock, policy.scan)
        self._image = image = Image(table, float("inf") if policy.lock_step else policy.stale_after)
        self._outputs = outputs = Outputs(table, words, policy)
        self._log = Log(journal, policy)
        self.exchange = Exchange(table.skid, policy.lock_step)
        self._instructions = calls = Instructions(table, words, policy, table.skid, self._log.permits)
        self.authority = authority = Authority(table.skid)
        self._conduct = Conduct(table, words, policy, image, outputs, calls, safe or BoundAction(), authority)
        self._watch = watch = Watch(table, words, policy, image, outputs, interlocks, ways)
        self._link = link = watch.link
        self._levels = levels
        self._publisher = Publisher()
        self._recorder = recorder = Recorder(self._publisher, clock, table)
        self._alarms = alarms = Alarms(lambda change: recorder.alarm(now.process, change))
        self._intake = Intake(backend, words, policy, image, outputs, link)
        self._dispatch = Dispatch(backend, policy, outputs, calls, link, alarms, recorder)
        self._sequencer = Sequencer(
            table.skid,
            words,
            policy,
            now,
            self._grid,
            image,
            outputs,
            calls,
            self._conduct,
            watch.equipment,
            link,
            alarms,
            recorder,
            authority,
        )
        self._ready = ready = Readiness(
            table.skid, words, image, link, watch.equipment, self._sequencer, watch.dead_end, outputs
        )
        self._requests = Requests(
            table,
            now,
            self._sequencer,
            self._conduct,
            alarms,
            recorder,
            ready,
            clock.link_time,
            policy.settle,
            authority,
            policy.longest_shelf,
            self._known_levels,
        )
        self.live = Live(
            table, now, self._sequencer, calls, alarms, recorder, self._requests, self._use, words.flow
        )
        ready.always = watch.interlocks.needs()
        self._recovery = Recovery(
            *(table, clock, policy, words, image, self._intake, watch, self._sequencer, self._requests)
        )
        self._estimates = Estimates(
            *(words, image, now, self._sequencer, self._conduct, recorder, self._known_levels)
        )
        self._unsupervised = Unsupervised(
            *(policy, words, now, clock.wall, image, self._intake, outputs, calls, self._conduct),
            *(watch.equipment, ready, self._sequencer, recorder, alarms),
        )
        self._washing = False
        self._scan_time = 0.0
        self.status = self._snapshot()

    # What others ask for (any thread); each is decided in the next scan and left in the record

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send all documents from now on to `subscriber`; call before the scan runs."""
        self._publisher.subscribe(subscriber)

    def command(
        self, command: str | Command, actor: str = "operator", level: Level = Level.OPERATOR
    ) -> Reply:
        """Ask for an ISA-88 command such as ``"hold"``; safe in every thread and in a signal handler.

        Raises
        ------
        InputError
            When there is no command of that name.
        """
        return self._requests.command(command, actor, level)

    def acknowledge(self, alarm: str, actor: str, note: str = "") -> Reply:
        """Ask to acknowledge `alarm`."""
        return self._requests.acknowledge(alarm, actor, note)

    def shelve(self, alarm: str, duration: float, actor: str, note: str = "") -> Reply:
        """Ask to hide `alarm` for `duration` s of process time."""
        return self._requests.shelve(alarm, duration, actor, note)

    def unshelve(self, alarm: str, actor: str, note: str = "") -> Reply:
        """Ask to show `alarm` again before its time."""
        return self._requests.unshelve(alarm, actor, note)

    def set_points(
        self, values: Mapping[str, float], actor: str, level: Level = Level.OPERATOR, take: bool = False
    ) -> Reply:
        """Ask for set-points (SI) by hand.

        The recipe may change them again at its next breakpoint; with `take` they are held until they are
        handed back.
        """
        return self._requests.set_points(values, actor, level, take)

    def instruct(
        self, instruction: str, arguments: Mapping[str, float], actor: str, level: Level = Level.OPERATOR
    ) -> Reply:
        """Ask for a one-shot instruction of the equipment (arguments in SI) by hand."""
        return self._requests.instruct(instruction, arguments, actor, level)

    def take(self, things: Sequence[str], actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to hold set-points (by tag) or the ``method`` from now on."""
        return self._requests.take(things, actor, level)

    def release(self, things: Sequence[str], actor: str, level: Level = Level.OPERATOR) -> Reply:
        """Ask to hand things back to the recipe; none named: all that `actor` may hand back."""
        return self._requests.release(things, actor, level)

    def grant(self, things: Sequence[str], to: Level, name: str, actor: str) -> Reply:
        """Ask, as the operator `actor`, to give things to `name` at level `to`."""
        return self._requests.grant(things, to, name, actor)

    def tell_level(self, vessel: str, volume: float, actor: str) -> Reply:
        """Tell that `vessel` holds `volume` (m3) now: it was filled, emptied or changed."""
        return self._requests.tell_level(vessel, volume, actor)

    def skip(self, actor: str) -> Reply:
        """Ask to end the phase that runs and go on with the next."""
        return self.live.skip(actor)

    @property
    def state(self) -> State:
        """ISA-88 state."""
        return self._sequencer.state

    @property
    def reason(self) -> str:
        """Why the controller is in its state."""
        return self._sequencer.reason

    def levels(self) -> tuple[VesselLevel, ...]:
        """What is known of every vessel."""
        known = self._known_levels()
        return () if known is None else known.all()

    def _levels_read(self) -> frozenset[str]:
        """Vessels whose level the conditions of the phase read."""
        current = self._sequencer.current
        return frozenset() if current is None else current.procedure.levels_needed

    def _known_levels(self) -> Levels | None:
        current = self._sequencer.current
        return self._levels if current is None else current.levels

    # Loading and running (the thread of the scan)

    def load(
        self,
        bound: BoundRecipe,
        identifier: str,
        *,
        origin: str = "skid",
        provenance: Mapping[str, str] | None = None,
        levels: Levels | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        """Make `bound` the recipe that ``start`` will run under the name `identifier`.

        `answers` are those to the recipe's inputs that are known already (and put into `bound`).

        Raises
        ------
        InputError
            When a run is under way, the equipment lacks something that the recipe names, or the dry run
            finds a fault.
        """
        if self.state is not State.IDLE:
            found = f'"load" refused in state {self.state.value}'
            raise InputError(Finding(f"orbit {self._table.skid}", found, remedy="Reset an ended run first."))
        check_against(bound, self._table, self._words.flow)
        forecast = None if self._predictor is None else self._predictor.dry_run(bound)
        faults = [] if forecast is None else [item for item in forecast.findings if item.severity == "error"]
        if faults:
            raise InputError(faults)
        procedure, known = Procedure(bound), dict(provenance or {})
        self._sequencer.current = Current(
            identifier,
            bound,
            procedure,
            levels or self._levels or Levels(),
            origin,
            known,
            forecast,
            dict(answers or {}),
        )
        self._use(bound)

    def recover(
        self, bound: BoundRecipe, saved: Checkpoint, on_restart: OnRestart, *, levels: Levels | None = None
    ) -> Reply:
        """Take up the run that a controller which died left in its journal, when the equipment can be read.

        Raises
        ------
        InputError
            When this controller has been used already, the run had ended, or `bound` is another recipe.
        """
        may_recover(saved, bound, self._table.skid, self.state)
        check_against(bound, self._table, self._words.flow)
        current = Current(
            saved.run, bound, Procedure(bound), levels or Levels(), saved.origin, saved.provenance
        )
        self._use(bound)
        return self._recovery.take_up(current, saved, on_restart)

    def _use(self, bound: BoundRecipe) -> None:
        self._conduct.safe = bound.safe
        self._watch.use(bound.interlocks)
        self._ready.always = self._watch.interlocks.needs()
        self._ready.aliases = dict(bound.aliases)
        self._image.use_aliases(bound.aliases)

    def run(self, process_time: float = float("inf")) -> Status:
        """Scan until the run has ended or process time has reached `process_time` (s); the last status.

        A run ends in Complete, Stopped or Aborted; the state is still Idle when its start was refused.
        """
        while True:
            self.scan()
            if self.state in ENDED or self._now.process >= process_time:
                return self.status
            if self.state is State.IDLE and not self._requests.waiting:
                return self.status

    def leave(self) -> None:
        """Take leave of the equipment: it need not watch this controller's heartbeat any longer."""
        if self._words.heartbeat is not None and not self.policy.lock_step and self._link.healthy:
            try:
                self._backend.write({self._words.heartbeat: 0.0})
            except EquipmentError:
                return  # then it goes into its own safe state, which is what it is for

    def scan(self) -> Status:
        """One scan, when it is due.

        Whatever goes wrong in the controller itself, the equipment is told to take the safe state and the
        record is closed before the exception goes on.
        """
        now = self._now
        before, due = (now.process, now.link), self._grid.wait()
        now.process = due if self.policy.lock_step else self._clock.now()
        now.link = self._clock.link_time()
        begun = computing.perf_counter()
        try:
            self._unsupervised.notice(*before, self._washing)
            self._step(now.process, now.link)
        except Exception as fault:
            self._break_down(fault)
            raise
        self._scan_time = computing.perf_counter() - begun
        self.status = self._snapshot()
        return self.status

    def _step(self, process: float, link: float) -> None:
        self._intake.read(process, link)
        estimates, standing = self._estimates, self._unsupervised.pending
        if standing:
            estimates.stand(process)
        else:
            estimates.elapse(process, self._washing)
        demands = [] if standing else self._dispatch.verify(self._image, process, link)
        self._washing = self._instructions.blocking or standing
        self._guard(demands)
        self._requests.answer()
        self.live.look(estimates.sample, estimates.elapsed, estimates.passed)
        self._hear(link)
        self._sequencer.follow(estimates.sample, self._washing)
        self._sequencer.pass_on()
        for demand in self._watch.measured:  # stand above whatever was asked for in this scan
            self._sequencer.react(demand)
        self._intake.beat(link)
        if not self._unsupervised.pending:  # a restart now has to find what was known before
            self._log.keep(self._sequencer, self._clock.wall(), self._washing, self._instructions.number)
        if (current := self._sequencer.current) is not None:
            safe = self._log.transfers_safe
            self.exchange.publish(process, current, self.state.value, self._image, safe)
        written, refused = self._dispatch.send(process, link)
        for demand in refused:
            self._sequencer.react(demand)
        self._washing = self._instructions.blocking or self._unsupervised.pending
        self._publish(written)

    def _hear(self, link: float) -> None:
        """What peers and vessels have to say to the method."""
        current = self._sequencer.current
        if current is None or not current.under_way:
            return
        procedure = current.procedure
        self.exchange.hear(procedure, current.levels, self._now.process)
        if procedure.levels_needed:
            procedure.levels = {item.vessel: item.volume for item in current.levels.all()}
        if current.bound.transfers:
            for demand in self.exchange.guard(current, self._time, link, self._alarms):
                self._sequencer.react(demand)

    def _break_down(self, fault: Exception) -> None:
        reason = f"the controller failed: {type(fault).__name__}: {fault}"
        self._alarms.set("Controller", Priority.CRITICAL, reason, self._time)
        self._sequencer.react(Demand("Controller", Reaction.ABORT, reason, True))
        self._dispatch.send(self._now.process, self._now.link)
        if self.state is State.ABORTING:
            self._sequencer.go(Command.DONE, reason, "engine")
        self.status = self._snapshot()

    # Steps of the scan

    def _guard(self, demands: list[Demand]) -> None:
        current = self._sequencer.current
        demands += self._watch.look(
            self._now,
            self._time,
            self._estimates.sample,
            self._alarms,
            needed=self._ready.needs,
            under_way=self._sequencer.under_way,
            washing=self._washing,
            levels=self._known_levels(),
            left=float("inf") if current is None else current.procedure.planned_left,
            watched=self._levels_read,
        )
        demands = self._unsupervised.spared(demands)
        if (supervised := self._unsupervised.resolve()) is not None:
            demands.append(supervised)
        factor = self._watch.interlocks.factor
        if factor != self._outputs.factors.get(INTERLOCK, 1.0):
            self._outputs.reduce(INTERLOCK, factor if factor < 1.0 else None)
        self._ready.demands = demands = [item for item in demands if item.reaction is not Reaction.ALARM]
        if demands:
            demands.sort(key=lambda demand: -demand.reaction.rank)
            for demand in demands:
                self._sequencer.react(demand)
        elif INTERLOCK_PAUSE in self._outputs.factors and self.state in (State.IDLE, State.RUNNING):
            self._outputs.reduce(INTERLOCK_PAUSE, None)
        self._alarms.expire(self._now.process)

    def _publish(self, written: Mapping[str, float]) -> None:
        recorder, process = self._recorder, self._now.process
        if not recorder.run:
            return
        recorder.samples(process, self._image, written)
        if process - recorder.marked >= self.policy.clock_mark:
            recorder.clock_mark(process, self._now.link)
        self._log.look(self._alarms, self._time)
        if trouble := self._publisher.trouble:
            self._alarms.set("Record", Priority.HIGH, trouble, self._time)
        else:
            self._alarms.clear("Record")
        if self._publisher.dropped:
            message = "a subscriber could not take all documents"
            self._alarms.set("Documents dropped", Priority.HIGH, message, self._time)

    # Small things

    @property
    def _time(self) -> float:
        return self._now.process - self._recorder.origin

    def _snapshot(self) -> Status:
        return snapshot(
            self._table.skid,
            self._sequencer,
            self._time,
            self._washing,
            self._image,
            self._outputs,
            self._link.message,
            self._alarms,
            self._grid,
            self._publisher.dropped,
            self._scan_time,
            self.authority,
            self._log.slow_writes,
            (self._unsupervised.count, self._unsupervised.longest),
        )
