"""Ultrafiltration against real time, and what the steps of its flux and the cells of its membrane change.

``python -m benchmarks.ultrafiltration`` predicts `cases/ultrafiltration` (virus filtration, concentration,
diafiltration, sterile filtration) with the steps of the flux as they are and finer, and with more cells along
the channel. Differences are those to the finest, of the amounts in the pool and of the end of each phase.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from minifactory.app.case import Case, open_case
from minifactory.records.run import Run
from minifactory.twin import driving
from minifactory.twin.simulate import simulate

CASE = Path(__file__).parents[1] / "cases" / "ultrafiltration"


def with_cells(case: Case, cells: int) -> Case:
    """The case with so many cells along its membrane."""
    skid = case.plant.skids["tff"]
    membrane = skid.devices["Membrane"]
    changed = replace(membrane, values={**membrane.values, "cells": float(cells)})
    devices = {**skid.devices, "Membrane": changed}
    return replace(case, plant=replace(case.plant, skids={"tff": replace(skid, devices=devices)}))


def predicted(case: Case, agree: float) -> tuple[Run, float]:
    """The prediction, and processor time in s of the second of two."""
    with patch.object(driving, "AGREE", agree):
        simulate(case.plant, case.bound)
        start = time.process_time()
        run = simulate(case.plant, case.bound)
    return run, time.process_time() - start


def differences(run: Run, finest: Run) -> tuple[float, float]:
    """Largest relative difference of the amounts in the pool, and of the end of a phase in s."""
    pools = [
        {name: sum(p.amounts[name] for p in item.pools if p.vessel == "pool") for name in run.loaded}
        for item in (run, finest)
    ]
    amounts = max(abs(pools[0][name] / value - 1.0) for name, value in pools[1].items() if value > 0.0)
    ends = max(abs(a.end - b.end) for a, b in zip(run.phases, finest.phases, strict=True))
    return amounts, ends


def table() -> list[dict[str, float]]:
    """A row for each kind of computation."""
    case = open_case(CASE)
    rows = []
    for what, others in (("step", (2e-2, 5e-3, 5e-4)), ("cells", (1, 3, 10, 30))):
        if what == "cells":
            of_each = [predicted(with_cells(case, int(value)), driving.AGREE) for value in others]
        else:
            of_each = [predicted(case, value) for value in others]
        finest = of_each[-1][0]
        for value, (run, seconds) in zip(others, of_each, strict=True):
            amounts, ends = differences(run, finest)
            process = run.phases[-1].end
            rows.append(
                {
                    what: value,
                    "seconds": seconds,
                    "times_real_time": process / seconds,
                    "amounts": amounts,
                    "ends_s": ends,
                    "mass_balance": float(run.provenance["mass balance"]),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    rows = table()
    if parser.parse_args().json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{name} {value:.3g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
