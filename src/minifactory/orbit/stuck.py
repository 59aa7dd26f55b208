"""Notices a detector that used to be restless and stands still: a plausible value that may not be true.

Nothing has to be declared. A reading counts as restless when it has gone up and down; how long it stands
still now and then is learnt from itself, so a signal of coarse resolution is given more time than a fine one.
Readings at the end of their range and at zero (a pump that rests) may stand still. The alarm asks a person to
look; what else follows is declared for the tag (``tag_reactions``).
"""

from __future__ import annotations

from dataclasses import dataclass

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.policy import Policy
from minifactory.records.documents import Priority
from minifactory.signals.shown import shown
from minifactory.signals.tags import Tag, TagTable

LEARNT = 300
"""Readings after which a signal is known well enough."""
TURNS = 0.1
"""Part of the changes that must turn the direction: less is a ramp or a counter, which may stop."""
PATIENCE = 50
"""Readings for which any signal may stand still."""
LONGER = 10
"""Times the longest standstill seen so far after which it is told."""
LOOK_EVERY = 10
"""Readings between two looks for signals that stand still."""


@dataclass(slots=True)
class _Habit:
    """How one signal has behaved: readings counted, in which it changed, turned, and stood longest."""

    tag: Tag
    value: float = 0.0
    rising: bool = False
    first: int = -1
    changed: int = 0
    changes: int = 0
    turns: int = 0
    longest: int = 1

    def take(self, value: float, reading: int) -> None:
        if self.first < 0:
            self.first = reading
        else:
            rising = value > self.value
            self.changes += 1
            self.turns += rising is not self.rising
            self.longest = max(self.longest, reading - self.changed)
            self.rising = rising
        self.value, self.changed = value, reading

    def stuck(self, reading: int) -> bool:
        known = self.first >= 0 and self.changed - self.first >= LEARNT
        if not known or self.turns < TURNS * self.changes or self.value == 0.0:
            return False
        inside = self.tag.lower < self.value < self.tag.upper
        return inside and reading - self.changed > max(PATIENCE, LONGER * self.longest)


class StuckGuard:
    """Looks for signals that stand still.

    Parameters
    ----------
    table : TagTable
        Of the skid.
    policy : Policy
        Its `tag_reactions` say what follows besides the alarm.
    """

    def __init__(self, table: TagTable, policy: Policy) -> None:
        obeying = {tag.readback for tag in table.writable}
        self._habits = {
            place: _Habit(tag)
            for place, tag in enumerate(table.readable)
            if tag.unit and not tag.choices and tag.name not in obeying
        }
        self._policy = policy
        self._reading = 0
        self._told: set[int] = set()
        self._demands: list[Demand] = []

    def look(self, image: Image, time: float, alarms: Alarms) -> list[Demand]:
        """Take up what this scan has read; demands of signals that stand still.

        A scan that has read nothing new counts for nothing: that is the link's business.
        """
        if not image.changed:
            return self._demands
        self._reading += 1
        for place, value in zip(image.changed, image.changed_values, strict=True):
            habit = self._habits.get(place)
            if habit is not None and value == value:
                habit.take(value, self._reading)
                if place in self._told:
                    self._told.discard(place)
                    alarms.clear(f"Stuck {habit.tag.name}")
        if self._reading % LOOK_EVERY == 0:
            self._demands = self._stuck(time, alarms)
        return self._demands

    def _stuck(self, time: float, alarms: Alarms) -> list[Demand]:
        demands = []
        for place, habit in self._habits.items():
            if not habit.stuck(self._reading):
                continue
            name = habit.tag.name
            text = f"{name} has shown exactly {shown(habit.tag, habit.value)} for a long time"
            fresh = alarms.set(f"Stuck {name}", Priority.MEDIUM, text, time)
            self._told.add(place)
            if name in self._policy.tag_reactions:
                demands.append(Demand(f"Stuck {name}", self._policy.tag_reactions[name], text, fresh))
        return demands
