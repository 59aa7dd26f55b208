"""What the equipment does on its own side, and fractions, gradients and programmes through it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest

from minifactory.clock import VirtualClock
from minifactory.errors import Finding, InputError
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.predictor import Forecast
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundRecipe
from minifactory.records import documents as doc
from minifactory.signals import Reading

from .bench_recipe import SAFE, Bench, Book, action, elution, phase, recipe
from .bench_skid import ML, ML_MIN, STATES, BenchSkid

FLOW = 5.0 * ML_MIN


def test_after_an_alarm_of_the_equipment_resume_clears_it_and_completes_the_gradient() -> None:
    bench = Bench(recipe(phase("elute", "10 mL", action(5.0, percent_b=0.0, gradient=(100.0, 10.0)))))
    bench.start()
    bench.scan_for(40.0)
    bench.skid.values["System.State"] = float(STATES.index("Alarm"))
    bench.skid._gradient = None
    bench.scan_until(State.PAUSED, limit=30.0)
    reached = bench.skid.values["Gradient.PercentB"]
    bench.scan_for(60.0)
    bench.ask("resume")
    bench.scan_until(State.RUNNING, limit=30.0)
    names = [name for _, name, _, _ in bench.skid.calls]
    assert names == ["Gradient", "ClearAlarm", "Gradient"]
    cleared = next(time for time, name, _, _ in bench.skid.calls if name == "ClearAlarm")
    started = [time for time, values in bench.skid.writes if values.get("System.Flow.SP", 0.0) > 0.0][-1]
    assert started > cleared + 0.3
    rest = bench.skid.calls[-1][2]["volume"]
    assert rest == pytest.approx(10 * ML * (1.0 - reached / 100.0), abs=FLOW * 1.1)
    bench.scan_until(State.COMPLETE)


def test_start_is_refused_while_the_equipment_is_in_alarm() -> None:
    bench = Bench(elution())
    bench.skid.values["System.State"] = float(STATES.index("Alarm"))
    bench.engine.scan()
    reply = bench.engine.command("start", "anna")
    bench.engine.scan()
    assert reply.accepted is False
    assert "ClearAlarm" in reply.message
    bench.engine.instruct("ClearAlarm", {}, "anna")
    bench.scan_for(2.0)
    bench.start()


def test_two_washes_at_one_breakpoint_follow_each_other() -> None:
    wash = action(flow=5.0, instructions=["PumpWash", "PumpWash", "AutoZero"])
    bench = Bench(recipe(phase("wash", "10 s", wash)))
    bench.start()
    bench.scan_until(State.COMPLETE, limit=400.0)
    times = [time for time, _, _, _ in bench.skid.calls]
    assert times[1] - times[0] >= 86.0
    assert times[2] - times[1] >= 86.0
    assert bench.book.of(doc.PhaseEnded)[0].duration == pytest.approx(10.0, abs=0.5)


def test_fractions_follow_each_other_by_volume() -> None:
    collect = replace(action(flow=5.0, outlet="F2"), fraction_volume=1.0 * ML)
    done = replace(action(), fraction_volume=0.0)
    bench = Bench(recipe(phase("collect", "4.5 mL", collect), phase("after", "2 mL", done)))
    bench.skid.table.instructions["FractionNext"] = bench.skid.table.instructions["AutoZero"]  # type: ignore[index]
    bench.start()
    bench.scan_until(State.COMPLETE)
    nexts = [time for time, name, _, _ in bench.skid.calls if name == "FractionNext"]
    assert len(nexts) == 4
    for before, after in itertools.pairwise(nexts[1:]):
        assert after - before == pytest.approx(12.0, abs=0.51)


def test_instructions_by_hand_are_checked_and_numbered() -> None:
    bench = Bench(elution())
    bench.start()
    good = bench.engine.instruct("AutoZero", {}, "anna")
    bad = bench.engine.instruct("Gradient", {"percent": 1.0}, "anna")
    bench.engine.scan()
    assert good.accepted
    assert bad.accepted is False
    assert "percent_b, volume" in bad.message
    assert bench.skid.calls[-1][1] == "AutoZero"
    assert bench.book.of(doc.InstructionRecord)[-1].source == "anna"


class Oracle:
    """A predictor that finds what it is told to find."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings

    def dry_run(self, bound: BoundRecipe) -> Forecast:
        return Forecast(60.0 * len(bound.phases), self.findings, {"pressure": 2e5})

    def expected(self, time: float) -> dict[str, float]:
        return {"UV1.Signal": time}


def test_the_dry_run_is_recorded_with_the_start() -> None:
    engine = Engine(BenchSkid(), VirtualClock(), Policy.in_lock_step(0.5), safe=SAFE, predictor=Oracle())
    book = Book()
    engine.subscribe(book)
    engine.load(elution(), "run1")
    engine.command("start")
    engine.run(600.0)
    notes = book.of(doc.Note)
    assert notes[0].category == "prediction"
    assert notes[0].data == {"pressure": 2e5}


def test_a_fault_found_by_the_dry_run_forbids_the_recipe() -> None:
    oracle = Oracle(Finding("bench.run.elute", "the column runs dry"))
    engine = Engine(BenchSkid(), VirtualClock(), Policy.in_lock_step(), safe=SAFE, predictor=oracle)
    with pytest.raises(InputError, match="runs dry"):
        engine.load(elution(), "run1")


def test_loading_during_a_run_is_refused() -> None:
    bench = Bench(elution())
    bench.start()
    with pytest.raises(InputError, match='"load" refused in state Running'):
        bench.engine.load(elution(), "run2")


def test_leaving_tells_the_equipment_not_to_watch_the_heartbeat() -> None:
    bench = Bench(elution(), scan=0.1, free=VirtualClock())
    bench.start()
    bench.scan_for(5.0)
    assert bench.setpoints["Heartbeat.SP"] != 0.0
    bench.engine.leave()
    assert bench.setpoints["Heartbeat.SP"] == 0.0
    bench.skid.unplugged = True
    bench.engine.leave()


class Odd(BenchSkid):
    """A bench skid whose reading breaks in a way that no backend should."""

    broken = False

    def read(self) -> Mapping[str, Reading]:
        if self.broken:
            raise RuntimeError("a fault in the code")
        return super().read()


def test_a_fault_of_the_controller_itself_leaves_the_equipment_safe_and_the_record_closed() -> None:
    skid = Odd()
    engine = Engine(skid, VirtualClock(), Policy.in_lock_step(0.5), safe=SAFE)
    book = Book()
    engine.subscribe(book)
    engine.load(elution(), "run1")
    engine.command("start")
    engine.run(20.0)
    skid.broken = True
    with pytest.raises(RuntimeError, match="a fault in the code"):
        engine.run(40.0)
    assert skid.setpoints["System.Flow.SP"] == 0.0
    assert skid.setpoints["InjectionValve.SP"] == 2.0
    stop = book.of(doc.RunStopped)[0]
    assert stop.state == "Aborted"
    assert "a fault in the code" in stop.reason
    assert engine.status.state is State.ABORTED
