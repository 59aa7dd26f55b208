"""Integration of a network through sections of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from minifactory.errors import Finding, InputError, SolverError, did_you_mean
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine.bundles import Jobs, bundle_of
from minifactory.twin.engine.error_estimate import LOOSER, carried_over, coarser
from minifactory.twin.engine.flow_course import turned_back
from minifactory.twin.engine.layout import Layout
from minifactory.twin.engine.levels import check_levels
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.scratch import new_lanes, solver_error
from minifactory.twin.engine.sections import (
    STEP_PART,
    Section,
    Tolerance,
    absolute_tolerances,
    forward_if_possible,
    section_arrays,
)
from minifactory.twin.engine.tables import AT_STATE, NODES, VESSEL, Array, Integers, Tables

MASS_TOLERANCE = 1e-8


@dataclass(frozen=True)
class MassBalance:
    """Amounts per component in mol, (nc,): entered, left, held at start and end; and how well they close.

    `closure` is |entered - left - gained| relative to the largest of entered and held, at least a millionth
    of that of the most abundant component.
    """

    entered: Array
    left: Array
    held_before: Array
    held_after: Array

    @property
    def closure(self) -> Array:
        """Relative closure per component, (nc,)."""
        gap = np.abs(self.entered - self.left - (self.held_after - self.held_before))
        size = np.maximum.reduce([self.entered, np.abs(self.held_before), np.abs(self.held_after)])
        # What is not there at all is there to rounding of what is.
        size = np.maximum(size, 1e-6 * size.max())
        return np.asarray(gap / np.where(size > 0.0, size, 1.0))


@dataclass(frozen=True)
class Solution:
    """What an integration gives.

    Attributes
    ----------
    times : ndarray (nt,)
        s.
    ports : tuple of str
        Units whose outlets were asked for.
    outlet : ndarray (nt, ports, nc)
        Concentrations at the outlets, mol/m3.
    passed : ndarray (nt, ports, nc)
        Amount that has passed each outlet since the start, mol: the difference between two times is the
        content of a pool, exact to the integration.
    state : ndarray (size,)
        End state, the start of a following integration.
    balance : MassBalance
    steps, rejected : int
    smeared : tuple of str
        Beds computed with a monotone scheme of first order because their mesh cannot hold a front (see
        ``Tolerance``): nothing is negative, but fronts are wider than the column's, by about one plate per
        node. A finer mesh, or :func:`integrate_to`, cures it.
    volumes : ndarray (nt, ports)
        Liquid in these units, m3: the level of a vessel.
    """

    times: Array
    ports: tuple[str, ...]
    outlet: Array
    passed: Array
    state: Array
    balance: MassBalance
    steps: int
    rejected: int
    volumes: Array
    smeared: tuple[str, ...] = ()
    task: Task | None = field(default=None, repr=False, compare=False)

    @cached_property
    def error(self) -> Array:
        """Estimate of the largest error of each outlet, relative to its peak, (ports, nc).

        Computed when it is first asked for, by a coarser and looser run that costs about a third of this one
        (:mod:`error_estimate` says what it can miss); infinite where that run fails, 0 where a component is
        below a millionth of its scale.
        """
        assert self.task is not None
        return estimated_error(self.task, self.outlet)


def port_states(network: Network, ports: Sequence[str]) -> Integers:
    """Places in the state of the outlets of `ports`, of the amounts that passed them, of their volumes."""
    layout = network.layout
    tb = layout.tables
    unknown = [port for port in ports if port not in layout.unit_index]
    if unknown:
        raise InputError(
            [Finding("ports", f'no unit "{p}"', "", did_you_mean(p, layout.unit_index)) for p in unknown]
        )
    nc = tb.components
    units = [layout.unit_index[port] for port in ports]
    outlets = [int(tb.unit[u, AT_STATE] + (tb.unit[u, NODES] - 1) * nc) for u in units]
    passed = [tb.integrals + u * nc for u in units]
    volumes = [tb.size - tb.units + u for u in units]
    return np.array([at + k for at in outlets + passed for k in range(nc)] + volumes, dtype=np.int64)


def port_values(network: Network, ports: Sequence[str], values: Array) -> tuple[Array, Array, Array]:
    """Outlet concentrations and amounts passed (nt, ports, nc), and volumes (nt, ports), of `ports`."""
    tb, count = network.layout.tables, len(ports)
    volumes = values[:, len(values[0]) - count :] if len(values) else np.zeros((0, count))
    outlet, passed = (
        values[:, i * count * tb.components : (i + 1) * count * tb.components].reshape(
            len(values), count, tb.components
        )
        for i in range(2)
    )
    units = [network.layout.unit_index[port] for port in ports]
    if np.any(tb.unit[units, VESSEL]):
        vessel = tb.unit[units, VESSEL] == 1
        filled = np.where(vessel, np.maximum(volumes, tb.floor[units]), 1.0)
        outlet = outlet / filled[:, :, None]
        outlet[vessel & (volumes <= tb.floor[units])] = 0.0
    return outlet, passed, volumes


def without_integrals(layout: Layout, state: Array) -> Array:
    """A copy of `state` with its integrals at zero."""
    copy = np.array(state, dtype=float)
    copy[layout.tables.integrals : layout.tables.size - layout.tables.units] = 0.0
    return copy


def balance_of(layout: Layout, before: Array, after: Array) -> MassBalance:
    """Mass balance between two states, the integrals of `before` being zero."""
    nc = layout.tables.components
    at = layout.tables.integrals + layout.tables.units * nc
    return MassBalance(
        after[at + nc : at + 2 * nc].copy(),
        after[at : at + nc].copy(),
        layout.amounts(before),
        layout.amounts(after),
    )


@dataclass(frozen=True)
class Task:
    """A checked integration, ready to run; `monotone`: with the scheme of first order from the start."""

    network: Network
    times: Array
    flows: Array
    inlets: Array
    before: Array
    absolute: Array
    relative: float
    max_steps: int
    output_times: Array
    ports: tuple[str, ...]
    scales: Array
    least: Array
    undershoot: float
    monotone: bool = False

    @property
    def tables(self) -> Tables:
        """The tables of the network with the operators of its scheme."""
        layout = self.network.layout
        return layout.holding() if self.monotone else layout.tables


def prepare(
    network: Network,
    state: Array,
    sections: Sequence[Section],
    output_times: Array,
    ports: Sequence[str],
    tolerance: Tolerance,
) -> Task:
    """The checked arrays of an integration; arguments as :func:`integrate`."""
    network, sections = forward_if_possible(network, sections)
    times, flows, inlets = section_arrays(network, sections)
    before = _checked_state(network.layout, state)
    scales = _scales(network, tolerance, inlets, before)
    levels = check_levels(network, before, times, flows)
    typical = dict(zip(levels.vessels, levels.volumes.max(axis=0), strict=True))
    return Task(
        network, times, flows, inlets, before, absolute_tolerances(network, tolerance, scales, typical),
        tolerance.of_step, tolerance.max_steps, _checked_times(output_times, times), tuple(ports),
        scales, _least(network, inlets, before), tolerance.undershoot,
    )  # fmt: skip


def _least(network: Network, inlets: Array, state: Array) -> Array:
    """Lowest concentration (nc,) that enters or is there, at most 0, mol/m3; -inf: no sharp fronts."""
    layout = network.layout
    lowest = np.minimum(inlets.min(axis=(0, 1, 2), initial=0.0), 0.0)
    for u in range(layout.tables.units):
        lowest = np.minimum(lowest, layout.concentrations(state, u).min(axis=0))
    return np.where(np.any(layout.fronts, axis=0), lowest, -np.inf)


def _undershoots(task: Task, outlet: Array) -> bool:
    """Whether a front in `outlet` (nt, ports, nc) was too sharp for the mesh."""
    size = np.maximum(task.scales, outlet.max(axis=(0, 1), initial=0.0))
    return bool(np.any(outlet < task.least - task.undershoot * size))


def run(
    task: Task, plan: Array | None = None, forced: bool = False, cancel: Integers | None = None
) -> Solution:
    """The solution of `task`.

    `plan` (steps,) becomes the lengths of the steps, as fractions of what is left of their section; with
    `forced` they are taken from there, whatever their error. ``cancel[0]`` not zero stops the run.
    """
    try:
        outcome: Solution | SolverError = run_on(task, task.tables, plan, forced, cancel)
    except SolverError as fault:
        outcome = fault
    return held(task, outcome, plan, forced, cancel)


def held(
    task: Task, outcome: Solution | SolverError, plan: Array | None, forced: bool, cancel: Integers | None
) -> Solution:
    """`outcome`, computed once more with the monotone scheme where a front undershot or stopped it.

    Not on forced steps, which repeat what another run did.
    """
    layout = task.network.layout
    may_hold = not forced and not task.monotone and task.undershoot < np.inf and bool(np.any(layout.fronts))
    if isinstance(outcome, SolverError):
        if not may_hold or (cancel is not None and cancel[0] != 0):
            raise outcome
    elif not may_hold or not _undershoots(task, outcome.outlet):
        return outcome
    beds = tuple(name for name, front in zip(layout.names, layout.fronts, strict=True) if np.any(front))
    return replace(run_on(task, layout.holding(), plan, forced, cancel), smeared=beds)


def run_on(task: Task, tables: Tables, plan: Array | None, forced: bool, cancel: Integers | None) -> Solution:
    """The solution of `task` with these tables of its network."""
    layout = task.network.layout
    jobs = jobs_of([task], None if plan is None else plan[None, :], cancel)
    lanes = new_lanes(layout, task.flows.shape[2], task.inlets.shape[2], 1)
    given = [bundle_of(part) for part in (tables.of_its_own(), jobs, lanes)]
    control.run_jobs(*[part.words for part in given], task.relative, task.max_steps, False, forced)
    jobs.end[0] = turned_back(layout.tables, jobs.end[0], lanes.scratch.course.turned)
    return solution_of(task, jobs, 0)


def jobs_of(tasks: Sequence[Task], plan: Array | None = None, cancel: Integers | None = None) -> Jobs:
    """Tasks of one structure laid out for the kernels; parameters only where there are several."""
    first = np.concatenate(([0], np.cumsum([len(task.times) for task in tasks])))
    states = port_states(tasks[0].network, tasks[0].ports)
    count, size = len(tasks), len(tasks[0].before)
    tables = [task.network.layout.tables for task in tasks if count > 1]

    def stacked(arrays: list[Array], like: Array) -> Array:
        return np.stack(arrays)[..., 0] if arrays else np.empty((0, *like.shape[:-1]))

    tb = tasks[0].network.layout.tables
    return Jobs(
        first=first.astype(np.int64),
        times=np.concatenate([task.times for task in tasks]),
        flows=np.concatenate([task.flows for task in tasks]),
        inlets=np.concatenate([task.inlets for task in tasks]),
        start=np.stack([task.before for task in tasks]),
        absolute=np.stack([task.absolute for task in tasks]),
        by_unit=stacked([t.by_unit for t in tables], tb.by_unit),
        by_component=stacked([t.by_component for t in tables], tb.by_component),
        stoichiometry=stacked([t.stoichiometry for t in tables], tb.stoichiometry),
        kinetic=stacked([t.kinetic for t in tables], tb.kinetic),
        law_parameters=stacked([t.law_parameters for t in tables], tb.law_parameters),
        plan=np.zeros((count, 0)) if plan is None else plan,
        out_times=tasks[0].output_times,
        out_states=states,
        out=np.zeros((count, len(tasks[0].output_times), len(states))),
        end=np.zeros((count, size)),
        clock=np.zeros((count, 5)),
        counts=np.zeros((count, 3), dtype=np.int64),
        status=np.full(count, control.RUNNING),
        queue=np.zeros(1, dtype=np.int64),
        cancel=np.zeros(1, dtype=np.int64) if cancel is None else cancel,
    )


def solution_of(task: Task, jobs: Jobs, job: int) -> Solution:
    """The checked solution of a task that has run as `job`; SolverError where it failed."""
    layout, counts = task.network.layout, jobs.counts[job]
    if jobs.status[job] != control.DONE:
        raise solver_error(layout, int(jobs.status[job]), counts, jobs.clock[job])
    balance = balance_of(layout, task.before, jobs.end[job])
    check_balance(task.network, balance)
    outlet, passed, volumes = port_values(task.network, task.ports, jobs.out[job])
    return Solution(
        task.output_times, task.ports, outlet, passed, jobs.end[job], balance,
        int(counts[control.ACCEPTED]), int(counts[control.REJECTED]), volumes, task=task,
    )  # fmt: skip


def integrate(
    network: Network,
    state: Array,
    sections: Sequence[Section],
    output_times: Array,
    ports: Sequence[str],
    tolerance: Tolerance | None = None,
) -> Solution:
    """Outlet concentrations of `ports` at `output_times` while `sections` drive the network from `state`.

    Parameters
    ----------
    network : Network
    state : ndarray (size,)
        From ``network.initial_state`` or the end of an earlier integration; not changed.
    sections : sequence of Section
        Contiguous in time; values may jump from one to the next.
    output_times : ndarray (nt,)
        Ascending, s, within the sections.
    ports : sequence of str
        Names of units.
    tolerance : Tolerance, optional

    Raises
    ------
    InputError
        Sections, times or names that do not fit; a vessel that runs empty or full.
    SolverError
        The integration cannot go on (names place, time and cause), or a mass balance does not close to 1e-8.
    """
    return run(prepare(network, state, sections, output_times, ports, tolerance or Tolerance()))


def estimated_error(task: Task, outlet: Array) -> Array:
    """See :attr:`Solution.error`."""
    network = coarser(task.network)
    looser = Tolerance(LOOSER * task.relative / STEP_PART)
    rough = replace(
        task, network=network, before=carried_over(task.network, network, task.before),
        relative=looser.of_step, absolute=absolute_tolerances(network, looser, task.scales),
    )  # fmt: skip
    try:
        other = run(rough).outlet
    except SolverError:
        return np.full(outlet.shape[1:], np.inf)
    peak = np.abs(outlet).max(axis=0, initial=0.0)
    counted = np.where(peak > 1e-6 * task.scales, peak, np.inf)
    return np.asarray(np.abs(other - outlet).max(axis=0, initial=0.0) / counted)


def check_balance(network: Network, balance: MassBalance) -> None:
    """SolverError when a component does not close to 1e-8."""
    closure = balance.closure
    if not np.all(closure <= MASS_TOLERANCE):
        k = int(np.argmax(np.where(np.isfinite(closure), closure, np.inf)))
        raise SolverError(
            Finding(
                f"mass balance of {network.components[k]}",
                f"closes to {closure[k]:.2e}",
                f"{MASS_TOLERANCE:.0e}",
                "Report this case: the result is not to be trusted.",
            )
        )


def _scales(network: Network, tolerance: Tolerance, inlets: Array, state: Array) -> Array:
    if tolerance.scales is not None:
        return np.asarray(tolerance.scales, dtype=float)
    scales = np.abs(inlets).max(axis=(0, 1, 2), initial=0.0)
    for u in range(network.layout.tables.units):
        scales = np.maximum(scales, np.abs(network.layout.concentrations(state, u)).max(axis=0))
    return np.asarray(scales)


def _checked_state(layout: Layout, state: Array) -> Array:
    if np.shape(state) != (layout.tables.size,) or not np.all(np.isfinite(state)):
        raise InputError(
            Finding(
                "state", f"shape {np.shape(state)}", f"{layout.tables.size} finite values of this network"
            )
        )
    return without_integrals(layout, state)


def _checked_times(output_times: Array, times: Array) -> Array:
    wanted = np.atleast_1d(np.asarray(output_times, dtype=float))
    slack = 1e-9 * max(1.0, abs(float(times[-1, 1])))
    if np.any(np.diff(wanted) < 0.0) or (
        len(wanted) and not (wanted[0] >= times[0, 0] - slack and wanted[-1] <= times[-1, 1] + slack)
    ):
        raise InputError(
            Finding(
                "output_times", "not ascending or outside the sections", f"{times[0, 0]} to {times[-1, 1]} s"
            )
        )
    return np.asarray(np.clip(wanted, times[0, 0], times[-1, 1]))
