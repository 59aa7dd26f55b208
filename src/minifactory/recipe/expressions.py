"""The abstract syntax of conditions: frozen nodes, each with its dimension and its text.

A value node has a :data:`~minifactory.units.Dimension`; a truth node (comparison, and, or, not, and the
functions that answer yes or no) has none. ``str(expression)`` parses to the same tree.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from minifactory.units import KINDS, Dimension, Kind, measure

TIME, VOLUME, CV = "time", "volume", "cv"
PHASE_VARIABLES: Mapping[str, str] = {TIME: "time", VOLUME: "volume", CV: "column volumes"}
"""Names of a phase's own clock and counters, and the kind of each."""
LEVEL, DELIVERED = "level", "delivered"
"""Words that say something about a vessel or a transfer: ``level(hold)``, ``delivered(product)``."""
NO_YES = ("No", "Yes")
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
"""What the signs of :class:`Compare` do, for numbers and for arrays."""


def about(word: str, name: str) -> str:
    """The variable ``word(name)``."""
    return f"{word}({name})"


def subject(variable: str, word: str) -> str | None:
    """The name in the variable ``word(name)``; None for any other variable."""
    inside = variable.removeprefix(f"{word}(")
    return inside.removesuffix(")") if inside != variable else None


@dataclass(frozen=True)
class Literal:
    """A number with its unit; `value` in SI."""

    value: float
    dimension: Dimension
    text: str = field(compare=False, default="")


@dataclass(frozen=True)
class Choice:
    """A position or state by name, e.g. ``Yes``; `index` is its value."""

    name: str
    index: int


@dataclass(frozen=True)
class Variable:
    """A tag, an alias of a tag, or a phase's own ``time``, ``volume`` or ``cv``."""

    name: str
    dimension: Dimension
    choices: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Negative:
    """Minus a value."""

    operand: Value

    @property
    def dimension(self) -> Dimension:
        """That of the operand."""
        return self.operand.dimension


@dataclass(frozen=True)
class Arithmetic:
    """``left + - * / right``."""

    operator: str
    left: Value
    right: Value
    dimension: Dimension


@dataclass(frozen=True)
class Measure:
    """A value made from the recent course of another: ``slope``, ``maximum``, ``minimum``, ``abs``."""

    function: str
    arguments: tuple[Value, ...]
    dimension: Dimension


@dataclass(frozen=True)
class Compare:
    """``left < <= > >= == != right``."""

    operator: str
    left: Value
    right: Value | Choice


@dataclass(frozen=True)
class Not:
    """True when the operand is false."""

    operand: Truth


@dataclass(frozen=True)
class Both:
    """All of the parts (``and``)."""

    parts: tuple[Truth, ...]


@dataclass(frozen=True)
class Either:
    """At least one of the parts (``or``)."""

    parts: tuple[Truth, ...]


@dataclass(frozen=True)
class Check:
    """A yes or no from the course of values or of another truth, e.g. ``rising``, ``peak``, ``for``."""

    function: str
    arguments: tuple[Value | Truth, ...]


Value = Literal | Variable | Negative | Arithmetic | Measure
Truth = Compare | Not | Both | Either | Check
Node = Value | Truth | Choice


@dataclass(frozen=True)
class Expression:
    """A condition: its syntax tree, and the text it was read from (which takes no part in comparisons)."""

    root: Truth
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return render(self.root)

    def variables(self) -> tuple[Variable, ...]:
        """Every variable once, in order of appearance."""
        found = {node.name: node for node in walk(self.root) if isinstance(node, Variable)}
        return tuple(found.values())

    def tags(self) -> tuple[str, ...]:
        """Names of tags or aliases that it reads (no phase's own counters, no levels, no deliveries)."""
        words = (LEVEL, DELIVERED)
        return tuple(name for name in self.external() if all(subject(name, word) is None for word in words))

    def external(self) -> tuple[str, ...]:
        """Everything that it reads beyond the phase's own counters."""
        return tuple(item.name for item in self.variables() if item.name not in PHASE_VARIABLES)

    def subjects(self, word: str) -> tuple[str, ...]:
        """Vessels (of ``level``) or transfers (of ``delivered``) that it names."""
        found = (subject(item.name, word) for item in self.variables())
        return tuple(name for name in found if name is not None)

    def literals(self) -> tuple[Literal, ...]:
        """Every number in it, in order of appearance."""
        return tuple(node for node in walk(self.root) if isinstance(node, Literal))

    def renamed(self, names: Mapping[str, str]) -> Expression:
        """The same condition with variables renamed (aliases to tags)."""

        def rename(node: Node) -> Node:
            if isinstance(node, Variable):
                return replace(node, name=names.get(node.name, node.name))
            return node

        return Expression(_truth(transform(self.root, rename)), self.text)

    def with_literal(self, place: int, literal: Literal) -> Expression:
        """The same condition with the number at `place` (counted from 0 as in :meth:`literals`) replaced."""
        counter = iter(range(len(self.literals())))

        def put(node: Node) -> Node:
            if isinstance(node, Literal):
                return literal if next(counter) == place else node
            return node

        root = _truth(transform(self.root, put))
        return Expression(root, render(root))


