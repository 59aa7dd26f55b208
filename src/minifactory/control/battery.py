"""The battery that every controller passes, built in or plug-in: no test framework needed.

    from minifactory.control.battery import require

    require(MyController(), settings={"load": 3.6e-5}, values={"output": 2.3e-5})     # InputError: what fails

`settings` and `values` are an ordinary cycle, SI.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from minifactory.control.controller import Controller, Measurement
from minifactory.control.loop import Limits, Loop, Outcome, state_of
from minifactory.errors import Finding, InputError, MiniFactoryError
from minifactory.signals import Quality, Reading

Values = Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it held, and what was seen."""

    name: str
    held: bool
    seen: str


class _Failed(Exception):
    """A check that does not hold, and what was seen."""


def examine(controller: Controller, settings: Values, values: Values) -> tuple[Check, ...]:
    """Every check of the battery on `controller` with an ordinary cycle."""
    work: list[tuple[str, Callable[[], str]]] = [
        ("it says what it measures and sets", lambda: _identity(controller, settings, values)),
        ("a step changes nothing but its result", lambda: _pure(controller, settings, values)),
        ("its memory goes through JSON", lambda: _json(controller, settings, values)),
        ("a bad, stale, missing or old value never acts", lambda: _refusal(controller, settings, values)),
        ("it stays within bounds and rates", lambda: _limits(controller, settings, values)),
        ("nothing winds up behind a bound", lambda: _windup(controller, settings, values)),
        ("it says why", lambda: _note(controller, settings, values)),
    ]  # fmt: skip
    return tuple(_run(name, check) for name, check in work)


def require(controller: Controller, settings: Values, values: Values) -> tuple[Check, ...]:
    """The checks of :func:`examine`; InputError naming every one that failed."""
    checks = examine(controller, settings, values)
    failed = [check for check in checks if not check.held]
    if failed:
        who = f"controller {type(controller).__name__}"
        raise InputError([Finding(who, check.seen, check.name) for check in failed])
    return checks


