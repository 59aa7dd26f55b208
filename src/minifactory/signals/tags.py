"""The one tag contract: names, kinds, units, directions and the instructions of a skid, as one table.

The table is derived from the description (:mod:`minifactory.plant`) and used by virtual skid, driver, Orbit
and page. Set-points are values; instructions are calls with an owner and a number that makes them resolvable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.units import Kind


@dataclass(frozen=True)
class Tag:
    """One named value of a skid.

    Parameters
    ----------
    name : str
        Dotted, e.g. ``System.Flow`` (read) or ``System.Flow.SP`` (set-point).
    kind : Kind
        What it is; values inside the program are in its SI unit.
    unit : str
        Unit on the wire and on pages, e.g. ``mL/min``; empty for positions, states and counters.
    writable : bool
        True for set-points.
    choices : tuple of str
        Names of the positions or states, in order; the value is the index. Empty for numbers.
    lower, upper : float
        Legal range in SI units (set-points) or measuring range (readings).
    description : str
        One line for people.
    readback : str
        For set-points: the tag that shows that it was obeyed; empty when there is none.
    """

    name: str
    kind: Kind
    unit: str = ""
    writable: bool = False
    choices: tuple[str, ...] = ()
    lower: float = float("-inf")
    upper: float = float("inf")
    description: str = ""
    readback: str = ""

    def index(self, choice: str) -> int:
        """The value that stands for `choice`; InputError if there is no such position or state."""
        try:
            return self.choices.index(choice)
        except ValueError:
            raise InputError(
                Finding(self.name, f'no position "{choice}"', remedy=did_you_mean(choice, self.choices))
            ) from None


@dataclass(frozen=True)
class Argument:
    """One argument of an instruction: its name, kind and unit on the wire."""

    name: str
    kind: Kind
    unit: str = ""


@dataclass(frozen=True)
class Instruction:
    """A one-shot action of the equipment, e.g. ``Gradient(percent_b, volume)`` or ``AutoZero()``."""

    name: str
    arguments: tuple[Argument, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class TagTable:
    """All tags and instructions of one skid."""

    skid: str
    tags: Mapping[str, Tag]
    instructions: Mapping[str, Instruction] = field(default_factory=dict)

    @classmethod
    def of(cls, skid: str, tags: Iterable[Tag], instructions: Iterable[Instruction] = ()) -> TagTable:
        """A table from its members."""
        return cls(skid, {tag.name: tag for tag in tags}, {item.name: item for item in instructions})

    def tag(self, name: str) -> Tag:
        """The tag called `name`; InputError naming the closest if there is none."""
        try:
            return self.tags[name]
        except KeyError:
            raise InputError(
                Finding(self.skid, f'no tag "{name}"', remedy=did_you_mean(name, self.tags))
            ) from None

    @property
    def readable(self) -> tuple[Tag, ...]:
        """The tags that make up the read image, in table order."""
        return tuple(tag for tag in self.tags.values() if not tag.writable)

    @property
    def writable(self) -> tuple[Tag, ...]:
        """The set-points, in table order."""
        return tuple(tag for tag in self.tags.values() if tag.writable)
