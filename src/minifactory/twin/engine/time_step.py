"""One Rosenbrock step of the whole network, its error norm and its continuous extension.

As everywhere in these kernels a number is a double or a lane type; times, steps and tolerances are numbers
too.
"""

from __future__ import annotations

from typing import NamedTuple

from minifactory.numerics.kernels import inline_kernel, merged_kernel
from minifactory.numerics.lanes import anywhere, select
from minifactory.numerics.rosenbrock import RODAS
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.right_hand_side import (
    add_mass_times,
    outlet_concentration_factors,
    right_hand_side,
    set_films,
    time_derivative,
)
from minifactory.twin.engine.stage_factors import factor
from minifactory.twin.engine.stage_solver import close_loops, solve
from minifactory.twin.engine.tables import AT_STATE, NODES, VESSEL, Array, Integers, Number, Tables

_A, _C, _TIME, _D, _DENSE, _GAMMA = RODAS.a, RODAS.c, RODAS.time, RODAS.d, RODAS.dense, RODAS.gamma
STAGES = 6


class Inputs(NamedTuple):
    """Flows (links, lane) and concentrations (inlets, nc, lane) at time ``start[0]``, and their slopes."""

    start: Array
    flows: Array
    flow_slopes: Array
    inlets: Array
    inlet_slopes: Array


class Scratch(NamedTuple):
    """Arrays that a step works in, each with a last axis for lanes; one set per thread."""

    k: Array  # (6, size)
    y: Array
    f: Array
    slope: Array
    work: Array
    x: Array
    spare: Array
    flux: Array
    flows: Array
    inlets: Array
    old_flows: Array
    old_inlets: Array
    sums: Array
    per: Array  # (units,) outlet concentration per value of the last node, at a stage ...
    old_per: Array  # ... and at the start of the step
    per_slope: Array
    active: Integers  # (links,); this and the integers of the course are the same for all lanes
    course: Course


@inline_kernel
def inputs_at(inputs: Inputs, t: Number, flows: Array, inlets: Array) -> None:
    """Flows and inlet concentrations at time t."""
    dt = t - inputs.start[0]
    for i in range(inputs.flows.shape[0]):
        flows[i] = inputs.flows[i] + dt * inputs.flow_slopes[i]
    for i in range(inputs.inlets.shape[0]):
        for j in range(inputs.inlets.shape[1]):
            inlets[i, j] = inputs.inlets[i, j] + dt * inputs.inlet_slopes[i, j]


@inline_kernel
def _moving(tb: Tables, inputs: Inputs) -> bool:
    """Whether any input changes in time, or the volume of a vessel may."""
    for u in range(tb.units):
        if tb.unit[u, VESSEL] == 1:
            return True
    for i in range(inputs.flow_slopes.shape[0]):
        if anywhere(inputs.flow_slopes[i] != 0.0):
            return True
    for i in range(inputs.inlet_slopes.shape[0]):
        for j in range(inputs.inlet_slopes.shape[1]):
            if anywhere(inputs.inlet_slopes[i, j] != 0.0):
                return True
    return False


@merged_kernel
def _stage_sums(stage: int, y: Array, k: Array, value: Array, rates: Array, size: int) -> None:
    """Value of a stage, y + sum_j a_j K_j, and the sum_j C_j K_j of its rates; one pass over memory each."""
    a, c = _A[stage], _C[stage]
    if stage == 0:
        for i in range(size):
            value[i] = y[i]
    elif stage == 1:
        a0, c0, k0 = a[0], c[0], k[0]
        for i in range(size):
            value[i] = y[i] + a0 * k0[i]
            rates[i] = c0 * k0[i]
    elif stage == 2:
        a0, a1, c0, c1, k0, k1 = a[0], a[1], c[0], c[1], k[0], k[1]
        for i in range(size):
            value[i] = y[i] + a0 * k0[i] + a1 * k1[i]
            rates[i] = c0 * k0[i] + c1 * k1[i]
    else:
        a0, a1, a2, c0, c1, c2, k0, k1, k2 = a[0], a[1], a[2], c[0], c[1], c[2], k[0], k[1], k[2]
        for i in range(size):
            value[i] = y[i] + a0 * k0[i] + a1 * k1[i] + a2 * k2[i]
            rates[i] = c0 * k0[i] + c1 * k1[i] + c2 * k2[i]
        if stage == 4:
            a3, c3, k3 = a[3], c[3], k[3]
            for i in range(size):
                value[i] += a3 * k3[i]
                rates[i] += c3 * k3[i]
        elif stage == 5:
            a3, a4, c3, c4, k3, k4 = a[3], a[4], c[3], c[4], k[3], k[4]
            for i in range(size):
                value[i] += a3 * k3[i] + a4 * k4[i]
                rates[i] += c3 * k3[i] + c4 * k4[i]


