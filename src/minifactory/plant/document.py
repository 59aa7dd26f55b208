"""Typed reading of a description file, with all findings at once.

    report = Report()
    top = open_document(folder / "factory.yaml", report)
    name = top.text("name")
    for column in top.members("columns"):
        bed_height = column.value("bed_height", LENGTH)
        resin = column.reference("resin", resins, "resin")
        column.finish()
    top.finish()
    report.raise_errors()

A fault never raises at once: it becomes a finding (file, line, path, what was found, what was expected, what
to do), reading goes on with a stand-in, and :meth:`Report.raise_errors` raises one ``InputError`` with all.

Every quantity may be written as text (``25 cm``) or as a block ``{value: 25 cm, source: ...}``; a ``source``
on any block holds for everything inside it that states none of its own. :attr:`Report.numbers` keeps value,
text, source and place of every quantity read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Number
from minifactory.plant.nodes import (
    MAX_FINDINGS,
    Mapping,
    Node,
    Scalar,
    Sequence,
    parse_nodes,
    read_text,
    shorten,
)
from minifactory.units import Kind, Quantity, parse, show

UNSTATED = "not stated"
_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


@dataclass
class Report:
    """What reading one or several files brought to light: findings, and every quantity with its source."""

    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, Number] = field(default_factory=dict)
    _unshown: int = 0

    @property
    def full(self) -> bool:
        """Whether further findings are only counted."""
        return len(self.findings) >= MAX_FINDINGS

    @property
    def failed(self) -> bool:
        """Whether at least one finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def add(self, finding: Finding) -> None:
        """Keep a finding (the first hundred; the rest is counted)."""
        if self.full:
            self._unshown += 1
        else:
            self.findings.append(finding)

    def add_all(self, findings: Collection[Finding]) -> None:
        """Keep several findings."""
        for finding in findings:
            self.add(finding)

    def raise_errors(self) -> None:
        """Raise one InputError with every finding if at least one of them is an error."""
        if self.failed:
            findings = list(self.findings)
            if self._unshown:
                findings.append(Finding("and more", f"{self._unshown} further findings are not shown"))
            raise InputError(findings)


