"""Factors of the linear systems of a step: (w M - J) K = r with w = 1 / (gamma h).

Units are solved one after another in the direction of flow. At each point of a bed the unknown is the total z
= pore p + solid S q of every coupled component, so that no rate and no partition, however strong, enters a
mass balance by subtraction: the law gives q = G z + g, and p = (z - solid S q) / pore = L z + l. Then the
particle of each axial node is eliminated but for its surface, then each element along the bed but for its
last node, through which alone elements are coupled (nodal.AxialOperators.elements). Components that no
binding couples are solved on their own.
"""

from __future__ import annotations

from minifactory.numerics.kernels import merged_kernel
from minifactory.numerics.linear_algebra import condense, invert
from minifactory.twin.engine.right_hand_side import evaluate_law, held_back, through_flow
from minifactory.twin.engine.tables import (
    AT_OPERATORS,
    AT_SPHERE,
    BOUND,
    COUPLED,
    DIFFUSION,
    DISPERSION,
    DISPERSIVITY,
    ELEMENTS,
    FEEDS_MEMBRANE,
    FILM,
    KEEPS,
    KIND,
    LRM,
    NODES,
    PER,
    PHASE,
    PORE,
    PORES,
    RADIAL,
    SHARED,
    SIZES,
    SOLID,
    SURFACE,
    VOLUME,
    W_BULK,
    W_FREE,
    W_FREE_PARTICLE,
    W_GAIN,
    W_INVERSE,
    W_JC,
    W_JQ,
    W_PARTICLE,
    W_SLOPE,
    Array,
    Number,
    Tables,
)


@merged_kernel
def _eliminate_law(tb: Tables, u: int, w: Number, work: Array, spare: Array) -> None:
    """Per point of unit u: G of the bound states and L of the liquid; `spare` (m + m nb,) is scratch."""
    nc, nb, m = tb.components, tb.unit[u, BOUND], tb.unit[u, COUPLED]
    for x in range(m):
        k = tb.order[u, x]
        spare[x] = 1.0 / tb.by_component[u, PORE, k]
        # solid S / pore
        for b in range(nb):
            spare[m + x * nb + b] = tb.by_unit[u, SOLID] * tb.stoichiometry[u, k, b] * spare[x]
    for i in range(tb.unit[u, NODES] * max(tb.unit[u, RADIAL], 1)):
        by_c, by_q = tb.unit[u, W_JC] + i * nb * nc, tb.unit[u, W_JQ] + i * nb * nb
        inverse, gain = tb.unit[u, W_INVERSE] + i * nb * nb, tb.unit[u, W_GAIN] + i * nb * m
        slope = tb.unit[u, W_SLOPE] + i * m * m
        for a in range(nb):
            for b in range(nb):
                total = -work[by_q + a * nb + b]
                for x in range(m):
                    total += work[by_c + a * nc + tb.order[u, x]] * spare[m + x * nb + b]
                work[inverse + a * nb + b] = total
            work[inverse + a * nb + a] += w * tb.kinetic[u, a]
        invert(work, inverse, nb, nb)
        for x in range(m):
            k = tb.order[u, x]
            for a in range(nb):
                total = 0.0
                for b in range(nb):
                    total += work[inverse + a * nb + b] * work[by_c + b * nc + k]
                work[gain + a * m + x] = total * spare[x]
        for x in range(m):
            for z in range(m):
                total = 0.0
                for b in range(nb):
                    total -= spare[m + x * nb + b] * work[gain + b * m + z]
                work[slope + x * m + z] = total
            work[slope + x * m + x] += spare[x]


@merged_kernel
def _factor_particle(tb: Tables, u: int, i: int, size: int, w: Number, work: Array) -> None:
    """Factors of the particle of a size at node i of unit u, coupled components, condensed to its surface."""
    m, nr, sizes = tb.unit[u, COUPLED], tb.unit[u, RADIAL], tb.unit[u, SIZES]
    own = nr // sizes
    rows, first = own * m, size * own
    stiffness = tb.unit[u, AT_SPHERE] + first * (nr + 1)
    film_in = tb.operators[tb.unit[u, AT_SPHERE] + nr * nr + first + own - 1]
    at = tb.unit[u, W_PARTICLE] + (i * sizes + size) * rows * rows
    for s in range(own):
        slope = tb.unit[u, W_SLOPE] + (i * nr + first + s) * m * m
        for x in range(m):
            k = tb.order[u, x]
            on_solid = tb.by_component[u, SURFACE, k]
            # solid S G = 1 - pore L: surface diffusion by the same slopes
            rate = tb.by_component[u, DIFFUSION, k] - on_solid * tb.by_component[u, PORE, k]
            film = tb.by_component[u, FILM, k] * film_in
            for r in range(own):
                stiff = tb.operators[stiffness + r * nr + s]
                row = at + (r * m + x) * rows + s * m
                share = stiff * rate
                if r == own - 1 and s == own - 1:
                    share += film
                for z in range(m):
                    work[row + z] = share * work[slope + x * m + z]
                work[row + x] += stiff * on_solid
                if r == s:
                    work[row + x] += w
    condense(work, at, rows, m)


