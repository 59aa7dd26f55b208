"""Macros: named groups of phases with parameters, written out before the recipe is read.

    macros:
      flush:
        parameters: {buffer: , volume: 3 CV}          # without a value: must be given
        phases:
          wash_pump: {inlet_a: $buffer, do: PumpWash(A)}
          rinse: {until: $volume}

    operations:
      prepare: {macro: flush, with: {buffer: A12}}    # as an operation
      mixed:
        phases:
          first: {macro: flush, with: {buffer: A11}}  # among phases: first_wash_pump, first_rinse

What is written out is checked like anything else; a fault inside it is shown at the line of the macro and at
the path of its use. Macros may use macros, but not themselves.
"""

from __future__ import annotations

import re
from dataclasses import replace

from minifactory.errors import Finding, did_you_mean
from minifactory.plant.document import Reader
from minifactory.plant.nodes import Mapping, Node, Scalar, Sequence

MACRO, WITH = "macro", "with"
DEEPEST = 8
"""Macros inside macros."""
_USED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_WORDS = {MACRO, WITH, "note", "repeat", "parallel"}


def expanded(top: Reader) -> Reader:
    """The same document with every use of a macro written out; faults become findings of its report."""
    defined = top.section("macros")
    uses = _Macros(top, defined)
    procedure = top.node.entries.get("procedure")
    if not defined.keys and not uses.present(procedure):
        return top
    node = uses.procedure(procedure) if isinstance(procedure, Mapping) else procedure
    entries = {name: item for name, item in top.node.entries.items() if name != "macros"}
    if node is not None:
        entries["procedure"] = node
    uses.check_definitions()
    return Reader(replace(top.node, entries=entries), top.file, top.path, top.report)


