"""Virtual design, measured: the published study, sampling speed, and whether stated probabilities hold.

python -m benchmarks.design leweke|samples|cluster|batches|optimum [--count N] [--runs FOLDER]
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client
from tests.design import leweke, short
from tests.engine.verification import PROTEINS

from minifactory.app.case import open_case
from minifactory.app.cluster import DaskCluster
from minifactory.app.designing import Choices, description_of, design, limits_of
from minifactory.app.workers import LocalProcesses
from minifactory.design.ledger import Ledger
from minifactory.design.optimisation import Effort, optimise
from minifactory.design.robustness import robustness
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


def batches(case: Path, study: str, count: int, runs: Path, of: str | None = None) -> dict[str, Any]:
    """What a study of kind verify finds: stated probabilities beside the shares of virtual batches.

    What is known in `runs` is not computed again; `of` names the study whose recommendation is run.
    """
    choices = Choices(batches=count, workers=2, of=of, samples=500 if of else None)
    return design(open_case(case), study, choices, runs).as_dict()


def recommended(count: int, runs: Path) -> dict[str, Any]:
    """The same of an optimum: that of a polishing step of 20 min on a short bed."""
    with tempfile.TemporaryDirectory() as place:
        return batches(short.made(Path(place) / "short"), "verify", count, runs, "most")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("leweke", "samples", "cluster", "batches", "optimum"))
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of batches, to go on from")
    chosen = parser.parse_args()
    if chosen.what == "leweke":
        result = published_study()
    elif chosen.what == "samples":
        result = sampling(chosen.count or 10_000)
    elif chosen.what == "cluster":
        result = clustered(chosen.count or 10_000)
    elif chosen.what == "optimum":
        result = recommended(chosen.count or 200, chosen.runs)
    else:
        result = batches(CASE, "as-stated", chosen.count or 200, chosen.runs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
