"""What is on a server: every variable and method below Objects, with what the server says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua

from minifactory.opcua.browse_path import BrowseName, Path
from minifactory.opcua.browsing import browse_many, content, find_below, namespaces_of, read_attributes
from minifactory.opcua.coding import Seen
from minifactory.opcua.resolving import MethodArgument, input_arguments, inspect
from minifactory.opcua.session import Session

MOST_NODES = 20_000
DEEPEST = 12
"""Nodes and levels that are looked at; a server with more is not a skid's."""


@dataclass(frozen=True)
class FoundVariable:
    """A variable: its path, what the server says of it, its range in its own unit, and its description."""

    path: Path
    seen: Seen
    low: float | None = None
    high: float | None = None
    description: str = ""


@dataclass(frozen=True)
class FoundMethod:
    """A method: its path, arguments and description."""

    path: Path
    arguments: tuple[MethodArgument, ...]
    description: str = ""


@dataclass(frozen=True)
class Survey:
    """Everything below Objects; `complete` is False when the server has more than was looked at."""

    variables: tuple[FoundVariable, ...]
    methods: tuple[FoundMethod, ...]
    namespaces: tuple[str, ...]
    complete: bool = True


async def survey(session: Session) -> Survey:
    """What the server of `session` has; EquipmentError when the link fails.

    The standard's own Server object and the properties of nodes are left out. A node that can be reached in
    several ways is listed once, by the shortest.
    """
    namespaces = await namespaces_of(session)
    variables: list[tuple[Path, ua.NodeId]] = []
    methods: list[tuple[Path, ua.NodeId]] = []
    level: list[tuple[Path, ua.NodeId]] = [((), ua.NodeId(ua.ObjectIds.ObjectsFolder))]
    known = {level[0][1]}
    depth = 0
    while level and depth < DEEPEST and len(known) < MOST_NODES:
        children = await browse_many(session, [node for _, node in level])
        below: list[tuple[Path, ua.NodeId]] = []
        for (path, _), references in zip(level, children, strict=True):
            for item in references:
                node, name = item.NodeId, item.BrowseName
                if node in known or (node.NamespaceIndex == 0 and name.NamespaceIndex == 0):
                    continue
                if item.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty):
                    continue
                known.add(node)
                if name.NamespaceIndex >= len(namespaces):
                    continue
                here = (*path, BrowseName(namespaces[name.NamespaceIndex], str(name.Name)))
                if item.NodeClass == ua.NodeClass.Variable:
                    variables.append((here, node))
                elif item.NodeClass == ua.NodeClass.Method:
                    methods.append((here, node))
                    continue
                below.append((here, node))
        level, depth = below, depth + 1
    return Survey(
        await _variables(session, variables), await _methods(session, methods), namespaces, not level
    )


async def _variables(session: Session, found: Sequence[tuple[Path, ua.NodeId]]) -> tuple[FoundVariable, ...]:
    nodes = [node for _, node in found]
    seen, _ = await inspect(session, nodes)
    ranges = await _ranges(session, nodes)
    texts = await _descriptions(session, nodes)
    return tuple(
        FoundVariable(path, what, low, high, text)
        for (path, _), what, (low, high), text in zip(found, seen, ranges, texts, strict=True)
    )


async def _methods(session: Session, found: Sequence[tuple[Path, ua.NodeId]]) -> tuple[FoundMethod, ...]:
    nodes = [node for _, node in found]
    arguments = await input_arguments(session, nodes)
    texts = await _descriptions(session, nodes)
    return tuple(
        FoundMethod(path, given, text) for (path, _), given, text in zip(found, arguments, texts, strict=True)
    )


async def _ranges(session: Session, nodes: Sequence[ua.NodeId]) -> list[tuple[float | None, float | None]]:
    step = [ua.QualifiedName("EURange", 0)]
    places = await find_below(session, nodes, [step] * len(nodes))
    asked = [(place, ua.AttributeIds.Value) for place in places if place is not None]
    answers = iter(await read_attributes(session, asked))
    found: list[tuple[float | None, float | None]] = []
    for place in places:
        span: Any = content(next(answers)) if place is not None else None
        low, high = getattr(span, "Low", None), getattr(span, "High", None)
        found.append((low, high))
    return found


async def _descriptions(session: Session, nodes: Sequence[ua.NodeId]) -> list[str]:
    asked = [
        (node, attribute)
        for node in nodes
        for attribute in (ua.AttributeIds.DisplayName, ua.AttributeIds.Description)
    ]
    answers = await read_attributes(session, asked)
    texts = [str(getattr(content(answer), "Text", None) or "") for answer in answers]
    return [f"{texts[2 * place]} {texts[2 * place + 1]}".strip() for place in range(len(nodes))]