@merged_kernel
def _factor_free(
    tb: Tables, u: int, w: Number, flows: Array, flow: Number, work: Array, spare: Array
) -> None:
    """Factors of the components that no binding couples."""
    nc, m, per, elements = tb.components, tb.unit[u, COUPLED], tb.unit[u, PER], tb.unit[u, ELEMENTS]
    nr, sizes, stiffness = tb.unit[u, RADIAL], tb.unit[u, SIZES], tb.unit[u, AT_SPHERE]
    own, film_in = nr // sizes, stiffness + nr * nr
    block = per * per + 2 * per
    speed = flow / tb.by_unit[u, VOLUME]
    for j in range(1 if tb.unit[u, SHARED] == 1 else nc - m):
        k = tb.order[u, m + j]
        rate = tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
        diagonal = w
        if tb.unit[u, FEEDS_MEMBRANE] == 1:
            diagonal -= held_back(tb, u, k, flows, KEEPS) / tb.by_unit[u, VOLUME]
        if tb.unit[u, KIND] == PORES:
            film = tb.by_component[u, FILM, k]
            for size in range(sizes):
                at, first = tb.unit[u, W_FREE_PARTICLE] + (j * sizes + size) * own * own, size * own
                for r in range(own):
                    for s in range(own):
                        stiff = tb.operators[stiffness + (first + r) * nr + first + s]
                        work[at + r * own + s] = tb.by_component[u, DIFFUSION, k] * stiff
                    work[at + r * own + r] += w * tb.by_component[u, PORE, k]
                into = film * tb.operators[film_in + first + own - 1]
                work[at + own * own - 1] += into
                condense(work, at, own, 1)
                kept = 1.0 - into * work[at + own * own - 1]
                diagonal += tb.by_unit[u, PHASE] * film * tb.operators[film_in + nr + first + own - 1] * kept
        for e in range(elements):
            convect = tb.unit[u, AT_OPERATORS] + e * per * (2 * per + 3)
            disperse, edges = convect + per * per, convect + 2 * per * per
            at = tb.unit[u, W_FREE] + (j * elements + e) * block
            low, up = at + per * per, at + per * per + per
            for i in range(per * per):
                work[at + i] = speed * tb.operators[convect + i] - rate * tb.operators[disperse + i]
            for i in range(per):
                work[at + i * per + i] += diagonal
                work[low + i] = speed * tb.operators[edges + i] - rate * tb.operators[edges + per + i]
                work[up + i] = -rate * tb.operators[edges + 2 * per + i]
                if e > 0:
                    for z in range(per):
                        work[at + i * per + z] -= work[low + i] * spare[z]
            condense(work, at, per, 1)
            for z in range(per):
                spare[z] = work[at + per * per - 1] * work[up + z]


