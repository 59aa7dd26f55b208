"""Buffers from stocks: the doses of a liquid, the recipe of a batch, and what services.yaml may say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from minifactory.plant.model import Material, Plant
from minifactory.recipe.check import check
from minifactory.services.description import Services, read_services
from minifactory.services.forecast import PlannedPhase, Schedule
from minifactory.services.preparation import Preparation, batch, hold_up, mixture, rest, smallest, unit

SERVED = Path(__file__).parent / "served"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(SERVED)


@pytest.fixture(scope="module")
def kitchen(plant: Plant) -> Preparation:
    found = read_services(SERVED, plant, ("process",)).buffers
    assert found is not None
    return found


def holding(plant: Plant, **composition: float) -> Plant:
    """The plant with another liquid (mM) in its vessel "elution"."""
    return replace(plant, materials={**plant.materials, "elution": Material("elution", composition)})


def test_the_doses_of_a_buffer_follow_from_its_ions(plant: Plant, kitchen: Preparation) -> None:
    """31 mM acetate with 20 mM sodium and half a mole of salt, from 1 M and 4 M stocks: by hand."""
    found = mixture(plant, kitchen, "elution")
    assert found.shares == pytest.approx(
        {"sodium_acetate": 0.020, "acetic_acid": 0.011, "salt": 0.125, "water": 0.844}
    )
    assert found.composition == pytest.approx({"sodium": 520.0, "acetate": 31.0, "chloride": 500.0})


@settings(max_examples=30, deadline=None)
@given(
    acid=st.one_of(st.just(0.0), st.floats(1.0, 60.0)),
    base=st.floats(1.0, 60.0),
    salt=st.one_of(st.just(0.0), st.floats(1.0, 800.0)),
    water=st.floats(0.5, 0.9),
)
def test_whatever_can_be_mixed_is_mixed_again(
    plant: Plant, kitchen: Preparation, acid: float, base: float, salt: float, water: float
) -> None:
    total = (acid + base) / 1000.0 + salt / 4000.0
    scale = min(1.0, (1.0 - water) / total)
    made = {"acetate": acid + base, "sodium": base + salt, "chloride": salt}
    wanted = {name: scale * value for name, value in made.items() if value > 0.0}
    found = mixture(holding(plant, **wanted), kitchen, "elution")
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert min(found.shares.values()) > 0.0
    for name, value in wanted.items():
        assert found.composition[name] == pytest.approx(value, abs=0.02 * sum(wanted.values()))


@pytest.mark.parametrize(
    ("composition", "match"),
    [
        ({"tris": 20.0, "chloride": 10.0}, "Add a stock with tris"),
        ({"acetate": 31.0, "sodium": 20.0, "chloride": 3900.0, "potassium": 3880.0}, "potassium"),
        ({"acetate": 31.0, "sodium": 3920.0, "chloride": 3900.0}, "Take stronger stocks"),
    ],
)
def test_what_the_stocks_do_not_make_is_named(
    plant: Plant, kitchen: Preparation, composition: dict[str, float], match: str
) -> None:
    from minifactory.plant.catalogue.substances import all_species

    known = {**all_species(), **plant.species}
    species = {**plant.species, **{name: known[name] for name in composition}}
    with pytest.raises(InputError, match=match):
        mixture(replace(holding(plant, **composition), species=species), kitchen, "elution")


def test_the_recipe_of_a_batch_is_free_of_faults(plant: Plant, kitchen: Preparation) -> None:
    made = batch(plant, kitchen, "elution", 50e-6)
    found = check(made.recipe, plant)
    assert [str(item) for item in found.findings if "may be" not in item.found] == []
    stages = {phase.path.rpartition(".")[2]: phase for phase in found.phases}
    assert list(stages)[-2:] == ["deliver", "deliver_stands"]
    assert stages["deliver"].outlets == ("elution",)
    assert stages["dose_water"].volume == pytest.approx(made.doses["water"], rel=1e-4)
    # What is in the tank in the end is what is dosed, and the last of the rinse.
    total = sum(made.doses.values()) + rest(plant, kitchen)
    share = made.doses["salt"] / total
    assert share == pytest.approx(made.mixture.shares["salt"], rel=1e-3)
    doses = [phase.duration for name, phase in stages.items() if phase.kind == "other" and "dose" in name]
    assert len(doses) == 4
    assert min(doses) >= 199.0
    assert made.doses["water"] >= 3.0 * hold_up(plant.skids["kitchen"])


def test_a_tank_that_is_not_empty_is_drained_first(plant: Plant, kitchen: Preparation) -> None:
    empty, full = (
        [phase.path for phase in check(batch(plant, kitchen, "buffer", 30e-6, 1, left).recipe, plant).phases]
        for left in (0.0, 20e-6)
    )
    assert full[:2] == ["prepare.clear.drain", "prepare.clear.drain_stands"]
    assert full[2:] == empty


def test_a_batch_that_the_tank_does_not_hold_is_refused(plant: Plant, kitchen: Preparation) -> None:
    batch(plant, kitchen, "buffer", unit(plant, kitchen).largest)
    with pytest.raises(InputError, match="larger tank"):
        batch(plant, kitchen, "buffer", 1.01 * unit(plant, kitchen).largest)


def test_a_batch_that_leaves_a_stock_in_the_line_is_refused(plant: Plant, kitchen: Preparation) -> None:
    strong = holding(plant, acetate=900.0, sodium=880.0)
    least = smallest(strong, kitchen, "elution")
    assert least > 5e-6
    batch(strong, kitchen, "elution", least)
    with pytest.raises(InputError, match="push the last stock out"):
        batch(strong, kitchen, "elution", 0.99 * least)
    assert smallest(plant, kitchen, "buffer") == 0.0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("skid: kitchen", "skid: process"), "the recipe runs on process"),
        (("skid: kitchen", "skid: kitchn"), 'Did you mean "kitchen"'),
        (("water: water", "water: feed"), "kitchen has no inlet from feed"),
        (("stocks: [acetic_acid, sodium_acetate, salt]", "stocks: [salt]"), "acetate"),
        (
            ("stocks: [acetic_acid, sodium_acetate, salt]", "stocks: [acid, salt]"),
            '"acid" is not a known vessel',
        ),
        (("elution: {}", "eluton: {}"), '"eluton" is not a known vessel'),
        (("elution: {}", "pool: {}"), "it is not said what pool holds"),
        (("elution: {}", "elution: {priority: 12}"), "out of bounds"),
        (("tank: batch", "tank: batch\n  tnk: batch"), "tnk"),
        (("flow: 10 mL/min", "flow: 10 mL"), "flow"),
        (("flow: 10 mL/min", "flow: 200 mL/min"), "150 mL/min"),
        (("flow: 10 mL/min", "flow: 120 mL/min\n  rinse: 2 L"), "batch.*runs over"),
        (("buffers:", "bufers:"), "no service"),
    ],
)
def test_what_services_yaml_says_wrongly(
    plant: Plant, tmp_path: Path, change: tuple[str, str], match: str
) -> None:
    text = (SERVED / "services.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "services.yaml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_services(tmp_path, plant, ("process",))


def test_a_case_without_services_has_none(plant: Plant, tmp_path: Path) -> None:
    assert read_services(tmp_path, plant) == Services()
    shutil.copy(SERVED / "services.yaml", tmp_path)
    assert read_services(tmp_path).buffers is None  # without a plant nothing is known of vessels


def test_a_schedule_follows_the_phases_that_are_seen() -> None:
    plan = (
        PlannedPhase("load", 100.0, {"feed": 1.0}),
        PlannedPhase("wash", 50.0, {"buffer": 2.0}),
        PlannedPhase("elute", 20.0, {"elution": 3.0, "buffer": 1.0}),
    )
    schedule = Schedule({"a": plan})
    assert [draw.start for draw in schedule.draws(7.0)] == [7.0, 107.0, 157.0, 157.0]  # it begins now
    schedule.see("a", "load", 10.0)
    schedule.see("a", "load", 60.0)
    assert schedule.draws(60.0)[1].start == 110.0
    # It lasts longer than planned: it is about to end.
    assert schedule.draws(500.0)[0].start == 500.0
    schedule.see("a", "wash", 510.0)
    schedule.see("a", "", 515.0)
    schedule.see("b", "load", 515.0)
    assert [(draw.vessel, draw.start, draw.end) for draw in schedule.draws(515.0)] == [
        ("buffer", 510.0, 560.0),
        ("elution", 560.0, 580.0),
        ("buffer", 560.0, 580.0),
    ]
    schedule.end("a")
    assert schedule.draws(520.0) == []
