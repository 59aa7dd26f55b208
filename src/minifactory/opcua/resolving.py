"""From a tag map to the node ids of the moment, with everything that does not fit.

Types, access, units, choices and the arguments of methods are checked against the tag table; every mismatch
is a finding, with the closest name that does exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from minifactory.errors import EquipmentError, Finding, did_you_mean
from minifactory.opcua.browse_path import STANDARD
from minifactory.opcua.browsing import NameBrowser, content, find_below, read_attributes
from minifactory.opcua.coding import VARIANTS, Coding, Seen, coding_of, scale_of
from minifactory.opcua.session import Session
from minifactory.opcua.tag_map import NUMBER, OWNER, VALUE, InstructionPlace, Place, Source, TagMap
from minifactory.opcua.wire import Scale
from minifactory.signals.tags import Argument, Instruction, Tag, TagTable
from minifactory.units import NUMBER as PLAIN


@dataclass(frozen=True)
class Input:
    """One argument of a resolved method: what goes in, its type, and the conversion from SI."""

    source: Source
    variant_type: ua.VariantType
    scale: Scale = field(default_factory=Scale)


@dataclass(frozen=True)
class ResolvedMethod:
    """A method, the object that it is called on, and its arguments; None: as on our own servers."""

    parent: ua.NodeId
    node: ua.NodeId
    inputs: tuple[Input, ...] | None = None


@dataclass(frozen=True)
class ResolvedTag:
    """A tag's node and how it travels; `method`: the call that sets it."""

    node: ua.NodeId
    coding: Coding
    method: ResolvedMethod | None = None


@dataclass(frozen=True)
class Trigger:
    """An instruction that is a variable: its node and what is written there."""

    node: ua.NodeId
    variant: ua.Variant


@dataclass(frozen=True)
class Resolution:
    """The nodes of the moment; stale after the server restarted.

    Parameters
    ----------
    tags, instructions : mapping
        What was found and fits.
    units : mapping
        Tag -> node of its engineering unit and what stood there.
    namespaces : tuple of str
        The server's, by index.
    findings : tuple of Finding
        What was not found or does not fit.
    """

    tags: Mapping[str, ResolvedTag]
    instructions: Mapping[str, ResolvedMethod | Trigger]
    units: Mapping[str, tuple[ua.NodeId, Any]] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


async def resolve(session: Session, table: TagTable, tag_map: TagMap) -> Resolution:
    """The nodes of all tags and instructions of `table`, and a finding for each that is missing or does not
    fit.

    Raises
    ------
    EquipmentError
        When the link fails, or the server lacks a namespace of the map.
    """
    tags = list(table.tags.values())
    places = [tag_map.place(tag) for tag in tags]
    instructions = list(table.instructions.values())
    method_places = [tag_map.instruction_place(item) for item in instructions]
    paths = [place.path for place in places] + [place.path for place in method_places]
    needed = dict.fromkeys(step.namespace for path in paths for step in path)
    browser = await NameBrowser.connect(session, [uri for uri in needed if uri != STANDARD])
    nodes = await browser.find(paths)
    parents = await browser.find([path[:-1] or path for path in paths])
    findings: list[Finding] = []
    names = [("tag", tag.name) for tag in tags] + [("instruction", item.name) for item in instructions]
    for (what, name), path, node in zip(names, paths, nodes, strict=True):
        if node is None:
            findings.append(await browser.missing(what, name, path))
    inspection = _Inspection(session)
    resolved, units, faults = await inspection.tags(
        [
            (tag, place, node, parent)
            for tag, place, node, parent in zip(tags, places, nodes, parents, strict=False)
            if node is not None
        ]
    )
    findings += faults
    known, faults = await inspection.instructions(
        [
            (item, place, node, parent or ua.NodeId(ua.ObjectIds.ObjectsFolder))
            for item, place, node, parent in zip(
                instructions, method_places, nodes[len(tags) :], parents[len(tags) :], strict=True
            )
            if node is not None
        ]
    )
    findings += faults
    return Resolution(resolved, known, units, browser.namespaces, tuple(findings))


def refuse_misfits(resolution: Resolution) -> None:
    """Raise EquipmentError with all findings of `resolution`, if there are any."""
    if resolution.findings:
        raise EquipmentError(resolution.findings)


_PROPERTIES = ("EURange", "EngineeringUnits", "EnumStrings", "TrueState", "FalseState", "EnumValues")
_ATTRIBUTES = (ua.AttributeIds.DataType, ua.AttributeIds.UserAccessLevel, ua.AttributeIds.Value)
Found = tuple[Tag, Place, ua.NodeId, ua.NodeId | None]


