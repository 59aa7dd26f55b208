"""The battery that every binding model passes, built-in or plug-in: no test framework needed.

    from minifactory.twin.binding_battery import examine, require

    require(MyIsotherm({"a": 2.0}), components=("salt", "a", "pH"))        # InputError names what fails

A check says what it looked at, whether it held, and what it saw. See docs/engine.md, "A binding model of your
own".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError, MiniFactoryError
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.binding.law_kernels import runs_in_python
from minifactory.twin.binding.protocol import BindingModel, CompiledBinding
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it held, and what was seen."""

    name: str
    held: bool
    seen: str


def examine(
    model: BindingModel, components: Sequence[str], liquids: Sequence[Array] | None = None
) -> tuple[Check, ...]:
    """Every check of the battery on `model`.

    Parameters
    ----------
    model : BindingModel
        With numbers of usual size.
    components : sequence of str
        Of a network that holds all components of the model, and at least one that it does not bind.
    liquids : sequence of ndarray (nc,), optional
        Liquids (mol/m3; a pH as it is) that the model is made for. By default a component called pH is 6 to
        7.5, one called salt 60 to 800, every other 0 to 2.
    """
    names = tuple(components)
    tried = tuple(liquids) if liquids is not None else _usual(names)
    checks = [_run("layout", lambda: _layout(model, names))]
    if checks[0].held:
        binding = model.compile(names)
        checks += [
            _run("the law changes nothing but its result", lambda: _pure(binding, tried)),
            _run("finite whatever a solver tries", lambda: _finite(binding, len(names))),
            _run("equilibrium has no rate", lambda: _equilibrium(binding, tried)),
            _run("equilibrium is stable", lambda: _stable(binding, tried)),
            _run("the Jacobian is the derivative", lambda: _jacobian(binding, tried)),
            _run("the kernel gives the numbers of the function", lambda: _kernel(binding)),
        ]
        for bed in BedModel:
            if bed is BedModel.EDM and np.any(binding.kinetic):
                continue
            check = _in_bed(model, names, tried, bed)
            checks.append(_run(f"in a bed by {bed.name}: mass, order of components, sign", check))
    return tuple(checks)


def require(
    model: BindingModel, components: Sequence[str], liquids: Sequence[Array] | None = None
) -> tuple[Check, ...]:
    """The checks of :func:`examine`; InputError naming every one that failed."""
    checks = examine(model, components, liquids)
    failed = [check for check in checks if not check.held]
    if failed:
        who = type(model).__name__
        raise InputError([Finding(f"binding model {who}", check.seen, check.name) for check in failed])
    return checks


class _Failed(Exception):
    """A check that does not hold, and what was seen."""


