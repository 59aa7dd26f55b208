"""The kernel of a graphics card, made of the engine's own sources; importing it needs numba-cuda."""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, attr-defined, no-any-return, unused-ignore"
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import cuda

from minifactory.numerics.on_device import on_device, rebuilt
from minifactory.twin.binding import langmuir, linear, steric_mass_action
from minifactory.twin.engine.bundles import Jobs, LaneState
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.gpu import MOST_BOUND, MOST_COMPONENTS
from minifactory.twin.engine.step_control import drive
from minifactory.twin.engine.tables import (
    AT_STATE,
    BOUND,
    KIND,
    LAW,
    LAW_AT,
    LRM,
    NODES,
    RADIAL,
    W_JC,
    W_JQ,
    Array,
    Integers,
    Tables,
)
from minifactory.twin.engine.time_step import Inputs, Scratch

# In the order of gpu.LAWS.
linear_rate: Any = linear.LAW.rate
linear_jacobian: Any = linear.LAW.jacobian
langmuir_rate: Any = langmuir.LAW.rate
langmuir_jacobian: Any = langmuir.LAW.jacobian
sma_rate: Any = steric_mass_action.LAW.rate
sma_jacobian: Any = steric_mass_action.LAW.jacobian
_LAWS = {
    "linear_rate": linear_rate, "linear_jacobian": linear_jacobian, "langmuir_rate": langmuir_rate,
    "langmuir_jacobian": langmuir_jacobian, "sma_rate": sma_rate, "sma_jacobian": sma_jacobian,
}  # fmt: skip


@lru_cache(maxsize=1)
def card_kernel() -> Any:
    """The kernel (tables, jobs, lanes, relative tolerance, most steps); the arrays lie on the card."""
    return cuda.jit(kernel_source())


def kernel_source() -> Any:
    """The Python function of the kernel, what it calls made for the card."""
    made: dict[Any, Any] = {}
    small = {
        name: on_device(cuda, function, {}, made)
        for name, function in (("select", _select), ("anywhere", _anywhere), ("fetch_add", _fetch_add))
    }
    laws = {name: on_device(cuda, function, small, made) for name, function in _LAWS.items()}
    law = on_device(cuda, _evaluate_law, laws, made)
    steps = on_device(cuda, drive, {**small, "evaluate_law": law}, made)
    return rebuilt(cuda, _run, {"drive": steps}, made)


def _select(condition: Any, x: Any, y: Any) -> Any:
    return x if condition else y


def _anywhere(condition: Any) -> Any:
    return condition


def _fetch_add(queue: Integers, amount: int) -> int:
    return cuda.atomic.add(queue, 0, amount)


def _evaluate_law(tb: Tables, u: int, y: Array, f: Array, work: Array, want: int) -> None:
    """The counterpart of ``right_hand_side.evaluate_law``: laws by number instead of by address."""
    nc, nb, n, nr = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], max(tb.unit[u, RADIAL], 1)
    points = n * nr
    liquid = tb.unit[u, AT_STATE] if tb.unit[u, KIND] == LRM else tb.unit[u, AT_STATE] + n * nc
    solid = liquid + points * nc
    p = tb.law_parameters[tb.unit[u, LAW_AT] : tb.unit[u + 1, LAW_AT]]
    jc = cuda.local.array((MOST_BOUND, MOST_COMPONENTS), np.float64)
    jq = cuda.local.array((MOST_BOUND, MOST_BOUND), np.float64)
    law = tb.unit[u, LAW]
    for i in range(points):
        c = y[liquid + i * nc : liquid + (i + 1) * nc]
        q = y[solid + i * nb : solid + (i + 1) * nb]
        if want & 1:
            rates = f[solid + i * nb : solid + (i + 1) * nb]
            if law == 0:
                linear_rate(p, c, q, rates)
            elif law == 1:
                langmuir_rate(p, c, q, rates)
            else:
                sma_rate(p, c, q, rates)
        if want & 2:
            for a in range(nb):
                for b in range(nb):
                    jq[a, b] = 0.0
                for k in range(nc):
                    jc[a, k] = 0.0
            if law == 0:
                linear_jacobian(p, c, q, jc, jq)
            elif law == 1:
                langmuir_jacobian(p, c, q, jc, jq)
            else:
                sma_jacobian(p, c, q, jc, jq)
            for a in range(nb):
                for b in range(nb):
                    work[tb.unit[u, W_JQ] + (i * nb + a) * nb + b] = jq[a, b]
                for k in range(nc):
                    work[tb.unit[u, W_JC] + (i * nb + a) * nc + k] = jc[a, k]


def _run(tb: Tables, jobs: Jobs, c: LaneState, relative: float, max_steps: int) -> None:
    """One thread: runs jobs on its lane until none is left."""
    lane = cuda.grid(1)
    if lane >= c.clock.shape[1]:
        return
    numbers = Tables(
        tb.size, tb.components, tb.units, tb.unit, tb.order, tb.link_source, tb.link_target, tb.link_end,
        tb.out_links, tb.group, tb.group_weight, tb.operators, tb.floor, tb.by_unit[:, :, lane],
        tb.by_component[:, :, :, lane], tb.stoichiometry[:, :, :, lane], tb.kinetic[:, :, lane],
        tb.law_parameters[:, lane],
    )  # fmt: skip
    old, given, way = c.inputs, c.scratch, c.scratch.course
    inputs = Inputs(
        old.start[:, lane], old.flows[:, lane], old.flow_slopes[:, lane], old.inlets[:, :, lane],
        old.inlet_slopes[:, :, lane],
    )  # fmt: skip
    course = Course(
        way.sequence, way.rank, way.torn, way.tears, way.turned, way.response[:, :, lane],
        way.closure[:, lane], way.torn_values[:, lane],
    )  # fmt: skip
    s = Scratch(
        given.k[:, :, lane], given.y[:, lane], given.f[:, lane], given.slope[:, lane], given.work[:, lane],
        given.x[:, lane], given.spare[:, lane], given.flux[:, lane], given.flows[:, lane],
        given.inlets[:, :, lane], given.old_flows[:, lane], given.old_inlets[:, :, lane],
        given.sums[:, lane], given.per[:, lane], given.old_per[:, lane], given.per_slope[:, lane],
        given.active, course,
    )  # fmt: skip
    drive(
        tb, jobs, c, numbers, inputs, s, c.y[:, lane], c.new[:, lane], c.dense[:, :, lane],
        c.absolute[:, lane], c.clock[:, lane], c.trial[:, lane], relative, max_steps, False, False, lane,
        lane + 1,
    )  # fmt: skip
