"""The descent finds optima and keeps bounds; straight coordinates are only other names of the same points."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from minifactory.calibration.estimation.descent import descend
from minifactory.calibration.estimation.space import Free, Scale, Shear, Space
from minifactory.errors import Finding, SolverError
from minifactory.units import POSITIVE

Array = NDArray[np.float64]
WIDE = (np.array([-10.0, -10.0]), np.array([10.0, 10.0]))


def _valley(points: Array) -> Array:
    """Rosenbrock's valley as residuals (k, 2): the optimum is (1, 1), where nothing is left."""
    return np.stack([10.0 * (points[:, 1] - points[:, 0] ** 2), 1.0 - points[:, 0]], axis=1)


def _slopes(at: Array) -> tuple[Array, Array]:
    return _valley(at[None, :])[0], np.array([[-20.0 * at[0], 10.0], [-1.0, 0.0]])


def test_a_curved_valley_is_followed_to_its_end() -> None:
    found = descend(_valley, _slopes, np.array([-1.2, 1.0]), WIDE, worth=1e-12, steps=60)
    assert found is not None
    assert found.converged
    assert found.coordinates == pytest.approx([1.0, 1.0], abs=1e-5)


def test_an_optimum_behind_a_bound_ends_on_it() -> None:
    upper = np.array([0.5, 10.0])
    found = descend(_valley, _slopes, np.array([-1.2, 1.0]), (WIDE[0], upper), worth=1e-10, steps=60)
    assert found is not None
    assert found.coordinates == pytest.approx([0.5, 0.25], abs=1e-4)


def test_single_points_far_off_are_softened() -> None:
    """A straight line with one point in twenty wrong: soft L1 stays with the nineteen."""
    x = np.arange(20.0)
    y = 2.0 + 0.5 * x + np.where(x == 7.0, 300.0, 0.0)
    table = np.stack([np.ones(20), x], axis=1)
    found = descend(
        lambda points: points @ table.T - y,
        lambda at: (table @ at - y, table),
        np.zeros(2),
        (np.full(2, -1e3), np.full(2, 1e3)),
        softened=1.0,
        worth=1e-9,
        steps=60,
    )
    assert found is not None
    # Its influence is that of a residual of about one, 1 / 20 of it on the level.
    assert found.coordinates == pytest.approx([2.0, 0.5], abs=0.3)


def test_a_model_that_fails_is_no_optimum_and_failing_steps_are_not_taken() -> None:
    def fails(_at: Array) -> tuple[Array, Array]:
        raise SolverError(Finding("model", "stops"))

    assert descend(_valley, fails, np.zeros(2), WIDE) is None

    def torn(points: Array) -> Array:
        return np.where(points[:, :1] > 0.9, 1e4, _valley(points))

    found = descend(torn, _slopes, np.array([-1.2, 1.0]), WIDE, steps=60)
    assert found is not None
    assert found.coordinates[0] <= 0.9


def test_the_way_to_a_known_optimum_is_left() -> None:
    best = descend(_valley, _slopes, np.array([0.5, 0.3]), WIDE, worth=1e-12)
    assert best is not None
    again = descend(_valley, _slopes, np.array([1.1, 1.2]), WIDE, known=[best])
    assert again is not None
    assert again.joined
    assert again.evaluations < best.evaluations


SPACE = Space(
    (
        Free("C1.p.nu", POSITIVE, 5.0, 1.0, 20.0, Scale.LOG),
        Free("C1.p.k_eq", POSITIVE, 1e-8, 1e-20, 1e5, Scale.LOG),
        Free("C1.p.sigma", POSITIVE, 10.0, 1.0, 100.0),
    ),
    (Shear("C1.p.k_eq", "C1.p.nu", 2.5),),
)


def test_straight_coordinates_lead_back_and_keep_volumes() -> None:
    points = np.random.default_rng(1).uniform([0.5, -30.0, 0.2], [2.5, 5.0, 5.0], (7, 3))
    straight = SPACE.straight(points)
    np.testing.assert_allclose(SPACE.plain(straight), points, rtol=1e-12)
    assert straight[:, 1] == pytest.approx(points[:, 1] + 2.5 * np.exp(points[:, 0]))
    stretch = SPACE.stretch(straight[0])
    assert np.linalg.det(stretch) == pytest.approx(1.0)
    for at in range(3):
        step = 1e-6 * np.eye(3)[at]
        slope = (SPACE.plain(straight[0] + step) - SPACE.plain(straight[0] - step)) / 2e-6
        assert stretch[:, at] == pytest.approx(slope, abs=1e-7)
    assert SPACE.without(["C1.p.nu"]).shears == ()
    assert SPACE.without(["C1.p.sigma"]).shears == SPACE.shears
