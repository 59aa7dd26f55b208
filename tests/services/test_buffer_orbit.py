"""Buffer management as an Orbit on a virtual skid: batches, what happens when one fails, and restarts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from minifactory.app.buffer_service import buffer_service
from minifactory.app.case import Case, of_skid, open_case
from minifactory.app.execute import controller, levels_of
from minifactory.app.links import Link
from minifactory.cli.running import options, run
from minifactory.clock import VirtualClock
from minifactory.drivers import InMemoryBackend
from minifactory.historian import Store, load_run
from minifactory.orbit.checkpoint import checkpoint_of
from minifactory.orbit.journal import Journal, read_journal
from minifactory.orbit.policy import Policy
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.orbit.transfers import Word
from minifactory.records.documents import Document
from minifactory.services.buffer_orbit import BufferOrbit
from minifactory.services.ledger import Event, MemoryLedger
from minifactory.skid.plant import VirtualPlant, open_plant
from tests.services.test_preparation import SERVED

WALL = datetime(2026, 1, 1, tzinfo=UTC)
SCAN = 2.0
BOTTLE = 35e-6


class Killed(BaseException):
    """The process ends here."""


class Dying(MemoryLedger):
    """A ledger whose process is killed at an event, before or after it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.before = self.after = ""

    def write(self, event: Event) -> None:
        if event["do"] == self.before:
            raise Killed
        super().write(event)
        if event["do"] == self.after:
            raise Killed


class Nobody:
    """Keeps no documents."""

    def offer(self, _document: Document) -> bool:
        return True