def _run(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except _Failed as failure:
        return Check(name, False, str(failure))
    except (MiniFactoryError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as fault:
        return Check(name, False, f"{type(fault).__name__}: {fault}")


def _usual(names: tuple[str, ...]) -> tuple[Array, ...]:
    table = {"ph": (7.0, 6.5, 7.5, 7.0), "salt": (150.0, 60.0, 800.0, 150.0)}
    others = ((1.0, 0.02, 2.0, 0.0), (0.5, 1.0, 0.0, 0.0))
    columns = [table.get(name.lower(), others[i % 2]) for i, name in enumerate(names)]
    return tuple(np.array(row, dtype=float) for row in zip(*columns, strict=True))


def _rate(binding: CompiledBinding, c: Array, q: Array) -> Array:
    f = np.zeros(len(q))
    binding.law.rate(binding.parameters, c, q, f)
    return f


def _layout(model: BindingModel, names: tuple[str, ...]) -> str:
    binding = model.compile(names)
    nc, nb = len(names), len(binding.bound)
    shapes = {
        "stoichiometry": (np.shape(binding.stoichiometry), (nc, nb)),
        "fixed": (np.shape(binding.fixed), (nc,)),
        "takes_part": (np.shape(binding.takes_part), (nc,)),
        "kinetic": (np.shape(binding.kinetic), (nb,)),
    }
    for what, (found, wanted) in shapes.items():
        if found != wanted:
            raise _Failed(f"{what} has shape {found}, not {wanted}")
    if not np.all(np.isfinite(binding.parameters)) or np.ndim(binding.parameters) != 1:
        raise _Failed(f"parameters {binding.parameters}: not one row of finite numbers")
    if len(set(binding.bound)) != nb:
        raise _Failed(f"bound states {binding.bound} are not unique")
    idle = np.any(binding.stoichiometry != 0.0, axis=1) & ~np.asarray(binding.takes_part)
    if np.any(idle):
        raise _Failed(f"{names[int(np.argmax(idle))]} is bound but does not take part")
    if not np.all(np.any(binding.stoichiometry > 0.0, axis=0)):
        raise _Failed("a bound state that holds no component")
    return f"{nb} bound states"


def _pure(binding: CompiledBinding, liquids: tuple[Array, ...]) -> str:
    for c in liquids:
        q = np.full(len(binding.bound), 0.3)
        before = binding.parameters.copy(), c.copy(), q.copy()
        first, second = _rate(binding, c, q), _rate(binding, c, q)
        after = binding.parameters, c, q
        if not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            raise _Failed("the law writes into its parameters or concentrations")
        if not np.array_equal(first, second):
            raise _Failed("two calls give different rates")
    return f"{len(liquids)} liquids"


def _finite(binding: CompiledBinding, nc: int) -> str:
    rng = np.random.default_rng(3)
    for _ in range(300):
        c = rng.standard_normal(nc) * 10.0 ** rng.integers(-6, 4)
        q = rng.standard_normal(len(binding.bound)) * 10.0 ** rng.integers(-6, 3)
        if not np.all(np.isfinite(_rate(binding, c, q))):
            raise _Failed(f"rate {_rate(binding, c, q)} at c = {c}, q = {q}")
    return "300 random states, negative ones among them"


def _equilibrium(binding: CompiledBinding, liquids: tuple[Array, ...]) -> str:
    worst = 0.0
    for c in liquids:
        q = equilibrium(binding, c)
        if not np.all(np.isfinite(q)) or np.any(q < 0.0):
            raise _Failed(f"equilibrium {q} with liquid {c}")
        away = float(np.abs(_rate(binding, c, 0.5 * q + 0.1)).max(initial=0.0))
        worst = max(worst, float(np.abs(_rate(binding, c, q)).max(initial=0.0)) / max(away, 1e-300))
        if worst > 1e-7:
            raise _Failed(f"rate {_rate(binding, c, q)} in equilibrium with liquid {c}")
    return f"at most {worst:.0e} of the rate away from it"


def _slopes(binding: CompiledBinding, c: Array, q: Array) -> tuple[Array, Array]:
    """Derivatives of the rate by central differences: by c (nb, nc) and by q (nb, nb)."""

    def one(x: Array, place: int, rate: Callable[[Array], Array]) -> Array:
        width = 1e-6 * max(abs(x[place]), 1e-2)
        up, down = x.copy(), x.copy()
        up[place] += width
        down[place] -= width
        return np.asarray((rate(up) - rate(down)) / (2.0 * width))

    by_c = [one(c, i, lambda x: _rate(binding, x, q)) for i in range(len(c))]
    by_q = [one(q, i, lambda x: _rate(binding, c, x)) for i in range(len(q))]
    return np.array(by_c).T.reshape(len(q), len(c)), np.array(by_q).T.reshape(len(q), len(q))


def _stable(binding: CompiledBinding, liquids: tuple[Array, ...]) -> str:
    if not binding.bound:
        return "nothing binds"
    slowest = np.inf
    for c in liquids:
        _, by_q = _slopes(binding, c, equilibrium(binding, c))
        largest = float(np.linalg.eigvals(by_q).real.max())
        if not largest < 0.0:
            raise _Failed(
                f"the rate grows with what is bound (eigenvalue {largest:.3g}) at liquid {c}; a rate is "
                "positive where more would bind"
            )
        slowest = min(slowest, -largest)
    return f"slowest relaxation {slowest:.3g} 1/s (or scaled residual)"


def _jacobian(binding: CompiledBinding, liquids: tuple[Array, ...]) -> str:
    if binding.law.jacobian is None:
        return "central differences are used"
    for c in liquids:
        q = 0.7 * equilibrium(binding, c) + 0.01
        jc, jq = np.zeros((len(q), len(c))), np.zeros((len(q), len(q)))
        binding.law.jacobian(binding.parameters, c, q, jc, jq)
        for given, exact in zip((jc, jq), _slopes(binding, c, q), strict=True):
            allowed = 2e-5 * np.abs(exact) + 1e-7 * max(1.0, float(np.abs(given).max(initial=0.0)))
            if np.any(np.abs(given - exact) > allowed):
                raise _Failed(f"{given.tolist()} instead of {exact.tolist()} at c = {c}, q = {q}")
        silent = ~np.asarray(binding.takes_part)
        if np.any(jc[:, silent] != 0.0):
            raise _Failed("the rate depends on a component that takes_part does not name")
    return f"{len(liquids)} liquids"


def _kernel(binding: CompiledBinding) -> str:
    if not binding.bound:
        return "nothing binds"
    slow = runs_in_python(binding.law)
    return "through Python: Numba cannot compile it, the same numbers, slower" if slow else "compiled"


def _in_bed(
    model: BindingModel, names: tuple[str, ...], liquids: tuple[Array, ...], bed: BedModel
) -> Callable[[], str]:
    def check() -> str:
        straight, closure = _cycle(model, names, names, liquids, bed)
        turned = names[1:] + names[:1]
        mixed, _ = _cycle(model, names, turned, liquids, bed)
        scale = np.maximum(np.abs(straight).max(axis=0), np.abs(liquids).max(axis=0))
        scale[scale == 0.0] = 1.0
        moved = float((np.abs(straight - mixed) / scale.max()).max())
        if moved > 2e-3:
            raise _Failed(f"turning the order of the components moves the outlet by {moved:.1e}")
        bound = np.any(model.compile(names).stoichiometry > 0.0, axis=1)
        lowest = float((straight.min(axis=0) / scale)[bound].min(initial=0.0))
        if lowest < -0.01:
            raise _Failed(f"an outlet goes down to {lowest:.3g} of its feed")
        return f"mass closes to {closure:.0e}, order {moved:.0e}, lowest {lowest:.0e}"

    return check


def _cycle(
    model: BindingModel,
    names: tuple[str, ...],
    order: tuple[str, ...],
    liquids: tuple[Array, ...],
    bed: BedModel,
) -> tuple[Array, float]:
    """Load the first liquid, elute with the third (or last) less what binds; outlet ordered as `names`."""
    binding = model.compile(names)
    bound = np.any(binding.stoichiometry > 0.0, axis=1)
    place = [order.index(name) for name in names]

    def feed(values: Array) -> Array:
        row = np.zeros((1, len(names)))
        row[0, place] = values
        return row

    clean, strip = np.where(bound, 0.0, liquids[0]), np.where(bound, 0.0, liquids[min(2, len(liquids) - 1)])
    unit = Bed(
        "bed", 0.02, 1e-4, 0.4, bed, 0.7, 40e-6, 1e-5, 5e-7, pore_diffusion=8e-11, binding=model,
        elements=3, degree=3, radial_nodes=3, transfer_coefficient=0.5,
    )  # fmt: skip
    network = Network(order, (unit,), (Inlet("in"),), (Link("in", "bed"),))
    flow = np.array([2e-8])
    sections = [
        Section(0.0, 100.0, flow, feed(0.5 * (liquids[0] + clean))),
        Section(100.0, 400.0, flow, feed(strip)),
    ]
    run = integrate(
        network, network.initial_state(feed(clean)[0]), sections, np.linspace(0.0, 400.0, 81), ["bed"],
        Tolerance(1e-5, max_steps=20_000),
    )  # fmt: skip
    return run.outlet[:, 0][:, place], float(run.balance.closure.max())


def report(checks: Sequence[Check]) -> Iterator[str]:
    """One line per check, for people."""
    for check in checks:
        yield f"{'ok  ' if check.held else 'FAIL'}  {check.name}: {check.seen}"
