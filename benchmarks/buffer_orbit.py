"""A campaign with the buffer service as an Orbit: does a bottle run dry, and how long do the skids stand?

    python -m benchmarks.buffer_orbit [--days 11] [--seed 1] [--scan 2] [--json]

The skids of `tests/services/served` with larger stocks, on the virtual clock in memory: one skid draws two
buffers from bottles of 150 mL at 1.5 mL/min without end, the other prepares them in a tank of 250 mL. Both
are paused by an operator at random times (exponential, twice a day on average) for 5 min on average.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from minifactory.app.buffer_service import buffer_service
from minifactory.app.case import Case, of_skid, open_case
from minifactory.app.execute import controller, levels_of
from minifactory.app.links import Link
from minifactory.app.scan_plant import Together
from minifactory.clock import VirtualClock
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import ENDED, State
from minifactory.records.documents import Alarm, AlarmStage, Document
from minifactory.services.buffer_orbit import BufferOrbit
from minifactory.services.ledger import MemoryLedger
from minifactory.skid.plant import open_plant

SERVED = Path(__file__).parents[1] / "tests" / "services" / "served"
CYCLE = 36.0 * 60.0
"""s of a cycle of the process skid, as its recipe plans it."""
HOLDS, HELD, LONGEST = 43200.0, 300.0, 540.0
"""s between two pauses, and s that they last, on average and at most."""
DAY = 86400.0
SIZES = {
    "capacity: 10 L": "capacity: 900 L",
    "capacity: 0.5 L": "capacity: 90 L",
    "volume: 35 mL": "volume: 150 mL",
    "capacity: 100 mL": "capacity: 250 mL",
}
"""What of the tests' case is larger."""


@dataclass(frozen=True)
class Outcome:
    """What came of a campaign; times in h, volumes in mL."""

    days: float
    lots: int
    delivered: float
    failures: int
    depletions: int
    standing: float
    held: float
    busy: float
    lowest: float
    worst: float
    bottles: float
    seconds: float


class Alarms:
    """Counts the alarms that say that a bottle is empty."""

    def __init__(self) -> None:
        self.empty = 0

    def offer(self, document: Document) -> bool:
        """Count, and keep nothing."""
        if isinstance(document, Alarm) and document.name.startswith("Level empty"):
            self.empty += document.stage is AlarmStage.RAISED
        return True


class Operator:
    """Pauses a skid now and then, and lets it go on."""

    def __init__(self, engine: Engine, random: np.random.Generator) -> None:
        self.engine, self._random = engine, random
        self._next = random.exponential(HOLDS)
        self.held, self._mine = 0.0, False

    @property
    def paused(self) -> bool:
        """Whether the skid stands because of this operator."""
        return self._mine

    def look(self, now: float, scan: float) -> None:
        """Do what is due at `now` (s)."""
        state = self.engine.state
        self.held += scan if self._mine and state is State.PAUSED else 0.0
        if now < self._next:
            return
        if state is State.RUNNING:
            self.engine.command("pause", "operator")
            self._mine = True
            self._next = now + min(self._random.exponential(HELD), LONGEST)
        elif state is State.PAUSED and self._mine:
            self.engine.command("resume", "operator")
            self._mine = False
            self._next = now + self._random.exponential(HOLDS)


def case_for(days: float, folder: Path) -> Case:
    """The case of the tests, with stocks and a recipe for `days`."""
    shutil.copytree(SERVED, folder)
    text = (folder / "factory.yaml").read_text(encoding="utf-8")
    text = re.sub(
        r"volume: (0\.5 L|5 L|100 mL|200 mL)(?=, (purpose: feed, )?connected)", "volume: 400 L", text
    )
    for old, new in SIZES.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "factory.yaml").write_text(text, encoding="utf-8")
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8")
    turns = max(round(days * DAY / CYCLE), 1)
    services = (folder / "services.yaml").read_text(encoding="utf-8")
    (folder / "services.yaml").write_text(services.replace("10 mL/min", "20 mL/min"), encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe.replace("repeat: 2", f"repeat: {turns}"), encoding="utf-8")
    return open_case(folder, several=True)


