"""Tag maps as files: YAML that a person can read, check and correct.

    skid: akta1
    namespaces: {v: "urn:vendor:skid"}
    clock: System.ProcessTime        # optional: never stands still while the equipment lives
    stamps: changed                  # or: sampled
    tags:
      System.Flow: {path: /v:System/v:Flow, unit: ml/min}
      System.Flow.SP: {path: /v:System/v:SetFlow, arguments: {Rate: value in ml/min}}
      InjectionValve.Position: {path: /v:Valves/v:Injection, choices: {Load: 0, Inject: 1, Waste: 2}}
      UV1.Signal: {path: /v:Detectors/v:UV, unit: mAU, alive: 5 s}
    instructions:
      Gradient: {path: /v:Pumps/v:Gradient, arguments: {Target: percent_b in %, Length: volume in ml}}
      AutoZero: {path: /v:Detectors/v:Zero, write: 1}
    absent: [Heartbeat.SP]

Reading checks everything that needs no server, and tells all findings at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from minifactory.errors import InputError, did_you_mean
from minifactory.opcua.browse_path import Path as BrowsePath
from minifactory.opcua.browse_path import aliases_of, format_path, parse_path
from minifactory.opcua.engineering_units import understood
from minifactory.opcua.tag_map import (
    NUMBER,
    OWNER,
    VALUE,
    InstructionPlace,
    Place,
    Source,
    TagMap,
    WireValue,
)
from minifactory.plant.document import Reader, Report, open_document
from minifactory.signals.tags import Argument, Instruction, Tag, TagTable
from minifactory.units import TIME

_SOURCE = re.compile(r"(?P<what>\S+)(?:\s+in\s+(?P<unit>.+))?")
_CONSTANT = re.compile(r"constant\s+(?P<value>.+)")
STAMPS = ("changed", "sampled")


def read_map(file: Path, table: TagTable) -> TagMap:
    """The tag map in `file`, checked against `table`.

    Raises
    ------
    InputError
        With every fault: unknown tags and keys, paths and units that are none, choices and arguments that do
        not fit, tags that are neither mapped nor said to be absent.
    """
    report = Report()
    top = open_document(file, report)
    skid = top.text("skid")
    if skid and skid != table.skid:
        top.fail(f'the map is of skid "{skid}"', f'"{table.skid}"', key="skid")
    top.ignore("made")
    spaces = top.section("namespaces")
    namespaces = {alias: spaces.text(alias) for alias in spaces.keys}
    absent = top.texts("absent")
    reading = _Reading(table, namespaces, report)
    places = reading.tags(top.section("tags", required=True))
    instructions = reading.instructions(top.section("instructions"))
    clock = top.text("clock", "")
    stamps = top.choice("stamps", STAMPS, "changed")
    top.finish()
    known = {**table.tags, **table.instructions}
    for name in absent:
        if name not in known:
            top.fail(f'no tag or instruction "{name}"', remedy=did_you_mean(name, known), key="absent")
        elif name in places or name in instructions:
            top.fail(f'"{name}" is both mapped and absent', key="absent")
    for name in known:
        if name not in absent and name not in reading.named:
            top.fail(f'"{name}" is neither mapped nor listed as absent', remedy="Add it to one of them.")
    if clock and clock not in places:
        top.fail(f'clock "{clock}" is not mapped', remedy=did_you_mean(clock, places), key="clock")
    report.raise_errors()
    return TagMap(
        places=places,
        instructions=instructions,
        absent=frozenset(absent),
        clock=clock,
        stamps_each_sample=stamps == "sampled",
    )


class _Reading:
    """Reads the entries of one file; `named` are those that are there, sound or not."""

    def __init__(self, table: TagTable, namespaces: Mapping[str, str], report: Report) -> None:
        self.named: set[str] = set()
        self._table, self._namespaces, self._report = table, namespaces, report

    def tags(self, section: Reader) -> dict[str, Place]:
        places: dict[str, Place] = {}
        for name in section.keys:
            self.named.add(name)
            entry = section.section(name, required=True)
            tag = self._table.tags.get(name)
            if tag is None:
                section.fail(f'no tag "{name}"', remedy=did_you_mean(name, self._table.tags), key=name)
                continue
            place = self._tag(entry, tag)
            if place is not None:
                places[name] = place
        return places

    def instructions(self, section: Reader) -> dict[str, InstructionPlace]:
        places: dict[str, InstructionPlace] = {}
        for name in section.keys:
            self.named.add(name)
            entry = section.section(name, required=True)
            known = self._table.instructions.get(name)
            if known is None:
                remedy = did_you_mean(name, self._table.instructions)
                section.fail(f'no instruction "{name}"', remedy=remedy, key=name)
                continue
            place = self._instruction(entry, known)
            if place is not None:
                places[name] = place
        return places

    def _tag(self, entry: Reader, tag: Tag) -> Place | None:
        path = self._path(entry)
        unit = entry.text("unit", "") if "unit" in entry else None
        alive = entry.value("alive", TIME, math.inf)
        choices = self._choices(entry, tag)
        known = {VALUE: Argument(VALUE, tag.kind, tag.unit)}
        arguments = self._arguments(entry, known) if "arguments" in entry else {}
        entry.finish()
        values = [source for source in arguments.values() if source.what == VALUE]
        if arguments and not tag.writable:
            entry.fail("a method gives no reading", "a variable", key="arguments")
        if arguments and len(values) != 1:
            entry.fail(f"{len(values)} arguments get the value", f'one with "{VALUE}"', key="arguments")
        if values and unit is None and tag.unit:
            unit = values[0].unit or None
        if unit is not None:
            self._check_unit(entry, unit, tag)
        if path is None:
            return None
        return Place(path, unit, choices, arguments, alive)

    def _instruction(self, entry: Reader, known: Instruction) -> InstructionPlace | None:
        path = self._path(entry)
        write: WireValue | None = _wire_value(entry.text("write")) if "write" in entry else None
        inputs = {argument.name: argument for argument in known.arguments}
        given = "arguments" in entry
        arguments = self._arguments(entry, inputs) if given else None
        entry.finish()
        if write is not None and (given or inputs):
            entry.fail("a variable takes no arguments", "a method", key="write")
        if arguments is not None:
            passed = {source.what for source in arguments.values()}
            for name in inputs.keys() - passed:
                entry.fail(f'"{name}" goes into no argument of the method', key="arguments")
        elif write is None:
            arguments = {}
        return None if path is None else InstructionPlace(path, arguments, write)

    def _path(self, entry: Reader) -> BrowsePath | None:
        text = entry.text("path")
        if not text:
            return None
        try:
            return parse_path(text, self._namespaces, entry.where("path"))
        except InputError as fault:
            self._report.add_all(fault.findings)
            return None

    def _check_unit(self, entry: Reader, unit: str, tag: Tag) -> None:
        if understood(unit, tag.kind) is None:
            entry.fail(f'"{unit}" is no unit of {tag.kind.name}', f'e.g. "{tag.unit}"', key="unit")

    @staticmethod
    def _choices(entry: Reader, tag: Tag) -> dict[str, tuple[WireValue, ...]]:
        if "choices" not in entry:
            return {}
        section = entry.section("choices")
        choices: dict[str, tuple[WireValue, ...]] = {}
        for name in section.keys:
            values = tuple(_wire_value(text) for text in section.texts(name))
            if name not in tag.choices:
                remedy = did_you_mean(name, tag.choices)
                section.fail(f'{tag.name} has no choice "{name}"', remedy=remedy, key=name)
            choices[name] = values
        return choices

    def _arguments(self, entry: Reader, known: Mapping[str, Argument]) -> dict[str, Source]:
        section = entry.section("arguments")
        sources: dict[str, Source] = {}
        for name in section.keys:
            text = section.text(name)
            constant, found = _CONSTANT.fullmatch(text), _SOURCE.fullmatch(text)
            if constant is not None:
                sources[name] = Source("", constant=_wire_value(constant["value"]))
                continue
            what = "" if found is None else found["what"]
            names = [*known, NUMBER, OWNER]
            if found is None or what not in names:
                section.fail(
                    f'"{text}" is no source', f'"constant VALUE", or one of {", ".join(names)}', key=name
                )
                continue
            unit = found["unit"] or ""
            if unit and what in known and understood(unit, known[what].kind) is None:
                expected = f'e.g. "{known[what].unit}"'
                section.fail(f'"{unit}" is no unit of {known[what].kind.name}', expected, key=name)
            sources[name] = Source(what, unit)
        return sources


def write_map(
    tag_map: TagMap, skid: str, scores: Mapping[str, float], closest: Mapping[str, str], made: str
) -> str:
    """`tag_map` as the text of a file; `scores`, and what is `closest` to the absent, become comments."""
    paths = [place.path for place in tag_map.places.values()]
    paths += [place.path for place in tag_map.instructions.values()]
    aliases = aliases_of(step.namespace for path in paths for step in path)
    lines = [f"# {made}", f"skid: {_quoted(skid)}", "namespaces:"]
    lines += [f"  {alias}: {_quoted(uri)}" for uri, alias in aliases.items()] or ["  {}"]
    if tag_map.clock:
        lines.append(f"clock: {tag_map.clock}")
    lines += [f"stamps: {STAMPS[tag_map.stamps_each_sample]}", "tags:"]
    for name, place in tag_map.places.items():
        entry: dict[str, object] = {"path": format_path(place.path, aliases)}
        if place.unit is not None and not place.arguments and place.unit:
            entry["unit"] = place.unit
        if place.choices:
            entry["choices"] = {key: _listed(values) for key, values in place.choices.items()}
        if place.arguments:
            entry["arguments"] = {key: _said(source) for key, source in place.arguments.items()}
        if math.isfinite(place.alive):
            entry["alive"] = f"{place.alive:g} s"
        lines.append(_entry(name, entry, scores.get(name)))
    lines.append("instructions:" if tag_map.instructions else "instructions: {}")
    for name, call in tag_map.instructions.items():
        entry = {"path": format_path(call.path, aliases)}
        if call.arguments:
            entry["arguments"] = {key: _said(source) for key, source in call.arguments.items()}
        if call.write is not None:
            entry["write"] = call.write
        lines.append(_entry(name, entry, scores.get(name)))
    lines.append("absent:" if tag_map.absent else "absent: []")
    for name in sorted(tag_map.absent):
        near = f"  # closest: {closest[name]}" if closest.get(name) else ""
        lines.append(f"  - {name}{near}")
    return "\n".join(lines) + "\n"


def _entry(name: str, entry: Mapping[str, object], score: float | None) -> str:
    flow = yaml.safe_dump(
        dict(entry), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    )
    mark = "" if score is None else f"  # score {score:.2f}"
    return f"  {_quoted(name)}: {flow.strip()}{mark}"


def _said(source: Source) -> str:
    if not source.what:
        return f"constant {source.constant}" if source.constant is not None else "constant ?"
    return f"{source.what} in {source.unit}" if source.unit else source.what


def _listed(values: tuple[WireValue, ...]) -> object:
    return values[0] if len(values) == 1 else list(values)


def _quoted(text: str) -> str:
    return str(yaml.safe_dump(text, allow_unicode=True, width=10_000)).removesuffix("...\n").strip()


def _wire_value(text: str) -> WireValue:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower(), text)
