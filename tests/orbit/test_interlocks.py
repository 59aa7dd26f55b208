from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.orbit.authority import Level
from minifactory.orbit.interlocks import Interlocks
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundInterlock
from minifactory.recipe.model import OnTimeout
from minifactory.records import documents as doc
from minifactory.signals import Reading

from .bench_recipe import Bench, action, condition, phase, recipe
from .bench_skid import ML_MIN

FLOW = 5.0 * ML_MIN


def running(*interlocks: tuple[str, str, str], policy: Policy | None = None) -> Bench:
    bench = Bench(recipe(phase("run", "1000 s", action(flow=5.0)), interlocks=interlocks), policy=policy)
    bench.start()
    bench.scan_for(10.0)
    return bench


@pytest.mark.parametrize(
    ("what", "state"), [("hold", State.HELD), ("pause", State.PAUSED), ("abort", State.ABORTED)]
)
def test_an_interlock_acts_on_the_run(what: str, state: State) -> None:
    bench = running(("high", "Pressure > 0.5 MPa", what))
    bench.skid.resistance *= 10.0
    bench.scan_until(state, limit=30.0)
    alarm = bench.book.of(doc.Alarm)[0]
    assert (alarm.name, alarm.stage, alarm.first_out) == ("Interlock high", doc.AlarmStage.RAISED, True)
    assert "Pressure > 0.5 MPa" in bench.engine.reason


def test_an_interlock_acts_with_no_recipe_loaded() -> None:
    guard = BoundInterlock("air", condition("Cond.Signal < 0.05 mS/cm"), "abort", "air in the line")
    bench = Bench(interlocks=[guard])
    bench.engine.scan()
    bench.engine.set_points({"System.Flow.SP": FLOW, "InjectionValve.SP": 1.0}, "anna")
    bench.scan_for(10.0)
    assert bench.skid.values["System.Flow"] == pytest.approx(FLOW)
    bench.skid.corrupt["Cond.Signal"] = bench.skid.read()["UV1.Signal"]
    bench.scan_until(State.ABORTED, limit=30.0)
    assert bench.skid.values["System.Flow"] == pytest.approx(0.0, abs=1e-12)
    assert bench.skid.values["InjectionValve.Position"] == 2.0


def test_pause_by_interlock_stops_the_pumps_in_held_too() -> None:
    bench = running(("high", "Pressure > 0.5 MPa", "pause"))
    bench.ask("hold")
    bench.skid.resistance *= 10.0
    bench.scan_for(5.0)
    assert bench.engine.state is State.HELD
    assert bench.setpoints["System.Flow.SP"] == 0.0
    bench.skid.resistance /= 10.0
    bench.scan_for(5.0)
    assert bench.setpoints["System.Flow.SP"] == 0.0
    bench.ask("restart")
    bench.scan_for(2.0)
    assert bench.setpoints["System.Flow.SP"] == pytest.approx(FLOW)


def test_the_ladder_reduces_the_flow_until_the_pressure_is_good_and_brings_it_back() -> None:
    bench = running(("high", "Pressure > 0.3 MPa", "reduce_flow"))
    bench.skid.resistance *= 2.0  # 0.4 MPa at 5 mL/min: below 0.3 MPa from 0.75 of the flow on
    bench.scan_for(20.0)
    assert bench.engine.state is State.RUNNING
    assert bench.engine.status.flow_factor == pytest.approx(0.64)
    assert bench.skid.values["Pressure.System"] < 0.3e6
    bench.skid.resistance /= 2.0
    bench.scan_for(60.0)
    assert bench.engine.status.flow_factor == 1.0
    assert bench.setpoints["System.Flow.SP"] == pytest.approx(FLOW)


def test_the_ladder_goes_on_to_hold_and_abort_when_reducing_does_not_help() -> None:
    bench = running(("high", "Pressure > 0.3 MPa", "reduce_flow"))
    bench.skid.resistance *= 10.0
    bench.scan_until(State.HELD, limit=60.0)
    assert bench.engine.status.flow_factor == pytest.approx(bench.policy.reduce_floor)
    bench.scan_until(State.ABORTED, limit=60.0)
    names = [(item.before, item.after) for item in bench.book.of(doc.Transition)]
    assert names[-2:] == [("Held", "Aborting"), ("Aborting", "Aborted")]


def test_restart_is_undone_while_the_interlock_is_active() -> None:
    bench = running(("high", "Pressure > 0.5 MPa", "hold"))
    bench.skid.resistance *= 10.0
    bench.scan_until(State.HELD, limit=10.0)
    bench.ask("restart")
    bench.engine.scan()
    assert bench.engine.state is State.HELD


def test_start_is_refused_while_an_interlock_is_active() -> None:
    bench = Bench(recipe(phase("run", "10 s"), interlocks=[("cond", "Cond.Signal < 2 mS/cm", "hold")]))
    reply = bench.engine.command("start", "anna")
    status = bench.engine.run(60.0)
    assert reply.accepted is False
    assert "Cond.Signal < 2 mS/cm" in reply.message
    assert status.state is State.IDLE


