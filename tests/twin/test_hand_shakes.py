"""Two skids that hand over through a pool vessel, predicted: one waits for the other, and for the level."""

from __future__ import annotations

import pytest

from minifactory.errors import SolverError
from minifactory.plant.model import Plant
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.load import parse_recipe
from minifactory.records.plant_run import BUSY, WAITING, PlantRun
from minifactory.twin.simulate import simulate_plant

from .two_skids import opened

RECIPE = """
name: hand-over
version: "1"
transfers:
  product: {from: capture, to: polish, vessel: hold}
procedure:
  capture:
    skid: capture
    column: C1
    start: {inlet_a: buffer}
    operations:
      capture:
        repeat: 2
        phases:
          load: {kind: load, inlet_a: feed, flow: 1 mL/min, outlet: waste, until: 5 CV}
          elute: {kind: elute, delivers: product, inlet_a: elution, flow: 1 mL/min, outlet: hold, until: 5 CV}
  polish:
    skid: polish
    column: C2
    start: {inlet_a: buffer}
    operations:
      polish:
        repeat: 2
        phases:
          equilibrate: {kind: equilibrate, inlet_a: buffer, flow: 1 mL/min, until: 2 CV}
          load: {kind: load, receives: product, inlet_a: hold, flow: 0.5 mL/min, until: level(hold) < 2 mL}
"""


@pytest.fixture(scope="module")
def plant() -> Plant:
    return opened("pool")[0]


def bound(plant: Plant, text: str) -> list[BoundRecipe]:
    recipe = parse_recipe(text, plant)
    return [bind(recipe, plant, skid) for skid in ("capture", "polish")]


@pytest.fixture(scope="module")
def handed_over(plant: Plant) -> PlantRun:
    return simulate_plant(plant, bound(plant, RECIPE), elements=3)


def of(run: PlantRun, skid: str, name: str) -> list[tuple[float, float]]:
    return [(p.start, p.end) for p in run.runs[skid].phases if p.path.endswith(name)]


def test_neither_fills_a_pool_in_use_nor_draws_from_one_that_is_filled(handed_over: PlantRun) -> None:
    filling, drawing = of(handed_over, "capture", "elute"), of(handed_over, "polish", "load")
    assert len(filling) == len(drawing) == 2
    for n in range(2):
        assert 0.0 <= drawing[n][0] - filling[n][1] <= 2.0  # heard in the next scan
    assert filling[1][0] >= drawing[0][1]


def test_the_level_ends_the_phase_in_the_prediction(handed_over: PlantRun) -> None:
    """Seen once a second at 0.5 mL/min, and 0.8 s until the pump turns to the next bottle."""
    level = handed_over.levels["hold"]
    for _, end in of(handed_over, "polish", "load"):
        left = float(level.at(level.time[level.time >= end][:1])[0])
        assert 2e-6 - 2.0 * 0.5e-6 / 60.0 <= left <= 2e-6


def test_waiting_is_told_and_stands_still(handed_over: PlantRun) -> None:
    first = next(span for span in handed_over.spans["polish"] if span.what == WAITING)
    filled = of(handed_over, "capture", "elute")[0]
    assert first.end == pytest.approx(filled[1], abs=2.0)
    flow = handed_over.runs["polish"].trends["System.Flow"]
    within = flow.values[(flow.time > first.start + 30.0) & (flow.time < first.end)]
    assert within.size
    assert within.max() == 0.0
    for skid, run in handed_over.runs.items():
        spent = handed_over.time_spent(skid, BUSY) + handed_over.time_spent(skid, WAITING)
        assert spent == pytest.approx(run.duration)
    assert max(handed_over.balance.values()) <= 1e-8


def test_skids_that_wait_for_ever_are_named(plant: Plant) -> None:
    text = RECIPE.replace("polish:\n        repeat: 2", "polish:\n        repeat: 3")
    with pytest.raises(SolverError, match=r"polish waits for capture \(product 3\)"):
        simulate_plant(plant, bound(plant, text), elements=3)
