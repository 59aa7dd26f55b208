"""What protects the equipment whether a recipe runs or not: interlocks, dead ends, vessels, alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from minifactory.orbit.engine import Engine
from minifactory.orbit.interlocks import Interlocks
from minifactory.orbit.levels import Levels
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.standing import standing_interlocks
from minifactory.orbit.states import State
from minifactory.orbit.ways import FlowPathWays
from minifactory.plant.load import load_plant
from minifactory.plant.model import Device, DeviceKind, Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundInterlock
from minifactory.recipe.conditions import Sample
from minifactory.records import documents as doc
from tests.conftest import REPOSITORY

from .bench_recipe import SAFE, Bench, Book, action, condition, phase, recipe
from .bench_skid import ML, ML_MIN

FLOW = "System.Flow.SP"


class OneClosed:
    """Position 2 of the injection valve (Waste) is a dead end here."""

    def closed(self, position: Callable[[str], float | None], percent_b: float) -> str:
        del percent_b
        return "InjectionValve: closed" if position("InjectionValve.Position") == 2.0 else ""


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(REPOSITORY / "cases" / "cex-polish")


def reactions(plant: Plant, values: Mapping[str, float | None], time: float = 60.0) -> dict[str, Reaction]:
    skid = plant.skids["akta1"]
    column = next(iter(plant.columns.values()))
    table = tag_table(skid)
    calm: dict[str, float | None] = {tag.name: 0.0 for tag in table.readable}
    calm["Cond.Temperature"] = 298.15
    locks = Interlocks(standing_interlocks(table, skid, column), Policy())
    assert locks.evaluate(Sample(0.0, values=calm)) == []
    found = {}
    for second in range(int(time)):
        demands = locks.evaluate(Sample(1.0 + second, values={**calm, **values}))
        found = {item.name: item.reaction for item in demands}
    return found


def test_a_filter_has_interlocks_of_its_own(plant: Plant) -> None:
    """Near the pressure that it bears the flow is reduced; beyond its capacity a person is told."""
    numbers = {"area": 2e-3, "permeability": 1e-10, "max_pressure": 3e5, "capacity": 0.05}
    words = {"blocking": "cake", "gauge": "yes"}
    device = Device("Sterile", DeviceKind.FILTER, ("in", "out"), 1e-6, {}, numbers, words)
    skid = replace(plant.skids["akta1"], devices={**plant.skids["akta1"].devices, "Sterile": device})
    with_filter = replace(plant, skids={"akta1": skid})
    near = reactions(with_filter, {"Sterile.Pressure": 0.96 * 3e5}, 4.0)
    assert near == {"standing pressure over Sterile": Reaction.REDUCE_FLOW}
    assert reactions(with_filter, {"Sterile.Volume": 0.99e-4}) == {}
    over = reactions(with_filter, {"Sterile.Volume": 1.01e-4})
    assert over == {"standing capacity of Sterile": Reaction.ALARM}


def test_what_stands_follows_from_the_description(plant: Plant) -> None:
    limit = plant.skids["akta1"].max_pressure
    assert reactions(plant, {"Pressure.System": 0.94 * limit}) == {}
    near = reactions(plant, {"Pressure.System": 0.96 * limit}, 4.0)
    assert near == {"standing system pressure": Reaction.REDUCE_FLOW}
    assert reactions(plant, {"Pressure.System": 0.96 * limit}, 30.0) == {
        "standing system pressure": Reaction.HOLD
    }
    over = reactions(plant, {"Pressure.System": 1.01 * limit}, 4.0)
    assert over["standing pressure limit"] is Reaction.ABORT
    air = {"Air.PumpA": 1.0, "PumpA.Flow": 1e-8}
    assert reactions(plant, air) == {"standing air PumpA": Reaction.PAUSE}
    assert reactions(plant, {**air, "PumpWash.Running": 1.0}) == {}
    assert reactions(plant, {"Air.PumpB": 1.0}) == {}
    assert reactions(plant, {"Cond.Temperature": 315.0}, 9.0) == {}
    assert reactions(plant, {"Cond.Temperature": 315.0}) == {"standing temperature": Reaction.PAUSE}
    assert reactions(plant, {"Cond.Temperature": None, "Pressure.System": None}) == {}


def test_dead_ends_of_a_described_skid(plant: Plant) -> None:
    skid = plant.skids["akta1"]
    ways = FlowPathWays(skid)
    table = tag_table(skid)
    choices = {tag.name: tag.choices for tag in table.readable if tag.choices}
    assert ways.closed(lambda _tag: None, 0.0) == ""
    answers = {
        ways.closed(lambda tag, n=n: float(n % len(choices[tag])), share)
        for n in range(6)
        for share in (0.0, 100.0)
    }
    assert len(answers) > 1  # some of these positions are closed, and it is said why
    assert all(isinstance(item, str) for item in answers)


def bench_with(levels: Levels | None = None) -> tuple[Bench, Book]:
    bench = Bench()
    bench.engine = Engine(bench.skid, bench.clock, bench.policy, safe=SAFE, ways=OneClosed(), levels=levels)
    bench.engine.subscribe(bench.book)
    return bench, bench.book


def test_a_dead_end_stops_the_pumps_with_no_recipe_and_stays_so_until_there_is_a_way() -> None:
    bench, book = bench_with()
    bench.engine.scan()
    bench.engine.set_points({FLOW: 5 * ML_MIN}, "anna")
    bench.scan_for(5.0)
    assert bench.skid.values["System.Flow"] == pytest.approx(5 * ML_MIN)
    bench.skid.values["InjectionValve.Position"] = 2.0  # somebody turns it by hand
    bench.scan_for(8.0)
    assert bench.setpoints[FLOW] == 0.0
    assert [item.name for item in book.of(doc.Alarm)] == ["Dead end"]
    bench.skid.values["InjectionValve.Position"] = 0.0
    bench.scan_for(5.0)
    assert bench.setpoints[FLOW] == pytest.approx(5 * ML_MIN)


def test_a_set_point_that_would_close_the_way_is_not_accepted() -> None:
    bench, _ = bench_with()
    bench.engine.scan()
    bench.engine.set_points({FLOW: 5 * ML_MIN}, "anna")
    bench.scan_for(3.0)
    refused = bench.engine.set_points({"InjectionValve.SP": 2.0}, "anna")
    fine = bench.engine.set_points({"InjectionValve.SP": 2.0, FLOW: 0.0}, "anna")
    bench.engine.scan()
    assert refused.accepted is False
    assert "pumps against a closed way" in refused.message
    assert fine.accepted


def test_a_phase_that_hangs_does_not_keep_the_dead_end_from_being_found() -> None:
    bench, _ = bench_with()
    bench.engine.load(recipe(phase("hang", "1000 min", action(flow=5.0))), "run1")
    bench.start()
    bench.scan_for(5.0)
    bench.skid.values["InjectionValve.Position"] = 2.0
    bench.skid.stuck.add("InjectionValve.SP")
    bench.scan_until(State.PAUSED, State.HELD, limit=30.0)


def test_an_empty_vessel_stops_the_pumps_with_no_recipe() -> None:
    class Feeds:
        def beside(self, position: object) -> tuple[()]:
            del position
            return ()

        def sources(self, position: object) -> tuple[str | None, str | None]:
            del position
            return "feed", None

    bench, book = bench_with(Levels({"feed": 2 * ML}, {"feed": 0.5 * ML}, Feeds()))
    bench.engine.scan()
    bench.engine.set_points({FLOW: 5 * ML_MIN}, "anna")
    bench.scan_for(60.0)
    assert bench.setpoints[FLOW] == 0.0
    assert "Level empty feed" in [item.name for item in book.of(doc.Alarm)]
    bench.engine.tell_level("feed", 100 * ML, "anna")
    bench.scan_for(3.0)
    assert bench.setpoints[FLOW] == pytest.approx(5 * ML_MIN)


# Alarms: delay, hysteresis, priority


def watched(lock: BoundInterlock, course: list[tuple[float, float | None]]) -> list[tuple[float, bool]]:
    """When it was active, for a course of (time, pressure in MPa)."""
    locks = Interlocks([lock], Policy())
    return [
        (time, bool(locks.evaluate(Sample(time, values={"Pressure": None if p is None else 1e6 * p}))))
        for time, p in course
    ]


def test_delay_hysteresis_and_off_delay() -> None:
    lock = BoundInterlock(
        "high",
        condition("Pressure > 0.5 MPa"),
        "alarm",
        until=condition("Pressure < 0.4 MPa"),
        delay=2.0,
        off_delay=1.0,
    )
    course = [(0.0, 0.6), (1.0, 0.3), (2.0, 0.6), (3.0, 0.6), (4.0, 0.6)]
    assert [active for _, active in watched(lock, course)] == [False, False, False, False, True]
    course += [(5.0, 0.45), (6.0, 0.3), (6.5, 0.45), (7.0, 0.3), (8.0, 0.3)]
    assert [active for _, active in watched(lock, course)][5:] == [True, True, True, True, False]
    unknown = [*course[:5], (5.0, None), (9.0, None), (10.0, None)]
    assert [active for _, active in watched(lock, unknown)][5:] == [True, True, True]
    never = watched(lock, [(0.0, 0.6), (1.0, None), (2.0, 0.6), (3.5, 0.6), (4.0, 0.6)])
    assert [active for _, active in never] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("what", "priority", "expected"),
    [("alarm", "", "medium"), ("alarm", "low", "low"), ("hold", "", "high"), ("abort", "medium", "medium")],
)
def test_priorities(what: str, priority: str, expected: str) -> None:
    lock = BoundInterlock("x", condition("Cond.Signal < 2 mS/cm"), what, priority=priority)
    bench = Bench(interlocks=[lock])
    bench.scan_for(2.0)
    assert bench.book.of(doc.Alarm)[0].priority.value == expected


def test_an_alarm_does_not_touch_the_run_and_can_be_shelved_for_a_time_only() -> None:
    lock = BoundInterlock("cond", condition("Cond.Signal < 2 mS/cm"), "alarm", "conductivity is low")
    bench = Bench(recipe(phase("run", "600 s", action(flow=5.0))), interlocks=[lock])
    bench.start()
    bench.scan_for(10.0)
    assert bench.engine.state is State.RUNNING
    assert [item.name for item in bench.engine.status.alarms] == ["Interlock cond"]
    too_long = bench.engine.shelve("Interlock cond", 1e6, "anna")
    fine = bench.engine.shelve("Interlock cond", 60.0, "anna", "known")
    bench.scan_for(1.0)
    assert too_long.accepted is False
    assert fine.accepted
    assert bench.engine.status.alarms == ()
    assert [item.name for item in bench.engine.status.shelved] == ["Interlock cond"]
    bench.scan_for(65.0)
    assert [item.name for item in bench.engine.status.alarms] == ["Interlock cond"]
    bench.engine.shelve("Interlock cond", 60.0, "anna")
    bench.engine.unshelve("Interlock cond", "anna", "seen to")
    bench.scan_for(1.0)
    assert len(bench.engine.status.alarms) == 1


def test_the_last_step_of_the_ladder_may_be_a_controlled_stop() -> None:
    policy = replace(Policy.in_lock_step(0.5), escalate_to=Reaction.STOP)
    bench = Bench(
        recipe(
            phase("r", "1000 s", action(flow=5.0)), interlocks=[("h", "Pressure > 0.3 MPa", "reduce_flow")]
        ),
        policy=policy,
    )
    bench.start()
    bench.scan_for(5.0)
    bench.skid.resistance *= 10.0
    bench.scan_until(State.STOPPED, limit=120.0)


def test_hold_from_paused_keeps_the_pumps_still_until_restart() -> None:
    bench = Bench(recipe(phase("run", "100 s", action(flow=5.0))))
    bench.start()
    bench.scan_for(5.0)
    bench.ask("pause")
    bench.scan_until(State.PAUSED, limit=30.0)
    bench.ask("hold")
    bench.scan_for(5.0)
    assert bench.engine.state is State.HELD
    assert bench.setpoints[FLOW] == 0.0
    bench.ask("restart")
    bench.scan_for(5.0)
    assert bench.engine.state is State.RUNNING
    assert bench.setpoints[FLOW] == pytest.approx(5 * ML_MIN)
