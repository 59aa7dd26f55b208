"""Two virtual skids on one process: common time, common liquid, faults and truths of their own."""

from __future__ import annotations

import math

import pytest

from minifactory.errors import InputError
from minifactory.plant.model import Plant
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bound import BoundRecipe
from minifactory.skid.faults import parse_fault
from minifactory.skid.plant import PlantSkid, VirtualPlant, open_plant
from minifactory.skid.virtual import VirtualSkid
from minifactory.twin.online import process_model
from minifactory.twin.simulate import simulate_plant
from tests.twin.two_skids import HERE, opened

ELEMENTS = 3


@pytest.fixture(scope="module")
def pool() -> tuple[Plant, dict[str, BoundRecipe]]:
    return opened("pool")


@pytest.fixture(scope="module")
def station() -> tuple[Plant, dict[str, BoundRecipe]]:
    return opened("station")


def made(plant: Plant, **options: object) -> VirtualPlant:
    return VirtualPlant(plant, plant.parameters, 1, elements=ELEMENTS, **options)  # type: ignore[arg-type]


def to(plant: VirtualPlant, time: float) -> None:
    for skid in plant.skids.values():
        skid.advance(time)


def value(skid: VirtualSkid, tag: str) -> float:
    names = [each.name for each in skid.table.readable]
    return float(skid.image().values[names.index(tag)])


def turned(skid: PlantSkid, **positions: str) -> dict[str, float]:
    return {f"{v}.SP": float(skid.table.tag(f"{v}.SP").choices.index(p)) for v, p in positions.items()}


