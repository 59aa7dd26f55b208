"""Packed samples come back bit for bit, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifactory.errors import EnvironmentFault
from minifactory.historian.segments import pack, unpack
from minifactory.records.documents import Samples
from tests.historian.story import START

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)


@st.composite
def sample_lists(draw: st.DrawFn) -> list[Samples]:
    times = sorted(draw(st.lists(st.floats(0, 1e6), min_size=1, max_size=20, unique=True)))
    samples = []
    for time in times:
        indices = tuple(sorted(draw(st.sets(st.integers(0, 6)))))
        count = len(indices)
        values = tuple(draw(st.lists(ANY_FLOAT, min_size=count, max_size=count)))
        quality = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
        samples.append(Samples("r", time, START, indices, values, quality))
    return samples


def bits(values: list[float]) -> list[int]:
    return [int(item) for item in np.array(values, dtype=np.float64).view(np.int64)]


@given(sample_lists())
def test_every_bit_comes_back(samples: list[Samples]) -> None:
    tracks = {track.index: track for track in unpack(pack(samples))}
    assert set(tracks) == {index for sample in samples for index in sample.indices}
    for index, track in tracks.items():
        expected = [
            (sample.time, sample.values[place], sample.quality[place])
            for sample in samples
            for place, tag in enumerate(sample.indices)
            if tag == index
        ]
        assert bits(list(track.time)) == bits([time for time, _, _ in expected])
        assert bits(list(track.values)) == bits([value for _, value, _ in expected])
        found = np.zeros(len(expected), int) if track.quality is None else track.quality
        assert list(found) == [quality for _, _, quality in expected]


def test_only_wanted_tags_are_unpacked() -> None:
    samples = [Samples("r", float(n), START, (0, 3), (1.0, n * 0.5), (0, 0)) for n in range(50)]
    tracks = list(unpack(pack(samples), {3}))
    assert [track.index for track in tracks] == [3]
    assert np.array_equal(tracks[0].values, 0.5 * np.arange(50))


def test_still_values_cost_almost_nothing() -> None:
    # 200 tags over 100 scans, regular times, constant values: 20 000 values in 160 kB raw.
    samples = [
        Samples("r", 0.1 * n, START, tuple(range(200)), (1.2345,) * 200, (0,) * 200) for n in range(100)
    ]
    assert len(pack(samples)) < 0.1 * 200 * 100 * 8


@pytest.mark.parametrize("cut", [0, 3, 10, 30, 60])
def test_damage_is_an_error(cut: int) -> None:
    blob = pack([Samples("r", float(n), START, (0,), (n * 0.1,), (0,)) for n in range(50)])
    with pytest.raises(EnvironmentFault, match="damaged"):
        list(unpack(blob[:cut]))
