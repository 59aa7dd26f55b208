"""The battery that every binding model passes, built-in or plug-in."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import (
    BindingLaw,
    BindingModel,
    CompiledBinding,
    Langmuir,
    Linear,
    LinearDrivingForce,
    lay_out,
)
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.binding.law_kernels import runs_in_python
from minifactory.twin.binding_battery import examine, report, require
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate
from tests.engine.binding_battery import COMPONENTS, LIQUIDS, SPECIMENS, Specimen

ALL = [pytest.param(s.kinetic, id=f"{s.name} kinetic") for s in SPECIMENS] + [
    pytest.param(s.rapid, id=f"{s.name} rapid") for s in SPECIMENS if s.rapid is not None
]
MODELS = pytest.mark.parametrize("model", ALL)


@MODELS
def test_battery(model: BindingModel) -> None:
    """Layout, pure, finite, equilibrium, stability, Jacobian, kernel, and a cycle in every bed."""
    checks = examine(model, COMPONENTS, LIQUIDS)
    assert [line for check, line in zip(checks, report(checks), strict=True) if not check.held] == []
    assert len(checks) == 7 + len(BedModel) - bool(np.any(model.compile(COMPONENTS).kinetic))


@MODELS
def test_more_binds_from_more(model: BindingModel) -> None:
    binding = model.compile(COMPONENTS)
    amounts = []
    for c in (0.05, 0.1, 0.2, 0.4):
        q = equilibrium(binding, np.array([150.0, c, 0.0, 7.0]))
        amounts.append(float(binding.stoichiometry[1] @ q))
    assert np.all(np.diff(amounts) > 0.0)


def _network(model: BindingModel, components: tuple[str, ...], bed: BedModel) -> Network:
    unit = Bed(
        "bed", 0.02, 1e-4, 0.4, bed, 0.7, 40e-6, 1e-5, 2e-7, pore_diffusion=8e-11, binding=model, elements=3,
        degree=3, radial_nodes=3, transfer_coefficient=0.5,
    )  # fmt: skip
    return Network(components, (unit,), (Inlet("in"),), (Link("in", "bed"),))


def _cycle(
    model: BindingModel, components: tuple[str, ...], bed: BedModel, tolerance: float = 1e-5
) -> np.ndarray:
    """Load and wash with more salt; outlet (nt, nc) in the order of COMPONENTS."""
    network = _network(model, components, bed)
    order = [components.index(name) for name in COMPONENTS]

    def feed(*values: float) -> np.ndarray:
        row = np.zeros((1, 4))
        row[0, order] = values
        return row

    flows = np.array([2e-8])
    sections = [
        Section(0.0, 100.0, flows, feed(150.0, 0.5, 0.3, 7.0)),
        Section(100.0, 400.0, flows, feed(400.0, 0.0, 0.0, 7.0)),
    ]
    state = network.initial_state(feed(150.0, 0.0, 0.0, 7.0)[0])
    run = integrate(network, state, sections, np.linspace(0.0, 400.0, 81), ["bed"], Tolerance(tolerance))
    assert run.balance.closure.max() < 1e-10
    return run.outlet[:, 0][:, order]


@pytest.mark.parametrize("specimen", [s for s in SPECIMENS if s.rapid is not None], ids=lambda s: s.name)
def test_fast_kinetics_are_equilibrium(specimen: Specimen) -> None:
    """Time constants ten thousand times shorter: the kinetic model gives what rapid equilibrium gives."""
    from dataclasses import replace

    kinetic = specimen.kinetic
    tau = kinetic.k_kin  # type: ignore[attr-defined]
    short = (
        tuple({k: 1e-4 * v for k, v in t.items()} for t in tau)
        if isinstance(tau, tuple)
        else {k: 1e-4 * v for k, v in tau.items()}
    )
    fast = _cycle(replace(kinetic, k_kin=short), COMPONENTS, BedModel.LRMP)  # type: ignore[type-var]
    assert specimen.rapid is not None
    rapid = _cycle(specimen.rapid, COMPONENTS, BedModel.LRMP)
    assert np.all(np.abs(fast - rapid) <= 5e-3 * np.maximum(np.abs(rapid).max(axis=0), 0.01))


def _plain_rate(p: np.ndarray, c: np.ndarray, q: np.ndarray, f: np.ndarray) -> None:
    f[0] = p[1] * c[int(p[0])] - q[0]


_TABLE = {"k": 2.5, "names": ("a",)}  # a dictionary of the outer world: not for Numba


def _stubborn_rate(p: np.ndarray, c: np.ndarray, q: np.ndarray, f: np.ndarray) -> None:
    f[0] = _TABLE["k"] * c[int(p[0])] - q[0]  # type: ignore[operator]


class Plugged:
    """A user's model in a few lines: no Jacobian, no equilibrium, kinetic."""

    def __init__(self, law: BindingLaw) -> None:
        self.law = law

    def compile(self, components: tuple[str, ...]) -> CompiledBinding:
        return lay_out(self.law, components, np.array([components.index("a"), 2.5]), ["a"], np.ones(1))


