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

from minifactory.errors import Finding, InputError, SolverError
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


@dataclass(frozen=True)
class Steps:
    """The steps that a simulation took, and whether with the monotone scheme: others can repeat them."""

    plan: Array
    monotone: bool


def with_steps(
    runs: Sequence[tuple[Variant, Array]],
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
    *,
    threads: int | None = None,
) -> list[tuple[Solution, Steps]]:
    """The solution of each variant at its output times (nt,), and the steps that it took.

    Raises
    ------
    InputError, SolverError
        As :func:`integrate`.
    """
    chosen = tolerance or Tolerance()

    def solved(task: Task) -> tuple[Solution, Steps]:
        plan = np.zeros(chosen.max_steps)
        solution = run(task, plan)
        return solution, Steps(plan[: solution.steps].copy(), bool(solution.smeared))

    tasks = [prepare(v.network, v.state, v.sections, times, ports, chosen) for v, times in runs]
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        return list(pool.map(solved, tasks))


def simulate_each(
    runs: Sequence[tuple[Variant, Array]],
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
    *,
    steps: Sequence[Steps] | None = None,
    threads: int | None = None,
) -> list[Solution | SolverError]:
    """Solution or fault of each variant at output times (nt,) of its own, all together in lanes and threads.

    `steps`, one for each, are repeated whatever their error: what comes back is then a smooth function of the
    parameters, near those of the simulation that chose the steps.

    Raises
    ------
    InputError
        A variant that does not fit, before any is run.
    """
    chosen = tolerance or Tolerance()
    tasks = [prepare(v.network, v.state, v.sections, times, ports, chosen) for v, times in runs]
    if steps is not None:
        tasks = [replace(task, monotone=own.monotone) for task, own in zip(tasks, steps, strict=True)]
    plans = None if steps is None else [own.plan for own in steps]
    return run_all(tasks, threads=threads or os.cpu_count() or 1, plans=plans)


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
    repeated: Sequence[Steps] | None = None,
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
    repeated : sequence of Steps, optional
        Of each run, steps for the base run, too.

    The others are those of :func:`sensitivities`, and so is what is raised.
    """
    chosen = tolerance or Tolerance()
    names = tuple(at)
    if not names:
        raise InputError(Finding("sensitivities", "no parameters", "at least one"))
    count = threads or os.cpu_count() or 1

    def variants(values: Mapping[str, float]) -> list[tuple[Variant, Array]]:
        return [(build(values), times) for build, times in runs]

    if repeated is None:
        centres = with_steps(variants(at), ports, chosen, threads=count)
    else:
        alone = simulate_each(variants(at), ports, chosen, steps=repeated, threads=count)
        centres = [(_of(outcome), own) for outcome, own in zip(alone, repeated, strict=True)]
    # Absolute tolerances do not matter on forced steps, but the norm must stay finite.
    given = dict(steps or {})
    widths = {name: given.get(name, RELATIVE_STEP * (abs(at[name]) or 1.0)) for name in names}
    signs = (1.0,) if one_sided else (1.0, -1.0)
    moved = [{**at, name: at[name] + sign * widths[name]} for name in names for sign in signs]
    sides = [each for values in moved for each in variants(values)]
    own_steps = [own for _ in moved for _, own in centres]
    outcomes = simulate_each(sides, ports, chosen, steps=own_steps, threads=count)
    found = [_of(outcome) for outcome in outcomes]
    out = []
    for at_run, (base, _) in enumerate(centres):
        own = found[at_run :: len(runs)]
        pairs = [(each, base) for each in own] if one_sided else list(zip(own[::2], own[1::2], strict=True))
        lengths = [widths[name] * (1.0 if one_sided else 2.0) for name in names]
        parts = list(zip(pairs, lengths, strict=True))
        outlet = np.stack([(up.outlet - down.outlet) / length for (up, down), length in parts])
        passed = np.stack([(up.passed - down.passed) / length for (up, down), length in parts])
        out.append(Sensitivity(base, names, outlet, passed))
    return out


def _of(outcome: Solution | SolverError) -> Solution:
    if isinstance(outcome, SolverError):
        raise outcome
    return outcome
