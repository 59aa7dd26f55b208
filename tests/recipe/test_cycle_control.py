"""Controllers that a recipe declares, over the turns of its loop: by hand, in the prediction and in Orbit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from minifactory.clock import VirtualClock
from minifactory.drivers.in_memory import InMemoryBackend
from minifactory.errors import InputError
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant
from minifactory.recipe import Sample, bind
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.procedure import Procedure
from minifactory.recipe.write import write_recipe
from minifactory.records import documents as doc
from minifactory.skid.server import open_skid
from minifactory.twin.simulate import simulate

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"
ML = 1e-6
RECIPE = """
name: cycles
controllers:
  output:
    kind: loading
    measures:
      output: {of: UV, as: area, during: cex.cycle.elute, baseline: yes}
    sets:
      load: {quantity: cex.cycle.load.until, minimum: 10 mL, maximum: 60 mL, rate: 15 mL}
    parameters: {a: 0, reference: 40 AU*mL}
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution}
    operations:
      cycle:
        repeat: 4
        phases:
          load: {kind: load, inlet_a: feed, column: C1, flow: 8 mL/min, until: 20 mL}
          wash: {kind: wash, inlet_a: equilibration, until: 60 mL}
          elute: {kind: elute, inlet_a: strip, until: 150 mL}
          equilibrate: {kind: equilibrate, inlet_a: equilibration, until: 120 mL}
