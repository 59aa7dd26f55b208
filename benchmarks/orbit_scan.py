"""Orbit's scan on the real clock: drift, jitter, overruns and cost.

    python -m benchmarks.orbit_scan                        one hour at 10 Hz, 200 tags, idle machine
    python -m benchmarks.orbit_scan --minutes 5 --busy 1   five minutes beside one busy process
    python -m benchmarks.orbit_scan --cost                 processor time of a scan at 20, 200 and 1000 tags

Jitter is how late a scan begins after the instant at which it is due; drift is the mean lateness of the last
hundred scans less that of the first hundred. The skid is a trivial one in this process (a tenth of its
signals changes at every scan), so that what is measured is the controller; the run is recorded by a
subscriber that counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from minifactory.clock import RealClock, VirtualClock
from minifactory.errors import EquipmentError
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe
from minifactory.recipe.conditions import parse_condition
from minifactory.recipe.model import PhaseKind
from minifactory.records.documents import Document
from minifactory.signals import Quality, Reading, Tag, TagTable
from minifactory.units import ABSORBANCE, FLOW

SCAN = 0.1


class ManySignals:
    """A skid with `count` readable tags, a tenth of which changes between two reads."""

    def __init__(self, count: int, clock: RealClock | VirtualClock) -> None:
        signals = [Tag(f"S{number}.Signal", ABSORBANCE, "mAU") for number in range(count - 1)]
        flow = Tag("System.Flow", FLOW, "mL/min", lower=0.0, upper=1e-5)
        setpoint = Tag("System.Flow.SP", FLOW, "mL/min", True, lower=0.0, upper=1e-5, readback="System.Flow")
        self.table = TagTable.of("bench", [flow, *signals, setpoint], [])
        self._clock = clock
        self._flow = 0.0
        self._turn = 0
        self._values = {tag.name: 0.0 for tag in self.table.readable}

    def read(self) -> Mapping[str, Reading]:
        self._turn += 1
        now = self.now()
        names = list(self._values)
        for name in names[1 + self._turn % 10 :: 10]:
            self._values[name] = float(self._turn % 1000) * 1e-3
        self._values["System.Flow"] = self._flow
        return {name: Reading(value, now, Quality.GOOD) for name, value in self._values.items()}

    def write(self, values: Mapping[str, float]) -> None:
        self._flow = values.get("System.Flow.SP", self._flow)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        raise EquipmentError(f"bench: no instruction {instruction} {arguments} {number} {owner}")

    def advance(self, process_time: float) -> None:
        """Runs by itself."""

    def now(self) -> float:
        return self._clock.link_time()

    def close(self) -> None:
        """Nothing to leave."""


class Counter:
    """A subscriber that counts."""

    def __init__(self) -> None:
        self.documents = 0

    def offer(self, document: Document) -> bool:
        del document
        self.documents += 1
        return True


def recipe(duration: float) -> BoundRecipe:
    """One phase with ten conditions that read signals."""
    names = {f"S{number}.Signal": ABSORBANCE for number in range(19)}
    many = " or ".join(f"for(S{number}.Signal > 2000 mAU, 10 s)" for number in range(10))
    until = parse_condition(f"{duration!r} s or {many}", names)
    phase = BoundPhase("bench.run.flow", PhaseKind.OTHER, BoundAction({"System.Flow.SP": 1e-7}), until)
    return BoundRecipe("bench", "1", "bench", None, (phase,), (), BoundAction(), BoundAction(), {})


def measured(tags: int, minutes: float) -> dict[str, float]:
    """Lateness of every scan (ms) in a run on the real clock."""
    clock = RealClock()
    skid = ManySignals(tags, clock)
    engine = Engine(skid, clock, Policy(scan=SCAN))
    counter = Counter()
    engine.subscribe(counter)
    engine.load(recipe(60.0 * minutes + 60.0), "bench")
    engine.command("start", "benchmark")
    origin = engine._grid._origin
    late: list[float] = []
    cost: list[float] = []
    end = clock.now() + 60.0 * minutes
    while clock.now() < end:
        status = engine.scan()
        due = origin + status.scans * SCAN
        late.append(1e3 * (clock.now() - status.scan_time - due))
        cost.append(1e3 * status.scan_time)
    late.sort()
    ordered, last = late, engine.status
    return {
        "tags": float(tags),
        "minutes": minutes,
        "scans": float(last.scans),
        "overruns": float(last.overruns),
        "median late / ms": statistics.median(ordered),
        "p99 late / ms": ordered[int(0.99 * len(ordered))],
        "largest late / ms": ordered[-1],
        "median scan / ms": statistics.median(cost),
        "p99 scan / ms": sorted(cost)[int(0.99 * len(cost))],
        "drift / scans": float(last.scans) - (clock.now() - origin) / SCAN,
        "documents": float(counter.documents),
    }


def cost(tags: int, scans: int = 2000) -> dict[str, float]:
    """Processor time of a scan (ms) on the virtual clock: the best of five means over a part of `scans`."""
    clock = VirtualClock()
    skid = ManySignals(tags, clock)
    engine = Engine(skid, clock, Policy(scan=SCAN))
    engine.subscribe(Counter())
    engine.load(recipe(1e9), "bench")
    engine.command("start", "benchmark")
    for _ in range(50):
        engine.scan()
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(scans // 5):
            engine.scan()
        best = min(best, (time.process_time() - begun) / (scans // 5))
    return {"tags": float(tags), "scan / ms": 1e3 * best}


def _burn() -> None:
    value = 1.0
    while True:
        value = value * 1.0000001 % 3.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="of real time")
    parser.add_argument("--tags", type=int, default=200)
    parser.add_argument("--busy", type=int, default=0, help="processes that burn processor time beside it")
    parser.add_argument("--cost", action="store_true", help="only the cost of a scan at 20, 200, 1000 tags")
    given = parser.parse_args(arguments)
    found: dict[str, Any]
    if given.cost:
        found = {"cost": [cost(tags) for tags in (20, 200, 1000)]}
    else:
        burners = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(given.busy)]
        for burner in burners:
            burner.start()
        try:
            found = {"busy": given.busy, **measured(given.tags, given.minutes)}
        finally:
            for burner in burners:
                burner.terminate()
                burner.join()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