def campaign(days: float, seed: int, scan: float) -> Outcome:
    """The campaign of this page."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        case = case_for(days, Path(place) / "served")
        plant = open_plant(case.folder, seed, None, skids=case.skids)
    alarms, policy, random = Alarms(), Policy.in_lock_step(scan), np.random.default_rng(seed)
    engines: dict[str, Engine] = {}
    service: BufferOrbit | None = None
    clock = VirtualClock(wall_start=datetime(2026, 1, 1, tzinfo=UTC))
    for skid in case.skids:
        own, levels = of_skid(case, skid), levels_of(of_skid(case, skid))
        clock = VirtualClock(wall_start=datetime(2026, 1, 1, tzinfo=UTC))
        link = Link(Together(plant, skid), clock, policy, "virtual skid", "in memory", lambda _answers: None)
        engines[skid] = engine = controller(own, link, alarms, None, None, None, levels)
        if skid in case.bounds:
            engine.load(own.bound, skid, levels=levels)
            engine.command("start", "benchmark")
        else:
            service = buffer_service(own, engine, levels, MemoryLedger(), skid, clock.now, "virtual skid", {})
    assert service is not None
    process, kitchen = engines["process"], engines["kitchen"]
    operators = [Operator(engine, random) for engine in engines.values()]
    standing, busy, lowest = 0.0, 0.0, np.inf
    while process.state not in ENDED and standing < DAY:
        process.scan()
        kitchen.exchange.tell(process.exchange.said, 0.0)
        service.scan()
        process.exchange.tell(kitchen.exchange.said, 0.0)
        now = clock.now()
        for operator in operators:
            operator.look(now, scan)
        if process.state is State.PAUSED and not operators[0].paused:  # a bottle was empty
            standing += scan
            if not any(item.name.startswith("Level empty") for item in process.status.alarms if item.present):
                process.command("resume", "operator")
        busy += scan if kitchen.state not in (State.IDLE, *ENDED) else 0.0
        truth = plant.skids["process"].truth.volumes
        lowest = min(lowest, truth["buffer"], truth["elution"])
    aims = {name: case.plant.materials[name].composition for name in ("buffer", "elution")}
    worst = max(
        abs(lot.composition[ion] / value - 1.0)
        for lot in service.lots
        for ion, value in aims[lot.vessel].items()
    )
    held_in, volumes = plant.contents().held, plant.skids["process"].truth.volumes
    bottles = max(
        abs(held_in[name][ion] / volumes[name] / value - 1.0)
        for name, aim in aims.items()
        for ion, value in aim.items()
    )
    duration = clock.now()
    held = sum(each.held for each in operators)
    return Outcome(
        days=duration / DAY,
        lots=len(service.lots),
        delivered=1e6 * sum(lot.volume for lot in service.lots),
        failures=len(service.failures),
        depletions=alarms.empty,
        standing=standing / 3600.0,
        held=held / 3600.0,
        busy=busy / duration,
        lowest=1e6 * float(lowest),
        worst=worst,
        bottles=bottles,
        seconds=time.perf_counter() - begun,
    )


def main() -> int:
    """Print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=11.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scan", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = campaign(given.days, given.seed, given.scan)
    if given.json:
        print(json.dumps(asdict(found)))
        return 0
    print(
        f"{found.days:.2f} days: {found.lots} lots, {found.delivered:.0f} mL; {found.failures} batches failed"
    )
    print(f"bottles empty {found.depletions} times, the process stood {found.standing:.2f} h for it")
    print(f"skids paused {found.held:.2f} h; the unit busy {100 * found.busy:.0f} %")
    print(f"lowest bottle {found.lowest:.1f} mL; worst ion of a lot {100 * found.worst:.1f} % off")
    print(f"in the bottles in the end, in truth, {100 * found.bottles:.1f} % off")
    print(f"{found.seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
