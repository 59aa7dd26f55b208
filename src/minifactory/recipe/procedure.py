"""The method: which phase runs, how far it is, and what its conditions ask for in this scan.

A phase counts its own running time and volume. Its watches fire at most once; its end is `until`, a watch
that ends it, or its time-out. While fractions are collected, every full tube asks for the next one, as a
watch would. Branches beside it are followed likewise, each with counters of its own; what they set is asked
as by a watch that has fired. The procedure asks; controller and prediction decide and act.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from minifactory.errors import Finding, InputError
from minifactory.recipe.beside import Beside, merged
from minifactory.recipe.bound import (
    BoundAction,
    BoundInstruction,
    BoundLeave,
    BoundPhase,
    BoundRecipe,
    BoundWatch,
)
from minifactory.recipe.conditions import Evaluator, Expression, Sample
from minifactory.recipe.cycle_control import CycleControl
from minifactory.recipe.expressions import DELIVERED, LEVEL, about
from minifactory.recipe.grammar import parse_condition
from minifactory.recipe.model import OnTimeout
from minifactory.recipe.transfers import Transfers, TransferState
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
    `timeout` what its time-out asks for (None: nothing); `begins` is there when the phase that stood waiting
    for another skid begins now.
    """

    fired: list[BoundWatch] = field(default_factory=list)
    ended: str | None = None
    timeout: OnTimeout | None = None
    begins: Asked | None = None


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
    cancelled : set of str
        Watches of this phase that somebody has called off.
    passed_over : set of int
        Positions of phases to come that somebody has called off.
    waited : float
        How long (s of running time) the phase that began last had waited for another skid.
    levels : mapping of str to float or None
        Vessel -> m3 that it holds, as its estimator says; whoever runs the procedure keeps it up to date.
    """

    def __init__(self, bound: BoundRecipe) -> None:
        self.bound = bound
        self.position = -1
        self.phase_time = 0.0
        self.phase_volume = 0.0
        self.started = math.nan
        self._until: Evaluator | None = None
        self._watches: list[tuple[BoundWatch, Evaluator]] = []
        self.cancelled: set[str] = set()
        self.passed_over: set[int] = set()
        self._timed_out = False
        self._left = False
        self._tube = 0.0
        self._tube_began = 0.0
        self._leaves: list[tuple[BoundLeave, Evaluator]] = []
        self._beside: list[Beside] = []
        self._reason: str | None = None
        self.levels: Mapping[str, float | None] = {}
        self._transfers = Transfers(bound.skid, bound.transfers)
        self._waits = False
        self.waited = 0.0
        self._further = _reads_further(bound)
        self.control = CycleControl(bound)

    @property
    def in_phase(self) -> bool:
        """Whether a phase has begun and neither ended nor been left."""
        return self.phase is not None and not self._left and not self._waits

    # Hand-shakes with other skids

    def published(self) -> Mapping[str, TransferState]:
        """Where this skid stands in each of its transfers, for its peers."""
        phase = self.phase
        if phase is not None and phase.hands_over and self.in_phase:
            self._transfers.count(phase, self.phase_volume)
        return self._transfers.published()

    def heard(self) -> Mapping[str, TransferState]:
        """Where the peers stand, as far as it is known."""
        return self._transfers.heard()

    def hear(self, states: Mapping[str, TransferState]) -> None:
        """What the peers have published by now; also what is not new, late or doubled may be told."""
        self._transfers.hear(states)

    @property
    def waits(self) -> tuple[str, ...]:
        """Transfers for which the phase stands waiting, before it has begun; empty when none does.

        Meanwhile :attr:`phase` is the phase to come, and its counters tell time and volume of the wait.
        """
        phase = self.phase
        return self._transfers.shut(phase) if phase is not None and self._waits else ()

    @property
    def waiting(self) -> bool:
        """Whether the phase has not begun, for another skid is not ready."""
        return self._waits

    @property
    def disagreement(self) -> str:
        """Why waiting will not help, by the numbers of both sides; empty when all is well."""
        phase = self.phase
        return self._transfers.disagreement(phase) if phase is not None and self._waits else ""

    def leave(self) -> None:
        """Leave the phase for good before its end (stop, abort); its counters stay."""
        self._left, self._waits = True, False
        self._until, self._watches, self._leaves, self._beside = None, [], [], []

    def following(self) -> int:
        """Position of the phase that comes next: behind this one, or behind the loops that end with it."""
        following = self.position + 1
        for leave, evaluator in self._leaves:
            if self.position + 1 + leave.at == following and evaluator.answer is True:
                following = self.position + 1 + leave.skip
        while following in self.passed_over:
            following += 1
        return following

    @property
    def phase(self) -> BoundPhase | None:
        """The phase that runs; None before the first and after the last."""
        return self.bound.phases[self.position] if 0 <= self.position < len(self.bound.phases) else None

    @property
    def phase_path(self) -> str:
        """Path of the phase that runs; empty when none does."""
        return "" if self.phase is None else self.phase.path

    @property
    def done(self) -> bool:
        """Whether all phases have ended."""
        return self.position >= len(self.bound.phases)

    @property
    def planned_left(self) -> float:
        """s of running time until the phase's planned end, or its time-out when a measurement decides."""
        phase = self.phase
        if phase is None:
            return math.inf
        lasts = phase.timeout if phase.planned_time is None else phase.planned_time
        return max(0.0, lasts - self.phase_time)

    @property
    def phase_cv(self) -> float:
        """Pumped volume of the phase in column volumes; 0 without a column."""
        phase = self.phase
        return self.phase_volume / phase.column_volume if phase is not None and phase.column_volume else 0.0

    def settle(self, position: int, process: float, permitted: bool = True) -> bool:
        """Let the controllers of the recipe look at the phase that has ended and set what they set before the
        phase at `position` begins; called between the two. True when the recipe (:attr:`bound`) has changed.

        `permitted` is False when somebody has taken the method; :attr:`CycleControl.notes` say what was done.
        """
        if not self.control:
            return False
        before = self.bound
        self.control.ended(self.position)
        self.bound = self.control.before(self.bound, position, process, permitted)
        return self.bound is not before

    def begin(self, position: int, process: float) -> Asked | None:
        """Go to the phase at `position`; what it asks for at its start, or None when there is no such
        phase.

        A phase that hands over begins only when the other skid is ready (:attr:`waiting`); until then what is
        asked is what it does meanwhile, and the breakpoint at which it begins says so.
        """
        before, after = self.phase, self._at(position)
        if before is not None and before.hands_over and not self._waits:
            self._transfers.end(before, process, self.phase_volume)
        if after is not None and after.hands_over:
            self._transfers.arrive(after, process)
            if self._transfers.shut(after):
                return self._wait(position, after, process)
            self._transfers.begin(after, process)
        return self._enter(position, process)

    def _at(self, position: int) -> BoundPhase | None:
        return self.bound.phases[position] if 0 <= position < len(self.bound.phases) else None

    def _wait(self, position: int, phase: BoundPhase, process: float) -> Asked:
        """Stand before `phase`."""
        for item in self._beside:
            item.carry(self.phase_time, self.phase_volume)
        self.position, self.started = position, process
        self._tube_began -= self.phase_volume
        self.phase_time = self.phase_volume = 0.0
        self._until, self._watches, self._leaves, self._reason = None, [], [], None
        self._beside = [item for item in self._beside if item.branch.last >= position]
        self._left, self._waits = False, True
        self.cancelled.clear()
        return Asked(phase.path, phase.waiting)

    def _go_on(self, process: float) -> Breakpoint | None:
        """Begin the phase that stands waiting, if the other skid is ready."""
        phase = self.phase
        if phase is None or self._transfers.shut(phase):
            return None
        self._transfers.begin(phase, process)
        self.waited = self.phase_time
        return Breakpoint(begins=self._enter(self.position, process))

    def _enter(self, position: int, process: float) -> Asked | None:
        for item in self._beside:
            item.carry(self.phase_time, self.phase_volume)
        self.position = position
        self._waits = False
        self._tube_began -= self.phase_volume
        self.phase_time = self.phase_volume = 0.0
        self.started = process
        self._timed_out = self._left = False
        self._reason = None
        self.cancelled.clear()
        self._beside = [item for item in self._beside if item.branch.last >= position]
        phase = self.phase
        if phase is None:
            self._until, self._watches, self._leaves = None, [], []
            return None
        self._until = Evaluator(phase.until)
        self._watches = [(watch, Evaluator(watch.when)) for watch in phase.watches]
        self._leaves = [(leave, Evaluator(leave.when)) for leave in phase.leaves]
        self._collect(phase.start, 0.0)
        begun = [Beside(branch) for branch in self.bound.branches if branch.first == position]
        self._beside += begun
        action = merged(phase.start, [item.phase.start for item in begun if item.phase is not None])
        return Asked(phase.path, action)

    def memory(self) -> tuple[object, ...]:
        """What tubes, `until`, branches and the watches that are left remember, for :meth:`take_up`."""
        until = [] if self._until is None else self._until.memory()
        rest = {
            "cancelled": sorted(self.cancelled),
            "passed_over": sorted(self.passed_over),
            "leaves": [evaluator.memory() for _, evaluator in self._leaves],
            "beside": [item.memory() for item in self._beside],
            "reason": self._reason,
            "transfers": self._transfers.memory(),
            "waits": self._waits,
            "left": self._left,
            "timed_out": self._timed_out,
            "control": self.control.record(),
        }
        tube = (self._tube, self._tube_began)
        return (tube, until, rest, *(evaluator.memory() for _, evaluator in self._watches))

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
        rest = memory[2] if memory else {}
        # What controllers had set comes first: the conditions of the phase are made from it.
        self.bound = self.control.recall(rest.get("control", {}), self.bound, position)
        phase = self._at(position)
        if rest.get("transfers"):
            self._transfers.recall(rest["transfers"])
        if phase is not None and rest.get("waits"):
            self._wait(position, phase, started)
        else:
            self._enter(position, started)
        self._timed_out = rest.get("timed_out", False)
        if rest.get("left"):
            self.leave()
        self.phase_time, self.phase_volume = time, volume
        self.cancelled = set(rest.get("cancelled", ()))
        self.passed_over = set(rest.get("passed_over", ()))
        for watch, _ in self._watches:
            if watch.name in fired and watch.name not in self.cancelled:
                self._collect(watch.action, volume)
        self._watches = [item for item in self._watches if item[0].name not in fired]
        if memory and self._until is not None:
            self._tube, self._tube_began = memory[0]
            self._until.recall(memory[1])
            for (_, evaluator), saved in zip(self._leaves, rest.get("leaves", ()), strict=True):
                evaluator.recall(saved)
            for (_, evaluator), saved in zip(self._watches, memory[3:], strict=True):
                evaluator.recall(saved)
            self._reason = rest.get("reason")
            running = [item for item in self.bound.branches if item.first <= position <= item.last]
            self._beside = [Beside(branch) for branch in running]
            for item, saved in zip(self._beside, rest.get("beside", ()), strict=True):
                item.recall(saved)

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
        if phase is None or self._waits:
            return frozenset()
        names = set(phase.until.tags())
        for watch, _ in self._watches:
            names.update(watch.when.tags())
        for leave, _ in self._leaves:
            names.update(leave.when.tags())
        for item in self._beside:
            names |= item.needs()
        names |= self.control.needs(phase.path)
        return frozenset(names)

    @property
    def watching(self) -> bool:
        """Whether anything but the end of the phase is looked for."""
        return bool(
            self._waits or self._watches or self._leaves or any(not item.done for item in self._beside)
        )

    @property
    def beside(self) -> tuple[str, ...]:
        """Paths of the phases that run in branches beside this one."""
        return tuple(item.phase.path for item in self._beside if item.phase is not None)

    def evaluate(self, sample: Sample) -> Breakpoint | None:
        """What the conditions say in this scan; None when nothing fired."""
        if self._waits:
            return self._go_on(sample.time)
        until, phase = self._until, self.phase
        if until is None or phase is None:
            return None
        if self._further:
            sample = replace(sample, values={**sample.values, **self._told()})
        if self.control:
            self.control.observe(phase.path, sample)
        found: Breakpoint | None = None
        spent: list[BoundWatch] = []
        for _, evaluator in self._leaves:
            evaluator.update(sample)
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
        if self._beside:
            found = self._evaluate_beside(sample, found)
        if until.update(sample):
            found = found or Breakpoint()
            found.ended = found.ended or str(phase.until.text or phase.until)
        elif self.phase_time >= phase.timeout and not self._timed_out:
            self._timed_out = True
            found = found or Breakpoint()
            found.timeout = phase.on_timeout
            if phase.on_timeout is OnTimeout.NEXT:
                found.ended = found.ended or f"time-out after {phase.timeout:g} s"
        return self._wait_for_branches(found) if self._beside else found

    @property
    def levels_needed(self) -> frozenset[str]:
        """Vessels whose level the conditions of this phase read."""
        phases = [] if self.phase is None or self._waits else [self.phase]
        phases += [item.phase for item in self._beside if item.phase is not None]
        return frozenset(
            name for phase in phases for item in _conditions(phase) for name in item.subjects(LEVEL)
        )

    def _told(self) -> dict[str, float | None]:
        """What conditions read that is no tag: deliveries, and levels of vessels."""
        delivered = {
            about(DELIVERED, item.name): float(self._transfers.delivered(item.name))
            for item in self.bound.transfers
        }
        return {**{about(LEVEL, name): volume for name, volume in self.levels.items()}, **delivered}

    def _evaluate_beside(self, sample: Sample, found: Breakpoint | None) -> Breakpoint | None:
        for item in self._beside:
            fired, timeout = item.evaluate(sample, self.phase_time, self.phase_volume)
            if fired or timeout is not None:
                found = found or Breakpoint()
                found.fired += fired
                found.timeout = timeout or found.timeout
        return found

    def _wait_for_branches(self, found: Breakpoint | None) -> Breakpoint | None:
        """Keep the end of the phase back until the branches that end with it are done, too."""
        waits = any(item.branch.last == self.position and not item.done for item in self._beside)
        if found is not None and found.ended is not None:
            if self._reason is None and not waits:
                return found
            self._reason = self._reason or found.ended
            found.ended = None
        if self._reason is not None and not waits:
            found = found or Breakpoint()
            found.ended = f"{self._reason}; then the branches beside it were done"
        return found

    def force(self, name: str) -> BoundWatch | None:
        """The waiting watch `name`, taken as if it had come true; None when there is none."""
        for watch, evaluator in self._watches:
            if watch.name == name:
                self._watches.remove((watch, evaluator))
                self._collect(watch.action, self.phase_volume)
                return watch
        return None

    def cancel(self, name: str) -> bool:
        """Call the waiting watch `name` off; False when there is none."""
        left = [item for item in self._watches if item[0].name != name]
        if len(left) == len(self._watches):
            return False
        self._watches = left
        self.cancelled.add(name)
        return True

    def replace(self, bound: BoundRecipe) -> None:
        """Go on with another recipe whose executed part is the same (see :func:`locked`).

        What the running phase waits for is taken from `bound`; conditions that are unchanged keep what they
        remember.

        Raises
        ------
        InputError
            When something that has run, or runs, would be another.
        """
        control = self.control
        if control or bound.governed is not None:
            control, bound = control.carried(self.bound, bound, self.position)
        findings = locked(self, bound)
        if findings:
            raise InputError(findings)
        before, fired = self.phase, set(self.fired)
        gone = {self.bound.phases[place].path for place in self.passed_over}
        self.bound, self.control = bound, control
        self._further = _reads_further(bound)
        self.passed_over = {
            place for place, item in enumerate(bound.phases) if place > self.position and item.path in gone
        }
        phase = self.phase
        if phase is None or before is None or not self.in_phase:
            return
        known = {watch.name: (watch, evaluator) for watch, evaluator in self._watches}

        def kept(watch: BoundWatch) -> Evaluator:
            old, evaluator = known.get(watch.name, (None, None))
            return evaluator if evaluator is not None and old == watch else Evaluator(watch.when)

        if phase.until != before.until:
            self._until = Evaluator(phase.until)
            self._reason = None
        self._watches = [(watch, kept(watch)) for watch in phase.watches if watch.name not in fired]
        if phase.leaves != before.leaves:
            self._leaves = [(leave, Evaluator(leave.when)) for leave in phase.leaves]
        self._timed_out = self._timed_out and self.phase_time >= phase.timeout

    def _collect(self, action: BoundAction, volume: float) -> None:
        """Begin, change or end the collection of fractions at `volume` (m3) of the phase."""
        if action.fraction_volume is not None:
            self._tube, self._tube_began = action.fraction_volume, volume


