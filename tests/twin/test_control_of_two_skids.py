"""A controller that measures on one skid and sets on the other, in the prediction of both."""

from __future__ import annotations

import pytest

from minifactory.recipe.bind import bind
from minifactory.recipe.load import parse_recipe
from minifactory.twin.simulate import simulate_plant

from .test_hand_shakes import RECIPE
from .two_skids import opened

CONTROLLERS = """
controllers:
  output:
    kind: loading
    measures: {output: {of: volume, during: polish.polish.load}}
    sets: {load: {quantity: capture.capture.load.until, minimum: 2 CV, maximum: 8 CV}}
    parameters: {a: 0.5, reference: 6 mL}
"""


def test_the_first_skid_loads_by_what_the_second_has_received() -> None:
    plant = opened("pool")[0]
    text = RECIPE.replace("repeat: 2", "repeat: 4") + CONTROLLERS
    recipe = parse_recipe(text, plant)
    run = simulate_plant(plant, [bind(recipe, plant, skid) for skid in ("capture", "polish")], elements=3)
    capture, polish = run.runs["capture"], run.runs["polish"]
    notes = [item for item in capture.events if item.category == "controller"]
    assert notes
    assert not [item for item in polish.events if item.category == "controller"]
    loads = [item for item in capture.phases if item.path.endswith(".load")]
    outputs = [item for item in polish.phases if item.path.endswith(".load")]
    begun = [item.start for item in loads]
    first = next(place for place, start in enumerate(begun) if start == pytest.approx(notes[0].time))
    # The first setting comes with the first load that begins after the first product has been measured.
    assert begun[first - 1] < outputs[0].end <= begun[first] + 1.0
    u, y = 5.0, outputs[0].volume
    wanted = min(max(u + 0.5 * (u / y) * (6e-6 - y), 2.0), 8.0)
    assert loads[first].volume / loads[first].column_volume == pytest.approx(wanted, rel=0.02)
