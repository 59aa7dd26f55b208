"""Solution of the linear systems of a step, with the factors of :mod:`stage_factors`.

For each unit in the direction of flow: what enters it, the constants of its eliminated variables, the share
of its particles in the liquid rows, the band systems, and back.

Where liquid goes round, some streams are torn (:mod:`flow_course`): with A the systems without them, U what
they bring and E the outlets that they leave, (A - U E) K = r gives K = A^-1 r + (A^-1 U) x, x = (I - E A^-1
U)^-1 E A^-1 r: one pass, and a correction of as many columns as there are components in torn streams
(Sherman, Morrison and Woodbury).
"""

from __future__ import annotations

from minifactory.numerics.kernels import inline_kernel
from minifactory.numerics.linear_algebra import invert_dense, solve_band
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.right_hand_side import inflow, outflow, outlet_at, through_flow
from minifactory.twin.engine.tables import (
    AT_OPERATORS,
    AT_STATE,
    BOUND,
    CELLS,
    COUPLED,
    DIFFUSION,
    DISPERSION,
    DISPERSIVITY,
    FILM,
    KIND,
    LINK_FIRST,
    LOWER,
    LRM,
    NODES,
    PHASE,
    PORE,
    PORES,
    RADIAL,
    SHARED,
    SOLID,
    SURFACE,
    UPPER,
    VOLUME,
    W_BULK,
    W_FILM,
    W_FREE,
    W_FREE_PARTICLE,
    W_GAIN,
    W_INVERSE,
    W_JC,
    W_PARTICLE,
    W_SWAP,
    Array,
    Tables,
)


@inline_kernel
def _fold_law(tb: Tables, u: int, w: float, flow: float, r: Array, work: Array) -> None:
    """Bound rows of `r` become the constants of the eliminated variables, which leave the other rows."""
    nc, nb, n, nr = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], tb.unit[u, RADIAL]
    lower, upper = tb.unit[u, LOWER], tb.unit[u, UPPER]
    width, per_node = lower + upper + 1, max(nr, 1)
    points, at = n * per_node, tb.unit[u, AT_STATE]
    liquid = at if tb.unit[u, KIND] == LRM else at + n * nc
    solid = liquid + points * nc
    inverse = tb.unit[u, W_INVERSE]
    band = tb.unit[u, AT_OPERATORS]
    disperse = band + n * width
    stiffness = disperse + n * width + 2 * n
    film_in = stiffness + nr * nr + nr
    film_out = film_in + nr
    spare = work[tb.unit[u, W_JC] : tb.unit[u, W_JC] + nb]
    for i in range(points):
        spare[:] = 0.0
        for b in range(nb):
            value = r[solid + i * nb + b]
            for a in range(nb):
                spare[a] += work[inverse + (i * nb + a) * nb + b] * value
        for a in range(nb):
            r[solid + i * nb + a] = spare[a]
    for i in range(points):
        node, s = i // per_node, i % per_node
        for b in range(nb):
            value = r[solid + i * nb + b]
            if value == 0.0:
                continue
            if work[tb.unit[u, W_SWAP] + i * nb + b] == 0.0:
                for k in range(nc):
                    held = tb.stoichiometry[u, k, b] * value
                    if held != 0.0:
                        r[liquid + i * nc + k] -= w * tb.by_unit[u, SOLID] * held
                        if tb.by_component[u, SURFACE, k] != 0.0:
                            for row in range(nr):
                                r[liquid + (node * nr + row) * nc + k] -= (
                                    tb.operators[stiffness + row * nr + s]
                                    * tb.by_component[u, SURFACE, k]
                                    * held
                                )
                continue
            k = tb.order[u, tb.owner[u, b]]
            if tb.unit[u, KIND] == LRM:
                rate = tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
                r[at + i * nc + k] -= w * value
                for j in range(max(0, i - upper), min(n, i + lower + 1)):
                    entry = j * width + lower + i - j
                    r[at + j * nc + k] -= value * (
                        flow / tb.by_unit[u, VOLUME] * tb.operators[band + entry]
                        - rate * tb.operators[disperse + entry]
                    )
            else:
                r[liquid + i * nc + k] -= w * tb.by_component[u, PORE, k] * value
                if nr > 1:
                    for row in range(nr):
                        r[liquid + (node * nr + row) * nc + k] -= (
                            tb.operators[stiffness + row * nr + s] * tb.by_component[u, DIFFUSION, k] * value
                        )
                film = tb.by_component[u, FILM, k] * value
                r[liquid + i * nc + k] -= tb.operators[film_in + s] * film
                r[at + node * nc + k] += tb.by_unit[u, PHASE] * tb.operators[film_out + s] * film


