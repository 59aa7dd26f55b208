"""Where a skid's tags live on a server: by namespace URI and browse names, never by node id.

:func:`resolve` turns names into the node ids of the moment and checks what it finds (type, access, unit,
choices) against the tag table; every mismatch is reported, with the closest name that does exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.address_space import INSTRUCTION_FOLDER, NAMESPACE
from minifactory.opcua.session import Session
from minifactory.signals.tags import Instruction, Tag, TagTable

Path = tuple[str, ...]
CHUNK = 200  # nodes per request; more than any known server's operation limit allows is never asked
NUMERIC = {
    getattr(ua.ObjectIds, name): getattr(ua.VariantType, name)
    for name in (
        "Boolean",
        "SByte",
        "Byte",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Float",
        "Double",
    )
}


@dataclass(frozen=True)
class TagMap:
    """Browse paths of a skid's tags and instructions on one server.

    Parameters
    ----------
    root : tuple of str
        Browse names from the folder Objects down to the skid.
    namespace : str
        URI of the namespace of all these browse names.
    paths : mapping
        Tag or instruction name -> browse names below `root`, where they differ from the dotted name (tags) or
        from ``Instruction`` and the name (instructions).
    """

    root: Path
    namespace: str = NAMESPACE
    paths: Mapping[str, Path] = field(default_factory=dict)

    def tag_path(self, tag: Tag) -> Path:
        """Browse names of `tag` below Objects."""
        return (*self.root, *self.paths.get(tag.name, tuple(tag.name.split("."))))

    def instruction_path(self, instruction: Instruction) -> Path:
        """Browse names of `instruction` below Objects."""
        return (*self.root, *self.paths.get(instruction.name, (INSTRUCTION_FOLDER, instruction.name)))


@dataclass(frozen=True)
class ResolvedTag:
    """A tag's node and the type in which it travels."""

    node: ua.NodeId
    variant_type: ua.VariantType


@dataclass(frozen=True)
class ResolvedMethod:
    """An instruction's method and the object that it is called on."""

    parent: ua.NodeId
    node: ua.NodeId


@dataclass(frozen=True)
class Resolution:
    """The nodes of the moment; stale after the server restarted."""

    tags: Mapping[str, ResolvedTag]
    instructions: Mapping[str, ResolvedMethod]


async def resolve(session: Session, table: TagTable, tag_map: TagMap) -> Resolution:
    """The nodes of all tags and instructions of `table`.

    Raises
    ------
    EquipmentError
        With a finding for every tag or instruction that is missing, of the wrong type, unit or choices, or
        not writable although it is a set-point.
    """
    browser = await NameBrowser.connect(session, tag_map.namespace)
    tags = list(table.tags.values())
    instructions = list(table.instructions.values())
    paths = [tag_map.tag_path(tag) for tag in tags]
    method_paths = [tag_map.instruction_path(item) for item in instructions]
    nodes = await browser.find(paths)
    methods = await browser.find(method_paths)
    parents = await browser.find([path[:-1] for path in method_paths])
    findings: list[Finding] = []
    for what, names, places, found in (
        ("tag", [tag.name for tag in tags], paths, nodes),
        ("instruction", [item.name for item in instructions], method_paths, methods),
    ):
        for name, path, node in zip(names, places, found, strict=True):
            if node is None:
                findings.append(await browser.missing(what, name, path))
    present = [(tag, node) for tag, node in zip(tags, nodes, strict=True) if node is not None]
    resolved, faults = await _inspect(session, present)
    findings += faults
    if findings:
        raise EquipmentError(findings)
    return Resolution(
        resolved,
        {
            item.name: ResolvedMethod(parent, node)
            for item, parent, node in zip(instructions, parents, methods, strict=True)
            if parent is not None and node is not None
        },
    )


