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
from minifactory.design.whole_case import WholeCase
from minifactory.errors import InputError
from minifactory.plant.load import PARAMETERS
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


FLOW_THROUGH = """\
  polish:
    skid: akta
    column: HIC
    start: {inlet_a: capture_elution, positions: {Inactivation: Bypass, Capture: Bypass, Polishing: Inline}}
    operations:
      pass:
        phases:
          equilibrate: {kind: equilibrate, flow: 5 mL/min, until: 25 mL}
          load_pool:
            kind: other
            inlet_a: inactivated_pool
            flow: 2.6 mL/min
            until: "level(inactivated_pool) < 0.2 mL or 100 mL"
            timeout: 1 h
            on_timeout: next
            watch:
              pool_start: {when: UV2 > 20 mAU, outlet: pool}
          chase:
            kind: wash
            inlet_a: capture_elution
            until: 25 mL
            watch:
              pool_end: {when: "UV2 < 20 mAU and falling(UV2, 10 s)", outlet: waste}
      renew:
        phases:
          clean: {kind: clean, inlet_a: sanitisation, outlet: waste, until: 10 mL}
          rinse: {kind: regenerate, inlet_a: capture_elution, flow: 5 mL/min, until: 20 mL}
"""
WEAKER = ("product: {affinity: 2e4 L/mol", "product: {affinity: 200 L/mol")
STRONGER = ("host_cell_protein: {affinity: 200 L/mol", "host_cell_protein: {affinity: 2e5 L/mol")


@pytest.fixture(scope="module")
def passing(batch: Description) -> Description:
    """The same product, polished in flow-through: the impurity binds at 0.4 M, the product does not."""
    recipe, parameters = batch.texts[RECIPE], batch.texts[PARAMETERS]
    recipe = recipe[: recipe.index("  polish:\n")] + FLOW_THROUGH
    for before, after in (WEAKER, STRONGER):
        assert before in parameters
        parameters = parameters.replace(before, after)
    return replace(batch, texts={**batch.texts, RECIPE: recipe, PARAMETERS: parameters})


def test_an_eluate_runs_through_a_column_in_flow_through(passing: Description) -> None:
    capture, inactivation, polish = read_steps(passing.recipe, passing.plant, passing.pool)
    assert (capture.through, inactivation.through, polish.through) == (False, False, True)
    assert [block.name for block in polish.collect] == ["chase"]
    assert [block.name for block in polish.renew] == ["clean", "rinse"]
    trains = list(
        possible_trains(passing.plant, passing.plant.skids["akta"], (capture, inactivation, polish))
    )
    direct = next(one for one in trains if one.links == (IN_LINE, HELD, DIRECT))
    assert direct.chain(1) == (polish,)
    made = described(passing, direct)
    assert made.faults() == ()
    known = {path: phase for path, _, phase in made.recipe.phases()}
    assert "polish.run.load_pool" not in known
    elute = {watch.name: watch for watch in known["capture.run.elute"].watches}
    assert dict(elute["pool_start"].then.positions) == {"Polishing": "Inline"}
    assert elute["polish_pool_start"].then.outlet == "pool"  # where the product leaves decides
    assert known["polish.run.chase"].settings.outlet == "pool"
    before, after = (WholeCase(one, elements=4).evaluate([{}])[0] for one in (passing, made))
    assert not after.fault
    assert after["yield"] >= before["yield"]
    assert after["purity"] >= 0.99
    assert after["output"] > before["output"]


ELUTE = """\
          elute:
            kind: elute
            inlet_a: capture_elution
"""
CHASE = """\
          chase:
            kind: wash
            inlet_a: capture_buffer
            outlet: capture_pool
"""


def test_a_load_runs_through_a_column_onto_the_next(batch: Description) -> None:
    """Capture in flow-through: its load and its chase lead onto the polishing column, which binds."""
    recipe = batch.texts[RECIPE]
    recipe = recipe[: recipe.index("  inactivation:\n")] + recipe[recipe.index("  polish:\n") :]
    recipe = recipe.replace("outlet: flow_through, flow: 0.38", "outlet: capture_pool, flow: 0.38")
    recipe = recipe.replace("inactivated_pool", "capture_pool")
    recipe = recipe.replace(ELUTE, CHASE, 1)
    through = replace(batch, texts={**batch.texts, RECIPE: recipe})
    steps = read_steps(through.recipe, through.plant, through.pool)
    assert ELUTE in batch.texts[RECIPE]
    assert [step.through for step in steps] == [True, False]
    assert steps[0].leaves_in == "supernatant"
    trains = list(possible_trains(through.plant, through.plant.skids["akta"], steps))
    assert [one.links for one in trains] == [(HELD, DIRECT), (HELD, HELD)]
    made = described(through, trains[0])
    assert made.faults() == ()
    for path, _, phase in made.recipe.phases():
        if path in ("capture.run.load", "capture.run.wash", "capture.run.chase"):
            assert dict(phase.settings.positions)["Capture"] == "Inline", path
            assert dict(phase.settings.positions)["Polishing"] == "Inline", path
            assert phase.settings.outlet != "capture_pool", path


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
