"""What the controller does by itself when a bottle runs empty or full."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.bottles import BottleGuard
from minifactory.orbit.image import Image
from minifactory.orbit.levels import Levels
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.states import State
from minifactory.records import documents as doc
from minifactory.signals import Reading, Tag, TagTable
from minifactory.units import FLOW as FLOW_KIND

from .bench_recipe import Bench, action, phase, recipe
from .bench_skid import ML, ML_MIN

FLOW = 5.0 * ML_MIN
SCAN = 0.5


class InjectionInlets:
    """Pump A draws from ``buffer`` while the injection valve is at Load, else from ``spare``."""

    def beside(self, position: Callable[[str], float | None]) -> tuple[()]:
        del position
        return ()

    def sources(self, position: Callable[[str], float | None]) -> tuple[str | None, str | None]:
        return "buffer" if position("InjectionValve.Position") == 0.0 else "spare", "salt"


def levels(**told: float) -> Levels:
    """10 mL of buffer above a minimum of 2 mL, all else plenty; `told` in mL replaces that."""
    start = {"buffer": 10.0, "spare": 900.0, "salt": 900.0, "WasteF1": 0.0, "F2": 0.0} | told
    capacity = {"buffer": 1000.0, "spare": 1000.0, "salt": 1000.0, "WasteF1": 1000.0, "F2": 6.0}
    return Levels(
        {name: volume * ML for name, volume in start.items()},
        {"buffer": 2 * ML, "salt": 2 * ML},
        InjectionInlets(),
        capacity={name: volume * ML for name, volume in capacity.items()},
    )


def loaded(known: Levels, outlet: str | None = None, policy: Policy | None = None) -> Bench:
    bench = Bench(scan=SCAN, policy=policy)
    bench.engine.load(recipe(phase("run", "3600 s", action(flow=5.0, outlet=outlet))), "run1", levels=known)
    return bench


def running(known: Levels, outlet: str | None = None, policy: Policy | None = None) -> Bench:
    bench = loaded(known, outlet, policy)
    bench.start()
    return bench


def raised(bench: Bench, name: str) -> doc.Alarm:
    return next(
        item for item in bench.book.of(doc.Alarm) if item.name == name and item.stage is doc.AlarmStage.RAISED
    )


def test_an_empty_bottle_stops_the_pumps() -> None:
    known = levels()
    bench = running(known)
    bench.scan_until(State.PAUSED, limit=300.0)
    bench.scan_for(10.0)
    assert bench.skid.values["System.Flow"] == 0.0
    alarm = raised(bench, "Level empty buffer")
    assert (alarm.priority, alarm.first_out) == (doc.Priority.HIGH, True)
    assert "buffer is empty" in bench.engine.reason
    assert "2 mL" in bench.engine.reason
    # Two scans at full flow, the ramp of one second, and the two percent that nobody measures.
    volume = known.volume("buffer")
    assert volume is not None
    assert 2 * ML - FLOW * (2 * SCAN + 1.0) <= volume <= 2 * ML


def test_a_low_level_warns_ten_minutes_before_and_does_not_take_the_first_out_mark() -> None:
    bench = running(levels(buffer=60.0))
    bench.scan_until(State.PAUSED, limit=900.0)
    warning, alarm = raised(bench, "Level low buffer"), raised(bench, "Level empty buffer")
    assert (warning.priority, warning.first_out, alarm.first_out) == (doc.Priority.LOW, False, True)
    # 58 mL above the minimum at 5 mL/min; pumps need 1 s to reach their flow.
    assert warning.time == pytest.approx((58.0 / 5.0 - 10.0) * 60.0, abs=2 * SCAN + 1.0)
    assert alarm.time - warning.time == pytest.approx(600.0, abs=2 * SCAN)


def test_resuming_from_an_empty_bottle_moves_nothing_until_it_is_told_to_be_full() -> None:
    bench = running(levels())
    bench.scan_until(State.PAUSED, limit=300.0)
    bench.ask("resume")
    bench.scan_for(10.0)
    assert bench.engine.state is State.PAUSED
    assert bench.skid.values["System.Flow"] == 0.0
    bench.engine.tell_level("buffer", 500 * ML, "anna")
    bench.scan_for(2 * SCAN)
    last = bench.book.of(doc.Alarm)[-1]
    assert (last.name, last.stage) == ("Level empty buffer", doc.AlarmStage.CLEARED)
    bench.ask("resume")
    bench.scan_for(10.0)
    assert bench.engine.status.state is State.RUNNING
    assert bench.skid.values["System.Flow"] == pytest.approx(FLOW)


def test_turning_to_another_bottle_is_enough() -> None:
    bench = running(levels())
    bench.scan_until(State.PAUSED, limit=300.0)
    bench.engine.set_points({"InjectionValve.SP": 1.0}, "anna")
    bench.scan_for(2.0)
    bench.ask("resume")
    bench.scan_for(10.0)
    assert bench.engine.state is State.RUNNING


def test_a_bottle_that_is_not_drawn_from_may_be_empty() -> None:
    bench = running(levels(salt=0.0, buffer=900.0))
    bench.scan_for(60.0)
    assert bench.engine.state is State.RUNNING
    assert not bench.book.of(doc.Alarm)


def test_a_full_receiver_stops_the_pumps_until_it_is_emptied() -> None:
    known = levels(buffer=900.0)
    bench = running(known, outlet="F2")
    bench.scan_until(State.PAUSED, limit=300.0)
    assert "F2 is full" in bench.engine.reason
    assert raised(bench, "Level full F2").priority is doc.Priority.HIGH
    bench.scan_for(5.0)
    received = known.received["F2"]
    assert 6 * ML <= received <= 6 * ML + FLOW * (2 * SCAN + 1.0)
    bench.engine.tell_level("F2", 0.0, "anna")
    bench.ask("resume")
    bench.scan_for(5.0)
    assert bench.engine.state is State.RUNNING


def test_it_acts_with_no_recipe_running() -> None:
    bench = loaded(levels())
    bench.engine.scan()
    bench.engine.set_points({"System.Flow.SP": FLOW, "InjectionValve.SP": 0.0}, "anna")
    bench.scan_for(105.0)  # 8 mL take 96 s and the ramp
    assert bench.engine.state is State.IDLE
    assert bench.engine.status.state is State.IDLE
    assert any(item.name == "Level empty buffer" for item in bench.engine.status.alarms)
    bench.scan_for(30.0)
    assert bench.skid.values["System.Flow"] == 0.0
    assert "buffer is empty" in bench.ask("start")


def test_what_was_drawn_by_hand_before_a_run_is_gone_but_not_part_of_it() -> None:
    known = levels(buffer=900.0)
    bench = loaded(known)
    bench.engine.set_points({"System.Flow.SP": FLOW}, "anna")
    bench.scan_for(60.0)
    before = known.volume("buffer")
    bench.start()
    assert before is not None
    assert before < 896 * ML
    assert known.start["buffer"] == pytest.approx(before, abs=2 * SCAN * FLOW)
    assert known.consumed.get("buffer", 0.0) <= 2 * SCAN * FLOW


@pytest.mark.parametrize("what", [Reaction.ALARM, Reaction.ABORT])
def test_the_reaction_is_declared(what: Reaction) -> None:
    bench = running(levels(), policy=Policy(scan=SCAN, lock_step=True, on_empty=what))
    bench.scan_for(150.0)
    assert bench.engine.state is (State.RUNNING if what is Reaction.ALARM else State.ABORTED)
    raised(bench, "Level empty buffer")


def test_telling_nonsense_is_refused() -> None:
    bench = running(levels())
    for vessel, volume, found in (("bufer", 1.0, 'Did you mean "buffer"?'), ("F2", 7.0, "0 mL to 6 mL")):
        reply = bench.engine.tell_level(vessel, volume * ML, "anna")
        bench.engine.scan()
        assert reply.accepted is False
        assert found in reply.message


def test_a_bottle_that_lasts_until_the_planned_end_of_the_phase_needs_no_warning() -> None:
    guard, alarms, known = BottleGuard(Policy()), Alarms(lambda _change: None), levels(buffer=22.0)
    names = ("PumpA.Flow", "PumpB.Flow", "InjectionValve.Position")
    image = Image(TagTable.of("s", [Tag(name, FLOW_KIND) for name in names]), 1e9)
    for second in range(2):
        shown = zip(names, (FLOW, 0.0, 0.0), strict=True)
        image.take({name: Reading(value, second) for name, value in shown}, second, second)
        known.elapse(float(second), 0.0, FLOW, 0.0, image)
    # 20 mL above the minimum at 5 mL/min: four minutes.
    guard.look(known, image, 1.0, alarms, needed=180.0)
    assert alarms.active() == ()
    guard.look(known, image, 1.0, alarms, needed=300.0)
    assert [alarm.name for alarm in alarms.active()] == ["Level low buffer"]
