"""Where a skid's tags live on a server: by namespace URI and browse names, never by node id.

A :class:`TagMap` is data: what the tags of our contract are called there, in which unit and with which values
for the choices they travel, which of them are set by a method call, and which the server does not have.
:func:`minifactory.opcua.resolving.resolve` turns it into the node ids of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.opcua.browse_path import Path, path_of
from minifactory.opcua.layout import INSTRUCTION_FOLDER, NAMESPACE
from minifactory.signals.tags import Instruction, Tag, TagTable

WireValue = float | str
"""What a choice is on the wire: a number (0 and 1 for a boolean) or a text."""
VALUE, NUMBER, OWNER = "value", "number", "owner"
"""Sources of a method's arguments: the set-point's value, the instruction's number, and who asks."""
CLOCK = "System.ProcessTime"
"""The tag of our own servers that never stands still."""


@dataclass(frozen=True)
class Source:
    """What goes into one argument of a method.

    Parameters
    ----------
    what : str
        ``value``, ``number``, ``owner``, the name of an argument of the instruction, or empty for a constant.
    unit : str
        Unit in which the method takes it.
    constant : float or str or None
        What is always sent, when `what` is empty.
    """

    what: str
    unit: str = ""
    constant: WireValue | None = None


@dataclass(frozen=True)
class Place:
    """Where one tag is, and how it travels.

    Parameters
    ----------
    path : Path
        Below the folder Objects; to a variable, or to the method that sets it.
    unit : str or None
        Unit on the wire; None: the tag's own.
    choices : mapping
        Choice of the tag -> its values on the wire, the first of which is sent. Empty: by the names that the
        server gives, or the index where it gives none.
    arguments : mapping
        For a set-point that is a method: argument of the method -> what goes in.
    alive : float
        s for which the value may stand still before it is no longer believed; for signals that never do.
    """

    path: Path
    unit: str | None = None
    choices: Mapping[str, tuple[WireValue, ...]] = field(default_factory=dict)
    arguments: Mapping[str, Source] = field(default_factory=dict)
    alive: float = float("inf")


@dataclass(frozen=True)
class InstructionPlace:
    """Where one instruction is, and what it is given.

    Parameters
    ----------
    path : Path
        To the method, or to the variable that is written.
    arguments : mapping or None
        Argument of the method -> what goes in; None: those of the instruction, then number and owner, as on
        our own servers.
    write : float or str or None
        For a variable: the value that triggers it.
    """

    path: Path
    arguments: Mapping[str, Source] | None = None
    write: WireValue | None = None


@dataclass(frozen=True)
class TagMap:
    """Where a skid's tags and instructions are on one server.

    Parameters
    ----------
    root : tuple of str
        Browse names from the folder Objects down to the skid, for what has no place of its own.
    namespace : str
        URI of the namespace of these browse names.
    paths : mapping
        Tag or instruction name -> browse names below `root`, where they differ from the dotted name (tags) or
        from ``Instruction`` and the name (instructions).
    places, instructions : mapping
        Tag name -> place, and instruction name -> place, anywhere on the server.
    absent : frozenset of str
        Tags and instructions that the server does not have.
    clock : str
        The tag that never stands still while the equipment lives; empty: none is known.
    stamps_each_sample : bool
        Whether the server stamps a value at each sample (true of ours); else only changes are stamped, as far
        as is known, and an old stamp of a value that has not changed means nothing.
    """

    root: tuple[str, ...] = ()
    namespace: str = NAMESPACE
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    instructions: Mapping[str, InstructionPlace] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    clock: str = CLOCK
    stamps_each_sample: bool = True

    def place(self, tag: Tag) -> Place:
        """The place of `tag`."""
        if tag.name in self.places:
            return self.places[tag.name]
        names = self.paths.get(tag.name, tuple(tag.name.split(".")))
        return Place(path_of(self.namespace, (*self.root, *names)))

    def instruction_place(self, instruction: Instruction) -> InstructionPlace:
        """The place of `instruction`."""
        if instruction.name in self.instructions:
            return self.instructions[instruction.name]
        names = self.paths.get(instruction.name, (INSTRUCTION_FOLDER, instruction.name))
        return InstructionPlace(path_of(self.namespace, (*self.root, *names)))

    def reduced(self, table: TagTable) -> TagTable:
        """`table` without what the server does not have."""
        return TagTable.of(
            table.skid,
            [tag for tag in table.tags.values() if tag.name not in self.absent],
            [item for item in table.instructions.values() if item.name not in self.absent],
        )

    @property
    def alive(self) -> dict[str, float]:
        """Tags that never stand still for long, with the s for which they may."""
        return {name: place.alive for name, place in self.places.items() if place.alive < float("inf")}
