"""Binding: from vessels, flows and column volumes to set-points and instructions."""

from __future__ import annotations

import math

import pytest

from minifactory.errors import InputError
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe import (
    BoundInstruction,
    BoundPhase,
    BoundRecipe,
    RecipeBuilder,
    bind,
    parse_recipe,
    references,
    settings,
    watch,
    write_recipe,
)

ML = 1e-6


@pytest.fixture(scope="module")
def bound(recipe_text: str, plant: Plant) -> BoundRecipe:
    return bind(parse_recipe(recipe_text, plant), plant)


def phase(bound: BoundRecipe, name: str) -> BoundPhase:
    return next(item for item in bound.phases if item.name == name)


def positions(plant: Plant, setpoints: object) -> dict[str, str]:
    """The valve positions among set-points, by name."""
    assert isinstance(setpoints, dict)
    table = tag_table(plant.skids["akta1"])
    return {
        name.removesuffix(".SP"): table.tag(name).choices[int(value)]
        for name, value in setpoints.items()
        if table.tag(name).choices
    }


def test_every_name_is_in_the_tag_table(bound: BoundRecipe, plant: Plant) -> None:
    table = tag_table(plant.skids["akta1"])
    readable = {tag.name for tag in table.readable}
    actions = [bound.initial, bound.safe]
    for item in bound.phases:
        actions += [item.start, *(each.action for each in item.watches)]
        conditions = [item.until, *(each.when for each in item.watches)]
        assert all(set(condition.tags()) <= readable for condition in conditions)
    for action in actions:
        assert all(table.tag(name).writable for name in action.setpoints)
        for instruction in action.instructions:
            known = table.instructions[instruction.name]
            assert [argument.name for argument in known.arguments] == list(instruction.arguments)
    assert all(set(item.when.tags()) <= readable for item in bound.interlocks)
    assert [item.action for item in bound.interlocks] == ["reduce_flow", "hold", "pause"]


def test_initial_and_safe_state(bound: BoundRecipe, plant: Plant) -> None:
    assert positions(plant, bound.initial.setpoints) == {
        "BufferValveA1": "A11",
        "PumpAInlet": "A1",
        "PumpBInlet": "B1",
        "InjectionValve": "Load",
        "FlowDirection": "Down",
        "ColumnPosition": "Position2",
        "OutletValve": "WasteF1",
    }
    assert bound.initial.setpoints["System.Flow.SP"] == 0.0
    assert bound.initial.setpoints["Pressure.Limit.SP"] == pytest.approx(5e5)
    assert bound.initial.setpoints["UV1.Wavelength.SP"] == pytest.approx(280e-9)
    assert bound.initial.outlet == "waste"
    assert dict(bound.safe.setpoints) == {"OutletValve.SP": 0.0, "System.Flow.SP": 0.0}
    assert bound.safe.outlet == "waste"


def test_inlets_columns_and_outlets_become_valve_positions(bound: BoundRecipe, plant: Plant) -> None:
    expected = {
        "wash_pump_a": {"ColumnPosition": "Position1"},
        "wash_high_salt": {"BufferValveA1": "A12", "PumpAInlet": "A1"},
        "high_salt": {"ColumnPosition": "Position2"},
        "equilibrate": {"BufferValveA1": "A11", "PumpAInlet": "A1"},
        "load": {"PumpAInlet": "A2", "OutletValve": "F3"},
        "strip": {"BufferValveA1": "A13", "OutletValve": "WasteF1"},
        "store": {},
    }
    for name, wanted in expected.items():
        found = positions(plant, phase(bound, name).start.setpoints)
        assert {valve: found.get(valve) for valve in wanted} == wanted
    assert "ColumnPosition.SP" not in phase(bound, "strip").start.setpoints
    first, second = phase(bound, "elute").watches
    assert positions(plant, first.action.setpoints) == {"OutletValve": "F2"}
    assert first.action.outlet == "pool"
    assert first.action.fraction_volume == pytest.approx(15 * ML)
    assert positions(plant, second.action.setpoints) == {"OutletValve": "WasteF1"}
    assert (second.action.outlet, second.action.fraction_volume) == ("waste", 0.0)


