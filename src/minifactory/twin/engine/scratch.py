"""Work arrays of a run; one set per thread."""

from __future__ import annotations

import math

import numpy as np

from minifactory.errors import Finding, SolverError
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine.bundles import LaneState
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.layout import Layout
from minifactory.twin.engine.tables import Array, Integers
from minifactory.twin.engine.time_step import STAGES, Inputs, Scratch

_LINE = 64  # bytes of a cache line, and of the widest vector


def aligned(*shape: int) -> Array:
    """Zeros that start at a cache line, as lanes like it."""
    size = math.prod(shape)
    store = np.zeros(size + _LINE // 8)
    skip = (-store.ctypes.data % _LINE) // 8
    return store[skip : skip + size].reshape(shape)


def new_lanes(layout: Layout, links: int, inlets: int, lanes: int) -> LaneState:
    """Work arrays of as many lanes for a network with so many links and inlets, without a job."""
    size, nc, sizes = layout.tables.size, layout.tables.components, layout.sizes

    def flows() -> Array:
        return aligned(links, lanes)

    def feeds() -> Array:
        return aligned(inlets, nc, lanes)

    def state() -> Array:
        return aligned(size, lanes)

    cursor = np.zeros((5, lanes), dtype=np.int64)
    cursor[control.JOB] = -1
    return LaneState(
        y=state(),
        new=state(),
        dense=aligned(2, size, lanes),
        absolute=state(),
        clock=aligned(5, lanes),
        counts=np.zeros((3, lanes), dtype=np.int64),
        cursor=cursor,
        trial=aligned(9, lanes),
        inputs=Inputs(aligned(1, lanes), flows(), flows(), feeds(), feeds()),
        scratch=Scratch(
            k=aligned(STAGES, size, lanes),
            y=state(),
            f=state(),
            slope=state(),
            work=aligned(sizes.work, lanes),
            x=aligned(sizes.scratch, lanes),
            spare=aligned(sizes.spare, lanes),
            flux=aligned(2 * nc, lanes),
            flows=flows(),
            inlets=feeds(),
            old_flows=flows(),
            old_inlets=feeds(),
            sums=aligned(3 * sizes.groups, lanes),
            per=aligned(layout.tables.units, lanes),
            old_per=aligned(layout.tables.units, lanes),
            per_slope=aligned(layout.tables.units, lanes),
            active=np.zeros(links, dtype=np.int64),
            course=_new_course(layout, lanes),
        ),
    )


def _new_course(layout: Layout, lanes: int) -> Course:
    units, torn = layout.tables.units, layout.sizes.torn
    columns = torn * layout.tables.components
    return Course(
        sequence=np.arange(units),
        rank=np.arange(units),
        torn=np.zeros(torn, dtype=np.int64),
        tears=np.zeros(1, dtype=np.int64),
        turned=np.zeros(units, dtype=np.int64),
        response=aligned(columns, layout.tables.size, lanes),
        closure=aligned(columns * columns, lanes),
        torn_values=aligned(columns, lanes),
    )


def solver_error(layout: Layout, status: int, counts: Integers, clock: Array) -> SolverError:
    """The error that a status of the step control means."""
    where = f"t = {clock[control.NOW]:.6g} s, {layout.place(int(counts[control.WORST]))}"
    accepted, rejected = counts[control.ACCEPTED], counts[control.REJECTED]
    tried = f"{accepted} steps, {rejected} rejected, last step {clock[control.NEXT]:.3g} s"
    causes = {
        control.STEP_TOO_SMALL: (
            "the step shrank to nothing",
            "Loosen the tolerance or check this unit's parameters.",
        ),
        control.NOT_FINITE: (
            "a value is not finite, or a matrix is singular",
            "Check parameters, inlet concentrations and binding law of this unit.",
        ),
        control.TOO_MANY_STEPS: (
            "too many steps",
            "Raise max_steps, loosen the tolerance or refine the mesh.",
        ),
        control.CANCELLED: ("cancelled", ""),
    }
    cause, remedy = causes[status]
    return SolverError(Finding(where, f"{cause} ({tried})", "", remedy))