class Reader:
    """A mapping of a description file, read key by key.

    Parameters
    ----------
    node : Mapping
        What is read.
    file : str
        Name of the file for messages.
    path : str
        Dotted path of this mapping inside the file, empty for the whole file.
    report : Report
        Receives findings and numbers.
    source : str
        Source that holds for values that state none.
    """

    def __init__(self, node: Mapping, file: str, path: str, report: Report, source: str = UNSTATED) -> None:
        self.node = node
        self.file = file
        self.path = path
        self.report = report
        self._asked: set[str] = {"source"}
        stated = node.entries.get("source")
        self.source = stated.text if isinstance(stated, Scalar) and not stated.empty else source

    # ----- where, and what is there ------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The last part of the path: what this block is called."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that stand in the file, in order, without ``source``."""
        return tuple(key for key in self.node.entries if key != "source")

    def __contains__(self, key: str) -> bool:
        node = self.node.entries.get(key)
        return node is not None and not (isinstance(node, Scalar) and node.empty)

    def where(self, key: str = "") -> str:
        """File, line and path of this block or of one of its keys."""
        line = self.node.lines.get(key, self.node.line)
        path = self._path(key) if key in self.node.lines else self.path
        return f"{self.file}:{line} {path}".rstrip()

    def fail(
        self, found: str, expected: str = "", remedy: str = "", key: str = "", severity: str = "error"
    ) -> None:
        """Record a finding about this block or one of its keys."""
        self.report.add(Finding(self.where(key), found, expected, remedy, severity))

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    # ----- blocks --------------------------------------------------------------------------------------

    def section(self, key: str, required: bool = False) -> Reader:
        """The mapping at `key`; an empty one when it is missing."""
        node = self._get(key, Mapping, required, "a mapping (indented keys and values)")
        if not isinstance(node, Mapping):
            node = Mapping({}, {}, self.node.lines.get(key, self.node.line))
        return Reader(node, self.file, self._path(key), self.report, self.source)

    def members(self, key: str, required: bool = False) -> Iterator[Reader]:
        """The named mappings inside the mapping at `key`, e.g. every column under ``columns``."""
        inside = self.section(key, required)
        for name in inside.keys:
            yield inside.section(name, required=True)

    def items(self, key: str, required: bool = False) -> Iterator[Reader]:
        """The mappings of the list at `key`."""
        node = self._get(key, Sequence, required, 'a list (one "- " per entry)')
        if not isinstance(node, Sequence):
            return
        for number, item in enumerate(node.items):
            path = f"{self._path(key)}[{number}]"
            if isinstance(item, Mapping):
                yield Reader(item, self.file, path, self.report, self.source)
            else:
                self._add(item.line, path, f"{_describe(item)} where a mapping is due", "keys and values")

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        """The texts of the list at `key`; a single text is a list of one."""
        node = self.node.entries.get(key)
        if isinstance(node, Scalar) and not node.empty:
            self._asked.add(key)
            return (node.text,)
        found = self._get(key, Sequence, required, "a list of names")
        if not isinstance(found, Sequence):
            return ()
        texts = []
        for number, item in enumerate(found.items):
            if isinstance(item, Scalar) and not item.empty:
                texts.append(item.text)
            else:
                self._add(item.line, f"{self._path(key)}[{number}]", f"{_describe(item)} where a name is due")
        return tuple(texts)

    def lines(self, key: str) -> Iterator[tuple[str, Reader | None]]:
        """The list at `key`, whose entries are texts, or mappings that say the text at ``line``."""
        node = self._get(key, Sequence, False, "a list")
        if not isinstance(node, Sequence):
            return
        for number, item in enumerate(node.items):
            path = f"{self._path(key)}[{number}]"
            if isinstance(item, Mapping):
                block = Reader(item, self.file, path, self.report, self.source)
                yield block.text("line"), block
            elif isinstance(item, Scalar) and not item.empty:
                yield item.text, None
            else:
                self._add(item.line, path, f"{_describe(item)} where a line is due")

    # ----- values --------------------------------------------------------------------------------------

    def text(self, key: str, default: str | None = None) -> str:
        """The text at `key`; required when there is no default."""
        node = self._get(key, Scalar, default is None, "a text")
        return node.text if isinstance(node, Scalar) else (default or "")

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """The text at `key`, which must be one of `choices`; a wrong one becomes the first of them."""
        node = self._get(key, Scalar, default is None, "one of " + ", ".join(choices))
        if not isinstance(node, Scalar):
            return default if default is not None else next(iter(choices), "")
        if node.text not in choices:
            self._unknown(key, node.text, "is not a choice here", choices)
            return default if default is not None else next(iter(choices), "")
        return node.text

    def reference(self, key: str, known: Collection[str], what: str, required: bool = True) -> str | None:
        """The text at `key`, which must be the name of a known `what`; None when it is not."""
        node = self._get(key, Scalar, required, f"the name of a {what}")
        if not isinstance(node, Scalar):
            return None
        if node.text not in known:
            self._unknown(key, node.text, f"is not a known {what}", known)
            return None
        return node.text

    def flag(self, key: str, default: bool) -> bool:
        """Yes or no at `key`."""
        node = self._get(key, Scalar, False, "yes or no")
        if not isinstance(node, Scalar):
            return default
        answer = _YES_NO.get(node.text.lower())
        if answer is None:
            self.fail(f'"{shorten(node.text)}" is neither yes nor no', "yes or no", key=key)
            return default
        return answer

    def quantity(self, key: str, *kinds: Kind, required: bool = True) -> Quantity | None:
        """The quantity at `key`, of the first of `kinds` that fits; None when it is missing or faulty."""
        node = self.node.entries.get(key)
        if isinstance(node, Mapping):
            self._asked.add(key)
            block = self.section(key)
            quantity = block._parse("value", kinds, self._path(key))
            block.finish()
            return quantity
        found = self._get(key, Scalar, required, _kinds(kinds))
        return self._parse(key, kinds, self._path(key)) if isinstance(found, Scalar) else None

    def value(
        self,
        key: str,
        kind: Kind,
        default: float | None = None,
        lower: float = -math.inf,
        upper: float = math.inf,
    ) -> float:
        """The value at `key` in SI units; required when there is no default; NaN when it is faulty.

        `lower` and `upper` (SI) narrow the bounds of the kind; both are allowed values.
        """
        quantity = self.quantity(key, kind, required=default is None)
        if quantity is None:
            missing = key not in self.node.entries and default is not None
            return default if missing and default is not None else math.nan
        if not lower <= quantity.value <= upper:
            self.fail(f'"{quantity.text}" is out of bounds', bounds(lower, upper, kind), key=key)
        return quantity.value

    def count(self, key: str, default: int, lower: int = 0, upper: int = 10_000_000) -> int:
        """The whole number at `key` (no unit), from `lower` to `upper`; the default when it is faulty."""
        node = self._get(key, Scalar, False, "a whole number")
        if not isinstance(node, Scalar):
            return default
        expected = f"a whole number from {lower} to {upper}"
        try:
            number = float(node.text)
        except ValueError:
            number = math.nan
        if not lower <= number <= upper or number != math.floor(number):
            self.fail(f'"{shorten(node.text)}" is out of place', expected, key=key)
            return default
        return int(number)

    def values(self, key: str, kind: Kind) -> tuple[float, ...]:
        """The values (SI) of the list at `key`; a single value is a list of one; empty when missing."""
        node = self.node.entries.get(key)
        if isinstance(node, Scalar | Mapping):
            return (self.value(key, kind),)
        found = self._get(key, Sequence, False, f"a list of {kind.name}")
        if not isinstance(found, Sequence):
            return ()
        values = []
        for number, item in enumerate(found.items):
            path = f"{self._path(key)}[{number}]"
            if isinstance(item, Scalar):
                quantity = self._parse_scalar(item, (kind,), path, path)
                values.append(math.nan if quantity is None else quantity.value)
            else:
                self._add(item.line, path, f"{_describe(item)} where a {kind.name} is due")
        return tuple(values)

    def ignore(self, key: str) -> None:
        """Take `key` as read (its fault is recorded elsewhere)."""
        self._asked.add(key)

    def finish(self) -> None:
        """Record a finding for every key that nobody asked for."""
        for key in self.node.entries:
            if key not in self._asked:
                self._unknown_key(key)

    # ----- inside --------------------------------------------------------------------------------------

    def _get(self, key: str, shape: type[Node], required: bool, expected: str) -> Node | None:
        self._asked.add(key)
        node = self.node.entries.get(key)
        if node is None or (isinstance(node, Scalar) and node.empty):
            if required:
                found = f'"{key}" is missing' if node is None else f'"{key}" has no value'
                self.fail(found, expected, key=key if node is not None else "")
            return None
        if not isinstance(node, shape):
            self.fail(f"{_describe(node)} where {_word(shape)} is due", expected, key=key)
            return None
        return node

    def _parse(self, key: str, kinds: tuple[Kind, ...], path: str) -> Quantity | None:
        node = self._get(key, Scalar, True, _kinds(kinds))
        return self._parse_scalar(node, kinds, path, path) if isinstance(node, Scalar) else None

    def _parse_scalar(self, node: Scalar, kinds: tuple[Kind, ...], path: str, shown: str) -> Quantity | None:
        where = f"{self.file}:{node.line} {shown}"
        try:
            quantity = parse(node.text, *kinds, where=where)
        except InputError as fault:
            self.report.add_all(fault.findings)
            return None
        self.report.numbers[path] = Number(path, quantity.value, quantity.text, self.source, where)
        return quantity

    def _add(self, line: int, path: str, found: str, expected: str = "") -> None:
        self.report.add(Finding(f"{self.file}:{line} {path}", found, expected))

    def _unknown(self, key: str, text: str, found: str, known: Collection[str]) -> None:
        remedy = "" if self.report.full else did_you_mean(text[:80], known)
        self.fail(f'"{shorten(text)}" {found}', remedy=remedy, key=key)

    def _unknown_key(self, key: str) -> None:
        known = self._asked - set(self.node.entries) or self._asked - {"source"}
        remedy = "" if self.report.full else did_you_mean(key[:80], known)
        self.fail(f'unknown key "{shorten(key)}"', remedy=remedy, key=key)


