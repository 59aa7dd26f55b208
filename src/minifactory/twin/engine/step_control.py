"""Adaptive stepping through sections of time, to their ends or, online, ahead of the present.

Steps are accepted when the error norm is at most one; the next step follows the fourth root of the error.
Output comes from the continuous extension, whose linear form keeps every mass balance.

One source serves one simulation at a time (one lane, plain doubles) and eight in lock-step: the lanes step
together, each with a step of its own, and a lane that is done takes the next job from a queue that threads
share. What concerns one lane is plain arithmetic on column `lane` of the lanes' state; what costs time is
done for all lanes at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minifactory.numerics.kernel_arrays import as_constants, as_lanes, as_numbers, fetch_add
from minifactory.numerics.kernels import inline_kernel, kernel, merged_kernel
from minifactory.numerics.lanes import select
from minifactory.twin.engine.bundles import Jobs, LaneState, jobs_in, lanes_in, tables_in
from minifactory.twin.engine.flow_course import Course, set_course
from minifactory.twin.engine.tables import Array, Integers, Tables
from minifactory.twin.engine.time_step import (
    Inputs,
    Scratch,
    error_norm,
    jump_step,
    prepare_dense,
    try_step,
)

DONE, STEP_TOO_SMALL, NOT_FINITE, TOO_MANY_STEPS, CANCELLED = range(5)
RUNNING = -1
# Rows of `counts`.
ACCEPTED, REJECTED, WORST = range(3)
# Rows of `clock` (s): start and end of the last step, present, last change of the inputs, next step wished.
FROM, UNTIL, NOW, CHANGED, NEXT = range(5)
# Rows of `cursor`: job, its section, next output, whether the section was entered, what the lane needs.
JOB, SECTION, OUTPUT, ENTERED, NEED = range(5)
# Rows of `trial`: time and length of the step tried, the length first tried, its squared error, the step
# that a jump allows, 1 where the state goes on from the last step, 1 at the start of a job, how often steps
# were rejected of late, how many steps are still to settle the rapid equilibria.
TIME, STEP, FIRST, ERROR, ALLOWED, GOES_ON, START, TROUBLE, SETTLE = range(9)
# Values of NEED.
_PLAN, _JUMP, _TRY, _IDLE = range(4)

_SAFETY, _SHRINK, _GROW = 0.95, 0.2, 6.0
# A state may be within the tolerance of a very steep rapid equilibrium and yet too far from it for the stages
# of a step, of whatever length. Four rejections in a row, or rejections by turns, have it settled by steps of
# this share of the next one, which are Newton's for the equilibria and move little else.
_TROUBLED, _SETTLING, _SETTLING_SHARE = 8.0, 5.0, 1e-3


@inline_kernel
def _dense_value(c: LaneState, fraction: float, i: int, lane: int) -> float:
    """State i at `fraction` of the last step."""
    rest = 1.0 - fraction
    inner = c.new[i, lane] + rest * (c.dense[0, i, lane] + fraction * c.dense[1, i, lane])
    return float(rest * c.y[i, lane] + fraction * inner)


@inline_kernel
def _worst(tb: Tables, c: LaneState, relative: float, lane: int) -> int:
    """The state with the largest error, or the first that is not finite."""
    worst, largest = 0, -1.0
    for i in range(tb.size):
        if tb.group[i] >= 0:
            e = abs(c.scratch.k[5, i, lane]) / (c.absolute[i, lane] + relative * abs(c.y[i, lane]))
            if not e < np.inf:
                return i
            if e > largest:
                worst, largest = i, e
    return worst


@inline_kernel
def _load_numbers(tb: Tables, jobs: Jobs, job: int, lane: int) -> None:
    """Puts the parameters of `job` on `lane`."""
    for u in range(tb.units):
        for row in range(tb.by_unit.shape[1]):
            tb.by_unit[u, row, lane] = jobs.by_unit[job, u, row]
        for row in range(tb.by_component.shape[1]):
            for k in range(tb.components):
                tb.by_component[u, row, k, lane] = jobs.by_component[job, u, row, k]
        for b in range(tb.kinetic.shape[1]):
            tb.kinetic[u, b, lane] = jobs.kinetic[job, u, b]
            for k in range(tb.components):
                tb.stoichiometry[u, k, b, lane] = jobs.stoichiometry[job, u, k, b]
    for i in range(tb.law_parameters.shape[0]):
        tb.law_parameters[i, lane] = jobs.law_parameters[job, i]


@inline_kernel
def _load(tb: Tables, jobs: Jobs, c: LaneState, job: int, lane: int) -> None:
    """Puts `job` on `lane`, at its start."""
    for i in range(tb.size):
        c.y[i, lane] = jobs.start[job, i]
        c.new[i, lane] = jobs.start[job, i]
        c.absolute[i, lane] = jobs.absolute[job, i]
    if jobs.by_unit.shape[0] > 0:
        _load_numbers(tb, jobs, job, lane)
    begin = jobs.times[jobs.first[job], 0]
    for i in range(4):
        c.clock[i, lane] = begin
    c.clock[NEXT, lane] = np.inf
    c.trial[TIME, lane], c.trial[STEP, lane], c.trial[GOES_ON, lane] = begin, 1.0, 0.0
    c.trial[TROUBLE, lane], c.trial[SETTLE, lane] = 0.0, 0.0
    for i in range(3):
        c.counts[i, lane] = 0
    c.cursor[JOB, lane], c.cursor[SECTION, lane] = job, jobs.first[job]
    c.cursor[OUTPUT, lane], c.cursor[ENTERED, lane], c.cursor[NEED, lane] = 0, 0, _PLAN
    # Inputs that nothing given can go on from.
    c.inputs.start[0, lane] = begin
    for k in range(c.inputs.flows.shape[0]):
        c.inputs.flows[k, lane], c.inputs.flow_slopes[k, lane] = -1.0, 0.0
    for i in range(c.inputs.inlets.shape[0]):
        for k in range(c.inputs.inlets.shape[1]):
            c.inputs.inlets[i, k, lane], c.inputs.inlet_slopes[i, k, lane] = 0.0, 0.0


@inline_kernel
def _finish(tb: Tables, jobs: Jobs, c: LaneState, relative: float, status: int, lane: int) -> None:
    """Hands the results of the lane's job over; the lane is free."""
    job = c.cursor[JOB, lane]
    c.cursor[JOB, lane] = -1
    if status != DONE:
        c.counts[WORST, lane] = _worst(tb, c, relative, lane)
    stepped = c.clock[UNTIL, lane] > c.clock[FROM, lane]
    for i in range(tb.size):
        jobs.end[job, i] = c.new[i, lane] if stepped else c.y[i, lane]
    for i in range(5):
        jobs.clock[job, i] = c.clock[i, lane]
    for i in range(3):
        jobs.counts[job, i] = c.counts[i, lane]
    jobs.status[job] = status


