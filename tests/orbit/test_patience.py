"""Equipment that does not answer must not stop the scan."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from minifactory.clock import VirtualClock
from minifactory.errors import EquipmentError
from minifactory.orbit.engine import Engine
from minifactory.orbit.patience import PatientBackend
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.records import documents as doc
from minifactory.signals import InstructionRefused

from .bench_recipe import SAFE, Book, elution
from .bench_skid import ML_MIN, BenchSkid

LIMIT = 300.0


class Stopped(BenchSkid):
    """A bench skid that can be stopped: its readings stand still, and commands wait until it goes on."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.goes = threading.Event()
        self.goes.set()
        super().__init__(clock)

    def stop(self) -> None:
        self.frozen = True
        self.goes.clear()

    def go_on(self) -> None:
        self.frozen = False
        self.goes.set()

    def write(self, values: Mapping[str, float]) -> None:
        self.goes.wait(LIMIT)
        super().write(values)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        self.goes.wait(LIMIT)
        super().call(instruction, arguments, number, owner)


def test_a_late_command_is_a_fault_and_its_answer_is_taken_when_it_comes() -> None:
    skid = Stopped()
    patient = PatientBackend(skid, 0.01)
    skid.stop()
    with pytest.raises(EquipmentError, match="no answer"):
        patient.write({"System.Flow.SP": ML_MIN})
    with pytest.raises(EquipmentError, match="no answer"):
        patient.call("AutoZero", {}, 1, "bench1")
    skid.go_on()
    slow = PatientBackend(skid, LIMIT)
    slow._late, slow._worker = patient._late, patient._worker
    slow.write({"System.Flow.SP": ML_MIN})
    slow.call("AutoZero", {}, 1, "bench1")
    assert len(skid.writes) == 1
    assert len(skid.calls) == 1


def test_refusals_come_through() -> None:
    skid = Stopped()
    skid.refuse.add("AutoZero")
    patient = PatientBackend(skid, LIMIT)
    with pytest.raises(InstructionRefused):
        patient.call("AutoZero", {}, 1, "bench1")


def test_a_stopped_equipment_does_not_stop_the_scan() -> None:
    clock = VirtualClock()
    skid = Stopped(clock)
    # While all is well, answers may be that late for 15 scans (0.75 s) before the link counts as lost.
    engine = Engine(skid, clock, Policy(scan=0.1, patience=0.05), safe=SAFE)
    book = Book()
    engine.subscribe(book)
    engine.load(elution(), "run1")
    engine.command("start", "anna")
    while clock.time < 20.0:
        engine.scan()
    stopped = engine.status.time
    skid.stop()
    while engine.state is not State.ABORTED:
        before = clock.time
        engine.scan()
        assert clock.time - before < 0.2
        assert clock.time < 60.0
    alarm = next(item for item in book.of(doc.Alarm) if item.name == "Link")
    assert alarm.time - stopped <= 2.0
    assert engine.status.value("UV") is None
    skid.go_on()
    while clock.time < 70.0:
        engine.scan()
    assert skid.values["InjectionValve.Position"] == 2.0
    assert skid.values["System.Flow"] == pytest.approx(0.0, abs=1e-12)
    assert engine.state is State.ABORTED