class NameBrowser:
    """Finds nodes by browse names in one namespace, and says what is there instead."""

    def __init__(self, session: Session, namespace: str, namespaces: Sequence[str]) -> None:
        self._session = session
        self._namespaces = namespaces
        self._index = namespaces.index(namespace)
        self._known: dict[Any, list[Any]] = {}

    @classmethod
    async def connect(cls, session: Session, namespace: str) -> NameBrowser:
        """A browser for `namespace`; EquipmentError if the server does not have it."""
        array = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        (value,) = await read_attributes(session, [(array, ua.AttributeIds.Value)])
        namespaces = value.Value.Value
        if namespace not in namespaces:
            raise EquipmentError(
                Finding(
                    f"driver {session.target.url}",
                    f'namespace "{namespace}" not found',
                    f"one of {', '.join(namespaces[1:]) or 'none'}",
                    "Correct the tag map, or connect to the right server.",
                )
            )
        return cls(session, namespace, namespaces)

    async def find(self, paths: Sequence[Path], own: bool = True) -> list[ua.NodeId | None]:
        """The nodes at `paths` below Objects; None where there is none."""
        start = ua.NodeId(ua.ObjectIds.ObjectsFolder)
        steps = [[ua.QualifiedName(name, self._index if own else 0) for name in path] for path in paths]
        return await find_below(self._session, [start] * len(paths), steps)

    async def missing(self, what: str, name: str, path: Path) -> Finding:
        """Why there is nothing at `path`: how far it goes, and what is closest there."""
        node, depth = ua.NodeId(ua.ObjectIds.ObjectsFolder), 0
        children = await self._children(node)
        while depth < len(path):
            here = [item for item in children if self._is(item, path[depth])]
            if not here:
                break
            node, depth = here[0].NodeId, depth + 1
            children = await self._children(node)
        base = self._shown(path[:depth])
        names = {str(item.BrowseName.Name): item for item in children if item.BrowseName.NamespaceIndex}
        close = difflib.get_close_matches(path[min(depth, len(path) - 1)], list(names), n=1, cutoff=0.4)
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
            if index != self._index:
                remedy += f', in namespace "{self._namespaces[index]}"'
        else:
            below, remedy = list(names), f"Closest: {base}"
        if below:
            shown = ", ".join(sorted(below)[:12]) + (", ..." if len(below) > 12 else "")
            remedy += f" with children {shown}"
        return Finding(
            f"driver {self._session.target.url}",
            f'{what} "{name}" not found under {base}',
            remedy=f"{remedy}.",
        )

    def _is(self, item: Any, name: str) -> bool:
        return bool(item.BrowseName.Name == name and item.BrowseName.NamespaceIndex == self._index)

    def _shown(self, path: Path) -> str:
        return "/".join(("Objects", *(f"{self._index}:{name}" for name in path)))

    async def _children(self, node: ua.NodeId) -> list[Any]:
        if node not in self._known:
            self._known[node] = await browse_children(self._session, node)
        return self._known[node]


async def find_below(
    session: Session, starts: Sequence[ua.NodeId], steps: Sequence[Sequence[ua.QualifiedName]]
) -> list[ua.NodeId | None]:
    """The nodes that are reached from each of `starts` by its browse names; None where there is none."""
    found: list[ua.NodeId | None] = []
    asked = list(zip(starts, steps, strict=True))
    for first in range(0, len(asked), CHUNK):
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [
            _browse_path(start, names) for start, names in asked[first : first + CHUNK]
        ]
        answer = await session.request(request, ua.TranslateBrowsePathsToNodeIdsResponse)
        for result in answer.Results:
            good = result.StatusCode.is_good() and result.Targets
            found.append(_local(result.Targets[0].TargetId) if good else None)
    return found


