"""How a skid's tags and instructions are laid out on an OPC UA server: names, units and data types.

A :class:`Layout` is data. Our own servers use :func:`own_layout`, in which a tag's dotted name is its browse
path; equipment of other makers looks different (:mod:`minifactory.opcua.unicorn_like`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from minifactory.opcua.wire import Form, form
from minifactory.signals.tags import TagTable

NAMESPACE = "urn:minifactory:skid"
INSTRUCTION_FOLDER = "Instruction"
REFUSAL = "Refusal"
NUMBER, OWNER = "Number", "Owner"


@dataclass(frozen=True)
class Item:
    """Where one tag is and how it travels.

    Parameters
    ----------
    path : tuple of str
        Browse names below the skid's object.
    form : Form
        Data type.
    unit : str
        Unit on the wire; empty for choices and plain numbers.
    names : tuple of str
        Of the choices, in the order of the tag's own.
    """

    path: tuple[str, ...]
    form: Form
    unit: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """Where one instruction is, and what its arguments are called there.

    Parameters
    ----------
    path : tuple of str
        Browse names below the skid's object.
    arguments : tuple of (str, str)
        Name and unit of each, in the order of the instruction's own.
    number, owner : str
        Names of the arguments that come last: the instruction's number, and who asks.
    """

    path: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...] = ()
    number: str = NUMBER
    owner: str = OWNER


@dataclass(frozen=True)
class Layout:
    """The address space of one skid.

    Parameters
    ----------
    namespace : str
        URI of all its nodes.
    endpoint : str
        First part of the endpoint's path, before the skid's name.
    tags : mapping
        Tag -> where it is.
    instructions : mapping
        Instruction -> where it is.
    refusal : tuple of str
        Path of the variable that tells why something was refused.
    console : mapping
        What a person does at the equipment itself (``hold``, ``pause``, ``continue``, ``end``) -> path of the
        method that does it; empty where the server has none.
    """

    namespace: str
    endpoint: str
    tags: Mapping[str, Item]
    instructions: Mapping[str, Call]
    refusal: tuple[str, ...]
    console: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


LayoutOf = Callable[[TagTable], Layout]


def own_layout(table: TagTable) -> Layout:
    """The layout of our own servers: a tag's dotted name is its browse path."""
    tags = (*table.readable, *table.writable)
    return Layout(
        NAMESPACE,
        "minifactory",
        {tag.name: Item(tuple(tag.name.split(".")), form(tag), tag.unit, tag.choices) for tag in tags},
        {
            name: Call((INSTRUCTION_FOLDER, name), tuple((item.name, item.unit) for item in known.arguments))
            for name, known in table.instructions.items()
        },
        (INSTRUCTION_FOLDER, REFUSAL),
    )
