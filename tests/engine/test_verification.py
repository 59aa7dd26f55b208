"""Every column reference of shared/verification to the accuracy that it can give; observed orders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.engine import verification as cases
from tests.engine.verification import Case, Mesh

# Points of the files, so that a machine without the folder checks real numbers: component, time, value.
CITED: dict[str, list[tuple[int, float, float]]] = {
    "GRM SMA": [
        (0, 1500.0, 370.9106697),
        (1, 1000.0, 0.02120596),
        (1, 1102.0, 0.02655800062),
        (2, 600.0, 0.03262943),
        (2, 665.0, 0.04049737446),
        (3, 401.0, 0.04604692021),
        (3, 500.0, 0.02377686),
    ],
    "GRM Langmuir": [(0, 59.0, 2.058580021), (1, 56.0, 2.261311198)],
    "LRM SMA": [(1, 827.0, 0.01554140539), (2, 466.0, 0.02427359262), (3, 195.0, 0.03920835611)],
    "LRM Langmuir": [
        (0, 16.0, 5.24460572),
        (0, 25.0, 6.54583133),
        (0, 30.0, 3.26842919),
        (1, 15.1, 16.17657204),
        (1, 16.0, 12.93899520),
    ],
    "flowsheet": [(0, 1767.0, 0.302298042804)],
    "LRM linear": [(0, 50.0, 0.451240443265459), (0, 53.75, 0.506981946907)],
    "LRMP linear": [(0, 300.0, 0.022127353330195), (0, 377.0, 0.025300065573)],
}
# Case, mesh, tolerance, accuracy relative to the peak. 1e-3 is the accuracy the authors of the nonlinear
# curves state; 1e-6 is asked of the linear ones.
RUNS: list[tuple[Callable[[Mesh], Case], Mesh, float, float]] = [
    (cases.linear_lrm, (48, 3, 1), 1e-8, 1e-6),
    (cases.linear_lrmp, (16, 3, 1), 1e-7, 1e-6),
    (cases.flowsheet, (12, 4, 1), 1e-7, 1e-6),
    (cases.langmuir_grm, (8, 3, 4), 1e-4, 1e-3),
    (cases.sma_grm, (8, 3, 4), 1e-4, 1e-3),
    (cases.langmuir_lrm, (96, 3, 1), 1e-5, 1e-3),
    (cases.sma_lrm, (16, 3, 1), 1e-4, 1e-3),
]
IDS = [make((1, 1, 1)).name for make, *_ in RUNS]


@pytest.mark.parametrize(("make", "mesh", "tolerance", "accuracy"), RUNS, ids=IDS)
def test_cited_points(make: Callable[[Mesh], Case], mesh: Mesh, tolerance: float, accuracy: float) -> None:
    case = make(mesh)
    points = CITED[case.name]
    times = np.unique([t for _, t, _ in points])
    run = case.run(times, tolerance)
    for k, t, value in points:
        peak = max(v for other, _, v in points if other == k)
        assert abs(run.outlet[np.searchsorted(times, t), 0, k] - value) <= accuracy * peak


@pytest.mark.parametrize(("make", "mesh", "tolerance", "accuracy"), RUNS, ids=IDS)
def test_whole_curves(
    make: Callable[[Mesh], Case], mesh: Mesh, tolerance: float, accuracy: float, shared_verification: Path
) -> None:
    case = make(mesh)
    reference = case.reference(shared_verification)
    run = case.run(reference[:, 0], tolerance)
    expected = reference[:, 1:]
    error = np.abs(run.outlet[:, 0] - expected).max(axis=0) / np.abs(expected).max(axis=0)
    assert error.max() <= accuracy
    assert run.balance.closure.max() <= 1e-8


def _moments(case: Case, end: float, tolerance: float) -> tuple[float, float, float]:
    """Area, mean and variance of the outlet of component 0, by Simpson's rule on the dense output."""
    times = np.linspace(0.0, end, 24001)
    c = case.run(times, tolerance).outlet[:, 0, 0]
    weight = np.ones(len(times))
    weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
    weight *= (times[1] - times[0]) / 3.0
    area = float(weight @ c)
    mean = float(weight @ (times * c)) / area
    return area, mean, float(weight @ ((times - mean) ** 2 * c)) / area


