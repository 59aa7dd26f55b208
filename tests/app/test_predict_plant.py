"""A case on two skids: checked per skid, predicted as one plant, judged by the targets of its last pool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.predict_plant import predict_plant
from minifactory.cli.checking import check
from minifactory.cli.simulating import simulate
from minifactory.errors import InputError

PLANT = Path(__file__).parents[1] / "twin" / "two_skids" / "pool"
TARGETS = """\
source: assumed
product: product
pool: pool
targets:
  yield: ">= 20 %"
  max_pressure: "<= 1 MPa"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PLANT, tmp_path / "two")
    (tmp_path / "two" / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    return tmp_path / "two"


def test_the_plant_is_judged_as_one_run(folder: Path) -> None:
    case = open_case(folder, several=True)
    assert list(case.bounds) == ["capture", "polish"]
    found = predict_plant(case, 0)
    capture, polish = found.plant.runs["capture"], found.plant.runs["polish"]
    whole, figures = found.whole.run, found.whole.performance
    assert whole.loaded["product"] == capture.loaded["product"]
    (pool,) = (item for item in polish.pools if item.vessel == "pool")
    assert figures["yield"] == pytest.approx(pool.amounts["product"] / capture.loaded["product"], rel=1e-9)
    assert figures["duration"] == pytest.approx(found.plant.duration, rel=1e-9)
    both = capture.consumed["elution"] + polish.consumed["elution"]
    assert whole.consumed["elution"] == pytest.approx(both, rel=1e-12)
    assert "hold" not in whole.consumed
    assert max(abs(value) for value in found.plant.balance.values()) < 1e-8


def test_who_fills_the_pool_must_be_clear(folder: Path) -> None:
    (folder / "targets.yaml").write_text(TARGETS.replace("pool: pool", "pool: feed"), encoding="utf-8")
    with pytest.raises(InputError, match="feed"):
        predict_plant(open_case(folder, several=True), 0)


def test_the_commands_tell_of_every_skid(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(folder, as_json=True)
    assert set(json.loads(capsys.readouterr().out)["skids"]) == {"capture", "polish"}
    simulate(folder, tmp_path / "two.png", 0, tmp_path / "two.parquet", as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["targets_met"] is True
    assert content["skids"]["polish"]["spans"]
    for skid in ("capture", "polish"):
        assert (tmp_path / f"two-{skid}.png").is_file()
        assert (tmp_path / f"two-{skid}.parquet").is_file()
    with pytest.raises(InputError, match="checked, simulated and run so far"):
        open_case(folder)