@pytest.mark.parametrize("stubborn", [False, True], ids=["compiled", "through Python"])
def test_plug_in_gives_the_numbers_of_the_built_in_model(stubborn: bool) -> None:
    law = BindingLaw("plugged", _stubborn_rate if stubborn else _plain_rate)
    own = _cycle(Plugged(law), COMPONENTS, BedModel.LRMP)
    built_in = _cycle(Linear({"a": 2.5}, {"a": 1.0}), COMPONENTS, BedModel.LRMP)
    np.testing.assert_allclose(own, built_in, atol=1e-4)
    assert runs_in_python(law) is stubborn


@pytest.mark.parametrize("stubborn", [False, True], ids=["compiled", "through Python"])
def test_a_law_that_raises_is_named_by_place(stubborn: bool) -> None:
    from minifactory.errors import SolverError

    def broken(p: np.ndarray, c: np.ndarray, q: np.ndarray, f: np.ndarray) -> None:  # noqa: ARG001
        raise RuntimeError(_TABLE["names"] if stubborn else "never mind")

    model = Plugged(BindingLaw(f"broken {stubborn}", broken, None, lambda p, c: np.zeros(1)))  # noqa: ARG005
    with pytest.raises(SolverError, match="unit bed, node"):
        _cycle(model, COMPONENTS, BedModel.LRMP)


def _backward(p: np.ndarray, c: np.ndarray, q: np.ndarray, f: np.ndarray) -> None:
    f[0] = q[0] - p[1] * c[int(p[0])]


def _line(p: np.ndarray, c: np.ndarray, q: np.ndarray) -> None:
    q[0] = p[1] * c[int(p[0])]


def _greedy(p: np.ndarray, c: np.ndarray, q: np.ndarray, f: np.ndarray) -> None:
    c[int(p[0])] = 0.0
    f[0] = -q[0]


def _wrong_slope(p: np.ndarray, c: np.ndarray, q: np.ndarray, jc: np.ndarray, jq: np.ndarray) -> None:  # noqa: ARG001
    jc[0, int(p[0])] = 2.0 * p[1]
    jq[0, 0] = -1.0


@pytest.mark.parametrize(
    ("law", "word"),
    [
        (
            BindingLaw("backward", _backward, isotherm=_line),
            "the rate grows with what is bound",
        ),
        (BindingLaw("greedy", _greedy), "writes into its parameters or concentrations"),
        (BindingLaw("wrong slope", _plain_rate, _wrong_slope), "the Jacobian is the derivative"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_battery_finds_what_is_wrong(law: BindingLaw, word: str) -> None:
    with pytest.raises(InputError, match=word):
        require(Plugged(law), COMPONENTS, LIQUIDS)


def test_driving_force_needs_an_explicit_isotherm() -> None:
    specimen = next(s for s in SPECIMENS if s.name == "SMA")
    assert specimen.rapid is not None
    with pytest.raises(InputError, match="no explicit isotherm"):
        LinearDrivingForce(specimen.rapid, {"a": 1.0, "b": 1.0}).compile(COMPONENTS)


def test_driving_force_to_a_line_is_linear_kinetics() -> None:
    own = _cycle(LinearDrivingForce(Linear({"a": 2.5}), {"a": 0.1}), COMPONENTS, BedModel.LRMP)
    built_in = _cycle(Linear({"a": 2.5}, {"a": 10.0}), COMPONENTS, BedModel.LRMP)
    np.testing.assert_allclose(own, built_in, atol=1e-4)


def test_unknown_component_is_named() -> None:
    with pytest.raises(InputError, match=r'"lysozym".*Did you mean "lysozyme"'):
        Langmuir({"lysozym": 1.0}, {"lysozym": 1.0}).compile(("salt", "lysozyme"))


def test_a_missing_number_is_named() -> None:
    with pytest.raises(InputError, match="no q_max for b"):
        Langmuir({"a": 1.0, "b": 1.0}, {"a": 1.0}).compile(COMPONENTS)
