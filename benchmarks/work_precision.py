"""Error against time of the engine on the published column cases: ``python -m benchmarks.work_precision
--json``.

Times are processor times: *single* of one thread (best of several) for a run on a laid-out network; *batch*
per simulation and core of a batch of equal structure in lanes, on one thread. Errors are relative to the
peak of each protein or solute: the largest (Linf) and the mean over time (L1), against the published curve,
or for cases without a file against a run on a fine mesh at tight tolerance. ``--plot FILE`` writes a picture.
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
from tests.engine.verification import Case, Mesh, Section

from minifactory.twin.binding import Langmuir
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Solution,
    Stepper,
    Variant,
    simulate_many,
    warmup,
)
from minifactory.twin.engine.parallel import run_all
from minifactory.twin.engine.sections import Tolerance
from minifactory.twin.engine.solution import prepare
from minifactory.twin.engine.tables import BOUND, COUPLED, NODES, PER, RADIAL, SIZES

Make = Callable[[Mesh], Case]
RATE = 32e9  # operations per second of one core: wide multiply-adds fed from the cache, not from registers
# Case, first component that counts, meshes and tolerances from rough to fine.
STUDY: list[tuple[Make, int, list[tuple[Mesh, float]]]] = [
    (cases.linear_lrm, 0, [((8, 5, 1), 1e-4), ((12, 5, 1), 1e-6), ((16, 7, 1), 1e-8)]),
    (cases.linear_lrmp, 0, [((2, 5, 1), 1e-4), ((4, 5, 1), 1e-6), ((8, 5, 1), 1e-8)]),
    (cases.flowsheet, 0, [((3, 5, 1), 1e-4), ((6, 5, 1), 1e-6), ((12, 5, 1), 1e-8)]),
    (cases.langmuir_grm, 0, [((2, 5, 3), 1e-3), ((3, 5, 4), 1e-4), ((8, 4, 5), 1e-5)]),
    (
        cases.langmuir_lrm,
        0,
        [((16, 5, 1), 1e-3), ((24, 6, 1), 3e-4), ((24, 7, 1), 2e-4), ((32, 6, 1), 1e-4), ((48, 6, 1), 1e-5)],
    ),
    (cases.sma_lrm, 1, [((4, 3, 1), 1e-3), ((6, 3, 1), 3e-4), ((8, 4, 1), 1e-4)]),
    (
        cases.sma_lrmp,
        1,
        [
            ((3, 3, 1), 1e-3),
            ((4, 3, 1), 1e-3),
            ((2, 6, 1), 1e-3),
            ((4, 3, 1), 4e-4),
            ((3, 4, 1), 3e-4),
            ((4, 3, 1), 1e-4),
            ((8, 4, 1), 1e-5),
        ],
    ),
    (
        cases.sma_grm,
        1,
        [
            ((3, 3, 3), 1e-3),
            ((4, 3, 3), 1e-3),
            ((2, 6, 4), 5e-4),
            ((4, 3, 3), 3e-4),
            ((3, 4, 4), 3e-4),
            ((4, 3, 4), 1e-4),
            ((8, 4, 5), 1e-5),
        ],
    ),
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
    attempts = solution.steps + solution.rejected
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
        "batch_ms": 1e3 * _batch(case, few, tolerance, max(16, min(64, int(0.4 / max(seconds, 1e-4))))),
        "bound_ms": 1e3 * attempts * _operations(case) / RATE,
    }


def _batch(case: Case, times: np.ndarray, tolerance: float, count: int) -> float:
    """Processor time per simulation of a batch in lanes, s; best of three."""
    task = prepare(
        case.network, case.network.initial_state(case.start), case.sections, times, ["bed"],
        Tolerance(tolerance),
    )  # fmt: skip
    run_all([task] * 8, threads=1)
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        run_all([task] * count, threads=1)
        best = min(best, time.process_time() - start)
    return best / count


def _operations(case: Case) -> float:
    """Floating point operations of one attempted step, by count of the algorithm's multiply-adds."""
    tb, total = case.network.layout.tables, 0.0
    for row in tb.unit[:-1].tolist():
        n, nr, nb, m = row[NODES], row[RADIAL], row[BOUND], row[COUPLED]
        per, free, points = row[PER], tb.components - m, n * max(nr, 1)
        own, sizes, block, elements = nr // row[SIZES], row[SIZES], per * m, n // per
        law = points * (nb**3 + 2 * nb * nb * m + nb * m * m)
        particle = n * sizes * (own * m) ** 3 / 3 + n * sizes * 2 * m**3
        element = elements * (block**3 / 3 + m**3 + 2 * block * block) + free * elements * per**3 / 3
        solved = n * sizes * ((own * m) ** 2 + free * own * own)
        solved += elements * (block**2 + 3 * block + free * per * per) + points * (nb * nb + 2 * nb * m)
        rates = n * tb.components * 2 * (per + 1) + n * tb.components * nr * own
        # A transcendental function counts as 20 multiply-adds; two per law and one per bound state.
        rates += points * (20 * (2 + nb) + 10 * nb)
        total += law + particle + element + 6 * (solved + rates)
    total += 36 * tb.size
    return 2.0 * total


