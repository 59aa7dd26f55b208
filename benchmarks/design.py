"""Virtual design, measured: the published study, sampling speed, and whether stated probabilities hold.

python -m benchmarks.design leweke|samples|cluster|batches [--count N] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client
from tests.design import leweke
from tests.engine.verification import PROTEINS

from minifactory.app.case import open_case
from minifactory.app.cluster import DaskCluster
from minifactory.app.designing import description_of, limits_of
from minifactory.app.workers import LocalProcesses
from minifactory.design.ledger import Ledger
from minifactory.design.optimisation import Effort, optimise
from minifactory.design.robustness import Probability, robustness
from minifactory.design.search import Limit, Objective
from minifactory.design.uncertainty import Factor, factors_of
from minifactory.design.whole_case import WholeCase
from minifactory.plant.parameters import Uncertainty

CASE = Path(__file__).parents[1] / "cases" / "cex-polish"


def published_study() -> dict[str, Any]:
    """Cuts, optimum from scratch and robustness of the Leweke and von Lieres step."""
    fine = leweke.step((12, 5, 6), 1e-6)
    (published,) = fine.evaluate([leweke.published()])
    (cuts,) = leweke.step((12, 5, 6), 1e-6, purity=published["purity"]).evaluate([{}])
    (strict,) = fine.evaluate([{}])
    ledger = Ledger(None, LocalProcesses(2))
    begun = time.monotonic()
    found = optimise(
        leweke.step(), leweke.SHAPE, [Objective("yield", True)], [], ledger, Effort(24, 600, 150, 1)
    )
    seconds = time.monotonic() - begun
    (best,) = fine.evaluate([found.values])
    factors = [Factor(f"load.start.{name}", 1.0, Uncertainty("uniform", 0.2)) for name in PROTEINS]
    limits = [Limit("purity", True, 0.95), Limit("yield", True, 0.88)]
    begun = time.monotonic()
    robust = robustness(leweke.step(), factors, limits, ledger, 10_000, fixed=leweke.published())
    return {
        "published yield": published["yield"],
        "published purity": published["purity"],
        "cut differences at that purity (s)": [
            cuts["cut_start"] - leweke.PUBLISHED_CUTS[0],
            cuts["cut_end"] - leweke.PUBLISHED_CUTS[1],
        ],
        "cut differences at 0.95 (s)": [
            strict["cut_start"] - leweke.PUBLISHED_CUTS[0],
            strict["cut_end"] - leweke.PUBLISHED_CUTS[1],
        ],
        "optimum": dict(found.values),
        "optimum yield": best["yield"],
        "optimum purity": best["purity"],
        "candidates": len(found.evaluations),
        "optimum (s)": seconds,
        "probabilities": {item.title: str(one) for item, one in zip(limits, robust.each, strict=True)},
        "10 000 samples (s)": time.monotonic() - begun,
    }


def sampling(samples: int) -> dict[str, Any]:
    """Wall time of samples of the whole cex-polish recipe on two processes."""
    case = open_case(CASE)
    description = description_of(case)
    problem = WholeCase(description, elements=3)
    factors = factors_of(description.plant.parameters)
    begun = time.monotonic()
    found = robustness(
        problem, factors, limits_of(case.targets), Ledger(None, LocalProcesses(2)), samples, seed=2
    )
    seconds = time.monotonic() - begun
    return {"samples": samples, "seconds": seconds, "all limits": str(found.together)}


def clustered(samples: int) -> dict[str, Any]:
    """The same samples on two local processes and on a Dask cluster of two workers of which one is killed."""
    case = open_case(CASE)
    description = description_of(case)
    problem, limits = WholeCase(description, elements=3), limits_of(case.targets)
    factors = factors_of(description.plant.parameters)
    found, seconds = {}, {}
    with _cluster() as (address, workers):
        for name in ("local", "cluster"):
            executor = LocalProcesses(2) if name == "local" else DaskCluster(address)
            begun = time.monotonic()
            if name == "cluster":
                victim = threading.Timer(0.3 * seconds["local"], workers[0].kill)
                victim.start()
            try:
                found[name] = robustness(problem, factors, limits, Ledger(None, executor), samples, seed=2)
            finally:
                if isinstance(executor, DaskCluster):
                    executor.close()
            seconds[name] = time.monotonic() - begun
        victim.join()
    return {
        "samples": samples,
        "seconds": seconds,
        "all limits": {name: str(one.together) for name, one in found.items()},
        "same numbers": found["local"].evaluations == found["cluster"].evaluations,
        "worker killed": workers[0].poll() is not None,
    }


@contextmanager
def _cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler on loopback and two workers of one thread each, one of which may be killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    tool = [sys.executable, "-m"]
    with tempfile.TemporaryDirectory() as place:
        scheduler = [*tool, "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard"]
        worker = [*tool, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
        worker += ["--host", "127.0.0.1", "--no-nanny", "--local-directory", place]
        processes = [subprocess.Popen(command, **quiet) for command in (scheduler, worker, worker)]
        try:
            with Client(address, timeout=60, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=90)
            yield address, processes[1:]
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _batch(job: tuple[Path, int]) -> tuple[float, float, float]:
    """Yield, purity and pool volume of one virtual batch whose truth is a draw as in the design."""
    from minifactory.app.links import Options
    from minifactory.app.main_job import examine, run_case

    folder, seed = job
    with tempfile.TemporaryDirectory() as place:
        honest = _without_mismatch(folder, Path(place) / "case")
        case = open_case(honest)
        prediction, passed = examine(case, 0)
        options = Options(in_memory=True, seed=seed)
        done = run_case(case, options, Path(place) / "runs", prediction, passed)
    figures = done.performance
    if figures is None:
        return np.nan, np.nan, np.nan
    return figures["yield"], figures["purity"], figures["pool_volume"]


def _without_mismatch(folder: Path, place: Path) -> Path:
    """A copy of a case whose virtual skid's truth is a plain draw from the stated uncertainties."""
    place.mkdir()
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        (place / path.name).write_text(text.split("\nmismatch:")[0], encoding="utf-8")
    return place


