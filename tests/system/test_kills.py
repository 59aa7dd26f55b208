"""A controller that is killed again and again loses nothing; 200 kills are `benchmarks.kills`."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.kills import study


@pytest.mark.slow
def test_three_kills_at_random_instants(tmp_path: Path) -> None:
    found = study(tmp_path, kills=3, seed=7)
    assert len(found.journal_age) >= 1
    assert found.faults == []
    assert found.code == 0
