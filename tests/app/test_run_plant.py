"""A case on two skids, run in one process: two controllers, hand-shakes, one record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.links import Options
from minifactory.app.predict_plant import PlantPrediction, predict_plant
from minifactory.app.run_plant import PlantOutcome, faults_by_skid, run_plant
from minifactory.campaign.gate import gate
from minifactory.cli.running import options, run
from minifactory.errors import InputError
from minifactory.historian import Store, load_run

PLANT = Path(__file__).parents[1] / "twin" / "two_skids" / "pool"
TARGETS = """\
source: assumed
product: product
pool: pool
targets:
  pool_mass: ">= 0.1 mg"
  max_pressure: "<= 1 MPa"
"""
RECIPE = """
name: hand-over
version: "1"
transfers:
  product: {from: capture, to: polish, vessel: hold}
procedure:
  capture:
    skid: capture
    column: C1
    start: {inlet_a: buffer}
    operations:
      capture:
        repeat: 2
        phases:
          load: {kind: load, inlet_a: feed, flow: 1 mL/min, outlet: waste, until: 5 CV}
          elute: {kind: elute, delivers: product, inlet_a: elution, flow: 1 mL/min, outlet: hold, until: 5 CV}
          renew: {kind: strip, inlet_a: elution, outlet: waste, until: 1 CV}
  polish:
    skid: polish
    column: C2
    start: {inlet_a: buffer}
    operations:
      polish:
        repeat: 2
        phases:
          equilibrate: {kind: equilibrate, inlet_a: buffer, flow: 1 mL/min, outlet: waste, until: 2 CV}
          load: {receives: product, inlet_a: hold, flow: 1 mL/min, until: level(hold) < 0.2 mL, timeout: 1 h}
          elute: {kind: elute, inlet_a: elution, flow: 1 mL/min, outlet: pool, until: 4 CV}
          renew: {kind: strip, inlet_a: elution, outlet: waste, until: 1 CV}
"""


def made(folder: Path, recipe: str = RECIPE) -> Path:
    shutil.copytree(PLANT, folder)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    return folder


def ran(folder: Path, runs: Path, **chosen: object) -> tuple[PlantPrediction, PlantOutcome]:
    case = open_case(folder, several=True)
    prediction = predict_plant(case, 0)
    settings = Options(in_memory=True, **chosen)  # type: ignore[arg-type]
    return prediction, run_plant(case, settings, runs, prediction, gate(prediction.whole, case.targets))


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlantPrediction, PlantOutcome, Path]:
    place = tmp_path_factory.mktemp("plant")
    return *ran(made(place / "two"), place / "runs", identical=True), place


def test_the_run_hands_over_as_predicted(handed_over: tuple[PlantPrediction, PlantOutcome, Path]) -> None:
    """The same phases at the same times, to the scans that controllers and valves take."""
    prediction, outcome, _ = handed_over
    assert outcome.exit_code == 0
    assert outcome.runs is not None
    for skid, each in outcome.runs.items():
        assert each.state == "Complete"
        expected = prediction.plant.runs[skid].phases
        assert [phase.path for phase in each.phases] == [phase.path for phase in expected]
        for one, other in zip(each.phases, expected, strict=True):
            assert one.start == pytest.approx(other.start, abs=20.0), one.path
    filling = [phase for phase in outcome.runs["capture"].phases if phase.path.endswith("elute")]
    drawing = [phase for phase in outcome.runs["polish"].phases if phase.path.endswith("load")]
    assert drawing[0].start <= filling[0].end + 3.0  # heard in the next scan
    assert all(one.end <= other.start for one, other in zip(filling, drawing, strict=True))
    assert filling[1].start >= drawing[0].end
    waits = [event for event in outcome.runs["polish"].events if event.category == "transfer"]
    assert any("waits for capture (product 1)" in event.text for event in waits)
    assert any("begins after waiting for" in event.text for event in waits)


def test_the_plant_is_judged_and_recorded_as_one(
    handed_over: tuple[PlantPrediction, PlantOutcome, Path],
) -> None:
    prediction, outcome, place = handed_over
    assert outcome.performance is not None
    assert outcome.record is not None
    assert outcome.record.is_file()
    expected = prediction.whole.performance
    assert outcome.performance["pool_mass"] == pytest.approx(expected["pool_mass"], rel=0.02)
    assert outcome.performance["loaded_mass"] == pytest.approx(expected["loaded_mass"], rel=0.02)
    store = Store(place / "runs" / "minifactory.db")
    for each in (outcome.runs or {}).values():
        assert store.verify(each.identifier).intact
        assert load_run(store, each.identifier).provenance["runs of the plant"].count(outcome.identifier) == 2


def test_a_skid_that_fails_leaves_the_other_to_say_for_whom_it_waits(tmp_path: Path) -> None:
    """The capture skid is paused by its own control system and stays so: polish waits, and both end named."""
    _, outcome = ran(made(tmp_path / "two"), tmp_path / "runs", faults=("capture:pause@300 s",))
    assert outcome.exit_code == 3
    assert outcome.runs is not None
    assert outcome.runs["capture"].state != "Complete"
    told = [event.text for event in outcome.runs["polish"].events]
    assert any("waits for capture (product 1), which is Stopped: it will not come" in text for text in told)


def test_faults_name_their_skid() -> None:
    assert faults_by_skid(("polish:pause@3 s",), ("capture", "polish")) == {"polish": ["pause@3 s"]}
    with pytest.raises(InputError, match="SKID:FAULT"):
        faults_by_skid(("pause@3",), ("capture", "polish"))


def test_the_command_runs_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path / "two")
    chosen = options("max", True, "", False, 1, ())
    run(folder, chosen, tmp_path / "runs", 0, as_json=True, open_record=False)
    document = json.loads(capsys.readouterr().out)
    assert {skid: one["state"] for skid, one in document["skids"].items()} == {
        "capture": "Complete",
        "polish": "Complete",
    }
    assert document["decision"] == "targets met"
    away = options("real", False, "opc.tcp://127.0.0.1:1/a", False, 1, ())
    with pytest.raises(InputError, match="expected --connect capture=URL --connect polish=URL"):
        run(folder, away, tmp_path, 0, as_json=True, open_record=False)


@pytest.mark.parametrize("name", ["direct", "station"])
def test_a_stream_that_runs_through_another_skid_is_no_dead_end(tmp_path: Path, name: str) -> None:
    """A line into the other skid's stream, and two streams through one column station."""
    folder = tmp_path / name
    shutil.copytree(PLANT.parent / name, folder)
    (folder / "targets.yaml").write_text(
        'source: assumed\nproduct: product\ntargets: {max_pressure: "<= 1 MPa"}\n', encoding="utf-8"
    )
    prediction, outcome = ran(folder, tmp_path / "runs", identical=True)
    assert outcome.exit_code == 0
    for skid, each in (outcome.runs or {}).items():
        expected = prediction.plant.runs[skid]
        assert [phase.path for phase in each.phases] == [phase.path for phase in expected.phases]
        assert each.duration == pytest.approx(expected.duration, abs=20.0)
