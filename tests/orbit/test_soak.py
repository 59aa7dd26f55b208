"""The short version of the soak: memory and file handles stay flat, the database grows linearly."""

from __future__ import annotations

from pathlib import Path

from benchmarks.orbit_soak import soak


def test_half_a_day_of_cycles_leaves_nothing_behind(tmp_path: Path) -> None:
    found = soak(0.5, tmp_path)
    assert found["state"] == "Complete"
    assert found["dropped"] == 0
    assert found["files growth"] == 0.0
    assert isinstance(found["memory growth / MiB"], float)
    assert isinstance(found["second half over first"], float)
    # 43 200 scans of 50 tags: a leak of one small object per scan would be more than this.
    assert found["memory growth / MiB"] < 4.0
    assert 0.8 < found["second half over first"] < 1.25
