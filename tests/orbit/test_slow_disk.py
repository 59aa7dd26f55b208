"""A disk that does not answer for seconds: the scan goes on, people are told, the journal stays whole."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from minifactory.clock import VirtualClock
from minifactory.orbit.checkpoint import Checkpoint, checkpoint_of
from minifactory.orbit.engine import Engine
from minifactory.orbit.journal import HANGS, SLOW, Journal, read_journal
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State

from .bench_recipe import SAFE, action, phase, recipe
from .bench_skid import BenchSkid

SCAN = 0.1


class Disk:
    """Makes files safe, unless it is held up or full."""

    def __init__(self) -> None:
        self.free, self.asked = threading.Event(), threading.Event()
        self.full = False
        self.free.set()

    def sync(self, file: int) -> None:
        self.asked.set()
        assert self.free.wait(60.0)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)


class Going:
    """A run whose journal is on `disk`."""

    def __init__(self, path: Path) -> None:
        self.clock, self.disk, self.path = VirtualClock(), Disk(), path
        self.skid = BenchSkid(self.clock)
        self.journal = Journal(path, self.disk.sync, self.clock.link_time)
        self.engine = Engine(self.skid, self.clock, Policy(scan=SCAN), safe=SAFE, journal=self.journal)
        steps = [
            phase("one", "5 s", action(flow=5.0)),
            phase("two", "60 s", action(instructions=["AutoZero"])),
        ]
        self.engine.load(recipe(*steps), "run1")
        self.engine.command("start", "anna")

    def scan_for(self, time: float, flush: bool = True) -> None:
        end = self.clock.time + time
        while self.clock.time < end - 1e-9:
            if flush:
                self.journal.flush()  # virtual scans are faster than any disk
            self.engine.scan()

    @property
    def alarms(self) -> set[str]:
        return {item.name for item in self.engine.status.alarms if item.present}

    @property
    def position(self) -> Checkpoint:
        record = read_journal(self.path)
        assert record is not None
        return checkpoint_of(record)


def test_a_disk_that_does_not_answer_holds_up_an_instruction_but_no_scan(tmp_path: Path) -> None:
    run = Going(tmp_path / "journal")
    run.scan_for(4.0)
    run.disk.free.clear()
    run.disk.asked.clear()
    while not run.disk.asked.is_set():  # up to the instruction, whose intent must be safe first
        run.scan_for(SCAN, flush=False)
        assert run.clock.time < 10.0
    begun, scans, stood = run.clock.time, run.engine.status.scans, run.position
    run.scan_for(SLOW + 2 * SCAN, flush=False)
    assert run.alarms == {"Journal slow"}
    assert run.skid.done == []
    assert run.engine.state is State.RUNNING
    assert run.position == stood
    run.scan_for(HANGS, flush=False)
    assert run.alarms == {"Journal", "Journal slow"}
    assert [name for name, _ in run.skid.done] == ["AutoZero"]
    assert run.engine.status.scans - scans == pytest.approx((run.clock.time - begun) / SCAN, abs=1.01)
    assert run.engine.status.overruns == 0
    run.disk.free.set()
    run.scan_for(1.0)
    assert run.alarms == set()
    assert [name for name, _ in run.skid.done] == ["AutoZero"]
    status = run.engine.status
    assert status.slow_writes >= 1
    assert status.longest_write > HANGS
    run.journal.close()
    assert run.position.time == pytest.approx(status.time, abs=SCAN)
    assert run.position.number == 1


def test_a_full_disk_is_alarmed_and_found_again(tmp_path: Path) -> None:
    run = Going(tmp_path / "journal")
    run.scan_for(4.0)
    run.disk.full = True
    run.scan_for(3.0)
    assert run.alarms == {"Journal"}
    assert [name for name, _ in run.skid.done] == ["AutoZero"]
    run.disk.full = False
    run.scan_for(2.0)
    assert run.alarms == set()
    run.journal.close()
    assert run.position.time == pytest.approx(run.engine.status.time, abs=SCAN)
