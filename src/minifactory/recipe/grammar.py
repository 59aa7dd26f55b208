"""The hand-written tokenizer and parser of conditions: bounded length and depth, positions in errors.

    condition  = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]      e.g. UV < 60 mAU
    sum        = product { ("+" | "-") product }
    product    = signed { ("*" | "/") signed }
    signed     = "-" signed | atom
    atom       = number [unit] | name | function "(" ... ")" | "(" condition ")" | "after" number unit
               | "level" "(" vessel ")" | "delivered" "(" transfer ")"

A unit follows its number and has no blanks around ``/`` or ``*``: ``0.1 mAU/s``. A plain ``5 CV``, ``10 min``
or ``20 mL`` where yes or no is expected means that this much of the phase has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.recipe.expressions import (
    DELIVERED,
    LEVEL,
    NO_YES,
    PHASE_VARIABLES,
    Arithmetic,
    Both,
    Check,
    Choice,
    Compare,
    Either,
    Expression,
    Literal,
    Measure,
    Negative,
    Node,
    Not,
    Truth,
    Value,
    Variable,
    about,
    describe_dimension,
    dimension_of,
    powers,
    render,
    subject,
)
from minifactory.recipe.tokens import KEYWORDS, Token, tokenize
from minifactory.units import KINDS, Dimension, Kind, measure

MAXIMUM_LENGTH = 2000
MAXIMUM_DEPTH = 40

Names = Mapping[str, Kind | tuple[str, ...]]
"""What a condition may name: the kind of a number, or the choices of a valve or state."""

SIGNATURES: Mapping[str, tuple[str, str]] = {
    "slope": ("value window", "slope(UV, 30 s)"),
    "rising": ("value window [rate]", "rising(UV, 20 s)"),
    "falling": ("value window [rate]", "falling(UV, 20 s)"),
    "peak": ("value like", "peak(UV, 5 mAU)"),
    "valley": ("value like", "valley(UV, 5 mAU)"),
    "stable": ("value like window", "stable(Cond, 0.1 mS/cm, 2 min)"),
    "above": ("value like like", "above(UV, 60 mAU, 50 mAU)"),
    "below": ("value like like", "below(UV, 50 mAU, 60 mAU)"),
    "for": ("truth window", "for(UV < 60 mAU, 10 s)"),
    "once": ("truth", "once(UV > 100 mAU)"),
    "maximum": ("value", "maximum(UV)"),
    "minimum": ("value", "minimum(UV)"),
    "abs": ("value", "abs(pH - 5.1)"),
}
"""Every function: its arguments and an example. ``like`` is a number of the first argument's kind."""

_MEASURES = {"slope", "maximum", "minimum", "abs"}
_AXES: Mapping[Dimension, str] = {dimension_of(KINDS[kind]): name for name, kind in PHASE_VARIABLES.items()}
_COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")


