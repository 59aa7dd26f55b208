"""The active flow path: the way, its volumes, and every way in which there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minifactory.errors import InputError
from minifactory.plant.flowpath import fixed_loops, flow_path
from minifactory.plant.model import Device, DeviceKind, Plant, Port, Skid

POSITIONS = {
    "BufferValveA1": "A11",
    "PumpAInlet": "A1",
    "PumpBInlet": "B1",
    "InjectionValve": "Load",
    "FlowDirection": "Down",
    "ColumnPosition": "Position2",
    "OutletValve": "F2",
}
ML = 1e-6


@pytest.fixture
def skid(plant: Plant) -> Skid:
    return plant.skids["akta1"]


def test_the_path_leads_from_both_vessels_to_the_outlet(skid: Skid) -> None:
    path = flow_path(skid, POSITIONS)
    assert {pump: branch.vessel for pump, branch in path.branches.items()} == {
        "PumpA": "buffer_a",
        "PumpB": "buffer_b",
    }
    assert path.outlet == "pool"
    assert path.columns == ("C1",)
    order = ["MixerInlet", "Mixer", "InjectionValve", "C1TubingTop", "C1", "UV", "Cond", "pH", "OutletValve"]
    assert [name for name in path.devices if name in order] == order
    assert "Loop" not in path.devices


def test_inlet_valves_choose_the_vessel(skid: Skid) -> None:
    assert flow_path(skid, {**POSITIONS, "PumpAInlet": "A2"}).branches["PumpA"].vessel == "feed"
    assert flow_path(skid, {**POSITIONS, "BufferValveA1": "A14"}).branches["PumpA"].vessel == "caustic"


def test_the_buffer_line_is_only_in_the_way_of_the_buffers(skid: Skid) -> None:
    with_line = flow_path(skid, POSITIONS).branches["PumpA"].volume
    without = flow_path(skid, {**POSITIONS, "PumpAInlet": "A2"}).branches["PumpA"].volume
    valve = skid.devices["BufferValveA1"].volume
    assert with_line - without == pytest.approx(10 * ML + valve)


def test_the_delay_volume_is_the_sum_up_to_the_column(skid: Skid) -> None:
    path = flow_path(skid, POSITIONS)
    before = path.devices[: path.devices.index("C1")]
    assert path.delay_volume() == pytest.approx(sum(skid.devices[name].volume for name in before))
    assert path.delay_volume() == path.volume(end="C1")


def test_volumes_between_devices_add_up(skid: Skid) -> None:
    path = flow_path(skid, POSITIONS)
    whole = path.volume()
    parts = path.volume(end="UV") + skid.devices["UV"].volume + path.volume("UV")
    assert whole == pytest.approx(parts)
    with_column = path.volume(liquid={"C1": 40 * ML})
    assert with_column - whole == pytest.approx(40 * ML)


def test_without_a_column_the_delay_ends_at_the_detector(skid: Skid) -> None:
    path = flow_path(skid, {**POSITIONS, "ColumnPosition": "Position1"})
    assert path.columns == ()
    assert path.delay_volume() == path.volume(end="UV")


def test_the_loop_is_in_the_way_when_injecting(skid: Skid) -> None:
    devices = flow_path(skid, {**POSITIONS, "InjectionValve": "Inject"}).devices
    assert devices.index("Loop") < devices.index("C1")
    assert devices.count("InjectionValve") == 2


def test_upwards_the_column_is_entered_at_its_outlet(skid: Skid) -> None:
    down = flow_path(skid, POSITIONS)
    up = flow_path(skid, {**POSITIONS, "FlowDirection": "Up"})
    step = next(step for step in up.steps if step.device == "C1")
    assert (step.enters, step.leaves) == ("out", "in")
    assert up.devices.index("C1TubingBottom") < up.devices.index("C1TubingTop")
    assert up.volume() == pytest.approx(down.volume())


def test_one_pump_alone_needs_no_second_inlet(skid: Skid) -> None:
    positions = {**POSITIONS, "PumpBInlet": "B2"}
    path = flow_path(skid, positions, pumps=("PumpA",))
    assert set(path.branches) == {"PumpA"}
    with pytest.raises(InputError, match="B2, where nothing is connected"):
        flow_path(skid, positions)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ColumnPosition": "Position3"}, "dead-head: it delivers into ColumnPosition.3_top"),
        ({"OutletValve": "F8"}, "dead-head: it delivers into OutletValve.F8"),
        ({"PumpAInlet": "A5"}, "it draws from PumpAInlet.A5, where nothing is connected"),
        ({"InjectionValve": "Lod"}, 'has no position "Lod". Did you mean "Load"?'),
        ({"InjectionVale": "Load"}, 'no valve "InjectionVale". Did you mean "InjectionValve"?'),
    ],
)
def test_no_way_is_explained(skid: Skid, change: dict[str, str], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        flow_path(skid, {**POSITIONS, **change})
    assert expected in str(caught.value)


def test_a_valve_without_a_stated_position_is_closed(skid: Skid) -> None:
    positions = {name: position for name, position in POSITIONS.items() if name != "InjectionValve"}
    with pytest.raises(InputError, match=r"closed port InjectionValve\.pump"):
        flow_path(skid, positions)


def test_no_pump_is_a_finding(skid: Skid) -> None:
    with pytest.raises(InputError, match="no pump runs"):
        flow_path(skid, POSITIONS, pumps=())


def test_the_wrong_order_is_a_finding(skid: Skid) -> None:
    path = flow_path(skid, POSITIONS)
    with pytest.raises(InputError, match="is behind"):
        path.volume("UV", "Mixer")
    with pytest.raises(InputError, match="is not on the flow path"):
        path.volume("Loop")


def ring() -> Skid:
    """A pump that feeds a valve whose one position leads back into itself."""
    pump = Device("P", DeviceKind.PUMP, ("in", "out"))
    valve = Device(
        "V",
        DeviceKind.VALVE,
        ("in", "back", "again", "out"),
        positions={"Circle": (("in", "back"), ("again", "in")), "Out": (("in", "out"),)},
    )
    tube = Device("T", DeviceKind.TUBING, ("in", "out"), 1e-6)
    links = (
        (Port("bottle"), Port("P", "in")),
        (Port("P", "out"), Port("V", "in")),
        (Port("V", "back"), Port("T", "in")),
        (Port("T", "out"), Port("V", "again")),
        (Port("V", "out"), Port("sink")),
    )
    return Skid("s", "", {"P": pump, "V": valve, "T": tube}, links, 1e6)


def test_a_way_in_a_circle_ends_with_a_finding() -> None:
    assert flow_path(ring(), {"V": "Out"}).outlet == "sink"
    with pytest.raises(InputError, match=r"closed port P\.out|in a circle"):
        flow_path(ring(), {"V": "Circle"})


def test_loops_without_a_valve_are_found() -> None:
    tubes = {name: Device(name, DeviceKind.TUBING, ("in", "out")) for name in ("A", "B", "C")}
    links = tuple((Port(a, "out"), Port(b, "in")) for a, b in ("AB", "BC", "CA"))
    skid = Skid("s", "", tubes, links, 1e6)
    assert fixed_loops(skid) == ["A > B > C > A"]
    assert fixed_loops(replace(skid, connections=links[:2])) == []
