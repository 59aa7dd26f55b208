"""A store in a temporary folder, and a policy that never waits for time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minifactory.historian import Policy, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store that gives up on a locked database at once."""
    store = Store(tmp_path / "runs.db", busy_timeout=0.01)
    yield store
    store.close()


@pytest.fixture
def patient() -> Policy:
    """Segments only by number of values or at a flush; a failed store is tried again only at a flush."""
    return Policy(segment_time=1e9, segment_points=100, look_every=0.01, retry=1e9)