def test_interlocks_win_over_set_points_by_hand() -> None:
    bench = running(("high", "Pressure > 0.5 MPa", "abort"))
    bench.skid.resistance *= 10.0
    bench.engine.set_points({"System.Flow.SP": 2 * FLOW}, "anna")
    bench.scan_until(State.ABORTED, limit=30.0)
    assert bench.setpoints["System.Flow.SP"] == 0.0


@pytest.mark.parametrize(
    ("what", "state"),
    [(OnTimeout.HOLD, State.HELD), (OnTimeout.ABORT, State.ABORTED), (OnTimeout.NEXT, State.COMPLETE)],
)
def test_a_phase_that_hangs_times_out(what: OnTimeout, state: State) -> None:
    hanging = phase("hang", "UV > 3000 mAU", action(flow=5.0), timeout=60.0, on_timeout=what)
    bench = Bench(recipe(hanging, phase("last", "5 s")))
    bench.start()
    bench.scan_until(state, limit=120.0)
    assert bench.clock.now() < 90.0
    if state is State.HELD:
        bench.ask("restart")
        bench.scan_for(30.0)
        assert bench.engine.state is State.RUNNING


def test_an_unknown_action_names_the_closest() -> None:
    with pytest.raises(InputError, match='Did you mean "hold"'):
        Interlocks([BoundInterlock("x", condition("UV > 1 mAU"), "holt")], Policy())


def test_the_end_names_the_alarm_that_was_first_and_why_the_interlock_went_further() -> None:
    bench = running(("high", "Pressure > 0.3 MPa", "reduce_flow"))
    bench.skid.values["System.State"] = 3.0  # the equipment's own trip stops its pumps
    bench.scan_until(State.PAUSED, limit=30.0)
    bench.skid.corrupt["Pressure.System"] = Reading(2e6, 0.0)
    bench.scan_until(State.ABORTED, limit=60.0)
    reason = bench.book.of(doc.RunStopped)[0].reason
    assert reason.startswith(
        "the equipment stopped its pumps with an alarm (first out: Equipment alarm); then"
    )
    assert 'interlock "high" was escalated from reduce_flow to abort' in reason
    assert "persisted for 20 s with the flow at 30% or less: Pressure > 0.3 MPa" in reason


def test_an_operator_who_stops_after_an_alarm_does_not_hide_it() -> None:
    bench = running(("high", "Pressure > 0.5 MPa", "hold"))
    bench.skid.resistance *= 10.0
    bench.scan_until(State.HELD, limit=10.0)
    bench.ask("stop")
    bench.scan_until(State.STOPPED)
    reason = bench.book.of(doc.RunStopped)[0].reason
    assert reason == "Pressure > 0.5 MPa (first out: Interlock high); then stop by anna"


def test_an_alarm_that_ends_the_run_itself_is_named_once() -> None:
    bench = running(("high", "Pressure > 0.5 MPa", "abort"))
    bench.skid.resistance *= 10.0
    bench.scan_until(State.ABORTED, limit=30.0)
    assert bench.book.of(doc.RunStopped)[0].reason == "Pressure > 0.5 MPa"


MOVES = (
    "hold", "restart", "pause", "resume", "stop", "abort", "start", "reset",
    "flow", "take flow", "flow as model", "release", "grant to peer", "skip", "force",
    "trip", "clear", "wait",
)  # fmt: skip


def move(bench: Bench, what: str) -> None:
    """Something that a person, a model or a peer may do at any time; refusals are fine."""
    engine = bench.engine
    wish = {"System.Flow.SP": FLOW}
    match what:
        case "flow":
            engine.set_points(wish, "anna")
        case "take flow":
            engine.set_points(wish, "anna", take=True)
        case "flow as model":
            engine.set_points(wish, "model", Level.MODEL)
        case "release":
            engine.release((), "anna")
        case "grant to peer":
            engine.grant(("System.Flow.SP",), Level.PEER, "other", "anna")
        case "skip":
            engine.skip("anna")
        case "force":
            engine.live.force("", "anna")
        case "trip":
            bench.skid.corrupt["Cond.Signal"] = Reading(0.0, 0.0)
        case "clear":
            bench.skid.corrupt.pop("Cond.Signal", None)
        case "wait":
            bench.scan_for(2.0)
        case _:
            engine.command(what, "anna")


@given(st.lists(st.sampled_from(MOVES), max_size=40), st.sampled_from(["pause", "abort"]))
@example(["trip", "restart", "resume"], "pause")
@settings(deadline=None, max_examples=60)
def test_an_interlock_wins_over_whatever_is_asked(moves: list[str], what: str) -> None:
    """While it stands, no command, set-point, authority or edit lets the pumps run."""
    interlock = ("dry", "Cond.Signal < 0.05 mS/cm", what)
    phases = [phase(f"step{number}", "20 s", action(flow=5.0)) for number in range(30)]
    bench = Bench(recipe(*phases, interlocks=[interlock]), scan=0.5)
    bench.start()
    tripped = 0
    for each in moves:
        move(bench, each)
        bench.engine.scan()
        tripped = tripped + 1 if "Cond.Signal" in bench.skid.corrupt else 0
        if tripped > 2:
            assert bench.setpoints["System.Flow.SP"] == 0.0, (each, bench.engine.state, bench.engine.reason)
