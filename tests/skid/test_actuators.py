"""Pumps, valves, programmes and alarms of the equipment's own control, without any process behind them."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable

import pytest

from minifactory.plant.parameters import ParameterSet
from minifactory.signals import InstructionRefused
from minifactory.twin.actuators import STOP_TIME, Actuators
from minifactory.twin.latency import DrawnLatency
from minifactory.twin.pumps import CURVED_PARTS, Segment
from tests.skid.plug_flow import ML_MIN, parameters, skid, table

NOMINAL = 0.6
FULL = 100 * ML_MIN
RATE = FULL / 2.0
NONE = ParameterSet({})


def rig(seed: int | None = None, link_speed: float | None = None, **values: float) -> Actuators:
    latency = None if seed is None else DrawnLatency(seed)
    return Actuators(table(), skid(), parameters(**values), latency, link_speed)


def volumes(segments: Iterable[Segment]) -> tuple[float, float]:
    listed = list(segments)
    return sum(item.volume_a for item in listed), sum(item.volume_b for item in listed)


def position(actuators: Actuators, valve: str) -> float:
    return actuators.signals()[f"{valve}.Position"]


def test_segments_have_no_gaps_and_break_at_ramp_ends() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 10 * ML_MIN})
    segments = actuators.advance(5.0)
    assert segments[0].start == 0.0
    assert segments[-1].end == 5.0
    assert all(one.end == two.start for one, two in itertools.pairwise(segments))
    assert [item.end for item in segments] == pytest.approx([NOMINAL, NOMINAL + 10 * ML_MIN / RATE, 5.0])
    assert (segments[1].a_start, segments[1].a_end) == pytest.approx((0.0, 10 * ML_MIN))


def test_ramps_integrate_to_the_commanded_volume() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": FULL, "Gradient.PercentB.SP": 30.0})
    a, b = volumes(actuators.advance(100.0))
    # At 30 %B pump A has the longer way; both arrive together, so the mean of the ramp is half the flow.
    ramp = 0.7 * FULL / RATE
    commanded = FULL * (100.0 - NOMINAL - 0.5 * ramp)
    assert a + b == pytest.approx(commanded, rel=1e-12)
    assert b == pytest.approx(0.3 * commanded, rel=1e-12)
    assert actuators.volume == pytest.approx(commanded, rel=1e-12)


def test_pump_gain_changes_what_is_delivered_but_not_what_is_shown() -> None:
    actuators = rig(PumpA__gain=1.02, PumpB__gain=0.99)
    actuators.write({"System.Flow.SP": 10 * ML_MIN, "Gradient.PercentB.SP": 50.0})
    last = actuators.advance(10.0)[-1]
    assert (last.a_end, last.b_end) == pytest.approx((5.1 * ML_MIN, 4.95 * ML_MIN))
    assert actuators.signals()["System.Flow"] == pytest.approx(10 * ML_MIN)


def test_gradient_is_exact_in_pumped_volume() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 6 * ML_MIN, "Gradient.PercentB.SP": 10.0})
    actuators.advance(10.0)
    actuators.call("Gradient", {"percent_b": 70.0, "volume": 12e-6}, 1)
    actuators.advance(10.0 + NOMINAL)
    begin = actuators.volume
    segments = actuators.advance(10.0 + NOMINAL + 60.0)
    assert actuators.volume - begin == pytest.approx(6e-6, rel=1e-12)
    assert actuators.signals()["Gradient.PercentB"] == pytest.approx(40.0, rel=1e-12)
    assert volumes(segments)[1] == pytest.approx(6e-6 * 0.25, rel=1e-12)
    segments += actuators.advance(200.0)
    assert actuators.signals()["Gradient.PercentB"] == 70.0
    assert actuators.signals()["Gradient.Running"] == 0.0
    ends = [item.end for item in segments if abs(item.end - (10.0 + NOMINAL + 120.0)) < 1e-9]
    assert len(ends) == 1, "the end of the gradient is a breakpoint"


def test_gradient_stays_exact_in_volume_when_the_flow_changes_and_stops_on_the_way() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 30 * ML_MIN})
    actuators.advance(5.0)
    actuators.call("Gradient", {"percent_b": 100.0, "volume": 40e-6}, 1)
    actuators.advance(5.0 + NOMINAL)
    begin = actuators.volume
    segments = actuators.advance(10.0)
    actuators.write({"System.Flow.SP": 90 * ML_MIN})
    segments += actuators.advance(12.0)
    actuators.call("Pause", {}, 2)
    segments += actuators.advance(20.0)
    assert actuators.signals()["System.Flow"] == 0.0
    standing = actuators.signals()["Gradient.PercentB"]
    assert standing == pytest.approx(100.0 * (actuators.volume - begin) / 40e-6, rel=1e-12)
    segments += actuators.advance(60.0)
    assert actuators.signals()["Gradient.PercentB"] == standing
    assert actuators.signals()["Gradient.Running"] == 1.0
    actuators.call("Continue", {}, 3)
    segments += actuators.advance(120.0)
    a, b = volumes(segments)
    beyond = actuators.volume - begin - 40e-6
    assert a + b == pytest.approx(actuators.volume - begin, rel=1e-12)
    # Pump B's flow is cubic in time on the two ramps; eight chords leave less than 1/64 of their curvature.
    assert b == pytest.approx(20e-6 + beyond, rel=2e-4)


def test_the_target_reasserted_does_not_touch_a_gradient_and_any_other_composition_cancels_it() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 6 * ML_MIN})
    actuators.advance(5.0)
    actuators.call("Gradient", {"percent_b": 100.0, "volume": 12e-6}, 1)
    actuators.advance(60.0)
    assert actuators.state.registers["Gradient.PercentB.SP"] == 100.0
    actuators.write({"Gradient.PercentB.SP": 100.0})
    actuators.advance(65.0)
    assert actuators.signals()["Gradient.Running"] == 1.0
    actuators.write({"Gradient.PercentB.SP": 20.0})
    actuators.advance(70.0)
    assert actuators.signals()["Gradient.Running"] == 0.0
    assert actuators.signals()["Gradient.PercentB"] == pytest.approx(20.0)


def test_a_step_back_to_where_a_gradient_began_is_a_change() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 6 * ML_MIN})
    actuators.call("Gradient", {"percent_b": 100.0, "volume": 12e-6}, 1)
    actuators.advance(60.0)
    actuators.write({"Gradient.PercentB.SP": 0.0})
    actuators.advance(70.0)
    assert actuators.signals()["Gradient.PercentB"] == 0.0


def test_after_a_gradient_its_end_is_the_set_point_in_force() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 60 * ML_MIN})
    actuators.call("Gradient", {"percent_b": 50.0, "volume": 5e-6}, 1)
    actuators.advance(30.0)
    assert actuators.state.registers["Gradient.PercentB.SP"] == 50.0
    actuators.write({"Gradient.PercentB.SP": 0.0})
    actuators.advance(40.0)
    assert actuators.signals()["Gradient.PercentB"] == 0.0


def test_a_gradient_sent_with_a_step_begins_where_the_step_ends() -> None:
    actuators = rig(seed=5)
    actuators.write({"System.Flow.SP": 60 * ML_MIN, "Gradient.PercentB.SP": 20.0})
    actuators.call("Gradient", {"percent_b": 80.0, "volume": 30e-6}, 1)
    actuators.advance(10.0)
    gradient = actuators.state.gradient
    assert gradient is not None
    assert gradient.start == pytest.approx(0.2, rel=1e-12)


def test_pump_wash_takes_86_s_without_flow_to_the_column() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 20 * ML_MIN})
    actuators.advance(10.0)
    actuators.write({"PumpBInlet.SP": 1.0})
    actuators.call("PumpWash", {"pump": 1.0}, 1)
    assert actuators.signals()["PumpWash.Running"] == 1.0
    segments = actuators.advance(10.0 + NOMINAL + 86.0)
    assert actuators.signals()["PumpWash.Running"] == 0.0
    washing = [item for item in segments if item.wash_b > 0.0]
    assert all(item.wash_a == 0.0 and item.a_start == item.a_end == 0.0 for item in washing)
    stop = 20 * ML_MIN / RATE
    assert sum(item.duration for item in washing) == pytest.approx(86.0 - stop, rel=1e-12)
    assert {actuators.named_positions(item.positions)["PumpBInlet"] for item in washing} == {"B2"}
    actuators.advance(120.0)
    assert actuators.flow == pytest.approx(20 * ML_MIN)


def test_latencies_are_in_range_reproducible_and_those_of_the_seed() -> None:
    def switching_times(seed: int) -> list[float]:
        actuators = rig(seed)
        times = []
        for at in range(200):
            begin = 2.0 * at
            actuators.write({"OutletValve.SP": float(at % 2 + 1)})
            times += [item.end - begin for item in actuators.advance(begin + 2.0)[:1]]
        return times

    times = switching_times(1)
    assert all(0.2 <= time <= 1.0 for time in times)
    assert sum(times) / len(times) == pytest.approx(0.6, abs=4.0 * 0.8 / 12**0.5 / 200**0.5)
    assert times == switching_times(1)
    assert times != switching_times(2)


def test_actions_of_one_channel_keep_their_order() -> None:
    for seed in range(50):
        actuators = rig(seed)
        actuators.write({"OutletValve.SP": 3.0})
        actuators.advance(0.05)
        actuators.write({"OutletValve.SP": 1.0})
        actuators.advance(3.0)
        assert position(actuators, "OutletValve") == 1.0


def test_more_flow_waits_for_the_valves_sent_with_it() -> None:
    for seed in range(50):
        actuators = rig(seed)
        actuators.write({"System.Flow.SP": 10 * ML_MIN, "OutletValve.SP": 2.0})
        for item in actuators.advance(3.0):
            if item.a_end > 0.0:
                assert actuators.named_positions(item.positions)["OutletValve"] == "F3"


def test_state_follows_what_happens() -> None:
    actuators = rig()
    states = table().tag("System.State").choices

    def state() -> str:
        return states[int(actuators.signals()["System.State"])]

    assert state() == "Ready"
    actuators.write({"System.Flow.SP": 10 * ML_MIN})
    actuators.advance(5.0)
    assert state() == "Running"
    actuators.call("Pause", {}, 1)
    actuators.advance(10.0)
    assert state() == "Paused"
    actuators.call("Continue", {}, 2)
    actuators.advance(15.0)
    assert state() == "Running"
    actuators.trip_pressure()
    assert state() == "Alarm"
    actuators.call("ClearAlarm", {}, 3)
    actuators.advance(20.0)
    assert state() == "Ready"


def test_pressure_trip_stops_the_pumps_at_once_and_until_cleared() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": FULL})
    actuators.advance(10.0)
    actuators.call("Gradient", {"percent_b": 100.0, "volume": 1e-3}, 1)
    actuators.advance(20.0)
    before = actuators.volume
    actuators.trip_pressure()
    actuators.advance(30.0)
    # From full speed, at a linear stop, half of speed times stopping time still goes through.
    assert actuators.volume - before == pytest.approx(0.5 * FULL * STOP_TIME, rel=0.1)
    assert actuators.signals()["Alarm.Pressure"] == 1.0
    assert actuators.signals()["Gradient.Running"] == 0.0
    with pytest.raises(InstructionRefused, match="ClearAlarm"):
        actuators.write({"System.Flow.SP": FULL})
    with pytest.raises(InstructionRefused, match="ClearAlarm"):
        actuators.call("Gradient", {"percent_b": 10.0, "volume": 1e-5}, 2)
    actuators.write({"System.Flow.SP": 0.0, "OutletValve.SP": 0.0})
    actuators.call("ClearAlarm", {}, 2)
    actuators.advance(35.0)
    assert actuators.flow == 0.0
    actuators.write({"System.Flow.SP": 10 * ML_MIN})
    actuators.advance(40.0)
    assert actuators.flow == pytest.approx(10 * ML_MIN)


def test_a_heartbeat_that_stands_still_leads_to_the_safe_state() -> None:
    actuators = rig(link_speed=20.0, Heartbeat__timeout=3.0)
    actuators.write({"System.Flow.SP": 10 * ML_MIN})
    actuators.advance(500.0)
    assert actuators.flow > 0.0, "disabled while the heartbeat is 0"
    for beat in range(1, 5):
        actuators.write({"Heartbeat.SP": float(beat)})
        actuators.advance(500.0 + 50.0 * beat)
    assert actuators.flow > 0.0
    segments = actuators.advance(1000.0)
    assert segments[0].end == 650.0 + 3.0 * 20.0, "the time of the trip is a breakpoint"
    assert actuators.alarm == "in the safe state"
    assert actuators.flow == 0.0


def test_lock_step_suspends_the_heartbeat() -> None:
    actuators = rig(link_speed=None)
    actuators.write({"System.Flow.SP": 10 * ML_MIN, "Heartbeat.SP": 1.0})
    actuators.advance(1e5)
    assert actuators.flow > 0.0


def test_numbers_accepted_before_are_ignored_and_completed_follows_accepted() -> None:
    actuators = rig()
    actuators.call("FractionNext", {}, 7)
    assert actuators.signals()["Instruction.Accepted"] == 7.0
    assert actuators.signals()["Instruction.Completed"] == 0.0
    actuators.call("FractionNext", {}, 7)
    actuators.call("FractionNext", {}, 3)
    actuators.advance(5.0)
    assert actuators.signals()["Fraction.Number"] == 1.0
    assert actuators.signals()["Instruction.Completed"] == 7.0


def test_completed_never_runs_ahead_of_an_earlier_instruction() -> None:
    for seed in range(50):
        actuators = rig(seed)
        actuators.call("FractionNext", {}, 1)
        actuators.call("AutoZero", {}, 2)
        time = 0.0
        while actuators.state.completed < 2:
            time += 0.05
            actuators.advance(time)
            if actuators.state.completed >= 1:
                assert actuators.state.fraction == 1
        assert actuators.state.autozeros == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"System.Flow.SP": 101 * ML_MIN}, "101 mL/min is out of range; expected 0 mL/min to 100 mL/min"),
        ({"System.Flow.SP": -1e-9}, "out of range"),
        ({"System.Flow.SP": float("nan")}, "not a finite number"),
        ({"OutletValve.SP": 8.0}, "no position 8; expected 0 WasteF1, 1 F2"),
        ({"OutletValve.SP": 0.5}, "no position 0.5"),
        ({"OutletValv.SP": 1.0}, 'Did you mean "OutletValve.SP"'),
        ({"System.Flow": 0.0}, "read-only"),
    ],
)
def test_set_points_are_refused_with_reasons_and_nothing_is_taken_over(
    values: dict[str, float], reason: str
) -> None:
    actuators = rig()
    with pytest.raises(InstructionRefused) as refusal:
        actuators.write({"BufferValveA1.SP": 2.0, **values})
    assert reason in str(refusal.value)
    actuators.advance(5.0)
    assert position(actuators, "BufferValveA1") == 0.0


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("Gradiant", {}, 'Did you mean "Gradient"?'),
        ("Gradient", {"percent_b": 10.0}, 'argument "volume" is missing'),
        ("Gradient", {"percent_b": 10.0, "volume": 1e-6, "speed": 1.0}, 'no argument "speed"'),
        ("Gradient", {"percent_b": 110.0, "volume": 1e-6}, "0 to 100 %B"),
        ("Gradient", {"percent_b": 10.0, "volume": 0.0}, "more than 0 mL"),
        ("Gradient", {"percent_b": float("inf"), "volume": 1e-6}, "not a finite number"),
        ("PumpWash", {"pump": 2.0}, "no pump 2"),
    ],
)
def test_instructions_are_refused_with_reasons(name: str, arguments: dict[str, float], reason: str) -> None:
    actuators = rig()
    with pytest.raises(InstructionRefused) as refusal:
        actuators.call(name, arguments, 1)
    assert reason in str(refusal.value)
    assert actuators.signals()["Instruction.Accepted"] == 0.0


def test_programmes_are_refused_while_paused_or_washing() -> None:
    actuators = rig()
    actuators.call("Pause", {}, 1)
    with pytest.raises(InstructionRefused, match="while paused"):
        actuators.call("Gradient", {"percent_b": 10.0, "volume": 1e-6}, 2)
    actuators.call("Continue", {}, 2)
    actuators.call("PumpWash", {"pump": 0.0}, 3)
    with pytest.raises(InstructionRefused, match="during a pump wash"):
        actuators.call("PumpWash", {"pump": 1.0}, 4)


def busy(actuators: Actuators, times: Iterable[float]) -> list[Segment]:
    """Go through `times`, with the same commands at 0, 40 and 80 s."""
    segments: list[Segment] = []
    for time in times:
        if actuators.time == 0.0:
            actuators.write(
                {"System.Flow.SP": 30 * ML_MIN, "Gradient.PercentB.SP": 5.0, "OutletValve.SP": 2.0}
            )
            actuators.call("Gradient", {"percent_b": 95.0, "volume": 30e-6}, 1)
        elif actuators.time == 40.0:
            actuators.write({"System.Flow.SP": 75 * ML_MIN, "InjectionValve.SP": 1.0})
        elif actuators.time == 80.0:
            actuators.call("PumpWash", {"pump": 0.0}, 2)
            actuators.call("AutoZero", {}, 3)
        segments += actuators.advance(time)
    return segments


def test_the_pattern_of_calls_changes_nothing() -> None:
    coarse, fine = rig(seed=3), rig(seed=3)
    few = busy(coarse, [40.0, 80.0, 240.0])
    many = busy(fine, [0.1 * at if at % 400 else float(at // 10) for at in range(1, 2401)])
    assert coarse.snapshot() == fine.snapshot()
    assert coarse.signals() == fine.signals()
    assert volumes(few) == pytest.approx(volumes(many), rel=1e-4)  # chords of the ramp in the gradient
    assert sum(volumes(few)) == pytest.approx(sum(volumes(many)), rel=1e-12)


def test_restore_returns_to_the_snapshot() -> None:
    actuators = rig(seed=4)
    busy(actuators, [40.0, 50.0])
    saved = actuators.snapshot()
    once = (actuators.advance(200.0), actuators.signals())
    actuators.restore(saved)
    assert (actuators.advance(200.0), actuators.signals()) == once
    actuators.restore(saved)
    assert actuators.time == 50.0


def test_actuators_can_be_pickled() -> None:
    actuators = rig(seed=4)
    busy(actuators, [40.0, 50.0])
    copied = pickle.loads(pickle.dumps(actuators))
    assert copied.advance(200.0) == actuators.advance(200.0)


def test_chords_of_a_ramp_within_a_gradient_are_as_fine_as_they_promise() -> None:
    actuators = rig()
    actuators.write({"System.Flow.SP": 20 * ML_MIN})
    actuators.advance(5.0)
    actuators.call("Gradient", {"percent_b": 100.0, "volume": 10e-6}, 1)
    actuators.advance(8.0)
    actuators.write({"System.Flow.SP": 80 * ML_MIN})
    actuators.advance(8.0 + NOMINAL)
    leg = actuators.state.leg
    start = actuators.signals()
    duration = leg.end - leg.start
    _, b = volumes(actuators.advance(leg.end))
    end = actuators.signals()
    pumped = end["System.Volume"] - start["System.Volume"]
    exact = pumped * 0.5 * (end["Gradient.PercentB"] + start["Gradient.PercentB"]) / 100.0
    # B = c(V) Q has B'' = 3 k Q s with k = dc/dV, s = dQ/dt; n chords leave T^3 max|B''| / (12 n^2).
    steepest = 3.0 / 10e-6 * 80 * ML_MIN * leg.slope
    assert abs(b - exact) <= duration**3 * steepest / (12.0 * CURVED_PARTS**2)


@pytest.mark.parametrize("begin", [0.0, 1e6, 3e8])
@pytest.mark.parametrize("volume", [1e-18, 1e-12, 1e-5])
def test_tiny_gradients_and_long_campaigns_come_to_an_end(begin: float, volume: float) -> None:
    actuators = rig()
    actuators.advance(begin)
    actuators.write({"System.Flow.SP": 1e-3 * ML_MIN})
    actuators.call("Gradient", {"percent_b": 50.0, "volume": volume}, 1)
    actuators.advance(begin + 2.0)
    actuators.write({"System.Flow.SP": FULL})
    actuators.advance(begin + 2.5 + NOMINAL)
    actuators.write({"System.Flow.SP": FULL * (1.0 - 1e-9)})
    actuators.advance(begin + 20.0)
    assert actuators.signals()["Gradient.Running"] == 0.0
    assert actuators.signals()["Gradient.PercentB"] == pytest.approx(50.0)
    assert actuators.flow == pytest.approx(FULL, rel=1e-8)


def test_a_pause_ends_a_pump_wash() -> None:
    actuators = rig()
    actuators.call("PumpWash", {"pump": 0.0}, 1)
    actuators.advance(20.0)
    actuators.call("Pause", {}, 2)
    actuators.advance(20.0 + NOMINAL)
    assert actuators.signals()["PumpWash.Running"] == 0.0
    assert all(item.wash_a == 0.0 for item in actuators.advance(200.0))