"""


@pytest.fixture(scope="module")
def polish() -> Plant:
    return load_plant(CASE)


def driven(
    procedure: Procedure, signal: Callable[[Procedure], float | None], turns: int = 4
) -> list[tuple[float, list[str]]]:
    """Planned load (m3) of each turn, and what the controllers noted before it."""
    found: list[tuple[float, list[str]]] = []
    time, position = 0.0, 0
    while position < len(procedure.bound.phases) and len(found) <= turns:
        procedure.settle(position, time)
        phase = procedure.bound.phases[position]
        if phase.name == "load":
            notes = [note.text for note in procedure.control.taken()]
            found.append((phase.planned_volume or 0.0, notes))
        procedure.begin(position, time)
        while True:
            time += 10.0
            procedure.phase_time += 10.0
            procedure.phase_volume += 1.0 * ML
            sample = Sample(
                time, procedure.phase_time, procedure.phase_volume, procedure.phase_cv,
                {"UV": signal(procedure)},
            )  # fmt: skip
            breakpoint_ = procedure.evaluate(sample)
            if breakpoint_ is not None and breakpoint_.ended is not None:
                break
        position = procedure.following()
    return found


def plateau(gain: float) -> Callable[[Procedure], float | None]:
    """A UV whose area over the elution is `gain` x load x AU: proportional, as the law assumes."""

    def signal(procedure: Procedure) -> float | None:
        if procedure.phase is None or procedure.phase.name != "elute":
            return 0.0
        load = next(p for p in reversed(procedure.bound.phases[: procedure.position]) if p.name == "load")
        height = gain * (load.planned_volume or 0.0) / (148.5 * ML)  # trapezoids from 1 to 150 mL, 0 at first
        return 0.0 if procedure.phase_volume < 1.5 * ML else height

    return signal


def test_the_next_turn_takes_what_the_last_one_taught(polish: Plant) -> None:
    procedure = Procedure(bind(parse_recipe(RECIPE, polish), polish))
    found = driven(procedure, plateau(1.0))
    loads = [volume / ML for volume, _ in found]
    assert loads == pytest.approx([20.0, 35.0, 40.0, 40.0], rel=1e-6)
    assert "at its rate" in found[1][1][0]
    assert found[0][1] == []


def test_bad_values_change_nothing_and_are_named(polish: Plant) -> None:
    found = driven(Procedure(bind(parse_recipe(RECIPE, polish), polish)), lambda _: None)
    assert [volume / ML for volume, _ in found] == pytest.approx([20.0] * 4)
    assert "output is bad" in found[1][1][0]


def test_a_delayed_product_teaches_later(polish: Plant) -> None:
    text = RECIPE.replace("baseline: yes", "baseline: yes, cycles_back: 1").replace(
        "rate: 15 mL", "rate: 60 mL"
    )
    found = driven(Procedure(bind(parse_recipe(text, polish), polish)), plateau(1.0))
    # The product of turn 2 is booked to cycle 1; what leaves in turn 1 belongs to no cycle of this run.
    assert [volume / ML for volume, _ in found] == pytest.approx([20.0, 20.0, 40.0, 20.0 * 40.0 / 40.0])


def test_measurements_count_from_a_cycle_on(polish: Plant) -> None:
    text = RECIPE.replace("    kind: loading\n", "    kind: loading\n    first: 3\n").replace(
        "rate: 15 mL", "rate: 60 mL"
    )
    recipe = parse_recipe(text, polish)
    assert parse_recipe(write_recipe(recipe), polish) == recipe
    found = driven(Procedure(bind(recipe, polish)), plateau(1.0))
    assert [volume / ML for volume, _ in found] == pytest.approx([20.0, 20.0, 20.0, 40.0])
    assert "measurements count from cycle 3 on" in found[1][1][0]


def test_what_comes_beside_is_part_of_what_the_law_sees(polish: Plant) -> None:
    """20 mL of load and 20 mL beside give 30 of 40: the whole becomes 53.3, the quantity 33.3, and so on."""
    text = RECIPE.replace("rate: 15 mL", "beside: 20 mL, rate: 60 mL")
    recipe = parse_recipe(text, polish)
    assert parse_recipe(write_recipe(recipe), polish) == recipe

    def signal(procedure: Procedure) -> float | None:
        return plateau(1.5)(procedure)

    found = [volume / ML for volume, _ in driven(Procedure(bind(recipe, polish)), signal)]
    whole = 40.0 + (40.0 / 30.0) * (40.0 - 30.0)
    assert found[:2] == pytest.approx([20.0, whole - 20.0], rel=1e-6)
    with pytest.raises(InputError, match="beside"):
        bind(parse_recipe(RECIPE.replace("rate: 15 mL", "beside: 5 min"), polish), polish)


def test_after_a_restart_the_settings_are_those_before_it(polish: Plant) -> None:
    bound = bind(parse_recipe(RECIPE, polish), polish)
    first = Procedure(bound)
    driven(first, plateau(1.0), turns=2)
    saved = json.loads(json.dumps(first.memory()))
    second = Procedure(bound)
    second.take_up(first.position, 0.0, first.phase_time, first.phase_volume, (), saved)
    assert second.bound.phases[second.position :] == first.bound.phases[first.position :]
    assert second.control.record() == first.control.record()


def test_a_phase_that_a_controller_has_changed_ends_as_changed_after_a_restart(polish: Plant) -> None:
    """Killed in the second load, which has been lengthened from 20 to 35 mL."""
    bound = bind(parse_recipe(RECIPE, polish), polish)
    first = Procedure(bound)
    driven(first, plateau(1.0), turns=1)
    assert first.phase is not None
    assert first.phase.path == "cex.cycle[2].load"
    saved = json.loads(json.dumps(first.memory()))
    second = Procedure(bound)
    second.take_up(first.position, 0.0, 100.0, 10.0 * ML, (), saved)
    ended = []
    for volume in (15.0, 25.0, 34.9, 35.1):
        found = second.evaluate(Sample(volume, volume, volume * ML, 0.0, {"UV": 0.0}))
        ended.append(found is not None and found.ended is not None)
    assert ended == [False, False, False, True]


def test_an_edit_in_mid_run_keeps_what_was_learnt(polish: Plant) -> None:
    procedure = Procedure(bind(parse_recipe(RECIPE, polish), polish))
    driven(procedure, plateau(1.0), turns=1)
    loads = [phase.planned_volume for phase in procedure.bound.phases if phase.name == "load"]
    further = "      end: {phases: {store: {kind: store, inlet_a: storage, until: 30 mL}}}\n"
    procedure.replace(bind(parse_recipe(RECIPE + further, polish), polish))
    after = [phase.planned_volume for phase in procedure.bound.phases if phase.name == "load"]
    assert after == loads
    assert procedure.bound.phases[-1].path == "cex.end.store"
    assert procedure.control.record()["states"]["output"]["used"] == [1]


def test_somebody_who_has_taken_the_method_is_not_overruled(polish: Plant) -> None:
    procedure = Procedure(bind(parse_recipe(RECIPE, polish), polish))
    driven(procedure, plateau(1.0), turns=0)
    position = next(p for p, phase in enumerate(procedure.bound.phases) if phase.path == "cex.cycle[2].load")
    before = procedure.bound
    assert not procedure.settle(position, 1e5, permitted=False)
    assert procedure.bound is before


def test_what_one_skid_measures_is_set_on_another(polish: Plant) -> None:
    """The elutions as on a skid of their own; told again and again, each measurement acts once."""
    bound = bind(parse_recipe(RECIPE.replace("rate: 15 mL", "rate: 60 mL"), polish), polish)
    elutions = tuple(phase for phase in bound.phases if phase.name == "elute")
    others = tuple(phase for phase in bound.phases if phase.name != "elute")
    here, there = Procedure(replace(bound, phases=others)), Procedure(replace(bound, phases=elutions))
    assert here.control.published() == {}
    there.begin(0, 0.0)
    for volume in (1.0, 101.0):
        there.evaluate(Sample(volume, volume, volume * ML, 0.0, {"UV": 0.0 if volume == 1.0 else 0.4}))
    there.settle(1, 101.0)
    told = json.loads(json.dumps(there.control.published()))
    assert told == {"output": [[1, "output", pytest.approx(20 * ML), 0]]}
    notes = []
    for place in [place for place, phase in enumerate(others) if phase.name == "load"]:
        if place > 0:  # nothing is measured before the first load
            here.control.hear(told, 100.0 * place)
        here.settle(place, 100.0 * place)
        here.begin(place, 100.0 * place)
        notes += here.control.taken()
        here = restarted(here)
    assert [note.acted for note in notes] == [True]
    assert "output 2e-05 at load 2e-05, wanted 4e-05" in notes[0].text


def restarted(procedure: Procedure) -> Procedure:
    again = Procedure(procedure.bound)
    saved = json.loads(json.dumps(procedure.memory()))
    again.take_up(procedure.position, 0.0, 0.0, 0.0, (), saved)
    return again


def test_what_is_declared_wrongly_is_named(polish: Plant) -> None:
    for wrong, said in {
        "cex.cycle.load.until": "no quantity",
        "cex.cycle.elute, base": "is no phase",
        "kind: loading": "no controller of kind",
        "of: UV": "nothing is called",
        "minimum: 10 mL": "has no minimum",
        "maximum: 60 mL": "beyond the bound",
        "rate: 15 mL": "expected volume per cycle",
        "reference: 40 AU*mL": "a number with its unit",
        "a: 0,": "filter",
        "output: {of": 'not told "output"',
    }.items():
        right = {
            "cex.cycle.load.until": "cex.cycle.lod.until",
            "cex.cycle.elute, base": "cex.cycle.elut, base",
            "kind: loading": "kind: loadng",
            "of: UV": "of: UVX",
            "minimum: 10 mL": "rate: 5 mL",
            "maximum: 60 mL": "maximum: 15 mL",
            "rate: 15 mL": "rate: 15 mM",
            "reference: 40 AU*mL": "reference: 40 bananas",
            "a: 0,": "a: 1.5,",
            "output: {of": "outputt: {of",
        }[wrong]
        text = RECIPE.replace(", rate: 15 mL", "") if wrong.startswith("minimum") else RECIPE
        with pytest.raises(InputError, match=said):
            bind(parse_recipe(text.replace(wrong, right), polish), polish)


def test_what_is_written_loads_as_the_same(polish: Plant) -> None:
    recipe = parse_recipe(RECIPE, polish)
    assert parse_recipe(write_recipe(recipe), polish) == recipe


def test_prediction_and_orbit_set_the_same(polish: Plant) -> None:
    """On the virtual skid with the prediction's truth both learn the same load, within noise and scans."""
    bound = bind(parse_recipe(RECIPE.replace("repeat: 4", "repeat: 2"), polish), polish)
    run = simulate(polish, bound)
    predicted = [item for item in run.events if item.category == "controller"]
    assert len(predicted) == 1
    engine = Engine(
        InMemoryBackend(open_skid(CASE, "akta1", 1, None, identical=True)),
        VirtualClock(),
        Policy.in_lock_step(1.0),
    )
    notes: list[doc.Note] = []

    class Notes:
        def offer(self, document: object) -> bool:
            if isinstance(document, doc.Note) and document.category == "controller":
                notes.append(document)
            return True

    engine.subscribe(Notes())
    engine.load(bound, "cycles", origin="virtual skid")
    engine.command("start", actor="test")
    assert engine.run().state is State.COMPLETE
    assert [note.source for note in notes] == ["controller output"]
    path = "cex.cycle.load.until"
    for event, note in zip(predicted, notes, strict=True):
        assert note.data[path] == pytest.approx(float(str(event.data[path])), rel=0.02)
    assert notes[0].data[path] != 20 * ML
