"""How long the parts of the main job take on this machine.

    python -m benchmarks.main_job [--case cases/cex-polish] [--json]

Prediction (nominal, one draw), Orbit on the virtual skid in memory and over secured OPC UA in lock-step, and
the record. Kernels are compiled before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minifactory.app.case import open_case
from minifactory.app.links import Options
from minifactory.app.main_job import examine, run_case
from minifactory.twin.engine import warmup
from minifactory.twin.simulate import simulate


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that `work` took, and what it gave."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def measure(folder: Path) -> dict[str, float]:
    """The figures by name; times in s, ratios as such."""
    warmup()
    case = open_case(folder)
    simulate(case.plant, case.bound)
    figures: dict[str, float] = {"open the case": timed(lambda: open_case(folder))[0]}
    figures["predict, nominal"], run = timed(lambda: simulate(case.plant, case.bound))
    figures["predict, one draw"], _ = timed(
        lambda: simulate(case.plant, case.bound, scan=2.0, tolerance=1e-3)
    )
    figures["process time"] = run.duration
    figures["faster than real time, nominal prediction"] = run.duration / figures["predict, nominal"]
    figures["predict with 24 draws and gate"], (prediction, gate) = timed(lambda: examine(case, 24))
    with tempfile.TemporaryDirectory() as place:
        for name, options in (
            ("run in memory, with record", Options(in_memory=True)),
            ("run over OPC UA in lock-step, with record", Options()),
        ):
            spent, outcome = timed(
                lambda chosen=options: run_case(case, chosen, Path(place), prediction, gate)
            )
            assert outcome.run is not None
            assert outcome.run.state == "Complete"
            figures[name] = spent
            figures[f"{name}: per scan"] = spent / outcome.run.duration
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, default=Path("cases/cex-polish"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(given.case)
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:<50} {value:12.4g}")


if __name__ == "__main__":
    main()
