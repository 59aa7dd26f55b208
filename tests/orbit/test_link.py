from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from minifactory.clock import VirtualClock
from minifactory.errors import InputError
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.states import State
from minifactory.records import documents as doc
from minifactory.signals import Quality, Reading

from .bench_recipe import Bench, action, elution, phase, recipe
from .bench_skid import ML_MIN

FLOW = 5.0 * ML_MIN


def free(policy: Policy | None = None) -> Bench:
    """A free-running bench, 20 s under way."""
    bench = Bench(elution(), scan=0.1, free=VirtualClock(), policy=policy)
    bench.start()
    bench.scan_for(20.0)
    return bench


def alarm_time(bench: Bench, name: str) -> float:
    return next(item.time for item in bench.book.of(doc.Alarm) if item.name == name)


def test_a_dead_equipment_ends_the_run_in_the_safe_state_with_the_reason() -> None:
    bench = free()
    cut = bench.engine.status.time
    bench.skid.unplugged = True
    bench.scan_until(State.ABORTED, limit=10.0)
    assert alarm_time(bench, "Link") - cut <= 2.0
    end = bench.book.of(doc.RunStopped)[0]
    assert end.state == "Aborted"
    assert "no answer" in end.reason
    assert end.time - cut <= 5.0
    assert any(item.name == "Safe state" for item in bench.engine.status.alarms)
    assert len(bench.book.of(doc.PhaseEnded)) == 1


def test_in_lock_step_a_dead_equipment_ends_the_run_at_once() -> None:
    bench = Bench(elution())
    bench.start()
    bench.scan_for(20.0)
    bench.skid.unplugged = True
    bench.engine.scan()
    bench.engine.scan()
    assert bench.engine.state is State.ABORTED
    assert bench.engine.status.value("UV") is None


@pytest.mark.parametrize("fault", ["unplugged", "frozen"])
def test_values_are_never_shown_as_good_for_longer_than_a_second(fault: str) -> None:
    bench = free()
    setattr(bench.skid, fault, True)
    bench.scan_for(0.8)
    assert bench.engine.status.value("UV1.Signal") is not None
    bench.scan_for(0.4)
    assert bench.engine.status.value("UV1.Signal") is None
    assert bench.engine.status.link != "good"


@pytest.mark.parametrize("fault", ["unplugged", "frozen"])
def test_the_alarm_says_for_how_long_nothing_was_read(fault: str) -> None:
    bench = free()
    setattr(bench.skid, fault, True)
    bench.scan_until(State.ABORTED, limit=10.0)
    raised = next(item for item in bench.book.of(doc.Alarm) if item.name == "Link")
    found = re.search(r"nothing has been read for (\d+\.\d) s", raised.message)
    assert found is not None, raised.message
    assert float(found[1]) == pytest.approx(bench.policy.alarm_after, abs=2 * 0.1 + 0.05)


def test_after_a_lost_link_the_safe_state_is_sent_when_it_heals() -> None:
    bench = free()
    bench.skid.unplugged = True
    bench.scan_until(State.ABORTED, limit=10.0)
    bench.skid.unplugged = False
    bench.scan_for(5.0)
    assert bench.engine.state is State.ABORTED
    assert bench.skid.values["InjectionValve.Position"] == 2.0
    assert bench.skid.values["System.Flow"] == 0.0
    assert bench.engine.status.link == "good"


def test_with_the_policy_hold_the_run_waits_for_the_link_and_goes_on_only_when_told() -> None:
    bench = free(Policy(scan=0.1, on_link_loss=Reaction.HOLD))
    bench.skid.unplugged = True
    bench.scan_for(30.0)
    assert bench.engine.state is State.HELD
    bench.skid.unplugged = False
    bench.skid.setpoints["OutletValve.SP"] = 2.0
    bench.scan_for(5.0)
    assert bench.engine.state is State.HELD
    assert not bench.engine.status.unconfirmed
    bench.ask("restart")
    bench.scan_until(State.COMPLETE)


def test_a_short_silence_changes_nothing() -> None:
    bench = free()
    bench.skid.unplugged = True
    bench.scan_for(0.8)
    bench.skid.unplugged = False
    bench.scan_until(State.COMPLETE)
    assert not bench.book.of(doc.Alarm)


