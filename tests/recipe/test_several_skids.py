"""A recipe for two skids: what is checked of one in the light of the other, and lines between them."""

from __future__ import annotations

import pytest
from tests.twin.two_skids import HERE, opened

from minifactory.errors import InputError
from minifactory.plant.document import Report, open_text
from minifactory.plant.load import read_plant
from minifactory.plant.model import Plant
from minifactory.plant.network import group, seen_from, shared_vessels, touches
from minifactory.recipe.check import check
from minifactory.recipe.load import load_recipe, parse_recipe

FACTORY = (HERE / "station" / "factory.yaml").read_text(encoding="utf-8")
RECIPE = (HERE / "station" / "recipe.yaml").read_text(encoding="utf-8")


def plant_of(text: str) -> Plant:
    report = Report()
    parameters = (HERE / "station" / "parameters.yaml").read_text(encoding="utf-8")
    plant = read_plant(
        open_text(text, "factory.yaml", report), open_text(parameters, "parameters.yaml", report), report
    )
    report.raise_errors()
    return plant


def errors_of(factory: str) -> None:
    """InputError with whatever is wrong with the plant, or with the second skid's recipe on it."""
    plant = plant_of(factory)
    found = check(parse_recipe(RECIPE, plant), plant, "recover").findings
    raise InputError([item for item in found if item.severity == "error"])


@pytest.fixture(scope="module")
def station() -> Plant:
    return opened("station")[0]


@pytest.mark.parametrize("name", ["pool", "station", "direct"])
def test_both_sides_of_the_examples_are_without_fault(name: str) -> None:
    """The pool that the other skid fills is not too little, and nothing is missing of its material."""
    plant, _ = opened(name)
    recipe = load_recipe(HERE / name / "recipe.yaml", plant)
    for skid in plant.skids:
        errors = [f for f in check(recipe, plant, skid).findings if f.severity == "error"]
        assert errors == []


def test_a_position_that_the_owner_never_takes_is_told(station: Plant) -> None:
    text = RECIPE.replace("positions: {Station: Load31}", "positions: {Station: Load12}")
    found = check(parse_recipe(text, station), station, "recover").findings
    told = [str(item) for item in found if "never turns it there" in str(item)]
    assert told
    assert all("needs load.Station at Load31" in item for item in told)


def test_a_valve_whose_skid_has_no_recipe_is_told(station: Plant) -> None:
    read = parse_recipe(RECIPE[: RECIPE.index("  load:\n")] + RECIPE[RECIPE.index("  recover:\n") :], station)
    found = " ".join(str(item) for item in check(read, station, "recover").findings)
    assert "needs load.Station at Load12, but no recipe runs on load" in found


def test_a_position_in_which_streams_of_two_skids_meet_is_a_warning(station: Plant) -> None:
    text = RECIPE.replace("positions: {Station: Load23}", "positions: {Station: Both}")
    found = check(parse_recipe(text, station), station, "load").findings
    told = [item for item in found if "leads two streams into port out, one of another skid" in item.found]
    assert [item.severity for item in told] == ["warning"]


def test_where_skids_touch_is_told(station: Plant) -> None:
    found = {(item.what, item.name, item.first, item.second) for item in touches(station)}
    assert ("valve", "load.Station", "load", "recover") in found
    assert ("line", "load.Station.out2 > recover.UV.in", "load", "recover") in found
    pool = opened("pool")[0]
    assert {(item.what, item.name, item.first, item.second) for item in touches(pool)} == {
        ("vessel", "hold", "capture", "polish")
    }
    assert dict(shared_vessels(pool)) == {"hold": (("capture",), ("polish",))}
    assert group(pool, ("capture",)) == ("capture",)
    assert group(station, ("recover",)) == ("load", "recover")
    assert {"Mixer", "load.Station", "C1"} < set(seen_from(station, "recover").devices)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("load.Station.out2 > recover.UV.in", "load.Station.out9 > recover.UV.in", 'has no port "out9"'),
        ("load.Station.out2 > recover.UV.in", "lode.Station.out2 > recover.UV.in", 'no skid "lode".*load'),
        ("load.Station.out2 > recover.UV.in", "load.Station.out2 > load.UV.in", "stays on skid load"),
        ("load.Station.out2 > recover.UV.in", "load.Station.out2", "is no line from one skid to another"),
        ("load.Station.out2 > recover.UV.in", "load.Station.out > recover.UV.in", "is already connected"),
        ("length: 50 cm}", "length: 50}", "no unit"),
        ("line: recover.Mixer.out >", "line: recover.Cond.in >", "is already connected"),
        ("  - load.Station.out2 > recover.UV.in", "", "liquid ends at|no liquid comes|dead-head|no way"),
    ],
)
def test_lines_that_cannot_be_are_told(old: str, new: str, told: str) -> None:
    assert old in FACTORY
    with pytest.raises(InputError, match=told):
        errors_of(FACTORY.replace(old, new))


def test_a_vessel_connected_where_a_line_ends_is_told() -> None:
    old = "pool: {capacity: 0.5 L, purpose: pool, connected: recover.OutletValve.F1}"
    assert old in FACTORY
    changed = FACTORY.replace(old, "pool: {capacity: 0.5 L, purpose: pool, connected: load.Station.out2}")
    with pytest.raises(InputError, match='already connected to "another skid"'):
        plant_of(changed)
