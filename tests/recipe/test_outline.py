"""The textual form: complete, with units, and the same names as the file."""

from __future__ import annotations

from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe import bind, describe, parse_recipe


def test_the_outline_of_a_recipe(recipe_text: str, plant: Plant) -> None:
    recipe = parse_recipe(recipe_text, plant)
    lines = str(describe(recipe)).splitlines()
    assert lines[0] == (
        "cex-polish, version 1: Cation exchange at pH 5.1 with a salt gradient, pool cut by UV."
    )
    assert "  cex: on akta1 with column C1" in lines
    at = lines.index("      elute")
    assert [line.strip() for line in lines[at + 1 : at + 5]] == [
        "set: gradient to 100 %B over 25.2 CV",
        "watch pool_start: when UV > 20 mAU: to pool, in fractions of 15 mL",
        "watch pool_end: when once(UV > 100 mAU) and UV < 50 mAU and falling(UV, 2 min): to waste",
        "until: PercentB >= 80.5 %B or 25.2 CV, at most 8 h",
    ]
    assert lines[-1] == "  interlock air: pause when Air.PumpA == Yes (Air in the inlet of pump A)"
    assert "        set: pumps off" in lines


def test_every_phase_has_its_path(recipe_text: str, plant: Plant) -> None:
    recipe = parse_recipe(recipe_text, plant)
    outline = describe(recipe)
    paths = [
        phase.path
        for procedure in outline.children
        for operation in procedure.children
        for phase in operation.children
    ]
    assert paths == [path for path, _, _ in recipe.phases()]


def test_the_outline_of_a_bound_recipe(recipe_text: str, plant: Plant) -> None:
    table = tag_table(plant.skids["akta1"])
    bound = bind(parse_recipe(recipe_text, plant), plant)
    text = str(describe(bound, table))
    assert "UV1.Wavelength 280 nm" in text
    assert "load: load; planned 70.48 min, 222 mL, 4.417 CV" in text
    assert "send: PumpAInlet A2, OutletValve F3, System.Flow 3.15 mL/min" in text
    # 80.5 of 100 %B over 25.2 CV is reached after 20.286 CV; the real run was advanced after 20.27 CV.
    assert "elute: elute; planned 323.7 min, 1020 mL, 20.29 CV" in text
    assert "Gradient(percent_b 100 %B, volume 1267 mL)" in text
    assert "safe state: OutletValve WasteF1, System.Flow 0 mL/min" in text
    bare = describe(bound)
    assert len(bare.lines()) == len(text.splitlines())