@pytest.mark.parametrize(
    "reading",
    [
        Reading(float("nan"), 1e6),
        Reading(1.0, 0.0),
        Reading(1.0, 0.0, Quality.BAD),
        Reading(1.0, 1e9),
        Reading(1.0, 0.0, Quality.UNCERTAIN),
    ],
)
def test_a_lying_reading_fires_no_condition(reading: Reading) -> None:
    bench = Bench(
        recipe(phase("wait", "UV > 300 mAU", action(flow=5.0)), phase("then", "1000 s")),
        scan=0.1,
        free=VirtualClock(),
        policy=Policy(scan=0.1, on_stale=Reaction.ALARM),
    )
    bench.start()
    stale = reading.time == 0.0 and reading.quality is Quality.GOOD
    bench.scan_for(5.0)
    bench.skid.corrupt["UV1.Signal"] = reading if stale else replace(reading, time=reading.time or 1e6)
    if reading.quality is not Quality.GOOD:
        bench.skid.corrupt["UV1.Signal"] = replace(reading, time=bench.clock.now())
    bench.scan_for(20.0)
    assert bench.engine.status.phase == "bench.run.wait"
    assert bench.engine.status.value("UV") is None
    bench.skid.corrupt.clear()
    bench.skid.corrupt["UV1.Signal"] = Reading(1.0, bench.clock.now() + 0.9)
    bench.engine.scan()
    assert bench.engine.status.phase == "bench.run.then"


def test_a_stale_tag_that_is_needed_holds_the_run_within_two_seconds() -> None:
    bench = free()
    bench.skid.corrupt["System.Flow"] = Reading(FLOW, bench.clock.now())
    since = bench.engine.status.time
    bench.scan_until(State.HELD, limit=5.0)
    assert alarm_time(bench, "Stale System.Flow") - since <= 2.0
    assert "System.Flow" in bench.engine.reason
    bench.skid.corrupt.clear()
    bench.scan_for(1.0)
    assert bench.book.of(doc.Alarm)[-1].stage is doc.AlarmStage.CLEARED


def test_a_stale_tag_that_nobody_needs_changes_nothing() -> None:
    bench = free()
    bench.skid.corrupt["Cond.Signal"] = Reading(1.0, 0.0)
    bench.scan_for(10.0)
    assert bench.engine.state is State.RUNNING
    assert bench.engine.status.value("Cond.Signal") is None


def test_a_tag_can_have_a_reaction_of_its_own() -> None:
    policy = Policy(scan=0.1, tag_reactions={"Cond.Signal": Reaction.ABORT})
    bench = free(policy)
    bench.skid.corrupt["Cond.Signal"] = Reading(1.0, 0.0)
    bench.scan_until(State.ABORTED, limit=10.0)


def test_an_equipment_that_answers_but_does_not_follow_the_heartbeat_is_noticed() -> None:
    bench = free()
    for _ in range(60):
        bench.skid.corrupt["Heartbeat.Echo"] = Reading(7.0, bench.clock.now())
        bench.engine.scan()
    assert bench.engine.state in (State.ABORTING, State.ABORTED)
    assert "heartbeat" in bench.engine.reason


def test_the_heartbeat_changes_every_second_and_only_free_running() -> None:
    bench = free()
    beats = [values["Heartbeat.SP"] for _, values in bench.skid.writes if "Heartbeat.SP" in values]
    assert len(beats) == pytest.approx(20, abs=2)
    assert all(before != after for before, after in itertools.pairwise(beats))
    stepped = Bench(elution())
    stepped.start()
    stepped.scan_for(20.0)
    assert not any("Heartbeat.SP" in values for _, values in stepped.skid.writes)


def test_start_waits_for_the_first_readings_and_gives_up_with_the_reason() -> None:
    bench = Bench(elution(), scan=0.1, free=VirtualClock())
    bench.skid.unplugged = True
    reply = bench.engine.command("start", "anna")
    status = bench.engine.run(100.0)
    assert status.state is State.IDLE
    assert reply.accepted is False
    assert "no answer" in reply.message


def test_the_equipment_is_followed_not_fought() -> None:
    bench = free()
    bench.skid.values["System.State"] = 2.0
    bench.scan_until(State.PAUSED, limit=30.0)
    assert bench.engine.status.alarms[0].name == "Equipment paused"
    bench.ask("resume")
    bench.scan_until(State.RUNNING, limit=30.0)
    assert [name for _, name, _, _ in bench.skid.calls][-1] == "Continue"
    bench.scan_until(State.COMPLETE)


def test_an_equipment_that_goes_safe_ends_the_run() -> None:
    bench = free()
    bench.skid.values["System.State"] = 4.0
    bench.scan_until(State.ABORTED, limit=30.0)
    assert "safe state" in bench.book.of(doc.RunStopped)[0].reason


def test_a_recipe_for_another_skid_is_refused_with_everything_that_is_missing() -> None:
    bound = recipe(phase("odd", "1 s", action(instructions=["AutoZeroo"])))
    wrong = {"System.Flo.SP": 1.0, "System.Flow": 1.0}
    bound = replace(bound, initial=replace(bound.initial, setpoints=wrong))
    with pytest.raises(InputError) as refusal:
        Bench(bound)
    assert len(refusal.value.findings) == 3
    assert 'Did you mean "AutoZero"?' in str(refusal.value)