def test_time_goes_to_the_smallest_that_is_granted(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant = made(pool[0])
    plant.skids["capture"].advance(10.0)
    assert (plant.time, plant.skids["capture"].time) == (0.0, 0.0)
    plant.skids["polish"].advance(4.0)
    assert plant.time == plant.skids["capture"].time == plant.skids["polish"].image().time == 4.0
    plant.release("polish")
    assert plant.time == 10.0
    plant.skids["capture"].advance(12.0)
    assert plant.skids["polish"].image().time == 12.0
    plant.release("capture")
    assert plant.time == 12.0


def test_unknown_skids_are_refused(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    with pytest.raises(InputError, match=r"no skid .polisch.*polish"):
        made(pool[0], skids=("polisch",))


def test_a_plant_of_one_skid_is_a_virtual_skid(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, bounds = pool
    table = tag_table(plant.skids["polish"])
    model = process_model(plant, "polish", plant.parameters)
    alone = VirtualSkid(table, plant.skids["polish"], model, plant.parameters, 1)
    other = VirtualPlant(plant, plant.parameters, 1, skids=("polish",)).skids["polish"]
    for skid in (alone, other):
        skid.write(bounds["polish"].initial.setpoints)
        skid.write(bounds["polish"].phases[0].start.setpoints)
        skid.advance(60.0)
    assert alone.image() == other.image()


def played(plant: VirtualPlant, bounds: dict[str, BoundRecipe], ends: dict[str, list[float]]) -> None:
    """Every phase at the time that the prediction gives it."""
    due = [(0.0, skid, bound.initial) for skid, bound in bounds.items()]
    for skid, bound in bounds.items():
        starts = [0.0, *ends[skid]]
        due += [(at, skid, phase.start) for at, phase in zip(starts, bound.phases, strict=False)]
        due.append((starts[-1], skid, bound.safe))
    for time, skid, action in sorted(due, key=lambda item: item[0]):
        to(plant, time)
        plant.skids[skid].write(action.setpoints)
    to(plant, max(end for found in ends.values() for end in found) + 5.0)


def test_the_virtual_plant_does_what_the_prediction_says(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    """Latencies differ by up to half a second of 8 min in which the pool fills: 0.2 %."""
    plant, bounds = pool
    predicted = simulate_plant(plant, list(bounds.values()), elements=ELEMENTS)
    virtual = made(plant)
    ends = {skid: [phase.end for phase in run.phases] for skid, run in predicted.runs.items()}
    played(virtual, bounds, ends)
    found = virtual.contents()
    for species in ("product", "chloride"):
        assert found.held["hold"][species] == pytest.approx(predicted.contents["hold"][species], rel=5e-3)
        pooled = math.fsum(p.amounts[species] for p in predicted.runs["polish"].pools if p.vessel == "pool")
        assert found.received["pool"][species] == pytest.approx(pooled, rel=5e-3)
    # What was received is what was given on and what is left, with the 4 mL of buffer from the start.
    gap = found.received["hold"]["product"] - found.drawn["hold"]["product"] - found.held["hold"]["product"]
    assert abs(gap) <= 1e-8 * found.received["hold"]["product"]
    levels = virtual.skids["polish"].truth.volumes
    assert levels["hold"] == pytest.approx(predicted.levels["hold"].values[-1], rel=5e-3)


def test_an_empty_pool_gives_air_and_is_no_end(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    """4 mL at 1 mL/min last 4 min; then the pump draws air, until it is filled again."""
    plant, bounds = pool
    virtual = made(plant)
    polish, capture = virtual.skids["polish"], virtual.skids["capture"]
    capture.write(bounds["capture"].initial.setpoints)
    polish.write({**bounds["polish"].initial.setpoints, **turned(polish, InletA="A2")})
    to(virtual, 5.0)
    polish.write({"System.Flow.SP": 1e-6 / 60.0})
    to(virtual, 230.0)
    assert polish.truth.air == (False, False)
    to(virtual, 260.0)
    assert polish.truth.air == (True, False)
    assert polish.truth.volumes["hold"] == pytest.approx(0.0, abs=1e-10)
    capture.write({**turned(capture, OutletValve="F1"), "System.Flow.SP": 2e-6 / 60.0})
    to(virtual, 300.0)
    assert polish.truth.air == (False, False)
    assert polish.truth.volumes["hold"] > 0.0
    assert capture.truth.air == (False, False)


def test_a_full_pool_runs_over(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, bounds = pool
    virtual = made(plant)
    capture = virtual.skids["capture"]
    capture.write({**bounds["capture"].initial.setpoints, **turned(capture, OutletValve="F1")})
    to(virtual, 5.0)
    capture.write({"System.Flow.SP": 20e-6 / 60.0, **turned(capture, Columns="Bypass")})
    to(virtual, 400.0)
    assert capture.truth.volumes["hold"] == pytest.approx(100e-6, rel=1e-6)


def test_a_full_pool_is_drawn_from_as_its_filling_ends(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    """The pump that fills ramps down: what comes in exceeds what is drawn first, and falls below it then."""
    plant, bounds = pool
    virtual = made(plant)
    capture, polish = virtual.skids["capture"], virtual.skids["polish"]
    capture.write({**bounds["capture"].initial.setpoints, **turned(capture, OutletValve="F1")})
    polish.write({**bounds["polish"].initial.setpoints, **turned(polish, InletA="A2")})
    to(virtual, 5.0)
    capture.write({"System.Flow.SP": 20e-6 / 60.0, **turned(capture, Columns="Bypass")})
    to(virtual, 400.0)
    polish.write({"System.Flow.SP": 14e-6 / 60.0, **turned(polish, Columns="Bypass")})
    to(virtual, 420.0)
    assert capture.truth.volumes["hold"] == pytest.approx(100e-6, rel=1e-6)
    capture.write({"System.Flow.SP": 0.0})
    to(virtual, 480.0)
    assert 85e-6 < capture.truth.volumes["hold"] < 91e-6


def test_a_pump_against_the_other_skids_valve_trips_its_own_alarm(
    station: tuple[Plant, dict[str, BoundRecipe]],
) -> None:
    plant, bounds = station
    virtual = made(plant)
    load, recover = virtual.skids["load"], virtual.skids["recover"]
    load.write(bounds["load"].initial.setpoints)
    recover.write(bounds["recover"].initial.setpoints)
    to(virtual, 5.0)
    load.write(turned(load, Station="Both"))
    to(virtual, 7.0)
    recover.write({"System.Flow.SP": 1e-6 / 60.0})
    to(virtual, 12.0)
    assert (value(load, "Alarm.Pressure"), value(recover, "Alarm.Pressure")) == (1.0, 1.0)
    assert recover.truth.system_pressure == pytest.approx(0.0)


def test_a_plant_is_opened_from_its_folder_with_faults_by_skid() -> None:
    folder = HERE / "pool"
    virtual = open_plant(folder, 3, None, {"polish": ["bad:UV1.Signal@10 s"]}, skids=("capture", "polish"))
    assert set(virtual.skids) == {"capture", "polish"}
    assert [len(skid.faults) for skid in virtual.skids.values()] == [0, 1]
    with pytest.raises(InputError, match=r"no skid .polich"):
        open_plant(folder, 3, None, {"polich": ["bad:UV1.Signal@10 s"]})


def test_faults_stay_with_their_skid(pool: tuple[Plant, dict[str, BoundRecipe]]) -> None:
    plant, bounds = pool
    fault = parse_fault("bad:UV1.Signal@10 s", tag_table(plant.skids["polish"]))
    virtual = made(plant, faults={"polish": (fault,)})
    for name, skid in virtual.skids.items():
        skid.write(bounds[name].initial.setpoints)
    to(virtual, 20.0)
    assert virtual.skids["capture"].image().qualities is None
    assert virtual.skids["polish"].image().qualities is not None
