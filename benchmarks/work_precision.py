"""Error against time of the engine on the published column cases: ``python -m benchmarks.work_precision
--json``.

Times are processor times of one thread (best of several), for a run on a laid-out network; the batch figure
is the wall time per simulation of a batch of variants on all threads. Errors are relative to the peak of each
protein or solute: the largest (Linf) and the mean over time (L1), against the published curve, or for cases
without a file against a run on a fine mesh at tight tolerance.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.engine import verification as cases
from tests.engine.verification import Case, Mesh

from minifactory.twin.engine import Solution, Stepper, Variant, simulate_many, warmup
from minifactory.twin.engine.sections import Tolerance

Make = Callable[[Mesh], Case]
# Case, first component that counts, meshes and tolerances from rough to fine.
STUDY: list[tuple[Make, int, list[tuple[Mesh, float]]]] = [
    (cases.linear_lrm, 0, [((8, 5, 1), 1e-4), ((12, 5, 1), 1e-6), ((16, 7, 1), 1e-8)]),
    (cases.linear_lrmp, 0, [((2, 5, 1), 1e-4), ((4, 5, 1), 1e-6), ((8, 5, 1), 1e-8)]),
    (cases.flowsheet, 0, [((3, 5, 1), 1e-4), ((6, 5, 1), 1e-6), ((12, 5, 1), 1e-8)]),
    (cases.langmuir_grm, 0, [((2, 5, 3), 1e-3), ((3, 5, 4), 1e-4), ((8, 4, 5), 1e-5)]),
    (cases.langmuir_lrm, 0, [((16, 5, 1), 1e-3), ((24, 6, 1), 3e-4), ((32, 6, 1), 1e-4), ((48, 6, 1), 1e-5)]),
    (cases.sma_lrm, 1, [((4, 3, 1), 1e-3), ((6, 3, 1), 3e-4), ((8, 4, 1), 1e-4)]),
    (cases.sma_lrmp, 1, [((3, 3, 1), 1e-3), ((4, 3, 1), 3e-4), ((4, 3, 1), 1e-4), ((8, 4, 1), 1e-5)]),
    (cases.sma_grm, 1, [((3, 3, 3), 1e-3), ((4, 3, 3), 3e-4), ((4, 3, 4), 1e-4), ((8, 4, 5), 1e-5)]),
]
FINE: dict[str, tuple[Mesh, float]] = {"LRMP SMA": ((16, 5, 1), 1e-8)}


def _reference(make: Make, folder: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    case = make((2, 3, 2))
    if case.file:
        if folder is None:
            return None
        table = case.reference(folder)
        return table[:, 0], table[:, 1:]
    times = np.linspace(0.0, 1500.0, 1501)
    mesh, tolerance = FINE[case.name]
    return times, make(mesh).run(times, tolerance).outlet[:, 0]


def _best(run: Callable[[], Solution], repeats: int) -> tuple[Solution, float]:
    run()
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        solution = run()
        best = min(best, time.process_time() - start)
    return solution, best


def _row(
    make: Make, first: int, mesh: Mesh, tolerance: float, reference: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    case = make(mesh)
    times, exact = reference
    solution, _ = _best(lambda: case.run(times, tolerance), 1)
    error = np.abs(solution.outlet[:, 0] - exact)[:, first:]
    peak = np.abs(exact).max(axis=0)[first:]
    # Time with a hundred output times: the published files have thousands.
    few = np.linspace(times[0], times[-1], 100)
    _, seconds = _best(lambda: case.run(few, tolerance), 7)
    state = case.network.initial_state(case.start)
    variants = [Variant(case.network, state, case.sections)] * max(4, min(64, int(0.4 / max(seconds, 1e-4))))
    start = time.perf_counter()
    simulate_many(variants, few, ["bed"], Tolerance(tolerance))
    batch = (time.perf_counter() - start) / len(variants)
    return {
        "case": case.name,
        "elements": mesh[0],
        "degree": mesh[1],
        "radial_nodes": mesh[2],
        "tolerance": tolerance,
        "linf": float((error.max(axis=0) / peak).max()),
        "l1": float((np.trapezoid(error, times, axis=0) / (times[-1] - times[0]) / peak).max()),
        "undershoot": float(max(0.0, (-solution.outlet[:, 0, first:].min(axis=0) / peak).max())),
        "steps": solution.steps,
        "rejected": solution.rejected,
        "closure": float(solution.balance.closure.max()),
        "single_ms": 1e3 * seconds,
        "batch_ms": 1e3 * batch,
    }


def _growth() -> list[dict[str, Any]]:
    """Cost of the LRMP case as nodes and particle nodes grow, per attempted step."""
    rows = []
    times = np.linspace(0.0, 1500.0, 100)
    for make, meshes in (
        (cases.sma_lrmp, [(2, 3, 1), (4, 3, 1), (8, 3, 1), (16, 3, 1), (32, 3, 1)]),
        (cases.sma_grm, [(4, 3, 2), (4, 3, 3), (4, 3, 4), (4, 3, 6), (4, 3, 8)]),
    ):
        for mesh in meshes:
            case = make(mesh)
            solution, seconds = _best(lambda case=case: case.run(times, 1e-4), 5)  # type: ignore[misc]
            attempts = solution.steps + solution.rejected
            rows.append({
                "case": case.name, "nodes": mesh[0] * 4, "radial_nodes": mesh[2],
                "states": case.network.layout.tables.size, "us_per_step": 1e6 * seconds / attempts,
            })  # fmt: skip
    return rows


def _threads() -> list[dict[str, Any]]:
    case = cases.sma_lrmp((4, 3, 1))
    state = case.network.initial_state(case.start)
    rows = []
    for threads in range(1, (os.cpu_count() or 1) + 1):
        for size in (8, 64, 256):
            variants = [Variant(case.network, state, case.sections)] * size
            start = time.perf_counter()
            simulate_many(variants, np.linspace(0.0, 1500.0, 100), ["bed"], Tolerance(1e-4), threads=threads)
            seconds = time.perf_counter() - start
            rows.append({"threads": threads, "batch": size, "ms_per_simulation": 1e3 * seconds / size})
    return rows


def _online() -> dict[str, Any]:
    """The LRMP column called every second, inputs constant or linear, and disturbed at every call."""
    case = cases.sma_lrmp((4, 3, 1))
    result = {}
    for name, noise in (("on_course", 0.0), ("disturbed", 1e-3)):
        rng = np.random.default_rng(5)
        stepper = Stepper(
            case.network,
            case.network.initial_state(case.start),
            0.0,
            np.array([400.0, 1.0, 1.0, 1.0]),
            ["bed"],
        )
        calls, start = 0, time.process_time()
        for section in case.sections:
            after = section.inlets0 if section.inlets1 is None else section.inlets1
            n = round(section.t1 - section.t0)
            for i in range(n):
                flows = section.flows0 * (1.0 + noise * rng.standard_normal())
                ends = [section.inlets0 + (after - section.inlets0) * x / n for x in (i, i + 1)]
                stepper.advance(section.t0 + i + 1.0, flows, ends[0], flows, ends[1])
                calls += 1
        result[f"{name}_us_per_call"] = 1e6 * (time.process_time() - start) / calls
        result[f"{name}_steps"] = stepper.steps
    return result


def _folder() -> Path | None:
    here = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("MINIFACTORY_VERIFICATION", here.parent / "shared" / "verification"))
    return folder if folder.is_dir() else None


def main() -> None:
    """Runs the study and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    arguments = parser.parse_args()
    start = time.perf_counter()
    warmup()
    loaded = time.perf_counter() - start
    rows = []
    for make, first, settings in STUDY:
        reference = _reference(make, _folder())
        if reference is not None:
            rows += [_row(make, first, mesh, tolerance, reference) for mesh, tolerance in settings]
    document = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "kernels_loaded_s": loaded,
        "work_precision": rows,
        "growth": _growth(),
        "threads": _threads(),
        "online": _online(),
    }
    if arguments.json:
        print(json.dumps(document, indent=1))
        return
    for row in rows:
        print(
            f"{row['case']:14s} {row['elements']:3d} x {row['degree'] + 1} x {row['radial_nodes']}  "
            f"tol {row['tolerance']:.0e}  Linf {row['linf']:.1e}  L1 {row['l1']:.1e}  "
            f"{row['steps']:4d} steps  "
            f"{row['single_ms']:7.2f} ms single  {row['batch_ms']:7.2f} ms in a batch"
        )
    for key in ("growth", "threads"):
        for row in document[key]:  # type: ignore[attr-defined]
            print(row)
    print(document["online"], f"kernels loaded in {loaded:.2f} s")


if __name__ == "__main__":
    main()
