"""Whatever is sent, whenever: the equipment's own control keeps its promises."""

from __future__ import annotations

import contextlib
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.signals import InstructionRefused
from minifactory.twin.actuators import Actuators
from minifactory.twin.latency import DrawnLatency
from minifactory.twin.pumps import CURVED_PARTS, Segment
from tests.skid.plug_flow import ML_MIN, VALVES, parameters, skid, table

FULL = 100 * ML_MIN

writes = st.one_of(
    st.fixed_dictionaries({"System.Flow.SP": st.floats(0.0, FULL)}),
    st.fixed_dictionaries({"Gradient.PercentB.SP": st.floats(0.0, 100.0)}),
    st.fixed_dictionaries({"System.Flow.SP": st.just(0.0)}),
    st.fixed_dictionaries({"OutletValve.SP": st.integers(0, 7), "System.Flow.SP": st.floats(0.0, FULL)}),
    st.fixed_dictionaries({"PumpBInlet.SP": st.integers(0, 1), "Heartbeat.SP": st.integers(0, 99)}),
)
calls = st.one_of(
    st.tuples(
        st.just("Gradient"),
        st.fixed_dictionaries({"percent_b": st.floats(0.0, 100.0), "volume": st.floats(1e-9, 2e-4)}),
    ),
    st.tuples(st.just("PumpWash"), st.fixed_dictionaries({"pump": st.integers(0, 1)})),
    st.tuples(st.sampled_from(["AutoZero", "FractionNext", "Pause", "Continue", "ClearAlarm"]), st.just({})),
    st.just(("trip", {})),
)
scripts = st.lists(st.tuples(st.integers(1, 400), st.one_of(writes, calls)), min_size=1, max_size=12)


def play(
    script: list[tuple[int, object]], seed: int, step: int | None, begin: float = 0.0
) -> tuple[Actuators, list[Segment]]:
    """Send each command after its pause (in tenths of a second); advance in one go or every `step` tenths."""
    actuators = Actuators(table(), skid(), parameters(), DrawnLatency(seed), link_speed=1.0)
    actuators.advance(begin)
    segments: list[Segment] = []
    now = 0
    for number, (pause, command) in enumerate([*script, (1500, {})], start=1):
        for tenth in range(now, now + pause, step or pause):
            segments += actuators.advance(begin + min(tenth + (step or pause), now + pause) / 10.0)
        now += pause
        with contextlib.suppress(InstructionRefused):
            if isinstance(command, dict):
                actuators.write(command)
            elif command[0] == "trip":
                actuators.trip_pressure()
            else:
                actuators.call(command[0], command[1], number)
    return actuators, segments


begins = st.sampled_from([0.0, 1e6])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(scripts, st.integers(0, 2**32), begins)
def test_segments_are_gapless_flows_are_continuous_and_within_limits(
    script: list[tuple[int, object]], seed: int, begin: float
) -> None:
    actuators, segments = play(script, seed, None, begin)
    assert segments[0].start == begin
    for one, two in itertools.pairwise(segments):
        assert one.end == two.start
        # Pumps cannot jump; what is left is rounding of the ends of ramps.
        assert (two.a_start, two.b_start) == pytest.approx((one.a_end, one.b_end), abs=1e-8 * FULL)
    for item in segments:
        assert item.duration > 0.0
        for flow in (item.a_start, item.a_end, item.b_start, item.b_end):
            assert 0.0 <= flow <= FULL * (1.0 + 1e-9)
        assert item.wash_a == item.wash_b == 0.0 or item.a_start == item.b_start == 0.0
        assert all(
            0 <= position < len(VALVES[valve])
            for valve, position in zip(actuators.valves, item.positions, strict=True)
        )
    pumped = math.fsum(item.volume_a + item.volume_b for item in segments)
    assert pumped == pytest.approx(actuators.volume, rel=1e-8, abs=1e-15)
    assert len(segments) < 40 * (len(script) + 1) * CURVED_PARTS


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scripts, st.integers(0, 2**32), st.integers(1, 30), begins)
def test_the_pattern_of_advances_changes_nothing(
    script: list[tuple[int, object]], seed: int, step: int, begin: float
) -> None:
    coarse, _ = play(script, seed, None, begin)
    fine, _ = play(script, seed, step, begin)
    assert fine.snapshot() == coarse.snapshot()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(scripts, st.integers(0, 2**32), begins)
def test_what_was_accepted_completes(script: list[tuple[int, object]], seed: int, begin: float) -> None:
    actuators, _ = play(script, seed, None, begin)
    assert actuators.state.completed == actuators.state.accepted
    assert actuators.state.outstanding == ()
