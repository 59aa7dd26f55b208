"""The automatic mesh: the error it states is true, and what it cannot reach it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError, SolverError
from minifactory.twin.engine import integrate_to
from tests.engine import verification as cases
from tests.engine.verification import Case

SHORT = pytest.mark.parametrize("accuracy", [1e-2, 1e-3])


def _to(case: Case, accuracy: float, times: np.ndarray, **limits: int):  # type: ignore[no-untyped-def]
    return integrate_to(
        accuracy, case.network, lambda network: network.initial_state(case.start), case.sections, times,
        ["bed"], **limits,
    )  # fmt: skip


@SHORT
def test_stated_error_holds_for_gradient_elution(accuracy: float) -> None:
    case, times = cases.sma_lrmp((2, 3, 1)), np.linspace(0.0, 1500.0, 301)
    result = _to(case, accuracy, times)
    exact = cases.sma_lrmp((16, 5, 1)).run(times, 1e-8).outlet
    error = np.abs(result.solution.outlet - exact).max(axis=0) / np.abs(exact).max(axis=0)
    assert np.all(error <= accuracy)
    assert np.all(error <= result.error + 1e-4)
    assert result.meshes >= 2


def test_langmuir_shock_without_undershoot() -> None:
    """A shock at Pe 1000: no undershoot beyond the accuracy asked for."""
    case, times = cases.langmuir_lrm((8, 3, 1)), np.linspace(0.0, 60.0, 601)
    result = _to(case, 2e-3, times)
    assert result.undershoot.max() <= 2e-3
    # cited in shared/verification
    points = {15.1: 16.17657204, 16.0: 12.93899520}
    for t, value in points.items():
        assert abs(np.interp(t, times, result.solution.outlet[:, 0, 1]) - value) <= 2e-3 * 16.2


def test_what_cannot_be_reached_is_said() -> None:
    case = cases.langmuir_lrm((4, 3, 1))
    bed = replace(case.network.units[0], axial_dispersion=1e-7)  # type: ignore[arg-type]
    sharp = replace(case, network=replace(case.network, units=(bed,)))
    with pytest.raises(SolverError, match=r"outlet of bed, C[01].*still changes by .* nodes in bed"):
        _to(sharp, 1e-3, np.linspace(0.0, 60.0, 121), max_nodes=60)


def test_senseless_accuracy_is_refused() -> None:
    with pytest.raises(InputError, match="accuracy"):
        _to(cases.linear_lrmp((2, 3, 1)), 0.0, np.array([0.0, 1500.0]))
