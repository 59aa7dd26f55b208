"""Factors of the linear systems of a step: (w M - J) K = r with w = 1 / (gamma h).

Units are solved one after another in the direction of flow. In a bed the law of each point is eliminated
first, then the particle of each axial node (Schur complements), which leaves band matrices: one per component
that no binding couples, and one for all coupled components together, ordered by node.

The law gives one equation per bound state. Usually it is solved for the bound state. Where binding is strong
it is solved for the liquid concentration instead ("swapped"), and the bound state takes its place among the
kept variables z; otherwise rounding of a tiny liquid concentration, times dq/dc, would break the mass
balance.
"""

from __future__ import annotations

from minifactory.numerics.kernels import inline_kernel
from minifactory.numerics.linear_algebra import factor_band, invert_dense
from minifactory.twin.engine.right_hand_side import evaluate_law, through_flow
from minifactory.twin.engine.tables import (
    AT_OPERATORS,
    BOUND,
    COUPLED,
    DIFFUSION,
    DISPERSION,
    DISPERSIVITY,
    FILM,
    KIND,
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
    W_JQ,
    W_PARTICLE,
    W_SWAP,
    Array,
    Integers,
    Tables,
)

# A law is solved for the liquid where dq/dc exceeds this.
_STRONG = 30.0


@inline_kernel
def _eliminate_law(tb: Tables, u: int, w: float, work: Array, pivots: Integers) -> bool:
    """Per point of unit u: eliminated variables e = E z + (law block)^-1 r in terms of the kept ones z."""
    nc, nb, m = tb.components, tb.unit[u, BOUND], tb.unit[u, COUPLED]
    points = tb.unit[u, NODES] * max(tb.unit[u, RADIAL], 1)
    jc, jq = tb.unit[u, W_JC], tb.unit[u, W_JQ]
    pivot = pivots[0:nb]
    for i in range(points):
        by_c = work[jc + i * nb * nc : jc + (i + 1) * nb * nc].reshape(nb, nc)
        by_q = work[jq + i * nb * nb : jq + (i + 1) * nb * nb].reshape(nb, nb)
        gain = work[tb.unit[u, W_GAIN] + i * nb * m : tb.unit[u, W_GAIN] + (i + 1) * nb * m].reshape(nb, m)
        swap = work[tb.unit[u, W_SWAP] + i * nb : tb.unit[u, W_SWAP] + (i + 1) * nb]
        for a in range(nb):
            for b in range(nb):
                by_q[a, b] = -by_q[a, b]
            by_q[a, a] += w * tb.kinetic[u, a]
        for b in range(nb):
            x = tb.owner[u, b]
            swap[b] = 0.0
            if x >= 0 and abs(by_c[b, tb.order[u, x]]) > _STRONG * abs(by_q[b, b]):
                swap[b] = 1.0
        for x in range(m):
            k = tb.order[u, x]
            for a in range(nb):
                gain[a, x] = -by_c[a, k]
        for b in range(nb):
            if swap[b] == 1.0:
                for a in range(nb):
                    held = gain[a, tb.owner[u, b]]
                    gain[a, tb.owner[u, b]] = by_q[a, b]
                    by_q[a, b] = held
        if not invert_dense(by_q, pivot):
            return False
        at = tb.unit[u, W_INVERSE] + i * nb * nb
        spare = by_c[0]
        for x in range(m):
            for a in range(nb):
                total = 0.0
                for b in range(nb):
                    total -= by_q[a, b] * gain[b, x]
                spare[a] = total
            for a in range(nb):
                gain[a, x] = spare[a]
        for a in range(nb):
            for b in range(nb):
                work[at + a * nb + b] = by_q[a, b]
    return True


@inline_kernel
def _add_liquid(tb: Tables, u: int, point: int, x: int, factor: float, work: Array, row: Array) -> None:
    """row += factor * d(liquid of coupled component x) / dz at a point of unit u."""
    b, m = tb.state_of[u, x], tb.unit[u, COUPLED]
    if b >= 0 and work[tb.unit[u, W_SWAP] + point * tb.unit[u, BOUND] + b] == 1.0:
        at = tb.unit[u, W_GAIN] + (point * tb.unit[u, BOUND] + b) * m
        for z in range(m):
            row[z] += factor * work[at + z]
    else:
        row[x] += factor


