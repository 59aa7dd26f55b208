"""Asking a server what it has: paths to nodes, children of a node, attributes of many nodes at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from asyncua import ua

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.browse_path import STANDARD, Path
from minifactory.opcua.session import Session

CHUNK = 200  # nodes per request; halved for a server that finds this too many


class NameBrowser:
    """Finds nodes by browse names, and says what is there instead."""

    def __init__(self, session: Session, namespaces: Sequence[str]) -> None:
        self._session = session
        self.namespaces = tuple(namespaces)
        self._known: dict[Any, list[Any]] = {}

    @classmethod
    async def connect(cls, session: Session, needed: Sequence[str]) -> NameBrowser:
        """A browser for a server that must have the namespaces `needed`; EquipmentError if it has not."""
        namespaces = await namespaces_of(session)
        missing = [uri for uri in dict.fromkeys(needed) if uri not in namespaces]
        if missing:
            raise EquipmentError(
                Finding(
                    f"driver {session.target.url}",
                    f'namespace "{uri}" not found',
                    f"one of {', '.join(namespaces[1:]) or 'none'}",
                    "Correct the tag map, or connect to the right server.",
                )
                for uri in missing
            )
        return cls(session, namespaces)

    async def find(self, paths: Sequence[Path]) -> list[ua.NodeId | None]:
        """The nodes at `paths` below Objects; None where there is none."""
        start = ua.NodeId(ua.ObjectIds.ObjectsFolder)
        steps = [
            [ua.QualifiedName(step.name, self._index(step.namespace)) for step in path] for path in paths
        ]
        return await find_below(self._session, [start] * len(paths), steps)

    async def missing(self, what: str, name: str, path: Path) -> Finding:
        """Why there is nothing at `path`: how far it goes, and what is closest there."""
        node, depth = ua.NodeId(ua.ObjectIds.ObjectsFolder), 0
        children = await self._children(node)
        while depth < len(path):
            step = path[depth]
            here = [item for item in children if self._is(item, step.name, self._index(step.namespace))]
            if not here:
                break
            node, depth = here[0].NodeId, depth + 1
            children = await self._children(node)
        base = self._shown(path[:depth])
        names = {str(item.BrowseName.Name): item for item in children if item.BrowseName.NamespaceIndex}
        wanted = path[min(depth, len(path) - 1)]
        close = difflib.get_close_matches(wanted.name, list(names), n=1, cutoff=0.4)
        if close:
            child = names[close[0]]
            index = child.BrowseName.NamespaceIndex
            closest = f"{base}/{index}:{close[0]}"
            below = [
                str(item.BrowseName.Name)
                for item in await self._children(child.NodeId)
                if item.BrowseName.NamespaceIndex  # without the standard's own properties
            ]
            remedy = f"Closest: {closest}"
            if index != self._index(wanted.namespace):
                remedy += f', in namespace "{self.namespaces[index]}"'
        else:
            below, remedy = list(names), f"Closest: {base}"
        if below:
            shown = ", ".join(sorted(below)[:12]) + (", ..." if len(below) > 12 else "")
            remedy += f" with children {shown}"
        where = f"driver {self._session.target.url}"
        return Finding(where, f'{what} "{name}" not found under {base}', remedy=f"{remedy}.")

    def _index(self, namespace: str) -> int:
        return 0 if namespace == STANDARD else self.namespaces.index(namespace)

    @staticmethod
    def _is(item: Any, name: str, index: int) -> bool:
        return bool(item.BrowseName.Name == name and item.BrowseName.NamespaceIndex == index)

    def _shown(self, path: Path) -> str:
        return "/".join(("Objects", *(f"{self._index(step.namespace)}:{step.name}" for step in path)))

    async def _children(self, node: ua.NodeId) -> list[Any]:
        if node not in self._known:
            self._known[node] = await browse_children(self._session, node)
        return self._known[node]


async def namespaces_of(session: Session) -> tuple[str, ...]:
    """The namespace URIs of the server, by index."""
    array = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
    (value,) = await read_attributes(session, [(array, ua.AttributeIds.Value)])
    found = content(value)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        where = f"driver {session.target.url}"
        raise EquipmentError(Finding(where, "the server does not tell its namespaces", remedy="Check it."))
    return tuple(found)


async def find_below(
    session: Session, starts: Sequence[ua.NodeId], steps: Sequence[Sequence[ua.QualifiedName]]
) -> list[ua.NodeId | None]:
    """The nodes that are reached from each of `starts` by its browse names; None where there is none."""

    async def ask(asked: Sequence[Any]) -> list[Any]:
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [_browse_path(start, names) for start, names in asked]
        answer = await session.request(request, ua.TranslateBrowsePathsToNodeIdsResponse)
        return list(answer.Results)

    found: list[ua.NodeId | None] = []
    for result in await in_parts(list(zip(starts, steps, strict=True)), ask):
        good = result.StatusCode.is_good() and result.Targets
        found.append(local(result.Targets[0].TargetId) if good else None)
    return found


async def browse_children(session: Session, node: ua.NodeId) -> list[Any]:
    """The references from `node` to its children (hierarchical, forward), whatever their number."""
    (found,) = await browse_many(session, [node])
    return found


async def browse_many(session: Session, nodes: Sequence[ua.NodeId]) -> list[list[Any]]:
    """For each of `nodes` the references to its children."""

    async def ask(asked: Sequence[Any]) -> list[Any]:
        request = ua.BrowseRequest()
        request.Parameters.RequestedMaxReferencesPerNode = 0
        request.Parameters.NodesToBrowse = [_description(node) for node in asked]
        return list((await session.request(request, ua.BrowseResponse)).Results)

    found = []
    for result in await in_parts(list(nodes), ask):
        references = list(result.References or [])
        while result.ContinuationPoint:
            more = ua.BrowseNextRequest()
            more.Parameters.ContinuationPoints = [result.ContinuationPoint]
            (result,) = (await session.request(more, ua.BrowseNextResponse)).Results
            references += result.References or []
        for item in references:
            item.NodeId = local(item.NodeId)
        found.append(references)
    return found


async def read_attributes(session: Session, asked: Sequence[tuple[ua.NodeId, int]]) -> list[Any]:
    """The data values of the given attributes, in order."""

    async def ask(part: Sequence[Any]) -> list[Any]:
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in part
        ]
        return list((await session.request(request, ua.ReadResponse)).Results)

    return await in_parts(list(asked), ask)


async def in_parts(asked: list[Any], ask: Callable[[Sequence[Any]], Any]) -> list[Any]:
    """The answers to all of `asked`, so many in one request as the server takes.

    A server tells that it takes less by refusing (BadTooManyOperations, BadEncodingLimitsExceeded, ...); then
    the part is halved.
    """
    answers: list[Any] = []
    size, place = CHUNK, 0
    while place < len(asked):
        part = asked[place : place + size]
        try:
            found = await ask(part)
        except EquipmentError as fault:
            if not _too_many(fault) or len(part) == 1:
                raise
            size = max(1, len(part) // 2)
            continue
        answers += found
        place += len(part)
    return answers


def content(value: Any) -> Any:
    """What a data value holds; None when its status is bad or it is empty."""
    if value.StatusCode is not None and not value.StatusCode.is_good():
        return None
    return None if value.Value is None else value.Value.Value


def local(node: Any) -> ua.NodeId:
    """A node id without the server index and namespace URI that browsing adds."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)


def _too_many(fault: EquipmentError) -> bool:
    cause = fault.__cause__
    return type(cause).__name__ in (
        "BadTooManyOperations",
        "BadEncodingLimitsExceeded",
        "BadResponseTooLarge",
        "BadRequestTooLarge",
    )


def _description(node: ua.NodeId) -> ua.BrowseDescription:
    description = ua.BrowseDescription()
    description.NodeId = node
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.ResultMask = ua.BrowseResultMask.All
    return description


def _browse_path(start: ua.NodeId, names: Sequence[ua.QualifiedName]) -> ua.BrowsePath:
    elements = []
    for name in names:
        element = ua.RelativePathElement()
        element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
        element.IsInverse = False
        element.IncludeSubtypes = True
        element.TargetName = name
        elements.append(element)
    path = ua.BrowsePath()
    path.StartingNode = start
    path.RelativePath.Elements = elements
    return path
