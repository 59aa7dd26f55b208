"""The controller's process stands still in mid-run, or its machine sleeps: noticed, booked, told, gone on."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.clock import RealClock, VirtualClock, monotonic
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundRecipe
from minifactory.records import documents as doc
from minifactory.signals import Reading

from .bench_recipe import SAFE, Book, action, phase, recipe
from .bench_skid import ML, ML_MIN, BenchSkid
from .life import SCAN, Life, Watchful

FLOW = 5.0 * ML_MIN


class Sleeper:
    """A run whose controller can be made to miss scans, while its skid goes on."""

    def __init__(self, bound: BoundRecipe, policy: Policy | None = None, watchful: bool = False) -> None:
        self.clock = VirtualClock()
        self.skid: BenchSkid = Watchful(self.clock) if watchful else BenchSkid(self.clock)
        self.engine = Engine(self.skid, self.clock, policy or Policy(scan=SCAN), safe=SAFE)
        self.book = Book()
        self.engine.subscribe(self.book)
        self.engine.load(bound, "run1")
        self.engine.command("start", "anna")

    def scan_for(self, time: float) -> None:
        end = self.clock.time + time
        while self.clock.time < end - 1e-9:
            self.engine.scan()

    def scan_until(self, *states: State, limit: float = 600.0) -> None:
        end = self.clock.time + limit
        while self.engine.state not in states:
            assert self.clock.time < end, f"still {self.engine.state}: {self.engine.reason}"
            self.engine.scan()

    def sleep(self, time: float) -> None:
        """No scan is done for `time` s."""
        self.clock.time += time


@pytest.mark.parametrize("gap", [2.5, 4.0, 60.0])
def test_what_was_pumped_meanwhile_is_booked_and_the_run_goes_on(gap: float) -> None:
    run = Sleeper(recipe(phase("run", "10 mL", action(flow=5.0)), phase("rest", "5 s")))
    run.scan_for(30.0)
    before = run.engine.status
    run.sleep(gap)
    run.scan_for(1.5)
    status = run.engine.status
    assert status.state is State.RUNNING
    assert (status.unsupervised, status.longest_unsupervised) == (1, pytest.approx(gap, abs=2 * SCAN))
    run.scan_until(State.COMPLETE)
    (told,) = run.book.of(doc.RunResumed)
    assert gap <= told.gap <= gap + 15 * SCAN
    assert "nobody supervised" in told.position
    (alarm,) = [item for item in status.alarms if item.name == "Unsupervised"]
    assert (alarm.present, alarm.acknowledged) == (False, False)
    ended = run.book.of(doc.PhaseEnded)[0]
    assert ended.volume == pytest.approx(max(10 * ML, before.phase_volume + gap * FLOW), abs=1.5 * FLOW)
    total = run.book.of(doc.RunStopped)[0].collected["WasteF1"]
    assert total == pytest.approx(run.skid.pumped, abs=FLOW)


@pytest.mark.parametrize("gap", [3.0, 4.5, 4.9, 5.1, 5.6, 30.0])
def test_equipment_that_went_safe_meanwhile_is_told_to_go_on(gap: float) -> None:
    run = Sleeper(recipe(phase("run", "20 mL", action(flow=5.0))), watchful=True)
    run.scan_for(30.0)
    pumped = run.skid.pumped
    run.sleep(gap)
    run.scan_until(State.COMPLETE)
    alarms = {item.name for item in run.book.of(doc.Alarm)}
    assert "Unsupervised" in alarms
    assert "Refused set-points" not in alarms
    assert run.skid.pumped > pumped
    assert run.book.of(doc.PhaseEnded)[0].volume == pytest.approx(20 * ML, abs=FLOW)
    total = run.book.of(doc.RunStopped)[0].collected["WasteF1"]
    assert total == pytest.approx(run.skid.pumped, abs=2 * FLOW)


@pytest.mark.parametrize(
    ("reaction", "state"),
    [
        (Reaction.ALARM, State.RUNNING),
        (Reaction.HOLD, State.HELD),
        (Reaction.PAUSE, State.PAUSED),
        (Reaction.STOP, State.STOPPED),
        (Reaction.ABORT, State.ABORTED),
    ],
)
def test_the_declared_reaction_follows(reaction: Reaction, state: State) -> None:
    policy = Policy(scan=SCAN).declared(unsupervised=reaction.value)
    run = Sleeper(recipe(phase("run", "1000 s", action(flow=5.0))), policy)
    run.scan_for(20.0)
    run.sleep(10.0)
    run.scan_for(0.5)
    run.scan_until(state, limit=30.0)
    assert run.book.of(doc.RunResumed)[0].policy == reaction.value


def test_what_the_equipment_cannot_tell_is_held() -> None:
    run = Sleeper(recipe(phase("run", "1000 s", action(flow=5.0))))
    run.scan_for(20.0)
    run.sleep(10.0)
    run.skid.corrupt["System.Volume"] = Reading(0.0, run.clock.time + 1.0)
    run.scan_for(3.0)
    assert run.engine.state is State.HELD
    assert "pumped meanwhile" in run.engine.reason


def test_a_condition_that_must_last_is_not_taken_as_lasting_over_the_gap() -> None:
    run = Sleeper(recipe(phase("run", "for(Pressure > 0 MPa, 30 s)", action(flow=5.0))))
    run.scan_for(10.0)
    run.sleep(60.0)
    run.scan_for(20.0)
    assert run.engine.status.phase == "bench.run.run"
    run.scan_until(State.COMPLETE, limit=60.0)


def test_a_command_is_obeyed_while_it_is_not_known_what_happened() -> None:
    run = Sleeper(recipe(phase("run", "1000 s", action(flow=5.0))))
    run.scan_for(20.0)
    run.sleep(10.0)
    run.engine.command("abort", "anna")
    run.scan_until(State.ABORTED, limit=30.0)
    stopped = run.book.of(doc.RunStopped)[0]
    assert stopped.state == "Aborted"
    assert stopped.collected["WasteF1"] == pytest.approx(run.skid.pumped, abs=FLOW)


def test_what_people_do_while_it_is_not_known_stays_done() -> None:
    """A step that is skipped is not run again, a watch that is called off does not fire."""
    first = phase("one", "1000 s", action(flow=5.0), [("early", "35 s", action(outlet="F2"))])
    run = Sleeper(recipe(first, phase("two", "1000 s")), watchful=True)
    run.scan_for(20.0)
    run.sleep(3.0)
    cancelled = run.engine.live.cancel("early", "anna")
    run.engine.scan()
    assert cancelled.accepted
    run.scan_for(30.0)
    assert run.book.of(doc.WatchFired) == []
    run.sleep(3.0)
    skipped = run.engine.skip("anna")
    run.engine.scan()
    assert skipped.accepted
    run.scan_for(5.0)
    assert run.engine.status.phase == "bench.run.two"
    assert len(run.book.of(doc.RunResumed)) == 2
    assert run.engine.status.phase_volume < 8.0 * FLOW
    assert [item.path for item in run.book.of(doc.PhaseEnded)] == ["bench.run.one"]


def test_an_instruction_on_its_way_is_done_once() -> None:
    run = Sleeper(recipe(phase("run", "60 s", action(flow=5.0, instructions=["AutoZero"]))))
    while not run.skid.calls:
        run.engine.scan()
    run.sleep(10.0)
    run.scan_until(State.COMPLETE)
    assert [name for name, _ in run.skid.done] == ["AutoZero"]
    assert doc.Stage.OVERDUE not in {item.stage for item in run.book.of(doc.InstructionRecord)}


def test_a_short_delay_is_an_overrun_and_nothing_else() -> None:
    run = Sleeper(recipe(phase("run", "30 s", action(flow=5.0))))
    run.scan_for(10.0)
    run.sleep(1.5)
    run.scan_until(State.COMPLETE)
    assert run.book.of(doc.RunResumed) == []
    assert run.engine.status.overruns >= 13
    assert run.engine.status.unsupervised == 0


def test_killed_before_it_was_known_what_happened(tmp_path: Path) -> None:
    """The journal then still holds what was known before the gap."""
    life = Life(tmp_path / "journal", recipe(phase("run", "20 mL", action(flow=5.0)), phase("rest", "5 s")))
    life.start()
    life.scan_for(30.0)
    life.clock.time += 10.0
    life.scan()
    saved = life.die(1.0)
    assert saved is not None
    assert saved.time <= 30.0 + SCAN
    life.recover(saved, OnRestart.RESUME)
    life.scan_until(State.COMPLETE)
    assert life.book.of(doc.PhaseEnded)[0].volume == pytest.approx(20 * ML, abs=FLOW)


def test_the_machines_clock_goes_on_while_it_sleeps() -> None:
    """Process and link time come from the one clock that nobody can set and that does not stand still."""
    clock = RealClock()
    first, link, second = monotonic(), clock.link_time(), monotonic()
    assert first <= link <= second