def test_flows_gradients_and_counters_are_si(bound: BoundRecipe, plant: Plant) -> None:
    volume = plant.columns["C1"].volume
    assert volume == pytest.approx(50.27 * ML, rel=1e-4)
    load = phase(bound, "load")
    assert load.start.setpoints["System.Flow.SP"] == pytest.approx(3.15 * ML / 60.0)
    assert load.planned_volume == pytest.approx(222 * ML)
    assert load.planned_time == pytest.approx(222 / 3.15 * 60.0)
    assert load.column_volume == volume
    (gradient,) = phase(bound, "elute").start.instructions
    assert gradient.name == "Gradient"
    assert gradient.arguments["percent_b"] == 100.0
    assert gradient.arguments["volume"] == pytest.approx(25.2 * volume)
    assert phase(bound, "elute").planned_volume == pytest.approx(0.805 * 25.2 * volume)
    assert phase(bound, "elute").timeout == 8 * 3600.0
    strip = phase(bound, "strip")
    assert strip.start.setpoints["Gradient.PercentB.SP"] == 0.0
    assert list(strip.start.setpoints)[-1] == "System.Flow.SP"
    assert strip.planned_volume == pytest.approx(2 * volume)


def test_waiting_and_pump_washes(bound: BoundRecipe) -> None:
    contact = phase(bound, "contact")
    assert contact.start.setpoints == {"System.Flow.SP": 0.0}
    assert (contact.planned_time, contact.planned_volume) == (1800.0, 0.0)
    wash = phase(bound, "wash_caustic")
    assert wash.start.instructions == (BoundInstruction("PumpWash", {"pump": 0.0}),)
    assert phase(bound, "wash_pump_b").start.instructions == (BoundInstruction("PumpWash", {"pump": 1.0}),)
    assert (wash.planned_time, wash.planned_volume, wash.timeout) == (91.0, 0.0, 300.0)


def test_a_wash_inside_a_phase_takes_time_but_no_volume(plant: Plant) -> None:
    builder = RecipeBuilder("wash", plant)
    run = builder.unit_procedure("cex", "akta1", "C1", start=settings(inlet_a="A11")).operation("run")
    run.phase("caustic", inlet_a="A14", do=["PumpWash(A)"], flow="5 mL/min", until="2 CV")
    (found,) = bind(builder.build(), plant).phases
    volume = 2 * plant.columns["C1"].volume
    assert found.planned_volume == pytest.approx(volume)
    assert found.planned_time == pytest.approx(86.0 + volume / (5 * ML / 60.0))


def test_velocity_and_time_based_gradients(plant: Plant) -> None:
    builder = RecipeBuilder("velocity", plant)
    run = builder.unit_procedure("cex", "akta1", "C1", start=settings(inlet_a="A11", inlet_b="B1")).operation(
        "run"
    )
    run.phase("elute", flow="150 cm/h", gradient=("50 %B", "20 min"), until="20 min or 10 CV")
    (found,) = bind(builder.build(), plant, "akta1").phases
    flow = 1.5 / 3600.0 * math.pi / 4.0 * 0.016**2
    assert found.start.setpoints["System.Flow.SP"] == pytest.approx(flow)
    assert found.start.instructions[0].arguments["volume"] == pytest.approx(1200.0 * flow)
    assert found.planned_time == pytest.approx(1200.0)


def test_conditions_speak_of_tags(bound: BoundRecipe) -> None:
    end = phase(bound, "elute").watches[1].when
    assert end.tags() == ("UV1.Signal",)
    assert bound.aliases["UV"] == "UV1.Signal"
    assert bound.aliases["Cond"] == "Cond.Signal"
    assert phase(bound, "elute").until.tags() == ("Gradient.PercentB",)


def test_what_cannot_be_done_is_found_all_at_once(plant: Plant) -> None:
    builder = RecipeBuilder("wrong", plant)
    run = builder.unit_procedure("cex", "akta1", "C1").operation("run")
    run.phase("one", inlet_a="pool", until="1 CV")
    run.phase("two", inlet_a="A11", outlet="A12", until="1 CV")
    run.phase("three", positions={"InjectionValv": "Load"}, until="1 CV")
    run.phase("four", positions={"InjectionValve": "Lod"}, until="1 CV")
    run.phase("five", do=["AutoZro", "PumpWash", "PumpWash(C)"], until="1 CV")
    run.phase("six", gradient=("10 %B", "10 min"), until="1 CV")
    run.phase("seven", positions={"InjectionValve": "Waste"}, outlet="pool", until="1 CV")
    run.phase("eight", until="1 CV", watch={"late": watch("1 CV", inlet_b="A11")})
    with pytest.raises(InputError) as caught:
        bind(builder.build(), plant)
    message = str(caught.value)
    for says in (
        'no way from vessel "pool" to PumpA',
        'no way from the pumps through C1 to vessel "A12"',
        'Did you mean "InjectionValve"?',
        'Did you mean "Load"?',
        'Did you mean "AutoZero"?',
        "PumpWash has 0 arguments; expected pump",
        '"C" is not a number',
        "has no volume",
        'no way from the pumps through C1 to vessel "pool" with InjectionValve Waste',
        'no way from vessel "A11" to PumpB',
    ):
        assert says in message
    assert bind(with_one_phase(plant), plant).phases


