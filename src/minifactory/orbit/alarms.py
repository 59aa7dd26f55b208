"""Alarms after ISA-18.2: raised, acknowledged with a note, shelved until a time, cleared; the first one is
marked.

The mark tells what came first when one cause raises many alarms. A warning (low priority) neither gets it nor
keeps others from it, and needs no person to leave the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.records.documents import AlarmStage, Priority


@dataclass(frozen=True)
class ActiveAlarm:
    """An alarm as a page shows it.

    `time` in s since the start of the run; `first_out` when it was the first of a series; `present` while
    its cause persists; `shelved_until` in s of process time while it is hidden.
    """

    name: str
    occurrence: int
    priority: Priority
    message: str
    time: float
    acknowledged: bool = False
    first_out: bool = False
    present: bool = True
    shelved_until: float | None = None


@dataclass
class _Entry:
    name: str
    occurrence: int
    priority: Priority
    message: str
    time: float
    first_out: bool
    present: bool = True
    acknowledged: bool = False


def _active(entry: _Entry, shelved_until: float | None = None) -> ActiveAlarm:
    return ActiveAlarm(
        entry.name,
        entry.occurrence,
        entry.priority,
        entry.message,
        entry.time,
        entry.acknowledged,
        entry.first_out,
        entry.present,
        shelved_until,
    )


@dataclass(frozen=True)
class Change:
    """What is to be published of one change."""

    name: str
    occurrence: int
    priority: Priority
    stage: AlarmStage
    message: str
    actor: str = ""
    note: str = ""
    first_out: bool = False


class Alarms:
    """The alarm list of one controller; every change is told to `publish`.

    An alarm stays in the list until its cause is gone *and* a person has acknowledged it; a warning only
    until its cause is gone.
    """

    def __init__(self, publish: Callable[[Change], None]) -> None:
        self._publish = publish
        self._entries: dict[str, _Entry] = {}
        self._occurrences: dict[str, int] = {}
        self._shelved: dict[str, float] = {}
        self._first: _Entry | None = None

    @property
    def first_out(self) -> ActiveAlarm | None:
        """The alarm with which the present trouble began, even if its own cause is gone; None without any."""
        return None if self._first is None or not self._abnormal else _active(self._first)

    @property
    def _abnormal(self) -> bool:
        return any(item.present and item.priority is not Priority.LOW for item in self._entries.values())

    def active(self) -> tuple[ActiveAlarm, ...]:
        """What a page shows, oldest first; shelved alarms are not in it."""
        return tuple(_active(item) for item in self._entries.values() if item.name not in self._shelved)

    def shelved(self) -> tuple[ActiveAlarm, ...]:
        """Alarms that are hidden for a time, oldest first."""
        return tuple(
            _active(item, self._shelved[item.name])
            for item in self._entries.values()
            if item.name in self._shelved
        )

    def present(self, name: str) -> bool:
        """Whether the cause of alarm `name` persists."""
        entry = self._entries.get(name)
        return entry is not None and entry.present

    def set(self, name: str, priority: Priority, message: str, time: float) -> bool:
        """Raise `name` unless it is raised already; True when it is new."""
        entry = self._entries.get(name)
        if entry is not None and entry.present:
            return False
        first_out = priority is not Priority.LOW and not self._abnormal
        occurrence = self._occurrences.get(name, 0) + 1
        self._occurrences[name] = occurrence
        entry = _Entry(name, occurrence, priority, message, time, first_out)
        self._entries[name] = entry
        if first_out:
            self._first = entry
        self._tell(entry, AlarmStage.RAISED)
        return True

    def clear(self, name: str) -> None:
        """The cause of `name` is gone; no effect when it was not raised."""
        entry = self._entries.get(name)
        if entry is None or not entry.present:
            return
        entry.present = False
        self._tell(entry, AlarmStage.CLEARED)
        if entry.acknowledged or entry.priority is Priority.LOW:
            del self._entries[name]

    def acknowledge(self, name: str, actor: str, note: str = "") -> None:
        """A person has seen `name`; again: no effect. InputError when there is no such alarm."""
        entry = self._find(name)
        if entry.acknowledged:
            return
        entry.acknowledged = True
        self._tell(entry, AlarmStage.ACKNOWLEDGED, actor, note)
        if not entry.present:
            del self._entries[name]

    def acknowledge_if_present(self, name: str, actor: str, note: str = "") -> None:
        """As :meth:`acknowledge`; no effect when there is no such alarm."""
        if name in self._entries:
            self.acknowledge(name, actor, note)

    def shelve(self, name: str, until: float, actor: str, note: str = "") -> None:
        """Hide `name` until process time `until` (s); it acts as before. InputError when there is no such
        alarm."""
        entry = self._find(name)
        self._shelved[name] = until
        self._tell(entry, AlarmStage.SHELVED, actor, note)

    def unshelve(self, name: str, actor: str, note: str = "") -> None:
        """Show `name` again before its time. InputError when it is not shelved."""
        if name not in self._shelved:
            remedy = did_you_mean(name, self._shelved) if self._shelved else "No alarm is shelved."
            raise InputError(Finding("alarms", f'alarm "{name}" is not shelved', remedy=remedy))
        del self._shelved[name]
        if name in self._entries:
            self._tell(self._entries[name], AlarmStage.UNSHELVED, actor, note)

    def expire(self, time: float) -> None:
        """Bring back what was shelved until before `time` (s)."""
        for name in [name for name, until in self._shelved.items() if until <= time]:
            del self._shelved[name]
            if name in self._entries:
                self._tell(self._entries[name], AlarmStage.UNSHELVED)

    def _find(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            remedy = did_you_mean(name, self._entries)
            raise InputError(Finding("alarms", f'no alarm "{name}"', remedy=remedy)) from None

    def _tell(self, entry: _Entry, stage: AlarmStage, actor: str = "", note: str = "") -> None:
        self._publish(
            Change(
                entry.name,
                entry.occurrence,
                entry.priority,
                stage,
                entry.message,
                actor,
                note,
                entry.first_out,
            )
        )
