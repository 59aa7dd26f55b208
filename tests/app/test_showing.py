"""A display that takes nothing more holds up neither the run nor its end."""

from __future__ import annotations

import threading

from minifactory.app.showing import showing
from minifactory.clock import VirtualClock
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.status import Status
from tests.orbit.bench_skid import BenchSkid


def test_a_terminal_that_takes_nothing_holds_up_no_scan() -> None:
    clock = VirtualClock()
    engine = Engine(BenchSkid(clock), clock, Policy())
    may_go_on, seen = threading.Event(), []

    def watcher(status: Status) -> None:
        seen.append(status.scans)
        assert may_go_on.wait(60.0)

    with showing(watcher) as show:
        for _ in range(50):
            show(engine.scan())
    assert engine.status.scans == 50
    assert len(seen) <= 1
    may_go_on.set()


def test_the_last_status_is_shown() -> None:
    clock = VirtualClock()
    engine = Engine(BenchSkid(clock), clock, Policy())
    seen: list[int] = []
    with showing(lambda status: seen.append(status.scans)) as show:
        for _ in range(50):
            show(engine.scan())
    assert seen[-1] == 50
    assert seen == sorted(set(seen))
