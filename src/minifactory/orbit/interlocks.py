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


@dataclass(frozen=True)
class Demand:
    """What an active interlock demands; `fresh` in the scan in which it became active."""

    name: str
    reaction: Reaction
    message: str
    fresh: bool


@dataclass
class _Guard:
    interlock: BoundInterlock
    reaction: Reaction
    evaluator: Evaluator
    active: bool = False
    at_floor_since: float | None = None

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
        self._guards = [_Guard(item, _reaction(item), Evaluator(item.when)) for item in interlocks]
        self._stepped = float("-inf")
        self._quiet_since = 0.0

    def needs(self) -> frozenset[str]:
        """Tags and aliases that the interlocks read."""
        return frozenset(name for guard in self._guards for name in guard.interlock.when.tags())

    def evaluate(self, sample: Sample) -> list[Demand]:
        """The demands of all active interlocks in this scan, strongest last."""
        self.cleared = []
        demands: list[Demand] = []
        reducing = False
        for guard in self._guards:
            fired = guard.evaluator.update(sample)
            if not fired:
                if guard.active and guard.evaluator.answer is False:
                    guard.active, guard.at_floor_since = False, None
                    self.cleared.append(guard.interlock.name)
                if not guard.active:
                    continue
            fresh = not guard.active
            guard.active = True
            reaction, message = guard.reaction, guard.message
            if reaction is Reaction.REDUCE_FLOW:
                reducing = True
                reaction = self._ladder(guard, sample.time)
                if reaction is not guard.reaction:
                    message = self._escalated(guard, reaction)
            demands.append(Demand(guard.interlock.name, reaction, message, fresh))
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
            return Reaction.ABORT
        return Reaction.HOLD if waited >= self._policy.escalate_after else Reaction.REDUCE_FLOW

    def _escalated(self, guard: _Guard, reaction: Reaction) -> str:
        waited = self._policy.escalate_after * (2.0 if reaction is Reaction.ABORT else 1.0)
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
