"""A controller is killed (-9) on a skid that goes on by itself; the next command takes the run up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minifactory.drivers import FreeRunningBackend
from minifactory.historian import Store, load_run
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.session import Target
from minifactory.orbit.journal import read_journal
from minifactory.plant.tagging import STATES
from minifactory.records.run import Run
from minifactory.signals import Tag, TagTable
from minifactory.units import NUMBER
from tests.commands import COMMAND, environment, minifactory
from tests.system.going import PATIENCE, Going, going

pytestmark = pytest.mark.slow

SPEED = "20"


@dataclass
class Standing:
    """A skid in a process of its own, trusted by and trusting the Orbit of `folder`."""

    folder: Path
    endpoint: str
    process: subprocess.Popen[str]


@pytest.fixture
def skid(tmp_path: Path, short: Path) -> Iterator[Standing]:
    """`minifactory skid` at speed 20."""
    with subprocess.Popen(
        [*COMMAND, "skid", str(short), "--port", "0", "--speed", SPEED],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            endpoint = json.loads(process.stdout.readline())["endpoint"]
            pki = tmp_path / "home" / "pki"
            introduce(
                own_identity(pki / "orbit", "urn:minifactory:orbit"),
                own_identity(pki / "skid-akta1", "urn:minifactory:skid:akta1", ("localhost", "127.0.0.1")),
            )
            yield Standing(tmp_path, endpoint, process)
        finally:
            process.kill()


def recorded(folder: Path) -> Run:
    store = Store(folder / "runs" / "minifactory.db")
    (found,) = store.runs()
    assert store.verify(found.identifier).intact
    return load_run(store, found.identifier)


def test_a_killed_run_is_taken_up_twice(skid: Standing, short: Path) -> None:
    """First at once, while the skid runs on; then after the skid has gone safe for want of a heartbeat, and
    with the recipe as it was edited in between. Then it is only stopped for a while."""
    on_it = ("--connect", skid.endpoint, "--speed", SPEED)
    with going(skid.folder, short, *on_it) as first:
        first.wait_for("test.only.second")
        refused = minifactory(skid.folder, "run", short, "--resume", "last")
        assert refused.returncode == 3
        assert "another process is supervising this run" in refused.stderr
        beside = minifactory(skid.folder, "run", short, "--samples", "0", *on_it)
        assert beside.returncode == 3
        assert "another process is supervising this run" in beside.stderr
        kill(first)
    (journal,) = (skid.folder / "runs").glob("*/journal")
    position = read_journal(journal)
    assert position is not None
    with going(skid.folder, short, "--resume", "last") as second:
        second.wait_for("Running")
        second.wait_for("test.only.second")
        edit(skid.folder, short, second)
        kill(second)
    again = minifactory(skid.folder, "run", short, "--samples", "0", *on_it)
    assert again.returncode == 2
    assert "was cut short and may still be going on" in again.stderr
    wait_until_safe(skid)
    with going(skid.folder, short, "--resume", journal.parent.name) as third:
        third.wait_for("Running")
        third.wait_for("test.only.second")
        os.kill(third.process.pid, signal.SIGSTOP)  # as when a laptop sleeps
        wait_until_safe(skid)
        os.kill(third.process.pid, signal.SIGCONT)
        third.wait_for("Running")
        os.kill(third.process.pid, signal.SIGINT)
        assert third.end() == 3
        assert b"Traceback" not in third.said
    run = recorded(skid.folder)
    gaps = [event for event in run.events if event.category == "resumed"]
    assert len(gaps) == 3
    assert "nobody supervised" in gaps[2].text
    assert all(event.data["gap"] > 0.0 for event in gaps)
    assert "the equipment is in its state Safe" in gaps[1].text
    assert [phase.path for phase in run.phases] == ["test.only.first", "test.only.second"]
    assert run.phases[0].reason == "6 mL"
    assert run.state == "Aborted"
    assert [event.text.splitlines()[0] for event in run.events if event.category == "edit"] == ["version 1+1"]
    assert (journal.parent / "recipe+1.yaml").is_file()
    assert read_journal(journal)["version"] == "1+1"  # type: ignore[index]
    assert run.duration > float(str(position["time"]))
    nothing = minifactory(skid.folder, "run", short, "--resume", "last")
    assert nothing.returncode == 2
    assert "was cut short" in nothing.stderr


def edit(folder: Path, case: Path, command: Going) -> None:
    """Make the second phase longer, at the desk of the run."""
    deadline = time.monotonic() + PATIENCE
    while not list((folder / "home" / "orbits").glob(f"akta1-{command.process.pid}-*.json")):
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
    changed = folder / "changed.yaml"
    text = (case / "recipe.yaml").read_text(encoding="utf-8")
    changed.write_text(text.replace("until: 20 CV", "until: 21 CV"), encoding="utf-8")
    done = minifactory(folder, "orbit", "edit", changed)
    assert done.returncode == 0, done.stderr


def kill(command: Going) -> None:
    """What a power cut does to the controller."""
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.wait()


def wait_until_safe(skid: Standing) -> None:
    """Return when the skid has missed the heartbeat for long enough to stop its pumps."""
    identity = own_identity(skid.folder / "home" / "pki" / "orbit", "urn:minifactory:orbit")
    table = TagTable.of("akta1", [Tag("System.State", NUMBER, choices=STATES)])
    backend = FreeRunningBackend(Target(skid.endpoint, identity), table)
    deadline = time.monotonic() + PATIENCE
    try:
        while backend.read()["System.State"].value != STATES.index("Safe"):
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
    finally:
        backend.close()