@inline_kernel
def _fold_particles(tb: Tables, u: int, r: Array, work: Array) -> None:
    """The film carries what the particle rows of `r` mean for the surface to the liquid rows."""
    nc, n, nr, m = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, COUPLED]
    at, rows = tb.unit[u, AT_STATE], nr * m
    width = tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1
    film_out = tb.unit[u, AT_OPERATORS] + 2 * n * width + 2 * n + nr * nr + 2 * nr
    for i in range(n):
        first = at + n * nc + i * nr * nc
        for x in range(m):
            share = tb.unit[u, W_FILM] + (i * m + x) * rows
            total = 0.0
            for s in range(nr):
                for z in range(m):
                    total += work[share + s * m + z] * r[first + s * nc + tb.order[u, z]]
            k = tb.order[u, x]
            r[at + i * nc + k] += tb.by_unit[u, PHASE] * tb.by_component[u, FILM, k] * total
        for j in range(nc - m):
            k = tb.order[u, m + j]
            total = 0.0
            for q in range(nr):
                if tb.operators[film_out + q] != 0.0:
                    share = tb.unit[u, W_FREE_PARTICLE] + (j * nr + q) * nr
                    seen = 0.0
                    for s in range(nr):
                        seen += work[share + s] * r[first + s * nc + k]
                    total += tb.operators[film_out + q] * seen
            r[at + i * nc + k] += tb.by_unit[u, PHASE] * tb.by_component[u, FILM, k] * total


@inline_kernel
def _unfold_particles(tb: Tables, u: int, r: Array, work: Array, x: Array) -> None:
    """Kept variables of the particles from their rows and the solved liquid."""
    nc, n, nr, m = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, COUPLED]
    at, rows = tb.unit[u, AT_STATE], nr * m
    width = tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1
    film_in = tb.unit[u, AT_OPERATORS] + 2 * n * width + 2 * n + nr * nr + nr
    for i in range(n):
        first = at + n * nc + i * nr * nc
        for s in range(nr):
            if tb.operators[film_in + s] != 0.0:
                for k in range(nc):
                    film = tb.by_component[u, FILM, k] * tb.operators[film_in + s]
                    r[first + s * nc + k] += film * r[at + i * nc + k]
        if m > 0:
            for s in range(nr):
                for z in range(m):
                    x[s * m + z] = r[first + s * nc + tb.order[u, z]]
            start = tb.unit[u, W_PARTICLE] + i * rows * rows
            for s in range(nr):
                for z in range(m):
                    row = work[start + (s * m + z) * rows : start + (s * m + z + 1) * rows]
                    total = 0.0
                    for j in range(rows):
                        total += row[j] * x[j]
                    r[first + s * nc + tb.order[u, z]] = total
        for j in range(nc - m):
            k = tb.order[u, m + j]
            for s in range(nr):
                x[s] = r[first + s * nc + k]
            start = tb.unit[u, W_FREE_PARTICLE] + j * nr * nr
            for s in range(nr):
                total = 0.0
                for q in range(nr):
                    total += work[start + s * nr + q] * x[q]
                r[first + s * nc + k] = total


@inline_kernel
def _unfold_law(tb: Tables, u: int, r: Array, work: Array) -> None:
    """Eliminated variables from the kept ones; then both go where they belong."""
    nc, nb, n, m = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], tb.unit[u, COUPLED]
    points = n * max(tb.unit[u, RADIAL], 1)
    liquid = tb.unit[u, AT_STATE] if tb.unit[u, KIND] == LRM else tb.unit[u, AT_STATE] + n * nc
    solid = liquid + points * nc
    for i in range(points):
        for b in range(nb):
            at = tb.unit[u, W_GAIN] + (i * nb + b) * m
            total = 0.0
            for x in range(m):
                total += work[at + x] * r[liquid + i * nc + tb.order[u, x]]
            r[solid + i * nb + b] += total
        for b in range(nb):
            if work[tb.unit[u, W_SWAP] + i * nb + b] == 1.0:
                k = tb.order[u, tb.owner[u, b]]
                held = r[liquid + i * nc + k]
                r[liquid + i * nc + k] = r[solid + i * nb + b]
                r[solid + i * nb + b] = held


@inline_kernel
def _solve_liquid(tb: Tables, u: int, r: Array, work: Array, x: Array) -> None:
    """The band systems of unit u, in place in the liquid rows of `r`."""
    nc, n, lower, upper, m = (
        tb.components,
        tb.unit[u, NODES],
        tb.unit[u, LOWER],
        tb.unit[u, UPPER],
        tb.unit[u, COUPLED],
    )
    width, at = lower + upper + 1, tb.unit[u, AT_STATE]
    if tb.unit[u, SHARED] == 1:
        a = work[tb.unit[u, W_FREE] : tb.unit[u, W_FREE] + n * width].reshape(n, width)
        for i in range(n):
            for j in range(max(0, i - lower), i):
                factor_ij = a[i, lower + j - i]
                if factor_ij != 0.0:
                    for k in range(nc):
                        r[at + i * nc + k] -= factor_ij * r[at + j * nc + k]
        for i in range(n - 1, -1, -1):
            for j in range(i + 1, min(n, i + upper + 1)):
                factor_ij = a[i, lower + j - i]
                if factor_ij != 0.0:
                    for k in range(nc):
                        r[at + i * nc + k] -= factor_ij * r[at + j * nc + k]
            for k in range(nc):
                r[at + i * nc + k] *= a[i, lower]
        return
    for j in range(nc - m):
        k = tb.order[u, m + j]
        start = tb.unit[u, W_FREE] + j * n * width
        for i in range(n):
            x[i] = r[at + i * nc + k]
        solve_band(work[start : start + n * width].reshape(n, width), lower, upper, x[0:n])
        for i in range(n):
            r[at + i * nc + k] = x[i]
    if m > 0:
        low, high = (lower + 1) * m - 1, (upper + 1) * m - 1
        start, wide = tb.unit[u, W_BULK], low + high + 1
        for i in range(n):
            for z in range(m):
                x[i * m + z] = r[at + i * nc + tb.order[u, z]]
        solve_band(work[start : start + n * m * wide].reshape(n * m, wide), low, high, x[0 : n * m])
        for i in range(n):
            for z in range(m):
                r[at + i * nc + tb.order[u, z]] = x[i * m + z]


