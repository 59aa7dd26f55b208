from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.orbit.policy import Policy
from minifactory.orbit.states import TABLE, Command, State
from minifactory.records import documents as doc

from .bench_recipe import CV, Bench, action, elution, phase, recipe
from .bench_skid import ML, ML_MIN

FLOW = 5.0 * ML_MIN


def gradient() -> Bench:
    """A bench whose first phase is a gradient of 10 mL at 5 mL/min, 40 s under way."""
    start = action(flow=5.0, percent_b=0.0, gradient=(100.0, 10.0))
    bench = Bench(recipe(phase("elute", "10 mL", start), phase("strip", "10 s", action())))
    bench.start()
    bench.scan_for(40.0)
    return bench


def test_hold_lets_the_flow_go_on_and_the_method_stand_still() -> None:
    bench = gradient()
    before = bench.engine.status
    bench.ask("hold")
    assert bench.engine.state is State.HELD
    bench.scan_for(2.0)
    frozen = bench.skid.values["Gradient.PercentB"]
    bench.scan_for(60.0)
    after = bench.engine.status
    assert bench.skid.values["System.Flow"] == pytest.approx(FLOW)
    assert bench.skid.values["Gradient.PercentB"] == frozen
    assert after.phase_time - before.phase_time <= 0.5
    assert after.phase_volume - before.phase_volume <= FLOW * 0.5 * (1 + 1e-9)


def test_restart_completes_the_gradient_over_the_volume_that_was_left() -> None:
    bench = gradient()
    bench.ask("hold")
    bench.scan_for(60.0)
    bench.ask("restart")
    assert bench.engine.state is State.RUNNING
    name, arguments = bench.skid.calls[-1][1:3]
    assert name == "Gradient"
    assert arguments["percent_b"] == 100.0
    frozen = bench.skid.values["Gradient.PercentB"]
    # What is left by the controller's count is what the skid has not mixed; they differ by the latencies of
    # acceptance and of the freezing write (0.3 s each) and by one scan.
    assert arguments["volume"] == pytest.approx(10 * ML * (1 - frozen / 100.0), abs=FLOW * 1.1)
    bench.scan_until(State.COMPLETE)
    assert bench.skid.values["Gradient.PercentB"] == pytest.approx(100.0)


def test_pause_stops_the_pumps_and_leaves_the_valves() -> None:
    bench = gradient()
    valves = {name: value for name, value in bench.setpoints.items() if name.endswith("Valve.SP")}
    bench.ask("pause")
    assert bench.engine.state is State.PAUSING
    bench.scan_until(State.PAUSED, limit=20.0)
    assert bench.skid.values["System.Flow"] == pytest.approx(0.0, abs=0.01 * 100 * ML_MIN)
    assert {name: bench.setpoints[name] for name in valves} == valves
    paused_at = bench.engine.status
    bench.scan_for(100.0)
    assert bench.engine.status.phase_time == paused_at.phase_time
    bench.ask("resume")
    bench.scan_until(State.RUNNING, limit=20.0)
    assert bench.setpoints["System.Flow.SP"] == pytest.approx(FLOW)
    bench.scan_until(State.COMPLETE)
    assert bench.skid.values["Gradient.PercentB"] == pytest.approx(100.0)
    assert [name for _, name, _, _ in bench.skid.calls] == ["Gradient"]
    # Nothing of the 10 mL is lost or counted twice: what flows while pausing and resuming is the phase's.
    assert bench.book.of(doc.PhaseEnded)[0].volume == pytest.approx(10 * ML, abs=FLOW * 0.5)


def test_stop_ends_the_flow_before_it_moves_the_valves() -> None:
    bench = gradient()
    bench.ask("stop")
    bench.scan_until(State.STOPPED, limit=30.0)
    writes = [values for _, values in bench.skid.writes]
    stopped = next(i for i, values in enumerate(writes) if values.get("System.Flow.SP") == 0.0)
    moved = next(i for i, values in enumerate(writes) if values.get("InjectionValve.SP") == 2.0)
    assert stopped < moved
    end = bench.book.of(doc.RunStopped)[0]
    assert end.state == "Stopped"
    assert "anna" in end.reason


