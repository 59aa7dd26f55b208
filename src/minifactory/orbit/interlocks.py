"""Interlocks: conditions that act at any time, whether a recipe runs or not, and the ladder that they climb.

An interlock that reduces the flow does so step by step; if its cause persists at the lowest flow, the
method is held, and if it persists then, the run is aborted: reduce flow, hold, abort. What is unknown does
not fire an interlock; bad readings have their own policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.policy import Policy, Reaction
from minifactory.recipe.bound import BoundInterlock
from minifactory.recipe.conditions import Evaluator, Sample
from minifactory.signals.shown import duration

SLACK = 1e-9
"""s by which rounding may make a delay seem shorter."""


@dataclass(frozen=True)
class Demand:
    """What an active interlock demands; `fresh` in the scan in which it became active."""

    name: str
    reaction: Reaction
    message: str
    fresh: bool
    priority: str = ""


@dataclass
class _Guard:
    interlock: BoundInterlock
    reaction: Reaction
    evaluator: Evaluator
    until: Evaluator | None = None
    active: bool = False
    due_since: float | None = None
    gone_since: float | None = None
    at_floor_since: float | None = None

    def come(self, sample: Sample) -> bool:
        """Whether it is active in this scan: it comes after its delay, and goes by `until` and its own."""
        fired, time = self.evaluator.update(sample), sample.time
        gone = self.evaluator.answer is False
        if self.until is not None:
            gone = self.until.update(sample) and not fired
        if not self.active:
            self.due_since = (time if self.due_since is None else self.due_since) if fired else None
            self.active = self.due_since is not None and time - self.due_since >= self.interlock.delay - SLACK
            self.gone_since = None
        elif gone:
            self.gone_since = time if self.gone_since is None else self.gone_since
            if time - self.gone_since >= self.interlock.off_delay - SLACK:
                self.active, self.at_floor_since, self.due_since = False, None, None
        else:
            self.gone_since = None
        return self.active

    @property
    def message(self) -> str:
        return self.interlock.message or str(self.interlock.when.text or self.interlock.when)


class Interlocks:
    """All interlocks of one skid.

    Attributes
    ----------
    factor : float
        Part of the wanted flow that the interlocks leave; 1 when none reduces it.
    cleared : list of str
        Names of the interlocks that became inactive in this scan.
    """

    def __init__(self, interlocks: Sequence[BoundInterlock], policy: Policy) -> None:
        self.factor = 1.0
        self.cleared: list[str] = []
        self._policy = policy
        self._guards = [_guard(item) for item in interlocks]
        self._dropped: list[str] = []
        self._stepped = float("-inf")
        self._quiet_since = 0.0

    def replace(self, interlocks: Sequence[BoundInterlock]) -> None:
        """Watch `interlocks` from now on; those that are the same go on as they stand."""
        known = {guard.interlock.name: guard for guard in self._guards}
        guards = []
        for item in interlocks:
            guard = known.pop(item.name, None)
            if guard is not None and guard.interlock == item:
                guards.append(guard)
                continue
            if guard is not None and guard.active:
                self._dropped.append(item.name)
            guards.append(_guard(item))
        self._dropped += [name for name, guard in known.items() if guard.active]
        self._guards = guards

    def needs(self) -> frozenset[str]:
        """Tags and aliases that the interlocks which act read; what only alarms needs nothing to be good."""
        found: set[str] = set()
        for guard in self._guards:
            if guard.reaction is not Reaction.ALARM and guard.interlock.needed:
                found.update(guard.interlock.when.tags())
                found.update(guard.interlock.until.tags() if guard.interlock.until else ())
        return frozenset(found)

    def evaluate(self, sample: Sample) -> list[Demand]:
        """The demands of all active interlocks in this scan, strongest last."""
        self.cleared, self._dropped = self._dropped, []
        demands: list[Demand] = []
        reducing = False
        for guard in self._guards:
            before = guard.active
            if not guard.come(sample):
                if before:
                    self.cleared.append(guard.interlock.name)
                continue
            fresh = not before
            reaction, message = guard.reaction, guard.message
            if reaction is Reaction.REDUCE_FLOW:
                reducing = True
                reaction = self._ladder(guard, sample.time)
                if reaction is not guard.reaction:
                    message = self._escalated(guard, reaction)
            demands.append(Demand(guard.interlock.name, reaction, message, fresh, guard.interlock.priority))
        self._step(reducing, sample.time)
        if len(demands) > 1:
            demands.sort(key=lambda demand: demand.reaction.rank)
        return demands

    def _ladder(self, guard: _Guard, time: float) -> Reaction:
        if self.factor > self._policy.reduce_floor:
            guard.at_floor_since = None
            return Reaction.REDUCE_FLOW
        if guard.at_floor_since is None:
            guard.at_floor_since = time
        waited = time - guard.at_floor_since
        if waited >= 2.0 * self._policy.escalate_after:
            return self._policy.escalate_to
        return Reaction.HOLD if waited >= self._policy.escalate_after else Reaction.REDUCE_FLOW

    def _escalated(self, guard: _Guard, reaction: Reaction) -> str:
        waited = self._policy.escalate_after * (1.0 if reaction is Reaction.HOLD else 2.0)
        return (
            f'interlock "{guard.interlock.name}" was escalated from {guard.reaction.value} to '
            f"{reaction.value}, for its cause persisted for {duration(waited)} with the flow at "
            f"{self._policy.reduce_floor:.0%} or less: {guard.message}"
        )

    def _step(self, reducing: bool, time: float) -> None:
        policy = self._policy
        if reducing:
            self._quiet_since = time
            if self.factor > policy.reduce_floor and time - self._stepped >= policy.reduce_every:
                self.factor = max(policy.reduce_floor, self.factor * policy.reduce_step)
                self._stepped = time
        elif (
            self.factor < 1.0
            and time - self._quiet_since >= policy.recover_after
            and time - self._stepped >= policy.reduce_every
        ):
            self.factor = min(1.0, self.factor / policy.reduce_step)
            self._stepped = time


def _guard(item: BoundInterlock) -> _Guard:
    until = None if item.until is None else Evaluator(item.until)
    return _Guard(item, _reaction(item), Evaluator(item.when), until)


def _reaction(interlock: BoundInterlock) -> Reaction:
    try:
        return Reaction(interlock.action)
    except ValueError:
        known = [item.value for item in Reaction]
        raise InputError(
            Finding(
                f'interlock "{interlock.name}"',
                f'no action "{interlock.action}"',
                remedy=did_you_mean(interlock.action, known),
            )
        ) from None