def _langmuir(components: int) -> Case:
    """The LRMP column with so many components that compete."""
    names = tuple(f"c{i}" for i in range(components))
    binding = Langmuir({n: 0.1 / (i + 1) for i, n in enumerate(names)}, dict.fromkeys(names, 10.0))
    bed = Bed(
        "bed", 0.014, 1.0, 0.37, BedModel.LRMP, 0.75, 45e-6, 6.9e-6, 5.75e-8, binding=binding, elements=4,
        degree=3,
    )  # fmt: skip
    network = Network(names, (bed,), (Inlet("in"),), (Link("in", "bed"),))
    flows = np.array([5.75e-4 * 0.37])
    sections = tuple(
        Section(a, b, flows, np.full((1, components), feed))
        for a, b, feed in ((0.0, 10.0, 10.0), (10.0, 1500.0, 0.0))
    )
    return Case("LRMP Langmuir", network, np.zeros(components), sections, "")


def _growth() -> list[dict[str, Any]]:
    """Cost per attempted step as components, nodes and particle nodes grow; single and per lane."""
    grown: list[tuple[str, int, Case]] = [("components", n, _langmuir(n)) for n in (1, 2, 4, 8, 12)]
    grown += [("axial nodes", 4 * n, cases.sma_lrmp((n, 3, 1))) for n in (2, 4, 8, 16, 32)]
    grown += [("particle nodes", n, cases.sma_grm((4, 3, n))) for n in (2, 3, 4, 6, 8)]
    rows, times = [], np.linspace(0.0, 1500.0, 100)
    for what, size, case in grown:
        solution, seconds = _best(lambda case=case: case.run(times, 1e-3), 5)  # type: ignore[misc]
        attempts = solution.steps + solution.rejected
        rows.append({
            "grows": what, "size": size, "case": case.name, "states": case.network.layout.tables.size,
            "us_per_step": 1e6 * seconds / attempts,
            "us_per_step_in_lanes": 1e6 * _batch(case, times, 1e-3, 16) / attempts,
        })  # fmt: skip
    return rows


def _threads() -> list[dict[str, Any]]:
    """Wall time per simulation of the whole call, preparing and checking included."""
    case = cases.sma_lrmp((4, 3, 1))
    state, times = case.network.initial_state(case.start), np.linspace(0.0, 1500.0, 100)
    rows = []
    for threads in range(1, (os.cpu_count() or 1) + 1):
        for size in (1, 2, 4, 8, 16, 64, 256):
            variants = [Variant(case.network, state, case.sections)] * size
            best = np.inf
            for _ in range(3):
                start = time.perf_counter()
                simulate_many(variants, times, ["bed"], Tolerance(3e-4), threads=threads)
                best = min(best, time.perf_counter() - start)
            rows.append({"threads": threads, "batch": size, "ms_per_simulation": 1e3 * best / size})
    return rows


def _plot(document: dict[str, Any], file: Path) -> None:
    """Error against time, and growth."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13.0, 4.2), layout="constrained")
    rows = document["work_precision"]
    for name in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == name]
        (line,) = axes[0].loglog([r["single_ms"] for r in own], [r["linf"] for r in own], "o-", label=name)
        axes[0].loglog([r["batch_ms"] for r in own], [r["linf"] for r in own], "s--", color=line.get_color())
    axes[0].set(xlabel="ms per simulation (dashed: in lanes)", ylabel="largest error / peak")
    axes[0].legend(fontsize=7)
    for what in ("components", "axial nodes", "particle nodes"):
        own = [row for row in document["growth"] if row["grows"] == what]
        sizes = [r["size"] for r in own]
        (line,) = axes[1].loglog(sizes, [r["us_per_step"] for r in own], "o-", label=what)
        axes[1].loglog(sizes, [r["us_per_step_in_lanes"] for r in own], "s--", color=line.get_color())
    axes[1].set(xlabel="number", ylabel="us per step (dashed: in lanes)")
    axes[1].legend(fontsize=7)
    for threads in dict.fromkeys(row["threads"] for row in document["threads"]):
        own = [row for row in document["threads"] if row["threads"] == threads]
        sizes = [r["batch"] for r in own]
        axes[2].loglog(sizes, [r["ms_per_simulation"] for r in own], "o-", label=f"{threads} threads")
    axes[2].set(xlabel="simulations in the batch", ylabel="ms per simulation, wall, LRMP SMA")
    axes[2].legend(fontsize=7)
    figure.savefig(file)


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
    parser.add_argument("--plot", type=Path, help="file of a picture to write, e.g. docs/work_precision.svg")
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
    if arguments.plot:
        _plot(document, arguments.plot)
    if arguments.json:
        print(json.dumps(document, indent=1))
        return
    for row in rows:
        print(
            f"{row['case']:14s} {row['elements']:3d} x {row['degree'] + 1} x {row['radial_nodes']}  "
            f"tol {row['tolerance']:.0e}  Linf {row['linf']:.1e}  L1 {row['l1']:.1e}  "
            f"{row['steps']:4d} steps  "
            f"{row['single_ms']:7.2f} ms single  {row['batch_ms']:7.2f} ms in a batch  "
            f"{row['bound_ms']:6.2f} ms bound"
        )
    for key in ("growth", "threads"):
        for row in document[key]:  # type: ignore[attr-defined]
            print(row)
    print(document["online"], f"kernels loaded in {loaded:.2f} s")


if __name__ == "__main__":
    main()
