"""The published protein A elution at pH 3.5; parameters, and what differs: benchmarks/protein_a.py."""

from __future__ import annotations

import pytest
from benchmarks.protein_a import COARSE, FINE, PUBLISHED, run


@pytest.mark.slow
def test_the_pool_is_the_published_one_on_as_many_cells_and_narrower_where_the_front_is_held() -> None:
    """2 %: the published run stands on 35 x 35 finite-volume cells; the amount is that of any mesh."""
    coarse, fine = run(elements=COARSE), run(elements=FINE)
    volume, mean = PUBLISHED["step"]
    assert coarse["CV"] == pytest.approx(volume, rel=0.02)
    assert coarse["g/L"] == pytest.approx(mean, rel=0.02)
    assert fine["CV"] * fine["g/L"] == pytest.approx(volume * mean, rel=0.02)
    assert fine["CV"] < 0.7 * volume
