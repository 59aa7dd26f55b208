"""A short version of the disturbance battery (benchmarks/controllers.py): what control is there for."""

from __future__ import annotations

from benchmarks.controllers import study


def test_a_weak_feed_is_made_good_within_three_cycles() -> None:
    table = study(3, ("feed -20 %",))
    errors = {name: row["feed -20 %"] for name, row in table.items()}
    for name, (without, controlled) in errors.items():
        assert abs(controlled) < 0.5 * abs(without), name
    assert errors["loading: product"][0] < -15.0
