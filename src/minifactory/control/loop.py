"""A controller in its loop: which measurement may act, how far and how fast a setting may move, what is kept.

A value that is missing, not a number, not good, stale, or of a cycle that was used already changes nothing. A
controller is given the settings that a cycle was really made with, so what bounds and rates have cut off
cannot wind up. A setting moves at most by its rate per step and never leaves its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from minifactory.control.controller import Controller, Measurement, Memory
from minifactory.errors import Finding, InputError
from minifactory.signals import Quality, Reading

KEPT = 64
"""Cycles whose settings are remembered; measurements of older ones are refused."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a setting and the most that it moves in one step, SI."""

    low: float = -math.inf
    high: float = math.inf
    rate: float = math.inf


@dataclass(frozen=True)
class LoopState:
    """All that a loop remembers; JSON by :meth:`record`.

    Attributes
    ----------
    setting : Mapping of str to float
        In force from the next cycle on.
    made_with : Mapping of int to Mapping
        Settings with which the cycles so far were made.
    used : tuple of int
        Cycles whose measurements have acted.
    memory : Memory
        The controller's own.
    """

    setting: Mapping[str, float]
    made_with: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    used: tuple[int, ...] = ()
    memory: Memory = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "setting": dict(self.setting),
            "made_with": {str(cycle): dict(item) for cycle, item in self.made_with.items()},
            "used": list(self.used),
            "memory": dict(self.memory),
        }


def state_of(record: Mapping[str, Any]) -> LoopState:
    """The state in a record.

    Raises
    ------
    InputError
        A record that is none.
    """
    try:
        made = {int(cycle): dict(item) for cycle, item in record["made_with"].items()}
        used = tuple(int(item) for item in record["used"])
        return LoopState(dict(record["setting"]), made, used, dict(record["memory"]))
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise InputError(
            Finding("controller", f"a record that cannot be read ({type(fault).__name__}: {fault})")
        ) from fault


@dataclass(frozen=True)
class Outcome:
    """What a step led to: `acted` is False when the measurement was refused and everything stayed."""

    state: LoopState
    setting: Mapping[str, float]
    note: str
    acted: bool


@dataclass(frozen=True)
class Loop:
    """A controller with its limits.

    Parameters
    ----------
    controller : Controller
    limits : Mapping of str to Limits
        Of what it sets, as far as there are some.
    oldest : float
        s; an older measurement is stale.
    """

    controller: Controller
    limits: Mapping[str, Limits] = field(default_factory=dict)
    oldest: float = math.inf

    def begin(self, setting: Mapping[str, float]) -> LoopState:
        """The state before the first cycle, with the settings that the recipe states."""
        return LoopState(dict(setting), memory=self.controller.begin())

    def begun(self, state: LoopState, cycle: int) -> LoopState:
        """`cycle` has begun with the setting in force."""
        made = {**state.made_with, cycle: dict(state.setting)}
        newest = sorted(made)[-KEPT:]
        return replace(state, made_with={item: made[item] for item in newest})

    def step(
        self, state: LoopState, cycle: int, readings: Mapping[str, Reading], now: float | None = None
    ) -> Outcome:
        """What follows from the `readings` of `cycle`; `now` (s) is the time by which their age is judged."""
        refused = self._refusal(state, cycle, readings, now)
        if refused:
            return Outcome(state, state.setting, f"cycle {cycle}: nothing changed, {refused}", False)
        values = {name: item.value for name, item in readings.items() if item.good}
        measured = Measurement(cycle, values, state.made_with[cycle])
        decision = self.controller.step(state.memory, measured)
        bad = [name for name, value in decision.setting.items() if not math.isfinite(value)]
        if bad:
            text = f"cycle {cycle}: nothing changed, the law gives no number for {', '.join(bad)}"
            return Outcome(state, state.setting, text, False)
        setting, cut = dict(state.setting), []
        for name, wanted in decision.setting.items():
            limits, before = self.limits.get(name, Limits()), setting[name]
            slow = min(max(wanted, before - limits.rate), before + limits.rate)
            setting[name] = min(max(slow, limits.low), limits.high)
            if setting[name] != wanted:
                why = "its bound" if setting[name] != slow else "its rate"
                cut.append(f"{name} at {why} {setting[name]:.6g} (wanted {wanted:.6g})")
        used = tuple(sorted({*state.used, cycle})[-KEPT:])
        note = "; ".join([f"cycle {cycle}: {decision.note}", *cut])
        after = LoopState(setting, state.made_with, used, decision.memory)
        return Outcome(after, setting, note, True)

    def _refusal(
        self, state: LoopState, cycle: int, readings: Mapping[str, Reading], now: float | None
    ) -> str:
        """Why these readings must not act; empty when they may."""
        if cycle in state.used:
            return "its measurement has acted already"
        if cycle not in state.made_with:
            return "it is not known with which settings it was made"
        for name in self.controller.roles:
            if name not in readings:
                return f"{name} is missing"
        for name, item in readings.items():
            optional = name not in self.controller.roles
            if optional and not item.good:
                continue  # left out of what the law is given
            if item.quality is not Quality.GOOD:
                return f"{name} is {item.quality.name.lower()}"
            if not math.isfinite(item.value):
                return f"{name} is not a number"
            if now is not None and now - item.time > self.oldest:
                return f"{name} is stale ({now - item.time:.0f} s old, at most {self.oldest:.0f} s)"
            if now is not None and item.time > now:
                return f"{name} is from the future"
        return ""
