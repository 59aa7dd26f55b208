"""Solution of the linear systems of a step, with the factors of :mod:`stage_factors`.

For each unit in the direction of flow: what enters it, the constants of its laws, the share of its particles
in the liquid rows, its elements, and back.

Where liquid goes round, some streams are torn (:mod:`flow_course`): with A the systems without them, U what
they bring and E the outlets that they leave, (A - U E) K = r gives K = A^-1 r + (A^-1 U) x, x = (I - E A^-1
U)^-1 E A^-1 r: one pass, and a correction of as many columns as there are components in torn streams
(Sherman, Morrison and Woodbury).
"""

from __future__ import annotations

from minifactory.numerics.kernels import inline_kernel, merged_kernel
from minifactory.numerics.lanes import anywhere
from minifactory.numerics.linear_algebra import apply_inverse, invert, reduce, substitute
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.right_hand_side import add_transport, held_back, outflow, outlet_at, through_flow
from minifactory.twin.engine.tables import (
    AT_SPHERE,
    AT_STATE,
    BOUND,
    CATCHES,
    COUPLED,
    DIFFUSION,
    ELEMENTS,
    FEEDS_MEMBRANE,
    FILM,
    KIND,
    LINK_FIRST,
    LRM,
    NODES,
    PER,
    PHASE,
    PORE,
    PORES,
    RADIAL,
    SHARED,
    SIEVING,
    SIZES,
    SOLID,
    SURFACE,
    VOLUME,
    W_BULK,
    W_FREE,
    W_FREE_PARTICLE,
    W_GAIN,
    W_INVERSE,
    W_PARTICLE,
    W_SLOPE,
    Array,
    Number,
    Tables,
)


@inline_kernel
def _constant(tb: Tables, u: int, k: int, solid: int, r: Array) -> Number:
    """solid S g of component k at a point whose bound rows start at `solid`."""
    total = 0.0
    for b in range(tb.unit[u, BOUND]):
        total += tb.stoichiometry[u, k, b] * r[solid + b]
    return tb.by_unit[u, SOLID] * total


@merged_kernel
def _fold_law(tb: Tables, u: int, flow: Number, r: Array, work: Array, x: Array, spare: Array) -> None:
    """Bound rows of `r` become the constants g; those of the liquid leave the other rows."""
    nc, nb, n, nr = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], tb.unit[u, RADIAL]
    points, at, m = n * max(nr, 1), tb.unit[u, AT_STATE], tb.unit[u, COUPLED]
    liquid = at if tb.unit[u, KIND] == LRM else at + n * nc
    solid = liquid + points * nc
    for i in range(points):
        inverse = tb.unit[u, W_INVERSE] + i * nb * nb
        for a in range(nb):
            total = 0.0
            for b in range(nb):
                total += work[inverse + a * nb + b] * r[solid + i * nb + b]
            spare[a] = total
        for a in range(nb):
            r[solid + i * nb + a] = spare[a]
    if tb.unit[u, KIND] == LRM:
        for i in range(n * nc):
            x[i] = 0.0
        for i in range(n):
            for z in range(m):
                k = tb.order[u, z]
                x[i * nc + k] = -_constant(tb, u, k, solid + i * nb, r)
        add_transport(tb, u, flow, 1.0, x, 0, spare, r, at)
        return
    stiffness = tb.unit[u, AT_SPHERE]
    film_in = stiffness + nr * nr
    for z in range(m):
        k = tb.order[u, z]
        inverse_pore = 1.0 / tb.by_component[u, PORE, k]
        film = tb.by_component[u, FILM, k]
        rate = tb.by_component[u, SURFACE, k] - tb.by_component[u, DIFFUSION, k] * inverse_pore
        for i in range(n):
            for s in range(nr):
                point = i * nr + s
                held = _constant(tb, u, k, solid + point * nb, r)
                if nr > 1:
                    for row in range(nr):
                        r[liquid + (i * nr + row) * nc + k] -= (
                            tb.operators[stiffness + row * nr + s] * rate * held
                        )
                if tb.operators[film_in + nr + s] != 0.0:
                    surface = film * inverse_pore * held
                    r[liquid + point * nc + k] += tb.operators[film_in + s] * surface
                    r[at + i * nc + k] -= tb.by_unit[u, PHASE] * tb.operators[film_in + nr + s] * surface