def batches(folder: Path, count: int, limits: dict[str, float], keep: Path | None) -> dict[str, Any]:
    """How often virtual batches meet limits, beside the stated probability.

    A line per batch is appended to `keep`; seeds that it holds are not run again.
    """
    case = open_case(folder)
    description = description_of(case)
    asked = [Limit("yield", True, limits["yield"]), Limit("purity", True, limits["purity"])]
    factors = factors_of(description.plant.parameters)
    stated = robustness(
        WholeCase(description, elements=4), factors, asked, Ledger(None, LocalProcesses(2)), 1000, seed=3
    )
    known: dict[int, list[float]] = {}
    if keep is not None and keep.exists():
        known = {line["seed"]: line["figures"] for line in map(json.loads, keep.read_text().splitlines())}
    wanted = [(folder, seed) for seed in range(count) if seed not in known]
    with ProcessPoolExecutor(2) as pool:
        for (_, seed), figures in zip(wanted, pool.map(_batch, wanted), strict=True):
            known[seed] = list(figures)
            if keep is not None:
                with keep.open("a") as file:
                    file.write(json.dumps({"seed": seed, "figures": known[seed]}) + "\n")
    found = [known[seed] for seed in range(count)]
    met = sum(one[0] >= limits["yield"] and one[1] >= limits["purity"] for one in found)
    return {
        "stated": str(stated.together),
        "met by virtual batches": str(Probability(met, count)),
        "each": found,
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("leweke", "samples", "cluster", "batches"))
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="file with a line per batch, to go on from")
    chosen = parser.parse_args()
    if chosen.what == "leweke":
        result = published_study()
    elif chosen.what == "samples":
        result = sampling(chosen.count or 10_000)
    elif chosen.what == "cluster":
        result = clustered(chosen.count or 10_000)
    else:
        result = batches(CASE, chosen.count or 200, {"yield": 0.935, "purity": 0.998}, chosen.keep)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
