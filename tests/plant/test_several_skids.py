"""Two skids and a hold tank between them: one vessel receives from one skid and feeds the other."""

from __future__ import annotations

import pytest

from minifactory.errors import InputError
from minifactory.plant.document import Report, open_text
from minifactory.plant.flowpath import flow_path
from minifactory.plant.load import read_plant
from minifactory.plant.model import Plant

FACTORY = """
name: two steps
source: assumed
skids:
  capture: {system: AKTA pure 150}
  polish: {system: AKTA pure 25, without: [pH, LinepH]}
materials:
  buffer: {composition: {tris-HCl: 20 mM}}
vessels:
  buffer: {material: buffer, volume: 10 L, connected: [capture.InletA.A1, polish.InletA.A2, polish.InletB.B1]}
  hold: {capacity: 1 L, purpose: pool, connected: [capture.OutletValve.Out1, polish.InletA.A1]}
  drain: {capacity: 20 L, connected: [capture.OutletValve.Waste, polish.OutletValve.Waste]}
columns:
  C1: {hardware: HiTrap 5 mL, resin: MabSelect SuRe, skid: capture, position: Position1}
  C2: {hardware: HiTrap 5 mL, resin: MabSelect SuRe, skid: capture, position: Position2}
  C3: {hardware: HiScreen, resin: Capto Q ImpRes, skid: polish, position: Position5}
"""
CAPTURE = {
    "InletA": "A1",
    "InjectionValve": "ManualLoad",
    "ColumnPosition": "Position2",
    "OutletValve": "Out1",
}
POLISH = {
    "InletA": "A1",
    "InjectionValve": "ManualLoad",
    "ColumnPosition": "Position5",
    "OutletValve": "Waste",
}


def load(factory: str = FACTORY) -> Plant:
    report = Report()
    plant = read_plant(
        open_text(factory, "factory.yaml", report), open_text("version: 1", "parameters.yaml", report), report
    )
    report.raise_errors()
    return plant


def test_the_hold_tank_is_the_end_of_one_path_and_the_start_of_the_other() -> None:
    plant = load()
    first = flow_path(plant.skids["capture"], CAPTURE, ("PumpA",))
    second = flow_path(plant.skids["polish"], POLISH, ("PumpA",))
    assert (first.branches["PumpA"].vessel, first.outlet, first.columns) == ("buffer", "hold", ("C2",))
    assert (second.branches["PumpA"].vessel, second.outlet, second.columns) == ("hold", "drain", ("C3",))


def test_what_is_not_there_is_bridged() -> None:
    path = flow_path(load().skids["polish"], POLISH, ("PumpA",))
    assert "pH" not in path.devices
    assert path.devices.index("Restrictor") == path.devices.index("Cond") + 1


def test_several_columns_on_one_skid_keep_their_places() -> None:
    plant = load()
    for column, position in (("C1", "Position1"), ("C2", "Position2")):
        path = flow_path(plant.skids["capture"], {**CAPTURE, "ColumnPosition": position}, ("PumpA",))
        assert path.columns == (column,)
        assert plant.columns[column].positions == {"ColumnPosition": position}
    upwards = flow_path(plant.skids["capture"], {**CAPTURE, "ColumnPosition": "Position2Up"}, ("PumpA",))
    assert upwards.columns == ("C2",)


def test_one_place_holds_one_column() -> None:
    with pytest.raises(InputError, match="is taken by another column"):
        load(FACTORY.replace("position: Position2", "position: Position1"))


def test_every_drain_goes_to_the_waste_of_its_skid() -> None:
    plant = load()
    path = flow_path(plant.skids["capture"], {**CAPTURE, "InjectionValve": "SystemPumpWaste"}, ("PumpA",))
    assert path.outlet == "drain"


def test_a_column_without_a_valve_stands_between_its_two_lines() -> None:
    text = """
skids: {prime: {system: AKTAprime plus}}
materials: {water: {composition: {}}}
vessels:
  water: {material: water, volume: 1 L, connected: prime.BufferValve.A1}
  waste: {capacity: 1 L, connected: prime.OutletValve.Waste}
"""
    positions = {"BufferValve": "A1", "InjectionValve": "Load", "OutletValve": "Waste"}
    without = flow_path(load(text).skids["prime"], positions, ("PumpA",))
    assert without.columns == ()
    column = "columns: {C1: {hardware: HiTrap 1 mL, resin: Capto S, skid: prime, position: Column}}"
    assert flow_path(load(text + column).skids["prime"], positions, ("PumpA",)).columns == ("C1",)
