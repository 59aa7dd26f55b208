"""True counter-current capture: two skids on a column station against the bare columns of the engine."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.twin.columns import packed_bed
from minifactory.twin.counter_current import CounterCurrentCapture, Recovery
from minifactory.twin.engine import Tolerance, integrate
from minifactory.twin.online import plant_flowsheet
from minifactory.twin.simulate import simulate_plant

from .two_skids import opened

ELEMENTS = 3
TURN = 1200.0
LOAD, RECOVER = 0.5e-6 / 60.0, 1e-6 / 60.0
ELUTION = 240.0, 720.0
"""s of a turn between which the recovery elutes."""


def test_the_station_does_what_the_columns_of_the_engine_do() -> None:
    """Three turns of three columns. The engine's columns have no lines: those of the loading skid hold feed.

    What is left between them are two pieces of tubing of 20 uL at each column and the transfer line of
    0.1 mL: 0.04 mL of the 10 mL that a turn loads, and a later begin of what is eluted, all of it pooled.
    """
    plant, bounds = opened("station")
    skid = replace(plant.skids["load"], contents={"LineA": "feed", "Mixer": "feed"})
    filled = replace(plant, skids={**plant.skids, "load": skid})
    station = simulate_plant(filled, list(bounds.values()), elements=ELEMENTS, tolerance=1e-5)
    eluted = [p.amounts["product"] for p in station.runs["recover"].pools if p.vessel == "pool"]

    sheet = plant_flowsheet(plant, ("load",))
    row = dict(zip(sheet.routing.inlets, sheet.inlet_concentrations, strict=True))
    steps = (
        Recovery("wash", row["buffer"], RECOVER, ELUTION[0]),
        Recovery("elute", row["elution"], RECOVER, ELUTION[1] - ELUTION[0], pooled=True),
        Recovery("renew", row["buffer"], RECOVER, 420.0),
    )
    bed = packed_bed(plant.columns["C1"], sheet.species, plant.parameters, ELEMENTS)
    names = tuple(item.name for item in sheet.species)
    made = CounterCurrentCapture(names, bed, 3, row["feed"], LOAD, TURN, steps)
    sections = [part for turn in range(3) for part in made.sections(turn, turn * TURN)]
    edges = np.unique([at for turn in range(3) for at in (turn * TURN + np.array([*ELUTION, TURN]))])
    start = made.network.initial_state(row["buffer"])
    columns = ("C1", "C2", "C3")
    engine = integrate(made.network, start, sections, edges, columns, Tolerance(1e-5))
    product = names.index("product")
    passed = {
        (column, float(at)): engine.passed[place, port, product]
        for place, at in enumerate(edges)
        for port, column in enumerate(columns)
    }
    expected = [
        passed[(column, turn * TURN + ELUTION[1])] - passed[(column, turn * TURN + ELUTION[0])]
        for turn, column in ((1, "C1"), (2, "C2"))
    ]
    assert eluted[0] == pytest.approx(0.0, abs=1e-12)  # the third column came empty
    assert eluted[1:] == pytest.approx(expected, rel=1e-2)
    # The impurity is hardly bound: the same leaves; 0.1 mL of the 30 mL stay in the lines behind.
    impurity = names.index("impurity")
    given = math.fsum(p.amounts["impurity"] for p in station.runs["load"].pools)
    left = float(engine.balance.left[impurity])
    recovered = math.fsum(p.amounts["impurity"] for p in station.runs["recover"].pools)
    assert given + recovered == pytest.approx(left, rel=2e-2)
