"""Fixtures that find the read-only reference data beside the checkout, or say why a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def _shared(folder: str, variable: str) -> Path:
    path = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / folder))
    if not path.is_dir():
        pytest.skip(
            f"no reference data: neither ../shared/{folder} nor the folder named by {variable} exists"
        )
    return path


@pytest.fixture
def shared_data() -> Path:
    """The folder of real and published data."""
    return _shared("data", "MINIFACTORY_DATA")


@pytest.fixture
def shared_verification() -> Path:
    """The folder of independent reference curves."""
    return _shared("verification", "MINIFACTORY_VERIFICATION")


@pytest.fixture
def cases() -> Path:
    """The folder of the cases."""
    return REPOSITORY / "cases"
