"""Adaptive stepping through sections of time, to their ends or, online, ahead of the present.

Steps are accepted when the error norm is at most one; the next step follows the fourth root of the error.
Output comes from the continuous extension, whose linear form keeps every mass balance.
"""

from __future__ import annotations

import numpy as np

from minifactory.numerics.kernels import inline_kernel, kernel, merged_kernel
from minifactory.twin.engine.flow_course import set_course
from minifactory.twin.engine.tables import Array, Integers, Tables
from minifactory.twin.engine.time_step import (
    Inputs,
    Scratch,
    dense_value,
    error_norm,
    inputs_at,
    jump_step,
    prepare_dense,
    try_step,
)

DONE, STEP_TOO_SMALL, NOT_FINITE, TOO_MANY_STEPS, SINGULAR, CANCELLED = range(6)
# Columns of `counts`.
ACCEPTED, REJECTED, WORST, UNIT = range(4)
# Columns of `clock` (s): start and end of the last step, present, last change of the inputs, next step
# wished.
FROM, UNTIL, NOW, CHANGED, NEXT = range(5)

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0


@inline_kernel
def _worst(tb: Tables, y: Array, s: Scratch, absolute: Array, relative: float) -> int:
    """The state with the largest error, or the first that is not finite."""
    worst, largest = 0, -1.0
    for i in range(tb.size):
        if tb.group[i] >= 0:
            e = abs(s.k[5, i]) / (absolute[i] + relative * abs(y[i]))
            if not e < np.inf:
                return i
            if e > largest:
                worst, largest = i, e
    return worst


@merged_kernel
def _accepted_step(
    tb: Tables, inputs: Inputs, t: float, h: float, y: Array, new: Array, absolute: Array, relative: float,
    s: Scratch, counts: Integers, max_steps: int, forced: bool,
) -> tuple[int, float, float]:  # fmt: skip
    """Tries smaller and smaller steps until one is accepted: status, step taken, step wished next.

    A `forced` step is accepted whatever its error, as long as that is finite.
    """
    smallest = 1e-13 * max(abs(t), abs(h), 1e-3)
    status, wished = -1, h
    while status < 0:
        failed = try_step(tb, inputs, t, h, y, new, s)
        error = np.nan
        if failed < 0:
            error = error_norm(tb, y, new, s.k[5], absolute, relative, s.sums)
        if error <= 1.0 or (forced and error < np.inf):
            counts[ACCEPTED] += 1
            status, wished = DONE, h * min(_GROW, _SAFETY / max(error, 1e-6) ** 0.25)
        else:
            counts[REJECTED] += 1
            shrink = max(_SHRINK, _SAFETY / error**0.25) if error > 1.0 else 0.1
            if counts[ACCEPTED] + counts[REJECTED] >= max_steps:
                status = TOO_MANY_STEPS
            elif h * shrink < smallest:
                counts[UNIT] = failed
                status = SINGULAR if failed >= 0 else (STEP_TOO_SMALL if error > 1.0 else NOT_FINITE)
            else:
                h *= shrink
    if status != DONE:
        counts[WORST] = _worst(tb, y, s, absolute, relative)
    return status, h, wished


@inline_kernel
def _differ(expected: float, given: float, scale: float) -> bool:
    return bool(abs(expected - given) > 1e-9 * scale)


@inline_kernel
def _go_on(inputs: Inputs, t: float, t1: float, flows: Array, inlets: Array) -> bool:
    """Whether the inputs at t and t1 (first index 0, 1) are those that `inputs` expects."""
    scale = 0.0
    for i in range(flows.shape[1]):
        scale = max(scale, abs(flows[0, i]), abs(flows[1, i]))
    for end in range(2):
        dt = (t if end == 0 else t1) - inputs.start[0]
        for i in range(flows.shape[1]):
            if _differ(inputs.flows[i] + dt * inputs.flow_slopes[i], flows[end, i], scale):
                return False
    for j in range(inlets.shape[2]):
        scale = 0.0
        for i in range(inlets.shape[1]):
            scale = max(scale, abs(inlets[0, i, j]), abs(inlets[1, i, j]))
        for end in range(2):
            dt = (t if end == 0 else t1) - inputs.start[0]
            for i in range(inlets.shape[1]):
                if _differ(inputs.inlets[i, j] + dt * inputs.inlet_slopes[i, j], inlets[end, i, j], scale):
                    return False
    return True