def parse_condition(text: str, names: Names, where: str = "condition") -> Expression:
    """The condition that `text` says, checked for names and units.

    Parameters
    ----------
    text : str
        E.g. ``UV < 60 mAU and falling(UV, 20 s)``, ``5 CV``, ``after 10 min``.
    names : Mapping of str to Kind or tuple of str
        Tags and aliases that may be used, with their kind, or the choices of a valve or state.
    where : str
        Place named in the error.

    Raises
    ------
    InputError
        Not a condition, an unknown name or unit, or units that do not match; says at which character.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise InputError(
            Finding(where, f"a condition of {len(text)} characters", f"at most {MAXIMUM_LENGTH}", "Split it.")
        )
    return _Parser(text, names, where).whole()


class _Parser:
    def __init__(self, text: str, names: Names, where: str) -> None:
        self.text, self.names, self.where = text, names, where
        reserved = {*KEYWORDS, *names, *SIGNATURES, *PHASE_VARIABLES}
        self.tokens = tokenize(text, reserved, self.fault)
        self.next = 0
        self.depth = 0

    # Errors and tokens

    def fault(self, place: int, found: str, expected: str = "", remedy: str = "") -> InputError:
        said = self.text if len(self.text) <= 80 else self.text[: max(place, 0) + 40][-77:] + "..."
        position = f'at character {place + 1} of "{said}"'
        return InputError(Finding(self.where, f"{found}, {position}", expected, remedy))

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self, *texts: str) -> Token | None:
        if self.token.text in texts and self.token.sort in ("sign", "name"):
            self.next += 1
            return self.tokens[self.next - 1]
        return None

    def expect(self, text: str) -> Token:
        found = self.take(text)
        if found is None:
            shown = f'"{self.token.text}"' if self.token.text else "the end"
            raise self.fault(self.token.place, f"{shown} was found", f'"{text}"')
        return found

    # The grammar

    def whole(self) -> Expression:
        if self.token.sort == "end":
            raise self.fault(0, "an empty condition", 'e.g. "5 CV" or "UV > 20 mAU"')
        start = self.token.place
        root = self.truth(self.disjunction(), start)
        if self.token.sort != "end":
            raise self.fault(self.token.place, f'"{self.token.text}" is too much', '"and", "or" or the end')
        return Expression(root, self.text.strip())

    def disjunction(self) -> Node:
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            raise self.fault(self.token.place, f"more than {MAXIMUM_DEPTH} levels", remedy="Simplify it.")
        node = self.chain("or", self.conjunction, Either)
        self.depth -= 1
        return node

    def conjunction(self) -> Node:
        return self.chain("and", self.negation, Both)

    def chain(self, word: str, part: Callable[[], Node], whole: type[Both] | type[Either]) -> Node:
        start = self.token.place
        first: Node = part()
        if self.token.text != word:
            return first
        parts = [self.truth(first, start)]
        while self.take(word):
            start = self.token.place
            parts.append(self.truth(part(), start))
        # Nested chains of the same word are one chain, so that text and tree correspond.
        flat: list[Truth] = []
        for item in parts:
            flat.extend(item.parts if isinstance(item, whole) else (item,))
        return whole(tuple(flat))

    def negation(self) -> Node:
        count = 0
        while self.take("not"):
            count += 1
            if count > MAXIMUM_DEPTH:
                raise self.fault(self.token.place, f"more than {MAXIMUM_DEPTH} levels", remedy="Simplify it.")
        start = self.token.place
        node = self.comparison()
        for _ in range(count):
            node = Not(self.truth(node, start))
        return node

    def comparison(self) -> Node:
        start = self.token.place
        left = self.sum()
        sign = self.take(*_COMPARISONS)
        if sign is None:
            return left
        value = self.value(left, start)
        choices = value.choices if isinstance(value, Variable) else ()
        if choices:
            return Compare(sign.text, value, self.choice(sign, choices))
        start = self.token.place
        right = self.value(self.sum(), start)
        self.same(value, right, sign.place, "cannot be compared with")
        return Compare(sign.text, value, right)

    def choice(self, sign: Token, choices: tuple[str, ...]) -> Choice:
        if sign.text not in ("==", "!="):
            raise self.fault(sign.place, f'"{sign.text}" does not fit a position or state', '"==" or "!="')
        token = self.token
        if token.text not in choices:
            raise self.fault(
                token.place, f'no position "{token.text}"', remedy=did_you_mean(token.text, choices)
            )
        self.next += 1
        return Choice(token.text, choices.index(token.text))

    def sum(self) -> Node:
        return self.arithmetic(("+", "-"), self.product)

    def product(self) -> Node:
        return self.arithmetic(("*", "/"), self.signed)

    def arithmetic(self, signs: tuple[str, ...], part: Callable[[], Node]) -> Node:
        start = self.token.place
        node: Node = part()
        while sign := self.take(*signs):
            left = self.value(node, start)
            place = self.token.place
            right = self.value(part(), place)
            if sign.text in ("+", "-"):
                self.same(left, right, sign.place, "cannot be added to or taken from")
                dimension = left.dimension
            else:
                dimension = powers(left.dimension, right.dimension, 1.0 if sign.text == "*" else -1.0)
            node = Arithmetic(sign.text, left, right, dimension)
        return node

    def signed(self) -> Node:
        count = 0
        while self.take("-"):
            count += 1
            if count > MAXIMUM_DEPTH:
                raise self.fault(self.token.place, f"more than {MAXIMUM_DEPTH} levels", remedy="Simplify it.")
        start = self.token.place
        node = self.atom()
        for _ in range(count):
            node = Negative(self.value(node, start))
        return node

    def atom(self) -> Node:
        token = self.token
        if token.sort == "number":
            self.next += 1
            return self.literal(token)
        if self.take("("):
            node = self.disjunction()
            self.expect(")")
            return node
        if token.text == "after":
            self.next += 1
            place = self.token.place
            if self.token.sort != "number":
                raise self.fault(place, f'"{self.token.text}" follows "after"', 'e.g. "after 2 CV"')
            return self.truth(self.atom(), place)
        if token.sort == "name" and token.text not in KEYWORDS:
            self.next += 1
            if self.token.text != "(":
                return self.variable(token)
            return self.about(token) if token.text in (LEVEL, DELIVERED) else self.function(token)
        shown = f'"{token.text}"' if token.text else "the end"
        raise self.fault(token.place, f"{shown} was found", "a number with its unit, a name or a function")

    def literal(self, token: Token) -> Literal:
        number, unit = token.split()
        try:
            scale, offset, dimension = measure(unit) if unit else (1.0, 0.0, ())
        except ValueError:
            remedy = (
                did_you_mean(unit, list(self.names) + list(_AXES.values())) if unit.isidentifier() else ""
            )
            raise self.fault(token.place, f'"{unit}" is not a unit', remedy=remedy) from None
        value = float(number) * scale + offset
        if abs(value) > 1e300:
            raise self.fault(token.place, f'"{token.text}" is out of bounds')
        return Literal(value, dimension, f"{number} {unit}".strip())

    def variable(self, token: Token) -> Variable:
        if token.text in PHASE_VARIABLES:
            return Variable(token.text, dimension_of(KINDS[PHASE_VARIABLES[token.text]]))
        kind = self.names.get(token.text)
        if kind is None:
            known = [*self.names, *PHASE_VARIABLES, *SIGNATURES]
            raise self.fault(
                token.place, f'nothing is called "{token.text}"', remedy=did_you_mean(token.text, known)
            )
        if isinstance(kind, Kind):
            return Variable(token.text, dimension_of(kind))
        return Variable(token.text, (), kind)

    def about(self, token: Token) -> Variable:
        """``level(VESSEL)`` or ``delivered(TRANSFER)``: a variable of that name."""
        self.expect("(")
        named = self.token
        self.next += named.sort != "end"
        name = about(token.text, named.text)
        if named.sort != "name" or name not in self.names:
            known = [inside for key in self.names if (inside := subject(key, token.text)) is not None]
            what = "vessel" if token.text == LEVEL else "transfer"
            found = f'no {what} "{named.text}" is known here'
            raise self.fault(named.place, found, remedy=did_you_mean(named.text, known))
        self.expect(")")
        return self.variable(replace(token, text=name))

    def function(self, token: Token) -> Node:
        name = token.text
        if name not in SIGNATURES:
            raise self.fault(token.place, f'no function "{name}"', remedy=did_you_mean(name, SIGNATURES))
        places, arguments = [], []
        self.expect("(")
        while True:
            places.append(self.token.place)
            arguments.append(self.disjunction())
            if not self.take(","):
                break
        self.expect(")")
        signature, example = SIGNATURES[name]
        wanted = signature.split()
        least = sum(not item.startswith("[") for item in wanted)
        if not least <= len(arguments) <= len(wanted):
            raise self.fault(token.place, f'"{name}" with {len(arguments)} arguments', f"e.g. {example}")
        checked: list[Value | Truth] = []
        for item, argument, place in zip(wanted, arguments, places, strict=False):
            checked.append(self.argument(item.strip("[]"), argument, place, checked, example))
        if name not in _MEASURES:
            return Check(name, tuple(checked))
        values = tuple(self.value(item, token.place) for item in checked)
        dimension = values[0].dimension
        if name == "slope":
            dimension = powers(dimension, values[1].dimension, -1.0)
        return Measure(name, values, dimension)

    def argument(
        self, sort: str, node: Node, place: int, before: list[Value | Truth], example: str
    ) -> Value | Truth:
        if sort == "truth":
            return self.truth(node, place)
        value = self.value(node, place)
        if sort == "value":
            return value
        if not isinstance(value, Literal):
            raise self.fault(
                place, f"{render(value)} stands for a number", f"a number with its unit, e.g. {example}"
            )
        if sort == "window" and (value.dimension not in _AXES or value.value <= 0.0):
            raise self.fault(
                place, f'"{value.text}" is not a window', f"a time, volume or CV, e.g. {example}"
            )
        first = before[0]
        if sort == "like" and not isinstance(first, Check | Compare | Not | Both | Either):
            self.same(first, value, place, "cannot be compared with")
        if sort == "rate":
            assert not isinstance(first, Check | Compare | Not | Both | Either)
            window = before[1]
            assert isinstance(window, Literal)
            expected = powers(first.dimension, window.dimension, -1.0)
            if value.dimension != expected:
                raise self.fault(
                    place, f'"{value.text}" is not a rate of change', f"{describe_dimension(expected)}"
                )
        return value

    # Sorts: a value has a dimension, a truth is yes or no

    def value(self, node: Node, place: int) -> Value:
        if isinstance(node, Literal | Variable | Negative | Arithmetic | Measure):
            return node
        raise self.fault(place, f'"{render(node)}" is yes or no', "a value")

    def truth(self, node: Node, place: int) -> Truth:
        if isinstance(node, Compare | Not | Both | Either | Check):
            return node
        if isinstance(node, Literal) and node.dimension in _AXES:
            name = _AXES[node.dimension]
            return Compare(">=", Variable(name, node.dimension), node)
        if isinstance(node, Variable) and subject(node.name, DELIVERED) is not None:
            return Compare("==", node, Choice(NO_YES[1], 1))
        remedy = "Compare it, e.g. with > or <."
        if isinstance(node, Variable) and node.choices:
            remedy = f"Write e.g. {node.name} == {node.choices[-1]}."
        raise self.fault(place, f'"{render(node)}" is a value', "a condition (yes or no)", remedy)

    def same(self, left: Value, right: Value, place: int, verb: str) -> None:
        if left.dimension == right.dimension:
            return
        one, other = describe_dimension(left.dimension), describe_dimension(right.dimension)
        remedy = ""
        if isinstance(right, Literal) and not right.dimension:
            remedy = f'Give "{right.text}" a unit of {one}.'
        raise self.fault(
            place,
            f"{render(left)} ({one}) {verb} {render(right)} ({other})",
            "the same kind of quantity",
            remedy,
        )
