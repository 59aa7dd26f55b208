"""A case on two skids over OPC UA: two Orbit processes, one plant, either of them killed in mid-transfer."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from minifactory.historian import Store, load_run
from minifactory.records.run import Run
from tests.app.test_run_plant import made, ran
from tests.commands import minifactory
from tests.system.going import Going, children_of, going

ORBIT = b"minifactory.app.orbit_process"
PLANT = b"minifactory.skid.plant_server"


def orbit_of(run: Going, skid: str) -> int:
    """The process of the Orbit of `skid`."""
    words = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children_of(run.process.pid)}
    (found,) = [
        child for child, line in words.items() if ORBIT in line and skid.encode() in line.split(b"\0")
    ]
    return found


def test_either_orbit_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    """Capture dies while it delivers, polish while it receives; the hand-overs go on where they stood."""
    case = made(tmp_path / "two")
    with going(tmp_path, case) as run:
        run.wait_for("capture.capture[1].elute")
        os.kill(orbit_of(run, "capture"), signal.SIGKILL)
        run.wait_for("Orbit capture was ended by SIGKILL")
        run.wait_for("capture.capture[2].load")
        fleet = minifactory(tmp_path, "fleet", "--json")
        assert fleet.returncode == 0, fleet.stderr
        assert '"capture"' in fleet.stdout
        os.kill(orbit_of(run, "polish"), signal.SIGKILL)
        assert run.end() == 0, run.said.decode()
    store = Store(tmp_path / "runs" / "minifactory.db")
    runs = {item.identifier.rpartition("-")[2]: load_run(store, item.identifier) for item in store.runs()}
    assert {skid: each.state for skid, each in runs.items()} == {"capture": "Complete", "polish": "Complete"}
    for each in runs.values():
        assert store.verify(each.identifier).intact
        paths = [phase.path for phase in each.phases]
        assert len(paths) == len(set(paths)), "a phase was run twice"
    filling = [phase for phase in runs["capture"].phases if phase.path.endswith("elute")]
    drawing = [phase for phase in runs["polish"].phases if phase.path.endswith("load")]
    assert len(filling) == len(drawing) == 2
    assert all(one.end <= other.start for one, other in zip(filling, drawing, strict=True))
    assert filling[1].start >= drawing[0].end
    undisturbed = ran(case, tmp_path / "undisturbed")[1].runs
    assert undisturbed is not None
    for skid, vessel, share in (("capture", "hold", 0.02), ("polish", "pool", 0.02)):
        volume = collected(undisturbed[skid], vessel)
        assert collected(runs[skid], vessel) == pytest.approx(volume, rel=share)


def test_an_interrupted_plant_is_made_safe(tmp_path: Path) -> None:
    """Ctrl-C on the command: both runs are aborted and recorded, and no process stays behind."""
    case = made(tmp_path / "two")
    with going(tmp_path, case) as run:
        run.wait_for("capture.capture[1].elute")
        processes = children_of(run.process.pid)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.end() == 3, run.said.decode()
    store = Store(tmp_path / "runs" / "minifactory.db")
    assert {load_run(store, item.identifier).state for item in store.runs()} == {"Aborted"}
    assert len(processes) == 3
    assert not [process for process in processes if Path(f"/proc/{process}").exists()]


def test_at_a_terminal_all_skids_are_held_and_the_person_asked(tmp_path: Path) -> None:
    """The first Ctrl-C holds both and asks; they go on together; the second of a pair aborts."""
    case = made(tmp_path / "two")
    with going(tmp_path, case, person=True) as run:
        run.wait_for("capture.capture[1].elute")
        os.killpg(run.process.pid, signal.SIGINT)
        run.wait_for("[a]bort (safe state at once)?")
        run.type("r\n")
        run.wait_for("capture.capture[2].load")
        os.killpg(run.process.pid, signal.SIGINT)
        run.wait_for("[a]bort (safe state at once)?")
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.end() == 3, run.said.decode()
    store = Store(tmp_path / "runs" / "minifactory.db")
    runs = [load_run(store, item.identifier) for item in store.runs()]
    assert [each.state for each in runs] == ["Aborted", "Aborted"]
    told = [event.text for each in runs for event in each.events if event.category == "transition"]
    assert sum("Holding to Held" in text for text in told) >= 3
    assert any("Restarting to Running" in text for text in told)


def test_a_plant_that_dies_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    case = made(tmp_path / "two")
    with going(tmp_path, case) as run:
        run.wait_for("capture.capture[1].elute")
        processes = children_of(run.process.pid)
        (plant,) = [one for one in processes if PLANT in Path(f"/proc/{one}/cmdline").read_bytes()]
        os.kill(plant, signal.SIGKILL)
        assert run.end() == 3
        assert "capture: its Orbit failed" in run.said.decode()
    store = Store(tmp_path / "runs" / "minifactory.db")
    assert {load_run(store, item.identifier).state for item in store.runs()} == {"Aborted"}
    assert not [process for process in processes if Path(f"/proc/{process}").exists()]


def collected(run: Run, vessel: str) -> float:
    """m3 that the record of `run` has gone into `vessel`."""
    return sum(pool.volume for pool in run.pools if pool.vessel == vessel)