def with_one_phase(plant: Plant):  # type: ignore[no-untyped-def]
    builder = RecipeBuilder("right", plant)
    builder.unit_procedure("cex", "akta1", "C1").operation("run").phase("one", inlet_a="A11", until="1 min")
    return builder.build()


def test_another_skid_is_refused(plant: Plant) -> None:
    with pytest.raises(InputError, match='nothing for skid "akta9"'):
        bind(with_one_phase(plant), plant, "akta9")


def test_gradients_in_concentration_follow_the_buffers(plant: Plant) -> None:
    def built(to: str, inlets: dict[str, str]) -> BoundRecipe:
        builder = RecipeBuilder("salt", plant)
        run = builder.unit_procedure("cex", "akta1", "C1", start=settings(**inlets)).operation("run")  # type: ignore[arg-type]
        run.phase("elute", flow="5 mL/min", gradient=(to, "10 CV", "chloride"), until="10 CV")
        recipe = builder.build()
        assert parse_recipe(write_recipe(recipe), plant) == recipe
        assert references(recipe)["cex.run.elute.gradient.to"].text == to
        return bind(recipe, plant)

    both = {"inlet_a": "A11", "inlet_b": "B1"}
    (instruction,) = built("83.5 mM", both).phases[0].start.instructions
    assert instruction.arguments["percent_b"] == pytest.approx(50.0)  # of 167 mM chloride
    with pytest.raises(InputError) as caught:
        built("200 mM", both)
    message = str(caught.value)
    assert 'cex.run.elute: gradient ends at 200 mM chloride, but inlet B holds "B1" with 167 mM' in message
    assert "Lower the end to <= 167 mM or connect a stronger buffer" in message
    with pytest.raises(InputError, match='State "inlet_b" before'):
        built("83.5 mM", {"inlet_a": "A11"})


def test_the_end_of_a_gradient_is_planned(plant: Plant) -> None:
    builder = RecipeBuilder("ramp", plant)
    start = settings(inlet_a="A11", inlet_b="B1", percent_b="20 %B", flow="5 mL/min")
    run = builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run")
    run.phase("up", gradient=("100 %B", "8 CV"), until="PercentB >= 60 %B")
    run.phase("down", gradient=("0 %B", "5 CV"), until="PercentB <= 50 %B or 10 CV")
    run.phase("never", gradient=("40 %B", "5 CV"), until="PercentB >= 55 %B or 6 CV")
    run.phase("unknown", gradient=("80 %B", "5 CV"), until="PercentB >= 50 %B and UV < 5 mAU", timeout="1 h")
    phases = bind(builder.build(), plant).phases
    cv = plant.columns["C1"].volume
    assert phases[0].planned_volume == pytest.approx(4 * cv)
    # The second gradient begins at the 60 %B at which the first was left.
    assert phases[1].planned_volume == pytest.approx(5 * cv / 6)
    assert phases[2].planned_volume == pytest.approx(6 * cv)
    assert phases[3].planned_volume is None


def two_procedures(plant: Plant, **second: object) -> BoundRecipe:
    """A step at 100 %B through the column, then one past it."""
    builder = RecipeBuilder("two", plant)
    start = settings(inlet_a="A11", inlet_b="B1")
    first = builder.unit_procedure("first", "akta1", "C1", start=start).operation("run")
    first.phase("high", flow="3 mL/min", percent_b="100 %B", outlet="pool", until="1 CV")
    other = builder.unit_procedure("second", "akta1", start=settings(inlet_a="A12"), **second)  # type: ignore[arg-type]
    other.operation("run").phase("flush", flow="2 mL/min", until="5 mL")
    return bind(builder.build(), plant)


def test_a_second_unit_procedure_begins_as_declared_not_as_the_first_ended(plant: Plant) -> None:
    flush = phase(two_procedures(plant), "flush").start
    assert flush.setpoints["Gradient.PercentB.SP"] == 0.0
    assert flush.setpoints["System.Flow.SP"] == pytest.approx(2 * ML / 60.0)
    assert flush.outlet == "waste"
    stand = positions(plant, flush.setpoints)
    assert stand["BufferValveA1"] == "A12"
    assert stand["ColumnPosition"] == "Position1"
    assert stand["OutletValve"] == "WasteF1"
    assert list(flush.setpoints)[-1] == "System.Flow.SP"


def test_a_skid_has_one_safe_state(plant: Plant) -> None:
    with pytest.raises(InputError, match="second declares another safe state than first"):
        two_procedures(plant, safe=settings(outlet="pool"))
