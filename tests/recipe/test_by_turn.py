"""Names that change from turn to turn: read, written, bound, and refused where there are no turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant
from minifactory.recipe import bind, parse_recipe, write_recipe

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"
RECIPE = """
name: turns
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution}
    operations:
      cycle:
        repeat: 5
        phases:
          load:
            inlet_a: [feed, equilibration, strip]
            outlet: [waste, pool]
            flow: 8 mL/min
            column: [C1, bypass]
            until: 20 mL
          wash: {inlet_a: equilibration, outlet: waste, until: 60 mL}
"""


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(CASE)


def test_a_list_goes_round_and_is_written_as_it_was(plant: Plant) -> None:
    recipe = parse_recipe(RECIPE, plant)
    assert parse_recipe(write_recipe(recipe), plant) == recipe
    bound = bind(recipe, plant)
    loads = [phase for phase in bound.phases if phase.name == "load"]
    assert [phase.start.outlet for phase in loads] == ["waste", "pool", "waste", "pool", "waste"]
    inlets = [
        {
            name: value
            for name, value in phase.start.setpoints.items()
            if "Inlet" in name or "BufferValve" in name
        }
        for phase in loads
    ]
    # Three inlets in turn; the fourth turn is as the first.
    assert inlets[0] != inlets[1] != inlets[2]
    settings = [step.settings for _, _, step in recipe.phases() if step.name == "load"]
    assert [settings[0].in_turn(n).inlet_a for n in range(1, 6)] == [
        "feed", "equilibration", "strip", "feed", "equilibration",
    ]  # fmt: skip
    assert [settings[0].in_turn(n).column for n in (1, 2, 3)] == ["C1", "bypass", "C1"]
    assert loads[0].start.setpoints["ColumnPosition.SP"] != loads[1].start.setpoints["ColumnPosition.SP"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("start: {inlet_a: equilibration,", "start: {inlet_a: [feed, strip],", "Only a phase has turns"),
        ("inlet_a: [feed, equilibration, strip]", "inlet_a: [feed, equilbration]", 'mean "equilibration"'),
        ("outlet: [waste, pool]", "outlet: []", "a name, or one for each turn of the loop"),
    ],
)  # fmt: skip
def test_what_cannot_be(plant: Plant, before: str, after: str, said: str) -> None:
    assert before in RECIPE
    with pytest.raises(InputError) as told:
        parse_recipe(RECIPE.replace(before, after), plant)
    assert said in str(told.value)
