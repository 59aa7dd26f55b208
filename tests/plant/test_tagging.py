"""The tag table: the names that controller, driver and virtual skid agree on."""

from __future__ import annotations

import pytest

from minifactory.plant.model import DeviceKind, Plant
from minifactory.plant.tagging import hardware_pressure, max_flow, tag_table, uv_channels
from minifactory.signals.tags import TagTable
from minifactory.units import factor

READ = """System.State System.ProcessTime System.Flow System.Volume PumpA.Flow PumpB.Flow Gradient.PercentB
Gradient.Running BufferValveA1.Position PumpAInlet.Position PumpBInlet.Position InjectionValve.Position
FlowDirection.Position ColumnPosition.Position OutletValve.Position UV1.Signal UV2.Signal UV3.Signal
UV1.Wavelength UV2.Wavelength UV3.Wavelength AveragingTime Cond.Signal Cond.Temperature pH.Signal
Pressure.System Pressure.Delta Pressure.Limit Air.PumpA Air.PumpB Fraction.Number PumpWash.Running
Instruction.Accepted Instruction.Completed Alarm.Pressure Heartbeat.Echo"""
SET = """System.Flow.SP Gradient.PercentB.SP BufferValveA1.SP PumpAInlet.SP PumpBInlet.SP InjectionValve.SP
FlowDirection.SP ColumnPosition.SP OutletValve.SP Pressure.Limit.SP UV1.Wavelength.SP UV2.Wavelength.SP
UV3.Wavelength.SP AveragingTime.SP Heartbeat.SP"""


@pytest.fixture
def table(plant: Plant) -> TagTable:
    return tag_table(plant.skids["akta1"])


def test_the_names_are_the_agreed_ones(table: TagTable) -> None:
    assert [tag.name for tag in table.readable] == READ.split()
    assert [tag.name for tag in table.writable] == SET.split()
    assert set(table.instructions) == {
        "Gradient",
        "AutoZero",
        "PumpWash",
        "FractionNext",
        "Pause",
        "Continue",
        "ClearAlarm",
    }


def test_every_setpoint_has_a_readback_of_the_same_kind(table: TagTable) -> None:
    for tag in table.writable:
        shown = table.tag(tag.readback)
        assert shown.kind == tag.kind
        assert shown.choices == tag.choices
        assert not shown.writable


def test_units_on_the_wire_measure_the_kind(table: TagTable) -> None:
    for tag in table.tags.values():
        assert tag.description
        if tag.unit:
            assert factor(tag.unit, tag.kind) > 0.0


def test_positions_are_those_of_the_valves(table: TagTable) -> None:
    assert table.tag("OutletValve.SP").choices == ("WasteF1", *(f"F{number}" for number in range(2, 9)))
    assert table.tag("InjectionValve.Position").choices == ("Load", "Inject", "Waste")
    assert table.tag("ColumnPosition.SP").index("Position2") == 1


def test_ranges_come_from_the_pumps(plant: Plant, table: TagTable) -> None:
    skid = plant.skids["akta1"]
    assert table.tag("System.Flow.SP").upper == pytest.approx(100e-6 / 60.0)
    assert max_flow(skid) == table.tag("System.Flow.SP").upper
    assert hardware_pressure(skid) == pytest.approx(10e6)
    assert table.tag("Pressure.Limit.SP").upper == pytest.approx(10e6), "the alarm limit may be raised again"


def test_every_wavelength_is_a_channel(plant: Plant) -> None:
    channels = uv_channels(plant.skids["akta1"])
    assert [name for name, _ in channels] == ["UV1", "UV2", "UV3"]
    assert {cell.kind for _, cell in channels} == {DeviceKind.UV_CELL}
