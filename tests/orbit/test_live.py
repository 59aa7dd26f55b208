"""Live operation: authority, force, cancel, edit, answer, hold until; no step is run again or lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.orbit.authority import Level
from minifactory.orbit.hold_until import Then
from minifactory.orbit.runlog import RunLog
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundBranch, BoundInput, BoundInterlock, BoundPhase, BoundRecipe
from minifactory.records import documents as doc

from .bench_recipe import Bench, action, condition, elution, phase, recipe
from .bench_skid import ML_MIN, OUTLETS

FLOW = "System.Flow.SP"


def running(bound: BoundRecipe | None = None) -> Bench:
    bench = Bench(bound or elution())
    bench.start()
    bench.scan_for(2.0)
    return bench


def said(bench: Bench, reply: object) -> tuple[bool | None, str]:
    bench.engine.scan()
    return reply.accepted, reply.message  # type: ignore[attr-defined]


# Authority


def test_what_the_operator_has_taken_the_recipe_gets_back_only_when_it_is_handed_back() -> None:
    steps = [phase("one", "20 s", action(flow=5.0)), phase("two", "40 s", action(flow=4.0))]
    bench = running(recipe(*steps))
    assert said(bench, bench.engine.set_points({FLOW: 2 * ML_MIN}, "anna", take=True))[0]
    bench.scan_for(30.0)
    assert bench.engine.status.phase == "bench.run.two"
    assert bench.setpoints[FLOW] == pytest.approx(2 * ML_MIN)
    assert bench.engine.status.holders == {"System.Flow": "anna (operator)"}
    accepted, message = said(bench, bench.engine.set_points({FLOW: 3 * ML_MIN}, "bo"))
    assert accepted is False
    assert "System.Flow is held by anna (operator)" in message
    assert said(bench, bench.engine.release([], "anna"))[1] == "handed back: System.Flow"
    bench.engine.scan()
    assert bench.setpoints[FLOW] == pytest.approx(4 * ML_MIN)


def test_a_set_point_that_is_not_taken_is_the_recipes_again_at_its_next_breakpoint() -> None:
    bench = running(recipe(phase("one", "20 s", action(flow=5.0)), phase("two", "20 s", action(flow=4.0))))
    said(bench, bench.engine.set_points({FLOW: 2 * ML_MIN}, "anna"))
    bench.scan_for(5.0)
    assert bench.setpoints[FLOW] == pytest.approx(2 * ML_MIN)
    bench.scan_for(20.0)
    assert bench.setpoints[FLOW] == pytest.approx(4 * ML_MIN)


def test_a_model_gets_nothing_until_it_is_granted_and_loses_it_to_an_operator() -> None:
    bench = running()
    engine = bench.engine
    accepted, message = said(bench, engine.set_points({FLOW: 3 * ML_MIN}, "optimiser", Level.MODEL))
    assert accepted is False
    assert "System.Flow is held by the recipe. An operator can grant it." in message
    assert not said(bench, engine.take(["System.Flow"], "optimiser", Level.MODEL))[0]
    assert said(bench, engine.grant(["System.Flow"], Level.MODEL, "optimiser", "anna"))[0]
    assert said(bench, engine.set_points({FLOW: 3 * ML_MIN}, "optimiser", Level.MODEL))[0]
    accepted, message = said(bench, engine.set_points({FLOW: 1 * ML_MIN}, "other", Level.PEER))
    assert accepted
    assert said(bench, engine.take(["System.Flow"], "anna"))[0]
    accepted, message = said(bench, engine.set_points({FLOW: 3 * ML_MIN}, "optimiser", Level.MODEL))
    assert accepted is False
    assert "held by anna (operator)" in message


def test_a_peer_may_hold_but_not_go_on_and_one_operator_may_keep_the_method_for_himself() -> None:
    bench = running()
    engine = bench.engine
    assert said(bench, engine.command("hold", "orbit2", Level.PEER))[0]
    accepted, message = said(bench, engine.command("restart", "orbit2", Level.PEER))
    assert accepted is False
    assert "method is held by the recipe" in message
    assert said(bench, engine.take(["method"], "anna"))[0]
    assert said(bench, engine.command("restart", "bo"))[0] is False
    assert said(bench, engine.command("restart", "anna"))[0]
    assert said(bench, engine.live.skip("bo"))[0] is False
    assert said(bench, engine.command("stop", "bo"))[0]


def test_the_safe_state_and_the_end_of_the_run_ask_nobody() -> None:
    bench = running()
    said(bench, bench.engine.set_points({FLOW: 2 * ML_MIN}, "anna", take=True))
    bench.ask("abort")
    bench.scan_until(State.ABORTED, limit=60.0)
    assert bench.setpoints[FLOW] == 0.0
    assert bench.engine.authority.holders == {}
    assert any(item.category == "authority" for item in bench.book.of(doc.Note))


def test_an_interlock_reduces_what_the_operator_has_taken() -> None:
    bench = Bench(
        recipe(phase("run", "1000 s", action(flow=5.0)), interlocks=[("high", "Pressure > 0.5 MPa", "pause")])
    )
    bench.start()
    bench.scan_for(5.0)
    said(bench, bench.engine.set_points({FLOW: 6 * ML_MIN}, "anna", take=True))
    bench.skid.resistance *= 10.0
    bench.scan_until(State.PAUSED, limit=30.0)
    assert bench.setpoints[FLOW] == 0.0


def test_a_gradient_under_the_operators_hand_goes_on_with_the_rest_when_handed_back() -> None:
    gradient = phase("gradient", "12 CV", action(flow=5.0, gradient=(100.0, 10.0)))
    bench = running(recipe(gradient))
    bench.scan_for(30.0)
    composition = "Gradient.PercentB.SP"
    said(bench, bench.engine.set_points({composition: 20.0}, "anna", take=True))
    bench.scan_for(20.0)
    assert bench.skid.values["Gradient.PercentB"] == pytest.approx(20.0)
    said(bench, bench.engine.release(["Gradient.PercentB"], "anna"))
    bench.scan_for(5.0)
    issued = [item for item in bench.skid.calls if item[1] == "Gradient"]
    assert len(issued) == 2
    assert 0.0 < issued[1][2]["volume"] < 9e-6


def test_what_cannot_be_held_is_told_with_the_closest() -> None:
    bench = running()
    accepted, message = said(bench, bench.engine.take(["System.Flw"], "anna"))
    assert accepted is False
    assert "System.Flow" in message


# Force, cancel, skip


def test_a_forced_watch_fires_once_and_a_cancelled_one_never() -> None:
    bench = running()
    bench.scan_for(60.0)
    assert bench.engine.status.watching == ("start of pool", "end of pool")
    assert said(bench, bench.engine.live.force("start of pool", "anna"))[0]
    assert bench.setpoints["OutletValve.SP"] == float(OUTLETS.index("F2"))
    assert said(bench, bench.engine.live.force("start of pool", "anna"))[0] is False
    assert said(bench, bench.engine.live.cancel("end of pool", "anna"))[0]
    bench.scan_until(State.COMPLETE, limit=900.0)
    names = [item.name for item in bench.book.of(doc.WatchFired)]
    assert names == ["start of pool"]


def test_a_cancelled_phase_is_passed_over_and_a_forced_end_ends() -> None:
    bench = running()
    assert said(bench, bench.engine.live.cancel("bench.run.elute", "anna"))[0]
    accepted, message = said(bench, bench.engine.live.cancel("bench.run.equilibrate", "anna"))
    assert accepted is False
    assert "nothing is called" in message
    assert said(bench, bench.engine.live.force("", "anna"))[0]
    bench.scan_until(State.COMPLETE, limit=300.0)
    assert [item.path for item in bench.book.of(doc.PhaseStarted)] == [
        "bench.run.equilibrate",
        "bench.run.strip",
    ]
    assert bench.book.of(doc.PhaseEnded)[0].reason == "end forced by anna"


def test_skip_is_refused_where_it_means_nothing() -> None:
    bench = running()
    bench.ask("hold")
    accepted, message = said(bench, bench.engine.live.skip("anna"))
    assert accepted is False
    assert "in state Held" in message


# Hold until


def test_hold_until_a_condition_goes_on_by_itself() -> None:
    bench = running()
    said(bench, bench.engine.live.hold_until(condition("20 s"), "anna"))
    bench.scan_for(15.0)
    assert bench.engine.state is State.HELD
    assert bench.engine.status.hold_until == "20 s"
    assert bench.skid.values["System.Flow"] == pytest.approx(5 * ML_MIN)
    bench.scan_for(10.0)
    assert bench.engine.state is State.RUNNING


@pytest.mark.parametrize(
    ("then", "state"),
    [
        (Then.HOLD, State.HELD),
        (Then.RESTART, State.RUNNING),
        (Then.STOP, State.STOPPED),
        (Then.ABORT, State.ABORTED),
    ],
)
def test_hold_until_has_a_time_out(then: Then, state: State) -> None:
    bench = running()
    said(bench, bench.engine.live.hold_until(condition("UV > 3000 mAU"), "anna", 20.0, then))
    bench.scan_for(19.0)
    assert bench.engine.state is State.HELD
    bench.scan_until(state, limit=60.0)
    bench.scan_for(5.0)
    assert bench.engine.state is state
    assert "Hold until" in [item.name for item in bench.book.of(doc.Alarm)]


def test_a_hold_until_on_bad_data_does_not_end() -> None:
    bench = running()
    bench.skid.corrupt["UV1.Signal"] = replace(bench.skid.read()["UV1.Signal"], value=float("nan"))
    said(bench, bench.engine.live.hold_until(condition("not (UV > 100 mAU)"), "anna"))
    bench.scan_for(30.0)
    assert bench.engine.state is State.HELD


# Inputs


def asking() -> BoundRecipe:
    steps = recipe(phase("one", "10 s", action(flow=5.0)), phase("two", "10 s"), phase("three", "10 s"))
    phases = (steps.phases[0], replace(steps.phases[1], asks=("lot",)), steps.phases[2])
    return replace(steps, phases=phases, inputs=(BoundInput("lot", "Lot of the feed?"),))


def test_a_question_pauses_the_run_until_it_is_answered() -> None:
    bench = running(asking())
    bench.scan_until(State.PAUSED, limit=60.0)
    assert bench.engine.status.asks == (("lot", "Lot of the feed?"),)
    assert bench.skid.values["System.Flow"] == pytest.approx(0.0, abs=1e-12)
    bench.ask("resume")
    bench.scan_for(20.0)
    assert bench.engine.state is State.PAUSED
    assert said(bench, bench.engine.live.answer("lot", "B-17", "anna"))[0]
    bench.scan_until(State.COMPLETE, limit=120.0)
    assert len(bench.book.of(doc.PhaseStarted)) == 3
    assert ("input", "anna", "lot = B-17") in [
        (item.category, item.source, item.text) for item in bench.book.of(doc.Note)
    ]


def test_what_was_answered_beforehand_is_not_asked() -> None:
    bench = Bench()
    bench.engine.load(asking(), "run1", answers={"lot": "B-17"})
    bench.start()
    bench.scan_until(State.COMPLETE, limit=120.0)
    assert bench.engine.status.asks == ()


# Edit


def longer(bound: BoundRecipe, name: str, until: str) -> BoundRecipe:
    phases = tuple(
        replace(item, until=condition(until)) if item.name == name else item for item in bound.phases
    )
    return replace(bound, phases=phases)


def test_an_edit_changes_what_is_to_come_and_tells_the_difference() -> None:
    bench = running()
    accepted, message = said(
        bench, bench.engine.live.edit(longer(elution(), "strip", "90 s"), "anna", "wash more")
    )
    assert accepted, message
    assert message.startswith("version 1+1: wash more")
    assert "- until: time >= 30 s" in message
    assert "+ until: time >= 90 s" in message
    bench.scan_until(State.COMPLETE, limit=900.0)
    ended = bench.book.of(doc.PhaseEnded)
    assert [item.path.rsplit(".", 1)[1] for item in ended] == ["equilibrate", "elute", "strip"]
    assert ended[-1].duration == pytest.approx(90.0, abs=1.0)


def test_the_end_of_the_running_phase_may_be_edited_but_not_its_start() -> None:
    bench = running()
    assert said(bench, bench.engine.live.edit(longer(elution(), "equilibrate", "200 s"), "anna"))[0]
    changed = elution()
    first = replace(changed.phases[0], start=action(flow=1.0))
    accepted, message = said(
        bench, bench.engine.live.edit(replace(changed, phases=(first, *changed.phases[1:])), "anna")
    )
    assert accepted is False
    assert "locked" in message
    assert bench.engine.status.version == "1+1"
    bench.scan_for(150.0)
    assert bench.engine.status.phase == "bench.run.equilibrate"


def test_what_has_run_is_locked_and_a_refused_edit_changes_nothing() -> None:
    bench = running()
    bench.engine.live.skip("anna")
    bench.scan_for(5.0)
    before = bench.engine.status.version
    for bad in (
        longer(elution(), "equilibrate", "9 CV"),
        replace(elution(), phases=elution().phases[:1]),
        replace(elution(), phases=elution().phases[1:]),
    ):
        accepted, message = said(bench, bench.engine.live.edit(bad, "anna"))
        assert accepted is False, message
    unknown = phase("strip", "30 s")
    unknown = replace(unknown, start=replace(unknown.start, setpoints={"Nothing.SP": 1.0}))
    bad = replace(elution(), phases=(*elution().phases[:2], unknown))
    assert said(bench, bench.engine.live.edit(bad, "anna"))[0] is False
    assert bench.engine.status.version == before
    bench.scan_until(State.COMPLETE, limit=900.0)


def test_interlocks_may_be_edited_and_those_that_are_the_same_go_on() -> None:
    bound = recipe(
        phase("run", "1000 s", action(flow=5.0)), interlocks=[("high", "Pressure > 0.3 MPa", "reduce_flow")]
    )
    bench = running(bound)
    bench.scan_for(5.0)
    bench.skid.resistance *= 2.0
    bench.scan_for(10.0)
    assert bench.engine.status.flow_factor < 1.0
    more = replace(
        bound, interlocks=(*bound.interlocks, BoundInterlock("uv", condition("UV > 3000 mAU"), "hold"))
    )
    assert said(bench, bench.engine.live.edit(more, "anna"))[0]
    assert bench.engine.status.flow_factor < 1.0
    assert said(bench, bench.engine.live.edit(replace(bound, interlocks=()), "anna"))[0]
    bench.scan_for(60.0)
    assert bench.engine.status.flow_factor == 1.0
    assert [item.name for item in bench.engine.status.alarms if item.present] == []


STEPS = [phase(f"p{n}", "8 s", action(flow=float(1 + n % 5))) for n in range(8)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["edit", "edit", "skip", "cancel", "force", "hold", "restart", "pause", "resume"]
            ),
            st.lists(st.integers(0, 11), max_size=9),
            st.integers(0, 24),
        ),
        max_size=12,
    )
)
def test_random_live_edits_never_run_a_step_again_or_lose_one(
    acts: list[tuple[str, list[int], int]],
) -> None:
    """Steps are edited, inserted, removed and reordered at random while the run goes on."""
    bench = Bench(recipe(*STEPS))
    bench.start()
    live = bench.engine.live
    over: set[str] = set()
    for word, numbers, scans in acts:
        if word == "edit":
            current = bench.engine._sequencer.current
            assert current is not None
            keep: list[BoundPhase] = list(current.bound.phases[: numbers[0] % 9 if numbers else 4])
            names = dict.fromkeys(numbers)
            fresh = [phase(f"n{n}", f"{3 + n} s", action(flow=2.0)) for n in names]
            taken = {item.path for item in keep}
            live.edit(recipe(*keep, *(item for item in fresh if item.path not in taken)), "anna")
        elif word == "skip":
            live.skip("anna")
        elif word == "cancel":
            name = f"bench.run.p{numbers[0] % 8 if numbers else 5}"
            live.cancel(name, "anna")
            over.add(name)
        elif word == "force":
            live.force("", "anna")
        else:
            bench.engine.command(word, "anna")
        bench.scan_for(0.5 * scans)
    for word in ("restart", "resume"):
        bench.scan_for(10.0)
        bench.engine.command(word, "anna")
    bench.scan_until(State.COMPLETE, State.STOPPED, State.ABORTED, limit=900.0)
    started = [item.path for item in bench.book.of(doc.PhaseStarted)]
    ended = [item.path for item in bench.book.of(doc.PhaseEnded)]
    assert started == ended
    assert len(set(started)) == len(started)
    current = bench.engine._sequencer.current
    assert current is not None
    # In the final recipe the steps that ran stand in the order in which they ran; only what was called off
    # is missing.
    final = [item.path for item in current.bound.phases]
    assert [path for path in final if path in started] == started
    if bench.engine.state is State.COMPLETE:
        assert set(final) - set(started) <= over


# Branches, log, breakpoints


def test_a_branch_begins_with_its_phase_in_the_same_write_and_is_waited_for() -> None:
    side = phase("zero", "25 s", action(outlet="F2"))
    bound = recipe(phase("one", "10 s", action(flow=5.0)), phase("two", "5 s"))
    bound = replace(bound, branches=(BoundBranch("bench.run.side", (side,), 0, 1),))
    bench = Bench(bound)
    bench.start()
    first = next(values for _, values in bench.skid.writes if FLOW in values)
    assert {FLOW, "OutletValve.SP"} <= set(first)
    bench.scan_until(State.COMPLETE, limit=120.0)
    ended = bench.book.of(doc.PhaseEnded)
    assert ended[1].start + ended[1].duration >= 25.0
    assert "branches beside it" in ended[1].reason


def test_five_outputs_of_one_breakpoint_are_one_write_in_the_same_scan_valves_first() -> None:
    both = action(flow=4.0, outlet="F2", percent_b=30.0)
    both = replace(both, setpoints={**both.setpoints, "InjectionValve.SP": 1.0})
    bench = Bench(
        recipe(
            phase("one", "10 s", action(flow=2.0), [("watch", "10 s", action(percent_b=10.0))]),
            phase("two", "20 s", both),
        )
    )
    bench.start()
    bench.scan_for(15.0)
    writes = [(time, values) for time, values in bench.skid.writes if values.get("InjectionValve.SP") == 1.0]
    ((time, values),) = writes
    assert list(values)[-1] == FLOW
    assert {"InjectionValve.SP", "OutletValve.SP", "Gradient.PercentB.SP", FLOW} == set(values)
    assert next(iter(values)).endswith("Valve.SP")
    assert [item for item in bench.skid.writes if abs(item[0] - time) < 1e-6] == writes
    began = bench.book.of(doc.PhaseStarted)[1]
    assert began.time + bench.book.of(doc.RunStarted)[0].time == pytest.approx(time - 0.5, abs=0.51)


def test_the_run_log_has_times_latency_and_source_of_every_instruction() -> None:
    bench = Bench(elution())
    log = RunLog(bench.skid.table)
    bench.engine.subscribe(log)
    bench.start()
    bench.engine.set_points({FLOW: 4 * ML_MIN}, "anna")
    bench.scan_until(State.COMPLETE, limit=900.0)
    lines = {line.text: line for line in log.lines(2000, "instruction")}
    zero = next(line for text, line in lines.items() if text.startswith("AutoZero"))
    assert zero.stage == "completed"
    assert zero.source == "bench.run.elute"
    assert zero.completed is not None
    assert zero.latency is not None
    assert 0.0 < zero.latency < 5.0
    assert all(line.stage == "completed" for line in lines.values())
    by_hand = [line for line in log.lines(2000, "set-points") if line.source == "anna"]
    assert by_hand[0].latency is not None
    assert "System.Flow" in by_hand[0].text
    assert [line for line in log.lines(2000, "request") if line.source == "anna"]


def test_no_level_but_the_known_ones() -> None:
    with pytest.raises(InputError, match="operator, recipe, peer, model"):
        Level.of("king")
