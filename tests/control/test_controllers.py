"""Every controller by the battery; each law by numbers from its source or worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from minifactory.control.battery import examine, require
from minifactory.control.controller import Decision, Measurement, Memory
from minifactory.control.identify import gain_matrix
from minifactory.control.loading import Loading
from minifactory.control.loop import Limits, Loop, state_of
from minifactory.control.plug_ins import controller, kinds
from minifactory.control.pooling import Pooling
from minifactory.control.retention import Retention
from minifactory.control.switching import Switching
from minifactory.errors import InputError
from minifactory.signals import Quality, Reading

ORDINARY = {
    "loading": ({"reference": 23.1}, {"load": 36e-6}, {"output": 23.1}),
    "retention": (
        {"gain": [[-2.0, 0.5], [0.1, 0.4]], "retention": 20.0, "width": 3.0},
        {"start": 10.0, "length": 20.0},
        {"retention": 20.0, "width": 3.0},
    ),
    "pooling": (
        {"start": 0.1, "end": 0.2, "reference": 0.98, "gain": [1.0, 1.0]},
        {"start": 0.2, "end": 0.4},
        {"height": 2.0, "quality": 0.98},
    ),
    "switching": ({"breakthrough": 0.1}, {"level": 0.3}, {"feed": 1.2, "baseline": 0.2}),
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_every_controller_passes_the_battery(kind: str) -> None:
    parameters, settings, values = ORDINARY[kind]
    assert len(require(controller(kind, parameters), settings, values)) == 7


def test_the_battery_covers_every_kind() -> None:
    assert set(kinds()) == set(ORDINARY)


@dataclass(frozen=True)
class Integrating:
    """A controller as it must not be: it integrates the error in its memory and mutates it."""

    kind: ClassVar[str] = "integrating"
    roles: ClassVar[tuple[str, ...]] = ("y",)
    may: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("u",)

    def begin(self) -> Memory:
        return {"sum": 0.0}

    def step(self, memory: Memory, measured: Measurement) -> Decision:
        total = memory["sum"] + 1.0 - measured.values["y"]
        return Decision({"sum": total}, {"u": 1.0 + total}, "integrated")


def test_the_battery_finds_a_wind_up() -> None:
    failed = [check.name for check in examine(Integrating(), {"u": 1.0}, {"y": 1.0}) if not check.held]
    assert failed == ["nothing winds up behind a bound"]
    with pytest.raises(InputError, match="after 10"):
        require(Integrating(), {"u": 1.0}, {"y": 1.0})


def test_loading_by_the_published_outputs() -> None:
    """Lofgren et al. 2021: 36 mL gave 18.0 mg for 23.1; the cycle with 43.1 mL gave 22.3 mg."""
    loop = Loop(Loading(reference=23.1, a=0.3))
    state = loop.begun(loop.begin({"load": 36.0}), 4)
    first = loop.step(state, 4, {"output": Reading(18.0, 0.0)})
    assert first.setting["load"] == pytest.approx(43.1, abs=0.05)
    again = loop.step(loop.begun(first.state, 6), 6, {"output": Reading(22.3, 0.0)})
    assert again.setting["load"] == pytest.approx(44.2, abs=0.05)


def test_loading_repeats_its_advice_over_a_dead_time() -> None:
    loop = Loop(Loading(reference=23.1, a=0.3))
    state = loop.begin({"load": 36.0})
    for cycle in (4, 5):
        state = loop.begun(state, cycle)
    first = loop.step(state, 4, {"output": Reading(18.0, 0.0)})
    second = loop.step(first.state, 5, {"output": Reading(18.0, 0.0)})
    assert second.setting == first.setting


def test_retention_is_decoupled() -> None:
    """On a plant whose gain is as stated, one step of a = 0 corrects both, and only what is off."""
    gain = np.array([[-2.0, 0.5], [0.1, 0.4]])
    found = gain_matrix(lambda s: gain @ s, (10.0, 20.0), (0.5, 0.5))
    np.testing.assert_allclose(found, gain, rtol=1e-9)
    law = Retention(gain=((-2.0, 0.5), (0.1, 0.4)), retention=20.0, width=3.0, a=0.0)
    s = np.array([10.0, 20.0])
    measured = Measurement(1, {"retention": 21.0, "width": 3.0}, {"start": 10.0, "length": 20.0})
    after = law.step(law.begin(), measured).setting
    moved = gain @ (np.array([after["start"], after["length"]]) - s)
    np.testing.assert_allclose(moved, [-1.0, 0.0], atol=1e-12)


def test_retention_feeds_a_measured_disturbance_forward() -> None:
    law = Retention(gain=((-2.0, 0.5), (0.1, 0.4)), retention=20.0, width=3.0, feed_forward=(4.0, 0.0), a=0.0)
    ordinary, settings = {"retention": 20.0, "width": 3.0}, {"start": 10.0, "length": 20.0}
    memory = law.step(law.begin(), Measurement(1, {**ordinary, "disturbance": 1.0}, settings)).memory
    after = law.step(memory, Measurement(2, {**ordinary, "disturbance": 1.5}, settings)).setting
    moved = np.array([[-2.0, 0.5], [0.1, 0.4]]) @ [after["start"] - 10.0, after["length"] - 20.0]
    np.testing.assert_allclose(moved, [-2.0, 0.0], atol=1e-12)


def test_a_gain_that_cannot_be_inverted_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be inverted"):
        Retention(gain=((1.0, 2.0), (2.0, 4.0)))


def test_cuts_follow_baseline_and_gain_of_the_detector() -> None:
    law, settings = Pooling(start=0.1, end=0.2), {"start": 0.2, "end": 0.4}
    drifted = law.step(law.begin(), Measurement(1, {"height": 0.3 + 1.5 * 2.0, "baseline": 0.3}, settings))
    assert drifted.setting == pytest.approx({"start": 0.3 + 0.3, "end": 0.3 + 0.6})


def test_a_bad_optional_value_is_left_out() -> None:
    loop = Loop(Pooling(start=0.1, end=0.2))
    state = loop.begun(loop.begin({"start": 0.2, "end": 0.4}), 1)
    readings = {"height": Reading(2.0, 0.0), "baseline": Reading(0.5, 0.0, Quality.BAD)}
    assert loop.step(state, 1, readings).setting == pytest.approx({"start": 0.2, "end": 0.4})


def test_switch_level_follows_feed_and_plateau() -> None:
    law = Switching(breakthrough=0.1)
    level = law.step({}, Measurement(1, {"feed": 1.7, "baseline": 0.7}, {"level": 0.3})).setting["level"]
    assert level == pytest.approx(0.8)
    kept = law.step({}, Measurement(1, {"feed": 0.7, "baseline": 0.7}, {"level": 0.3}))
    assert kept.setting == {"level": 0.3}


def test_a_rate_and_a_bound_are_named_in_the_note() -> None:
    loop = Loop(Loading(reference=20.0, a=0.0), {"load": Limits(10.0, 12.0, 1.0)})
    state = loop.begun(loop.begin({"load": 10.5}), 1)
    first = loop.step(state, 1, {"output": Reading(10.0, 0.0)})
    assert first.setting["load"] == 11.5
    assert "at its rate" in first.note
    second = loop.step(loop.begun(first.state, 2), 2, {"output": Reading(10.0, 0.0)})
    assert second.setting["load"] == 12.0
    assert "at its bound" in second.note


def test_a_record_that_is_none_and_parameters_that_are_none() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        state_of({"setting": 3})
    with pytest.raises(InputError, match="Did you mean"):
        controller("loadin", {})
    with pytest.raises(InputError, match="unknown parameter"):
        controller("loading", {"referense": 1.0})
    with pytest.raises(InputError, match="filter"):
        controller("loading", {"a": 1.0})
    with pytest.raises(InputError, match='"gain" is missing'):
        controller("retention", {})