@inline_kernel
def _set_inputs(inputs: Inputs, t: float, t1: float, flows: Array, inlets: Array) -> None:
    """Inputs that are linear between t and t1."""
    inputs.start[0] = t
    per_time = 1.0 / (t1 - t)
    for i in range(flows.shape[1]):
        inputs.flows[i] = flows[0, i]
        inputs.flow_slopes[i] = (flows[1, i] - flows[0, i]) * per_time
    for i in range(inlets.shape[1]):
        for j in range(inlets.shape[2]):
            inputs.inlets[i, j] = inlets[0, i, j]
            inputs.inlet_slopes[i, j] = (inlets[1, i, j] - inlets[0, i, j]) * per_time


@inline_kernel
def _cut(tb: Tables, y: Array, new: Array, dense: Array, clock: Array) -> None:
    """Ends the last step at the present, by its continuous extension."""
    if clock[UNTIL] > clock[FROM]:
        fraction = (clock[NOW] - clock[FROM]) / (clock[UNTIL] - clock[FROM])
        for i in range(tb.size):
            y[i] = dense_value(y, new, dense, fraction, i)
    clock[FROM] = clock[UNTIL] = clock[NOW]


@kernel
def run_sections(
    tb: Tables, inputs: Inputs, times: Array, flows: Array, inlets: Array, y: Array, new: Array, dense: Array,
    absolute: Array, relative: float, s: Scratch, out_times: Array, out_states: Integers, out: Array,
    clock: Array, counts: Integers, max_steps: int, cancel: Integers, ahead: bool,
    plan: Array, forced: bool,
) -> int:  # fmt: skip
    """Integrates through all sections; `out` (times, states) becomes the wanted states.

    times (n, 2); flows (n, 2, links); inlets (n, 2, inlets, nc) at both ends of each section; y, new, dense,
    inputs and clock carry the last step from call to call. With `ahead`, a step may reach beyond the last
    section on the assumption that the inputs go on as they are; when they do not, it is cut. ``cancel[0]``
    not zero stops the run.

    `plan` becomes the lengths of the steps, as fractions of what is left of their section, as far as it
    reaches; with `forced` they are taken from there, whatever their error.
    """
    at_output = 0
    for section in range(times.shape[0]):
        end = times[section, 1]
        if end > clock[NOW] and not _go_on(inputs, clock[NOW], end, flows[section], inlets[section]):
            _cut(tb, y, new, dense, clock)
            first = counts[ACCEPTED] == 0
            inputs_at(inputs, clock[NOW], s)
            for i in range(inputs.flows.shape[0]):
                s.old_flows[i] = s.flows[i]
            for i in range(inlets.shape[2]):
                for j in range(inlets.shape[3]):
                    s.old_inlets[i, j] = s.inlets[i, j]
            set_course(tb, flows[section], y, s.course, s.active)
            _set_inputs(inputs, clock[NOW], end, flows[section], inlets[section])
            wished = jump_step(tb, inputs, first, clock[NOW], y, absolute, relative, s, dense)
            clock[NEXT] = min(clock[NEXT], wished)
            clock[CHANGED] = clock[NOW]
        while True:
            while at_output < out_times.shape[0] and out_times[at_output] <= min(end, clock[UNTIL]):
                span = clock[UNTIL] - clock[FROM]
                fraction = (out_times[at_output] - clock[FROM]) / span if span > 0.0 else 0.0
                for j in range(out_states.shape[0]):
                    i = out_states[j]
                    out[at_output, j] = dense_value(y, new, dense, fraction, i) if span > 0.0 else y[i]
                at_output += 1
            if clock[UNTIL] >= end:
                break
            if cancel[0] != 0:
                return CANCELLED
            if counts[ACCEPTED] + counts[REJECTED] >= max_steps:
                counts[WORST] = _worst(tb, y, s, absolute, relative)
                clock[NOW] = clock[UNTIL]
                return TOO_MANY_STEPS
            t = clock[UNTIL]
            if t > clock[FROM]:
                for i in range(tb.size):
                    y[i] = new[i]
            clock[FROM] = t
            left = end - t
            tried = (
                min(clock[NEXT], max(left, 2.0 * (t - clock[CHANGED]))) if ahead else min(clock[NEXT], left)
            )
            if not ahead and tried > 0.999 * left:
                tried = left
            step = counts[ACCEPTED]
            if forced and step < plan.shape[0]:
                tried = plan[step] * left
            status, taken, wished = _accepted_step(
                tb, inputs, t, tried, y, new, absolute, relative, s, counts, max_steps, forced
            )
            if step < plan.shape[0]:
                plan[step] = taken / left
            if status != DONE:
                clock[NOW] = t
                clock[NEXT] = taken
                return int(status)
            limited = taken == tried and tried < clock[NEXT]
            clock[NEXT] = max(clock[NEXT], wished) if limited else wished
            clock[UNTIL] = end if taken == left else t + taken
            if not clock[UNTIL] > t:
                return STEP_TOO_SMALL
            prepare_dense(tb, s, dense)
        clock[NOW] = end
    return DONE
