"""Beds of several particle sizes: the limits of one size, closed-form moments, mass, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import Linear
from minifactory.twin.engine import Bed, BedModel, ParticleSize
from tests.engine import verification as cases
from tests.engine.test_verification import _moments
from tests.engine.verification import Case

TIMES = np.linspace(50.0, 1450.0, 57)
PORES = pytest.mark.parametrize("model", [BedModel.LRMP, BedModel.GRM], ids=lambda model: model.name)
NARROW, WIDE = (0.5, 45e-6, 0.5, 45e-6), (0.3, 30e-6, 0.7, 60e-6)


def _sizes(*numbers: float, film: float | None = None) -> tuple[ParticleSize, ...]:
    return tuple(
        ParticleSize(radius, fraction, film)
        for fraction, radius in zip(numbers[::2], numbers[1::2], strict=True)
    )


def _with(case: Case, sizes: tuple[ParticleSize, ...]) -> Case:
    bed = case.network.units[0]
    assert isinstance(bed, Bed)
    several = replace(bed, particle_radius=0.0, particle_sizes=sizes)
    return replace(case, network=replace(case.network, units=(several,)))


def _linear(model: BedModel, sizes: tuple[ParticleSize, ...], film: float = 6.9e-6) -> Case:
    network, flow = cases._column(
        model, ("x",), Linear({"x": 35.5}, {"x": 10.0}), (8, 3, 5), film_coefficient=film
    )
    return _with(cases._pulse("sizes", network, flow, 1.0, 10.0, 12000.0, ""), sizes)


@pytest.mark.parametrize("make", [cases.sma_lrmp, cases.sma_grm], ids=["LRMP", "GRM"])
def test_two_equal_sizes_are_one(make: object) -> None:
    case = make((4, 3, 3))  # type: ignore[operator]
    one = case.run(TIMES, 1e-6).outlet
    two = _with(case, _sizes(*NARROW)).run(TIMES, 1e-6).outlet
    np.testing.assert_allclose(two, one, atol=1e-4 * np.abs(one).max(axis=0).min(), rtol=1e-5)


@PORES
def test_moments_of_a_mixture(model: BedModel) -> None:
    """First moment of one size; the resistances of the sizes add, weighted by volume.

    k of Wilson and Geankoplis' form, k_j = k (R_j / R)^(-2/3), R the radius of equal surface per volume.
    """
    case = _linear(model, _sizes(*WIDE))
    eps, pore, u, length, dispersion, film = 0.37, 0.75, 5.75e-4, 0.014, 5.75e-8, 6.9e-6
    ka, kd = 3.55, 0.1
    phase, k, t0, pe = (1.0 - eps) / eps, pore + (1.0 - pore) * ka / kd, length / u, u * length / dispersion
    mean = t0 * (1.0 + phase * k)
    mean_radius = 1.0 / (0.3 / 30e-6 + 0.7 / 60e-6)
    resistance = (1.0 - pore) * ka / kd**2
    for fraction, radius in ((0.3, 30e-6), (0.7, 60e-6)):
        its_film = film * (radius / mean_radius) ** (-2.0 / 3.0)
        resistance += fraction * k**2 * radius / (3.0 * its_film)
        if model is BedModel.GRM:
            resistance += fraction * k**2 * radius**2 / (15.0 * pore * 6.07e-11)
    variance = (2.0 / pe) * (1.0 - (1.0 - np.exp(-pe)) / pe) * mean**2 + 2.0 * t0 * phase * resistance
    area, got_mean, got_variance = _moments(case, 12000.0, 1e-7)
    assert area == pytest.approx(10.0, rel=1e-6)
    assert got_mean == pytest.approx(mean + 5.0, rel=1e-6)
    assert got_variance == pytest.approx(variance + 100.0 / 12.0, rel=1e-5)


@PORES
def test_order_of_the_sizes_does_not_matter(model: BedModel) -> None:
    a = _linear(model, _sizes(0.3, 30e-6, 0.7, 60e-6)).run(TIMES, 1e-8).outlet
    b = _linear(model, _sizes(0.7, 60e-6, 0.3, 30e-6)).run(TIMES, 1e-8).outlet
    np.testing.assert_allclose(a, b, atol=1e-7 * np.abs(a).max())


@PORES
@pytest.mark.parametrize("make", [cases.sma_grm, cases.langmuir_grm], ids=["SMA", "Langmuir"])
def test_mass_closes_with_nonlinear_binding(model: BedModel, make: object) -> None:
    case = _with(make((4, 3, 3)), _sizes(0.2, 20e-6, 0.5, 45e-6, 0.3, 90e-6))  # type: ignore[operator]
    bed = replace(case.network.units[0], model=model)  # type: ignore[arg-type]
    case = replace(case, network=replace(case.network, units=(bed,)))
    run = case.run(TIMES, 1e-4)
    assert run.balance.closure.max() <= 1e-10
    assert run.outlet.min() >= -0.01 * np.abs(run.outlet).max()


def test_a_wide_distribution_is_not_its_mean() -> None:
    wide = _linear(BedModel.GRM, _sizes(*WIDE)).run(TIMES, 1e-6).outlet
    mean = _linear(BedModel.GRM, _sizes(1.0, 1.0 / (0.3 / 30e-6 + 0.7 / 60e-6))).run(TIMES, 1e-6).outlet
    assert np.abs(wide - mean).max() > 0.01 * mean.max()


@pytest.mark.parametrize(
    ("sizes", "word"),
    [
        (_sizes(0.5, 45e-6, 0.4, 30e-6), "sum of the fractions"),
        (_sizes(0.5, 45e-6, 0.5, -30e-6), "radius of particle size 2"),
        (_sizes(0.5, 45e-6, 0.5, 30e-6, film=0.0), "film of particle size 1"),
    ],
)
def test_senseless_sizes_are_refused(sizes: tuple[ParticleSize, ...], word: str) -> None:
    with pytest.raises(InputError, match=word):
        _linear(BedModel.GRM, sizes)


def test_sizes_need_pores() -> None:
    with pytest.raises(InputError, match="LRMP or GRM"):
        _linear(BedModel.LRM, _sizes(*WIDE))
