"""The equations: right-hand side, its derivative in time, and the mass matrix.

Liquid between particles    c' = -Q/V C c + (D + d Q)/L2 B c + b sum_k Q_k c_k / V - phase film (c - p_R)
Liquid in the particle      pore p' + solid S q' = -pore D_p/R2 K p - solid D_s/R2 K S q + film (c - p_R) /
w_R Bound states                q' = law(p, q)   or   0 = law(p, q)
Several particle sizes      the particles of a node one after another in `radius`, each with its surface node;
                            phase film (c - p_R) is then the sum over the sizes
LRM                         c' + phase S q' = transport,   law(c, q)

Vessel                      m' = sum_k Q_k c_k - Q_out m / V(t),   V' = sum_k Q_k - Q_out

The liquid rows carry the total of a component, so the binding rate never enters a mass balance. `per` turns
the last node of a unit into the concentration at its outlet: 1, and 1 / V(t) for a vessel.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minifactory.numerics.kernels import inline_kernel
from minifactory.twin.engine.tables import (
    AT_OPERATORS,
    AT_STATE,
    BOUND,
    CELLS,
    DIFFUSION,
    DISPERSION,
    DISPERSIVITY,
    FILM,
    KIND,
    LAW,
    LAW_AT,
    LINK_FIRST,
    LOWER,
    LRM,
    NODES,
    OUT_FIRST,
    PHASE,
    PORE,
    PORES,
    RADIAL,
    SOLID,
    SURFACE,
    UPPER,
    VESSEL,
    VOLUME,
    W_JC,
    W_JQ,
    Array,
    Tables,
)


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
        tb.law_parameters.ctypes.data + 8 * tb.unit[u, LAW_AT],
        y.ctypes.data + 8 * liquid,
        y.ctypes.data + 8 * solid,
        f.ctypes.data + 8 * solid,
        work.ctypes.data + 8 * tb.unit[u, W_JC],
        work.ctypes.data + 8 * tb.unit[u, W_JQ],
        want,
    )


@inline_kernel
def inflow(tb: Tables, u: int, flows: Array) -> float:
    """Total flow into unit u, m3/s."""
    total = 0.0
    for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
        total += flows[k]
    return total


@inline_kernel
def outflow(tb: Tables, u: int, flows: Array) -> float:
    """Total flow out of unit u through links, m3/s."""
    total = 0.0
    for o in range(tb.unit[u, OUT_FIRST], tb.unit[u + 1, OUT_FIRST]):
        total += flows[tb.out_links[o]]
    return total


@inline_kernel
def through_flow(tb: Tables, u: int, flows: Array) -> float:
    """Flow through the outlet of unit u, linked on or not, m3/s."""
    return float(outflow(tb, u, flows) if tb.unit[u, VESSEL] == 1 else inflow(tb, u, flows))


@inline_kernel
def outlet_concentration_factors(
    tb: Tables, dt: float, before: Array, flows: Array, y: Array, per: Array, slope: Array
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
            if volume > tb.floor[u]:
                slope[u] = -now * per[u] * per[u]


@inline_kernel
def outlet_at(tb: Tables, u: int) -> int:
    """Where the last node of unit u starts in the state."""
    return int(tb.unit[u, AT_STATE] + (tb.unit[u, NODES] - 1) * tb.components)


@inline_kernel
def inlet_flux(tb: Tables, u: int, flows: Array, inlets: Array, y: Array, per: Array, flux: Array) -> None:
    """Sum of Q_k c_k over the links into unit u, mol/s, into `flux` (nc,)."""
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
def _transport(
    tb: Tables, u: int, flow: float, standing: float, y: Array, flux: Array, rate: Array, f: Array
) -> None:
    """Convection and dispersion of unit u into `f`; `standing` 0 leaves out what does not depend on flow."""
    nc, n, lower, upper = tb.components, tb.unit[u, NODES], tb.unit[u, LOWER], tb.unit[u, UPPER]
    width = lower + upper + 1
    band, at = tb.unit[u, AT_OPERATORS], tb.unit[u, AT_STATE]
    disperse = band + n * width
    entry = disperse + n * width
    per_volume = 1.0 / tb.by_unit[u, VOLUME]
    for i in range(nc):
        rate[i] = standing * tb.by_component[u, DISPERSION, i] + flow * tb.by_component[u, DISPERSIVITY, i]
    for i in range(n):
        row = f[at + i * nc : at + (i + 1) * nc]
        inlet = tb.operators[entry + i] * per_volume
        for k in range(nc):
            row[k] = inlet * flux[k]
        for j in range(max(0, i - lower), min(n, i + upper + 1)):
            a = -flow * per_volume * tb.operators[band + i * width + lower + j - i]
            b = tb.operators[disperse + i * width + lower + j - i]
            column = y[at + j * nc : at + (j + 1) * nc]
            if b != 0.0:
                for k in range(nc):
                    row[k] += (a + b * rate[k]) * column[k]
            elif a != 0.0:
                for k in range(nc):
                    row[k] += a * column[k]


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
        leaving = total - outflow(tb, u, flows)
        f[tb.size - nu + u] = inflow(tb, u, flows) - total
        total *= per[u]
        at = outlet_at(tb, u)
        for i in range(nc):
            f[through + u * nc + i] = total * y[at + i]
            f[left + i] += leaving * y[at + i]
        for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
            source = tb.link_source[k]
            if source < 0:
                for i in range(nc):
                    f[entered + i] += flows[k] * inlets[-1 - source, i]


@inline_kernel
def _particles(tb: Tables, u: int, y: Array, f: Array) -> None:
    """Film and diffusion in the particles of unit u."""
    nc, n, nr, nb = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, BOUND]
    at = tb.unit[u, AT_STATE]
    pores = at + n * nc
    solid = pores + n * nr * nc
    width = tb.unit[u, LOWER] + tb.unit[u, UPPER] + 1
    stiffness = tb.unit[u, AT_OPERATORS] + 2 * n * width + 2 * n
    film_in = stiffness + nr * nr + nr
    film_out = film_in + nr
    for i in range(n):
        for k in range(nc):
            first = pores + i * nr * nc + k
            for r in range(nr):
                total = 0.0
                if nr > 1:
                    for s in range(nr):
                        held = tb.by_component[u, DIFFUSION, k] * y[first + s * nc]
                        if tb.by_component[u, SURFACE, k] != 0.0:
                            for b in range(nb):
                                held += (
                                    tb.by_component[u, SURFACE, k]
                                    * tb.stoichiometry[u, k, b]
                                    * y[solid + (i * nr + s) * nb + b]
                                )
                        total -= tb.operators[stiffness + r * nr + s] * held
                f[first + r * nc] = total
                if tb.operators[film_out + r] != 0.0:
                    film = tb.by_component[u, FILM, k] * (y[at + i * nc + k] - y[first + r * nc])
                    f[at + i * nc + k] -= tb.by_unit[u, PHASE] * tb.operators[film_out + r] * film
                    f[first + r * nc] += tb.operators[film_in + r] * film


@inline_kernel
def right_hand_side(
    tb: Tables, flows: Array, inlets: Array, y: Array, per: Array, flux: Array, work: Array, f: Array
) -> None:
    """All rows of the equations at state `y` into `f`; `flux` (2 nc,) is scratch."""
    nc = tb.components
    for u in range(tb.units):
        inlet_flux(tb, u, flows, inlets, y, per, flux)
        _transport(tb, u, through_flow(tb, u, flows) * per[u], 1.0, y, flux, flux[nc:], f)
        if tb.unit[u, KIND] == PORES:
            _particles(tb, u, y, f)
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
    f[:] = 0.0
    for u in range(tb.units):
        inlet_flux(tb, u, flow_slopes, inlets, y, per, flux)
        for k in range(tb.unit[u, LINK_FIRST], tb.unit[u + 1, LINK_FIRST]):
            source = tb.link_source[k]
            if source < 0:
                for i in range(nc):
                    flux[i] += flows[k] * inlet_slopes[-1 - source, i]
            elif per_slope[source] != 0.0:
                at = outlet_at(tb, source)
                for i in range(nc):
                    flux[i] += flows[k] * per_slope[source] * y[at + i]
        flow = through_flow(tb, u, flow_slopes) * per[u]
        if per_slope[u] != 0.0:
            flow += through_flow(tb, u, flows) * per_slope[u]
        _transport(tb, u, flow, 0.0, y, flux, flux[nc:], f)
    # Integrals: Q' c of all outlets and inlets, Q c' of the inlets and of vessels.
    _integrals(tb, flow_slopes, inlets, y, per, f)
    for u in range(tb.units):
        if per_slope[u] != 0.0:
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
def add_mass_times(tb: Tables, x: Array, factor: float, f: Array) -> None:
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
