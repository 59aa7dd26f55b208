"""A campaign: from wrong parameters to its targets on an unknown plant; and where it has to stop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from minifactory.app.campaign_page import campaign_page
from minifactory.app.campaigning import STATE, Plan, as_planned, begin, find, go_on, progress_of
from minifactory.app.case import open_case
from minifactory.app.home import DATABASE
from minifactory.app.links import Options
from minifactory.campaign.loop import Batch, Progress, is_stuck
from minifactory.errors import InputError
from minifactory.historian import Store, load_run

pytestmark = pytest.mark.slow
CEX = Path(__file__).parents[2] / "cases" / "cex-polish"
RECIPE = """\
name: quick
version: "1"
description: Load, wash and a short gradient whose pool is cut by volume
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, set: {Pressure.Limit: 0.5 MPa, UV1.Wavelength: 280 nm}}
    safe: {outlet: waste}
    operations:
      all:
        phases:
          equilibrate: {kind: equilibrate, column: C1, flow: 6 mL/min, until: 1.5 CV}
          load: {kind: load, inlet_a: feed, flow: 4 mL/min, outlet: flow_through_1, until: 30 mL}
          wash: {kind: wash, inlet_a: equilibration, flow: 6 mL/min, outlet: waste, until: 1 CV}
          elute:
            kind: elute
            gradient: {to: 100 %B, over: 10 CV}
            until: 6.5 CV
            watch:
              pool_start: {when: after 3.5 CV, outlet: pool}
              pool_end: {when: after 4.7 CV, outlet: waste}
"""
TARGETS = """\
source: assumed
product: product
pool: pool
confidence: 70 %
targets:
  yield: ">= 70 %"
  pool_volume: "<= 75 mL"
adjust:
  cex.all.elute.watch.pool_start.when: {from: 3 CV, to: 5 CV}
  cex.all.elute.watch.pool_end.when: {from: 4 CV, to: 6 CV}
"""
WRONG = {
    "k_eq: {value: 5.98e-09, uncertainty: lognormal 0.06}": (
        "k_eq: {value: 3.9e-09, uncertainty: lognormal 0.06}"
    ),
    "  product: {strength: {value: 1, uncertainty: normal 4 %}}": (
        "  product: {strength: {value: 0.8, uncertainty: normal 4 %}}"
    ),
}
LEARN = ("C1.ionic_capacity", "C1.product.k_eq", "C1.product.nu", "elution.strength", "feed.product.strength")
SAMPLES = 7
PLAN = Plan(2, Options(in_memory=True, seed=5), samples=0, learn=LEARN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case, and beside it parameters whose product is bound 35 % too weakly and 20 % too little."""
    folder = tmp_path_factory.mktemp("campaign") / "quick"
    folder.mkdir()
    for name in ("factory.yaml", "parameters.yaml"):
        shutil.copy2(CEX / name, folder / name)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    text = (folder / "parameters.yaml").read_text(encoding="utf-8")
    for right, wrong in WRONG.items():
        assert right in text
        text = text.replace(right, wrong)
    (folder.parent / "wrong.yaml").write_text(text, encoding="utf-8")
    return folder


def test_from_wrong_parameters_it_comes_to_its_targets(folder: Path, tmp_path: Path) -> None:
    wrong = folder.parent / "wrong.yaml"
    case = open_case(folder, wrong)
    plan = Plan(1, PLAN.options, SAMPLES, LEARN, wrong)
    place = begin(case, plan, tmp_path)
    first = go_on(place, plan, tmp_path)
    assert [item.decision for item in first.batches] == ["targets missed"]
    assert first.exit_code == 1

    # Somebody asks for one more, later: it goes on where it was, with what it began with.
    assert find("last", tmp_path) == find(place.name, tmp_path) == place
    more = as_planned(place, Plan(2, Options(in_memory=True, seed=99)))
    assert (more.options.seed, more.learn, more.samples) == (5, LEARN, SAMPLES)
    done = go_on(place, more, tmp_path)
    assert [item.decision for item in done.batches] == ["targets missed", "targets met"], done.needs
    assert (done.exit_code, done.stopped, done.started_again) == (0, "", 0)
    assert done.batches[1].changes  # the pool was moved to where the peak was learned to be
    assert progress_of(place) == done
    assert (folder / "recipe.yaml").read_text() == RECIPE

    told = {item.path: item for item in done.batches[0].learned}
    assert set(told) == set(LEARN)
    assert told["feed.product.strength"].after > 1.1 * told["feed.product.strength"].before
    run = load_run(Store(tmp_path / DATABASE), done.batches[1].run, ())
    assert run.provenance["campaign"] == place.name
    assert run.provenance["changes"] == "; ".join(done.batches[1].changes)
    second = open_case(Path(done.batches[1].case))
    assert second.plant.parameters.version == "2"
    assert "sha256" in second.plant.parameters.parameters["C1.product.k_eq"].source
    assert second.plant.parameters.correlations
    page = campaign_page(case, done, place).read_text(encoding="utf-8")
    assert done.batches[1].changes[0] in page
    assert "C1.product.k_eq" in page


def test_it_stops_and_says_what_it_needs_when_no_recipe_can_do_it(folder: Path, tmp_path: Path) -> None:
    hard = tmp_path / "hard"
    shutil.copytree(folder, hard)
    text = TARGETS.replace(">= 70 %", ">= 99.9 %").replace("from: 4 CV, to: 6 CV", "from: 4 CV, to: 4.8 CV")
    (hard / "targets.yaml").write_text(text, encoding="utf-8")
    place = begin(open_case(hard), PLAN, tmp_path)
    done = go_on(place, PLAN, tmp_path)
    assert done.exit_code == 1
    assert done.stopped == "the gate of batch 1 stays closed"
    assert not done.runs
    assert any("Yield" in line and "missed by" in line for line in done.needs)
    assert any("pool_end.when is at its highest value 4.8 CV" in line for line in done.needs)


def test_a_batch_that_was_cut_short_is_begun_again(folder: Path, tmp_path: Path) -> None:
    place = begin(open_case(folder), PLAN, tmp_path)
    left = place / "batch-01" / "quick"
    left.mkdir(parents=True)
    (left / "mark").touch()
    hard = (place / "start" / "targets.yaml").read_text(encoding="utf-8").replace(">= 70 %", ">= 99.9 %")
    (place / "start" / "targets.yaml").write_text(hard, encoding="utf-8")
    done = go_on(place, PLAN, tmp_path)
    assert done.started_again == 1
    assert (place / "batch-01-cut-short" / "quick" / "mark").exists()
    assert json.loads((place / STATE).read_text())["started_again"] == 1


def test_an_unknown_campaign_is_answered_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no campaign in"):
        find("last", tmp_path)
    (tmp_path / "campaign-quick-1").mkdir()
    (tmp_path / "campaign-quick-1" / STATE).write_text(json.dumps(Progress("quick").to_json()))
    with pytest.raises(InputError, match="campaign-quick-1"):
        find("campaign-quick-2", tmp_path)


def test_two_misses_that_taught_nothing_are_the_end() -> None:
    miss = Batch(1, "1", decision="targets missed", run="a")
    assert not is_stuck([miss])
    assert is_stuck([miss, miss])
    assert not is_stuck([miss, Batch(2, "1", decision="targets met", run="b")])
