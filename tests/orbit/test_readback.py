from __future__ import annotations

import itertools

import pytest

from minifactory.clock import VirtualClock
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.records import documents as doc

from .bench_recipe import Bench, action, phase, recipe
from .bench_skid import VALVE_TIME


def bench(*, fault: str = "", free: bool = False) -> Bench:
    made = Bench(
        recipe(
            phase("run", "60 s", action(flow=5.0, outlet="F3")), phase("end", "60 s", action(outlet="F2"))
        ),
        scan=0.1,
        free=VirtualClock() if free else None,
    )
    if fault:
        made.skid.stuck.add(fault)
    made.start()
    return made


def test_a_set_point_is_confirmed_by_its_read_back() -> None:
    good = bench()
    good.scan_for(5.0)
    records = [item for item in good.book.of(doc.SetpointRecord) if item.source == "bench.run.run"]
    assert [item.stage for item in records] == [doc.Stage.ISSUED, doc.Stage.COMPLETED]
    # The flow ramps at 5 mL/min per s to within 5 % of 5 mL/min, or 1 % of the pump's 100 mL/min: 0.8 s.
    assert records[-1].latency == pytest.approx(0.8, abs=0.11)
    assert records[-1].latency >= VALVE_TIME
    assert not good.engine.status.unconfirmed


@pytest.mark.parametrize("free", [False, True])
def test_a_valve_that_does_not_move_is_told_again_and_then_holds_the_run(free: bool) -> None:
    stuck = bench(fault="OutletValve.SP", free=free)
    stuck.scan_until(State.HELD, limit=60.0)
    told = [time for time, values in stuck.skid.writes if values.get("OutletValve.SP") == 2.0]
    assert len(told) == 1 + stuck.policy.readback_tries
    assert all(after - before >= 2.0 for before, after in itertools.pairwise(told))
    assert "OutletValve.SP" in stuck.engine.reason
    assert any(item.name == "Unconfirmed OutletValve.SP" for item in stuck.engine.status.alarms)
    overdue = [item for item in stuck.book.of(doc.SetpointRecord) if item.stage is doc.Stage.OVERDUE]
    assert len(overdue) == 1


def test_a_valve_that_obeys_the_second_time_is_only_told_again() -> None:
    slow = bench(fault="OutletValve.SP")
    slow.scan_for(3.0)
    slow.skid.stuck.clear()
    slow.scan_for(10.0)
    assert slow.engine.state is State.RUNNING
    assert slow.skid.values["OutletValve.Position"] == 2.0


def test_a_valve_that_somebody_turns_is_put_back() -> None:
    moved = bench()
    moved.scan_for(5.0)
    moved.skid.values["OutletValve.Position"] = 1.0
    moved.scan_for(10.0)
    assert moved.skid.values["OutletValve.Position"] == 2.0
    assert "moved by itself" in [item.source for item in moved.book.of(doc.SetpointRecord)]
    assert moved.engine.state is State.RUNNING


def test_a_refused_set_point_holds_the_run_and_is_not_repeated() -> None:
    made = bench()
    made.skid.refuse.add("OutletValve.SP")
    made.scan_until(State.HELD, limit=80.0)
    assert "OutletValve.SP refused" in made.engine.reason
    writes = len(made.skid.writes)
    made.scan_for(5.0)
    assert len(made.skid.writes) == writes
    refused = [item for item in made.book.of(doc.SetpointRecord) if item.stage is doc.Stage.REFUSED]
    assert [item.source for item in refused] == ["bench.run.end"]


def test_a_refused_instruction_holds_the_run() -> None:
    made = Bench(recipe(phase("zero", "60 s", action(instructions=["AutoZero"]))))
    made.skid.refuse.add("AutoZero")
    made.start()
    made.scan_until(State.HELD, limit=10.0)
    assert made.book.of(doc.InstructionRecord)[-1].stage is doc.Stage.REFUSED


def test_an_instruction_that_vanishes_is_alarmed_and_not_repeated() -> None:
    made = Bench(recipe(phase("zero", "60 s", action(instructions=["AutoZero"]))))
    made.skid.deaf = True
    made.start()
    made.scan_until(State.HELD, limit=30.0)
    assert len(made.skid.calls) == 1
    assert made.book.of(doc.InstructionRecord)[-1].stage is doc.Stage.OVERDUE


def test_deadlines_need_both_process_and_link_time() -> None:
    """At 20 times real time 5 s of process time are 0.25 s on the link: not a deadline for any equipment."""
    policy = Policy(readback_process=5.0, readback_link=2.0)
    made = bench(fault="OutletValve.SP")
    outputs = made.engine._outputs
    assert "OutletValve.SP" in outputs.pending
    image = made.engine._image
    now = made.clock.now()
    outputs.verify(image, now + 100.0, now + policy.readback_link - 0.1, False)
    assert "OutletValve.SP" not in outputs._dirty
    outputs.verify(image, now + 100.0, now + 3.0, False)
    assert "OutletValve.SP" in outputs._dirty


def test_the_flow_is_not_missed_while_a_wash_stops_it() -> None:
    made = Bench(recipe(phase("wash", "20 s", action(flow=5.0, instructions=["PumpWash"]))))
    made.start()
    made.scan_until(State.COMPLETE, limit=300.0)
    assert not made.book.of(doc.Alarm)
    assert made.skid.setpoints["System.Flow.SP"] == 0.0