def _conditions(phase: BoundPhase) -> Iterator[Expression]:
    yield phase.until
    yield from (watch.when for watch in phase.watches)
    yield from (leave.when for leave in phase.leaves)


def _reads_further(bound: BoundRecipe) -> bool:
    """Whether any condition reads more than tags and counters: levels or deliveries."""
    return any(
        item.subjects(word)
        for phase in bound.all_phases()
        for item in _conditions(phase)
        for word in (LEVEL, DELIVERED)
    )


def locked(procedure: Procedure, bound: BoundRecipe) -> list[Finding]:
    """What `bound` would change of what has run or runs: phases before the position, and of the running one
    its start, the watches that have fired, and the branches beside it. Empty when nothing."""
    findings: list[Finding] = []
    old = procedure.bound
    if (old.recipe, old.skid, old.initial) != (bound.recipe, bound.skid, bound.initial):
        findings.append(Finding("edit", "another recipe, skid or start", "the recipe that runs, changed"))
    running = procedure.position if procedure.in_phase else -1
    fired = set(procedure.fired) if running >= 0 else set()
    if old.transfers != bound.transfers:
        findings.append(Finding("edit", "other transfers", "those that the peers know"))
    reached = procedure.position + (0 if procedure.waiting else 1)
    if procedure.waiting and procedure.position < len(bound.phases):
        here, there = old.phases[procedure.position], bound.phases[procedure.position]
        if (here.path, here.delivers, here.receives) != (there.path, there.delivers, there.receives):
            remedy = "It waits for another skid already; change what follows it."
            findings.append(Finding(f"edit {here.path}", "it would be another phase", remedy=remedy))
    for place, phase in enumerate(old.phases[:reached]):
        new = bound.phases[place] if place < len(bound.phases) else None
        where = f"edit {phase.path}"
        if new is None or new.path != phase.path:
            found = "it has run, but the edited recipe has " + (f'"{new.path}" there' if new else "nothing")
            findings.append(Finding(where, found, remedy="Change only what is still to come."))
            break
        if place != running:
            same = _content(phase) == _content(new)
        else:
            gone = [item for item in phase.watches if item.name in fired and item not in new.watches]
            same = phase.start == new.start and phase.kind == new.kind and not gone
        if not same:
            what = "its start and what has fired" if place == running else "it has run and"
            found = f"{what} {'are' if place == running else 'is'} locked"
            findings.append(Finding(where, found, remedy="Change only what is still to come."))
    begun = [item for item in old.branches if item.first < reached]
    if [(item.path, item.phases) for item in begun] != [
        (item.path, item.phases) for item in bound.branches if item.first < reached
    ]:
        findings.append(Finding("edit", "a branch that has begun would be another", "only what is to come"))
    return findings


def _content(phase: BoundPhase) -> tuple[object, ...]:
    own = (phase.path, phase.kind, phase.start, phase.delivers, phase.receives, phase.waiting)
    return (*own, phase.until, phase.watches, phase.timeout, phase.on_timeout)


@lru_cache(maxsize=64)
def next_tube(volume: float) -> BoundWatch:
    """What a full tube of `volume` (m3) asks for, as a watch that has fired."""
    when = parse_condition(f"volume >= {volume * 1e6!r} mL", {})
    text = f"tube of {show(volume, VOLUME)} full"
    action = BoundAction(instructions=(BoundInstruction("FractionNext"),))
    return BoundWatch(NEXT_TUBE, replace(when, text=text), action)
