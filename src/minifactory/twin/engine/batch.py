"""Many simulations at once: variants of a network, its feeds, flows and section times, in lanes and threads.

Each variant has its own step sizes, so the results are those of single runs to rounding and the tolerance.
Variants of equal structure (units, meshes, laws) share lanes, see :mod:`parallel`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from minifactory.errors import Finding, InputError, SolverError
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.parallel import run_all
from minifactory.twin.engine.sections import Section, Tolerance
from minifactory.twin.engine.solution import MassBalance, Solution, Task, estimated_error, prepare
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Variant:
    """One simulation of a batch: its network (parameters), initial state and sections.

    All variants of a batch have the same components; everything else may differ.
    """

    network: Network
    state: Array
    sections: Sequence[Section]


@dataclass(frozen=True)
class Batch:
    """Results of many simulations.

    Attributes
    ----------
    times : ndarray (nt,)
        s.
    ports : tuple of str
    outlet, passed : ndarray (n, nt, ports, nc)
        As in Solution; NaN where a simulation failed or was cancelled.
    balances : tuple of MassBalance or None
    faults : tuple of SolverError or None
        Why a simulation failed.
    steps : ndarray of int (n,)
    """

    times: Array
    ports: tuple[str, ...]
    outlet: Array
    passed: Array
    balances: tuple[MassBalance | None, ...]
    faults: tuple[SolverError | None, ...]
    steps: Array
    tasks: tuple[Task, ...] = field(default=(), repr=False, compare=False)

    def error(self, i: int) -> Array:
        """Estimate of the error of simulation i, (ports, nc), as :attr:`Solution.error`; NaN if it failed."""
        if self.faults[i] is not None:
            return np.full(self.outlet.shape[2:], np.nan)
        return estimated_error(self.tasks[i], self.outlet[i])


class Cancellation:
    """A flag that stops a batch from another thread."""

    def __init__(self) -> None:
        self.flag = np.zeros(1, dtype=np.int64)

    def cancel(self) -> None:
        """Stops every simulation at its next step; what is done already stays."""
        self.flag[0] = 1


def simulate_many(
    variants: Iterable[Variant],
    output_times: Array,
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancellation: Cancellation | None = None,
    device: Literal["cpu", "gpu"] = "cpu",
) -> Batch:
    """Outlets of `ports` of all variants at `output_times`; a failed one leaves NaN and its fault.

    Parameters
    ----------
    variants : iterable of Variant
    output_times : ndarray (nt,)
        s, within the sections of every variant.
    ports : sequence of str
    tolerance : Tolerance, optional
    threads : int, optional
        Number of threads; all cores by default.
    progress : callable (done, total), optional
        Called in the calling thread after each simulation.
    cancellation : Cancellation, optional
    device : {"cpu", "gpu"}
        "gpu": on a graphics card (extra ``[gpu]``), one simulation per thread; worth while from some
        thousands of simulations on. Progress is told and cancelling heard between groups of equal structure.

    Raises
    ------
    EnvironmentFault
        ``device="gpu"`` without numba-cuda or without a card.
    InputError
        A variant that does not fit, all of them checked before any is run; a model not offered on a card.
    """
    work = list(variants)
    if not work:
        raise InputError(Finding("simulate_many", "no variants", "at least one"))
    components = work[0].network.components
    if any(variant.network.components != components for variant in work):
        raise InputError(
            Finding("simulate_many", "variants with different components", "the same components")
        )
    chosen = tolerance or Tolerance()
    stop = cancellation or Cancellation()
    tasks = [prepare(v.network, v.state, v.sections, output_times, ports, chosen) for v in work]
    shape = (len(work), len(tasks[0].output_times), len(ports), len(components))
    outlet, passed = np.full(shape, np.nan), np.full(shape, np.nan)
    outcomes = run_all(
        tasks, threads=threads or os.cpu_count() or 1, cancel=stop.flag, progress=progress,
        card=device == "gpu",
    )  # fmt: skip
    solutions = [outcome if isinstance(outcome, Solution) else None for outcome in outcomes]
    for i, solution in enumerate(solutions):
        if solution is not None:
            outlet[i], passed[i] = solution.outlet, solution.passed
    balances = [None if solution is None else solution.balance for solution in solutions]
    faults = [outcome if isinstance(outcome, SolverError) else None for outcome in outcomes]
    steps = np.array([0 if solution is None else solution.steps for solution in solutions])
    return Batch(
        tasks[0].output_times, tuple(ports), outlet, passed, tuple(balances), tuple(faults), steps,
        tuple(tasks),
    )  # fmt: skip