@inline_kernel
def _add_bound(tb: Tables, u: int, point: int, b: int, factor: float, work: Array, row: Array) -> None:
    """row += factor * d(bound state b) / dz at a point of unit u."""
    m = tb.unit[u, COUPLED]
    if work[tb.unit[u, W_SWAP] + point * tb.unit[u, BOUND] + b] == 1.0:
        row[tb.owner[u, b]] += factor
    else:
        at = tb.unit[u, W_GAIN] + (point * tb.unit[u, BOUND] + b) * m
        for z in range(m):
            row[z] += factor * work[at + z]


@inline_kernel
def _factor_free(tb: Tables, u: int, w: float, flow: float, work: Array, pivots: Integers) -> bool:
    """Band factors of the components that no binding couples."""
    nc, n, lower, upper, m = (
        tb.components,
        tb.unit[u, NODES],
        tb.unit[u, LOWER],
        tb.unit[u, UPPER],
        tb.unit[u, COUPLED],
    )
    width = lower + upper + 1
    band = tb.unit[u, AT_OPERATORS]
    disperse = band + n * width
    stiffness = disperse + n * width + 2 * n
    nr = tb.unit[u, RADIAL]
    film_in = stiffness + nr * nr + nr
    film_out = film_in + nr
    count = 1 if tb.unit[u, SHARED] == 1 else nc - m
    for j in range(count):
        k = tb.order[u, m + j]
        a = work[tb.unit[u, W_FREE] + j * n * width : tb.unit[u, W_FREE] + (j + 1) * n * width]
        per_volume = flow / tb.by_unit[u, VOLUME]
        rate = tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
        diagonal = w
        if tb.unit[u, KIND] == PORES:
            at = tb.unit[u, W_FREE_PARTICLE] + j * nr * nr
            particle = work[at : at + nr * nr].reshape(nr, nr)
            film = tb.by_component[u, FILM, k]
            for r in range(nr):
                for s in range(nr):
                    particle[r, s] = tb.by_component[u, DIFFUSION, k] * tb.operators[stiffness + r * nr + s]
                particle[r, r] += w * tb.by_component[u, PORE, k] + film * tb.operators[film_in + r]
            if not invert_dense(particle, pivots[0:nr]):
                return False
            kept = 0.0
            for r in range(nr):
                if tb.operators[film_out + r] != 0.0:
                    seen = 1.0
                    for s in range(nr):
                        seen -= particle[r, s] * film * tb.operators[film_in + s]
                    kept += tb.operators[film_out + r] * seen
            diagonal += tb.by_unit[u, PHASE] * film * kept
        for i in range(n * width):
            a[i] = per_volume * tb.operators[band + i] - rate * tb.operators[disperse + i]
        for i in range(n):
            a[i * width + lower] += diagonal
        if not factor_band(a.reshape(n, width), lower, upper):
            return False
    return True


@inline_kernel
def _factor_particle(tb: Tables, u: int, i: int, w: float, work: Array, pivots: Integers) -> bool:
    """Factors of the particle at node i of unit u and its response to the film, coupled components."""
    m, nb, n, nr = tb.unit[u, COUPLED], tb.unit[u, BOUND], tb.unit[u, NODES], tb.unit[u, RADIAL]
    rows = nr * m
    width = tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1
    stiffness = tb.unit[u, AT_OPERATORS] + 2 * n * width + 2 * n
    film_in = stiffness + nr * nr + nr
    film_out = film_in + nr
    at = tb.unit[u, W_PARTICLE] + i * rows * rows
    a = work[at : at + rows * rows].reshape(rows, rows)
    a[:, :] = 0.0
    for r in range(nr):
        for x in range(m):
            k = tb.order[u, x]
            for s in range(nr):
                stiff = tb.operators[stiffness + r * nr + s]
                row = a[r * m + x, s * m : (s + 1) * m]
                liquid, solid = (
                    tb.by_component[u, DIFFUSION, k] * stiff,
                    tb.by_component[u, SURFACE, k] * stiff,
                )
                if s == r:
                    liquid += w * tb.by_component[u, PORE, k]
                    solid += w * tb.by_unit[u, SOLID]
                    liquid += tb.by_component[u, FILM, k] * tb.operators[film_in + r]
                if liquid != 0.0:
                    _add_liquid(tb, u, i * nr + s, x, liquid, work, row)
                if solid != 0.0:
                    for b in range(nb):
                        if tb.stoichiometry[u, k, b] != 0.0:
                            _add_bound(tb, u, i * nr + s, b, solid * tb.stoichiometry[u, k, b], work, row)
    if not invert_dense(a, pivots[0:rows]):
        return False
    # What the liquid at the surfaces answers to the rows of the particle: d(surface liquid)/dz times the
    # inverse.
    slope = work[tb.unit[u, W_JC] : tb.unit[u, W_JC] + m]
    for x in range(m):
        share = work[tb.unit[u, W_FILM] + (i * m + x) * rows : tb.unit[u, W_FILM] + (i * m + x + 1) * rows]
        for j in range(rows):
            share[j] = 0.0
        for r in range(nr):
            if tb.operators[film_out + r] == 0.0:
                continue
            for z in range(m):
                slope[z] = 0.0
            _add_liquid(tb, u, i * nr + r, x, tb.operators[film_out + r], work, slope)
            for z in range(m):
                if slope[z] != 0.0:
                    for j in range(rows):
                        share[j] += slope[z] * a[r * m + z, j]
    return True


