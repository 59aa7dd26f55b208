from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from minifactory.clock import VirtualClock
from minifactory.orbit.policy import Policy
from minifactory.orbit.publish import Mailbox
from minifactory.orbit.states import State
from minifactory.orbit.timing import Grid
from minifactory.records import documents as doc
from minifactory.records.documents import Document

from .bench_recipe import Bench, Book, action, elution, phase, recipe


@dataclass
class BusyClock(VirtualClock):
    """A clock on which computing costs time: every look at the wall costs `cost` s of process time."""

    cost: float = 0.0

    def link_time(self) -> float:
        self.time += self.cost
        return self.time


def test_scan_n_is_due_at_n_times_the_scan_without_drift() -> None:
    clock = BusyClock(cost=0.037)
    grid = Grid(clock, 0.1)
    for number in range(1, 36_001):
        due = grid.wait()
        clock.link_time()
        assert due == pytest.approx(0.1 * number, rel=1e-12)
    assert grid.overruns == 0
    assert clock.time == pytest.approx(3600.0 + 0.037)


def test_a_scan_that_takes_too_long_is_counted_and_the_grid_kept() -> None:
    clock = VirtualClock()
    grid = Grid(clock, 0.1)
    grid.wait()
    clock.time += 0.35
    due = grid.wait()
    assert due == pytest.approx(0.4)
    assert grid.wait() == pytest.approx(0.5)
    assert grid.overruns == 2


def test_phase_time_follows_the_clock_when_scans_are_missed() -> None:
    clock = VirtualClock()
    bench = Bench(recipe(phase("run", "60 s", action(flow=5.0)), phase("rest", "60 s")), scan=0.1, free=clock)
    bench.start()
    bench.scan_for(10.0)
    clock.time += 25.0
    bench.scan_until(State.RUNNING)
    bench.scan_for(30.0)
    assert bench.book.of(doc.PhaseEnded)[0].duration == pytest.approx(60.0, abs=0.11)
    assert bench.engine.status.overruns == pytest.approx(249, abs=1)


@pytest.mark.parametrize("years", [-10, -1, 1, 10])
def test_a_step_of_the_wall_clock_changes_no_duration(years: int) -> None:
    clock = VirtualClock()
    bench = Bench(recipe(phase("run", "60 s", action(flow=5.0))), free=clock, policy=Policy(clock_mark=10.0))
    bench.start()
    bench.scan_for(20.0)
    clock.wall_start = clock.wall_start.replace(year=clock.wall_start.year + years)
    bench.scan_until(State.COMPLETE)
    assert bench.book.of(doc.PhaseEnded)[0].duration == pytest.approx(60.0, abs=0.11)
    walls = [item.wall.year for item in bench.book.of(doc.ClockMark)]
    assert {2019, 2020, 2020 + years} >= set(walls)
    assert walls[-1] - walls[0] in (years, years - 1, years + 1)
    times = [item.time for item in bench.book.documents]
    assert times == sorted(times)


class Broken:
    """A subscriber that fails on everything."""

    def offer(self, document: Document) -> bool:
        raise OSError(f"disk full: {type(document).__name__}")


def test_a_subscriber_that_fails_stops_nothing_and_is_alarmed() -> None:
    bench = Bench(elution())
    bench.engine.subscribe(Broken())
    after = Book()
    bench.engine.subscribe(after)
    bench.start()
    bench.scan_until(State.COMPLETE)
    assert [type(item) for item in after.documents] == [type(item) for item in bench.book.documents]
    assert any(item.name == "Documents dropped" for item in bench.book.of(doc.Alarm))
    assert bench.book.of(doc.RunStopped)[0].dropped > 0


def note(number: int) -> Document:
    return doc.Note("run", float(number), datetime(2020, 1, 1, tzinfo=UTC), "test", "test", str(number))


def test_a_mailbox_keeps_the_order_and_refuses_what_does_not_fit() -> None:
    box = Mailbox(3)
    assert [box.offer(note(number)) for number in range(5)] == [True, True, True, False, False]
    assert [item.time for item in box.drain()] == [0.0, 1.0, 2.0]
    assert box.take(0.0) is None


@dataclass
class Reader:
    """Takes documents in a thread of its own until it has seen the end of the run."""

    box: Mailbox
    seen: list[Document] = field(default_factory=list)

    def read(self) -> None:
        while not self.seen or not isinstance(self.seen[-1], doc.RunStopped):
            document = self.box.take(300.0)
            if document is None:
                return
            self.seen.append(document)


def test_another_thread_sees_the_whole_run() -> None:
    bench = Bench(elution())
    reader = Reader(Mailbox(100_000))
    bench.engine.subscribe(reader.box)
    thread = threading.Thread(target=reader.read)
    thread.start()
    bench.start()
    bench.scan_until(State.COMPLETE)
    thread.join(300.0)
    assert reader.seen == bench.book.documents


def test_commands_from_another_thread_are_answered() -> None:
    bench = Bench(elution())
    bench.start()
    answers: list[bool] = []

    def operate() -> None:
        answers.append(bench.engine.command("hold", "bo").wait(300.0))

    thread = threading.Thread(target=operate)
    thread.start()
    while thread.is_alive():
        bench.engine.scan()
    thread.join()
    assert answers == [True]
    assert bench.engine.state in (State.HELD, State.COMPLETE)
