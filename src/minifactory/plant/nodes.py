"""The text of a description file as a tree of nodes that know their lines.

YAML is read at the level of its events (libyaml through PyYAML), so a file costs milliseconds, every scalar
is still the text that stands in the file (``no`` stays ``no``), and the tree is bounded
in size and depth. Anchors, aliases, tags and merge keys are refused: a description says each thing once, and
an alias bomb cannot be written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from minifactory.errors import Finding, InputError, did_you_mean

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 24
MAX_FINDINGS = 100

_QUOTES = ("'", '"', "|", ">")
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What reads descriptions; whoever changes their texts has to read them alike."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as text; `quoted` when it stands in quotes (then it is never "nothing")."""

    text: str
    line: int
    quoted: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is stated."""
        return not self.quoted and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in file order; `lines` is the line of each key."""

    entries: dict[str, Node]
    lines: dict[str, int]
    line: int


Node = Scalar | Sequence | Mapping


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    line: int
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    key: Scalar | None = None
    skip: bool = False


def shorten(text: str, length: int = 60) -> str:
    """`text` on one line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3] + "..."


def read_text(path: Path) -> str:
    """The text of a description file.

    Raises
    ------
    InputError
        No such file, not readable, larger than 1 MB, or not UTF-8.
    """
    where = path.name
    try:
        if not path.is_file():
            found = "is a folder" if path.is_dir() else f"does not exist in {path.parent}"
            near = [item.name for item in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
            raise InputError(Finding(where, found, "a YAML file", did_you_mean(path.name, near)))
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as fault:
        raise InputError(
            Finding(where, f"cannot be read ({fault.strerror})", remedy="Check the permissions.")
        ) from fault
    if len(data) > MAX_BYTES:
        raise InputError(
            Finding(where, "is too large", f"at most {MAX_BYTES // 1000} kB", "Is it the right file?")
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise InputError(
            Finding(f"{where}:{line}", "is not UTF-8 text", remedy="Save the file as UTF-8.")
        ) from fault


def parse_nodes(text: str, file: str) -> tuple[Node, list[Finding]]:
    """The tree of a YAML text, and findings that do not prevent reading on (keys stated twice).

    Raises
    ------
    InputError
        Not YAML, empty, more than one document, anchors or tags, or more nodes or levels than any
        description has.
    """
    findings: list[Finding] = []
    try:
        loader = PARSER(text)
        try:
            root = _build(loader, file, findings)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        place = f"{file}:{mark.line + 1}" if mark is not None else file
        problem = " ".join(part for part in (fault.context, fault.problem) if part)
        raise InputError(
            Finding(
                place,
                f"is not valid YAML: {shorten(problem, 120)}",
                remedy="Look near this line for a missing colon, open quote or bracket, bad indentation.",
            )
        ) from None
    except yaml.YAMLError as fault:
        raise InputError(
            Finding(file, f"is not valid YAML: {shorten(str(fault), 120)}", remedy="Is it a text file?")
        ) from None
    if root is None:
        raise InputError(Finding(file, "is empty", "a mapping of keys and values"))
    return root, findings


def _build(loader: yaml.SafeLoader, file: str, findings: list[Finding]) -> Node | None:
    root: Node | None = None
    stack: list[_Open] = []
    count = documents = 0
    while loader.check_event():
        event = loader.get_event()
        line = event.start_mark.line + 1
        place = f"{file}:{line}"
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InputError(
                    Finding(place, 'a second document starts here ("---")', "one document per file")
                )
            continue
        if isinstance(event, yaml.AliasEvent):
            raise InputError(
                Finding(
                    place,
                    f'alias "*{shorten(event.anchor)}"',
                    "no anchors or aliases",
                    "Write the value out.",
                )
            )
        if not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            continue
        count += 1
        if count > MAX_NODES:
            raise InputError(Finding(place, f"more than {MAX_NODES} values", remedy="Is it the right file?"))
        node: Node
        if isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            if done.is_mapping:
                node = Mapping(done.entries, done.lines, done.line)
            else:
                node = Sequence(tuple(done.items), done.line)
        else:
            _refuse_extras(event, place)
            if isinstance(event, yaml.CollectionStartEvent):
                if len(stack) >= MAX_DEPTH:
                    raise InputError(
                        Finding(place, f"more than {MAX_DEPTH} levels", remedy="Is it the right file?")
                    )
                if stack and stack[-1].is_mapping and stack[-1].key is None:
                    raise InputError(Finding(place, "a list or mapping as a key", "a name", "Quote the key."))
                stack.append(_Open(line, isinstance(event, yaml.MappingStartEvent)))
                continue
            node = Scalar(event.value, line, event.style in _QUOTES)
        if stack:
            _attach(stack[-1], node, file, findings)
        else:
            root = node
    return root


def _refuse_extras(event: yaml.NodeEvent, place: str) -> None:
    if event.anchor:
        raise InputError(
            Finding(
                place, f'anchor "&{shorten(event.anchor)}"', "no anchors or aliases", "Write the value out."
            )
        )
    tag = getattr(event, "tag", None)
    if tag and tag != "!":
        raise InputError(Finding(place, f'tag "{shorten(tag)}"', "plain values", "Remove the tag."))


def _attach(parent: _Open, node: Node, file: str, findings: list[Finding]) -> None:
    if not parent.is_mapping:
        parent.items.append(node)
        return
    if parent.key is None:
        assert isinstance(node, Scalar)
        parent.key = node
        first = parent.lines.get(node.text)
        parent.skip = first is not None
        if first is not None and len(findings) < MAX_FINDINGS:
            findings.append(
                Finding(
                    f"{file}:{node.line}",
                    f'key "{shorten(node.text)}" stands twice (first in line {first})',
                    remedy="Remove or rename one of them.",
                )
            )
        return
    if not parent.skip:
        parent.entries[parent.key.text] = node
        parent.lines[parent.key.text] = parent.key.line
    parent.key = None
