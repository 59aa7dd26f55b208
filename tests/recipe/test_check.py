"""The static check: each fault is found, where it is, with what to do; a right recipe passes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from minifactory.errors import Finding
from minifactory.plant.model import Plant
from minifactory.recipe import Recipe, RecipeBuilder, parse_recipe, settings, watch
from minifactory.recipe.check import CheckResult, check

ML = 1e-6


def one(plant: Plant, name: str = "one", **phase: Any) -> Recipe:
    """A recipe with one phase, column in line, buffer A from A11 and B from B1."""
    builder = RecipeBuilder("test", plant)
    start = settings(inlet_a="A11", inlet_b="B1")
    builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run").phase(name, **phase)
    return builder.build()


def errors(result: CheckResult) -> list[str]:
    return [str(finding) for finding in result.findings if finding.severity == "error"]


def warnings(result: CheckResult) -> list[str]:
    return [str(finding) for finding in result.findings if finding.severity == "warning"]


def changed(plant: Plant, **values: dict[str, Any]) -> Plant:
    """The plant with other values of vessels, columns or materials."""
    replaced: dict[str, Any] = {
        kind: {
            name: replace(item, **values[kind][name]) if name in values[kind] else item
            for name, item in getattr(plant, kind).items()
        }
        for kind in values
    }
    return replace(plant, **replaced)


def test_the_documented_recipe_passes(recipe_text: str, plant: Plant) -> None:
    result = check(parse_recipe(recipe_text, plant), plant)
    assert result.passed
    assert result.findings == ()
    assert [phase.path.split(".")[-1] for phase in result.phases][5:8] == ["load", "wash", "elute"]
    load = result.phases[5]
    assert load.volume == pytest.approx(222 * ML)
    assert load.column_volumes == pytest.approx(222 / 50.27, rel=1e-4)
    assert load.inlets == ("feed",)
    assert load.outlets == ("flow_through_1", "flow_through_2")
    assert load.levels["feed"] == pytest.approx((28 * ML, 28 * ML))
    assert load.levels["flow_through_1"] == pytest.approx((37.3 * ML, 37.3 * ML))
    assert load.pressure is not None
    assert 0.2e6 < load.pressure < 0.5e6  # the restrictor alone holds 0.2 MPa
    elute = result.phases[7]
    assert elute.composition == pytest.approx((0.0, 80.5))
    cv = plant.columns["C1"].volume
    volume = 0.805 * 25.2 * cv
    assert elute.longest == elute.duration == pytest.approx(volume / (3.15 * ML / 60.0))
    # 40.25 % of a gradient from 0 to 80.5 %B is B, and there is one wash of pump B.
    assert result.used["B1"] == pytest.approx(0.4025 * volume + 86.0 * 20 * ML / 60.0)
    assert elute.levels["pool"] == pytest.approx((0.0, volume))


def test_nothing_leaves_or_enters_in_a_wait(recipe_text: str, plant: Plant) -> None:
    contact = next(
        phase for phase in check(parse_recipe(recipe_text, plant), plant).phases if "contact" in phase.path
    )
    assert (contact.volume, contact.inlets, contact.outlets, contact.pressure) == (0.0, (), (), None)
    assert contact.duration == 1800.0


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        ({"until": "1 CV"}, '"cv >= 1 CV" never comes at 0 mL/min'),
        ({"flow": "1 mL/min", "until": "0 CV"}, "the phase has no length"),
        ({"flow": "1 mL/min", "until": "UV < 5 mAU"}, "has no time-out"),
        ({"flow": "1 mL/min", "until": "UV < 5 mAU and 5 CV"}, "has no time-out"),
        ({"flow": "1 mL/min", "until": "UV > 9 AU", "timeout": "1 h"}, "can never be true"),
        ({"flow": "1 mL/min", "until": "pH < 0 or pH > 14", "timeout": "1 h"}, "can never be true"),
        ({"flow": "1 mL/min", "until": "PercentB > 100 %B", "timeout": "1 h"}, "can never be true"),
        (
            {"flow": "1 mL/min", "until": "2 h", "timeout": "1 h"},
            "time-out after 60 min, but it lasts 120 min",
        ),
        ({"flow": "200 mL/min", "until": "1 CV"}, "expected 0 mL/min to 100 mL/min"),
        ({"flow": "50 mL/min", "until": "1 CV"}, "expected at most 700 cm/h (SP Sepharose FF)"),
        ({"flow": "30 mL/min", "until": "1 CV"}, "over the limit of 0.5 MPa. Lower the flow to about 2"),
        ({"flow": "0.1 mL/min", "percent_b": "5 %B", "until": "1 CV"}, "needs 0.005 mL/min of PumpB"),
        ({"flow": "1 mL/min", "inlet_b": "A11", "until": "1 CV"}, 'no way from vessel "A11" to PumpB'),
        (
            {"flow": "1 mL/min", "until": "1 CV", "positions": {"PumpAInlet": "A5"}},
            "draws from PumpAInlet.A5, where nothing is connected",
        ),
        (
            {"flow": "1 mL/min", "until": "1 CV", "positions": {"OutletValve": "F8"}},
            "dead-head: it delivers into OutletValve.F8",
        ),
        (
            {"flow": "1 mL/min", "until": "1 CV", "positions": {"ColumnPosition": "Position3"}},
            "dead-head",
        ),
        ({"flow": "1 mL/min", "until": "1 CV", "do": ["PumpWash(A)", "PumpWash(B)"]}, "two pump washes"),
        (
            {"flow": "1 mL/min", "until": "1 CV", "do": ["PumpWash(A)"], "gradient": ("10 %B", "1 CV")},
            "a gradient cannot begin during a pump wash",
        ),
        ({"flow": "1 mL/min", "until": "1 CV", "outlet": "pool"}, 'ends with the outlet in "pool"'),
        (
            {"flow": "1 mL/min", "until": "1 CV", "watch": {"late": watch("UV > 9 AU", outlet="pool")}},
            'watch "late": "UV1.Signal > 9 AU" does not come true',
        ),
        ({"flow": "1 mL/min", "until": "1 CV", "set": {"UV1.Wavelength": "900 nm"}}, "UV1.Wavelength of"),
    ],
)
def test_each_fault_is_an_error(plant: Plant, phase: dict[str, Any], says: str) -> None:
    result = check(one(plant, **phase), plant)
    assert not result.passed
    assert any(says in text for text in errors(result)), errors(result)
    if "connected" not in says and says != "dead-head":
        assert any(says in str(finding) for finding in result.phases[0].findings) or "no way" in says


def test_limits_of_the_column(plant: Plant) -> None:
    weak = changed(plant, columns={"C1": {"max_bed_pressure": 1e4}})
    assert any(
        "over the bed of C1" in text
        for text in errors(check(one(plant, flow="5 mL/min", until="1 CV"), weak))
    )
    hard = changed(plant, columns={"C1": {"max_pressure": 0.21e6}})
    recipe = one(plant, flow="5 mL/min", until="1 CV", set={"Pressure.Limit": "1 MPa"})
    found = errors(check(recipe, hard))
    assert any("at the inlet of C1 at 5 mL/min; expected at most 0.21 MPa" in text for text in found), found


def test_vessels_run_empty_and_over(plant: Plant) -> None:
    recipe = one(plant, flow="5 mL/min", until="10 CV")
    short = changed(plant, vessels={"A11": {"volume": 400 * ML, "minimum": 10 * ML}})
    (finding,) = [text for text in errors(check(recipe, short)) if "A11" in text]
    missing = 10 * plant.columns["C1"].volume / ML - 390.0
    assert f"is {missing:.4g} mL too little. Fill at least {missing:.4g} mL more." in finding
    small = changed(plant, vessels={"waste": {"capacity": 400 * ML}})
    assert any(
        'vessel "waste" of 400 mL runs over by 102.7 mL' in text for text in errors(check(recipe, small))
    )


def test_what_only_may_happen_is_a_warning(plant: Plant) -> None:
    recipe = one(
        plant,
        flow="5 mL/min",
        until="UV < 5 mAU or 10 CV",
        watch={"pool": watch("UV > 20 mAU", outlet="pool"), "end": watch("UV < 10 mAU", outlet="waste")},
    )
    tight = changed(plant, vessels={"A11": {"volume": 400 * ML}, "pool": {"capacity": 100 * ML}})
    result = check(recipe, tight)
    assert result.passed
    assert any('vessel "A11" holds 400 mL, may be' in text for text in warnings(result))
    assert any('vessel "pool" of 100 mL may run over' in text for text in warnings(result))
    late = check(
        one(plant, flow="5 mL/min", until="3 CV", watch={"late": watch("after 4 CV", do=["AutoZero"])}), plant
    )
    assert late.passed
    assert any('watch "late"' in text for text in warnings(late))


def test_outlets_left_to_chance(plant: Plant) -> None:
    builder = RecipeBuilder("test", plant)
    run = builder.unit_procedure("cex", "akta1", "C1", start=settings(inlet_a="A11")).operation("run")
    run.phase("elute", flow="1 mL/min", until="1 CV", watch={"pool": watch("UV > 20 mAU", outlet="pool")})
    run.phase("clean", kind="clean", inlet_a="A14", until="1 CV")
    result = check(builder.build(), plant)
    found = " ".join(warnings(result))
    assert 'left to the watches of "elute"' in found
    assert '"pool" receives a phase of kind clean' in found
    assert any("ends with the outlet" in text for text in errors(result))


def test_a_vessel_without_material_can_only_be_used_after_it_was_filled(plant: Plant) -> None:
    empty = changed(plant, vessels={"A11": {"material": None}})
    assert any(
        'vessel "A11" holds no material' in text
        for text in errors(check(one(plant, flow="1 mL/min", until="1 CV"), empty))
    )


def test_all_faults_of_all_phases_come_at_once(plant: Plant) -> None:
    builder = RecipeBuilder("test", plant)
    run = builder.unit_procedure("cex", "akta1", "C1", start=settings(inlet_a="A11")).operation("run")
    run.phase("one", inlet_a="pool", flow="1 mL/min", until="1 CV")
    run.phase("two", inlet_a="A11", flow="150 mL/min", until="UV > 1 mAU")
    run.phase("three", flow="1 mL/min", do=["AutoZro"], until="0 min")
    result = check(builder.build(), plant)
    for name, says in (("one", "no way"), ("two", "time-out"), ("two", "150"), ("three", "no length")):
        assert any(re.search(rf"cex\.run\.{name}.*{says}", text) for text in errors(result)), (name, says)
    assert len(result.findings) == len(set(result.findings))
    assert all(isinstance(finding, Finding) for finding in result.phases[1].findings)


def test_the_advised_flow_keeps_the_limit(plant: Plant) -> None:
    (finding,) = [
        text for text in errors(check(one(plant, flow="30 mL/min", until="1 CV"), plant)) if "behind" in text
    ]
    advice = re.search(r"about ([\d.]+) mL/min", finding.split("Lower")[1])
    assert advice is not None
    flow = float(advice[1])
    for part, passes in ((0.99, True), (1.01, False)):
        found = errors(check(one(plant, flow=f"{flow * part} mL/min", until="1 CV"), plant))
        assert (not any("behind the pumps" in text for text in found)) is passes


def test_a_column_that_is_treated_while_liquid_flows_past_it(plant: Plant) -> None:
    found = errors(check(one(plant, kind="load", flow="3 mL/min", column="bypass", until="2 CV"), plant))
    assert any('a phase of kind "load" in which C1 is not in line' in text for text in found)
    assert not errors(check(one(plant, flow="3 mL/min", column="bypass", until="20 mL"), plant))


def test_a_unit_procedure_without_a_column_may_clean_the_lines_after_one_with(plant: Plant) -> None:
    builder = RecipeBuilder("test", plant)
    start = settings(inlet_a="A11", inlet_b="B1")
    first = builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run")
    first.phase("one", kind="wash", flow="3 mL/min", until="1 CV")
    second = builder.unit_procedure("lines", "akta1", start=start).operation("run")
    second.phase("flush", kind="clean", flow="3 mL/min", until="20 mL")
    assert not errors(check(builder.build(), plant))
