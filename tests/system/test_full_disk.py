"""The disk is full in mid-run: control goes on, it is alarmed, and nothing of the record is lost."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.system.going import going

pytestmark = pytest.mark.slow


def test_a_disk_that_is_full_for_a_while(tmp_path: Path, short: Path) -> None:
    """No file of the command may grow any more, as on a full disk; then there is room again."""
    with going(tmp_path, short, "--speed", "20") as command:
        command.wait_for("test.only.second")
        process = command.process.pid
        limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, limits[1]))
        command.wait_for("ALARM Record")
        command.wait_for("test.only.second")
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
        command.wait_for("test.only.second")
        os.kill(process, signal.SIGINT)
        assert command.end() == 3, command.said.decode()
    run = command.run
    assert run.state == "Aborted"
    raised = [event for event in run.events if event.category == "alarm" and event.source == "Record"]
    assert raised
    assert [phase.path for phase in run.phases] == ["test.only.first", "test.only.second"]
    trend = run.trends["UV1.Signal"]
    # At speed 20 a scan is 1 s of process time (at most); a busy machine misses some.
    assert np.diff(trend.time).max() < 40.0
    assert not [event for event in run.events if event.category == "gap"]
    assert not list((tmp_path / "runs" / "spool").glob("*.spool"))
