"""Derivatives of a simulation with respect to any of its inputs, exact for the discrete solution.

The base simulation chooses its steps; perturbed ones repeat them, so that the result is a smooth function of
the parameters and differences do not see the step control. The derivative is that of the numbers that the
base run returns, independent of the perturbation over many decades.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine.batch import Variant
from minifactory.twin.engine.parallel import run_all
from minifactory.twin.engine.sections import Tolerance
from minifactory.twin.engine.solution import Solution, Task, prepare, run
from minifactory.twin.engine.tables import Array

RELATIVE_STEP = 1e-5


@dataclass(frozen=True)
class Sensitivity:
    """A solution and its derivatives.

    Attributes
    ----------
    base : Solution
    names : tuple of str
        Parameters, in order.
    outlet, passed : ndarray (parameters, nt, ports, nc)
        Derivatives of the outlet concentrations and of the amounts passed, per unit of each parameter.
    """

    base: Solution
    names: tuple[str, ...]
    outlet: Array
    passed: Array


Build = Callable[[Mapping[str, float]], Variant]


def sensitivities(
    build: Build,
    at: Mapping[str, float],
    output_times: Array,
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
    *,
    steps: Mapping[str, float] | None = None,
    threads: int | None = None,
) -> Sensitivity:
    """The solution at parameters `at` and its derivatives: central differences on the steps of the base run.

    Parameters
    ----------
    build : callable
        Makes the simulation of given parameter values; it must depend on them smoothly, with the same mesh.
    at : Mapping of str to float
        Values of the parameters.
    output_times, ports, tolerance
        As :func:`integrate`.
    steps : Mapping of str to float, optional
        Perturbations; 1e-5 of the value (1e-5 for zero) by default.

    Raises
    ------
    InputError, SolverError
        As :func:`integrate`, also for a perturbed simulation.
    """
    return sensitivities_of_each([(build, output_times)], at, ports, tolerance, steps=steps, threads=threads)[
        0
    ]


def sensitivities_of_each(
    runs: Sequence[tuple[Build, Array]],
    at: Mapping[str, float],
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
    *,
    steps: Mapping[str, float] | None = None,
    one_sided: bool = False,
    threads: int | None = None,
) -> list[Sensitivity]:
    """:func:`sensitivities` of several simulations with the same parameters, all together.

    Parameters
    ----------
    runs : sequence of (callable, ndarray)
        Build and output times of each.
    one_sided : bool
        Differences to the base run instead of central ones: half the work, an error of the order of the
        relative step instead of its square.

    The others are those of :func:`sensitivities`, and so is what is raised.
    """
    chosen = tolerance or Tolerance()
    names = tuple(at)
    if not names:
        raise InputError(Finding("sensitivities", "no parameters", "at least one"))
    count = threads or os.cpu_count() or 1

    def task(run: tuple[Build, Array], values: Mapping[str, float]) -> Task:
        variant = run[0](values)
        return prepare(variant.network, variant.state, variant.sections, run[1], ports, chosen)

    def with_plan(centre: Task) -> tuple[Solution, Array]:
        plan = np.zeros(chosen.max_steps)
        solution = run(centre, plan)
        return solution, plan[: solution.steps].copy()

    with ThreadPoolExecutor(count) as pool:
        bases = list(pool.map(with_plan, [task(each, at) for each in runs]))
    # Absolute tolerances do not matter on forced steps, but the norm must stay finite.
    given = dict(steps or {})
    widths = {name: given.get(name, RELATIVE_STEP * (abs(at[name]) or 1.0)) for name in names}
    signs = (1.0,) if one_sided else (1.0, -1.0)
    moved = [{**at, name: at[name] + sign * widths[name]} for name in names for sign in signs]
    sides = [
        replace(task(each, values), monotone=bool(base.smeared))
        for each, (base, _) in zip(runs, bases, strict=True)
        for values in moved
    ]
    plans = [plan for _, plan in bases for _ in moved]
    found: list[Solution] = []
    for outcome in run_all(sides, threads=count, plans=plans):
        if not isinstance(outcome, Solution):
            raise outcome
        found.append(outcome)
    out = []
    for at_run, (base, _) in enumerate(bases):
        own = found[at_run * len(moved) : (at_run + 1) * len(moved)]
        pairs = [(each, base) for each in own] if one_sided else list(zip(own[::2], own[1::2], strict=True))
        lengths = [widths[name] * (1.0 if one_sided else 2.0) for name in names]
        parts = list(zip(pairs, lengths, strict=True))
        outlet = np.stack([(up.outlet - down.outlet) / length for (up, down), length in parts])
        passed = np.stack([(up.passed - down.passed) / length for (up, down), length in parts])
        out.append(Sensitivity(base, names, outlet, passed))
    return out
