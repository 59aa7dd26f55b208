"""The position in a recipe: fractions are asked for by volume, across phases, until they end."""

from __future__ import annotations

import pytest

from minifactory.plant.model import Plant
from minifactory.recipe import RecipeBuilder, Sample, bind, settings, watch
from minifactory.recipe.procedure import NEXT_TUBE, Procedure

ML = 1e-6


def tubes(procedure: Procedure, until: float, step: float = 1.0) -> tuple[list[float], str]:
    """Volumes (mL of the phase) at which tubes are full, and why the phase ended; flow 1 mL/s."""
    full = []
    while procedure.phase_volume < until * ML:
        procedure.phase_time += step
        procedure.phase_volume += step * ML
        volume = procedure.phase_volume
        sample = Sample(procedure.phase_time, procedure.phase_time, volume, procedure.phase_cv)
        found = procedure.evaluate(sample)
        if found is not None:
            full += [round(volume / ML, 6) for item in found.fired if item.name == NEXT_TUBE]
            if found.ended:
                return full, found.ended
    return full, ""


def test_every_full_tube_asks_for_the_next(plant: Plant) -> None:
    builder = RecipeBuilder("fractions", plant)
    start = settings(inlet_a="A11", flow="60 mL/min")
    run = builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run")
    begin = watch("after 10 mL", outlet="pool", fractions="15 mL")
    run.phase("first", until="60 mL", watch={"begin": begin})
    run.phase("second", until="60 mL", watch={"end": watch("after 30 mL", outlet="waste")})
    bound = bind(builder.build(), plant)
    (started,) = bound.phases[0].watches[0].action.instructions
    assert started.name == "FractionNext"
    procedure = Procedure(bound)
    procedure.begin(0, 0.0)
    full, ended = tubes(procedure, 100.0)
    assert (full, ended) == ([25.0, 40.0, 55.0], "60 mL")
    procedure.begin(1, 60.0)
    # 5 mL are in the tube already; the collection ends at 30 mL.
    full, ended = tubes(procedure, 100.0)
    assert (full, ended) == ([10.0, 25.0], "60 mL")


def test_no_fractions_no_tubes(plant: Plant) -> None:
    builder = RecipeBuilder("none", plant)
    start = settings(inlet_a="A11", flow="60 mL/min")
    run = builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run")
    run.phase("first", until="60 mL", outlet="pool").phase("second", outlet="waste", until="1 min")
    bound = bind(builder.build(), plant)
    procedure = Procedure(bound)
    procedure.begin(0, 0.0)
    assert tubes(procedure, 100.0) == ([], "60 mL")


def test_after_a_restart_the_tubes_go_on(plant: Plant) -> None:
    builder = RecipeBuilder("restart", plant)
    start = settings(inlet_a="A11", flow="60 mL/min")
    run = builder.unit_procedure("cex", "akta1", "C1", start=start).operation("run")
    run.phase("first", until="60 mL", watch={"begin": watch("after 10 mL", outlet="pool", fractions="15 mL")})
    procedure = Procedure(bind(builder.build(), plant))
    procedure.take_up(0, 0.0, 30.0, 30 * ML, frozenset({"begin"}))
    full, ended = tubes(procedure, 100.0)
    # Where the tube began is not known after a restart: the next one begins with it.
    assert full == [pytest.approx(45.0), pytest.approx(60.0)]
    assert ended == "60 mL"
