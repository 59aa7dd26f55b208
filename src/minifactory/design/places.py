"""The text of a YAML file with other values at some places; everything else stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import yaml  # type: ignore[import-untyped]

from minifactory.errors import Finding, InputError
from minifactory.plant.nodes import PARSER

_INDEX = re.compile(r"\[(\d+)\]$")
_PLAIN = re.compile(r"[A-Za-z0-9%][A-Za-z0-9 %./*^+>=<_()-]*")


def with_texts(text: str, file: str, values: Mapping[str, str], remark: str = "") -> str:
    """`text` with other scalars at dotted paths (``columns.C1.bed_height``).

    A block ``{value: ..., source: ...}`` at a path gets the new value and keeps the rest; with a `remark`,
    this and the value before become its source.

    Raises
    ------
    InputError
        With every path that does not stand in the file.
    """
    root = yaml.compose(text, Loader=PARSER)
    findings, cuts = [], []
    for path, value in values.items():
        node = _find(root, path)
        if isinstance(node, yaml.MappingNode):
            source, node = _find(node, "source"), _find(node, "value")
            if remark and isinstance(source, yaml.ScalarNode) and isinstance(node, yaml.ScalarNode):
                said = f"{remark}; before: {node.value} ({source.value})"
                cuts.append((source.start_mark.index, source.end_mark.index, _quoted(said)))
        if not isinstance(node, yaml.ScalarNode):
            findings.append(
                Finding(file, f'"{path}" is not stated', "a single value", "State it in the file to vary it.")
            )
            continue
        cuts.append((node.start_mark.index, node.end_mark.index, _quoted(value)))
    if findings:
        raise InputError(findings)
    for start, end, value in sorted(cuts, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def with_entry(text: str, file: str, path: str, value: str) -> str:
    """`text` with another scalar at the dotted `path`, or with that key put in where it is not stated yet.

    Raises
    ------
    InputError
        There is no mapping that it could stand in.
    """
    root = yaml.compose(text, Loader=PARSER)
    if _find(root, path) is not None:
        return with_texts(text, file, {path: value})
    head, _, key = path.rpartition(".")
    block = _find(root, head)
    if not isinstance(block, yaml.MappingNode) or not block.value:
        raise InputError(Finding(file, f'"{head}" is not stated', f'a block that "{key}" can stand in'))
    mark = block.value[0][0].start_mark
    gap = ", " if block.flow_style else "\n" + " " * mark.column
    return text[: mark.index] + f"{key}: {_quoted(value)}{gap}" + text[mark.index :]


def without_unknown(text: str, section: str, known: Collection[str]) -> str:
    """`text` without the entries of a block whose names are not `known`."""
    block = _find(yaml.compose(text, Loader=PARSER), section)
    if not isinstance(block, yaml.MappingNode):
        return text
    lines = text.splitlines(keepends=True)
    for key, value in reversed(block.value):
        if key.value not in known:
            last = value.end_mark.line - (value.end_mark.column == 0)
            del lines[key.start_mark.line : last + 1]
    return "".join(lines)


def _find(node: yaml.Node | None, path: str) -> yaml.Node | None:
    """The node at `path`; keys may hold dots themselves."""
    if not path or node is None:
        return node
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            name = key.value
            if path == name:
                return child
            if path.startswith(f"{name}."):
                found = _find(child, path[len(name) + 1 :])
                if found is not None:
                    return found
            item = _INDEX.search(path.split(".")[0])
            if item and path.split(".")[0] == f"{name}{item[0]}" and isinstance(child, yaml.SequenceNode):
                rest = path.partition(".")[2]
                place = int(item[1])
                return _find(child.value[place], rest) if place < len(child.value) else None
    return None


def _quoted(value: str) -> str:
    """`value` as a YAML scalar, in quotes where it needs them (also inside ``{}`` and ``[]``)."""
    if _PLAIN.fullmatch(value) and ": " not in value and " #" not in value:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