@dataclass
class Kitchen:
    """The skid of the service, its controller, and a peer that only talks."""

    plant: VirtualPlant
    service: BufferOrbit
    journal: Journal

    def hear(self, state: str = "Running", drawn: float = 0.0, phase: str = "") -> None:
        word = Word("process", state, phase, vessels={"buffer": (drawn, 0.0)})
        self.service.engine.exchange.tell(word, 0.0)

    def until(self, phase: str = "", state: State | None = None, scans: int = 4000) -> None:
        for _ in range(scans):
            status = self.service.scan()
            if (phase and status.phase.endswith(phase)) or status.state is state or self.service.over:
                return
        raise AssertionError(f"{phase} {state} has not come: {status.state} {status.phase} {status.reason}")

    @property
    def in_bottle(self) -> float:
        """m3 in the vessel "buffer", in truth."""
        return self.plant.skids["kitchen"].truth.volumes["buffer"]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Without level sensors: on a plant of the one skid nobody draws, whatever the peer says."""
    folder = tmp_path_factory.mktemp("blind") / "served"
    shutil.copytree(SERVED, folder)
    text = (folder / "factory.yaml").read_text(encoding="utf-8")
    blind = re.sub(r", level: \{.*?\}", "", text)
    assert blind != text
    (folder / "factory.yaml").write_text(blind, encoding="utf-8")
    return open_case(folder, several=True)


def controlled(case: Case, plant: VirtualPlant, ledger: MemoryLedger, journal: Path) -> Kitchen:
    own, book = of_skid(case, "kitchen"), Journal(journal)
    backend = InMemoryBackend(plant.skids["kitchen"])
    clock = VirtualClock(max(0.0, plant.time), WALL)
    link = Link(backend, clock, Policy.in_lock_step(SCAN), "virtual skid", "in memory", lambda _answers: None)
    levels = levels_of(own)
    engine = controller(own, link, Nobody(), False, None, book, levels)
    service = buffer_service(own, engine, levels, ledger, "run", clock.now, "virtual skid", {})
    return Kitchen(plant, service, book)


@pytest.fixture
def kitchen(case: Case, tmp_path: Path) -> Iterator[Kitchen]:
    plant = open_plant(case.folder, 1, None, identical=True, skids=("kitchen",))
    made = controlled(case, plant, Dying(), tmp_path / "journal")
    yield made
    made.journal.close()


def test_a_batch_is_delivered_when_the_plan_needs_it(kitchen: Kitchen) -> None:
    kitchen.hear(drawn=0.7 * BOTTLE, phase="process.cycle[2].load")
    for _ in range(200):
        assert kitchen.service.scan().state is State.IDLE  # no more is needed
    kitchen.hear(drawn=0.7 * BOTTLE, phase="process.cycle[1].load")
    kitchen.until("prepare.release.deliver")
    kitchen.until(state=State.COMPLETE)
    (lot,) = kitchen.service.lots
    assert lot.volume > 0.4 * 0.95 * BOTTLE
    assert lot.composition == pytest.approx({"sodium": 20.0, "acetate": 31.0}, rel=0.02)
    # Nobody draws from the bottle of this plant: what is in it beyond the start was delivered.
    told = kitchen.service.engine.exchange.said.vessels["buffer"][1]
    assert told == pytest.approx(lot.volume, rel=1e-6)
    kitchen.hear("Complete", drawn=0.7 * BOTTLE)
    kitchen.until(state=State.IDLE)
    assert kitchen.service.over
    assert kitchen.service.reason == "all skids have ended"


@pytest.mark.parametrize("killed", ["before it is started", "while it doses", "before its end is noted"])
def test_a_service_that_is_killed_goes_on_with_its_batch(
    case: Case, kitchen: Kitchen, tmp_path: Path, killed: str
) -> None:
    ledger = kitchen.service.ledger
    assert isinstance(ledger, Dying)
    kitchen.hear(drawn=0.7 * BOTTLE)
    if killed == "while it doses":
        kitchen.until("dose_sodium_acetate")
        for _ in range(20):
            kitchen.service.scan()
    else:
        ledger.after, ledger.before = ("begin", "") if killed.endswith("started") else ("", "end")
        with pytest.raises(Killed):
            kitchen.until(state=State.STOPPED)
    ledger.after = ledger.before = ""
    kitchen.journal.close()
    again = controlled(case, kitchen.plant, ledger, tmp_path / "journal")
    try:
        record = read_journal(tmp_path / "journal")
        saved = None if record is None else checkpoint_of(record)
        again.service.take_up(saved, OnRestart.RESUME)
        again.hear(drawn=0.7 * BOTTLE)
        for _ in range(4000):
            again.service.scan()
            if again.service.lots:
                break
    finally:
        again.journal.close()
    (lot,) = again.service.lots
    assert again.service.failures == []
    assert [(event["do"], event["number"]) for event in ledger.events()][:2] == [("begin", 1), ("end", 1)]
    assert lot.composition == pytest.approx({"sodium": 20.0, "acetate": 31.0}, rel=0.03)
    # What it tells its peers is what it has delivered over both lives.
    assert again.service.levels.ever()["buffer"][1] == pytest.approx(lot.volume, rel=1e-6)
    assert again.service.levels.volume("buffer") == pytest.approx(BOTTLE - 0.7 * BOTTLE + lot.volume, rel=0.1)


def test_a_batch_that_is_stopped_is_noted_and_the_next_begins(kitchen: Kitchen) -> None:
    kitchen.hear(drawn=0.7 * BOTTLE)
    kitchen.until("dose_water")
    kitchen.service.engine.command("stop", "operator")
    kitchen.until(state=State.STOPPED)
    (failure,) = kitchen.service.failures
    assert (failure.number, failure.vessel, failure.state) == (1, "buffer", "Stopped")
    kitchen.until("clear.drain")  # what is in the tank goes to waste first
    kitchen.until(state=State.COMPLETE)
    assert [lot.number for lot in kitchen.service.lots] == ["buffer-0002"]


def test_a_batch_that_began_by_draining_goes_on_with_the_same_recipe(
    case: Case, kitchen: Kitchen, tmp_path: Path
) -> None:
    """It has two phases more than one for an empty tank; its ledger says what was in the tank."""
    kitchen.hear(drawn=0.7 * BOTTLE)
    kitchen.until("dose_water_stands")
    kitchen.service.engine.command("stop", "operator")
    kitchen.until(state=State.STOPPED)
    kitchen.until("clear.drain")
    kitchen.until("dose_acetic_acid")
    kitchen.journal.close()
    again = controlled(case, kitchen.plant, kitchen.service.ledger, tmp_path / "journal")  # type: ignore[arg-type]
    try:
        record = read_journal(tmp_path / "journal")
        assert record is not None
        again.service.take_up(checkpoint_of(record), OnRestart.RESUME)
        again.hear(drawn=0.7 * BOTTLE)
        again.until("dose_sodium_acetate")
        again.until(state=State.COMPLETE)
    finally:
        again.journal.close()
    (lot,) = again.service.lots
    assert lot.number == "buffer-0002"
    assert [failure.number for failure in again.service.failures] == [1]
    assert lot.composition == pytest.approx({"sodium": 20.0, "acetate": 31.0}, rel=0.03)


def test_a_lot_whose_doses_miss_the_plan_is_not_delivered(kitchen: Kitchen) -> None:
    kitchen.hear(drawn=0.7 * BOTTLE)
    kitchen.until("dose_sodium_acetate")
    kitchen.service.engine.skip("operator")  # far too early
    kitchen.until(state=State.STOPPED)
    (failure,) = kitchen.service.failures
    assert "of the sodium that was planned" in failure.reason
    assert kitchen.service.levels.ever().get("buffer", (0.0, 0.0))[1] == 0.0


def test_three_that_fail_end_the_service(kitchen: Kitchen) -> None:
    kitchen.hear(drawn=0.7 * BOTTLE)
    for _ in range(3):
        kitchen.until("rinse_1")
        kitchen.service.engine.command("stop", "operator")
        kitchen.until(state=State.STOPPED)
        kitchen.until(state=State.IDLE)
    assert kitchen.service.over
    assert "3 batches in a row failed" in kitchen.service.reason


def test_an_abort_ends_the_service(kitchen: Kitchen) -> None:
    kitchen.hear(drawn=0.7 * BOTTLE)
    kitchen.until("rinse_1")
    kitchen.service.engine.command("abort", "operator")
    kitchen.until(state=State.ABORTED)
    assert kitchen.service.over
    assert kitchen.service.lots == []


def test_a_run_goes_on_because_its_bottles_are_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """52 mL of each buffer from bottles of 35 mL; every batch is a run of its own, with a record."""
    chosen = options("max", True, "", False, 1, ())
    run(SERVED, chosen, tmp_path, 0, as_json=True, open_record=False)
    document = json.loads(capsys.readouterr().out)
    assert document["decision"] == "targets met"
    assert document["buffers"]["failed"] == []
    lots = document["buffers"]["lots"]
    delivered = {
        name: sum(lot["volume"] for lot in lots if lot["vessel"] == name) for name in ("buffer", "elution")
    }
    assert min(delivered.values()) > 17e-6
    material = {
        "buffer": {"sodium": 20.0, "acetate": 31.0},
        "elution": {"sodium": 520.0, "acetate": 31.0, "chloride": 500.0},
    }
    for lot in lots:
        assert lot["composition"] == pytest.approx(material[lot["vessel"]], rel=0.02)
    store = Store(tmp_path / "minifactory.db")
    runs = {each.identifier for each in store.runs()}
    for number in range(1, len(lots) + 1):
        batch = f"{document['run']}-kitchen-{number}"
        assert batch in runs
        assert load_run(store, batch, ()).state == "Complete"