@merged_kernel
def _fold_particles(tb: Tables, u: int, r: Array, work: Array, x: Array, spare: Array) -> None:
    """The particle rows of `r` are reduced, and what they mean for the surface joins the liquid rows."""
    nc, n, nr, m = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, COUPLED]
    at, sizes = tb.unit[u, AT_STATE], tb.unit[u, SIZES]
    own, film_out = nr // sizes, tb.unit[u, AT_SPHERE] + nr * nr + nr
    rows = own * m
    for i in range(n):
        for size in range(sizes):
            first = at + n * nc + (i * nr + size * own) * nc
            out = tb.by_unit[u, PHASE] * tb.operators[film_out + size * own + own - 1]
            if m > 0:
                for s in range(own):
                    for z in range(m):
                        x[s * m + z] = r[first + s * nc + tb.order[u, z]]
                particle = tb.unit[u, W_PARTICLE] + (i * sizes + size) * rows * rows
                reduce(work, particle, rows, m, x, 0)
                for s in range(own):
                    for z in range(m):
                        r[first + s * nc + tb.order[u, z]] = x[s * m + z]
                apply_inverse(work, particle, rows, m, x, 0, spare, 0)
                slope = tb.unit[u, W_SLOPE] + (i * nr + size * own + own - 1) * m * m
                for z in range(m):
                    k = tb.order[u, z]
                    total = 0.0
                    for j in range(m):
                        total += work[slope + z * m + j] * spare[j]
                    r[at + i * nc + k] += out * tb.by_component[u, FILM, k] * total
            for j in range(nc - m):
                k = tb.order[u, m + j]
                particle = tb.unit[u, W_FREE_PARTICLE] + (j * sizes + size) * own * own
                for s in range(own):
                    x[s] = r[first + s * nc + k]
                reduce(work, particle, own, 1, x, 0)
                for s in range(own):
                    r[first + s * nc + k] = x[s]
                surface = work[particle + own * own - 1] * x[own - 1]
                r[at + i * nc + k] += out * tb.by_component[u, FILM, k] * surface


@merged_kernel
def _unfold_particles(tb: Tables, u: int, r: Array, work: Array, x: Array, spare: Array) -> None:
    """Particle unknowns from their reduced rows and the solved liquid."""
    nc, n, nr, m = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, COUPLED]
    at, sizes = tb.unit[u, AT_STATE], tb.unit[u, SIZES]
    own, film_in = nr // sizes, tb.unit[u, AT_SPHERE] + nr * nr
    rows = own * m
    for i in range(n):
        for size in range(sizes):
            first = at + n * nc + (i * nr + size * own) * nc
            into = tb.operators[film_in + size * own + own - 1]
            for k in range(nc):
                r[first + (own - 1) * nc + k] += into * tb.by_component[u, FILM, k] * r[at + i * nc + k]
            if m > 0:
                for s in range(own):
                    for z in range(m):
                        x[s * m + z] = r[first + s * nc + tb.order[u, z]]
                particle = tb.unit[u, W_PARTICLE] + (i * sizes + size) * rows * rows
                apply_inverse(work, particle, rows, m, x, 0, spare, 0)
                for z in range(m):
                    x[rows - m + z] = spare[z]
                substitute(work, particle, rows, m, x, 0)
                for s in range(own):
                    for z in range(m):
                        r[first + s * nc + tb.order[u, z]] = x[s * m + z]
            for j in range(nc - m):
                k = tb.order[u, m + j]
                particle = tb.unit[u, W_FREE_PARTICLE] + (j * sizes + size) * own * own
                for s in range(own):
                    x[s] = r[first + s * nc + k]
                x[own - 1] = work[particle + own * own - 1] * x[own - 1]
                substitute(work, particle, own, 1, x, 0)
                for s in range(own):
                    r[first + s * nc + k] = x[s]


@merged_kernel
def _unfold_law(tb: Tables, u: int, r: Array, work: Array) -> None:
    """Bound states and liquid from the totals, which stand where the liquid belongs."""
    nc, nb, n, m = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], tb.unit[u, COUPLED]
    points = n * max(tb.unit[u, RADIAL], 1)
    liquid = tb.unit[u, AT_STATE] if tb.unit[u, KIND] == LRM else tb.unit[u, AT_STATE] + n * nc
    solid = liquid + points * nc
    for i in range(points):
        for b in range(nb):
            gain = tb.unit[u, W_GAIN] + (i * nb + b) * m
            total = 0.0
            for x in range(m):
                total += work[gain + x] * r[liquid + i * nc + tb.order[u, x]]
            r[solid + i * nb + b] += total
    for x in range(m):
        k = tb.order[u, x]
        inverse_pore = 1.0 / tb.by_component[u, PORE, k]
        for i in range(points):
            held = _constant(tb, u, k, solid + i * nb, r)
            r[liquid + i * nc + k] = (r[liquid + i * nc + k] - held) * inverse_pore


