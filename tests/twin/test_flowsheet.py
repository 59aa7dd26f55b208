"""The generated network of the case: units, initial filling, and flows at its valve positions."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.app.case import Case
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.online import skid_flowsheet


@pytest.fixture(scope="module")
def sheet(case: Case) -> Flowsheet:
    return skid_flowsheet(case.plant, case.bound.skid)


def stand(sheet: Flowsheet, **chosen: str) -> tuple[int, ...]:
    return tuple(
        sheet.positions[valve].index(chosen[valve]) if valve in chosen else 0 for valve in sheet.valves
    )


def test_the_filling_is_what_the_description_says(case: Case, sheet: Flowsheet) -> None:
    """Liquid of storage everywhere: 0.1 M sodium hydroxide."""
    filled = case.plant.materials[case.skid.filled_with or ""].composition
    state = sheet.initial_state()
    sodium = [item.name for item in sheet.species].index("sodium")
    held = sheet.network.layout.liquid(state, 0)[..., sodium]
    assert np.allclose(held, filled["sodium"])


def test_every_vessel_that_is_connected_as_a_source_can_be_drawn_from(sheet: Flowsheet) -> None:
    for position in sheet.positions["BufferValveA1"][:5]:
        flows = sheet.flow_map(stand(sheet, BufferValveA1=position))
        assert sum(flow[0] for flow in flows.drawn.values()) == 1.0


def test_the_column_is_in_the_path_only_at_its_position(sheet: Flowsheet) -> None:
    through = {
        position: bool(sheet.flow_map(stand(sheet, ColumnPosition=position)).columns)
        for position in ("Position1", "Position2")
    }
    assert through == {"Position1": False, "Position2": True}


def test_the_outlet_valve_decides_who_receives(sheet: Flowsheet) -> None:
    receivers = {
        position: {vessel for _, vessel, _ in sheet.flow_map(stand(sheet, OutletValve=position)).received}
        for position in ("WasteF1", "F2", "F3", "F4", "F5")
    }
    assert receivers == {
        "WasteF1": {"waste"},
        "F2": {"pool"},
        "F3": {"flow_through_1"},
        "F4": {"flow_through_2"},
        "F5": {"wash_fraction"},
    }


def test_tubing_grows_with_the_true_volume_factor(case: Case, sheet: Flowsheet) -> None:
    truth = case.plant.parameters.truth(1)
    other = skid_flowsheet(case.plant, case.bound.skid, truth)
    name = "BufferLineA1"
    assert other.network.unit(name).volume == pytest.approx(
        sheet.network.unit(name).volume * truth["akta1.volume_factor"]
    )