@inline_kernel
def _differ(expected: float, given: float, scale: float) -> bool:
    return abs(expected - given) > 1e-9 * scale


@inline_kernel
def _go_on(inputs: Inputs, t: float, t1: float, flows: Array, inlets: Array, lane: int) -> bool:
    """Whether the inputs at t and t1 (first index 0, 1) are those that the lane expects."""
    scale = 0.0
    for i in range(flows.shape[1]):
        scale = max(scale, abs(flows[0, i]), abs(flows[1, i]))
    for end in range(2):
        dt = (t if end == 0 else t1) - inputs.start[0, lane]
        for i in range(flows.shape[1]):
            if _differ(inputs.flows[i, lane] + dt * inputs.flow_slopes[i, lane], flows[end, i], scale):
                return False
    for j in range(inlets.shape[2]):
        scale = 0.0
        for i in range(inlets.shape[1]):
            scale = max(scale, abs(inlets[0, i, j]), abs(inlets[1, i, j]))
        for end in range(2):
            dt = (t if end == 0 else t1) - inputs.start[0, lane]
            for i in range(inlets.shape[1]):
                expected = inputs.inlets[i, j, lane] + dt * inputs.inlet_slopes[i, j, lane]
                if _differ(expected, inlets[end, i, j], scale):
                    return False
    return True


@inline_kernel
def _change_inputs(c: LaneState, t: float, t1: float, flows: Array, inlets: Array, lane: int) -> None:
    """From now on the lane's inputs are linear between t and t1; what they were stays for comparison."""
    inputs, s = c.inputs, c.scratch
    dt, per_time = t - inputs.start[0, lane], 1.0 / (t1 - t)
    for i in range(flows.shape[1]):
        s.old_flows[i, lane] = inputs.flows[i, lane] + dt * inputs.flow_slopes[i, lane]
        inputs.flows[i, lane] = flows[0, i]
        inputs.flow_slopes[i, lane] = (flows[1, i] - flows[0, i]) * per_time
    for i in range(inlets.shape[1]):
        for j in range(inlets.shape[2]):
            s.old_inlets[i, j, lane] = inputs.inlets[i, j, lane] + dt * inputs.inlet_slopes[i, j, lane]
            inputs.inlets[i, j, lane] = inlets[0, i, j]
            inputs.inlet_slopes[i, j, lane] = (inlets[1, i, j] - inlets[0, i, j]) * per_time
    inputs.start[0, lane] = t


