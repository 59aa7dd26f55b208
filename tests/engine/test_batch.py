"""Batches give what single runs give; sensitivities are those of the discrete solution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import Langmuir
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Cancellation,
    Section,
    StirredTank,
    Tolerance,
    Variant,
    integrate,
    sensitivities,
    simulate_many,
)
from tests.engine import verification as cases

TIMES = np.linspace(0.0, 1500.0, 151)
CASE = cases.sma_lrmp((4, 3, 1))
AT = {"film": 6.9e-6, "capacity": 1200.0, "k_eq": 35.5e-3, "slope": 0.2}


def variant(values: Mapping[str, float]) -> Variant:
    bed = CASE.network.units[0]
    assert isinstance(bed, Bed)
    binding = replace(
        cases.SMA, capacity=values["capacity"], k_eq={**cases.SMA.k_eq, "lysozyme": values["k_eq"]}
    )
    network = replace(CASE.network, units=(replace(bed, film_coefficient=values["film"], binding=binding),))
    gradient = CASE.sections[2]
    end = gradient.inlets0 + np.array([[values["slope"] * (gradient.t1 - gradient.t0), 0.0, 0.0, 0.0]])
    return Variant(
        network, network.initial_state(CASE.start), (*CASE.sections[:2], replace(gradient, inlets1=end))
    )


def test_a_batch_is_its_single_runs() -> None:
    variants = [variant({**AT, "capacity": 1100.0 + 20.0 * i, "slope": 0.18 + 0.004 * i}) for i in range(9)]
    seen: list[tuple[int, int]] = []
    batch = simulate_many(
        variants, TIMES, ["bed"], Tolerance(1e-4), threads=2, progress=lambda done, n: seen.append((done, n))
    )
    for i, v in enumerate(variants):
        alone = integrate(v.network, v.state, v.sections, TIMES, ["bed"], Tolerance(1e-4))
        # Lanes round differently; a step size may differ by that, never more than the tolerance.
        np.testing.assert_allclose(batch.outlet[i], alone.outlet, rtol=1e-4, atol=1e-4 * alone.outlet.max())
    assert seen == [(i, 9) for i in range(1, 10)]
    assert all(fault is None for fault in batch.faults)


def test_section_times_may_differ() -> None:
    base = variant(AT)
    late = list(base.sections)
    late[0] = replace(late[0], t1=20.0)
    late[1] = replace(late[1], t0=20.0)
    batch = simulate_many([base, replace(base, sections=late)], TIMES, ["bed"])
    # Twice the load.
    np.testing.assert_allclose(batch.passed[1, -1, 0, 3], 2.0 * batch.passed[0, -1, 0, 3], rtol=1e-3)


def test_one_that_fails_leaves_the_others() -> None:
    """Thirty steps are enough for a column that stands still, not for a cycle."""
    good = variant(AT)
    still = replace(good, sections=[Section(0.0, 1500.0, np.zeros(1), CASE.sections[1].inlets0)])
    batch = simulate_many([good, still], TIMES, ["bed"], Tolerance(1e-4, max_steps=30))
    assert "too many steps" in str(batch.faults[0])
    assert np.all(np.isnan(batch.outlet[0]))
    assert batch.faults[1] is None
    np.testing.assert_allclose(batch.outlet[1], np.broadcast_to(CASE.start, (151, 1, 4)), atol=1e-9)


def test_a_cancelled_batch_stops() -> None:
    stop = Cancellation()
    stop.cancel()
    batch = simulate_many([variant(AT)] * 3, TIMES, ["bed"], cancellation=stop)
    assert all("cancelled" in str(fault) for fault in batch.faults)


def test_other_components_are_refused() -> None:
    other = cases.linear_lrmp((2, 3, 1))
    with pytest.raises(InputError, match="components"):
        simulate_many(
            [variant(AT), Variant(other.network, other.network.initial_state(other.start), other.sections)],
            TIMES,
            ["bed"],
        )


def test_sensitivities_do_not_depend_on_the_perturbation() -> None:
    results = [
        sensitivities(variant, AT, TIMES, ["bed"], steps={name: width * value for name, value in AT.items()})
        for width in (1e-4, 1e-6)
    ]
    for i, name in enumerate(AT):
        scale = np.abs(results[1].outlet[i]).max()
        # The error of central differences is of the order of width^2 = 1e-8 times curvature.
        assert np.abs(results[0].outlet[i] - results[1].outlet[i]).max() < 1e-5 * scale, name


def test_sensitivities_are_the_slope_of_accurate_solutions() -> None:
    result = sensitivities(variant, AT, TIMES, ["bed"], Tolerance(1e-5))
    runs = []
    for sign in (1.0, -1.0):
        v = variant({**AT, "k_eq": AT["k_eq"] * (1.0 + sign * 0.01)})
        runs.append(integrate(v.network, v.state, v.sections, TIMES, ["bed"], Tolerance(1e-8)).outlet)
    slope = (runs[0] - runs[1]) / (0.02 * AT["k_eq"])
    i = list(AT).index("k_eq")
    lysozyme = np.abs(slope[..., 1])
    assert np.abs(result.outlet[i][..., 1] - slope[..., 1]).max() < 5e-3 * lysozyme.max()


def test_batches_of_networks() -> None:
    """More than one unit, other volumes per variant, and mass closed in each."""
    bed = Bed(
        "bed", 0.1, 2e-4, 0.4, BedModel.LRM, binding=Langmuir({"x": 0.1}, {"x": 10.0}), axial_dispersion=1e-6
    )
    variants = []
    for volume in (1e-6, 3e-6):
        network = replace(
            cases.linear_lrmp((2, 3, 1)).network,
            units=(StirredTank("tank", volume), bed),
            links=(cases.Link("in", "tank"), cases.Link("tank", "bed")),
        )
        sections = [Section(0.0, 500.0, np.array([1e-7, 1e-7]), np.array([[1.0]]))]
        variants.append(Variant(network, network.initial_state({"x": 0.0}), sections))
    batch = simulate_many(variants, np.array([0.0, 500.0]), ["tank"])
    for i, volume in enumerate((1e-6, 3e-6)):
        np.testing.assert_allclose(batch.outlet[i, 1, 0, 0], 1.0 - np.exp(-500.0 * 1e-7 / volume), atol=1e-3)
        balance = batch.balances[i]
        assert balance is not None
        assert balance.closure.max() < 1e-12