def _run(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except _Failed as failure:
        return Check(name, False, str(failure))
    except (MiniFactoryError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as fault:
        return Check(name, False, f"{type(fault).__name__}: {fault}")


def _good(values: Values, **changed: Reading) -> dict[str, Reading]:
    return {**{name: Reading(value, 0.0) for name, value in values.items()}, **changed}


def _cycle(loop: Loop, state: object, cycle: int, values: Values) -> Outcome:
    begun = loop.begun(state, cycle)  # type: ignore[arg-type]
    return loop.step(begun, cycle, _good(values))


def _identity(controller: Controller, settings: Values, values: Values) -> str:
    if not controller.kind or not controller.roles or not controller.outputs:
        raise _Failed("kind, roles or outputs are empty")
    if set(settings) != set(controller.outputs):
        raise _Failed(f"settings {sorted(settings)}, outputs {sorted(controller.outputs)}")
    missing = [name for name in controller.roles if name not in values]
    if missing:
        raise _Failed(f"an ordinary cycle lacks {', '.join(missing)}")
    decision = controller.step(controller.begin(), Measurement(1, values, settings))
    if set(decision.setting) - set(controller.outputs):
        raise _Failed(f"it sets {sorted(decision.setting)}")
    return f"{controller.kind}: {', '.join(controller.roles)} -> {', '.join(controller.outputs)}"


def _pure(controller: Controller, settings: Values, values: Values) -> str:
    memory, measured = controller.begin(), Measurement(1, dict(values), dict(settings))
    before = json.dumps([dict(memory), dict(measured.values), dict(measured.settings)])
    first, second = controller.step(memory, measured), controller.step(memory, measured)
    if first != second:
        raise _Failed("the same step twice gives two results")
    if json.dumps([dict(memory), dict(measured.values), dict(measured.settings)]) != before:
        raise _Failed("it changed what it was given")
    return "twice the same"


def _json(controller: Controller, settings: Values, values: Values) -> str:
    loop = Loop(controller)
    state = _cycle(loop, loop.begin(settings), 1, values).state
    again = state_of(json.loads(json.dumps(state.record())))
    if _cycle(loop, state, 2, values) != _cycle(loop, again, 2, values):
        raise _Failed("after a restart it decides otherwise")
    return f"{len(json.dumps(state.record()))} bytes"


def _refusal(controller: Controller, settings: Values, values: Values) -> str:
    loop = Loop(controller, oldest=60.0)
    state = loop.begun(loop.begin(settings), 1)
    role = controller.roles[0]
    off = 1.5 * values[role] + 1.0
    tried = {
        "bad": ({role: Reading(off, 0.0, Quality.BAD)}, 1, 0.0),
        "uncertain": ({role: Reading(off, 0.0, Quality.UNCERTAIN)}, 1, 0.0),
        "not a number": ({role: Reading(math.nan, 0.0)}, 1, 0.0),
        "infinite": ({role: Reading(math.inf, 0.0)}, 1, 0.0),
        "stale": ({role: Reading(off, 0.0)}, 1, 61.0),
        "from the future": ({role: Reading(off, 5.0)}, 1, 0.0),
        "of an unknown cycle": ({}, 7, 0.0),
    }
    for name, (changed, cycle, now) in tried.items():
        outcome = loop.step(state, cycle, _good(values, **changed), now)
        if outcome.acted or outcome.state != state:
            raise _Failed(f"a value that is {name} acted")
    rest = {name: item for name, item in _good(values).items() if name != role}
    if loop.step(state, 1, rest, 0.0).acted:
        raise _Failed(f"it acted without {role}")
    once = loop.step(state, 1, _good(values), 0.0)
    if loop.step(once.state, 1, _good(values), 0.0).acted:
        raise _Failed("one measurement acted twice")
    return f"{len(tried) + 2} refused"


def _limits(controller: Controller, settings: Values, values: Values) -> str:
    limits = {
        name: Limits(value - 0.2 * abs(value), value + 0.2 * abs(value), 0.05 * abs(value) + 1e-300)
        for name, value in settings.items()
    }
    loop = Loop(controller, limits)
    state = loop.begin(settings)
    for cycle, scale in enumerate((1.0, 0.0, 1e-9, 1e9, -1.0, 0.5, 2.0, 1e-300), start=1):
        shown = {name: value * scale for name, value in values.items()}
        outcome = _cycle(loop, state, cycle, shown)
        for name, value in outcome.setting.items():
            if not math.isfinite(value):
                raise _Failed(f"{name} is {value} at values scaled by {scale:g}")
            low, high, rate = limits[name].low, limits[name].high, limits[name].rate
            slack = 1e-9 * max(abs(low), abs(high))
            if not low - slack <= value <= high + slack or abs(value - state.setting[name]) > rate + slack:
                raise _Failed(f"{name} went to {value:.6g} at values scaled by {scale:g}")
        state = outcome.state
    return "8 cycles"


def _windup(controller: Controller, settings: Values, values: Values) -> str:
    """Ten cycles against a bound must not differ from one, when the disturbance turns round."""
    limits = {name: Limits(0.9 * value, 1.1 * value) if value > 0.0 else Limits(1.1 * value, 0.9 * value)
              for name, value in settings.items()}  # fmt: skip
    loop = Loop(controller, limits)
    ends = []
    for number in (1, 10):
        state = _cycle(loop, loop.begin(settings), 1, values).state
        for cycle in range(2, 2 + number):
            low = {name: 0.2 * value for name, value in values.items()}
            state = _cycle(loop, state, cycle, low).state
        high = {name: 2.0 * value for name, value in values.items()}
        ends.append(_cycle(loop, state, 20, high).setting)
    for name in settings:
        if not math.isclose(ends[0][name], ends[1][name], rel_tol=1e-9, abs_tol=1e-300):
            raise _Failed(
                f"{name} is {ends[0][name]:.6g} after one cycle at a bound, {ends[1][name]:.6g} after 10"
            )
    return "one cycle and ten lead to the same"


def _note(controller: Controller, settings: Values, values: Values) -> str:
    loop = Loop(controller)
    note = _cycle(loop, loop.begin(settings), 1, values).note
    if len(note) < len("cycle 1: ") + 5:
        raise _Failed(f'the note is "{note}"')
    return note
