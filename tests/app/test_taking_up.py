"""A controller that comes back loads nothing that it does not need to act."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "sqlalchemy",
    "scipy",
    "numba",
    "pandas",
    "matplotlib",
    "pint",
    "minifactory.twin",
    "minifactory.skid",
)


def test_a_resume_loads_nothing_heavy_before_it_acts() -> None:
    words = f"import sys, minifactory.cli.resuming; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=120
    )
    assert said.stdout.strip() == "[]"
