"""The published protein A elution at pH 3.5; parameters and what differs: benchmarks/protein_a.py."""

from __future__ import annotations

import pytest
from benchmarks.protein_a import PUBLISHED, run


@pytest.mark.slow
def test_the_elution_pool_is_the_published_one() -> None:
    """2 %: the published run stands on 35 x 35 finite-volume cells."""
    pool = run()
    volume, mean = PUBLISHED["step"]
    assert pool["CV"] == pytest.approx(volume, rel=0.02)
    assert pool["g/L"] == pytest.approx(mean, rel=0.02)
