"""Batches on a graphics card: one simulation per thread, 32 of a warp in lock-step like lanes.

The equations, the linear algebra and the step control are those of the processor, compiled once more by
numba-cuda (:mod:`minifactory.numerics.on_device`); here is only what feeds them. The numbers of neighbouring
simulations lie side by side in memory, so that a warp reads whole lines. A thread that is done takes the next
job. It pays from some thousands of simulations on: a card runs as many threads at once.

Offered are all units and beds with the laws of :data:`LAWS`, without streams that go round or backwards.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minifactory.errors import Finding, InputError, SolverError
from minifactory.numerics.on_device import load_cuda, simulated
from minifactory.twin.binding import langmuir, linear, steric_mass_action
from minifactory.twin.engine.bundles import LaneState
from minifactory.twin.engine.scratch import new_lanes
from minifactory.twin.engine.solution import Solution, Task, jobs_of, solution_of
from minifactory.twin.engine.tables import LAW, Array

LAWS = (linear.LAW, langmuir.LAW, steric_mass_action.LAW)
"""Binding laws that a card knows; their places are their numbers there."""
MOST_BOUND, MOST_COMPONENTS = 8, 16
"""Bound states and components of a bed, for which a thread has room."""
_WARP = 32
_SHARE = 0.8  # of the free memory of the card
_MOST_LANES = 1 << 16


def run_on_card(tasks: Sequence[Task], lanes: int | None = None) -> list[Solution | SolverError]:
    """Solution or fault of every task, in order; all of one structure.

    `lanes` is how many run at once; as many as fit into the memory of the card by default.

    Raises
    ------
    EnvironmentFault
        No numba-cuda, or no card.
    InputError
        A model that is not offered on a card.
    """
    check_offered(tasks[0])
    cuda = load_cuda()
    task = tasks[0]
    layout = task.network.layout
    # Parameters come with the jobs, also of a single one.
    jobs = jobs_of([*tasks, task] if len(tasks) == 1 else tasks)
    links, inlets = task.flows.shape[2], task.inlets.shape[2]
    count = lanes or _lanes_that_fit(cuda, new_lanes(layout, links, inlets, 1), len(jobs.status))
    state = new_lanes(layout, links, inlets, count)
    unit = layout.tables.unit.copy()
    for u, binding in enumerate(layout.bindings):
        if binding is not None and binding.bound:
            unit[u, LAW] = LAWS.index(binding.law)

    def spread(array: Array) -> Array:
        return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:-1], count)))

    tb = layout.tables
    tables = tb._replace(
        unit=unit, by_unit=spread(tb.by_unit), by_component=spread(tb.by_component),
        stoichiometry=spread(tb.stoichiometry), kinetic=spread(tb.kinetic),
        law_parameters=spread(tb.law_parameters),
    )  # fmt: skip
    there = [_moved(cuda, part) for part in (tables, jobs, state)]
    from minifactory.twin.engine.gpu_kernel import card_kernel  # needs numba-cuda

    # The simulator's threads exchange the globals of functions under each other: one at a time there.
    width = 1 if simulated() else min(count, _WARP)
    card_kernel()[math.ceil(count / width), width](*there, task.relative, task.max_steps)
    for name in ("out", "end", "clock", "counts", "status"):
        getattr(jobs, name)[...] = getattr(there[1], name).copy_to_host()
    outcomes: list[Solution | SolverError] = []
    for job, each in enumerate(tasks):
        try:
            outcomes.append(solution_of(each, jobs, job))
        except SolverError as fault:
            outcomes.append(fault)
    return outcomes


def check_offered(task: Task) -> None:
    """InputError when a card cannot compute `task`."""
    layout = task.network.layout
    findings: list[tuple[str, str, str]] = []
    tb = layout.tables
    offered = ", ".join(law.name for law in LAWS)
    for name, binding in zip(layout.names, layout.bindings, strict=True):
        if binding is not None and binding.bound and binding.law not in LAWS:
            findings.append((f"unit {name}", f"binding law {binding.law.name}", offered))
        if binding is not None and len(binding.bound) > MOST_BOUND:
            findings.append((f"unit {name}", f"{len(binding.bound)} bound states", f"at most {MOST_BOUND}"))
    if tb.components > MOST_COMPONENTS:
        findings.append(("network", f"{tb.components} components", f"at most {MOST_COMPONENTS}"))
    if layout.sizes.torn > 0 or np.any(tb.link_end):
        findings.append(("network", "liquid that goes round or backwards", "streams that lead on"))
    if findings:
        remedy = 'Leave device="gpu" out.'
        raise InputError(
            [Finding(f'device="gpu": {where}', found, most, remedy) for where, found, most in findings]
        )


def _lanes_that_fit(cuda: Any, one: LaneState, jobs: int) -> int:
    if simulated():
        return min(jobs, _WARP)
    size = sum(array.nbytes for array in _leaves(one))
    free, _ = cuda.current_context().get_memory_info()
    return max(1, min(jobs, int(_SHARE * free / size), _MOST_LANES))


def _leaves(part: Any) -> list[Any]:
    if isinstance(part, tuple):
        return [leaf for each in part for leaf in _leaves(each)]
    return [part] if isinstance(part, np.ndarray) else []


def _moved(cuda: Any, part: Any) -> Any:
    """Tables, jobs or lanes with their arrays on the card."""
    if isinstance(part, tuple):
        return type(part)(*[_moved(cuda, each) for each in part])
    if isinstance(part, np.ndarray):
        return cuda.to_device(part)
    return part
