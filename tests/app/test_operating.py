"""The desk of a run: what another process asks over OPC UA is decided by the scan, and never touches it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minifactory.app import discovery
from minifactory.app.case import Case, open_case
from minifactory.app.claims import allow
from minifactory.app.home import pki_folder
from minifactory.app.operating import Desk, open_desk
from minifactory.app.versions import as_changed, keep
from minifactory.clock import VirtualClock
from minifactory.errors import EquipmentError, InputError
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.desk import ask_desk
from minifactory.opcua.session import Target
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.recipe.write import write_recipe
from minifactory.records.documents import Document, Note
from minifactory.signals import Quality, Reading, TagTable
from tests.conftest import REPOSITORY

CASE = REPOSITORY / "cases" / "cex-polish"


class Obedient:
    """A skid that does at once what it is told; its signals stand still."""

    def __init__(self, table: TagTable) -> None:
        self.table = table
        self.values = {tag.name: 0.0 for tag in table.readable}
        self.values["Cond.Temperature"] = 298.15
        self.time = 0.0
        self._flow = 0.0

    def read(self) -> dict[str, Reading]:
        return {name: Reading(value, self.time, Quality.GOOD) for name, value in self.values.items()}

    def write(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            readback = self.table.tags[name].readback
            if readback in self.values:
                self.values[readback] = value

    def call(self, instruction: str, arguments: dict[str, float], number: int, owner: str) -> None:
        del instruction, arguments, owner
        self.values["Instruction.Accepted"] = self.values["Instruction.Completed"] = float(number)

    def advance(self, process_time: float) -> None:
        self.time = process_time

    def now(self) -> float:
        return self.time

    def close(self) -> None:
        """Nothing to leave."""


class Running:
    """An engine that scans in a thread of its own until it is left."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        clock = VirtualClock()
        self.engine = Engine(Obedient(case.table), clock, Policy.in_lock_step(0.01), safe=case.bound.safe)
        self.engine.load(case.bound, "run1")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scan)

    def _scan(self) -> None:
        while not self._stop.wait(0.002):
            self.engine.scan()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def case() -> Case:
    return open_case(CASE)


@pytest.fixture
def running(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path / "home"))
    with Running(case, tmp_path) as found:
        yield found


def test_the_desk_in_words(running: Running) -> None:
    desk = Desk(running.engine, running.case, running.folder / "run1")

    def ask(**request: object) -> tuple[bool, str, dict[str, object]]:
        return desk.decide("anna", request)

    assert ask(do="start")[0]
    assert ask(do="start")[:2] == (True, "already Running")
    accepted, message, _ = ask(do="restrt")
    assert (accepted, 'Did you mean "restart"' in message) == (False, True)
    accepted, _, status = ask(do="status")
    assert accepted
    assert status["state"] == "Running"
    assert "hold" in status["allowed"]  # type: ignore[operator]
    assert json.loads(desk.shown()["Status"])["skid"] == "akta1"
    assert ask(do="set", values={"System.Flow": "2 mL/min", "OutletValve": "F3"}, take=True)[0] in (
        True,
        False,
    )
    accepted, message, _ = ask(do="set", values={"System.Flow": "2", "OutletValv": "F3"})
    assert accepted is False
    assert "OutletValv" in message
    assert "unit" in message
    assert ask(do="hold", until="pH < 3 or 10 min", timeout="1 h", then="stop")[0]
    assert ask(do="restart")[0]
    for broken in ({}, {"do": 3}, {"do": "set"}, {"do": "shelve", "alarm": 1}, {"do": "take", "things": 4}):
        accepted, message, _ = desk.decide("", broken)
        assert accepted is False
        assert message
    lines = desk.log.lines()
    assert {"request", "state", "phase"} <= {line.kind for line in lines}
    assert ask(do="grant", level="model", things=["System.Flow"], name="x")[0] is False


def test_an_edit_is_checked_taken_over_and_kept_for_a_restart(running: Running) -> None:
    folder = running.folder / "run1"
    desk = Desk(running.engine, running.case, folder)
    assert desk.decide("anna", {"do": "start"})[0]
    text = desk.decide("anna", {"do": "recipe"})[2]["recipe"]
    assert isinstance(text, str)
    changed = text.replace("until: 2 CV", "until: 2.5 CV")
    assert changed != text
    shown = desk.decide("anna", {"do": "edit", "recipe": changed, "dry_run": True})
    assert "+ until: cv >= 2.5 CV" in shown[1]
    assert running.engine.status.version == "1"
    bad = desk.decide("anna", {"do": "edit", "recipe": text.replace("until: 2 CV", "until: UV > 9000 mAU")})
    assert bad[0] is False
    assert bad[2]["findings"]
    assert desk.decide("anna", {"do": "edit", "recipe": changed, "note": "more"})[0]
    assert running.engine.status.version == "1+1"
    again = as_changed(running.case, folder, "1+1")
    assert again.bound.version == "1+1"
    assert write_recipe(again.recipe) == changed
    assert as_changed(running.case, folder, "1") is running.case
    assert desk.decide("anna", {"do": "edit", "recipe": "procedure: ["})[0] is False
    assert desk.decide("anna", {"do": "edit", "recipe": changed})[1] == "nothing differs"
    other = changed.replace("name: cex-polish", "name: other").replace("2.5 CV", "2.7 CV")
    assert "another recipe" in desk.decide("anna", {"do": "edit", "recipe": other})[1]
    assert [item.name for item in folder.iterdir()] == ["recipe+1.yaml"]
    again = desk.decide("anna", {"do": "edit", "recipe": changed.replace("2.5 CV", "3 CV")})
    assert again[0], again[1]
    assert "until: 3 CV" in write_recipe(as_changed(running.case, folder, "1+2").recipe)
    (folder / "recipe+2.yaml").unlink()
    with pytest.raises(InputError, match=r"version 1\+2 of the recipe cannot be read"):
        as_changed(running.case, folder, "1+2")