@inline_kernel
def _cut(tb: Tables, c: LaneState, lane: int) -> None:
    """Ends the last step at the present, by its continuous extension."""
    clock = c.clock
    if clock[UNTIL, lane] > clock[FROM, lane]:
        fraction = (clock[NOW, lane] - clock[FROM, lane]) / (clock[UNTIL, lane] - clock[FROM, lane])
        for i in range(tb.size):
            c.y[i, lane] = _dense_value(c, fraction, i, lane)
    clock[FROM, lane] = clock[UNTIL, lane] = clock[NOW, lane]


@inline_kernel
def _give_output(jobs: Jobs, c: LaneState, end: float, lane: int) -> None:
    """Output that lies within the last step and before `end`."""
    job, begin, until = c.cursor[JOB, lane], c.clock[FROM, lane], c.clock[UNTIL, lane]
    at, span = c.cursor[OUTPUT, lane], until - begin
    while at < jobs.out_times.shape[0] and jobs.out_times[at] <= min(end, until):
        fraction = (jobs.out_times[at] - begin) / span if span > 0.0 else 0.0
        for j in range(jobs.out_states.shape[0]):
            i = jobs.out_states[j]
            jobs.out[job, at, j] = _dense_value(c, fraction, i, lane) if span > 0.0 else c.y[i, lane]
        at += 1
    c.cursor[OUTPUT, lane] = at


@inline_kernel
def _settling_step(t: float, step: float, left: float) -> float:
    """Length of a step that settles rapid equilibria, where `step` is the next one."""
    return min(max(_SETTLING_SHARE * step, 1e-12 * max(abs(t), 1e-3)), left)


@inline_kernel
def _choose_step(jobs: Jobs, c: LaneState, end: float, ahead: bool, forced: bool, lane: int) -> None:
    """The step that the lane tries next, from where the last one ended."""
    clock, t = c.clock, c.clock[UNTIL, lane]
    c.trial[GOES_ON, lane] = 1.0 if t > clock[FROM, lane] else 0.0
    clock[FROM, lane] = t
    left = end - t
    tried = min(clock[NEXT, lane], max(left, 2.0 * (t - clock[CHANGED, lane])) if ahead else left)
    if not ahead and tried > 0.999 * left:
        tried = left
    if c.trial[SETTLE, lane] > 0.0:
        tried = _settling_step(t, clock[NEXT, lane], left)
    step = c.counts[ACCEPTED, lane]
    if forced and step < jobs.plan.shape[1]:
        planned = jobs.plan[c.cursor[JOB, lane], step]
        c.trial[SETTLE, lane] = 1.0 if planned < 0.0 else 0.0
        tried = abs(planned) * left
    c.trial[TIME, lane] = t
    c.trial[STEP, lane] = c.trial[FIRST, lane] = tried


@merged_kernel
def _plan(
    tb: Tables, jobs: Jobs, c: LaneState, max_steps: int, ahead: bool, forced: bool, lane: int
) -> int:  # fmt: skip
    """Goes on through output and sections until the lane needs a calculation; the end of its job, or -1."""
    job, clock, cursor = c.cursor[JOB, lane], c.clock, c.cursor
    while cursor[SECTION, lane] < jobs.first[job + 1]:
        section = cursor[SECTION, lane]
        end, now = jobs.times[section, 1], clock[NOW, lane]
        if cursor[ENTERED, lane] == 0:
            cursor[ENTERED, lane] = 1
            flows, inlets = jobs.flows[section], jobs.inlets[section]
            if end > now and not _go_on(c.inputs, now, end, flows, inlets, lane):
                _cut(tb, c, lane)
                c.trial[START, lane] = 1.0 if c.counts[ACCEPTED, lane] == 0 else 0.0
                set_course(tb, flows, c.y, lane, c.scratch.course, c.scratch.active)
                _change_inputs(c, now, end, flows, inlets, lane)
                cursor[NEED, lane] = _JUMP
                return RUNNING
        _give_output(jobs, c, end, lane)
        if clock[UNTIL, lane] < end:
            if jobs.cancel[0] != 0:
                return CANCELLED
            if c.counts[ACCEPTED, lane] + c.counts[REJECTED, lane] >= max_steps:
                clock[NOW, lane] = clock[UNTIL, lane]
                return TOO_MANY_STEPS
            _choose_step(jobs, c, end, ahead, forced, lane)
            cursor[NEED, lane] = _TRY
            return RUNNING
        clock[NOW, lane] = end
        cursor[SECTION, lane] += 1
        cursor[ENTERED, lane] = 0
    return DONE