def _truth(node: Node) -> Truth:
    assert isinstance(node, Compare | Not | Both | Either | Check)
    return node


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of `node`, in order of the text."""
    match node:
        case Negative(operand) | Not(operand):
            return (operand,)
        case Arithmetic() | Compare():
            return (node.left, node.right)
        case Both(parts) | Either(parts):
            return parts
        case Measure() | Check():
            return node.arguments
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything in it, in order of the text."""
    yield node
    for child in children(node):
        yield from walk(child)


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy of the tree in which `change` was applied to every leaf, in order of the text."""

    def value(part: Node) -> Value:
        changed = transform(part, change)
        assert isinstance(changed, Literal | Variable | Negative | Arithmetic | Measure)
        return changed

    match node:
        case Negative(operand):
            return Negative(value(operand))
        case Not(operand):
            return Not(_truth(transform(operand, change)))
        case Arithmetic():
            return replace(node, left=value(node.left), right=value(node.right))
        case Compare(operator, left, right):
            first = value(left)
            return Compare(operator, first, right if isinstance(right, Choice) else value(right))
        case Both(parts):
            return Both(tuple(_truth(transform(part, change)) for part in parts))
        case Either(parts):
            return Either(tuple(_truth(transform(part, change)) for part in parts))
        case Measure():
            return replace(node, arguments=tuple(value(item) for item in node.arguments))
        case Check(function, arguments):
            changed = [transform(item, change) for item in arguments]
            return Check(function, tuple(item for item in changed if not isinstance(item, Choice)))
        case _:
            return change(node)


_TIGHTNESS = {
    "or": 1,
    "and": 2,
    "not": 3,
    "compare": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "negative": 7,
    "atom": 8,
}


def render(node: Node) -> str:
    """The text of `node` with no more parentheses than needed."""
    return _render(node)[0]


def _render(node: Node) -> tuple[str, int]:
    match node:
        case Literal():
            return node.text, _TIGHTNESS["negative"] if node.text.startswith("-") else _TIGHTNESS["atom"]
        case Variable() | Choice():
            return node.name, _TIGHTNESS["atom"]
        case Negative(operand):
            return "-" + _inside(operand, _TIGHTNESS["atom"]), _TIGHTNESS["negative"]
        case Arithmetic(operator, left, right):
            level = _TIGHTNESS[operator]
            return f"{_inside(left, level)} {operator} {_inside(right, level + 1)}", level
        case Compare(operator, left, right):
            level = _TIGHTNESS["compare"]
            return f"{_inside(left, level + 1)} {operator} {_inside(right, level + 1)}", level
        case Not(operand):
            return "not " + _inside(operand, _TIGHTNESS["not"]), _TIGHTNESS["not"]
        case Both(parts):
            level = _TIGHTNESS["and"]
            return " and ".join(_inside(part, level + 1) for part in parts), level
        case Either(parts):
            level = _TIGHTNESS["or"]
            return " or ".join(_inside(part, level + 1) for part in parts), level
        case Measure(function, arguments) | Check(function, arguments):
            return f"{function}({', '.join(render(item) for item in arguments)})", _TIGHTNESS["atom"]


def _inside(node: Node, tightness: int) -> str:
    text, own = _render(node)
    return text if own >= tightness else f"({text})"


@lru_cache(maxsize=256)
def dimension_of(kind: Kind) -> Dimension:
    """The dimension of `kind`."""
    return measure(kind.si)[2]


@lru_cache(maxsize=256)
def kind_of(dimension: Dimension) -> Kind | None:
    """The first kind of that dimension (flow, volume, ...), or None for a derived one such as mAU/s."""
    for kind in KINDS.values():
        if dimension_of(kind) == dimension:
            return kind
    return None


def powers(left: Dimension, right: Dimension, sign: float) -> Dimension:
    """The dimension of ``left * right**sign``."""
    total = dict(left)
    for name, power in right:
        total[name] = total.get(name, 0.0) + sign * power
    return tuple(sorted((name, power) for name, power in total.items() if power))


def describe_dimension(dimension: Dimension) -> str:
    """A dimension in words, e.g. ``absorbance`` or ``absorbance/time``."""
    if not dimension:
        return "a plain number"
    kind = kind_of(dimension)
    if kind is not None:
        return kind.name
    per_time = kind_of(powers(dimension, (("[time]", 1.0),), 1.0))
    if per_time is not None:
        return f"{per_time.name} per time"
    return " ".join(f"{name.strip('[]')}^{power:g}" for name, power in dimension)
