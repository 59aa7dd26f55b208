"""The predicted run: mass balances, and how little the cutting of time matters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minifactory.app.case import Case
from minifactory.campaign.appraisal import appraise
from minifactory.records.run import Run
from minifactory.twin import simulate as module
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.simulate import simulate


def test_the_network_closes_every_balance(predicted: Run) -> None:
    """Inflow - outflow - what is held, from integral states: rounding only."""
    assert float(predicted.provenance["mass balance"]) <= 1e-8


def test_proteins_that_entered_left_or_are_still_in_the_skid(predicted: Run) -> None:
    """Plant-wide: everything that was loaded is in the vessels after strip, caustic and storage.

    What the pump wash with feed would waste and what stays bound is below the tolerance: the strip lasts
    2 CV at 1 M salt. The integration's relative local error is 1e-4.
    """
    for name in ("product", "acidic", "aggregate"):
        received = math.fsum(pool.amounts.get(name, 0.0) for pool in predicted.pools)
        assert received == pytest.approx(predicted.loaded[name], rel=2e-3), name


def test_volumes_received_are_volumes_pumped(predicted: Run) -> None:
    received = math.fsum(pool.volume for pool in predicted.pools)
    washed = 5 * 20e-6 / 60.0 * 86.0  # five pump washes of 86 s at 20 mL/min go nowhere that is kept
    drawn = math.fsum(predicted.consumed.values())
    assert received + washed == pytest.approx(drawn, rel=1e-3)


def test_the_trends_are_finite_and_in_order(predicted: Run) -> None:
    for name, trend in predicted.trends.items():
        assert np.all(np.isfinite(trend.values)), name
        assert np.all(np.diff(trend.time) >= 0.0), name


def test_phases_follow_each_other_without_gaps(predicted: Run) -> None:
    for before, after in zip(predicted.phases, predicted.phases[1:], strict=False):
        assert after.start == before.end


def test_a_shorter_scan_changes_little(case: Case, predicted: Run) -> None:
    """Every phase and every cut is later by at most one scan, so the pool's ends move by 5 s at most."""
    coarse = simulate(case.plant, case.bound, scan=5.0)
    fine, rough = (appraise(run, case.plant, case.targets) for run in (predicted, coarse))
    for planned, other in zip(predicted.phases, coarse.phases, strict=True):
        assert abs((other.end - other.start) - (planned.end - planned.start)) <= 5.0
    flow = 3.15e-6 / 60.0
    assert rough["pool_volume"] == pytest.approx(fine["pool_volume"], abs=2 * 5.0 * flow)
    assert rough["yield"] == pytest.approx(fine["yield"], abs=2e-3)


def test_the_length_of_stretches_changes_nothing_but_local_errors(
    case: Case, predicted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 700)
    monkeypatch.setattr(module, "WATCHED", 170)
    cut = simulate(case.plant, case.bound)
    assert [(item.path, item.start, item.end) for item in cut.phases] == [
        (item.path, item.start, item.end) for item in predicted.phases
    ]
    grid = np.arange(0.0, predicted.duration, 30.0)
    for name in ("UV1.Signal", "Cond.Signal"):
        one, other = predicted.trends[name].at(grid), cut.trends[name].at(grid)
        assert np.abs(one - other).max() <= 5e-3 * np.ptp(one), name


def test_the_same_prediction_twice_is_the_same(case: Case, predicted: Run) -> None:
    again = simulate(case.plant, case.bound)
    for name, trend in predicted.trends.items():
        assert np.array_equal(trend.values, again.trends[name].values), name


def test_flows_resolve_at_every_valve_position_of_the_run(case: Case, predicted: Run) -> None:
    """What the pumps deliver goes through the skid and arrives at exactly one vessel."""
    sheet = skid_flowsheet(case.plant, case.bound.skid)
    trends = [predicted.trends[f"{valve}.Position"] for valve in sheet.valves]
    stands = {
        tuple(int(item) for item in row) for row in zip(*(trend.values for trend in trends), strict=True)
    }
    assert len(stands) > 8
    for stand in stands:
        flows = sheet.flow_map(stand)
        drawn = sum(flows.drawn.values())
        received = sum(flow for _, _, flow in flows.received)
        assert np.array_equal(drawn[:2], [1.0, 1.0])
        assert np.array_equal(received[:2], [1.0, 1.0])
