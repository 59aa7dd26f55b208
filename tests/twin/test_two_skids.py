"""Two skids as one process model: a pool between them, and two streams at once through one column station."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import SolverError
from minifactory.plant.model import Material, Plant
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.load import parse_recipe
from minifactory.records.plant_run import BUSY, EMPTY, FULL, PlantRun
from minifactory.twin.online import plant_flowsheet
from minifactory.twin.simulate import simulate, simulate_plant

from .two_skids import HERE, opened

ELEMENTS = 3


@pytest.fixture(scope="module")
def pool() -> tuple[Plant, dict[str, BoundRecipe]]:
    return opened("pool")


@pytest.fixture(scope="module")
def together(pool: tuple[Plant, dict[str, BoundRecipe]]) -> PlantRun:
    plant, bounds = pool
    return simulate_plant(plant, list(bounds.values()), elements=ELEMENTS)


def recipe(name: str, *changes: tuple[str, str]) -> str:
    text = (HERE / name / "recipe.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def bound(plant: Plant, text: str) -> list[BoundRecipe]:
    read = parse_recipe(text, plant)
    return [bind(read, plant, skid) for skid in plant.skids]


def test_mass_closes_over_both_skids(together: PlantRun) -> None:
    assert max(together.balance.values()) <= 1e-8
    assert float(together.provenance["mass balance"]) <= 1e-8


def test_what_left_the_first_skid_is_in_the_pool_or_went_through_the_second(together: PlantRun) -> None:
    """Booked from what passed the ports, not from the balance of the solver.

    The pool is full before the second skid draws, so all that is drawn has what is left in it.
    """
    left = together.levels["hold"].values[-1]
    drawn = together.runs["polish"].consumed["hold"]
    for species in ("product", "impurity"):
        into = math.fsum(p.amounts[species] for p in together.runs["capture"].pools if p.vessel == "hold")
        assert into == pytest.approx(together.contents["hold"][species] * (1.0 + drawn / left), rel=1e-8)


def test_two_skids_are_two_single_ones_with_the_pool_as_feed(
    pool: tuple[Plant, dict[str, BoundRecipe]], together: PlantRun
) -> None:
    """By hand: the first alone; what its pool holds with the 4 mL in it is the material of the second."""
    plant, bounds = pool
    first = simulate(plant, bounds["capture"], elements=ELEMENTS)
    collected = next(item for item in first.pools if item.vessel == "hold")
    held = plant.vessels["hold"]
    buffer = plant.materials["buffer"].composition
    volume = held.volume + collected.volume
    mixed = {
        name: (amount + held.volume * buffer.get(name, 0.0)) / volume
        for name, amount in collected.amounts.items()
    }
    filled = replace(held, material="mixed", volume=volume)
    plant_of_second = replace(
        plant,
        materials={**plant.materials, "mixed": Material("mixed", mixed)},
        vessels={**plant.vessels, "hold": filled},
    )
    second = simulate(plant_of_second, bounds["polish"], elements=ELEMENTS)
    for skid, alone in (("capture", first), ("polish", second)):
        with_others = together.runs[skid]
        assert [(p.path, p.start, p.end) for p in with_others.phases] == [
            (p.path, p.start, p.end) for p in alone.phases
        ]
        # A skid that is done stops when its pumps do, within 0.8 s; alone the run ends before.
        assert with_others.consumed == pytest.approx(alone.consumed, abs=0.8 * 1e-6 / 60.0)
        grid = np.arange(0.0, alone.duration, 10.0)
        for name in ("UV1.Signal", "Cond.Signal", "Pressure.System"):
            one, other = with_others.trends[name].at(grid), alone.trends[name].at(grid)
            # Both within the local error of 1e-4, fifty steps of which may add up at a front.
            assert np.abs(one - other).max() <= 50e-4 * np.ptp(other), (skid, name)
        pools = [item for item in with_others.pools if item.vessel in ("hold", "pool")]
        expected = [item for item in alone.pools if item.vessel in ("hold", "pool")]
        assert len(pools) == len(expected) == 1
        assert pools[0].amounts["product"] == pytest.approx(expected[0].amounts["product"], rel=1e-3)


def test_facts_for_a_schedule(pool: tuple[Plant, dict[str, BoundRecipe]], together: PlantRun) -> None:
    plant, _ = pool
    level = together.levels["hold"]
    filled = next(p for p in together.runs["capture"].phases if p.path.endswith("elute"))
    drawn = together.runs["polish"].consumed["hold"]
    after = level.at(np.array([filled.end + 30.0, together.duration]))
    assert after[0] == pytest.approx(plant.vessels["hold"].volume + 7.7e-6, rel=1e-3)
    assert after[1] == pytest.approx(after[0] - drawn)
    assert together.level_events == ()
    for skid, run in together.runs.items():
        assert together.time_spent(skid, BUSY) == pytest.approx(run.duration)


def test_a_pool_that_runs_empty_is_named_with_its_phase(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, _ = pool
    text = recipe("pool", ("inlet_a: hold, until: 6 CV", "inlet_a: hold, until: 20 CV"))
    with pytest.raises(SolverError, match=r"vessel hold.*runs empty at \d+ s.*polish\.polish\.load"):
        simulate_plant(plant, bound(plant, text), elements=ELEMENTS)


def test_a_pool_that_runs_full_is_named(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, bounds = pool
    small = replace(plant.vessels["hold"], capacity=6e-6)
    tight = replace(plant, vessels={**plant.vessels, "hold": small})
    with pytest.raises(SolverError, match=r"vessel hold.*runs full"):
        simulate_plant(tight, list(bounds.values()), elements=ELEMENTS)


def test_bottles_that_run_out_are_facts_of_one_skid_too(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    """4 mL in the feed bottle at 1 mL/min: empty 4 min after the pump turns to it."""
    plant, bounds = pool
    little = replace(plant.vessels["feed"], volume=4e-6)
    short = replace(plant, vessels={**plant.vessels, "feed": little})
    found = simulate_plant(short, [bounds["capture"]], elements=ELEMENTS)
    load = next(p for p in found.runs["capture"].phases if p.path.endswith("load"))
    empty = found.first("feed", EMPTY)
    assert empty is not None
    assert empty == pytest.approx(load.start + 240.0, abs=1.0)
    assert found.first("feed", FULL) is None


@pytest.fixture(scope="module")
def station() -> tuple[Plant, dict[str, BoundRecipe]]:
    return opened("station")


def test_two_streams_run_through_three_columns_at_once(
    station: tuple[Plant, dict[str, BoundRecipe]],
) -> None:
    plant, bounds = station
    found = simulate_plant(plant, list(bounds.values()), elements=ELEMENTS)
    assert max(found.balance.values()) <= 1e-8
    paths = {skid: [e.text for e in run.events if e.category == "path"] for skid, run in found.runs.items()}
    assert paths["load"] == [
        "feed > C1 > C2 > waste",
        "feed > C2 > C3 > waste",
        "feed > C3 > C1 > waste",
    ]
    assert paths["recover"][1::3] == ["elution > C3 > pool", "elution > C1 > pool", "elution > C2 > pool"]
    # All that the second and third turns elute has been loaded in the first two, and little is left behind.
    eluted = math.fsum(p.amounts["product"] for p in found.runs["recover"].pools if p.vessel == "pool")
    turn = found.runs["load"].loaded["product"] / 3.0
    assert 0.9 * turn < eluted < 2.0 * turn
    # Each skid measures the pressure of its own stream only.
    first = found.runs["load"].trends["Pressure.Delta"].at(np.array([600.0]))[0]
    second = found.runs["recover"].trends["Pressure.Delta"].at(np.array([600.0]))[0]
    assert first == pytest.approx(second, rel=0.05)  # two columns at half the flow


def test_another_skids_valve_is_needed_not_turned(station: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    _, bounds = station
    wash = next(p for p in bounds["recover"].phases if p.path.endswith("wash_2"))
    assert wash.start.needs == {"load.Station": ("Load23",)}
    assert not [name for name in wash.start.setpoints if name.startswith(("Station", "load"))]


def test_a_stream_that_the_other_skid_closes_is_told_with_both_names(
    station: tuple[Plant, dict[str, BoundRecipe]],
) -> None:
    plant, _ = station
    text = recipe("station", ("Station: Load23}, until: 20 min", "Station: Bypassed}, until: 20 min"))
    positions = dict(plant.skids["load"].devices["Station"].positions)
    positions["Bypassed"] = (("in", "out"),)
    closed = _with_positions(plant, positions)
    with pytest.raises(SolverError, match=r"streams of recover.*no open way through recover.Mixer|Transfer"):
        simulate_plant(closed, bound(closed, text), elements=ELEMENTS)


def test_two_streams_into_one_port_are_told_with_both_names(
    station: tuple[Plant, dict[str, BoundRecipe]],
) -> None:
    plant, _ = station
    text = recipe("station", ("Station: Load23}, until: 20 min", "Station: Both}, until: 20 min"))
    expected = r"streams of load and recover.*two streams meet in port load.Station.out"
    with pytest.raises(SolverError, match=expected):
        simulate_plant(plant, bound(plant, text), elements=ELEMENTS)


def _with_positions(plant: Plant, positions: dict[str, tuple[tuple[str, str], ...]]) -> Plant:
    skid = plant.skids["load"]
    valve = replace(skid.devices["Station"], positions=positions)
    changed = replace(skid, devices={**skid.devices, "Station": valve})
    return replace(plant, skids={**plant.skids, "load": changed})


def test_a_skid_alone_keeps_its_names_and_numbers(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, _ = pool
    alone, both = plant_flowsheet(plant, ("polish",)), plant_flowsheet(plant, ("capture", "polish"))
    assert {"LineA", "Mixer", "C2"} < set(alone.routing.units)
    assert {"polish.LineA", "capture.LineA", "C1", "C2"} < set(both.routing.units)
    assert (alone.routing.shared, both.routing.shared) == ((), ("hold",))