@inline_kernel
def _judge(jobs: Jobs, c: LaneState, max_steps: int, forced: bool, lane: int) -> int:
    """Accepts the step of the lane, or has it try a smaller one; why it cannot go on, or -1.

    A `forced` step is accepted whatever its error, as long as that is finite; so is one that settles.
    """
    t, h, clock, counts = c.trial[TIME, lane], c.trial[STEP, lane], c.clock, c.counts
    error = math.sqrt(c.trial[ERROR, lane])
    settles = c.trial[SETTLE, lane] > 0.0
    if error <= 1.0 or ((forced or settles) and error < np.inf):
        end, step = jobs.times[c.cursor[SECTION, lane], 1], counts[ACCEPTED, lane]
        left, tried = end - t, c.trial[FIRST, lane]
        counts[ACCEPTED, lane] = step + 1
        if step < jobs.plan.shape[1]:
            jobs.plan[c.cursor[JOB, lane], step] = -h / left if settles else h / left
        if settles:
            c.trial[SETTLE, lane] -= 1.0
            clock[UNTIL, lane] = end if h == left else t + h
            c.cursor[NEED, lane] = _PLAN
            return RUNNING
        c.trial[TROUBLE, lane] = max(c.trial[TROUBLE, lane] - 1.0, 0.0)
        # No growth right after a rejection.
        wished = h * min(_GROW if h == tried else 1.0, _SAFETY / max(error, 1e-6) ** 0.25)
        limited = h == tried and tried < clock[NEXT, lane]
        clock[NEXT, lane] = max(clock[NEXT, lane], wished) if limited else wished
        clock[UNTIL, lane] = end if h == left else t + h
        c.cursor[NEED, lane] = _PLAN
        return RUNNING if clock[UNTIL, lane] > t else STEP_TOO_SMALL
    counts[REJECTED, lane] += 1
    shrink = max(_SHRINK, _SAFETY / error**0.25) if error > 1.0 else 0.1
    c.trial[STEP, lane] = h * shrink
    c.trial[SETTLE, lane] = 0.0
    c.trial[TROUBLE, lane] += 2.0
    if c.trial[TROUBLE, lane] >= _TROUBLED:
        c.trial[TROUBLE, lane], c.trial[SETTLE, lane] = 0.0, _SETTLING
        clock[NEXT, lane] = h * shrink
        left = jobs.times[c.cursor[SECTION, lane], 1] - t
        c.trial[STEP, lane] = _settling_step(t, h * shrink, left)
    status = RUNNING
    if counts[ACCEPTED, lane] + counts[REJECTED, lane] >= max_steps:
        status = TOO_MANY_STEPS
    elif h * shrink < 1e-13 * max(abs(t), abs(h), 1e-3):
        status = STEP_TOO_SMALL if error > 1.0 else NOT_FINITE
    if status != RUNNING:
        clock[NOW, lane] = t
        clock[NEXT, lane] = h
    return status


@merged_kernel
def _plan_lane(
    tb: Tables,
    jobs: Jobs,
    c: LaneState,
    relative: float,
    max_steps: int,
    ahead: bool,
    forced: bool,
    lane: int,
) -> None:
    """Has the lane go on, to the next job if need be, until it needs a calculation or nothing is left."""
    while c.cursor[NEED, lane] == _PLAN:
        if c.cursor[JOB, lane] < 0:
            job = int(fetch_add(jobs.queue, 1))
            if job >= jobs.status.shape[0]:
                c.cursor[NEED, lane] = _IDLE
                return
            _load(tb, jobs, c, job, lane)
        status = _plan(tb, jobs, c, max_steps, ahead, forced, lane)
        if status != RUNNING:
            _finish(tb, jobs, c, relative, status, lane)


