"""Runs many prepared integrations: those of equal structure in lanes, the others one by one, over threads.

Equal structure means the same units, meshes, components and laws, whatever the numbers. Eight such
simulations step together on one core, a lane that is done takes the next one, and threads share the queue;
the kernels run without the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from minifactory.errors import SolverError
from minifactory.numerics.lanes import WIDTH
from minifactory.twin.binding.law_kernels import law_address
from minifactory.twin.engine import gpu
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine.bundles import Jobs, bundle_of
from minifactory.twin.engine.scratch import aligned, new_lanes
from minifactory.twin.engine.solution import Solution, Task, held, jobs_of, run, solution_of
from minifactory.twin.engine.tables import LAW, Array, Integers, Tables

# A step of eight lanes costs about as much as one and a half of a single simulation.
LEAST = 3
_LOOK = 0.05  # s between looks at what is done

Outcome = Solution | SolverError


def run_all(
    tasks: Sequence[Task],
    *,
    threads: int,
    cancel: Integers | None = None,
    progress: Callable[[int, int], None] | None = None,
    plans: Sequence[Array] | None = None,
    card: bool = False,
) -> list[Outcome]:
    """Solution or fault of every task, in order.

    `plans` (steps,), one per task, force these steps on the tasks, see :func:`solution.run`. `progress` is
    called with done and total after each simulation. With `card` all run on a graphics card; EnvironmentFault
    where there is none, InputError for a model that it does not know.
    """
    stop = np.zeros(1, dtype=np.int64) if cancel is None else cancel
    forced = plans is not None
    outcomes: list[Outcome | None] = [None] * len(tasks)
    groups: dict[bytes, list[int]] = {}
    for i, task in enumerate(tasks):
        groups.setdefault(_structure(task), []).append(i)
    told = 0

    def tell(finished: int) -> None:
        nonlocal told
        while told < finished:
            told += 1
            if progress is not None:
                progress(told, len(tasks))

    def one(i: int) -> None:
        try:
            outcomes[i] = run(tasks[i], None if plans is None else plans[i].copy(), forced, stop)
        except SolverError as fault:
            outcomes[i] = fault

    def hold(i: int) -> None:
        outcome = outcomes[i]
        try:
            assert outcome is not None
            outcomes[i] = held(tasks[i], outcome, None, forced, stop)
        except SolverError as fault:
            outcomes[i] = fault

    with ThreadPoolExecutor(threads) as pool:
        if card:
            for members in groups.values():
                gpu.check_offered(tasks[members[0]])
            for members in groups.values():
                for i, outcome in zip(members, gpu.run_on_card([tasks[i] for i in members]), strict=True):
                    outcomes[i] = outcome
                for _ in pool.map(hold, members):
                    pass
                tell(told + len(members))
            return [outcome for outcome in outcomes if outcome is not None]
        alone: list[int] = []
        laned: list[tuple[list[int], Jobs]] = []
        workers: list[Future[None]] = []
        for members in groups.values():
            own = [tasks[i] for i in members]
            tables = _lane_tables(own[0]) if len(members) >= LEAST else None
            if tables is None:
                alone += members
                continue
            jobs = jobs_of(own, None if plans is None else _padded([plans[i] for i in members]), stop)
            laned.append((members, jobs))
            workers += [
                pool.submit(_work, own[0], tables, jobs, forced)
                for _ in range(min(threads, -(-len(members) // WIDTH)))
            ]
        singles = [pool.submit(one, i) for i in alone]
        _await(
            [*workers, *singles],
            lambda: tell(
                sum(int(np.count_nonzero(jobs.status != control.RUNNING)) for _, jobs in laned)
                + sum(future.done() for future in singles)
            ),
        )
        for members, jobs in laned:
            for job, i in enumerate(members):
                try:
                    outcomes[i] = solution_of(tasks[i], jobs, job)
                except SolverError as fault:
                    outcomes[i] = fault
        # Fronts that the mesh could not hold, one by one.
        for _ in pool.map(hold, [i for members, _ in laned for i in members]):
            pass
    return [outcome for outcome in outcomes if outcome is not None]


def _padded(plans: Sequence[Array]) -> Array:
    """Plans (jobs, steps) in one array; what stands behind the last step of a job is never looked at."""
    table = np.zeros((len(plans), max(len(plan) for plan in plans)))
    for row, plan in zip(table, plans, strict=True):
        row[: len(plan)] = plan
    return table


def _await(futures: Sequence[Future[None]], look: Callable[[], None]) -> None:
    """Waits for all, looking at what is done from time to time; raises what they raised."""
    waiting = set(futures)
    while waiting:
        _, waiting = wait(waiting, timeout=_LOOK)
        look()
    for future in futures:
        future.result()


def _structure(task: Task) -> bytes:
    """Equal for tasks that may step together."""
    tb, shape = task.tables, (task.flows.shape[2], task.inlets.shape[2])
    # A parameter that may be an index of a component must be the same in all lanes.
    p = tb.law_parameters
    index = np.where((p >= 0.0) & (p < tb.components) & (p == np.floor(p)), p, -1.0)
    arrays = (
        tb.unit, tb.order, tb.link_source, tb.link_target, tb.link_end, tb.out_links, tb.group,
        tb.operators, tb.floor, index, task.output_times,
    )  # fmt: skip
    head = f"{shape} {task.relative} {task.max_steps} {task.ports} {tb.law_parameters.shape}"
    return head.encode() + b"".join(array.tobytes() for array in arrays)


def _lane_tables(task: Task) -> Tables | None:
    """The tables of a structure with its laws in the form for lanes; None where it cannot go in lanes.

    A law may run through Python; and where liquid goes round or backwards, the order of solution may differ
    from one simulation to the next.
    """
    layout, tables = task.network.layout, task.tables
    if layout.sizes.torn > 0 or np.any(tables.link_end):
        return None
    unit = tables.unit.copy()
    for u, binding in enumerate(layout.bindings):
        if binding is not None and binding.bound:
            unit[u, LAW] = law_address(binding.law, lanes=True)
            if unit[u, LAW] == 0:
                return None
    return tables._replace(unit=unit)


def _work(task: Task, tables: Tables, jobs: Jobs, forced: bool) -> None:
    """One thread: runs jobs in lanes until none is left."""

    def spread(array: Array) -> Array:
        wide = aligned(*array.shape[:-1], WIDTH)
        wide[:] = array
        return wide

    own = tables._replace(
        by_unit=spread(tables.by_unit),
        by_component=spread(tables.by_component),
        stoichiometry=spread(tables.stoichiometry),
        kinetic=spread(tables.kinetic),
        law_parameters=spread(tables.law_parameters),
    )
    course = new_lanes(task.network.layout, task.flows.shape[2], task.inlets.shape[2], WIDTH)
    given = [bundle_of(part) for part in (own, jobs, course)]
    control.run_jobs_in_lanes(*[part.words for part in given], task.relative, task.max_steps, False, forced)
