"""The continuous campaign with an Orbit process per skid over OPC UA, undisturbed and with Orbits killed.

    python -m benchmarks.fleet_kills [--case CASE] [--kill SKID@PHASE ...] [--no-reference]

Each kill is a SIGKILL to the Orbit of SKID when it has said that it is in PHASE. Told are, per cycle, what
was loaded and what the detector saw of the product; how long each Orbit was away; what the laboratory found.
Both runs together take about 16 min.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minifactory.app.home import DATABASE
from minifactory.historian import Store, load_run
from minifactory.records.run import Run

CASE = Path("cases/sobi-continuous")
KILLS = (
    "capture@capture.cycle[2].load_on",
    "polish@polish.cycle[3].elute_product",
    "capture@capture.cycle[4].load",
    "polish@polish.cycle[6].wash_product",
    "capture@capture.cycle[7].load_on",
    "polish@polish.cycle[8].elute",
)
ORBIT = b"minifactory.app.orbit_process"
MG_PER_AREA = 4.167
"""mg per AU mL, as in the case's recipe."""


@dataclass
class Done:
    """What came of a run: exit code, s of real time from each kill to the next word, and the records."""

    code: int
    away: list[tuple[str, float]] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    intact: bool = True


def orbit_of(supervisor: int, skid: str) -> int:
    """The process of the Orbit of `skid` among the children of `supervisor`."""
    for task in Path(f"/proc/{supervisor}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if ORBIT in words and skid.encode() in words:
                return int(child)
    raise SystemExit(f"no Orbit of {skid} runs")


def run(case: Path, kills: list[str], folder: Path) -> Done:
    """Run `case` with `kills` below `folder`."""
    command = [sys.executable, "-m", "minifactory.cli.main", "run", str(case.resolve()), "--samples", "0"]
    own = {"MINIFACTORY_HOME": str(folder / "home"), "MINIFACTORY_RUNS": str(folder / "runs")}
    done, left, killed = Done(0), list(kills), {}
    process = subprocess.Popen(
        command,
        env={**os.environ, **own, "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            print(f"  {line.rstrip()}", flush=True)
            said = re.search(r"min +(\S+) ", line)
            if said and said[1] in killed:
                done.away.append((said[1], time.monotonic() - killed.pop(said[1])))
            if left and said and said[1] == left[0].partition("@")[0] and left[0].partition("@")[2] in line:
                skid = left.pop(0).partition("@")[0]
                os.kill(orbit_of(process.pid, skid), signal.SIGKILL)
                killed[skid] = time.monotonic()
    done.code = process.returncode
    store = Store(folder / "runs" / DATABASE)
    for item in store.runs():
        found = load_run(store, item.identifier)
        done.runs[found.skid] = found
        done.intact &= store.verify(item.identifier).intact
    return done


def loads(done: Done) -> list[float]:
    """mL loaded per cycle."""
    phases = done.runs["capture"].phases
    both = [[one.volume * 1e6 for one in phases if one.path.endswith(name)] for name in ("].load", "load_on")]
    return [first + second for first, second in zip(*both, strict=True)]


def outputs(done: Done) -> list[float]:
    """mg of product that the detector saw in the pool of each cycle."""
    polish = done.runs["polish"]
    trend, flow, found = polish.trends["UV2.Signal"], polish.trends["System.Flow"], []
    for phase in polish.phases:
        if phase.path.endswith("elute_product"):
            times = np.arange(phase.start, phase.end, 1.0)
            height = trend.at(times) - trend.at(times[:1])
            area = float(np.trapezoid(height * flow.at(times), times))  # 1 * m3
            found.append(area * 1e6 * MG_PER_AREA)
    return found[1:]  # the first peak is of the column that the start-up has not loaded


def show(name: str, done: Done) -> None:
    """Print what came of it."""
    polish = done.runs["polish"]
    pools = [pool for pool in polish.pools if pool.vessel == "pool"]
    total = sum(pool.amounts["product"] for pool in pools) * 50.0 * 1e6
    twice = sum(len(each.phases) - len({one.path for one in each.phases}) for each in done.runs.values())
    print(f"{name}: exit code {done.code}, records intact: {done.intact}, phases recorded twice: {twice}")
    print("  loads, mL    ", "  ".join(f"{value:5.2f}" for value in loads(done)))
    print("  product, mg  ", "  ".join(f"{value:5.2f}" for value in outputs(done)))
    print("  pools, mL    ", "  ".join(f"{pool.volume * 1e6:5.2f}" for pool in pools))
    print(f"  product in the pool as found by the laboratory {total:.1f} mg")
    for skid, spent in done.away:
        print(f"  {skid} spoke again {spent:.1f} s after its kill")
    for skid, each in done.runs.items():
        gaps = [event.text for event in each.events if event.category == "resumed"]
        print(f"  {skid}: {len(gaps)} restarts {gaps}")


def main() -> None:
    """Run and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, default=CASE)
    parser.add_argument("--kill", action="append", metavar="SKID@PHASE")
    parser.add_argument("--no-reference", action="store_true")
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="minifactory-") as place:
        if not given.no_reference:
            results["undisturbed"] = run(given.case, [], Path(place) / "undisturbed")
        results["killed"] = run(given.case, given.kill or list(KILLS), Path(place) / "killed")
        for name, done in results.items():
            show(name, done)


if __name__ == "__main__":
    main()
