"""Cycle-to-cycle control within a procedure: measures the turns of a loop, sets what the next turn does.

Before a turn reaches the first phase of which a controller sets something, the controller is stepped with
every cycle that has been measured since; what it sets holds from that phase on. The turn itself counts as
measured when all its measured phases lie before that phase. The recipe is bound again with the new
quantities, so they pass the same checks as those of the file; when they do not, everything stays and the note
says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minifactory.control.loop import KEPT, LoopState, state_of
from minifactory.errors import InputError
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.conditions import Sample
from minifactory.recipe.controllers import (
    ControllerDeclaration,
    Measured,
    beside,
    loop_of,
    number,
    phase_of,
    plain,
    setting_text,
)
from minifactory.recipe.measuring import PHASE_ITSELF, Gathering, gathering
from minifactory.recipe.model import Recipe
from minifactory.recipe.references import references, with_values
from minifactory.signals import Quality, Reading
from minifactory.units import Quantity

Told = Mapping[str, Sequence[Sequence[Any]]]
"""Controller -> [cycle, role, value (SI), quality] of what one skid measured for another."""


@dataclass(frozen=True)
class ControlNote:
    """What a controller did: for the record. `data` are the settings (SI) by the paths that they stand at."""

    controller: str
    kind: str
    text: str
    acted: bool
    data: Mapping[str, float]


class _Cycles:
    """One controller at work."""

    def __init__(self, item: ControllerDeclaration, recipe: Recipe, known: Mapping[str, Quantity]) -> None:
        phases = dict.fromkeys(path for path, _, _ in recipe.phases())
        self.item, self.loop = item, loop_of(item)
        self.quantities = {each.output: known[each.quantity] for each in item.sets}
        self.beside = {each.output: beside(each) for each in item.sets}
        stated = {name: q.value + self.beside[name] for name, q in self.quantities.items()}
        self.state: LoopState = self.loop.begin(stated)
        self.mine = {phase_of(each.quantity, phases) for each in item.sets}
        self.decides = next(path for path in phases if path in self.mine)
        self.measured: dict[int, dict[str, Reading]] = {}
        self.heard: set[tuple[int, str]] = set()
        self.factors = {
            each.role: number(each.factor, item.name) if each.factor else 1.0 for each in item.measures
        }

    def values(self) -> dict[str, str]:
        """The settings in force as texts by their paths."""
        return {
            each.quantity: setting_text(self.data()[each.quantity], self.quantities[each.output])
            for each in self.item.sets
        }

    def data(self) -> dict[str, float]:
        return {
            each.quantity: self.state.setting[each.output] - self.beside[each.output]
            for each in self.item.sets
        }


class CycleControl:
    """The controllers of one procedure; inert without any.

    Attributes
    ----------
    notes : list of ControlNote
        What was decided before the phase that begins; whoever runs the procedure takes them for the record.
    """

    def __init__(self, bound: BoundRecipe) -> None:
        self._places = _places(bound)
        self._here = {path for path, _ in self._places.values()}
        self._cycles: list[_Cycles] = []
        self._now: dict[tuple[str, str], Gathering] = {}
        self.notes: list[ControlNote] = []
        if bound.governed is not None:
            recipe = bound.governed.recipe
            known = references(recipe)
            self._cycles = [_Cycles(item, recipe, known) for item in recipe.controllers]

    def __bool__(self) -> bool:
        return bool(self._cycles)

    def taken(self) -> list[ControlNote]:
        """The notes so far, which are forgotten with this."""
        notes, self.notes = self.notes, []
        return notes

    def needs(self, path: str) -> frozenset[str]:
        """Tags that are measured in the phase at `path`."""
        here = plain(path)
        return frozenset(
            each.of
            for cycles in self._cycles
            for each in cycles.item.measures
            if each.during == here and each.of not in PHASE_ITSELF
        )

    def observe(self, path: str, sample: Sample) -> None:
        """Take up one scan of the phase at `path`."""
        here = plain(path)
        for cycles in self._cycles:
            for each in cycles.item.measures:
                if each.during == here:
                    key = (cycles.item.name, each.role)
                    seen = self._now.setdefault(key, Gathering())
                    seen.take(_value(each, sample), sample, each.baseline)

    def discard(self) -> None:
        """What has been seen of the phase that runs counts for nothing: it was cut short."""
        self._now.clear()

    def ended(self, position: int) -> None:
        """The phase at `position` has ended: what was measured belongs to its product cycle."""
        place = self._places.get(position)
        for (name, role), seen in self._now.items():
            cycles = next(item for item in self._cycles if item.item.name == name)
            each = next(item for item in cycles.item.measures if item.role == role)
            if place is None or place[0] != each.during:
                continue
            product = place[1] - each.cycles_back
            reading = seen.reading(each.how)
            value = reading.value * cycles.factors[role]
            cycles.measured.setdefault(product, {})[role] = replace(reading, value=value)
        self._now.clear()

    # Measurements on one skid for controllers that set something on another

    def published(self) -> Told:
        """What this skid has measured for controllers that decide on another, as JSON: to be told to it.

        All of it each time, so that a word that was lost does no harm.
        """
        return {
            item.item.name: [
                [product, role, each.value, int(each.quality)]
                for product, found in sorted(item.measured.items())[-KEPT:]
                for role, each in found.items()
            ]
            for item in self._cycles
            if item.decides not in self._here
        }

    def hear(self, told: Told, process: float) -> None:
        """Take up what a peer has measured, heard at `process` (s); what is known already changes nothing."""
        for item in self._cycles:
            if item.decides not in self._here:
                continue
            for product, role, value, quality in told.get(item.item.name, ()):
                if (product, role) not in item.heard:
                    item.heard.add((product, role))
                    reading = Reading(value, process, Quality(quality))
                    item.measured.setdefault(product, {})[role] = reading

    def before(
        self, bound: BoundRecipe, position: int, process: float, permitted: bool = True
    ) -> BoundRecipe:
        """The recipe with what is set before the phase at `position` begins.

        `permitted` is False when somebody else has taken the method: then nothing is set, and the note says
        so.
        """
        place = self._places.get(position)
        if place is None:
            return bound
        for cycles in self._cycles:
            if cycles.decides == place[0]:
                bound = self._decide(cycles, bound, position, place[1], process, permitted)
        return bound

    def _decide(
        self, cycles: _Cycles, bound: BoundRecipe, position: int, turn: int, process: float, permitted: bool
    ) -> BoundRecipe:
        old = cycles.state
        cycles.state = cycles.loop.begun(cycles.state, turn)
        needed = set(cycles.loop.controller.roles)
        acted = False
        for product in sorted(cycles.measured):
            readings = cycles.measured[product]
            missing = [item for item in cycles.item.measures if item.role not in readings]
            if needed - set(readings) or (missing and product >= turn):
                continue
            del cycles.measured[product]
            if product < cycles.item.first:
                text = f"cycle {product}: nothing set, measurements count from cycle {cycles.item.first} on"
                self.notes.append(self._note(cycles, text, False))
                continue
            if not permitted:
                text = f"cycle {product}: nothing set, for somebody has taken the method"
                self.notes.append(self._note(cycles, text, False))
                continue
            outcome = cycles.loop.step(cycles.state, product, readings, process)
            cycles.state, acted = outcome.state, acted or outcome.acted
            self.notes.append(self._note(cycles, outcome.note, outcome.acted))
        if acted:
            try:
                bound = self._spliced(bound, position)
            except InputError as fault:
                text = f"the setting does not fit, everything stays: {fault}"
                cycles.state = replace(cycles.state, setting=old.setting)
                self.notes.append(self._note(cycles, text, False))
        cycles.state = cycles.loop.begun(cycles.state, turn)
        return bound

    def _note(self, cycles: _Cycles, text: str, acted: bool) -> ControlNote:
        return ControlNote(cycles.item.name, cycles.item.kind, text, acted, cycles.data())

    def _spliced(self, bound: BoundRecipe, position: int) -> BoundRecipe:
        """`bound` up to `position`, and from there on the recipe with all settings in force."""
        if bound.governed is None:
            return bound
        values = {path: text for item in self._cycles for path, text in item.values().items()}
        new = bound.governed.again(with_values(bound.governed.recipe, values))
        phases = (*bound.phases[:position], *new.phases[position:])
        begun = [item for item in bound.branches if item.first < position]
        branches = (*begun, *(item for item in new.branches if item.first >= position))
        return replace(bound, phases=phases, branches=branches)

    # Journal

    def record(self) -> dict[str, Any]:
        """All that is remembered, as JSON; empty without controllers."""
        if not self._cycles:
            return {}
        return {
            "states": {item.item.name: item.state.record() for item in self._cycles},
            "measured": {
                item.item.name: {
                    str(product): {
                        role: [each.value, each.time, int(each.quality)] for role, each in found.items()
                    }
                    for product, found in item.measured.items()
                }
                for item in self._cycles
            },
            "heard": {item.item.name: [list(each) for each in sorted(item.heard)] for item in self._cycles},
            "now": [[name, role, seen.record()] for (name, role), seen in self._now.items()],
        }

    def recall(self, saved: Mapping[str, Any], bound: BoundRecipe, position: int) -> BoundRecipe:
        """Go on from a record; the recipe with the settings that were in force at `position`."""
        if not saved or not self._cycles:
            return bound
        for item in self._cycles:
            name = item.item.name
            if name not in saved["states"]:
                continue
            item.state = state_of(saved["states"][name])
            item.measured = {
                int(product): {role: Reading(v, t, Quality(q)) for role, (v, t, q) in found.items()}
                for product, found in saved["measured"][name].items()
            }
            item.heard = {(product, role) for product, role in saved["heard"][name]}
        self._now = {(name, role): gathering(seen) for name, role, seen in saved["now"]}
        return self._spliced(bound, position)

    def carried(
        self, present: BoundRecipe, edited: BoundRecipe, position: int
    ) -> tuple[CycleControl, BoundRecipe]:
        """Controllers and recipe after an edit while the phase at `position` runs; this one stays as it is.

        What was learnt stays with the controllers that the edited recipe still has as they were. Phases that
        have begun keep what controllers had set in them.
        """
        fresh = CycleControl(edited)
        known = {item.item.name: item for item in self._cycles}
        for item in fresh._cycles:
            before = known.get(item.item.name)
            if before is not None and before.item.sets == item.item.sets:
                item.state, item.measured, item.heard = before.state, before.measured, before.heard
        fresh._now = dict(self._now)
        governed = {path for item in self._cycles for path in item.mine}
        phases = list((fresh._spliced(edited, position + 1) if fresh else edited).phases)
        for place, phase in enumerate(present.phases[: position + 1]):
            if place < len(phases) and phases[place].path == phase.path and plain(phase.path) in governed:
                phases[place] = phase
        return fresh, replace(edited, phases=tuple(phases))


def _value(each: Measured, sample: Sample) -> float | None:
    if each.of == "volume":
        return sample.phase_volume
    return sample.phase_time if each.of == "time" else sample.values.get(each.of)


def _places(bound: BoundRecipe) -> dict[int, tuple[str, int]]:
    """Position -> plain path of the phase and which turn it is, from 1."""
    seen: Counter[str] = Counter()
    places = {}
    for position, phase in enumerate(bound.phases):
        path = plain(phase.path)
        seen[path] += 1
        places[position] = (path, seen[path])
    return places
