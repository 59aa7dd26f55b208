"""Loops, macros, branches and inputs: written, read, bound, checked, predicted and printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.plant.model import Plant
from minifactory.recipe import (
    Recipe,
    RecipeBuilder,
    Sample,
    answered,
    bind,
    check,
    describe,
    parse_recipe,
    references,
    settings,
    watch,
    with_values,
    write_recipe,
)
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.procedure import Procedure
from minifactory.twin.simulate import simulate

ML = 1e-6

TEXT = """
name: structured
inputs:
  load_volume: {ask: How much feed is in the bottle?, sets: [cex.cycle.load.until], at: cex.cycle.load,
                minimum: 5 mL, maximum: 200 mL}
  lot: {ask: Lot of the feed?}
macros:
  rinse:
    parameters: {buffer: , volume: 1 CV}
    phases:
      fill: {inlet_a: $buffer, until: 5 mL}
      run: {until: $volume}
interlocks:
  high: {when: Pressure > 0.45 MPa, until: Pressure < 0.4 MPa, delay: 2 s, action: alarm, priority: low}
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: A11, inlet_b: B1, flow: 5 mL/min}
    operations:
      first: {macro: rinse, with: {buffer: A11, volume: 10 mL}}
      cycle:
        repeat: {times: 4, until: cv >= 10 CV or Cond > 30 mS/cm}
        phases:
          load: {kind: load, inlet_a: feed, outlet: waste, until: 20 mL}
          again: {macro: rinse, with: {buffer: A12}}
      last:
        phases:
          hold_up: {kind: wash, inlet_a: A11, until: 30 mL}
          store: {kind: store, until: 10 mL}
        parallel:
          lamp:
            phases:
              wait: {until: 4 min, watch: {zero: {when: 20 mL, do: AutoZero}}}
              dim: {set: {AveragingTime: 5 s}, until: 6 min}