def test_abort_takes_the_safe_state_in_one_write_in_the_same_scan() -> None:
    bench = gradient()
    before = bench.clock.now()
    bench.ask("abort")
    time, values = bench.skid.writes[-1]
    assert time - before <= 0.5
    assert values == {"System.Flow.SP": 0.0, "InjectionValve.SP": 2.0, "OutletValve.SP": 0.0}
    assert next(iter(values)) == "System.Flow.SP"
    bench.scan_until(State.ABORTED, limit=30.0)
    ended = bench.book.of(doc.PhaseEnded)
    assert len(ended) == 1
    assert ended[0].reason.startswith("abort")


def test_commands_are_idempotent_or_refused_with_what_is_legal() -> None:
    bench = gradient()
    assert bench.ask("hold") == "Holding"
    assert bench.ask("hold") == "already Held"
    reply = bench.engine.command("start", "anna")
    bench.engine.scan()
    assert reply.accepted is False
    assert reply.message.endswith('"start" refused in state Held. Allowed now: restart, stop, abort.')
    transitions = len(bench.book.of(doc.Transition))
    bench.ask("hold")
    assert len(bench.book.of(doc.Transition)) == transitions
    actions = bench.book.of(doc.OperatorAction)
    assert [item.accepted for item in actions] == [True, True, True, False, True]


def test_held_for_too_long_the_run_stops() -> None:
    policy = Policy(scan=0.5, lock_step=True, hold_timeout=120.0)
    bench = Bench(elution(), policy=policy)
    bench.start()
    bench.ask("hold")
    bench.scan_for(119.0)
    assert bench.engine.state is State.HELD
    bench.scan_until(State.STOPPED, limit=30.0)


def test_skip_ends_the_phase_and_begins_the_next_in_one_scan() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_for(5.0)
    reply = bench.engine.skip("anna")
    bench.engine.scan()
    assert reply.accepted
    assert bench.engine.status.phase == "bench.run.elute"
    assert bench.book.of(doc.PhaseEnded)[0].reason == "skipped by anna"


def test_set_points_by_hand_are_checked_logged_and_kept_until_the_next_breakpoint() -> None:
    bench = Bench(elution())
    bench.start()
    reply = bench.engine.set_points({"System.Flow.SP": 3.0 * ML_MIN}, "anna")
    bench.engine.scan()
    assert reply.accepted
    assert bench.setpoints["System.Flow.SP"] == pytest.approx(3.0 * ML_MIN)
    wrong = bench.engine.set_points({"System.Flow.SP": 1.0, "OutletValv.SP": 1.0}, "anna")
    bench.engine.scan()
    assert wrong.accepted is False
    assert "OutletValve.SP" in wrong.message
    assert "System.Flow.SP = 1" in wrong.message
    sources = [item.source for item in bench.book.of(doc.SetpointRecord)]
    assert "anna" in sources


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["start", "pause", "resume", "hold", "restart", "stop", "abort", "reset", "skip"]
            ),
            st.integers(0, 12),
        ),
        max_size=12,
    )
)
def test_any_sequence_of_commands_stays_in_the_table_and_ends_safely(steps: list[tuple[str, int]]) -> None:
    bench = Bench(elution())
    bench.engine.scan()
    for command, scans in steps:
        if command == "skip":
            bench.engine.skip("anna")
        else:
            bench.engine.command(command, "anna")
        bench.scan_for(0.5 * scans)
    bench.engine.command("abort", "anna")
    bench.scan_until(State.ABORTED, limit=60.0)
    for step in bench.book.of(doc.Transition):
        assert TABLE[State(step.before)][Command(step.command)] is State(step.after)
    assert bench.skid.values["System.Flow"] == pytest.approx(0.0, abs=1 * ML_MIN)
    assert bench.skid.values["InjectionValve.Position"] == 2.0
    started, stopped = bench.book.of(doc.RunStarted), bench.book.of(doc.RunStopped)
    assert len(started) == len(stopped) <= 1
    paths = [item.path for item in bench.book.of(doc.PhaseStarted)]
    assert paths == [item.path for item in bench.book.of(doc.PhaseEnded)]
    assert len(set(paths)) == len(paths)


def test_column_volumes_are_counted_by_the_phase() -> None:
    bench = gradient()
    assert bench.engine.status.phase_cv == pytest.approx(bench.engine.status.phase_volume / CV)
