"""Who may set what: recipe, operator, peer and model compete for set-points and for the method itself.

Everything belongs to the recipe unless somebody has *taken* it or it has been *granted* to somebody. A higher
level may take from a lower one; the lower one is told who holds what, what it asked for is kept, and it comes
into force when the thing is *handed back*. Interlocks, guards and the safe state stand above all levels: they
never ask here, and the end of a run hands everything back.

What may be held is every set-point by its tag (``System.Flow``) and the ``method`` (start, resume, restart,
skip, force, cancel, edit). Hold, pause, stop and abort are open to everyone at all times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from minifactory.errors import Finding, InputError

METHOD = "method"
"""The thing that stands for starting, going on, and changing what is to be done."""


class Level(IntEnum):
    """The levels, from low to high."""

    MODEL = 1
    PEER = 2
    RECIPE = 3
    OPERATOR = 4

    @classmethod
    def of(cls, name: str) -> Level:
        """The level called `name`; InputError when there is none."""
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(item.name.lower() for item in reversed(cls))
            raise InputError(Finding("authority", f'no level "{name}"', f"one of {known}")) from None

    @property
    def word(self) -> str:
        """Its name in lower case."""
        return self.name.lower()


@dataclass(frozen=True)
class Holder:
    """Who holds a thing: level, name, since when (s of process time since the start of the run), by whom it
    was granted (empty: taken)."""

    level: Level
    actor: str
    since: float = 0.0
    granted: str = ""

    def __str__(self) -> str:
        if self.level is Level.RECIPE:
            return "the recipe"
        by = f", granted by {self.granted}" if self.granted else ""
        return f"{self.actor} ({self.level.word}{by})"


RECIPE = Holder(Level.RECIPE, "recipe")


class Authority:
    """Who holds what on one skid, and what was asked meanwhile by those who do not.

    Attributes
    ----------
    holders : dict of str to Holder
        Thing -> holder; what is not here is with the recipe.
    withheld : dict of str to float
        Set-point tag -> what the recipe wants there (SI) while somebody else holds it.
    """

    def __init__(self, controller: str) -> None:
        self.holders: dict[str, Holder] = {}
        self.withheld: dict[str, float] = {}
        self._where = f"orbit {controller}"

    def holder(self, thing: str) -> Holder:
        """Who holds `thing`."""
        return self.holders.get(_name(thing), RECIPE)

    def held(self, thing: str) -> bool:
        """Whether anybody but the recipe holds `thing`."""
        return _name(thing) in self.holders

    def permits(self, thing: str, level: Level, actor: str) -> bool:
        """Whether `actor` at `level` may act on `thing` without taking it."""
        holder = self.holder(thing)
        if holder is RECIPE:
            return level >= Level.RECIPE
        return (level, actor) == (holder.level, holder.actor) or level > holder.level

    def check(self, things: Iterable[str], level: Level, actor: str, what: str) -> list[Finding]:
        """Why `actor` may not do `what` with `things`: who holds which of them; empty if it may."""
        found = []
        for thing in things:
            if not self.permits(thing, level, actor):
                holder = self.holder(thing)
                remedy = f"Ask {holder.actor} to hand it back"
                if holder is RECIPE:
                    remedy = "An operator can grant it"
                elif level >= holder.level:
                    remedy += ", or take it"
                said = f'"{what}" refused: {_name(thing)} is held by {holder}'
                found.append(Finding(self._where, said, remedy=f"{remedy}."))
        return found

    def take(self, things: Iterable[str], level: Level, actor: str, time: float) -> list[str]:
        """Hold `things` from now on; what changed hands, in words.

        Raises
        ------
        InputError
            When a higher level holds one of them, or `level` is below the recipe's and nobody granted it.
        """
        names = [_name(thing) for thing in things]
        found = []
        for name in names:
            holder = self.holder(name)
            if level < holder.level:
                remedy = "An operator can grant it." if holder is RECIPE else f"Ask {holder.actor}."
                found.append(Finding(self._where, f'"take" refused: {name} is held by {holder}', "", remedy))
        if found:
            raise InputError(found)
        changed = []
        for name in names:
            before = self.holder(name)
            if (before.level, before.actor) != (level, actor):
                self.holders[name] = Holder(level, actor, time)
                changed.append(f"{name} from {before} to {self.holders[name]}")
        return changed

    def grant(self, things: Iterable[str], to: Level, name: str, by: str, time: float) -> list[str]:
        """Give `things` to `name` at level `to` on the word of the operator `by`; what changed hands."""
        changed = []
        for thing in things:
            before = self.holder(thing)
            self.holders[_name(thing)] = holder = Holder(to, name, time, by)
            changed.append(f"{_name(thing)} from {before} to {holder}")
        return changed

    def release(self, things: Iterable[str], level: Level, actor: str) -> list[str]:
        """Hand `things` back to the recipe; the names of those that were held.

        Raises
        ------
        InputError
            When somebody else of at least this level holds one of them.
        """
        names = [_name(thing) for thing in things]
        found = [
            Finding(self._where, f'"release" refused: {name} is held by {self.holders[name]}')
            for name in names
            if name in self.holders and not self.permits(name, level, actor)
        ]
        if found:
            raise InputError(found)
        return [name for name in names if self.holders.pop(name, None) is not None]

    def permitted(self, setpoints: Mapping[str, float]) -> dict[str, float]:
        """What of the recipe's `setpoints` (SI) is in force now; the rest is kept until it is handed back."""
        if not self.holders:
            return dict(setpoints)
        allowed: dict[str, float] = {}
        for name, value in setpoints.items():
            if _name(name) in self.holders:
                self.withheld[name] = value
            else:
                allowed[name] = value
        return allowed

    def returned(self, names: Iterable[str]) -> dict[str, float]:
        """What the recipe asked for (SI) of the things `names`, which were handed back; asked once."""
        found = {}
        for name in names:
            value = self.withheld.pop(f"{name}.SP", None)
            if value is not None:
                found[f"{name}.SP"] = value
        return found

    def record(self) -> dict[str, Any]:
        """Who holds what and what is kept for the recipe, for :meth:`recall` after a restart."""
        holders = {
            name: [int(each.level), each.actor, each.since, each.granted]
            for name, each in self.holders.items()
        }
        return {"holders": holders, "withheld": dict(self.withheld)}

    def recall(self, saved: Mapping[str, Any]) -> None:
        """Take up what :meth:`record` gave."""
        for name, (level, actor, since, granted) in saved.get("holders", {}).items():
            self.holders[name] = Holder(Level(level), actor, since, granted)
        self.withheld.update(saved.get("withheld", {}))

    def clear(self) -> list[str]:
        """Everything goes back to the recipe, as at the end of a run; what was held."""
        held = [f"{name} from {holder}" for name, holder in self.holders.items()]
        self.holders.clear()
        self.withheld.clear()
        return held


def _name(thing: str) -> str:
    return thing.removesuffix(".SP")
