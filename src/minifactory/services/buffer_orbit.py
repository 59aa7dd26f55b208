"""Buffer management as an Orbit: it looks ahead, and runs a batch after the other on a skid of its own.

Every batch is a run with a recipe made for it (:mod:`minifactory.services.preparation`): loaded, started,
recorded and ended as any run is, under the state machine, interlocks and alarms of the engine. Between
batches the service hears from its peers what they have drawn and in which phase they are, and decides what
comes next. What it has begun and what came of it is in its ledger before it counts, so that a service
which is killed goes on with the batch that its skid is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.desk import Reply
from minifactory.orbit.engine import Engine
from minifactory.orbit.levels import Levels
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.orbit.transfers import OVER
from minifactory.plant.model import Plant
from minifactory.recipe.bind import bind
from minifactory.services.buffers import BufferOrder, EarliestDeadline, Lot, Situation
from minifactory.services.forecast import PlannedPhase, Schedule
from minifactory.services.ledger import Ledger
from minifactory.services.preparation import (
    RELEASE,
    TURNS,
    Batch,
    Preparation,
    batch,
    measured,
    rest,
    smallest,
    unit,
)

MOST_FAILURES = 3
"""Batches that may fail one after another before the service gives up."""
LOOK_EVERY = 10.0
"""s of process time between two looks for what comes next."""


@dataclass(frozen=True)
class Failure:
    """A batch that was not delivered: its number, vessel, time (s), state and why."""

    number: int
    vessel: str
    at: float
    state: str
    reason: str


@dataclass
class BufferOrbit:
    """Buffer management on one skid.

    Parameters
    ----------
    engine : Engine
        That of the skid.
    levels : Levels
        Those that the engine goes on with from run to run.
    plant : Plant
    preparation : Preparation
    plans : Mapping of str to sequence of PlannedPhase
        What every peer will do.
    ledger : Ledger
    run : str
        Batches run under ``run-1``, ``run-2`` ...
    now : callable
        Process time, s.
    origin : str
    provenance : Mapping of str to str
        For the records.

    Attributes
    ----------
    lots : list of Lot
        What was delivered.
    failures : list of Failure
    loaded : callable or None
        Told of every batch that is loaded.
    over : bool
        Whether it has done: all peers have ended, or it was aborted or has given up.
    reason : str
        Why it is over.
    """

    engine: Engine
    levels: Levels
    plant: Plant
    preparation: Preparation
    plans: Mapping[str, Sequence[PlannedPhase]]
    ledger: Ledger
    run: str
    now: Callable[[], float]
    origin: str = "skid"
    provenance: Mapping[str, str] = field(default_factory=dict)
    lots: list[Lot] = field(default_factory=list, init=False)
    failures: list[Failure] = field(default_factory=list, init=False)
    loaded: Callable[[Batch], None] | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)
    reason: str = field(default="", init=False)

    def __post_init__(self) -> None:
        own = self.preparation
        self._rule = EarliestDeadline(own.margin, own.worthwhile)
        self._unit = unit(self.plant, own)
        self._least = {name: smallest(self.plant, own, name) for name in own.vessels}
        self._schedule = Schedule(self.plans)
        self._batch: Batch | None = None
        self._examined, self._rejected = False, ""
        self._number, self._in_a_row = 0, 0
        self._reply: Reply | None = None
        self._looked = -np.inf
        for event in self.ledger.events():
            self._replay(event)

    def name_of(self, number: int) -> str:
        """The run of batch `number`."""
        return f"{self.run}-{number}"

    def take_up(self, saved: Checkpoint | None, on_restart: OnRestart) -> None:
        """Go on where a service that died has left the skid; `saved` is what its journal says last."""
        if saved is None:
            if self._batch is not None:
                self._load(self._batch)
            return
        mine = self._batch is not None and saved.run == self.name_of(self._number)
        if self._batch is not None and mine and not saved.ended:
            bound = bind(self._batch.recipe, self.plant, self.preparation.skid)
            self._reply = self.engine.recover(bound, saved, on_restart, levels=self.levels)
            return
        earlier = dict(self.levels.earlier)
        self.levels.take_up(saved.consumed, saved.received, None, 0.0, (0.0, 0.0), start=dict(saved.contents))
        if self._batch is not None and mine:
            self._close(State(saved.state), "it had ended when the service was taken up")
        self.levels.begin()
        if not mine:
            self.levels.earlier = earlier
        if self._batch is not None:
            self._load(self._batch)

    def scan(self) -> Status:
        """One scan of the skid, and what follows for the service."""
        status = self.engine.scan()
        if self.over:
            return status
        self._hear()
        if self._batch is not None and not self._examined and f".{RELEASE}." in status.phase:
            self._examine(self._batch)
        if status.state in ENDED:
            self._ended(status)
        elif status.state is State.IDLE:
            self._rest()
        return status

    # Between batches

    def _hear(self) -> None:
        now = self.now()
        exchange = self.engine.exchange
        if self._batch is None:
            exchange.hear_levels(self.levels)  # while a batch runs, the engine does
        for skid, said in exchange.words().items():
            if said.run_state in OVER:
                self._schedule.end(skid)
            else:
                self._schedule.see(skid, said.phase, now)

    def _rest(self) -> None:
        if self._batch is not None:
            if self._reply is not None and self._reply.accepted is False:
                self._close(State.STOPPED, f"the start was refused: {self._reply.message}", ran=False)
                self._give_up()
            return
        words = self.engine.exchange.words()
        if all(skid in words and words[skid].run_state in OVER for skid in self.plans):
            self.over, self.reason = True, "all skids have ended"
            return
        now = self.now()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        order = self._rule.choose(self.preparation.vessels, self._unit, self._situation(now))
        if order is not None and order.volume > self._least[order.vessel]:
            self._begin(order, now)

    def _situation(self, now: float) -> Situation:
        known = {name: self.levels.level(name) for name in self.preparation.vessels}
        return Situation(
            now,
            {name: item.volume or 0.0 for name, item in known.items()},
            self._schedule.draws(now),
            {name: item.uncertainty for name, item in known.items()},
        )

    def _begin(self, order: BufferOrder, now: float) -> None:
        number = self._number + 1
        left = self.levels.volume(self.preparation.tank) or 0.0
        made = batch(self.plant, self.preparation, order.vessel, order.volume, number, left)
        event: dict[str, Any] = {"do": "begin", "number": number, "left": left}
        event |= {"vessel": order.vessel, "volume": order.volume}
        self.ledger.write({**event, "at": now, "due": order.due, "note": order.note})
        self._number = number
        self._load(made)

    def _load(self, made: Batch) -> None:
        self._batch, self._examined, self._rejected = made, False, ""
        bound = bind(made.recipe, self.plant, self.preparation.skid)
        facts = {**self.provenance, "service": "buffers", "for": made.vessel}
        self.engine.load(
            bound, self.name_of(self._number), origin=self.origin, provenance=facts, levels=self.levels
        )
        if self.loaded is not None:
            self.loaded(made)
        self._reply = self.engine.command("start", "buffer service")

    def _examine(self, made: Batch) -> None:
        """Let no lot be delivered whose doses, by the measured flow, are not those that were planned."""
        self._examined = True
        lot = self._lot(made, 0.0, self.now())
        aims = made.mixture.composition
        ion = max(aims, key=lambda name: abs(lot.composition.get(name, 0.0) / aims[name] - 1.0))
        off = lot.composition.get(ion, 0.0) / aims[ion] - 1.0
        if abs(off) > self.preparation.tolerance:
            self._rejected = f"its doses make {100.0 * (1.0 + off):.1f} % of the {ion} that was planned"
            self.engine.command("stop", "buffer service")

    # The end of one

    def _ended(self, status: Status) -> None:
        if self._batch is not None:
            self._close(status.state, status.reason)
            if status.state is not State.ABORTED:
                self._reply = self.engine.command("reset", "buffer service")
        if status.state is State.ABORTED:
            self.over, self.reason = True, status.reason
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._in_a_row >= MOST_FAILURES:
            last = self.failures[-1]
            self.over, self.reason = (
                True,
                f"{self._in_a_row} batches in a row failed; the last: {last.reason}",
            )

    def _close(self, state: State, reason: str, ran: bool = True) -> None:
        """Write down what came of the batch."""
        assert self._batch is not None
        now = self.now()
        event: dict[str, Any] = {"do": "end", "number": self._number, "state": state.value, "at": now}
        event |= {"reason": self._rejected or reason, "vessel": self._batch.vessel}
        delivered = self.levels.received.get(self._batch.vessel, 0.0) if ran else 0.0
        if delivered > 0.0:
            event["lot"] = asdict(self._lot(self._batch, delivered, now))
        event["totals"] = {name: list(pair) for name, pair in self.levels.ever().items()}
        self.ledger.write(event)
        self._ended_with(event)

    def _lot(self, made: Batch, delivered: float, now: float) -> Lot:
        """What was really dosed and delivered, by the measured flow."""
        own, passed = self.preparation, self.levels
        doses = {name: passed.consumed.get(name, 0.0) for name in made.doses if name != own.water}
        into = passed.received.get(own.tank, 0.0) - TURNS * own.rinse + rest(self.plant, own)
        doses[own.water] = max(into - sum(doses.values()), 0.0)
        total = sum(doses.values())
        composition: dict[str, float] = {}
        for name, volume in doses.items():
            material = self.plant.vessels[name].material
            for species, value in self.plant.materials[material].composition.items() if material else ():
                composition[species] = composition.get(species, 0.0) + value * volume / total
        ph, conductivity = measured(self.plant, composition)
        number = f"{made.vessel}-{self._number:04d}"
        return Lot(number, made.vessel, delivered, now, doses, composition, ph, conductivity)

    def _ended_with(self, event: Mapping[str, Any]) -> None:
        complete = event["state"] == State.COMPLETE.value
        if "lot" in event:
            self.lots.append(Lot(**event["lot"]))
        if complete:
            self._in_a_row = 0
        else:
            self._in_a_row += 1
            self.failures.append(
                Failure(event["number"], event["vessel"], event["at"], event["state"], event["reason"])
            )
        self._batch, self._reply = None, None

    def _replay(self, event: Mapping[str, Any]) -> None:
        self._number = int(event["number"])
        if event["do"] == "begin":
            what = event["vessel"], event["volume"], self._number, event["left"]
            self._batch = batch(self.plant, self.preparation, *what)
            return
        self._ended_with(event)
        self.levels.earlier = {name: (pair[0], pair[1]) for name, pair in event["totals"].items()}