def test_a_version_is_on_disk_before_it_is_in_force(running: Running) -> None:
    """Whenever the process ends, the version that the journal names can be found."""
    folder = running.folder / "run1"
    seen: list[bool] = []

    class Told:
        def offer(self, document: Document) -> bool:
            if isinstance(document, Note) and document.category == "edit":
                seen.append((folder / "recipe+1.yaml").is_file())
            return True

    running.engine.subscribe(Told())
    desk = Desk(running.engine, running.case, folder)
    assert desk.decide("anna", {"do": "start"})[0]
    text = str(desk.decide("anna", {"do": "recipe"})[2]["recipe"])
    assert desk.decide("anna", {"do": "edit", "recipe": text.replace("until: 2 CV", "until: 3 CV")})[0]
    assert seen == [True]


def test_another_process_finds_the_desk_and_asks_over_opc_ua(running: Running) -> None:
    with open_desk(running.engine, running.case, "run1", running.folder) as desk:
        found = discovery.chosen("")
        assert (found.skid, found.run, found.pid) == ("akta1", "run1", os.getpid())
        assert discovery.chosen("akta1") == discovery.chosen("run") == found
        with pytest.raises(InputError, match="no controller is called"):
            discovery.chosen("akta9")
        target = Target(
            found.endpoint, own_identity(pki_folder("operator"), "urn:minifactory:operator"), 30.0
        )
        assert ask_desk(target, "anna", {"do": "start"})[0]
        accepted, reason, result = ask_desk(target, "anna", {"do": "resume"})
        assert (accepted, reason, result["state"]) == (True, "already Running", "Running")
        accepted, reason, _ = ask_desk(target, "anna", {"do": "reset"})
        assert accepted is False
        assert "Allowed now:" in reason
        allow("urn:test:model", ["model"])
        model = own_identity(running.folder / "model", "urn:test:model")
        introduce(model, own_identity(pki_folder("orbit"), "urn:minifactory:orbit"))
        helper = Target(found.endpoint, model, 30.0)
        accepted, reason, _ = ask_desk(helper, "m", {"do": "set", "values": {"System.Flow": "1 mL/min"}})
        assert accepted is False
        assert "urn:test:model" in reason
        assert "may not claim the level operator" in reason
        assert ask_desk(helper, "m", {"do": "status"})[0]
        assert ask_desk(helper, "m", {"do": "hold"})[0]
        assert ask_desk(target, "anna", {"do": "restart"})[0]
        assert any("may not claim" in str(line.as_dict()) for line in desk.log.lines())
        stranger = Target(found.endpoint, own_identity(running.folder / "x", "urn:test:x"), 30.0)
        with pytest.raises(EquipmentError):
            ask_desk(stranger, "mallory", {"do": "abort"})
        words = [sys.executable, "-m", "minifactory.cli.main", "orbit", "status", "--json"]
        said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout)["run"] == "run1"
        assert desk.log.lines()
    with pytest.raises(EquipmentError, match="no controller runs"):
        discovery.chosen("")


def test_what_a_killed_process_left_behind_is_found_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path))
    with discovery.announced("akta1", "opc.tcp://127.0.0.1:1", "run1", "case", tmp_path) as file:
        entry = json.loads(file.read_text(encoding="utf-8"))
        stale = file.with_name("akta1-x.json")
        stale.write_text(json.dumps({**entry, "run": "old", "born": "1"}), encoding="utf-8")
        file.with_name("broken.json").write_text("{", encoding="utf-8")
        running, gone = discovery.controllers()
        assert ([item.run for item in running], [item.run for item in gone]) == (["run1"], ["old"])
        assert not stale.exists()
    with pytest.raises(EquipmentError, match="no controller runs"):
        discovery.chosen("")


def test_a_kept_recipe_is_whole(case: Case, tmp_path: Path) -> None:
    file = keep(tmp_path, "1+3", case.recipe)
    assert file.read_text(encoding="utf-8").startswith("# as changed while it ran, version 1+3")
    assert [item.name for item in tmp_path.iterdir()] == ["recipe+3.yaml"]
