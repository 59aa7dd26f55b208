"""One Rosenbrock step of the whole network, its error norm and its continuous extension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifactory.numerics.kernels import inline_kernel, merged_kernel
from minifactory.numerics.rosenbrock import RODAS
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.right_hand_side import (
    add_mass_times,
    outlet_concentration_factors,
    right_hand_side,
    time_derivative,
)
from minifactory.twin.engine.stage_factors import factor
from minifactory.twin.engine.stage_solver import close_loops, solve
from minifactory.twin.engine.tables import (
    AT_STATE,
    NODES,
    VESSEL,
    Array,
    Integers,
    Tables,
)

_A, _C, _TIME, _D, _DENSE, _GAMMA = RODAS.a, RODAS.c, RODAS.time, RODAS.d, RODAS.dense, RODAS.gamma
STAGES = 6


class Inputs(NamedTuple):
    """Flows (links,) and inlet concentrations (inlets, nc) at time ``start[0]``, and their slopes in time."""

    start: Array
    flows: Array
    flow_slopes: Array
    inlets: Array
    inlet_slopes: Array


class Scratch(NamedTuple):
    """Arrays that a step works in; one set per thread."""

    k: Array  # (6, size)
    y: Array
    f: Array
    slope: Array
    work: Array
    pivots: Integers
    flux: Array
    x: Array
    flows: Array
    inlets: Array
    old_flows: Array
    old_inlets: Array
    sums: Array
    per: Array  # (units,) outlet concentration per value of the last node, at a stage ...
    old_per: Array  # ... and at the start of the step
    per_slope: Array
    active: Integers  # (links,)
    course: Course


@inline_kernel
def inputs_at(inputs: Inputs, t: float, s: Scratch) -> None:
    """Flows and inlet concentrations at time t into the scratch arrays."""
    dt = t - inputs.start[0]
    for i in range(inputs.flows.shape[0]):
        s.flows[i] = inputs.flows[i] + dt * inputs.flow_slopes[i]
    for i in range(inputs.inlets.shape[0]):
        for j in range(inputs.inlets.shape[1]):
            s.inlets[i, j] = inputs.inlets[i, j] + dt * inputs.inlet_slopes[i, j]


@inline_kernel
def moving(tb: Tables, inputs: Inputs) -> bool:
    """Whether any input changes in time, or the volume of a vessel may."""
    for u in range(tb.units):
        if tb.unit[u, VESSEL] == 1:
            return True
    for slope in inputs.flow_slopes:
        if slope != 0.0:
            return True
    for i in range(inputs.inlet_slopes.shape[0]):
        for j in range(inputs.inlet_slopes.shape[1]):
            if inputs.inlet_slopes[i, j] != 0.0:
                return True
    return False


@merged_kernel
def try_step(tb: Tables, inputs: Inputs, t: float, h: float, y: Array, new: Array, s: Scratch) -> int:
    """The state at t + h into `new` and the stages into ``s.k``; -1, or the unit with a singular matrix."""
    w = 1.0 / (_GAMMA * h)
    size = tb.size
    inputs_at(inputs, t, s)
    for i in range(s.flows.shape[0]):
        s.old_flows[i] = s.flows[i]
    outlet_concentration_factors(tb, 0.0, s.old_flows, s.flows, y, s.old_per, s.per_slope)
    failed = factor(tb, w, s.old_flows, s.old_per, y, s.f, s.work, s.pivots)
    if failed >= 0:
        return int(failed)
    if s.course.tears[0] > 0 and not close_loops(tb, w, s.old_flows, s.old_per, s.course, s.work, s.x):
        return int(s.course.torn[0])
    changing = moving(tb, inputs)
    if changing:
        time_derivative(
            tb, s.flows, inputs.flow_slopes, s.inlets, inputs.inlet_slopes, y, s.old_per, s.per_slope, s.flux,
            s.slope,
        )  # fmt: skip
    for u in range(tb.units):
        s.per[u] = s.old_per[u]
    for stage in range(STAGES):
        k = s.k[stage]
        for i in range(size):
            s.y[i] = y[i]
        for j in range(stage):
            if _A[stage, j] != 0.0:
                a, other = _A[stage, j], s.k[j]
                for i in range(size):
                    s.y[i] += a * other[i]
        if changing and stage > 0:
            dt = _TIME[stage] * h
            inputs_at(inputs, t + dt, s)
            outlet_concentration_factors(tb, dt, s.old_flows, s.flows, y, s.per, s.per_slope)
        right_hand_side(tb, s.flows, s.inlets, s.y, s.per, s.flux, s.work, k)
        if stage > 0:
            for i in range(size):
                s.f[i] = 0.0
            for j in range(stage):
                c, other = _C[stage, j], s.k[j]
                for i in range(size):
                    s.f[i] += c * other[i]
            add_mass_times(tb, s.f, 1.0 / h, k)
        if changing and _D[stage] != 0.0:
            d = h * _D[stage]
            for i in range(size):
                k[i] += d * s.slope[i]
        solve(tb, w, s.old_flows, s.old_per, s.course, k, s.work, s.x)
    last = s.k[STAGES - 1]
    for i in range(size):
        new[i] = s.y[i] + last[i]
    return -1


@inline_kernel
def error_norm(
    tb: Tables, y: Array, new: Array, error: Array, absolute: Array, relative: float, sums: Array
) -> float:
    """Largest root mean square of error / (absolute + relative |y|) of a group of states; or NaN."""
    for g in range(sums.shape[0]):
        sums[g] = 0.0
    for i in range(tb.size):
        g = tb.group[i]
        if g >= 0:
            e = error[i] / (absolute[i] + relative * max(abs(y[i]), abs(new[i])))
            sums[g] += e * e
    largest = 0.0
    for g in range(tb.group_size.shape[0]):
        value = sums[g] / tb.group_size[g]
        if not value <= 1e300:
            return np.nan
        largest = max(largest, value)
    return float(np.sqrt(largest))


@inline_kernel
def jump_step(
    tb: Tables, inputs: Inputs, start: bool, t: float, y: Array, absolute: Array, relative: float, s: Scratch,
    spare: Array,
) -> float:  # fmt: skip
    """A step in s during which a jump of the inputs moves the fastest liquid by some tens of tolerances.

    What the old inputs (in the scratch arrays) did already is no jump, except at the `start`. `spare` is (2,
    size).
    """
    inputs_at(inputs, t, s)
    flows, inlets = s.flows, s.inlets
    outlet_concentration_factors(tb, 0.0, flows, flows, y, s.per, s.per_slope)
    for which in range(2):
        right_hand_side(tb, flows, inlets, y, s.per, s.flux, s.work, spare[which])
        flows, inlets = s.old_flows, s.old_inlets
    # Only liquid between particles: the others follow it, or stand near equilibrium.
    fastest = 0.0
    for u in range(tb.units):
        at = tb.unit[u, AT_STATE]
        for i in range(at, at + tb.unit[u, NODES] * tb.components):
            change = spare[0, i] if start else spare[0, i] - spare[1, i]
            fastest = max(fastest, abs(change) / (absolute[i] + relative * abs(y[i])))
    return 50.0 / fastest if fastest > 0.0 else np.inf


@inline_kernel
def prepare_dense(tb: Tables, s: Scratch, dense: Array) -> None:
    """The two combinations of stages of the continuous extension into `dense` (2, size)."""
    for row in range(2):
        for i in range(tb.size):
            total = 0.0
            for stage in range(STAGES - 1):
                total += _DENSE[row, stage] * s.k[stage, i]
            dense[row, i] = total


@inline_kernel
def dense_value(y: Array, new: Array, dense: Array, fraction: float, i: int) -> float:
    """State i at `fraction` of the step from `y` to `new`."""
    rest = 1.0 - fraction
    return float(rest * y[i] + fraction * (new[i] + rest * (dense[0, i] + fraction * dense[1, i])))
