"""Soak: a cycling recipe for days on the virtual clock; memory, file handles and database over time.

    python -m benchmarks.orbit_soak                  14 days, cycles of one hour, 50 tags, a scan each second
    python -m benchmarks.orbit_soak --days 0.5       the short version that the tests run

A loop of the recipe (load, elute, clean; it could end early and never does) on a trivial skid, recorded by
the historian, with an alarm that comes and goes in every cycle, a hold and a set-point by hand every 4 h.
Flat: resident memory and open files at the end against those after the first tenth. Linear: what the database
gained in the second half against the first.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.orbit_scan import ManySignals
from minifactory.clock import VirtualClock
from minifactory.historian import Store, Writer
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.recipe.bound import BoundAction, BoundInterlock, BoundLeave, BoundPhase, BoundRecipe
from minifactory.recipe.conditions import parse_condition
from minifactory.recipe.model import PhaseKind
from minifactory.units import ABSORBANCE

DAY = 86_400.0
CYCLE = 3600.0
NAMES = {f"S{number}.Signal": ABSORBANCE for number in range(5)}


def cycling(turns: int) -> BoundRecipe:
    """`turns` cycles of three phases, as a loop that is written out."""
    parts = (
        ("load", PhaseKind.LOAD, 1e-7),
        ("elute", PhaseKind.ELUTE, 5e-8),
        ("clean", PhaseKind.CLEAN, 2e-7),
    )
    until = parse_condition(f"{CYCLE / 3.0!r} s", {})
    early = parse_condition("S1.Signal > 2000 mAU", NAMES)
    phases = []
    for turn in range(1, turns + 1):
        for name, kind, flow in parts:
            leaves = ()
            if name == "clean" and turn < turns:
                leaves = (BoundLeave(early, 3 * (turns - turn)),)
            start = BoundAction({"System.Flow.SP": flow})
            path = f"soak.cycle[{turn}].{name}"
            phases.append(BoundPhase(path, kind, start, until, leaves=leaves))
    alarm = BoundInterlock("high", parse_condition("S2.Signal > 900 mAU", NAMES), "alarm", delay=5.0)
    safe = BoundAction({"System.Flow.SP": 0.0})
    return BoundRecipe("soak", "1", "bench", None, tuple(phases), (alarm,), safe, safe, {})


def soak(days: float, folder: Path, tags: int = 50, marks: int = 20) -> dict[str, object]:
    """What was seen at `marks` instants of `days` days."""
    clock = VirtualClock()
    skid = ManySignals(tags, clock)
    engine = Engine(skid, clock, Policy.in_lock_step(1.0))
    turns = max(1, round(days * DAY / CYCLE))
    seen: list[dict[str, float]] = []
    begun = time.process_time()
    with Writer(Store(folder / "soak.db"), folder / "spool") as writer:
        engine.subscribe(writer)
        engine.load(cycling(turns), "soak")
        engine.command("start", "benchmark")
        step = turns * CYCLE / marks
        for mark in range(1, marks + 1):
            while engine.state in (State.IDLE, State.RUNNING, State.HELD, State.HOLDING, State.RESTARTING):
                status = engine.scan()
                if status.scans % 14_400 == 7_200:
                    engine.command("hold", "benchmark")
                elif status.scans % 14_400 == 7_260:
                    engine.command("restart", "benchmark")
                    engine.set_points({"System.Flow.SP": 3e-8}, "benchmark")
                elif status.scans % 14_400 == 7_300:
                    engine.acknowledge("Interlock high", "benchmark", "seen")
                if clock.now() >= mark * step:
                    break
            writer.flush()
            seen.append(_seen(clock.now(), folder))
        engine.run()
        last = engine.status
    return {
        "days": days,
        "tags": tags,
        "state": last.state.value,
        "scans": last.scans,
        "dropped": last.dropped,
        "phases": last.phase_count,
        "processor time / s": round(time.process_time() - begun, 1),
        "memory growth / MiB": round(seen[-1]["memory"] - seen[marks // 10]["memory"], 2),
        "files growth": seen[-1]["files"] - seen[marks // 10]["files"],
        "database / MiB": round(seen[-1]["database"], 2),
        "second half over first": round(_halves(seen), 3),
        "marks": seen,
    }


def _halves(seen: Sequence[dict[str, float]]) -> float:
    first, middle, last = seen[0], seen[len(seen) // 2], seen[-1]
    one = (middle["database"] - first["database"]) / (middle["day"] - first["day"])
    return (last["database"] - middle["database"]) / (last["day"] - middle["day"]) / one


def _seen(now: float, folder: Path) -> dict[str, float]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    with closing(sqlite3.connect(folder / "soak.db")) as database:
        (pages_used,), (page_size,) = (
            database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
    size = pages_used * page_size
    return {
        "day": round(now / DAY, 4),
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "files": float(len(os.listdir("/proc/self/fd"))),
        "database": size / 2**20,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--days", type=float, default=14.0)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = soak(given.days, Path(folder))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
