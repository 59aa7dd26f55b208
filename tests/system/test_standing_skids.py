"""Two skids that go on by themselves: their Orbits outlive the command, and a power cut is taken up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minifactory.historian import Store, load_run
from minifactory.opcua.certificates import introduce, own_identity
from tests.app.test_run_plant import made
from tests.commands import COMMAND, environment, minifactory
from tests.system.going import PATIENCE, children_of, going

pytestmark = pytest.mark.slow

SPEED = "20"
"""The skids' watch on the heartbeat is real time: the faster they run, the more they pump without anybody."""


@pytest.fixture
def skids(tmp_path: Path) -> Iterator[dict[str, str]]:
    """URLs of `minifactory skid` on a case of two skids, each trusted by and trusting the Orbits."""
    case = made(tmp_path / "two")
    with subprocess.Popen(
        [*COMMAND, "skid", str(case), "--port", "0", "--speed", SPEED],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found: dict[str, str] = json.loads(process.stdout.readline())["endpoints"]
            pki = tmp_path / "home" / "pki"
            for name in found:
                own = own_identity(
                    pki / f"skid-{name}", f"urn:minifactory:skid:{name}", ("localhost", "127.0.0.1")
                )
                introduce(own_identity(pki / "orbit", "urn:minifactory:orbit"), own)
            yield found
        finally:
            process.kill()


def test_a_power_cut_of_all_controllers(tmp_path: Path, skids: dict[str, str]) -> None:
    case = tmp_path / "two"
    on_them = [word for name, url in skids.items() for word in ("--connect", f"{name}={url}")]
    with going(tmp_path, case, *on_them, "--speed", SPEED) as first:
        first.wait_for("capture.capture[1].load")
        orbits = children_of(first.process.pid)
        assert len(orbits) == 2
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        try:  # the Orbits go on without the command that started them
            deadline, seen = time.monotonic() + PATIENCE, set[int]()
            while seen != set(orbits):  # a desk listens some time after its Orbit has begun
                assert time.monotonic() < deadline, seen
                going_on = json.loads(minifactory(tmp_path, "fleet", "--json").stdout)["orbits"]
                seen = {one["pid"] for one in going_on if one.get("state") == "Running"}
            early = minifactory(tmp_path, "run", case, "--resume", "last")
            assert early.returncode == 3
            assert "still supervises it" in early.stderr
        finally:
            for process in orbits:
                os.kill(process, signal.SIGKILL)
    beside = minifactory(tmp_path, "run", case, "--samples", "0", *on_them)
    assert beside.returncode == 2
    assert "was cut short and may still be going on" in beside.stderr
    with going(tmp_path, case, "--resume", "last") as second:
        second.wait_for("capture.capture[1].elute")
        os.kill(second.process.pid, signal.SIGINT)
        assert second.end() == 3, second.said.decode()
    store = Store(tmp_path / "runs" / "minifactory.db")
    for item in store.runs():
        run = load_run(store, item.identifier)
        assert run.state == "Aborted"
        assert store.verify(item.identifier).intact
        paths = [phase.path for phase in run.phases]
        assert len(paths) == len(set(paths))
        assert [event.category for event in run.events].count("resumed") == 1
    nothing = minifactory(tmp_path, "run", case, "--resume", "last")
    assert nothing.returncode == 2
    assert "no run of two was cut short" in nothing.stderr
