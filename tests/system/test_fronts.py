"""The predicted conductivity fronts against the real run that the case was taken from.

The midpoint of a front and the gradient delay are defined in :mod:`benchmarks.cex_fronts`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.cex_fronts import Front, fronts, midpoint, onset, shift

from minifactory.app.main_job import Outcome
from minifactory.records.formats import read

WITHIN = 0.05
"""CV, as the case promises."""


@pytest.fixture
def found(shared_data: Path, identical: Outcome) -> dict[str, Front]:
    run = identical.prediction.run
    measured = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    return {item.name: item for item in fronts(run, measured, 25.2 * run.column_volume)}


@pytest.mark.slow
def test_fronts_and_gradient_delay_are_where_they_were_measured(found: dict[str, Front]) -> None:
    assert list(found) == [
        *("high salt", "equilibration", "load", "wash", "strip", "sanitisation", "storage", "gradient delay")
    ]
    far = {name: item for name, item in found.items() if abs(item.difference) > WITHIN}
    assert not far


@pytest.mark.slow
def test_the_measured_fronts_are_those_of_the_file(found: dict[str, Front]) -> None:
    """Read off the curve by eye: salt needs 0.85 to 0.95 CV, and 0.15 CV more behind the unwashed line."""
    for name in ("high salt", "load", "wash", "sanitisation", "storage"):
        assert 0.85 < found[name].measured < 0.95
    for name in ("equilibration", "strip"):
        assert 1.0 < found[name].measured < 1.1


def test_a_midpoint_is_where_half_of_the_step_is_done() -> None:
    volume = np.linspace(0.0, 3.0, 601)
    curve = 2.0 + 8.0 / (1.0 + np.exp(-(volume - 0.9) / 0.05))
    assert midpoint(volume, curve, 3.0) == pytest.approx(0.9, abs=1e-4)
    assert midpoint(volume, 10.0 - 0.7 * curve, 3.0) == pytest.approx(0.9, abs=1e-4)


def test_a_curve_without_a_step_has_no_midpoint() -> None:
    with pytest.raises(ValueError, match="no step"), np.errstate(all="ignore"):
        midpoint(np.linspace(0.0, 1.0, 50), np.ones(50), 1.0)


def test_a_gradient_that_is_late_and_stronger_is_found() -> None:
    volume = np.linspace(0.0, 20.0, 2001)

    def gradient(delay: float, factor: float) -> np.ndarray:
        return factor * (
            2.0 + 0.7 * np.maximum(volume - delay, 0.0) - 0.004 * np.maximum(volume - delay, 0.0) ** 2
        )

    early, late = gradient(0.9, 1.0), gradient(1.0, 1.01)
    moved, factor = shift((volume, early), (volume, late), 25.0)
    assert (moved, factor) == (pytest.approx(0.1, abs=2e-3), pytest.approx(1.01, abs=1e-4))
    assert onset(volume, early, 25.0) == pytest.approx(0.9, abs=0.02)