"""


@pytest.fixture(scope="module")
def recipe(plant: Plant) -> Recipe:
    return parse_recipe(TEXT, plant)


@pytest.fixture(scope="module")
def bound(recipe: Recipe, plant: Plant) -> BoundRecipe:
    return bind(recipe, plant)


def names(bound: BoundRecipe) -> list[str]:
    return [phase.path.removeprefix("cex.") for phase in bound.phases]


def test_loops_and_macros_are_written_out(bound: BoundRecipe) -> None:
    turns = [f"cycle[{n}].{name}" for n in (1, 2, 3, 4) for name in ("load", "again_fill", "again_run")]
    assert names(bound) == ["first.fill", "first.run", *turns, "last.hold_up", "last.store"]
    ends = [len(phase.leaves) for phase in bound.phases]
    assert ends == [0, 0, *[0, 0, 1] * 3, 0, 0, 0, 0, 0]
    assert [phase.leaves[0].skip for phase in bound.phases if phase.leaves] == [9, 6, 3]
    assert [phase.asks for phase in bound.phases[:4]] == [("lot",), (), ("load_volume",), ()]
    assert all(phase.asks == () for phase in bound.phases[4:])


def test_what_is_written_loads_as_the_same_recipe(recipe: Recipe, plant: Plant) -> None:
    assert parse_recipe(write_recipe(recipe), plant) == recipe
    assert bind(parse_recipe(write_recipe(recipe), plant), plant) == bind(recipe, plant)


def test_the_builder_builds_the_same(recipe: Recipe, plant: Plant) -> None:
    builder = RecipeBuilder("structured", plant)
    builder.input(
        "load_volume",
        "How much feed is in the bottle?",
        sets=["cex.cycle.load.until"],
        at="cex.cycle.load",
        minimum="5 mL",
        maximum="200 mL",
    ).input("lot", "Lot of the feed?")
    rinse = builder.macro("rinse", {"buffer": "", "volume": "1 CV"})
    rinse.phase("fill", inlet_a="$buffer", until="5 mL").phase("run", until="$volume")
    builder.interlock(
        "high", "Pressure > 0.45 MPa", "alarm", until="Pressure < 0.4 MPa", delay="2 s", priority="low"
    )
    start = settings(inlet_a="A11", inlet_b="B1", flow="5 mL/min")
    cex = builder.unit_procedure("cex", "akta1", "C1", start=start)
    cex.macro("first", "rinse", buffer="A11", volume="10 mL")
    cycle = cex.operation("cycle", repeat=(4, "cv >= 10 CV or Cond > 30 mS/cm"))
    cycle.phase("load", kind="load", inlet_a="feed", outlet="waste", until="20 mL")
    cycle.macro("again", "rinse", buffer="A12")
    last = cex.operation("last")
    last.phase("hold_up", kind="wash", inlet_a="A11", until="30 mL").phase(
        "store", kind="store", until="10 mL"
    )
    lamp = last.branch("lamp")
    lamp.phase("wait", until="4 min", watch={"zero": watch("20 mL", do=["AutoZero"])})
    lamp.phase("dim", set={"AveragingTime": "5 s"}, until="6 min")
    assert builder.build() == recipe


def test_the_outline_shows_the_structure(recipe: Recipe, bound: BoundRecipe) -> None:
    text = str(describe(recipe))
    assert "cycle: at most 4 turns, until cv >= 10 CV or Cond > 30 mS/cm" in text
    assert "first: rinse(buffer=A11, volume=10 mL)" in text
    assert "beside: lamp" in text
    assert "input load_volume: How much feed is in the bottle?, at least 5 mL, at most 200 mL" in text
    assert "alarm when Pressure > 0.45 MPa, for 2 s, until Pressure < 0.4 MPa, priority low" in text
    assert "branch cex.last.lamp: beside cex.last.hold_up to cex.last.store" in str(describe(bound))


def test_the_check_counts_every_turn(recipe: Recipe, plant: Plant) -> None:
    result = check(recipe, plant)
    assert result.passed, [str(item) for item in result.findings]
    assert result.used["feed"] == pytest.approx(4 * 20 * ML)
    assert len(result.phases) == 16


def run(bound: BoundRecipe, cond: float = 0.0, flow: float = 5 * ML / 60.0) -> tuple[list[str], list[str]]:
    """Phases in the order in which they ran, and what fired, without a plant."""
    procedure, position, time = Procedure(bound), 0, 0.0
    ran, fired = [], []
    while position < len(bound.phases):
        procedure.begin(position, time)
        ran.append(bound.phases[position].path.removeprefix("cex."))
        ended = None
        while ended is None:
            time += 1.0
            procedure.phase_time += 1.0
            procedure.phase_volume += flow
            values = {"Cond.Signal": cond}
            sample = Sample(time, procedure.phase_time, procedure.phase_volume, procedure.phase_cv, values)
            found = procedure.evaluate(sample)
            if found is not None:
                fired += [f"{item.name} at {time:.0f}" for item in found.fired]
                ended = found.ended
        position = procedure.following()
    return ran, fired


def test_a_loop_ends_early_when_its_condition_is_true(bound: BoundRecipe) -> None:
    ran, _ = run(bound, cond=1.0)
    assert sum(name.endswith("load") for name in ran) == 4
    ran, _ = run(bound, cond=9.0)
    assert [name for name in ran if "load" in name] == ["cycle[1].load"]
    assert ran[-2:] == ["last.hold_up", "last.store"]


def test_branches_run_beside_and_are_waited_for(bound: BoundRecipe) -> None:
    ran, fired = run(bound, cond=9.0)
    zero, dim, end = fired
    assert zero.startswith("lamp.wait zero")
    assert dim.startswith("lamp.dim")
    assert end.startswith("lamp.dim ends")
    at = [int(item.rsplit(" ", 1)[1]) for item in fired]
    assert at[1] - at[0] == 0  # 20 mL and 4 min are the same instant at 5 mL/min
    assert at[2] - at[1] == 360
    last = bound.phases[-1]
    # The phases themselves would last 8 min, the branch lasts 10: the last one is longer by 2 min.
    assert last.planned_time == pytest.approx(240.0)
    assert ran[-1] == "last.store"


def test_the_prediction_follows_loops_and_branches(bound: BoundRecipe, plant: Plant) -> None:
    found = simulate(plant, bound, elements=4)
    # The high salt of A12 ends the loop after its second turn.
    ran = [phase.path.removeprefix("cex.") for phase in found.phases]
    assert ran == [name for name in names(bound) if "[3]" not in name and "[4]" not in name]
    assert any("lamp.dim" in event.text for event in found.events)
    assert found.phases[-1].end - found.phases[-1].start == pytest.approx(240.0, abs=2.0)


def test_nested_loops_end_together(plant: Plant) -> None:
    builder = RecipeBuilder("nested", plant)
    start = settings(inlet_a="A11", flow="5 mL/min")
    cex = builder.unit_procedure("cex", "akta1", "C1", start=start, repeat=(3, "Cond > 5 mS/cm"))
    pulses = cex.operation("pulses", repeat=(2, "Cond > 1 mS/cm"))
    pulses.phase("pulse", until="1 mL", repeat=(2, "Cond > 8 mS/cm"))
    bound = bind(builder.build(), plant)
    assert len(bound.phases) == 12
    assert len(run(bound, 0.0)[0]) == 12
    assert run(bound, 0.2)[0] == [f"cex[{unit}].pulses[1].pulse[{n}]" for unit in (1, 2, 3) for n in (1, 2)]
    assert run(bound, 0.6)[0] == ["cex[1].pulses[1].pulse[1]", "cex[1].pulses[1].pulse[2]"]
    assert run(bound, 0.9)[0] == ["cex[1].pulses[1].pulse[1]"]


def test_answers_are_put_in_and_bounded(recipe: Recipe, plant: Plant) -> None:
    other = answered(recipe, {"load_volume": "50 mL", "lot": "B-17"})
    assert references(other)["cex.cycle.load.until"].text == "50 mL"
    assert check(other, plant).used["feed"] == pytest.approx(200 * ML)
    with pytest.raises(InputError) as refusal:
        answered(recipe, {"load_volume": "500 mL", "lot": " ", "volume": "1 mL"})
    text = str(refusal.value)
    assert "at least 5 mL and at most 200 mL" in text
    assert "an empty answer" in text
    assert "does not ask for it" in text
    with pytest.raises(InputError, match="volume"):
        answered(recipe, {"load_volume": "5 min"})


def test_values_of_loops_and_branches_have_paths(recipe: Recipe, plant: Plant) -> None:
    known = references(recipe)
    assert known["cex.last.lamp.dim.until"].text == "6 min"
    assert known["cex.cycle.repeat.until.2"].text == "30 mS/cm"
    assert known["interlocks.high.until"].text == "0.4 MPa"
    other = with_values(recipe, {"cex.last.lamp.dim.until": "7 min"})
    assert bind(other, plant).branches[0].phases[1].planned_time == pytest.approx(420.0)


FAULTS = {
    "repeat: {times: 4": ("repeat: {times: 0", "a whole number from 1 to 1000"),
    "{macro: rinse, with: {buffer: A12}}": ("{macro: rinse}", 'macro "rinse" needs "buffer"'),
    "with: {buffer: A11, volume": ("with: {bufer: A11, volume", 'Did you mean "buffer"'),
    "macro: rinse, with: {buffer: A12}": ("macro: rinze, with: {buffer: A12}", "is not a known macro"),
    "until: $volume": ("until: $volum", 'Did you mean "volume"'),
    "at: cex.cycle.load": ("at: cex.cycle.lode", 'Did you mean "cex.cycle.load"'),
    "sets: [cex.cycle.load.until]": ("sets: [cex.cycle.load.flow]", "no quantity"),
    "maximum: 200 mL": ("maximum: 10 mL", "beyond the bound"),
    "set: {AveragingTime: 5 s}": ("flow: 1 mL/min", "both set System.Flow"),
    "do: AutoZero": ("do: PumpWash(A)", "PumpWash in a parallel branch"),
    "until: 6 min": ("until: Cond > 4 mS/cm", "has no time-out"),
    "priority: low": ("priority: lowest", "Did you mean"),
}


@pytest.mark.parametrize("good", FAULTS)
def test_faults_are_found_with_place_and_remedy(good: str, plant: Plant) -> None:
    bad, said = FAULTS[good]
    assert TEXT.count(good) >= 1
    text = TEXT.replace(good, bad)
    if "flow: 1 mL/min" in text:
        text = text.replace("until: 30 mL}", "flow: 4 mL/min, until: 30 mL}")
    try:
        found = check(parse_recipe(text, plant), plant).findings
    except InputError as fault:
        found = fault.findings
    lines = [str(item) for item in found if item.severity == "error"]
    assert any(said in line for line in lines), lines
    assert all("recipe.yaml:" in line or "edit" in line for line in lines), lines


def test_a_macro_that_uses_itself_is_refused(plant: Plant) -> None:
    text = TEXT.replace("run: {until: $volume}", "run: {macro: rinse, with: {buffer: $buffer}}")
    with pytest.raises(InputError, match="uses itself"):
        parse_recipe(text, plant)


def test_too_many_turns_are_refused_at_once(plant: Plant) -> None:
    text = TEXT.replace("    column: C1\n", "    column: C1\n    repeat: 1000\n").replace(
        "times: 4", "times: 999"
    )
    with pytest.raises(InputError, match="with all turns of its loops"):
        parse_recipe(text, plant)


def test_a_damaged_structure_is_a_finding_and_never_an_exception(plant: Plant) -> None:
    for old, new in (
        ("parameters: {buffer: , volume: 1 CV}", "parameters: 3"),
        ("phases:\n      fill", "phases: 4\n    x:\n      fill"),
        ("repeat: {times: 4, until: cv >= 10 CV or Cond > 30 mS/cm}", "repeat: [1, 2]"),
        ("          lamp:\n", "          lamp: 3\n          lamp2:\n"),
        ("macros:", "macros: 1\nx:"),
        ("inputs:", "inputs: []\ny:"),
    ):
        assert old in TEXT
        with pytest.raises(InputError):
            parse_recipe(TEXT.replace(old, new), plant)


def test_the_page_of_the_recipe_names_every_key() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "recipe.md").read_text(encoding="utf-8")
    for key in (
        "repeat",
        "parallel",
        "macro",
        "with",
        "inputs",
        "sets",
        "every_turn",
        "off_delay",
        "priority",
    ):
        assert f"`{key}`" in page, key
