"""The skid fails in mid-run over OPC UA: it is noticed, the run ends safe, the record is complete."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from minifactory.records.run import Run
from minifactory.signals import Quality
from tests.stopwatch import Stopwatch
from tests.system.going import UNDER_WAY, Going, going

pytestmark = pytest.mark.slow

NOTICED = 2.0
"""s of real time within which a lost link must be noticed."""
SPEED = 20.0


def last_good(run: Run) -> float:
    """Process time (s) of the last reading that was good."""
    trend = run.trends["System.ProcessTime"]
    good = np.ones(trend.time.size, bool) if trend.quality is None else trend.quality == Quality.GOOD
    return float(trend.time[good][-1])


def ended_safely(going: Going, watch: Stopwatch) -> tuple[Run, float]:
    """What is recorded of a run that has lost its link, and what `watch` told as delay (s) when it ended."""
    going.wait_for("The run ended in state")
    delay = watch.delay
    assert going.end() == 3
    said = going.said.decode()
    assert "Traceback" not in said
    assert "The run ended in state Aborted: link lost" in said
    record = Path(going.output.decode().strip().splitlines()[-1])
    assert (going.folder / record).is_file()
    run = going.run
    assert run.state == "Aborted"
    aborting = [event for event in run.events if event.text.startswith("Running to Aborting")]
    assert len(aborting) == 1
    assert "link lost" in aborting[0].text
    assert "link lost" in (going.folder / record).read_text(encoding="utf-8")
    return run, delay


def noticed_after(run: Run, speed: float) -> float:
    """s of real time from the last good reading to the alarm."""
    alarm = next(event for event in run.events if event.category == "alarm" and event.source == "Link")
    return (alarm.time - last_good(run)) / speed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_skid_that_fails_in_mid_run(tmp_path: Path, short: Path, number: signal.Signals) -> None:
    with going(tmp_path, short, "--speed", f"{SPEED:g}") as command:
        command.wait_for(UNDER_WAY)
        watch = Stopwatch(command.process.pid)
        command.wait_for("test.only.second")
        os.kill(command.skid, number)
        run, delay = ended_safely(command, watch)
    assert noticed_after(run, SPEED) <= NOTICED + delay
    first, second = run.phases
    assert first.reason == "6 mL"
    # A scan that comes late ends the phase late; 6 mL/min are 0.1 mL/s.
    assert 5.4e-6 <= first.volume <= 6.6e-6 + 1e-7 * SPEED * delay
    assert second.reason.startswith("abort")
    assert second.start < last_good(run)
    # Complete up to there: every signal from the start to the last good reading.
    for name in ("UV1.Signal", "Cond.Signal", "pH.Signal", "Pressure.System"):
        trend = run.trends[name]
        until = trend.time <= last_good(run)
        assert trend.time[0] <= SPEED * (1.0 + delay)
        assert np.diff(trend.time[until]).max() <= SPEED * (NOTICED + delay)


def test_a_skid_that_dies_in_real_time(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "real") as command:
        command.wait_for("test.only.first")
        watch = Stopwatch(command.process.pid)
        os.kill(command.skid, signal.SIGKILL)
        run, delay = ended_safely(command, watch)
    assert noticed_after(run, 1.0) <= NOTICED + delay


def test_a_skid_that_dies_in_lock_step(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "max") as command:
        command.wait_for("test.only.second")
        os.kill(command.skid, signal.SIGKILL)
        run, _ = ended_safely(command, Stopwatch(command.process.pid))
    # Process time stands still in lock-step: the very scan that loses the link ends the run.
    assert noticed_after(run, 1.0) <= 1.0
    assert [phase.path for phase in run.phases] == ["test.only.first", "test.only.second"]