@merged_kernel
def _fill_element(tb: Tables, u: int, e: int, w: Number, flow: Number, work: Array, at: int) -> None:
    """Matrix of element e, coupled components, and its couplings to both neighbours; without Schur parts."""
    m, per, nr = tb.unit[u, COUPLED], tb.unit[u, PER], tb.unit[u, RADIAL]
    rows, lumped = per * m, tb.unit[u, KIND] == LRM
    convect = tb.unit[u, AT_OPERATORS] + e * per * (2 * per + 3)
    disperse, edges = convect + per * per, convect + 2 * per * per
    low, up = at + rows * rows, at + rows * rows + rows
    sizes = tb.unit[u, SIZES]
    own, film_in = nr // sizes, tb.unit[u, AT_SPHERE] + nr * nr
    speed = flow / tb.by_unit[u, VOLUME]
    for i in range(rows * rows):
        work[at + i] = 0.0
    for x in range(m):
        k = tb.order[u, x]
        rate = tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
        exchange = tb.by_unit[u, PHASE] * tb.by_component[u, FILM, k]
        for i in range(per):
            work[low + i * m + x] = speed * tb.operators[edges + i] - rate * tb.operators[edges + per + i]
            work[up + i * m + x] = -rate * tb.operators[edges + 2 * per + i]
            row, node = at + (i * m + x) * rows, e * per + i
            for j in range(per):
                value = (
                    speed * tb.operators[convect + i * per + j] - rate * tb.operators[disperse + i * per + j]
                )
                if lumped:
                    slope = tb.unit[u, W_SLOPE] + (e * per + j) * m * m + x * m
                    for z in range(m):
                        work[row + j * m + z] = value * work[slope + z]
                else:
                    work[row + j * m + x] = value
            work[row + i * m + x] += w
            if tb.unit[u, KIND] == PORES:
                for size in range(sizes):
                    # What the liquid at the surface answers to the film: L times the condensed particle.
                    surface = size * own + own - 1
                    out = exchange * tb.operators[film_in + nr + surface]
                    work[row + i * m + x] += out
                    slope = tb.unit[u, W_SLOPE] + (node * nr + surface) * m * m + x * m
                    particle = tb.unit[u, W_PARTICLE] + (node * sizes + size) * own * m * own * m
                    corner = particle + (own - 1) * m * (own * m + 1)
                    for z in range(m):
                        answer = 0.0
                        for y in range(m):
                            answer += work[slope + y] * work[corner + y * own * m + z]
                        film = tb.by_component[u, FILM, tb.order[u, z]] * tb.operators[film_in + surface]
                        work[row + i * m + z] -= out * film * answer


@merged_kernel
def _couple_elements(tb: Tables, u: int, e: int, work: Array, spare: Array, at: int) -> None:
    """What element e, condensed, answers at its last node to the next one: (m, rows) into `spare`."""
    m, per = tb.unit[u, COUPLED], tb.unit[u, PER]
    rows, other = per * m, per * m * m
    corner, up = at + (rows - m) * rows + rows - m, at + rows * rows + rows
    if tb.unit[u, KIND] != LRM:
        for x in range(m):
            for j in range(per):
                for z in range(m):
                    spare[x * rows + j * m + z] = work[corner + x * rows + z] * work[up + j * m + z]
        return
    for x in range(m):
        for j in range(per):
            slope = tb.unit[u, W_SLOPE] + ((e + 1) * per + j) * m * m
            for z in range(m):
                total = 0.0
                for y in range(m):
                    total += work[corner + x * rows + y] * work[up + j * m + y] * work[slope + y * m + z]
                spare[other + x * rows + j * m + z] = total
    last = tb.unit[u, W_SLOPE] + (e * per + per - 1) * m * m
    for x in range(m):
        for j in range(rows):
            total = 0.0
            for y in range(m):
                total += work[last + x * m + y] * spare[other + y * rows + j]
            spare[x * rows + j] = total


@merged_kernel
def _factor_coupled(tb: Tables, u: int, w: Number, flow: Number, work: Array, spare: Array) -> None:
    """Factors of all coupled components of unit u together."""
    m, per, elements = tb.unit[u, COUPLED], tb.unit[u, PER], tb.unit[u, ELEMENTS]
    rows = per * m
    if tb.unit[u, KIND] == PORES:
        for i in range(tb.unit[u, NODES]):
            for size in range(tb.unit[u, SIZES]):
                _factor_particle(tb, u, i, size, w, work)
    for e in range(elements):
        at = tb.unit[u, W_BULK] + e * rows * (rows + 2)
        _fill_element(tb, u, e, w, flow, work, at)
        if e > 0:
            for i in range(rows):
                low, answer = work[at + rows * rows + i], (i % m) * rows
                for j in range(rows):
                    work[at + i * rows + j] -= low * spare[answer + j]
        condense(work, at, rows, m)
        if e + 1 < elements:
            _couple_elements(tb, u, e, work, spare, at)


@merged_kernel
def factor(
    tb: Tables, w: Number, flows: Array, per: Array, y: Array, f: Array, work: Array, spare: Array
) -> None:
    """Factors of w M - J at `y` into `work`; `f` and `spare` are scratch."""
    for u in range(tb.units):
        flow = through_flow(tb, u, flows) * per[u]
        if tb.unit[u, BOUND] > 0:
            evaluate_law(tb, u, y, f, work, 2)
        if tb.unit[u, COUPLED] > 0:
            _eliminate_law(tb, u, w, work, spare)
            _factor_coupled(tb, u, w, flow, work, spare)
        if tb.unit[u, COUPLED] < tb.components:
            _factor_free(tb, u, w, flows, flow, work, spare)
