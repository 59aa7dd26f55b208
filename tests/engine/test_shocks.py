"""Shocks on default settings: no outlet below -1 % of the feed, and the solution says what that took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from minifactory.twin.binding import Langmuir
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Solution,
    Stepper,
    Tolerance,
    Variant,
    integrate,
    sensitivities,
    sensitivities_of_each,
)

ALLOWED = Tolerance().undershoot
MODELS = pytest.mark.parametrize("model", list(BedModel), ids=lambda model: model.name)


def _shock(
    model: BedModel, peclet: float, strength: float = 0.1, tolerance: Tolerance | None = None, **mesh: int
) -> Solution:
    """Two components, 12 s of feed at 10 mol/m3 into a clean column; the published LRM case at Pe 1000."""
    length, velocity, porous = 1.0, 0.1, model.porous
    bed = Bed(
        "bed", length, 1.0, 0.4, model, 0.7 if porous else 0.0, 45e-6 if porous else 0.0,
        film_coefficient=1e-4, axial_dispersion=velocity * length / peclet, pore_diffusion=1e-10,
        transfer_coefficient=10.0,
        binding=Langmuir({"C0": strength, "C1": strength / 2.0}, {"C0": 10.0, "C1": 10.0}), **mesh,
    )  # fmt: skip
    network = Network(("C0", "C1"), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    flow, feed = np.array([0.04]), np.full((1, 2), 10.0)
    sections = [Section(0.0, 12.0, flow, feed), Section(12.0, 200.0, flow, 0.0 * feed)]
    return integrate(
        network, network.initial_state({}), sections, np.linspace(0.0, 200.0, 2001), ["bed"], tolerance
    )


@MODELS
@pytest.mark.parametrize("strength", [0.1, 10.0], ids=lambda value: f"K {value:g}")
@pytest.mark.parametrize("peclet", [1e3, 1e5], ids=lambda value: f"Pe {value:g}")
def test_no_undershoot_on_default_settings(model: BedModel, peclet: float, strength: float) -> None:
    run = _shock(model, peclet, strength)
    assert run.outlet.min() >= -ALLOWED * 10.0
    assert run.balance.closure.max() <= 1e-8


def test_a_front_that_the_mesh_holds_is_left_alone() -> None:
    """Pe 1000 on 168 nodes: the spectral scheme, no smearing; cited peak of shared/verification."""
    run = _shock(BedModel.LRM, 1e3, elements=24, degree=6)
    assert run.smeared == ()
    assert np.interp(15.1, np.linspace(0.0, 200.0, 2001), run.outlet[:, 0, 1]) == pytest.approx(
        16.17657204, rel=5e-3
    )


def test_smearing_is_said_and_can_be_refused() -> None:
    assert _shock(BedModel.LRM, 1e5).smeared == ("bed",)
    raw = _shock(BedModel.LRM, 1e5, tolerance=Tolerance(undershoot=np.inf))
    assert raw.smeared == ()
    assert raw.outlet.min() < -ALLOWED * 10.0


def test_sensitivities_of_a_held_front_repeat_its_scheme() -> None:
    """The base run changes over to the monotone scheme; a perturbed one on the other would tell nonsense."""

    def build(values: Mapping[str, float]) -> Variant:
        bed = Bed(
            "bed", 1.0, 1.0, 0.4, BedModel.LRM, axial_dispersion=1e-6,
            binding=Langmuir({"C0": values["K"], "C1": 0.05}, {"C0": 10.0, "C1": 10.0}),
        )  # fmt: skip
        network = Network(("C0", "C1"), (bed,), (Inlet("in"),), (Link("in", "bed"),))
        flow, feed = np.array([0.04]), np.full((1, 2), 10.0)
        sections = [Section(0.0, 12.0, flow, feed), Section(12.0, 60.0, flow, 0.0 * feed)]
        return Variant(network, network.initial_state({}), sections)

    times = np.linspace(0.0, 60.0, 121)
    central = sensitivities(build, {"K": 0.1}, times, ["bed"])
    (one_sided,) = sensitivities_of_each([(build, times)], {"K": 0.1}, ["bed"], one_sided=True)
    assert central.base.smeared == ("bed",)
    # A unit of K is worth a few column contents at most; across two schemes it would be 1e5 of them.
    assert np.abs(central.outlet).max() < 1e3
    np.testing.assert_allclose(one_sided.outlet, central.outlet, atol=1e-3 * np.abs(central.outlet).max())


def test_plateaus_and_breakthrough_survive_the_monotone_scheme() -> None:
    """The shock speed follows from conservation: breakthrough within a node spacing, mass exact."""
    length, feed, eps = 1.0, 10.0, 0.4
    bed = Bed(
        "bed", length, 1.0, eps, BedModel.LRM, axial_dispersion=1e-6,
        binding=Langmuir({"x": 1.0}, {"x": 50.0}),
    )  # fmt: skip
    network = Network(("x",), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    times = np.linspace(0.0, 200.0, 4001)
    run = integrate(
        network, network.initial_state({}),
        [Section(0.0, 200.0, np.array([0.04]), np.array([[feed]]))], times, ["bed"],
    )  # fmt: skip
    assert run.smeared == ("bed",)
    # stoichiometric time t0 (1 + F q(c) / c)
    expected = length / 0.1 * (1.0 + (1.0 - eps) / eps * 50.0 * 1.0 / (1.0 + feed))
    outlet = run.outlet[:, 0, 0]
    assert np.interp(0.5 * feed, outlet, times) == pytest.approx(expected, rel=0.02)
    assert outlet[-1] == pytest.approx(feed, rel=1e-6)
    assert np.all(np.diff(outlet) >= -1e-6 * feed)


@pytest.mark.parametrize("interval", [0.25, 2.0])
def test_online_a_shock_goes_on_with_the_monotone_scheme(interval: float) -> None:
    """The `Stepper` cannot start again; from the step in which an outlet undershoots on it does not."""
    bed = Bed(
        "bed", 1.0, 1.0, 0.4, BedModel.LRM, axial_dispersion=1e-6,
        binding=Langmuir({"C0": 0.1, "C1": 0.05}, {"C0": 10.0, "C1": 10.0}),
    )  # fmt: skip
    network = Network(("C0", "C1"), (bed,), (Inlet("in"),), (Link("in", "bed"),))
    flow, feed, nothing = np.array([0.04]), np.full((1, 2), 10.0), np.zeros((1, 2))
    outlets = {}
    for name, tolerance in (("held", Tolerance()), ("raw", Tolerance(undershoot=np.inf))):
        stepper = Stepper(network, network.initial_state({}), 0.0, np.full(2, 10.0), ["bed"], tolerance)
        times = np.arange(interval, 100.0 + 0.5 * interval, interval)
        outlets[name] = np.array([
            stepper.advance(t, flow, feed if t <= 12.0 else nothing)[0] for t in times
        ])  # fmt: skip
        assert stepper.balance().closure.max() <= 1e-8
        assert stepper.smeared == (("bed",) if name == "held" else ())
    assert outlets["raw"].min() < -2.0 * ALLOWED * 10.0
    assert outlets["held"].min() >= -ALLOWED * 10.0
    # The front arrives where it does in a run through sections.
    sections = [Section(0.0, 12.0, flow, feed), Section(12.0, 100.0, flow, nothing)]
    whole = integrate(network, network.initial_state({}), sections, times, ["bed"]).outlet[:, 0]
    half = [np.interp(5.0, np.maximum.accumulate(curve[:, 1]), times) for curve in (outlets["held"], whole)]
    assert half[0] == pytest.approx(half[1], abs=1.0 + interval)