@merged_kernel
def _solve_free(tb: Tables, u: int, r: Array, work: Array, x: Array) -> None:
    """The elements of the components that no binding couples, in place in the liquid rows of `r`."""
    nc, m, at = tb.components, tb.unit[u, COUPLED], tb.unit[u, AT_STATE]
    per, elements = tb.unit[u, PER], tb.unit[u, ELEMENTS]
    n, square = tb.unit[u, NODES], per * per
    for j in range(nc - m):
        k = tb.order[u, m + j]
        start = tb.unit[u, W_FREE]
        if tb.unit[u, SHARED] == 0:
            start += j * elements * (square + 2 * per)
        for i in range(n):
            x[i] = r[at + i * nc + k]
        for e in range(elements):
            block, own = start + e * (square + 2 * per), e * per
            if e > 0:
                before = work[block - 2 * per - 1] * x[own - 1]
                for i in range(per):
                    x[own + i] -= work[block + square + i] * before
            reduce(work, block, per, 1, x, own)
        for e in range(elements - 1, -1, -1):
            block, own = start + e * (square + 2 * per), e * per
            last = x[own + per - 1]
            if e + 1 < elements:
                for i in range(per):
                    last -= work[block + square + per + i] * x[own + per + i]
            x[own + per - 1] = last * work[block + square - 1]
            substitute(work, block, per, 1, x, own)
        for i in range(n):
            r[at + i * nc + k] = x[i]


@inline_kernel
def _liquid_of(tb: Tables, u: int, point: int, x: int, work: Array, z: Array, at: int) -> Number:
    """Coupled component x of the liquid of a bulk node whose unknowns are in `z` at `at`."""
    if tb.unit[u, KIND] != LRM:
        return z[at + x]
    m = tb.unit[u, COUPLED]
    slope = tb.unit[u, W_SLOPE] + (point * m + x) * m
    total = 0.0
    for j in range(m):
        total += work[slope + j] * z[at + j]
    return total


@merged_kernel
def _solve_coupled(tb: Tables, u: int, r: Array, work: Array, x: Array, spare: Array) -> None:
    """The elements of all coupled components, in place in the liquid rows of `r`."""
    nc, m, at = tb.components, tb.unit[u, COUPLED], tb.unit[u, AT_STATE]
    per, elements = tb.unit[u, PER], tb.unit[u, ELEMENTS]
    rows, start = per * m, tb.unit[u, W_BULK]
    block = rows * (rows + 2)
    for i in range(tb.unit[u, NODES]):
        for z in range(m):
            x[i * m + z] = r[at + i * nc + tb.order[u, z]]
    for e in range(elements):
        low, own = start + e * block + rows * rows, e * rows
        if e > 0:
            apply_inverse(work, start + (e - 1) * block, rows, m, x, own - rows, spare, 0)
            for z in range(m):
                before = _liquid_of(tb, u, e * per - 1, z, work, spare, 0)
                for i in range(per):
                    x[own + i * m + z] -= work[low + i * m + z] * before
        reduce(work, start + e * block, rows, m, x, own)
    for e in range(elements - 1, -1, -1):
        up, own = start + e * block + rows * rows + rows, e * rows
        if e + 1 < elements:
            for i in range(per):
                for z in range(m):
                    after = _liquid_of(tb, u, (e + 1) * per + i, z, work, x, own + rows + i * m)
                    x[own + rows - m + z] -= work[up + i * m + z] * after
        apply_inverse(work, start + e * block, rows, m, x, own, spare, 0)
        for z in range(m):
            x[own + rows - m + z] = spare[z]
        substitute(work, start + e * block, rows, m, x, own)
    for i in range(tb.unit[u, NODES]):
        for z in range(m):
            r[at + i * nc + tb.order[u, z]] = x[i * m + z]