class _Macros:
    """Writes out the macros of one document."""

    def __init__(self, top: Reader, defined: Reader) -> None:
        self.report, self.file = top.report, top.file
        self.defined = defined

    def fail(self, line: int, path: str, found: str, expected: str = "", remedy: str = "") -> None:
        self.report.add(Finding(f"{self.file}:{line} {path}", found, expected, remedy))

    def present(self, node: Node | None) -> bool:
        """Whether anything in `node` uses a macro."""
        if not isinstance(node, Mapping):
            return False
        return MACRO in node.entries or any(self.present(item) for item in node.entries.values())

    def check_definitions(self) -> None:
        """Find unknown keys of the definitions, and definitions without phases."""
        for item in self._members():
            item.section("parameters")
            if not item.section("phases", required=True).keys:
                item.fail("no phase", "at least one", key="phases")
            for key in ("parameters", "phases"):
                item.ignore(key)
            item.text("note", "")
            item.finish()

    def _members(self) -> list[Reader]:
        return [self.defined.section(name, required=True) for name in self.defined.keys]

    def procedure(self, node: Mapping) -> Mapping:
        """Every unit procedure with its operations written out."""
        return _each(node, lambda name, unit: self._unit(unit, name))

    def _unit(self, node: Node, name: str) -> Node:
        operations = node.entries.get("operations") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not isinstance(operations, Mapping):
            return node
        written = _each(operations, lambda key, item: self._operation(item, f"{name}.{key}"))
        return _with(node, "operations", written)

    def _operation(self, node: Node, path: str) -> Node:
        if not isinstance(node, Mapping):
            return node
        if MACRO in node.entries:
            use = self._use(node, path, ())
            if use is None:
                return _with(_without(node, MACRO, WITH), "phases", Mapping({}, {}, node.line))
            phases, said = use
            for key in node.entries:
                if key not in _WORDS:
                    remedy = "Write it into the macro, or phases of the operation's own instead."
                    self.fail(node.lines.get(key, node.line), path, f'"{key}" beside a macro', remedy=remedy)
            kept = _without(node, MACRO, WITH, *(key for key in node.entries if key not in _WORDS))
            node = _with(_with(kept, "phases", phases), MACRO, Scalar(said, node.line, True))
        else:
            node = self._phases(node, path, ())
        parallel = node.entries.get("parallel")
        if isinstance(parallel, Mapping):
            branches = _each(parallel, lambda key, item: self._phases(item, f"{path}.{key}", ()))
            node = _with(node, "parallel", branches)
        return node

    def _phases(self, node: Node, path: str, inside: tuple[str, ...]) -> Mapping:
        """`node` with the macros among its phases written out."""
        phases = node.entries.get("phases") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not isinstance(phases, Mapping):
            return node if isinstance(node, Mapping) else Mapping({}, {}, node.line)
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for name, item in phases.entries.items():
            written: dict[str, Node] = {name: item}
            if isinstance(item, Mapping) and MACRO in item.entries:
                use = self._use(item, f"{path}.{name}", inside)
                inner = {} if use is None else use[0].entries
                written = {f"{name}_{key}": value for key, value in inner.items()}
            for key, value in written.items():
                if key in entries:
                    self.fail(phases.lines.get(name, phases.line), path, f'two phases are called "{key}"')
                entries[key], lines[key] = value, phases.lines.get(name, phases.line)
        return _with(node, "phases", Mapping(entries, lines, phases.line))

    def _use(self, node: Mapping, path: str, inside: tuple[str, ...]) -> tuple[Mapping, str] | None:
        """The phases of the macro that `node` uses, with its arguments put in, and the use in words."""
        use = Reader(node, self.file, path, self.report)
        name = use.reference(MACRO, self.defined.keys, "macro")
        if name is None:
            return None
        if name in inside or len(inside) >= DEEPEST:
            chain = " > ".join((*inside, name))
            self.fail(node.line, path, f"macro {chain} uses itself or goes too deep", remedy="Unwind it.")
            return None
        macro = self.defined.section(name, required=True)
        values = self._arguments(use, macro, path)
        body = macro.node.entries.get("phases")
        if values is None or not isinstance(body, Mapping):
            return None
        filled = self._filled(body, values, path, name)
        written = self._phases(Mapping({"phases": filled}, {}, node.line), path, (*inside, name))
        phases = written.entries["phases"]
        assert isinstance(phases, Mapping)
        given = ", ".join(f"{key}={value}" for key, value in values.items())
        return phases, f"{name}({given})"

    def _arguments(self, use: Reader, macro: Reader, path: str) -> dict[str, str] | None:
        declared, given = macro.section("parameters"), use.section(WITH)
        values = {key: declared.text(key, "") for key in declared.keys}
        for key in given.keys:
            if key not in values:
                remedy = did_you_mean(key, values)
                self.fail(given.node.line, path, f'macro "{macro.name}" has no parameter "{key}"', "", remedy)
            else:
                values[key] = given.text(key)
        missing = [key for key, value in values.items() if not value]
        for key in missing:
            remedy = f"Write with: {{{key}: ...}}."
            self.fail(use.node.line, path, f'macro "{macro.name}" needs "{key}"', remedy=remedy)
        return None if missing else values

    def _filled(self, node: Mapping, values: dict[str, str], path: str, macro: str) -> Mapping:
        def put(item: Node) -> Node:
            if isinstance(item, Scalar):
                return replace(item, text=_USED.sub(lambda found: value(found[1], item.line), item.text))
            if isinstance(item, Sequence):
                return replace(item, items=tuple(put(part) for part in item.items))
            return replace(item, entries={key: put(part) for key, part in item.entries.items()})

        def value(name: str, line: int) -> str:
            if name not in values:
                remedy = did_you_mean(name, values)
                self.fail(line, path, f'macro "{macro}" has no parameter "{name}"', remedy=remedy)
            return values.get(name, "0")

        filled = put(node)
        assert isinstance(filled, Mapping)
        return filled


def _each(node: Mapping, change: object) -> Mapping:
    assert callable(change)
    return replace(node, entries={name: change(name, item) for name, item in node.entries.items()})


def _with(node: Mapping, key: str, value: Node) -> Mapping:
    return replace(node, entries={**node.entries, key: value})


def _without(node: Mapping, *keys: str) -> Mapping:
    return replace(node, entries={key: item for key, item in node.entries.items() if key not in keys})
