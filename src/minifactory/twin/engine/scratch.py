"""Work arrays of a run; one set per thread."""

from __future__ import annotations

import numpy as np

from minifactory.errors import Finding, SolverError
from minifactory.twin.engine import step_control as control
from minifactory.twin.engine import tables
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.layout import Layout
from minifactory.twin.engine.tables import Array, Integers
from minifactory.twin.engine.time_step import STAGES, Inputs, Scratch


def new_scratch(layout: Layout, links: int, inlets: int) -> Scratch:
    """Work arrays for a network with so many links and inlets."""
    size, nc = layout.tables.size, layout.tables.components
    unit = layout.tables.unit[:-1]
    rows = unit[:, tables.NODES] * np.maximum(unit[:, tables.COUPLED], 1)
    inner = np.maximum(unit[:, tables.RADIAL], 1) * nc
    return Scratch(
        k=np.zeros((STAGES, size)),
        y=np.zeros(size),
        f=np.zeros(size),
        slope=np.zeros(size),
        work=np.zeros(layout.sizes.work),
        pivots=np.zeros(layout.sizes.pivots, dtype=np.int64),
        flux=np.zeros(2 * nc),
        x=np.zeros(int(max(rows.max(), inner.max()))),
        flows=np.zeros(links),
        inlets=np.zeros((inlets, nc)),
        old_flows=np.zeros(links),
        old_inlets=np.zeros((inlets, nc)),
        sums=np.zeros(layout.sizes.groups),
        per=np.ones(layout.tables.units),
        old_per=np.ones(layout.tables.units),
        per_slope=np.zeros(layout.tables.units),
        active=np.zeros(links, dtype=np.int64),
        course=_new_course(layout),
    )


def _new_course(layout: Layout) -> Course:
    units, torn = layout.tables.units, layout.sizes.torn
    columns = torn * layout.tables.components
    return Course(
        sequence=np.arange(units),
        rank=np.arange(units),
        torn=np.zeros(torn, dtype=np.int64),
        tears=np.zeros(1, dtype=np.int64),
        turned=np.zeros(units, dtype=np.int64),
        response=np.zeros((columns, layout.tables.size)),
        closure=np.zeros((columns, columns)),
        pivots=np.zeros(max(columns, 1), dtype=np.int64),
        torn_values=np.zeros(columns),
    )


def no_inputs(links: int, inlets: int, components: int) -> Inputs:
    """Inputs that nothing given can go on from."""
    return Inputs(
        np.zeros(1),
        np.full(links, -1.0),
        np.zeros(links),
        np.zeros((inlets, components)),
        np.zeros((inlets, components)),
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
            "a value is not finite",
            "Check parameters and inlet concentrations of this unit.",
        ),
        control.TOO_MANY_STEPS: (
            "too many steps",
            "Raise max_steps, loosen the tolerance or refine the mesh.",
        ),
        control.SINGULAR: (
            f"the matrix of unit {layout.names[int(counts[control.UNIT])]} is singular",
            "Check its parameters and the Jacobian of its binding law.",
        ),
        control.CANCELLED: ("cancelled", ""),
    }
    cause, remedy = causes[status]
    return SolverError(Finding(where, f"{cause} ({tried})", "", remedy))
