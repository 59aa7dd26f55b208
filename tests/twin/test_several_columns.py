"""Three columns on one skid in turn (cases/pcc-capture): flow path, what leaves each column, mass."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minifactory.app.case import Case, open_case
from minifactory.campaign.appraisal import appraise
from minifactory.campaign.report.picture import draw_prediction
from minifactory.records.prediction import Prediction
from minifactory.records.run import Run
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.simulate import simulate
from tests.cli.conftest import (
    says,  # noqa: F401
)

CASE = Path(__file__).parents[2] / "cases" / "pcc-capture"


@pytest.fixture(scope="module")
def pcc() -> Case:
    return open_case(CASE)


@pytest.fixture(scope="module")
def run(pcc: Case) -> Run:
    return simulate(pcc.plant, pcc.bound, elements=3)


def test_the_path_of_every_stretch_is_told(run: Run) -> None:
    paths = [event.text for event in run.events if event.category == "path"]
    assert paths[3:] == [
        text
        for first, second in (("C1", "C2"), ("C2", "C3"), ("C3", "C1"))
        for text in (
            f"feed > {first} > {second} > flow_through",
            f"buffer > {first} > {second} > flow_through",
            f"elution > {first} > pool",
            f"buffer > {first} > waste",
        )
    ]
    starts = {phase.path.rsplit(".", 1)[-1]: phase.start for phase in run.phases}
    times = [event.time for event in run.events if event.category == "path"]
    assert times[3] == pytest.approx(starts["load_12"], abs=3.0)


def test_each_column_has_its_chromatogram(run: Run) -> None:
    """The first of a pair breaks through towards the end of its load, the second does not."""
    phases = {phase.path.rsplit(".", 1)[-1]: phase for phase in run.phases}
    load = phases["load_12"]
    late = np.array([load.end - 1.0])
    plateau = run.trends["C2.Outlet"].at(late)[0]  # impurity alone
    assert run.trends["C1.Outlet"].at(late)[0] > 1.1 * plateau
    for first in (1, 2, 3):
        elute = phases[f"elute_{first}"]
        middle = np.linspace(elute.start, elute.end, 200)
        peak = run.trends[f"C{first}.Outlet"].at(middle).max()
        others = [run.trends[f"C{i}.Outlet"].at(middle).max() for i in (1, 2, 3) if i != first]
        assert peak > 20.0 * max(others)


def test_mass_closes_and_all_product_is_somewhere(run: Run) -> None:
    assert float(run.provenance["mass balance"]) <= 1e-8
    received = math.fsum(pool.amounts.get("product", 0.0) for pool in run.pools)
    pooled = math.fsum(pool.amounts["product"] for pool in run.pools if pool.vessel == "pool")
    assert received <= run.loaded["product"] * (1.0 + 1e-6)
    assert pooled > 0.95 * run.loaded["product"]


def test_connections_that_lead_round_are_no_hindrance(pcc: Case) -> None:
    sheet = skid_flowsheet(pcc.plant, "capture")
    assert sheet.several_columns == ("C1", "C2", "C3")
    assert sheet.network.layout.sizes.torn > 0


def test_a_single_column_has_no_further_trends(predicted: Run) -> None:
    assert not [name for name in predicted.trends if name.endswith(".Outlet")]
    assert not [event for event in predicted.events if event.category == "path"]


def test_the_picture_shows_columns_and_paths(pcc: Case, run: Run, tmp_path: Path) -> None:
    performance = appraise(run, pcc.plant, pcc.targets)
    picture = tmp_path / "pcc.svg"
    draw_prediction("pcc", Prediction(run, performance), picture)
    alone = tmp_path / "alone.svg"
    few = replace(run, events=(), trends={k: v for k, v in run.trends.items() if not k.endswith(".Outlet")})
    draw_prediction("pcc", Prediction(few, performance), alone)
    axes = [path.read_text(encoding="utf-8").count('id="axes_') for path in (picture, alone)]
    assert axes == [8, 4]
