"""Performance in a plant: feeds, pool, detector and stated load come from the description."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minifactory.campaign.appraisal import appraise, assay, feeds, stated_load
from minifactory.campaign.targets import Targets
from minifactory.plant.model import Device, DeviceKind, Material, Skid, Vessel
from minifactory.records.performance import Basis
from minifactory.records.run import PoolRecord
from tests.campaign.records import PLANT
from tests.records.synthetic import CV, CV_TIME, EXTINCTION, PATH_LENGTH, make_run

CELL = Device("UV", DeviceKind.UV_CELL, ("in", "out"), values={"path_length": PATH_LENGTH, "saturation": 2.0})
EQUIPPED = replace(
    PLANT,
    materials={**PLANT.materials, "broth": Material("broth", {"product": 0.5, "Na": 20.0})},
    vessels={**PLANT.vessels, "Feed": Vessel("Feed", 1e-4, 5e-5, "broth", "feed")},
    skids={"akta1": Skid("akta1", "test", {"UV": CELL}, (), 1e6)},
)


def test_feeds_and_detector_come_from_the_plant() -> None:
    assert feeds(EQUIPPED) == {"Feed"}
    found = assay(EQUIPPED, "akta1", "product")
    assert found is not None
    assert (found.path_length, found.extinction, found.saturation) == (PATH_LENGTH, EXTINCTION, 2.0)
    assert assay(EQUIPPED, "akta1", "impurity") is None


def test_the_pool_is_the_vessel_with_that_purpose() -> None:
    run = make_run()
    more = PoolRecord("Side", 10.0 * CV_TIME, 12.0 * CV_TIME, 5 * CV)
    found = appraise(replace(run, pools=(*run.pools, more)), EQUIPPED, Targets(()))
    assert (found.pool, found.product) == ("Pool", "product")
    assert found["buffer"] == pytest.approx(1e-4)
    assert appraise(run, EQUIPPED, Targets((), pool="Waste")).pool == "Waste"


def test_without_any_analysis_load_and_pool_are_estimated() -> None:
    run = replace(make_run(analysed=False), loaded={})
    assert stated_load(run, EQUIPPED, "product") == pytest.approx(0.5 * 2 * CV)
    found = appraise(run, EQUIPPED, Targets(()))
    assert found.basis is Basis.UV
    assert found["loaded_mass"] == pytest.approx(0.5 * 2 * CV * 50.0)
    assert found["yield"] > 0.0
