"""Recipes from YAML and from Python are the same objects; faults come all at once, with line and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.plant.model import Plant
from minifactory.recipe import (
    InterlockAction,
    OnTimeout,
    PhaseKind,
    Recipe,
    RecipeBuilder,
    load_recipe,
    parse_recipe,
    references,
    settings,
    watch,
    with_values,
    write_recipe,
)


@pytest.fixture
def recipe(recipe_text: str, plant: Plant) -> Recipe:
    return parse_recipe(recipe_text, plant)


def built(plant: Plant) -> Recipe:
    builder = RecipeBuilder(
        "cex-polish", plant, description="Cation exchange at pH 5.1 with a salt gradient, pool cut by UV."
    )
    builder.interlock(
        "pressure_high", "Pressure > 0.45 MPa", "reduce_flow", "System pressure near the limit"
    ).interlock("pressure_limit", "for(Pressure > 0.5 MPa, 2 s)", "hold", "System pressure over the limit")
    builder.interlock("air", "Air.PumpA == Yes", "pause", "Air in the inlet of pump A")
    cex = builder.unit_procedure(
        "cex",
        skid="akta1",
        column="C1",
        start=settings(
            inlet_a="A11", inlet_b="B1", set={"Pressure.Limit": "0.5 MPa", "UV1.Wavelength": "280 nm"}
        ),
        safe=settings(outlet="waste"),
    )
    preparation = cex.operation("preparation")
    preparation.phase("wash_pump_a", inlet_a="A11", column="bypass", do=["PumpWash(A)"])
    preparation.phase("wash_pump_b", do=["PumpWash(B)"], until="done")
    preparation.phase("wash_high_salt", inlet_a="A12", do=["PumpWash( A )"], timeout="5 min")
    preparation.phase("high_salt", kind="equilibrate", column="C1", flow="6.43 mL/min", until="75.9 mL")
    preparation.phase(
        "equilibrate",
        kind="equilibrate",
        inlet_a="A11",
        until="3 CV",
        watch={"zero": watch("after 2.75 CV", do=["AutoZero"])},
    )
    cex.operation("loading").phase(
        "load",
        kind="load",
        inlet_a="feed",
        flow="3.15 mL/min",
        outlet="flow_through_1",
        until="222 mL",
        watch={"second_bottle": watch("after 37.3 mL", outlet="flow_through_2")},
    ).phase(
        "wash",
        kind="wash",
        inlet_a="A11",
        until="3 CV",
        watch={"to_waste": watch("after 1.5 CV", outlet="waste")},
    )
    elution = cex.operation("elution")
    elution.phase(
        "elute",
        kind="elute",
        gradient=("100 %B", "25.2 CV"),
        until="PercentB >= 80.5 %B or 25.2 CV",
        timeout="8 h",
        on_timeout="next",
        watch={
            "pool_start": watch("UV > 20 mAU", outlet="pool", fractions="15 mL"),
            "pool_end": watch("once(UV > 100 mAU) and UV < 50 mAU and falling(UV, 2 min)", outlet="waste"),
        },
    )
    elution.phase(
        "strip",
        kind="strip",
        inlet_a="A13",
        percent_b="0 %B",
        flow="7.98 mL/min",
        outlet="waste",
        until="2 CV",
    )
    cleaning = cex.operation("sanitisation")
    cleaning.phase("wash_caustic", inlet_a="A14", do=["PumpWash(A)"])
    cleaning.phase("caustic", kind="clean", until="2 CV")
    cleaning.phase("contact", kind="wait", flow="0 mL/min", until="30 min")
    cleaning.phase("caustic_again", kind="clean", flow="7.98 mL/min", until="1 CV")
    storage = cex.operation("storage")
    storage.phase("wash_storage", inlet_a="A15", do=["PumpWash(A)"])
    storage.phase("store", kind="store", until="3 CV")
    return builder.build()


def test_the_documented_example_loads(recipe: Recipe) -> None:
    paths = [path for path, _, _ in recipe.phases()]
    assert len(paths) == 15
    assert paths[8] == "cex.elution.strip"
    assert [item.action for item in recipe.interlocks] == [
        InterlockAction.REDUCE_FLOW,
        InterlockAction.HOLD,
        InterlockAction.PAUSE,
    ]
    elute = recipe.procedure[0].operations[2].phases[0]
    assert elute.kind is PhaseKind.ELUTE
    assert elute.on_timeout is OnTimeout.NEXT
    assert elute.settings.gradient is not None
    assert elute.settings.gradient.over.value == 25.2
    assert elute.where.startswith("recipe.yaml:")
    assert str(elute.until) == "PercentB >= 80.5 %B or cv >= 25.2 CV"


def test_yaml_and_builder_make_equal_recipes(recipe: Recipe, plant: Plant) -> None:
    assert built(plant) == recipe


def test_what_is_written_loads_as_an_equal_recipe(recipe: Recipe, plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(write_recipe(recipe), encoding="utf-8")
    assert load_recipe(file, plant) == recipe


def test_every_quantity_has_a_path(recipe: Recipe) -> None:
    found = references(recipe)
    assert found["cex.elution.elute.gradient.over"].text == "25.2 CV"
    assert found["cex.elution.elute.watch.pool_end.when.2"].value == pytest.approx(0.05)
    assert found["cex.loading.load.until"].value == pytest.approx(222e-6)
    assert found["cex.start.set.Pressure.Limit"].value == pytest.approx(5e5)
    assert found["interlocks.pressure_high.when"].text == "0.45 MPa"
    assert not any(path.startswith("cex.preparation.wash_pump_a.until") for path in found)


def test_other_values_make_another_recipe(recipe: Recipe, plant: Plant) -> None:
    values = {
        "cex.elution.elute.gradient.over": "20 CV",
        "cex.loading.load.flow": "150 cm/h",
        "cex.loading.load.until": "0.2 L",
        "cex.elution.elute.watch.pool_end.when.2": "0.04 AU",
        "interlocks.pressure_limit.when.1": "4.5 bar",
    }
    changed = with_values(recipe, values)
    found = references(changed)
    assert {path: found[path].text for path in values} == values
    rest = [path for path in found if path not in values]
    assert {path: found[path] for path in rest} == {path: references(recipe)[path] for path in rest}
    assert parse_recipe(write_recipe(changed), plant) == changed
    assert with_values(changed, {path: references(recipe)[path].text for path in values}) == recipe


def test_values_that_do_not_fit_are_all_named(recipe: Recipe) -> None:
    with pytest.raises(InputError) as caught:
        with_values(
            recipe,
            {
                "cex.elution.elute.gradient.ove": "20 CV",
                "cex.loading.load.until": "2 CV",
                "cex.elution.elute.gradient.to": "120 %B",
            },
        )
    message = str(caught.value)
    assert 'Did you mean "cex.elution.elute.gradient.over"?' in message
    assert '"2 CV": "CV" is not a unit of volume' in message
    assert '"120 %B" is out of bounds' in message


FAULTS = [
    ("until: 75.9 mL", "until: 75.9", "recipe.yaml:LINE procedure.cex", "a condition (yes or no)"),
    ("until: 75.9 mL", "untill: 75.9 mL", "recipe.yaml:LINE ", 'Did you mean "until"?'),
    ("flow: 6.43 mL/min", "flow: 6.43", "recipe.yaml:LINE ", "6.43 has no unit"),
    ("inlet_a: feed", "inlet_a: fed", "recipe.yaml:LINE ", 'Did you mean "feed"?'),
    ("inlet_a: A13", "inlet_a: strip", "recipe.yaml:LINE ", 'Write its vessel: "A13".'),
    ("skid: akta1", "skid: akta2", "recipe.yaml:LINE ", 'Did you mean "akta1"?'),
    ("column: C1\n    start", "column: C2\n    start", "recipe.yaml:LINE ", '"C2" is not a known column'),
    ("when: UV > 20 mAU", "when: UW > 20 mAU", "recipe.yaml:LINE ", 'nothing is called "UW", at character 1'),
    ("kind: strip", "kind: stripp", "recipe.yaml:LINE ", 'Did you mean "strip"?'),
    ("do: AutoZero", "do: Auto Zero", "recipe.yaml:LINE ", "is not an instruction"),
    ("to: 100 %B", "to: 100 CV", "recipe.yaml:LINE ", "gradient composition"),
    ("UV1.Wavelength: 280 nm", "UV1.Wavelenth: 280 nm", "recipe.yaml:LINE ", "UV1.Wavelenth"),
    ("action: pause", "action: panic", "recipe.yaml:LINE ", "is not a choice here"),
    ("until: 30 min", "until: done", "recipe.yaml:LINE ", '"done" without a pump wash'),
    ("strip:\n", "'str ip':\n", "recipe.yaml:LINE ", "letters, digits and _ only"),
]


@pytest.mark.parametrize(("good", "bad", "where", "says"), FAULTS)
def test_each_fault_names_line_and_remedy(
    recipe_text: str, plant: Plant, good: str, bad: str, where: str, says: str
) -> None:
    assert recipe_text.count(good) == 1
    with pytest.raises(InputError) as caught:
        parse_recipe(recipe_text.replace(good, bad), plant)
    line = recipe_text[: recipe_text.index(good)].count("\n") + 1
    findings = [str(finding) for finding in caught.value.findings]
    start = where.replace("LINE", str(line))
    assert any(text.startswith(start) and says in text for text in findings), findings


def test_all_faults_come_at_once(recipe_text: str, plant: Plant) -> None:
    text = recipe_text
    for good, bad, _, _ in FAULTS:
        if good.startswith(("until: 75.9", "skid", "column")):
            continue  # they hide others
        text = text.replace(good, bad)
    with pytest.raises(InputError) as caught:
        parse_recipe(text, plant)
    lines = {re.match(r"recipe\.yaml:(\d+)", finding.where)[1] for finding in caught.value.findings}  # type: ignore[index]
    assert len(lines) == 11


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "procedure: 3", "name: x\nprocedure: {}", "\0", "x" * 2_000]
)
def test_nonsense_is_refused_in_words(text: str, plant: Plant) -> None:
    with pytest.raises(InputError) as caught:
        parse_recipe(text, plant)
    assert str(caught.value).startswith("recipe.yaml")


def test_a_missing_file_is_named(tmp_path: Path, plant: Plant) -> None:
    with pytest.raises(InputError, match=r"recipe\.yaml"):
        load_recipe(tmp_path / "recipe.yaml", plant)