def open_document(path: Path, report: Report) -> Reader:
    """The top mapping of a description file.

    A file that cannot be read at all becomes a finding in `report` and an empty mapping.
    """
    try:
        return open_text(read_text(path), path.name, report)
    except InputError as fault:
        report.add_all(fault.findings)
        return Reader(Mapping({}, {}, 1), path.name, "", report)


def open_text(text: str, file: str, report: Report) -> Reader:
    """The top mapping of a YAML text; `file` names it in messages.

    Raises
    ------
    InputError
        The text is not YAML or not a mapping.
    """
    node, findings = parse_nodes(text, file)
    report.add_all(findings)
    if not isinstance(node, Mapping):
        raise InputError(
            Finding(f"{file}:{node.line}", f"{_describe(node)} where a mapping is due", "keys and values")
        )
    return Reader(node, file, "", report)


def bounds(lower: float, upper: float, kind: Kind) -> str:
    """The allowed range in words and in the unit that people read; `lower` and `upper` in SI units."""
    if math.isinf(upper):
        return f"{kind.name} of at least {show(lower, kind)}"
    if math.isinf(lower):
        return f"{kind.name} of at most {show(upper, kind)}"
    return f"{kind.name} from {show(lower, kind)} to {show(upper, kind)}"


def _kinds(kinds: tuple[Kind, ...]) -> str:
    names = " or ".join(kind.name for kind in kinds)
    return f'{names}, e.g. "{f"10 {kinds[0].shown}".strip()}"'


def _describe(node: Node) -> str:
    if isinstance(node, Scalar):
        return f'"{shorten(node.text)}"' if not node.empty else "nothing"
    return "a mapping" if isinstance(node, Mapping) else "a list"


def _word(shape: type[Node]) -> str:
    return {Scalar: "a single value", Mapping: "a mapping", Sequence: "a list"}[shape]