class _Inspection:
    """Looks at nodes of one server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def tags(
        self, found: Sequence[Found]
    ) -> tuple[dict[str, ResolvedTag], dict[str, tuple[ua.NodeId, Any]], list[Finding]]:
        variables = [item for item in found if not item[1].arguments]
        seen, unit_nodes = await inspect(self._session, [node for _, _, node, _ in variables])
        resolved: dict[str, ResolvedTag] = {}
        units: dict[str, tuple[ua.NodeId, Any]] = {}
        findings: list[Finding] = []
        for (tag, place, node, _), what, unit_node in zip(variables, seen, unit_nodes, strict=True):
            where = self._where(f"tag {tag.name}")
            coding, faults = coding_of(tag, place, what, where)
            if tag.writable and not what.writable and what.variant_type is not None:
                remedy = "Grant it to our user on the server."
                faults.append(Finding(where, "it cannot be written", "write access", remedy))
            findings += faults
            if coding is not None and not faults:
                resolved[tag.name] = ResolvedTag(node, coding)
                if unit_node is not None:
                    units[tag.name] = (unit_node, what.unit)
        for tag, place, node, parent in found:
            if not place.arguments:
                continue
            where = self._where(f"tag {tag.name}")
            known = {VALUE: Argument(VALUE, tag.kind, tag.unit)}
            method, faults = await self._method(node, place.arguments, known, where)
            kind = next((item.variant_type for item in method if item.source.what == VALUE), None)
            if kind is None:
                findings += faults or [Finding(where, "no argument of its method gets the value", VALUE)]
                continue
            coding, others = coding_of(tag, place, Seen(kind, kind.name, True), where)
            findings += [*faults, *others]
            if coding is not None and not faults and not others and parent is not None:
                resolved[tag.name] = ResolvedTag(node, coding, ResolvedMethod(parent, node, method))
        return resolved, units, findings

    async def instructions(
        self, found: Sequence[tuple[Instruction, InstructionPlace, ua.NodeId, ua.NodeId]]
    ) -> tuple[dict[str, ResolvedMethod | Trigger], list[Finding]]:
        resolved: dict[str, ResolvedMethod | Trigger] = {}
        findings: list[Finding] = []
        for item, place, node, parent in found:
            where = self._where(f"instruction {item.name}")
            if place.write is not None:
                (seen,), _ = await inspect(self._session, [node])
                trigger = Tag(item.name, PLAIN, writable=True, choices=("set",))
                coding, faults = coding_of(
                    trigger, Place(place.path, choices={"set": (place.write,)}), seen, where
                )
                findings += faults
                if coding is not None and not faults:
                    resolved[item.name] = Trigger(node, coding.variant(0.0))
            elif place.arguments is None:
                resolved[item.name] = ResolvedMethod(parent, node)
            else:
                known = {argument.name: argument for argument in item.arguments}
                inputs, faults = await self._method(node, place.arguments, known, where)
                findings += faults
                if not faults:
                    resolved[item.name] = ResolvedMethod(parent, node, inputs)
        return resolved, findings

    async def _method(
        self,
        node: ua.NodeId,
        sources: Mapping[str, Source],
        known: Mapping[str, Argument],
        where: str,
    ) -> tuple[tuple[Input, ...], list[Finding]]:
        """The arguments of a method in its own order, each with what goes in."""
        (declared,) = await input_arguments(self._session, [node])
        names = [argument.name for argument in declared]
        findings = [
            Finding(where, f'its method has no argument "{name}"', remedy=did_you_mean(name, names))
            for name in sources
            if name not in names
        ]
        inputs = []
        for argument in declared:
            source = sources.get(argument.name)
            if source is None:
                findings.append(
                    Finding(where, f'nothing is given for argument "{argument.name}" of its method')
                )
                continue
            variant_type = argument.variant_type or ua.VariantType.Double
            scaled = Scale()
            if source.what in known and source.what != VALUE:
                kind = known[source.what]
                tag = Tag(kind.name, kind.kind, kind.unit)
                found, faults = scale_of(tag, Place((), source.unit or kind.unit), None, where)
                findings += faults
                scaled = found or scaled
            elif source.what and source.what not in (VALUE, NUMBER, OWNER):
                remedy = did_you_mean(source.what, [*known, NUMBER, OWNER])
                findings.append(Finding(where, f'nothing is called "{source.what}" here', remedy=remedy))
            inputs.append(Input(source, variant_type, scaled))
        return tuple(inputs), findings

    def _where(self, what: str) -> str:
        return f"driver {self._session.target.url} {what}"


@dataclass(frozen=True)
class MethodArgument:
    """An input argument as a server declares it; `variant_type` is None for what is no plain value."""

    name: str
    variant_type: ua.VariantType | None
    description: str = ""


async def input_arguments(session: Session, methods: Sequence[ua.NodeId]) -> list[tuple[MethodArgument, ...]]:
    """The input arguments of each of `methods`, in order."""
    step = [ua.QualifiedName("InputArguments", 0)]
    nodes = await find_below(session, methods, [step] * len(methods))
    asked = [(node, ua.AttributeIds.Value) for node in nodes if node is not None]
    answers = iter(await read_attributes(session, asked))
    found = []
    for node in nodes:
        declared = content(next(answers)) if node is not None else None
        found.append(
            tuple(
                MethodArgument(
                    str(item.Name),
                    VARIANTS.get(item.DataType.Identifier),
                    str(getattr(item.Description, "Text", "") or ""),
                )
                for item in declared or ()
            )
        )
    return found


async def inspect(session: Session, nodes: Sequence[ua.NodeId]) -> tuple[list[Seen], list[ua.NodeId | None]]:
    """What the server says of each variable, and the node of its engineering unit."""
    starts = [node for node in nodes for _ in _PROPERTIES]
    steps = [[ua.QualifiedName(name, 0)] for _ in nodes for name in _PROPERTIES]
    properties = await find_below(session, starts, steps)
    asked = [(node, attribute) for node in nodes for attribute in _ATTRIBUTES]
    asked += [(node, ua.AttributeIds.Value) for node in properties if node is not None]
    answers = await read_attributes(session, asked)
    later = iter(answers[len(_ATTRIBUTES) * len(nodes) :])
    seen: list[Seen] = []
    unit_nodes: list[ua.NodeId | None] = []
    for place in range(len(nodes)):
        own = properties[place * len(_PROPERTIES) : (place + 1) * len(_PROPERTIES)]
        values = {
            name: content(next(later))
            for name, node in zip(_PROPERTIES, own, strict=True)
            if node is not None
        }
        data_type, access, value = answers[place * len(_ATTRIBUTES) : (place + 1) * len(_ATTRIBUTES)]
        named = content(data_type)
        variant_type = VARIANTS.get(getattr(named, "Identifier", None)) if _in_standard(named) else None
        if variant_type is None and value.Value is not None and not value.Value.is_array:
            # Enumerations have types of their own; what is sent tells how they travel.
            held = value.Value.VariantType
            variant_type = held if held in VARIANTS.values() else None
        choices = _named_values(values)
        if choices is None and named is not None and not _in_standard(named):
            choices = await _of_enumeration(session, named)
        seen.append(
            Seen(
                variant_type,
                str(named),
                bool((content(access) or 0) & ua.AccessLevel.CurrentWrite.mask),
                values.get("EngineeringUnits"),
                choices,
            )
        )
        unit_nodes.append(own[_PROPERTIES.index("EngineeringUnits")])
    return seen, unit_nodes


def _in_standard(data_type: Any) -> bool:
    return data_type is not None and getattr(data_type, "NamespaceIndex", 1) == 0


def _named_values(values: Mapping[str, Any]) -> dict[float | str, str] | None:
    if values.get("EnumValues"):
        return {float(item.Value): str(item.DisplayName.Text) for item in values["EnumValues"]}
    if values.get("EnumStrings"):
        return {float(index): str(item.Text) for index, item in enumerate(values["EnumStrings"])}
    if values.get("TrueState") is not None and values.get("FalseState") is not None:
        return {0.0: str(values["FalseState"].Text), 1.0: str(values["TrueState"].Text)}
    return None


async def _of_enumeration(session: Session, data_type: ua.NodeId) -> dict[float | str, str] | None:
    """The named values of an enumeration data type."""
    names = ("EnumStrings", "EnumValues")
    nodes = await find_below(session, [data_type] * 2, [[ua.QualifiedName(name, 0)] for name in names])
    asked = [(node, ua.AttributeIds.Value) for node in nodes if node is not None]
    answers = iter(await read_attributes(session, asked))
    values = {
        name: content(next(answers)) for name, node in zip(names, nodes, strict=True) if node is not None
    }
    return _named_values(values)
