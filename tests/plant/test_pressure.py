"""The pressure estimate against the closed forms, and its use on the example."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from minifactory.plant.flowpath import flow_path
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.pressure import bed_pressure, pressure_estimate

POSITIONS = {
    "BufferValveA1": "A11",
    "PumpAInlet": "A1",
    "PumpBInlet": "B1",
    "InjectionValve": "Load",
    "FlowDirection": "Down",
    "ColumnPosition": "Position2",
    "OutletValve": "F2",
}
FLOW = 7.98e-6 / 60.0


def test_a_bed_after_kozeny_and_carman(plant: Plant) -> None:
    column = plant.columns["C1"]
    # by hand: eps = 0.33, dp = 90 um, L = 0.25 m, u = 7.98 mL/min / 2.011 cm2 = 6.615e-4 m/s
    velocity = FLOW / (math.pi / 4 * 0.016**2)
    expected = 180 * 1e-3 * velocity * 0.67**2 / 0.33**3 / (90e-6) ** 2 * 0.25
    assert bed_pressure(column, plant.parameters, FLOW) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.0459e6, rel=1e-2)


def test_the_bed_is_linear_in_flow_viscosity_and_height(plant: Plant) -> None:
    column, parameters = plant.columns["C1"], plant.parameters
    once = bed_pressure(column, parameters, FLOW)
    assert bed_pressure(column, parameters, 2 * FLOW) == pytest.approx(2 * once)
    assert bed_pressure(column, parameters, FLOW, 3e-3) == pytest.approx(3 * once)
    assert bed_pressure(replace(column, bed_height=0.5), parameters, FLOW) == pytest.approx(2 * once)
    assert bed_pressure(column, ParameterSet({}), FLOW) > 0.0


def test_tubing_after_hagen_and_poiseuille(plant: Plant) -> None:
    path = flow_path(plant.skids["akta1"], POSITIONS)
    parts = pressure_estimate(path, plant.columns, plant.parameters, FLOW).parts
    expected = 128 * 1e-3 * 1.0 * FLOW / (math.pi * 0.75e-3**4)
    assert parts["LineFraction"] == pytest.approx(expected, rel=1e-12)


def test_the_parts_make_the_whole(plant: Plant) -> None:
    path = flow_path(plant.skids["akta1"], POSITIONS)
    estimate = pressure_estimate(path, plant.columns, plant.parameters, FLOW)
    assert estimate.system == pytest.approx(sum(estimate.parts.values()))
    behind = path.devices[path.devices.index("C1") :]
    assert estimate.column["C1"] == pytest.approx(sum(estimate.parts.get(name, 0.0) for name in behind))
    assert estimate.parts["Restrictor"] == pytest.approx(0.2e6)


def test_the_real_run_stayed_below_its_alarm(plant: Plant) -> None:
    # the run of the example went at up to 7.98 mL/min with the alarm at 0.5 MPa and had no pressure alarm
    path = flow_path(plant.skids["akta1"], POSITIONS)
    assert pressure_estimate(path, plant.columns, plant.parameters, FLOW).system < 0.5e6


def test_the_gain_of_a_restrictor_counts(plant: Plant) -> None:
    path = flow_path(plant.skids["akta1"], POSITIONS)
    parameters = plant.parameters.with_values({"akta1.Restrictor.gain": 1.5})
    parts = pressure_estimate(path, plant.columns, parameters, FLOW).parts
    assert parts["Restrictor"] == pytest.approx(0.3e6)


def test_nothing_flows_without_pressure(plant: Plant) -> None:
    path = flow_path(plant.skids["akta1"], POSITIONS)
    assert pressure_estimate(path, plant.columns, plant.parameters, 0.0).system == 0.0