@inline_kernel
def _factor_coupled(tb: Tables, u: int, w: float, flow: float, work: Array, pivots: Integers) -> bool:
    """Band factors of all coupled components of unit u together."""
    n, lower, upper, m, nb, nr = (
        tb.unit[u, NODES],
        tb.unit[u, LOWER],
        tb.unit[u, UPPER],
        tb.unit[u, COUPLED],
        tb.unit[u, BOUND],
        tb.unit[u, RADIAL],
    )
    width, wide = lower + upper + 1, (lower + upper + 2) * m - 1
    low, high = (lower + 1) * m - 1, (upper + 1) * m - 1
    band = tb.unit[u, AT_OPERATORS]
    disperse = band + n * width
    per_volume = flow / tb.by_unit[u, VOLUME]
    a = work[tb.unit[u, W_BULK] : tb.unit[u, W_BULK] + n * m * wide].reshape(n * m, wide)
    a[:, :] = 0.0
    stiffness = disperse + n * width + 2 * n
    film_in = stiffness + nr * nr + nr
    film_out = film_in + nr
    for i in range(n):
        if tb.unit[u, KIND] == PORES and not _factor_particle(tb, u, i, w, work, pivots):
            return False
        for x in range(m):
            k = tb.order[u, x]
            rate = tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
            for j in range(max(0, i - lower), min(n, i + upper + 1)):
                at = i * width + lower + j - i
                value = per_volume * tb.operators[band + at] - rate * tb.operators[disperse + at]
                if i == j:
                    value += w
                first = low - x + (j - i) * m
                if tb.unit[u, KIND] == LRM:
                    _add_liquid(tb, u, j, x, value, work, a[i * m + x, first : first + m])
                else:
                    a[i * m + x, first + x] += value
            here = a[i * m + x, low - x : low - x + m]
            if tb.unit[u, KIND] == LRM:
                for b in range(nb):
                    if tb.stoichiometry[u, k, b] != 0.0:
                        _add_bound(
                            tb, u, i, b, w * tb.by_unit[u, SOLID] * tb.stoichiometry[u, k, b], work, here
                        )
            else:
                exchange = tb.by_unit[u, PHASE] * tb.by_component[u, FILM, k]
                for r in range(nr):
                    if tb.operators[film_out + r] != 0.0:
                        here[x] += exchange * tb.operators[film_out + r]
                        share = tb.unit[u, W_FILM] + ((i * m + x) * nr + r) * m
                        for z in range(m):
                            film = tb.by_component[u, FILM, tb.order[u, z]] * tb.operators[film_in + r]
                            here[z] -= exchange * work[share + z] * film
    return bool(factor_band(a, low, high))


@inline_kernel
def factor(
    tb: Tables, w: float, flows: Array, per: Array, y: Array, f: Array, work: Array, pivots: Integers
) -> int:
    """Factors of w M - J at `y` into `work`; -1, or the unit whose matrix is singular. `f` is scratch."""
    for u in range(tb.units):
        flow = through_flow(tb, u, flows) * per[u]
        if tb.unit[u, BOUND] > 0:
            evaluate_law(tb, u, y, f, work, 2)
            if not _eliminate_law(tb, u, w, work, pivots):
                return u
        if tb.unit[u, COUPLED] < tb.components and not _factor_free(tb, u, w, flow, work, pivots):
            return u
        if tb.unit[u, COUPLED] > 0 and not _factor_coupled(tb, u, w, flow, work, pivots):
            return u
    return -1
