"""An eluate that runs through a line onto the next skid's column, diluted on the way by that skid's pump."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minifactory.records.plant_run import WAITING, PlantRun
from minifactory.twin.simulate import simulate_plant

from .two_skids import opened


@pytest.fixture(scope="module")
def direct() -> PlantRun:
    plant, bounds = opened("direct")
    return simulate_plant(plant, list(bounds.values()), elements=3)


def phase(run: PlantRun, skid: str, name: str) -> tuple[float, float]:
    return next((p.start, p.end) for p in run.runs[skid].phases if p.path.endswith(name))


def test_both_sides_begin_together_and_the_receiver_ends_when_all_is_delivered(direct: PlantRun) -> None:
    given, taken = phase(direct, "capture", "hand_over"), phase(direct, "polish", "load")
    assert 0.0 <= taken[0] - given[0] <= 2.0
    assert 0.0 <= taken[1] - given[1] <= 2.0
    assert direct.time_spent("polish", WAITING) > 200.0


def test_the_stream_runs_through_both_columns(direct: PlantRun) -> None:
    paths = [event.text for event in direct.runs["capture"].events if event.category == "path"]
    assert "elution > C1 > C2 > pool" in paths


def test_the_eluate_is_diluted_in_line(direct: PlantRun) -> None:
    """0.5 mL/min of 0.5 M chloride in 2.5 mL/min: a fifth of it behind the second column, at the end."""
    end = phase(direct, "capture", "hand_over")[1]
    run = direct.runs["polish"]
    before = phase(direct, "polish", "elute")[1]
    conductivity = run.trends["Cond.Signal"]
    mixed, pure = conductivity.at(np.array([end - 5.0, before - 20.0]))
    low = conductivity.at(np.array([150.0]))[0]
    # Conductivity grows a little less than in proportion to concentration.
    assert 0.2 < (mixed - low) / (pure - low) < 0.3


def test_mass_closes_and_pools_belong_to_the_skid_whose_outlet_it_was(direct: PlantRun) -> None:
    assert max(direct.balance.values()) <= 1e-8
    assert {pool.vessel for pool in direct.runs["capture"].pools} == {"waste"}
    pooled = math.fsum(p.volume for p in direct.runs["polish"].pools if p.vessel == "pool")
    assert pooled == pytest.approx(direct.levels["pool"].values[-1])


def test_each_pump_feels_what_lies_on_its_way(direct: PlantRun) -> None:
    """The deliverer both columns: its own at 0.5 mL/min, the other one at 2.5 mL/min."""
    middle = np.array([sum(phase(direct, "capture", "hand_over")) / 2.0])
    first, second = (direct.runs[skid].trends["Pressure.Delta"].at(middle)[0] for skid in direct.runs)
    assert first == pytest.approx(second * 3.0 / 2.5, rel=1e-3)
