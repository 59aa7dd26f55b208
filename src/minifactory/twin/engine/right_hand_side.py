"""The equations: right-hand side, its derivative in time, and the mass matrix.

Liquid between particles    c' = -Q/V C c + (D + d Q)/L2 B c + b sum_k Q_k c_k / V - phase film (c - p_R)
Liquid in the particle      pore p' + solid S q' = -pore D_p/R2 K p - solid D_s/R2 K S q + film (c - p_R) /
w_R
Bound states                q' = law(p, q)   or   0 = law(p, q)
Several particle sizes      the particles of a node one after another in `radius`, each with its surface node;
                            phase film (c - p_R) is then the sum over the sizes
LRM                         c' + phase S q' = transport,   law(c, q)

Vessel                      m' = sum_k Q_k c_k - Q_out m / V(t),   V' = sum_k Q_k - Q_out

The liquid rows carry the total of a component, so the binding rate never enters a mass balance. `per` turns
the last node of a unit into the concentration at its outlet: 1, and 1 / V(t) for a vessel.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minifactory.numerics.kernel_arrays import address
from minifactory.numerics.kernels import inline_kernel
from minifactory.numerics.lanes import anywhere, select
from minifactory.twin.engine.tables import (
    AT_OPERATORS,
    AT_SPHERE,
    AT_STATE,
    BOUND,
    CATCHES,
    CELLS,
    DIFFUSION,
    DISPERSION,
    DISPERSIVITY,
    ELEMENTS,
    FEEDS_MEMBRANE,
    FILM,
    FILM_GIVEN,
    FILM_POWER,
    FOLLOWS,
    KEEPS,
    KIND,
    LAW,
    LAW_AT,
    LINK_FIRST,
    LRM,
    MEMBRANE,
    NODES,
    OUT_FIRST,
    PER,
    PER_FLOW,
    PHASE,
    PORE,
    PORES,
    RADIAL,
    SIEVING,
    SOLID,
    SURFACE,
    VESSEL,
    VOLUME,
    W_JC,
    W_JQ,
    Array,
    Number,
    Tables,
)

# Part of their velocity below which films do not fall: there diffusion goes on without flow.
SLOWEST = 1.0e-3


@intrinsic
def _law_by_address(
    typingctx: Any,  # noqa: ARG001
    address: Any,
    n: Any,
    nc: Any,
    nb: Any,
    np_: Any,
    p: Any,
    c: Any,
    q: Any,
    f: Any,
    jc: Any,
    jq: Any,
    want: Any,
) -> Any:
    """Calls a law by its address; all pointers are passed as integers."""
    arguments = (address, n, nc, nb, np_, p, c, q, f, jc, jq, want)
    signature = types.void(*arguments)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        pointer = ir.DoubleType().as_pointer()
        kinds = [word] * 4 + [pointer] * 6 + [word]
        function = ir.FunctionType(ir.VoidType(), kinds)
        values = [context.cast(builder, a, t, types.int64) for a, t in zip(args, sig.args, strict=True)]
        target = builder.inttoptr(values[0], function.as_pointer())
        passed = [
            builder.inttoptr(value, pointer) if kind is pointer else value
            for value, kind in zip(values[1:], kinds, strict=True)
        ]
        builder.call(target, passed)
        return context.get_dummy_value()

    return signature, generate


_call_law: Any = _law_by_address


@inline_kernel
def evaluate_law(tb: Tables, u: int, y: Array, f: Array, work: Array, want: int) -> None:
    """Rates into the bound rows of `f` (want & 1), Jacobians into `work` (want & 2), all points of unit u."""
    nc, nb, n, nr = tb.components, tb.unit[u, BOUND], tb.unit[u, NODES], max(tb.unit[u, RADIAL], 1)
    points = n * nr
    liquid = tb.unit[u, AT_STATE] if tb.unit[u, KIND] == LRM else tb.unit[u, AT_STATE] + n * nc
    solid = liquid + points * nc
    _call_law(
        tb.unit[u, LAW],
        points,
        nc,
        nb,
        tb.unit[u + 1, LAW_AT] - tb.unit[u, LAW_AT],
        address(tb.law_parameters, tb.unit[u, LAW_AT]),
        address(y, liquid),
        address(y, solid),
        address(f, solid),
        address(work, tb.unit[u, W_JC]),
        address(work, tb.unit[u, W_JQ]),
        want,
    )


@inline_kernel
def inflow(tb: Tables, u: int, flows: Array) -> Number:
    """Total flow into unit u, m3/s."""
    total = 0.0
    for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
        total += flows[k]
    return total


@inline_kernel
def outflow(tb: Tables, u: int, flows: Array) -> Number:
    """Total flow out of unit u through links, m3/s."""
    total = 0.0
    for o in range(tb.unit[u, OUT_FIRST], tb.unit[u + 1, OUT_FIRST]):
        total += flows[tb.out_links[o]]
    return total


@inline_kernel
def through_flow(tb: Tables, u: int, flows: Array) -> Number:
    """Flow through the outlet of unit u, linked on or not, m3/s."""
    if tb.unit[u, VESSEL] == 1:
        return outflow(tb, u, flows)
    return inflow(tb, u, flows)


@inline_kernel
def set_films(tb: Tables, flows: Array) -> None:
    """Film coefficients that follow the flow become those at `flows`."""
    for u in range(tb.units):
        if tb.unit[u, FOLLOWS] == 1:
            speed = math.log(max(through_flow(tb, u, flows) * tb.by_unit[u, PER_FLOW], SLOWEST))
            for k in range(tb.components):
                follows = math.exp(tb.by_component[u, FILM_POWER, k] * speed)
                tb.by_component[u, FILM, k] = tb.by_component[u, FILM_GIVEN, k] * follows


@inline_kernel
def outlet_concentration_factors(
    tb: Tables, dt: Number, before: Array, flows: Array, y: Array, per: Array, slope: Array
) -> None:
    """`per` and its slope in time, `dt` after the state `y`; flows are linear from `before` to `flows`."""
    volumes = tb.size - tb.units
    for u in range(tb.units):
        per[u] = 1.0
        slope[u] = 0.0
        if tb.unit[u, VESSEL] == 1:
            start = inflow(tb, u, before) - outflow(tb, u, before)
            now = inflow(tb, u, flows) - outflow(tb, u, flows)
            volume = y[volumes + u] + 0.5 * dt * (start + now)
            per[u] = 1.0 / max(volume, tb.floor[u])
            slope[u] = select(volume > tb.floor[u], -now * per[u] * per[u], 0.0)


@inline_kernel
def outlet_at(tb: Tables, u: int) -> int:
    """Where the last node of unit u starts in the state."""
    return int(tb.unit[u, AT_STATE] + (tb.unit[u, NODES] - 1) * tb.components)


@inline_kernel
def inlet_flux(tb: Tables, u: int, flows: Array, inlets: Array, y: Array, per: Array, flux: Array) -> None:
    """Sum of Q_k c_k over the links to unit u, mol/s, into `flux` (nc,): before a membrane of its own."""
    nc = tb.components
    for i in range(nc):
        flux[i] = 0.0
    for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
        source = tb.link_source[k]
        if source >= 0:
            at = outlet_at(tb, source)
            flow = flows[k] * per[source]
            for i in range(nc):
                flux[i] += flow * y[at + i]
        else:
            for i in range(nc):
                flux[i] += flows[k] * inlets[-1 - source, i]


@inline_kernel
def held_back(tb: Tables, u: int, k: int, flows: Array, how: int) -> Number:
    """Flow (m3/s) out of unit u whose component k membranes hold back, those that keep or those that catch.

    What is kept back stays in the unit, what is caught leaves the network.
    """
    total = 0.0
    for o in range(tb.unit[u, OUT_FIRST], tb.unit[u + 1, OUT_FIRST]):
        link = tb.out_links[o]
        target = tb.link_target[link]
        if tb.unit[target, MEMBRANE] == how:
            total += flows[link] * (1.0 - tb.by_component[target, SIEVING, k])
    return total


@inline_kernel
def add_transport(
    tb: Tables, u: int, flow: Number, standing: float, x: Array, at_x: int, rate: Array, f: Array, at_f: int
) -> None:
    """Adds convection and dispersion of the liquid `x` of unit u to `f`, each from its place on.

    `standing` 0 leaves out what does not depend on flow; `rate` (nc,) is scratch.
    """
    nc, elements, per = tb.components, tb.unit[u, ELEMENTS], tb.unit[u, PER]
    speed = flow / tb.by_unit[u, VOLUME]
    for k in range(nc):
        rate[k] = standing * tb.by_component[u, DISPERSION, k] + flow * tb.by_component[u, DISPERSIVITY, k]
    for e in range(elements):
        convect = tb.unit[u, AT_OPERATORS] + e * per * (2 * per + 3)
        disperse, low = convect + per * per, convect + 2 * per * per
        own = at_x + e * per * nc
        for i in range(per):
            row = at_f + (e * per + i) * nc
            for k in range(nc):
                a, b = 0.0, 0.0
                for j in range(per):
                    a += tb.operators[convect + i * per + j] * x[own + j * nc + k]
                    b += tb.operators[disperse + i * per + j] * x[own + j * nc + k]
                if e > 0:
                    a += tb.operators[low + i] * x[own - nc + k]
                    b += tb.operators[low + per + i] * x[own - nc + k]
                if i == per - 1 and e + 1 < elements:
                    for j in range(per):
                        b += tb.operators[low + 2 * per + j] * x[own + (per + j) * nc + k]
                f[row + k] += rate[k] * b - speed * a


@inline_kernel
def _transport(
    tb: Tables, u: int, flows: Array, flow: Number, standing: float, y: Array, flux: Array, rate: Array,
    f: Array,
) -> None:  # fmt: skip
    """Inlet, convection and dispersion of unit u as the liquid rows of `f`."""
    nc, at = tb.components, tb.unit[u, AT_STATE]
    for i in range(at, at + tb.unit[u, NODES] * nc):
        f[i] = 0.0
    inlet = tb.operators[tb.unit[u, AT_SPHERE] - 1] / tb.by_unit[u, VOLUME]
    for k in range(nc):
        f[at + k] = inlet * flux[k] * tb.by_component[u, SIEVING, k]
    if tb.unit[u, FEEDS_MEMBRANE] == 1:
        for k in range(nc):
            f[at + k] += held_back(tb, u, k, flows, KEEPS) / tb.by_unit[u, VOLUME] * y[at + k]
    if standing != 0.0 or anywhere(flow != 0.0):
        add_transport(tb, u, flow, standing, y, at, rate, f, at)


@inline_kernel
def _integrals(tb: Tables, flows: Array, inlets: Array, y: Array, per: Array, f: Array) -> None:
    """Rates of the three integrals: through each outlet, out of the network, into it; and of the volumes."""
    nc, nu = tb.components, tb.units
    through = tb.unit[nu, AT_STATE]
    left, entered = through + nu * nc, through + nu * nc + nc
    for i in range(2 * nc):
        f[left + i] = 0.0
    for u in range(nu):
        total = through_flow(tb, u, flows)
        leaving = (total - outflow(tb, u, flows)) * per[u]
        f[tb.size - nu + u] = inflow(tb, u, flows) - total
        total = total * per[u]
        at = outlet_at(tb, u)
        for i in range(nc):
            f[through + u * nc + i] = total * y[at + i]
            f[left + i] += leaving * y[at + i]
        for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
            source = tb.link_source[k]
            if source < 0:
                for i in range(nc):
                    f[entered + i] += flows[k] * inlets[-1 - source, i]
        if tb.unit[u, FEEDS_MEMBRANE] == 1:
            for i in range(nc):
                f[left + i] += held_back(tb, u, i, flows, CATCHES) * y[at + i]


@inline_kernel
def _particles(tb: Tables, u: int, y: Array, held: Array, f: Array) -> None:
    """Film and diffusion in the particles of unit u; `held` (nr nc,) is scratch."""
    nc, n, nr, nb = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, BOUND]
    at = tb.unit[u, AT_STATE]
    pores = at + n * nc
    solid = pores + n * nr * nc
    stiffness = tb.unit[u, AT_SPHERE]
    film_in = stiffness + nr * nr
    film_out = film_in + nr
    for i in range(n):
        first = pores + i * nr * nc
        if nr > 1:
            for s in range(nr):
                for k in range(nc):
                    held[s * nc + k] = tb.by_component[u, DIFFUSION, k] * y[first + s * nc + k]
                    if anywhere(tb.by_component[u, SURFACE, k] != 0.0):
                        on_solid = tb.by_component[u, SURFACE, k] * tb.by_unit[u, SOLID]
                        for b in range(nb):
                            bound = tb.stoichiometry[u, k, b] * y[solid + (i * nr + s) * nb + b]
                            held[s * nc + k] += on_solid * bound
        for r in range(nr):
            for k in range(nc):
                total = 0.0
                if nr > 1:
                    for s in range(nr):
                        total -= tb.operators[stiffness + r * nr + s] * held[s * nc + k]
                f[first + r * nc + k] = total
        for r in range(nr):
            if tb.operators[film_out + r] != 0.0:
                out, into = tb.by_unit[u, PHASE] * tb.operators[film_out + r], tb.operators[film_in + r]
                for k in range(nc):
                    film = tb.by_component[u, FILM, k] * (y[at + i * nc + k] - y[first + r * nc + k])
                    f[at + i * nc + k] -= out * film
                    f[first + r * nc + k] += into * film


@inline_kernel
def right_hand_side(
    tb: Tables, flows: Array, inlets: Array, y: Array, per: Array, flux: Array, spare: Array, work: Array,
    f: Array,
) -> None:  # fmt: skip
    """All rows of the equations at state `y` into `f`; `flux` (2 nc,) and `spare` are scratch."""
    nc = tb.components
    for u in range(tb.units):
        inlet_flux(tb, u, flows, inlets, y, per, flux)
        _transport(tb, u, flows, through_flow(tb, u, flows) * per[u], 1.0, y, flux, flux[nc:], f)
        if tb.unit[u, KIND] == PORES:
            _particles(tb, u, y, spare, f)
        if tb.unit[u, BOUND] > 0:
            evaluate_law(tb, u, y, f, work, 1)
    _integrals(tb, flows, inlets, y, per, f)


@inline_kernel
def time_derivative(
    tb: Tables,
    flows: Array,
    flow_slopes: Array,
    inlets: Array,
    inlet_slopes: Array,
    y: Array,
    per: Array,
    per_slope: Array,
    flux: Array,
    f: Array,
) -> None:
    """Partial derivative of the right-hand side in time; flows and inlets change linearly."""
    nc = tb.components
    for i in range(tb.size):
        f[i] = 0.0
    for u in range(tb.units):
        inlet_flux(tb, u, flow_slopes, inlets, y, per, flux)
        for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
            source = tb.link_source[k]
            if source < 0:
                for i in range(nc):
                    flux[i] += flows[k] * inlet_slopes[-1 - source, i]
            elif tb.unit[source, VESSEL] == 1:
                at = outlet_at(tb, source)
                for i in range(nc):
                    flux[i] += flows[k] * per_slope[source] * y[at + i]
        flow = through_flow(tb, u, flow_slopes) * per[u]
        if tb.unit[u, VESSEL] == 1:
            flow += through_flow(tb, u, flows) * per_slope[u]
        _transport(tb, u, flow_slopes, flow, 0.0, y, flux, flux[nc:], f)
    # Integrals: Q' c of all outlets and inlets, Q c' of the inlets and of vessels.
    _integrals(tb, flow_slopes, inlets, y, per, f)
    for u in range(tb.units):
        if tb.unit[u, VESSEL] == 1:
            at, through = outlet_at(tb, u), tb.unit[tb.units, AT_STATE] + u * nc
            for i in range(nc):
                f[through + i] += through_flow(tb, u, flows) * per_slope[u] * y[at + i]
    entered = tb.unit[tb.units, AT_STATE] + tb.units * nc + nc
    for k in range(tb.unit[tb.units, LINK_FIRST]):
        source = tb.link_source[k]
        if source < 0:
            for i in range(nc):
                f[entered + i] += flows[k] * inlet_slopes[-1 - source, i]


@inline_kernel
def add_mass_times(tb: Tables, x: Array, factor: Number, f: Array) -> None:
    """f += factor * M x, with the mass matrix of the module's equations."""
    nc, nu = tb.components, tb.units
    for u in range(nu):
        at, n, nb = tb.unit[u, AT_STATE], tb.unit[u, NODES], tb.unit[u, BOUND]
        for i in range(at, at + n * nc):
            f[i] += factor * x[i]
        if tb.unit[u, KIND] == CELLS:
            continue
        points, liquid = n, at
        if tb.unit[u, KIND] == PORES:
            points, liquid = n * tb.unit[u, RADIAL], at + n * nc
            for i in range(points):
                for k in range(nc):
                    f[liquid + i * nc + k] += factor * tb.by_component[u, PORE, k] * x[liquid + i * nc + k]
        solid = liquid + points * nc
        for i in range(points):
            for b in range(nb):
                held = factor * x[solid + i * nb + b]
                f[solid + i * nb + b] += tb.kinetic[u, b] * held
                held *= tb.by_unit[u, SOLID]
                for k in range(nc):
                    f[liquid + i * nc + k] += tb.stoichiometry[u, k, b] * held
    for i in range(tb.unit[nu, AT_STATE], tb.size):
        f[i] += factor * x[i]
