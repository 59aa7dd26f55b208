"""Correlations: hand-computed values, limits, and agreement with what the engine simulates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin import transport
from tests.engine import verification as cases
from tests.engine.test_verification import _moments


def test_wilson_geankoplis_by_hand() -> None:
    # Pe = 1e-4 * 1e-4 / 1e-10 = 100; Sh = 1.09 / 0.4 * 100^(1/3); k = Sh D / d
    expected = 1.09 / 0.4 * 4.641588833612779 * 1e-10 / 1e-4
    assert transport.wilson_geankoplis(1e-4, 1e-4, 0.4, 1e-10) == pytest.approx(expected, rel=1e-12)


def test_rastegar_gu_by_hand() -> None:
    # u = 1e-3, eps = 0.4: Re = 1000 * 4e-4 * 1e-4 / 1e-3 = 0.04; 0.04^0.59 = 0.14968
    expected = 0.7e-10 + 1e-4 * 1e-3 * 0.4 / (0.18 + 0.008 * math.exp(0.59 * math.log(0.04)))
    assert transport.rastegar_gu(1e-3, 1e-4, 0.4, 1e-10) == pytest.approx(expected, rel=1e-12)
    # A plate height of dispersion alone is between two and five particle diameters.
    assert 2.0 < 2.0 * expected / 1e-3 / 1e-4 < 5.0


def test_stokes_einstein_of_an_antibody() -> None:
    """A sphere of 5.5 nm in water at 25 degC diffuses at about 4e-11 m2/s."""
    assert transport.stokes_einstein(5.5e-9, 298.15, 0.89e-3) == pytest.approx(4.46e-11, rel=0.01)


def test_kozeny_carman_by_hand() -> None:
    # 90 um, eps 0.35, 20 cm, 150 cm/h, water: about 0.15 bar
    drop = transport.kozeny_carman(150e-2 / 3600.0, 0.2, 90e-6, 0.35)
    assert drop == pytest.approx(180e-3 * 150e-2 / 3600.0 * 0.2 * 0.65**2 / 0.35**3 / 90e-6**2, rel=1e-12)
    assert 1.0e4 < drop < 3.0e4


def test_critical_velocity_falls_with_height_and_viscosity() -> None:
    assert transport.critical_velocity(1e-3, 1e-3, 2e-3, 0.2, 0.1) == pytest.approx(1e-3)


def test_van_deemter_has_its_minimum_where_it_must() -> None:
    a, b, c = 1e-4, 1e-9, 1e-2
    best = math.sqrt(b / c)
    heights = [transport.van_deemter(u, a, b, c) for u in (0.9 * best, best, 1.1 * best)]
    assert heights[1] == min(heights)
    assert heights[1] == pytest.approx(a + 2.0 * math.sqrt(b * c))


def test_plate_height_is_that_of_a_simulated_bed() -> None:
    """HETP = L sigma2 / mu1^2 of a pulse in a long bed."""
    network, flow = cases._column(cases.BedModel.GRM, ("x",), cases.Linear({"x": 4.0}), (8, 4, 5), length=0.3)
    case = cases._pulse("plates", network, flow, 1.0, 60.0, 5000.0, "")
    _, mean, variance = _moments(case, 5000.0, 1e-8)
    simulated = 0.3 * (variance - 60.0**2 / 12.0) / (mean - 30.0) ** 2
    expected = transport.plate_height(5.75e-4, 5.75e-8, 0.37, 0.75, 45e-6, 6.9e-6, 6.07e-11, 4.0)
    # The closed column differs from the long one by a part 1/Pe = 3e-4 of the dispersion term.
    assert simulated == pytest.approx(expected, rel=1e-3)


def test_coefficients_of_a_van_deemter_curve_give_it_back() -> None:
    """H of the coefficients at three velocities is A + B / u + C u."""
    a, b, c, pores = 2e-4, 3e-9, 9.0, 6e-11
    spread, standing, film = transport.from_van_deemter(a, b, c, 0.37, 0.75, 45e-6, pores, 4.0)
    for u in (1e-4, 5e-4, 2e-3):
        height = transport.plate_height(u, standing + spread * u, 0.37, 0.75, 45e-6, film, pores, 4.0)
        assert height == pytest.approx(transport.van_deemter(u, a, b, c), rel=1e-12)
    with pytest.raises(InputError, match="more than pore diffusion takes"):
        transport.from_van_deemter(a, b, 1e-3, 0.37, 0.75, 45e-6, pores, 4.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_senseless_values_are_named(bad: float) -> None:
    with pytest.raises(InputError, match="diffusion"):
        transport.rastegar_gu(1e-3, 1e-4, 0.4, bad)
