"""In memory and over secured OPC UA in lock-step, the same seed gives the same run."""

from __future__ import annotations

import numpy as np
import pytest

from tests.system.conftest import Done

pytestmark = pytest.mark.slow

ROUNDING = 4.0 * np.finfo(float).eps
"""A value crosses the wire in the unit of its tag: multiplied there, divided back, each rounded to half of a
unit in the last place, with an offset that may be rounded as well."""


def test_every_trend_is_equal_up_to_the_rounding_of_units(over_opcua: Done, in_memory: Done) -> None:
    one, other = over_opcua.run, in_memory.run
    assert set(one.trends) == set(other.trends)
    for name, trend in one.trends.items():
        twin = other.trends[name]
        times = np.union1d(trend.time, twin.time)
        np.testing.assert_allclose(trend.at(times), twin.at(times), rtol=ROUNDING, atol=1e-30, err_msg=name)


def test_what_has_no_unit_on_the_wire_is_bitwise_equal(over_opcua: Done, in_memory: Done) -> None:
    one, other = over_opcua.run, in_memory.run
    same = [name for name, trend in one.trends.items() if trend.step or name == "System.ProcessTime"]
    assert len(same) > 15
    for name in same:
        assert np.array_equal(one.trends[name].time, other.trends[name].time), name
        assert np.array_equal(one.trends[name].values, other.trends[name].values), name


def test_phases_pools_and_events_are_equal(over_opcua: Done, in_memory: Done) -> None:
    one, other = over_opcua.run, in_memory.run
    assert one.state == other.state == "Complete"
    assert [(item.path, item.start, item.end, item.reason) for item in one.phases] == [
        (item.path, item.start, item.end, item.reason) for item in other.phases
    ]
    assert [(item.vessel, item.start, item.end) for item in one.pools] == [
        (item.vessel, item.start, item.end) for item in other.pools
    ]
    assert [(item.time, item.category, item.source, item.text) for item in one.events] == [
        (item.time, item.category, item.source, item.text) for item in other.events
    ]


def test_amounts_and_volumes_are_equal(over_opcua: Done, in_memory: Done) -> None:
    one, other = over_opcua.run, in_memory.run
    near = 1e3 * ROUNDING  # sums over 34 000 scans
    assert one.consumed == pytest.approx(other.consumed, rel=near)
    assert one.loaded == pytest.approx(other.loaded, rel=near)
    for mine, theirs in zip(one.phases, other.phases, strict=True):
        assert mine.volume == pytest.approx(theirs.volume, rel=near, abs=1e-18)
    for mine, theirs in zip(one.pools, other.pools, strict=True):
        assert mine.volume == pytest.approx(theirs.volume, rel=near)
        assert mine.amounts == pytest.approx(theirs.amounts, rel=near, abs=1e-20)


def test_the_backend_is_stated(over_opcua: Done, in_memory: Done) -> None:
    assert over_opcua.run.provenance["backend"] == "OPC UA"
    assert in_memory.run.provenance["backend"] == "in memory"
    for item in (over_opcua, in_memory):
        assert item.run.provenance["scan"].startswith("1 s")
        assert item.run.provenance["skid seed"] == "1"
