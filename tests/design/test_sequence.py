"""From batch steps to one sequence: steps are read, links judged, recipes built, and the best one runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.app.designing import Choices, description_of, design
from minifactory.app.links import Options
from minifactory.app.main_job import examine, run_case
from minifactory.design.description import RECIPE, Description
from minifactory.design.sequence.choosing import compatibilities, described, resized, variables_of
from minifactory.design.sequence.links import Liquid, liquid_of, retention
from minifactory.design.sequence.steps import read_steps
from minifactory.design.sequence.trains import CONDITIONED, DIRECT, HELD, IN_LINE, possible_trains
from minifactory.errors import InputError
from minifactory.recipe.references import references

SOBI = Path(__file__).parents[2] / "cases" / "sobi-batch"
STUDY = """\
kind: sequence
samples: 0
search: {population: 4, evaluations: 8, polish: 0}
"""


@pytest.fixture(scope="module")
def batch() -> Description:
    return description_of(open_case(SOBI))


def test_steps_are_read_from_what_draws_from_what(batch: Description) -> None:
    capture, inactivation, polish = read_steps(batch.recipe, batch.plant, batch.pool)
    assert (capture.source, capture.pool) == ("supernatant", "capture_pool")
    assert (inactivation.source, inactivation.pool) == ("capture_pool", "inactivated_pool")
    assert (polish.source, polish.pool) == ("inactivated_pool", "pool")
    assert (capture.column, inactivation.column, inactivation.device) == (True, False, "Reactor")
    assert [block.name for block in polish.renew] == ["clean", "rinse"]
    # What a phase only inherits is written out.
    assert polish.load[0].document["inlet_b"] == "conditioning"
    assert polish.load[0].document["percent_b"] == "61.54 %B"


def test_valves_decide_what_stands_in_line_with_what(batch: Description) -> None:
    """The reactor lies before the capture column: it can take the load of that, not the eluate."""
    steps = read_steps(batch.recipe, batch.plant, batch.pool)
    trains = list(possible_trains(batch.plant, batch.plant.skids["akta"], steps))
    found = {tuple(zip([step.name for step in one.steps], one.links, strict=True)) for one in trains}
    before = ("inactivation", IN_LINE), ("capture", HELD)
    assert found == {
        (*before, ("polish", DIRECT)),
        (*before, ("polish", CONDITIONED)),
        (*before, ("polish", HELD)),
        (("capture", HELD), ("inactivation", HELD), ("polish", HELD)),
    }
    for train in trains:
        assert described(batch, train).faults() == (), train.text


def test_retention_says_whether_an_eluate_binds(batch: Description) -> None:
    """Langmuir at low concentration: eps + (1 - eps) K exp(gamma (c - r)) q_max, by hand."""
    plant = batch.plant
    salt = Liquid({"sodium": 2000.0})
    porosity = 0.35 + 0.65 * 0.775
    by_hand = porosity + 2e4 * 2.718281828459045**3 * 0.6e-3
    assert retention(plant, "HIC", "product", salt) == pytest.approx(by_hand, rel=1e-3)
    steps = read_steps(batch.recipe, plant, batch.pool)
    trains = list(possible_trains(plant, plant.skids["akta"], steps))
    direct, conditioned = compatibilities(batch, steps, trains, "product")
    assert direct.there < 5.0 < 100.0 < conditioned.there
    assert max(direct.here, conditioned.here) < 2.0
    assert retention(plant, "DEAE", "product", liquid_of(plant, "supernatant")) > 1000.0


def test_another_column_takes_its_flows_along_but_for_the_reactor(batch: Description) -> None:
    steps = read_steps(batch.recipe, batch.plant, batch.pool)
    train = next(
        one
        for one in possible_trains(batch.plant, batch.plant.skids["akta"], steps)
        if one.links == (IN_LINE, HELD, CONDITIONED)
    )
    small = described(batch, train)
    large = resized(small, train, {"DEAE": "HiTrap 5 mL"})
    before, after = references(small.recipe), references(large.recipe)
    factor = large.plant.columns["DEAE"].volume / small.plant.columns["DEAE"].volume
    wash, load = "capture.run.wash.flow", "capture.run.load.flow"
    assert after[wash].value == pytest.approx(factor * before[wash].value, rel=1e-6)
    # Its residence time is what inactivates.
    assert after[load].value == pytest.approx(0.42e-6 / 60.0, rel=1e-6)
    ranges = {one.reference: one.upper for one in variables_of(large, train)}
    assert ranges[load] == pytest.approx(0.42e-6 / 60.0, rel=1e-6)
    untouched = "polish.run.wash.flow"
    assert after[untouched].value == before[untouched].value


def test_the_sequence_beats_the_batch_steps_and_runs_to_its_end(tmp_path: Path) -> None:
    case = open_case(SOBI)
    (tmp_path / "sequence.yaml").write_text(STUDY, encoding="utf-8")
    done = design(case, str(tmp_path / "sequence.yaml"), Choices(workers=1), tmp_path / "runs")
    document = json.loads(json.dumps(done.as_dict()))
    assert done.exit_code == 0
    assert document["links"] == [IN_LINE, HELD, CONDITIONED]
    assert document["gain"] > document["gain_of_order"] > 0.15
    assert document["figures"]["yield"] >= document["batch"]["yield"] - 1e-3
    assert document["figures"]["purity"] >= document["batch"]["purity"] - 1e-3
    assert done.case is not None
    made = open_case(done.case)
    assert {unit.name for unit in made.recipe.procedure} > {"capture_ready", "capture", "polish", "renewal"}
    outcome = run_case(made, Options(in_memory=True), tmp_path / "orbit", *examine(made, 0))
    assert outcome.exit_code == 0, outcome


def test_what_is_no_sequence_of_batch_steps_says_why(batch: Description, tmp_path: Path) -> None:
    polish = description_of(open_case(SOBI.parent / "cex-polish"))
    with pytest.raises(InputError, match="a batch process of at least two steps"):
        read_steps(polish.recipe, polish.plant, polish.pool)
    lost = replace(
        batch,
        texts={**batch.texts, RECIPE: batch.texts[RECIPE].replace("outlet: capture_pool", "outlet: waste")},
    )
    with pytest.raises(InputError, match="nothing is collected for the next step"):
        read_steps(lost.recipe, lost.plant, lost.pool)
    (tmp_path / "bad.yaml").write_text("kind: sequence\nvary: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="chooses its own variables"):
        design(open_case(SOBI), str(tmp_path / "bad.yaml"), Choices(), tmp_path)
