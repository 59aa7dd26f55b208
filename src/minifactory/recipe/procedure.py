"""The method: which phase runs, how far it is, and what its conditions ask for in this scan.

A phase counts its own running time and volume. Its watches fire at most once; its end is `until`, a watch
that ends it, or its time-out. While fractions are collected, every full tube asks for the next one, as a
watch would. The procedure asks; controller and prediction decide and act.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from minifactory.recipe.bound import BoundAction, BoundInstruction, BoundPhase, BoundRecipe, BoundWatch
from minifactory.recipe.conditions import Evaluator, Sample
from minifactory.recipe.grammar import parse_condition
from minifactory.recipe.model import OnTimeout
from minifactory.units import VOLUME, show

NEXT_TUBE = "next_fraction"
"""Name of the watch that a full tube stands for."""


@dataclass(frozen=True)
class Asked:
    """An action that the method asks for, and where it comes from (phase path, and watch if it was one)."""

    source: str
    action: BoundAction


@dataclass
class Breakpoint:
    """What one scan of the method found.

    `fired` are the watches that came true; `ended` tells why the phase is over (None: it goes on);
    `timeout` what its time-out asks for (None: nothing).
    """

    fired: list[BoundWatch] = field(default_factory=list)
    ended: str | None = None
    timeout: OnTimeout | None = None


class Procedure:
    """Position in a bound recipe, with the counters of the phase that runs.

    Attributes
    ----------
    position : int
        Index of the phase; ``len(phases)`` when all are done.
    phase_time, phase_volume : float
        Running time (s) and pumped volume (m3) of the phase.
    started : float
        Process time (s) at which the phase began.
    """

    def __init__(self, bound: BoundRecipe) -> None:
        self.bound = bound
        self.position = -1
        self.phase_time = 0.0
        self.phase_volume = 0.0
        self.started = math.nan
        self._until: Evaluator | None = None
        self._watches: list[tuple[BoundWatch, Evaluator]] = []
        self._timed_out = False
        self._left = False
        self._tube = 0.0
        self._tube_began = 0.0

    @property
    def in_phase(self) -> bool:
        """Whether a phase has begun and neither ended nor been left."""
        return self.phase is not None and not self._left

    def leave(self) -> None:
        """Leave the phase for good before its end (stop, abort); its counters stay."""
        self._left = True
        self._until, self._watches = None, []

    @property
    def phase(self) -> BoundPhase | None:
        """The phase that runs; None before the first and after the last."""
        return self.bound.phases[self.position] if 0 <= self.position < len(self.bound.phases) else None

    @property
    def done(self) -> bool:
        """Whether all phases have ended."""
        return self.position >= len(self.bound.phases)

    @property
    def planned_left(self) -> float:
        """s of running time until the planned end of the phase; infinite when a measurement decides."""
        phase = self.phase
        if phase is None or phase.planned_time is None:
            return math.inf
        return max(0.0, phase.planned_time - self.phase_time)

    @property
    def phase_cv(self) -> float:
        """Pumped volume of the phase in column volumes; 0 without a column."""
        phase = self.phase
        return self.phase_volume / phase.column_volume if phase is not None and phase.column_volume else 0.0

    def begin(self, position: int, process: float) -> Asked | None:
        """Go to the phase at `position`; what it asks for at its start, or None when there is no such
        phase."""
        self.position = position
        self._tube_began -= self.phase_volume
        self.phase_time = self.phase_volume = 0.0
        self.started = process
        self._timed_out = self._left = False
        phase = self.phase
        if phase is None:
            self._until, self._watches = None, []
            return None
        self._until = Evaluator(phase.until)
        self._watches = [(watch, Evaluator(watch.when)) for watch in phase.watches]
        self._collect(phase.start, 0.0)
        return Asked(phase.path, phase.start)

    def memory(self) -> tuple[object, ...]:
        """What tubes, `until` and the watches that are left remember, for :meth:`take_up`."""
        until = [] if self._until is None else self._until.memory()
        tube = (self._tube, self._tube_began)
        return (tube, until, *(evaluator.memory() for _, evaluator in self._watches))

    def take_up(
        self,
        position: int,
        started: float,
        time: float,
        volume: float,
        fired: Collection[str],
        memory: Sequence[Any] = (),
    ) -> None:
        """Go on in the middle of a phase, as after a restart.

        Parameters
        ----------
        position : int
            Index of the phase.
        started : float
            Process time in s at which it began.
        time, volume : float
            Running time (s) and pumped volume (m3) of the phase.
        fired : collection of str
            Names of the watches that have fired.
        memory : sequence
            What :meth:`memory` gave.
        """
        self.begin(position, started)
        self.phase_time, self.phase_volume = time, volume
        for watch, _ in self._watches:
            if watch.name in fired:
                self._collect(watch.action, volume)
        self._watches = [item for item in self._watches if item[0].name not in fired]
        if memory and self._until is not None:
            self._tube, self._tube_began = memory[0]
            self._until.recall(memory[1])
            for (_, evaluator), saved in zip(self._watches, memory[2:], strict=True):
                evaluator.recall(saved)

    @property
    def fired(self) -> tuple[str, ...]:
        """Names of the watches of this phase that have fired."""
        phase = self.phase
        left = self.waiting_for
        return () if phase is None else tuple(each.name for each in phase.watches if each.name not in left)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names of the watches that have not fired yet."""
        return tuple(watch.name for watch, _ in self._watches)

    def needs(self) -> frozenset[str]:
        """Tags and aliases that the conditions of this phase read."""
        phase = self.phase
        if phase is None:
            return frozenset()
        names = set(phase.until.tags())
        for watch, _ in self._watches:
            names.update(watch.when.tags())
        return frozenset(names)

    def evaluate(self, sample: Sample) -> Breakpoint | None:
        """What the conditions say in this scan; None when nothing fired."""
        until, phase = self._until, self.phase
        if until is None or phase is None:
            return None
        found: Breakpoint | None = None
        spent: list[BoundWatch] = []
        for watch, evaluator in self._watches:
            if evaluator.update(sample):
                found = found or Breakpoint()
                found.fired.append(watch)
                spent.append(watch)
                self._collect(watch.action, sample.phase_volume)
                if watch.end_phase:
                    found.ended = f"{watch.name or 'watch'}: {watch.when.text or watch.when}"
        if spent:
            self._watches = [item for item in self._watches if item[0] not in spent]
        if self._tube > 0.0 and sample.phase_volume - self._tube_began >= self._tube * (1.0 - 1e-9):
            self._tube_began += self._tube
            found = found or Breakpoint()
            found.fired.append(next_tube(self._tube))
        if until.update(sample):
            found = found or Breakpoint()
            found.ended = found.ended or str(phase.until.text or phase.until)
        elif self.phase_time >= phase.timeout and not self._timed_out:
            self._timed_out = True
            found = found or Breakpoint()
            found.timeout = phase.on_timeout
            if phase.on_timeout is OnTimeout.NEXT:
                found.ended = found.ended or f"time-out after {phase.timeout:g} s"
        return found

    def _collect(self, action: BoundAction, volume: float) -> None:
        """Begin, change or end the collection of fractions at `volume` (m3) of the phase."""
        if action.fraction_volume is not None:
            self._tube, self._tube_began = action.fraction_volume, volume


@lru_cache(maxsize=64)
def next_tube(volume: float) -> BoundWatch:
    """What a full tube of `volume` (m3) asks for, as a watch that has fired."""
    when = parse_condition(f"volume >= {volume * 1e6!r} mL", {})
    text = f"tube of {show(volume, VOLUME)} full"
    action = BoundAction(instructions=(BoundInstruction("FractionNext"),))
    return BoundWatch(NEXT_TUBE, replace(when, text=text), action)