async def browse_children(session: Session, node: ua.NodeId) -> list[Any]:
    """The references from `node` to its children (hierarchical, forward), whatever their number."""
    description = ua.BrowseDescription()
    description.NodeId = node
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.ResultMask = ua.BrowseResultMask.All
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = 0
    request.Parameters.NodesToBrowse = [description]
    (result,) = (await session.request(request, ua.BrowseResponse)).Results
    references = list(result.References or [])
    while result.ContinuationPoint:
        more = ua.BrowseNextRequest()
        more.Parameters.ContinuationPoints = [result.ContinuationPoint]
        (result,) = (await session.request(more, ua.BrowseNextResponse)).Results
        references += result.References or []
    for item in references:
        item.NodeId = _local(item.NodeId)
    return references


async def read_attributes(session: Session, asked: Sequence[tuple[ua.NodeId, int]]) -> list[Any]:
    """The data values of the given attributes, in order."""
    values: list[Any] = []
    for first in range(0, len(asked), CHUNK):
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=attribute)
            for node, attribute in asked[first : first + CHUNK]
        ]
        values += (await session.request(request, ua.ReadResponse)).Results
    return values


_PROPERTIES = ("EURange", "EngineeringUnits", "EnumStrings", "TrueState", "FalseState")


async def _inspect(
    session: Session, present: Sequence[tuple[Tag, ua.NodeId]]
) -> tuple[dict[str, ResolvedTag], list[Finding]]:
    """Types of the nodes, and what does not fit the tags."""
    starts = [node for _, node in present for _ in _PROPERTIES]
    steps = [[ua.QualifiedName(name, 0)] for _ in present for name in _PROPERTIES]
    properties = await find_below(session, starts, steps)
    asked: list[tuple[ua.NodeId, int]] = []
    for _, node in present:
        asked += [(node, ua.AttributeIds.DataType), (node, ua.AttributeIds.UserAccessLevel)]
    asked += [(node, ua.AttributeIds.Value) for node in properties if node is not None]
    answers = await read_attributes(session, asked)
    later = iter(answers[2 * len(present) :])
    resolved: dict[str, ResolvedTag] = {}
    findings: list[Finding] = []
    for place, (tag, node) in enumerate(present):
        own = properties[place * len(_PROPERTIES) : (place + 1) * len(_PROPERTIES)]
        seen = {
            name: _content(next(later))
            for name, item in zip(_PROPERTIES, own, strict=True)
            if item is not None
        }
        where = f"driver {session.target.url} tag {tag.name}"
        data_type = _content(answers[2 * place])
        variant_type = NUMERIC.get(getattr(data_type, "Identifier", None))
        if variant_type is None:
            findings.append(Finding(where, f"its data type is {data_type}", "a number or a boolean"))
            continue
        resolved[tag.name] = ResolvedTag(node, variant_type)
        access = _content(answers[2 * place + 1]) or 0
        if tag.writable and not access & ua.AccessLevel.CurrentWrite.mask:
            findings.append(
                Finding(where, "it cannot be written", "write access", "Grant it to our user on the server.")
            )
        findings += _properties_that_differ(where, tag, seen)
    return resolved, findings


def _properties_that_differ(where: str, tag: Tag, seen: Mapping[str, Any]) -> list[Finding]:
    findings = []
    unit = seen.get("EngineeringUnits")
    if unit is not None and (unit.DisplayName.Text or "") != tag.unit:
        findings.append(
            Finding(
                where, f'its unit is "{unit.DisplayName.Text or ""}"', f'"{tag.unit}"', "Correct the tag map."
            )
        )
    if tag.choices:
        if "EnumStrings" in seen:
            choices = tuple(str(item.Text) for item in seen["EnumStrings"] or ())
        elif "TrueState" in seen and "FalseState" in seen:
            choices = (str(seen["FalseState"].Text), str(seen["TrueState"].Text))
        else:
            return findings
        if choices != tag.choices:
            findings.append(Finding(where, f"its choices are {', '.join(choices)}", ", ".join(tag.choices)))
    return findings


def _content(value: Any) -> Any:
    if value.StatusCode is not None and not value.StatusCode.is_good():
        return None
    return None if value.Value is None else value.Value.Value


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


def _local(node: Any) -> ua.NodeId:
    """A node id without the server index and namespace URI that browsing adds."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)
