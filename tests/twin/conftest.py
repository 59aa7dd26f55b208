"""The predicted run of the case, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.app.case import Case, open_case
from minifactory.records.run import Run
from minifactory.twin.simulate import simulate


@pytest.fixture(scope="session")
def case() -> Case:
    return open_case(Path(__file__).parents[2] / "cases" / "cex-polish")


@pytest.fixture(scope="session")
def predicted(case: Case) -> Run:
    return simulate(case.plant, case.bound)