@merged_kernel
def try_step(
    tb: Tables, inputs: Inputs, t: Number, h: Number, settle: Number, y: Array, new: Array, s: Scratch
) -> None:
    """The state at t + h into `new` and the stages into ``s.k``; not finite where a matrix is singular.

    Where `settle` is above 0, the step is a linearly implicit one of Euler: one of Newton for the equilibria.
    """
    settles = settle > 0.0
    w = 1.0 / (select(settles, 1.0, _GAMMA) * h)
    per_step = 1.0 / h
    size = tb.size
    inputs_at(inputs, t, s.flows, s.inlets)
    for i in range(s.flows.shape[0]):
        s.old_flows[i] = s.flows[i]
    set_films(tb, s.flows)
    outlet_concentration_factors(tb, 0.0, s.old_flows, s.flows, y, s.old_per, s.per_slope)
    factor(tb, w, s.old_flows, s.old_per, y, s.f, s.work, s.spare)
    if s.course.tears[0] > 0:
        close_loops(tb, w, s.old_flows, s.old_per, s.course, s.work, s.x, s.spare)
    changing = _moving(tb, inputs)
    if changing:
        time_derivative(
            tb, s.flows, inputs.flow_slopes, s.inlets, inputs.inlet_slopes, y, s.old_per, s.per_slope, s.flux,
            s.slope,
        )  # fmt: skip
    for u in range(tb.units):
        s.per[u] = s.old_per[u]
    for stage in range(STAGES):
        k = s.k[stage]
        _stage_sums(stage, y, s.k, s.y, s.f, size)
        if changing and stage > 0:
            dt = _TIME[stage] * h
            inputs_at(inputs, t + dt, s.flows, s.inlets)
            outlet_concentration_factors(tb, dt, s.old_flows, s.flows, y, s.per, s.per_slope)
        right_hand_side(tb, s.flows, s.inlets, s.y, s.per, s.flux, s.spare, s.work, k)
        if stage > 0:
            add_mass_times(tb, s.f, per_step, k)
        if changing and _D[stage] != 0.0:
            d = h * _D[stage]
            for i in range(size):
                k[i] += d * s.slope[i]
        solve(tb, w, s.old_flows, s.old_per, s.course, k, s.work, s.x, s.spare)
    last = s.k[STAGES - 1]
    for i in range(size):
        new[i] = s.y[i] + last[i]
    if anywhere(settles):
        for i in range(size):
            new[i] = select(settles, y[i] + s.k[0, i], new[i])


@inline_kernel
def error_norm(
    tb: Tables, y: Array, new: Array, error: Array, absolute: Array, relative: float, sums: Array
) -> Number:
    """Square of the largest root mean square error of a group, in tolerances; or NaN.

    The mean is over the volume. The tolerance of a group is its absolute one plus the relative part of its
    largest value, so that the foot of a band is as exact as its top.
    """
    groups = sums.shape[0] // 3
    for g in range(sums.shape[0]):
        sums[g] = 0.0
    for i in range(tb.size):
        g = tb.group[i]
        if g >= 0:
            sums[g] += tb.group_weight[i] * error[i] * error[i]
            sums[groups + g] = max(sums[groups + g], max(abs(y[i]), abs(new[i])))
            sums[2 * groups + g] = absolute[i]
    largest, spoiled = 0.0, 0.0
    for g in range(groups):
        allowed = sums[2 * groups + g] + relative * sums[groups + g]
        value = sums[g] / (allowed * allowed)
        largest = max(largest, value)
        # A comparison would lose a NaN.
        spoiled += 0.0 * value
    return largest + spoiled


@inline_kernel
def jump_step(
    tb: Tables, inputs: Inputs, start: Number, t: Number, y: Array, absolute: Array, relative: float,
    s: Scratch,
) -> Number:  # fmt: skip
    """A step in s during which a jump of the inputs moves the fastest liquid by some tens of tolerances.

    What the old inputs (in the scratch arrays) did already is no jump, except at the `start` (1; else 0).
    """
    inputs_at(inputs, t, s.flows, s.inlets)
    outlet_concentration_factors(tb, 0.0, s.flows, s.flows, y, s.per, s.per_slope)
    set_films(tb, s.flows)
    right_hand_side(tb, s.flows, s.inlets, y, s.per, s.flux, s.spare, s.work, s.k[0])
    set_films(tb, s.old_flows)
    right_hand_side(tb, s.old_flows, s.old_inlets, y, s.per, s.flux, s.spare, s.work, s.k[1])
    # Only liquid between particles: the others follow it, or stand near equilibrium.
    fastest = 0.0
    for u in range(tb.units):
        at = tb.unit[u, AT_STATE]
        for i in range(at, at + tb.unit[u, NODES] * tb.components):
            change = s.k[0, i] - select(start > 0.5, 0.0, s.k[1, i])
            fastest = max(fastest, abs(change) / (absolute[i] + relative * abs(y[i])))
    return 500.0 / fastest


@inline_kernel
def prepare_dense(tb: Tables, settle: Number, s: Scratch, dense: Array) -> None:
    """The two combinations of stages of the continuous extension into `dense` (2, size); `settle`: a line."""
    settles = settle > 0.0
    for row in range(2):
        for i in range(tb.size):
            total = _DENSE[row, 0] * s.k[0, i]
            for stage in range(1, STAGES - 1):
                total += _DENSE[row, stage] * s.k[stage, i]
            dense[row, i] = select(settles, 0.0, total)