def _closed_form(grm: bool) -> tuple[float, float]:
    """Mean and variance of a 10 s pulse; equations in the README of shared/verification."""
    eps, pore, u, length, dispersion, radius, film = 0.37, 0.75, 5.75e-4, 0.014, 5.75e-8, 45e-6, 6.9e-6
    ka, kd = 3.55, 0.1
    phase, k, t0, pe = (1.0 - eps) / eps, pore + (1.0 - pore) * ka / kd, length / u, u * length / dispersion
    mean = t0 * (1.0 + phase * k)
    resistance = k**2 * radius / (3.0 * film) + (1.0 - pore) * ka / kd**2
    if grm:
        resistance += k**2 * radius**2 / (15.0 * pore * 6.07e-11)
    variance = (2.0 / pe) * (1.0 - (1.0 - np.exp(-pe)) / pe) * mean**2 + 2.0 * t0 * phase * resistance
    return mean + 5.0, variance + 100.0 / 12.0


@pytest.mark.parametrize("grm", [False, True], ids=["LRMP", "GRM"])
def test_moments_of_a_linear_pulse(grm: bool) -> None:
    network, flow = cases._column(
        cases.BedModel.GRM if grm else cases.BedModel.LRMP,
        ("x",),
        cases.Linear({"x": 35.5}, {"x": 10.0}),
        (8, 3, 5),
    )
    case = cases._pulse("linear", network, flow, 1.0, 10.0, 12000.0, "")
    area, mean, variance = _moments(case, 12000.0, 1e-7)
    expected_mean, expected_variance = _closed_form(grm)
    assert area == pytest.approx(10.0, rel=1e-6)
    assert mean == pytest.approx(expected_mean, rel=1e-6)
    assert variance == pytest.approx(expected_variance, rel=1e-5)


def _order(errors: list[float]) -> float:
    return float(np.min(np.log2(np.array(errors[:-1]) / np.array(errors[1:]))))


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_order_in_space(degree: int) -> None:
    """Halving the elements of the linear column divides the error by 2^(degree + 1)."""
    times = np.linspace(100.0, 1400.0, 66)
    exact = cases.linear_lrmp((24, 6, 1)).run(times, 1e-9).outlet
    errors = [
        float(np.abs(cases.linear_lrmp((elements, degree, 1)).run(times, 1e-9).outlet - exact).max())
        for elements in ((2, 4, 8) if degree < 4 else (2, 4))
    ]
    assert _order(errors) > degree + 0.7


def test_order_in_time() -> None:
    """Ten times the tolerance at order 4 is 10^(1/5)..10^(1/4) times the steps; error follows steps^-4."""
    times = np.linspace(20.0, 1400.0, 70)
    exact = cases.linear_lrmp((8, 3, 1)).run(times, 1e-10).outlet
    errors, steps = [], []
    for tolerance in (1e-4, 1e-5, 1e-6, 1e-7):
        run = cases.linear_lrmp((8, 3, 1)).run(times, tolerance)
        errors.append(float(np.abs(run.outlet - exact).max()))
        steps.append(run.steps)
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope > 3.5


def test_order_in_the_particle() -> None:
    """Collocation in the particle: each further node divides the error by ten or more."""
    times = np.linspace(100.0, 1400.0, 66)
    exact = cases.linear_grm((8, 3, 8)).run(times, 1e-9).outlet
    errors = [
        float(np.abs(cases.linear_grm((8, 3, nodes)).run(times, 1e-9).outlet - exact).max())
        for nodes in (2, 3, 4)
    ]
    assert errors[1] < errors[0] / 10.0
    assert errors[2] < errors[1] / 10.0
