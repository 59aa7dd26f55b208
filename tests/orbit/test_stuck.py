"""A detector that stands still is noticed, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.states import State
from minifactory.signals import Reading

from .bench_recipe import Bench, action, phase, recipe

NAME = "UV1.Signal"
DRAWN = np.random.default_rng(5).standard_normal(4000)


def scanned(bench: Bench, signal: Callable[[int], float], first: int, last: int) -> set[str]:
    """Scan while the detector shows `signal` of the number of the scan; the alarms that were raised."""
    seen = set()
    for number in range(first, last):
        bench.skid.corrupt[NAME] = Reading(signal(number), bench.clock.now() + bench.policy.scan)
        bench.engine.scan()
        seen |= {alarm.name for alarm in bench.engine.status.alarms if alarm.present}
    return seen


def restless(number: int) -> float:
    return 1.0 + 1e-3 * float(DRAWN[number])


def running(policy: Policy | None = None) -> Bench:
    bench = Bench(recipe(phase("run", "1000 mL", action(flow=5.0))), policy=policy)
    bench.start()
    return bench


def test_a_restless_detector_that_stands_still_is_told_and_cleared() -> None:
    bench = running()
    assert not scanned(bench, restless, 0, 400)
    assert scanned(bench, lambda _: restless(399), 400, 440) == set()
    assert scanned(bench, lambda _: restless(399), 440, 480) == {f"Stuck {NAME}"}
    assert bench.engine.state is State.RUNNING
    scanned(bench, restless, 480, 500)
    assert not [alarm for alarm in bench.engine.status.alarms if alarm.present]


def test_what_follows_is_declared_for_the_tag() -> None:
    policy = replace(Policy.in_lock_step(0.5), tag_reactions={NAME: Reaction.HOLD})
    bench = running(policy)
    scanned(bench, restless, 0, 400)
    scanned(bench, lambda _: restless(399), 400, 480)
    assert bench.engine.state is State.HELD


@pytest.mark.parametrize(
    ("signal", "what"),
    [
        (lambda number: 0.5 + 1e-4 * min(number, 1000), "a ramp that ends"),
        (lambda number: 1.0 if number > 600 else 0.5, "a step"),
        (lambda number: restless(number) if number < 600 else 0.0, "a pump that rests"),
        (lambda number: round(1.0 + 1e-3 * float(DRAWN[number]), 2), "noise below the resolution"),
        (lambda number: 1.0 + 1e-3 * round(float(DRAWN[number // 20]), 1), "a detector that is read often"),
    ],
)
def test_what_may_stand_still_is_not_told(signal: Callable[[int], float], what: str) -> None:
    assert scanned(running(), signal, 0, 1500) == set(), what


def test_a_coarse_signal_is_given_more_time() -> None:
    """It changes every 20 scans or so: told after ten times its longest standstill, not after 50 scans."""
    bench = running()
    assert scanned(bench, lambda number: 1.0 + 1e-3 * round(float(DRAWN[number // 20]), 1), 0, 2000) == set()
    assert scanned(bench, lambda _: 1.0, 2000, 2150) == set()
    assert scanned(bench, lambda _: 1.0, 2150, 2900) == {f"Stuck {NAME}"}