@inline_kernel
def _solve_in_order(
    tb: Tables,
    w: float,
    flows: Array,
    per: Array,
    course: Course,
    first: int,
    r: Array,
    work: Array,
    x: Array,
) -> None:
    """One pass over the units from the `first` in order on, torn streams left out; in place in `r`."""
    nc, nu = tb.components, tb.units
    through = tb.unit[nu, AT_STATE]
    left = through + nu * nc
    inverse = 1.0 / w
    for place in range(first, nu):
        u = course.sequence[place]
        at, n = tb.unit[u, AT_STATE], tb.unit[u, NODES]
        entry = tb.unit[u, AT_OPERATORS] + 2 * n * (tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1)
        for link in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
            source = tb.link_source[link]
            if source >= 0 and flows[link] != 0.0 and course.rank[source] < place:
                share = flows[link] * per[source] / tb.by_unit[u, VOLUME]
                upstream = outlet_at(tb, source)
                for i in range(n):
                    inlet = tb.operators[entry + i] * share
                    if inlet != 0.0:
                        for k in range(nc):
                            r[at + i * nc + k] += inlet * r[upstream + k]
        if tb.unit[u, BOUND] > 0:
            _fold_law(tb, u, w, inflow(tb, u, flows), r, work)
        if tb.unit[u, KIND] == PORES:
            _fold_particles(tb, u, r, work)
        _solve_liquid(tb, u, r, work, x)
        if tb.unit[u, KIND] == PORES:
            _unfold_particles(tb, u, r, work, x)
        if tb.unit[u, KIND] != CELLS and tb.unit[u, BOUND] > 0:
            _unfold_law(tb, u, r, work)
        total = through_flow(tb, u, flows)
        leaving = total - outflow(tb, u, flows)
        total *= per[u]
        last = outlet_at(tb, u)
        for k in range(nc):
            r[through + u * nc + k] = (r[through + u * nc + k] + total * r[last + k]) * inverse
            r[left + k] += leaving * r[last + k]
    for k in range(left, tb.size):
        r[k] *= inverse


@inline_kernel
def close_loops(
    tb: Tables, w: float, flows: Array, per: Array, course: Course, work: Array, x: Array
) -> bool:
    """Answers of the torn streams to themselves, for :func:`solve`; False if they are singular."""
    nc = tb.components
    columns = course.tears[0] * nc
    for column in range(columns):
        response = course.response[column]
        source, k = course.torn[column // nc], column % nc
        response[:] = 0.0
        first = tb.units
        for link in range(tb.link_source.shape[0]):
            u = tb.link_target[link]
            if tb.link_source[link] != source or flows[link] == 0.0 or course.rank[source] < course.rank[u]:
                continue
            at, n = tb.unit[u, AT_STATE], tb.unit[u, NODES]
            entry = tb.unit[u, AT_OPERATORS] + 2 * n * (tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1)
            share = flows[link] * per[source] / tb.by_unit[u, VOLUME]
            for i in range(n):
                response[at + i * nc + k] += tb.operators[entry + i] * share
            first = min(first, course.rank[u])
        _solve_in_order(tb, w, flows, per, course, first, response, work, x)
    closure = course.closure[0:columns, 0:columns]
    for column in range(columns):
        for row in range(columns):
            at = outlet_at(tb, course.torn[row // nc]) + row % nc
            closure[row, column] = -course.response[column, at]
        closure[column, column] += 1.0
    return bool(columns == 0 or invert_dense(closure, course.pivots[0:columns]))


@inline_kernel
def solve(
    tb: Tables, w: float, flows: Array, per: Array, course: Course, r: Array, work: Array, x: Array
) -> None:
    """Overwrites `r` with the solution K of (w M - J) K = r; factors from :func:`factor`, `x` is scratch."""
    _solve_in_order(tb, w, flows, per, course, 0, r, work, x)
    nc = tb.components
    columns = course.tears[0] * nc
    for row in range(columns):
        total = 0.0
        for column in range(columns):
            at = outlet_at(tb, course.torn[column // nc]) + column % nc
            total += course.closure[row, column] * r[at]
        course.torn_values[row] = total
    for column in range(columns):
        value, response = course.torn_values[column], course.response[column]
        if value != 0.0:
            for i in range(tb.size):
                r[i] += value * response[i]
