"""The case as a description."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.designing import description_of
from minifactory.design.description import Description

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"


@pytest.fixture(scope="session")
def case() -> Case:
    return open_case(CASE)


@pytest.fixture(scope="session")
def description(case: Case) -> Description:
    return description_of(case)
