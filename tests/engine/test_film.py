"""A film coefficient that follows the flow: at each flow the column is that with the film of this flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import Linear
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Stepper,
    Tolerance,
    Variant,
    integrate,
    simulate_many,
)

AREA, VELOCITY = 1e-4, 1e-4  # m2, m/s superficial
TIMES = np.linspace(0.0, 600.0, 61)
TOLERANCE = Tolerance(1e-8)


def _bed(model: BedModel, film: float, exponent: float) -> Bed:
    return Bed(
        "bed", 0.02, AREA, 0.4, model, 0.6, 40e-6, {"salt": film, "a": film}, 2e-7, pore_diffusion=8e-11,
        binding=Linear({"a": 3.0}), elements=3, degree=3, radial_nodes=3,
        film_exponent={"salt": exponent, "a": exponent}, film_velocity=VELOCITY,
    )  # fmt: skip


def _network(bed: Bed) -> Network:
    return Network(("salt", "a"), (bed,), (Inlet("in"),), (Link("in", "bed"),))


def _sections(times: float) -> list[Section]:
    flow = np.array([times * VELOCITY * AREA])
    return [
        Section(0.0, 60.0, flow, np.array([[50.0, 1.0]])),
        Section(60.0, 600.0, flow, np.array([[80.0, 0.0]])),
    ]


def _outlet(bed: Bed, times: float) -> np.ndarray:
    network = _network(bed)
    start = network.initial_state({"salt": 50.0})
    return integrate(network, start, _sections(times), TIMES, ["bed"], TOLERANCE).outlet[:, 0]


@pytest.mark.parametrize("model", [BedModel.LRMP, BedModel.GRM], ids=lambda model: model.name)
@pytest.mark.parametrize("times", [1.0, 8.0])
def test_the_film_is_that_of_the_flow(model: BedModel, times: float) -> None:
    """At eight times the flow a film of power 1/3 is twice as permeable."""
    follows = _outlet(_bed(model, 4e-6, 1.0 / 3.0), times)
    fixed = _outlet(_bed(model, 4e-6 * times ** (1.0 / 3.0), 0.0), times)
    np.testing.assert_allclose(follows, fixed, atol=1e-6 * 80.0)
    if times > 1.0:
        assert np.abs(follows - _outlet(_bed(model, 4e-6, 0.0), times))[:, 1].max() > 1e-3


def test_batches_and_the_online_form_follow_too() -> None:
    network = _network(_bed(BedModel.LRMP, 4e-6, 1.0 / 3.0))
    state = network.initial_state({"salt": 50.0})
    fast = _outlet(network.units[0], 8.0)  # type: ignore[arg-type]
    slow = _outlet(network.units[0], 1.0)  # type: ignore[arg-type]
    variants = [Variant(network, state, _sections(times)) for times in (8.0, 1.0, 8.0)]
    batch = simulate_many(variants, TIMES, ["bed"], TOLERANCE, threads=1)
    for outlet, exact in zip(batch.outlet[:, :, 0], (fast, slow, fast), strict=True):
        np.testing.assert_allclose(outlet, exact, atol=1e-6 * 80.0)
    stepper = Stepper(network, state, 0.0, np.array([80.0, 1.0]), ["bed"], TOLERANCE)
    for section in _sections(8.0):
        end = stepper.advance(section.t1, section.flows0, section.inlets0)
    np.testing.assert_allclose(end[0], fast[-1], atol=1e-6 * 80.0)


def test_without_flow_diffusion_goes_on() -> None:
    """The film of a thousandth of the velocity: a tenth."""
    network = _network(_bed(BedModel.LRMP, 4e-6, 1.0 / 3.0))
    still = _network(_bed(BedModel.LRMP, 4e-7, 0.0))
    ends = []
    for each in (network, still):
        state = each.initial_state({"salt": 50.0, "a": 1.0}, bound={"bed": np.array([0.0])})
        section = Section(0.0, 600.0, np.zeros(1), np.zeros((1, 2)))
        ends.append(integrate(each, state, [section], TIMES, ["bed"], TOLERANCE).outlet[-1, 0])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)


def test_a_power_without_its_velocity_is_refused() -> None:
    with pytest.raises(InputError, match="film_velocity"):
        _network(replace(_bed(BedModel.LRMP, 4e-6, 1.0 / 3.0), film_velocity=0.0)).initial_state({})