@inline_kernel
def _enter(tb: Tables, flows: Array, per: Array, course: Course, place: int, r: Array) -> None:
    """Adds what the units solved before send into the unit at `place` to its first node."""
    nc, u = tb.components, course.sequence[place]
    at = tb.unit[u, AT_STATE]
    inlet = tb.operators[tb.unit[u, AT_SPHERE] - 1] / tb.by_unit[u, VOLUME]
    for link in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
        source = tb.link_source[link]
        if source >= 0 and course.rank[source] < place and anywhere(flows[link] != 0.0):
            upstream, share = outlet_at(tb, source), inlet * flows[link] * per[source]
            for k in range(nc):
                r[at + k] += share * tb.by_component[u, SIEVING, k] * r[upstream + k]


@inline_kernel
def _solve_in_order(
    tb: Tables, w: Number, flows: Array, per: Array, course: Course, first: int, r: Array, work: Array,
    x: Array, spare: Array,
) -> None:  # fmt: skip
    """One pass over the units from the `first` in order on, torn streams left out; in place in `r`."""
    nc, nu = tb.components, tb.units
    through = tb.unit[nu, AT_STATE]
    left = through + nu * nc
    inverse = 1.0 / w
    for place in range(first, nu):
        u = course.sequence[place]
        total = through_flow(tb, u, flows)
        leaving = (total - outflow(tb, u, flows)) * per[u]
        flow = total * per[u]
        _enter(tb, flows, per, course, place, r)
        if tb.unit[u, BOUND] > 0:
            _fold_law(tb, u, flow, r, work, x, spare)
        if tb.unit[u, KIND] == PORES:
            _fold_particles(tb, u, r, work, x, spare)
        if tb.unit[u, COUPLED] < nc:
            _solve_free(tb, u, r, work, x)
        if tb.unit[u, COUPLED] > 0:
            _solve_coupled(tb, u, r, work, x, spare)
        if tb.unit[u, KIND] == PORES:
            _unfold_particles(tb, u, r, work, x, spare)
        if tb.unit[u, BOUND] > 0:
            _unfold_law(tb, u, r, work)
        last = outlet_at(tb, u)
        for k in range(nc):
            r[through + u * nc + k] = (r[through + u * nc + k] + flow * r[last + k]) * inverse
            r[left + k] += leaving * r[last + k]
        if tb.unit[u, FEEDS_MEMBRANE] == 1:
            for k in range(nc):
                r[left + k] += held_back(tb, u, k, flows, CATCHES) * r[last + k]
    for k in range(left, tb.size):
        r[k] *= inverse


@merged_kernel
def close_loops(
    tb: Tables, w: Number, flows: Array, per: Array, course: Course, work: Array, x: Array, spare: Array
) -> None:
    """Answers of the torn streams to themselves, for :func:`solve`."""
    nc = tb.components
    columns = course.tears[0] * nc
    for column in range(columns):
        response = course.response[column]
        source, k = course.torn[column // nc], column % nc
        for i in range(tb.size):
            response[i] = 0.0
        first = tb.units
        for link in range(tb.link_source.shape[0]):
            u = tb.link_target[link]
            if tb.link_source[link] != source or course.rank[source] < course.rank[u]:
                continue
            inlet = tb.operators[tb.unit[u, AT_SPHERE] - 1] / tb.by_unit[u, VOLUME]
            response[tb.unit[u, AT_STATE] + k] += (
                inlet * flows[link] * per[source] * tb.by_component[u, SIEVING, k]
            )
            first = min(first, course.rank[u])
        _solve_in_order(tb, w, flows, per, course, first, response, work, x, spare)
    for column in range(columns):
        for row in range(columns):
            at = outlet_at(tb, course.torn[row // nc]) + row % nc
            course.closure[row * columns + column] = -course.response[column, at]
        course.closure[column * columns + column] += 1.0
    invert(course.closure, 0, columns, columns)


@merged_kernel
def solve(
    tb: Tables, w: Number, flows: Array, per: Array, course: Course, r: Array, work: Array, x: Array,
    spare: Array,
) -> None:  # fmt: skip
    """Overwrites `r` with the solution K of (w M - J) K = r, by the factors in `work`."""
    _solve_in_order(tb, w, flows, per, course, 0, r, work, x, spare)
    nc = tb.components
    columns = course.tears[0] * nc
    for row in range(columns):
        total = 0.0
        for column in range(columns):
            at = outlet_at(tb, course.torn[column // nc]) + column % nc
            total += course.closure[row * columns + column] * r[at]
        course.torn_values[row] = total
    for column in range(columns):
        for i in range(tb.size):
            r[i] += course.torn_values[column] * course.response[column, i]
