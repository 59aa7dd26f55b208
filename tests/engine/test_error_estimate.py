"""The estimate that comes with every solution bounds its error, and is not far from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from minifactory.twin.engine import Tolerance, Variant, integrate, simulate_many
from minifactory.twin.engine.error_estimate import carried_over, coarser
from tests.engine import verification as cases
from tests.engine.verification import Case, Mesh

CASES = pytest.mark.parametrize(
    ("make", "mesh", "fine", "tolerance"),
    [
        (cases.sma_lrmp, (4, 3, 1), (16, 5, 1), 3e-4),
        (cases.sma_lrm, (6, 3, 1), (16, 5, 1), 3e-4),
        (cases.sma_grm, (4, 3, 4), (8, 5, 6), 3e-4),
        (cases.langmuir_grm, (3, 5, 4), (8, 5, 6), 1e-4),
        (cases.linear_lrm, (8, 5, 1), (16, 7, 1), 1e-5),
        (cases.flowsheet, (3, 5, 1), (8, 6, 1), 1e-5),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)


@CASES
def test_the_estimate_bounds_the_error(
    make: Callable[[Mesh], Case], mesh: Mesh, fine: Mesh, tolerance: float
) -> None:
    case, exact = make(mesh), make(fine)
    times = np.linspace(0.0, case.sections[-1].t1, 301)
    solution = case.run(times, tolerance)
    reference = exact.run(times, 1e-8).outlet
    error = np.abs(solution.outlet - reference).max(axis=0) / np.abs(reference).max(axis=0)
    assert np.all(error <= solution.error)
    # Two thirds of the elements at the spectral order 4 to 6, and four times the tolerance: tens at most.
    assert solution.error.max() <= 100.0 * error.max()


def test_a_batch_has_it_too() -> None:
    case, times = cases.sma_lrmp((3, 3, 1)), np.linspace(0.0, 1500.0, 101)
    state = case.network.initial_state(case.start)
    batch = simulate_many([Variant(case.network, state, case.sections)] * 3, times, ["bed"], Tolerance(3e-4))
    single = integrate(case.network, state, case.sections, times, ["bed"], Tolerance(3e-4))
    np.testing.assert_allclose(batch.error(1), single.error, rtol=1e-3)


@pytest.mark.parametrize("make", [cases.sma_lrm, cases.sma_lrmp, cases.sma_grm])
def test_a_state_is_carried_to_another_mesh(make: Callable[[Mesh], Case]) -> None:
    """While the bands travel: the amounts are those of the finer mesh, as far as the other resolves them."""
    case = make((6, 5, 4))
    last = case.sections[-1]
    begun = replace(
        last, t1=250.0, inlets1=last.inlets0 + np.array([[0.2 * (250.0 - last.t0), 0.0, 0.0, 0.0]])
    )
    start = case.network.initial_state(case.start)
    sections = [*case.sections[:-1], begun]
    run = integrate(case.network, start, sections, np.array([250.0]), ["bed"], Tolerance(1e-5))
    other = coarser(case.network)
    state = carried_over(case.network, other, run.state)
    before, after = case.network.layout.amounts(run.state), other.layout.amounts(state)
    np.testing.assert_allclose(after, before, rtol=2e-2)
    assert other.layout.tables.size < case.network.layout.tables.size
