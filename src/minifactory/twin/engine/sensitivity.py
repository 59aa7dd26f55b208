"""Derivatives of a simulation with respect to any of its inputs, exact for the discrete solution.

The base simulation chooses its steps; perturbed ones repeat them, so that the result is a smooth function of
the parameters and differences do not see the step control. The derivative is that of the numbers that the
base run returns, independent of the perturbation over many decades.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


def sensitivities(
    build: Callable[[Mapping[str, float]], Variant],
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
    chosen = tolerance or Tolerance()
    names = tuple(at)
    if not names:
        raise InputError(Finding("sensitivities", "no parameters", "at least one"))

    def task(values: Mapping[str, float]) -> Task:
        variant = build(values)
        return prepare(variant.network, variant.state, variant.sections, output_times, ports, chosen)

    centre = task(at)
    plan = np.zeros(chosen.max_steps)
    base = run(centre, plan)
    plan = plan[: base.steps].copy()
    # Absolute tolerances do not matter on forced steps, but the norm must stay finite.
    given = dict(steps or {})
    widths = {name: given.get(name, RELATIVE_STEP * (abs(at[name]) or 1.0)) for name in names}

    sides = [task({**at, name: at[name] + sign * widths[name]}) for name in names for sign in (1.0, -1.0)]
    pairs: list[Solution] = []
    for outcome in run_all(sides, threads=threads or os.cpu_count() or 1, plan=plan):
        if not isinstance(outcome, Solution):
            raise outcome
        pairs.append(outcome)
    outlet = np.stack(
        [(pairs[2 * i].outlet - pairs[2 * i + 1].outlet) / (2.0 * widths[n]) for i, n in enumerate(names)]
    )
    passed = np.stack(
        [(pairs[2 * i].passed - pairs[2 * i + 1].passed) / (2.0 * widths[n]) for i, n in enumerate(names)]
    )
    return Sensitivity(base, names, outlet, passed)