@merged_kernel
def drive(
    tb: Tables, jobs: Jobs, c: LaneState, numbers: Tables, inputs: Inputs, s: Scratch, y: Array, new: Array,
    dense: Array, absolute: Array, clock: Array, trial: Array, relative: float, max_steps: int, ahead: bool,
    forced: bool, first: int, end: int,
) -> None:  # fmt: skip
    """Runs jobs on the lanes from `first` to `end` until none is left.

    `tb` and `c` have the last axis for lanes; from `numbers` on the same memory is seen as numbers.
    """
    while True:
        jumps, tries = 0, 0
        for lane in range(first, end):
            _plan_lane(tb, jobs, c, relative, max_steps, ahead, forced, lane)
            if c.cursor[NEED, lane] == _JUMP:
                jumps += 1
            elif c.cursor[NEED, lane] == _TRY:
                tries += 1
        if jumps > 0:
            trial[ALLOWED] = jump_step(numbers, inputs, trial[START], clock[NOW], y, absolute, relative, s)
            for lane in range(first, end):
                if c.cursor[NEED, lane] == _JUMP:
                    c.clock[NEXT, lane] = min(c.clock[NEXT, lane], c.trial[ALLOWED, lane])
                    c.clock[CHANGED, lane] = c.clock[NOW, lane]
                    c.cursor[NEED, lane] = _PLAN
            continue
        if tries == 0:
            break
        goes_on = trial[GOES_ON] > 0.5
        for i in range(tb.size):
            y[i] = select(goes_on, new[i], y[i])
        try_step(numbers, inputs, trial[TIME], trial[STEP], trial[SETTLE], y, new, s)
        trial[ERROR] = error_norm(numbers, y, new, s.k[5], absolute, relative, s.sums)
        accepted, settling = False, trial[SETTLE]
        for lane in range(first, end):
            c.trial[GOES_ON, lane] = 0.0
            if c.cursor[NEED, lane] == _TRY:
                status = _judge(jobs, c, max_steps, forced, lane)
                accepted = accepted or c.cursor[NEED, lane] == _PLAN
                if status != RUNNING:
                    _finish(tb, jobs, c, relative, status, lane)
                    c.cursor[NEED, lane] = _PLAN
        if accepted:
            prepare_dense(numbers, settling, s, dense)


def _driver(view: Any, name: str) -> Callable[..., None]:
    """The kernel that runs jobs, with numbers as `view` sees them; it takes bundles of `bundles`."""

    def run(
        tables: Integers, queue: Integers, state: Integers, relative: float, max_steps: int, ahead: bool,
        forced: bool,
    ) -> None:  # fmt: skip
        tb, jobs, c = tables_in(tables), jobs_in(queue), lanes_in(state)
        lanes = c.clock.shape[1]
        for lane in range(lanes):
            if jobs.by_unit.shape[0] > 0 and c.cursor[JOB, lane] < 0:
                # Lanes that find no job compute something that is of no interest, but finite.
                _load(tb, jobs, c, 0, lane)
                c.cursor[JOB, lane] = -1
        numbers = Tables(
            tb.size, tb.components, tb.units, as_constants(tb.unit), as_constants(tb.order),
            as_constants(tb.link_source), as_constants(tb.link_target),
            as_constants(tb.link_end), as_constants(tb.out_links), as_constants(tb.group),
            as_constants(tb.group_weight), as_constants(tb.operators), as_constants(tb.floor),
            view(tb.by_unit), view(tb.by_component), view(tb.stoichiometry), view(tb.kinetic),
            view(tb.law_parameters),
        )  # fmt: skip
        old = c.inputs
        inputs = Inputs(
            view(old.start), view(old.flows), view(old.flow_slopes), view(old.inlets), view(old.inlet_slopes)
        )
        given, way = c.scratch, c.scratch.course
        s = Scratch(
            view(given.k), view(given.y), view(given.f), view(given.slope), view(given.work), view(given.x),
            view(given.spare), view(given.flux), view(given.flows), view(given.inlets),
            view(given.old_flows), view(given.old_inlets), view(given.sums), view(given.per),
            view(given.old_per), view(given.per_slope), given.active,
            Course(
                way.sequence, way.rank, way.torn, way.tears, way.turned, view(way.response),
                view(way.closure), view(way.torn_values),
            ),
        )  # fmt: skip
        drive(
            tb, jobs, c, numbers, inputs, s, view(c.y), view(c.new), view(c.dense), view(c.absolute),
            view(c.clock), view(c.trial), relative, max_steps, ahead, forced, 0, lanes,
        )  # fmt: skip

    run.extra_stamp = name  # type: ignore[attr-defined]
    return kernel(run)  # type: ignore[no-any-return]


run_jobs = _driver(as_numbers, "one")
run_jobs_in_lanes = _driver(as_lanes, "lanes")
