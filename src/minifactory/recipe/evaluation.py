"""The evaluator of conditions: the syntax tree compiled once to closures, answered scan by scan.

Logic is three-valued (Kleene): a bad or stale value is unknown, unknown spreads unless the rest decides
(``unknown or true`` is true, ``unknown and false`` is false), and only True fires. Every part that remembers
(windows, latches) is fed in every scan, whatever the other parts say.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from minifactory.recipe.expressions import (
    COMPARISONS,
    CV,
    PHASE_VARIABLES,
    TIME,
    VOLUME,
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
    dimension_of,
    walk,
)
from minifactory.recipe.windows import Extreme, Held, Latch, RangeWindow, SlopeWindow, Turn
from minifactory.units import KINDS


@dataclass(slots=True)
class Sample:
    """What a condition sees in one scan.

    Parameters
    ----------
    time : float
        Process time in s.
    phase_time : float
        Running time of the phase in s.
    phase_volume : float
        m3 pumped in the phase.
    phase_cv : float
        The same in column volumes.
    values : Mapping of str to float or None
        Tag or alias -> SI value; None (or absent) when bad or stale.
    """

    time: float = 0.0
    phase_time: float = 0.0
    phase_volume: float = 0.0
    phase_cv: float = 0.0
    values: Mapping[str, float | None] = field(default_factory=dict)


class _Memory(Protocol):
    def clear(self) -> None: ...


_Part = TypeVar("_Part", bound=_Memory)
Number = Callable[[Sample], float | None]
Answer = Callable[[Sample], bool | None]

_PHASE: Mapping[str, Callable[[Sample], float]] = {
    TIME: lambda sample: sample.phase_time,
    VOLUME: lambda sample: sample.phase_volume,
    CV: lambda sample: sample.phase_cv,
}
_AXIS: Mapping[object, Callable[[Sample], float]] = {
    dimension_of(KINDS["time"]): lambda sample: sample.time,
    dimension_of(KINDS[PHASE_VARIABLES[VOLUME]]): _PHASE[VOLUME],
    dimension_of(KINDS[PHASE_VARIABLES[CV]]): _PHASE[CV],
}


class Evaluator:
    """Answers one condition scan by scan; remembers what its windows need.

    Parameters
    ----------
    expression : Expression
        Parsed and checked.
    """

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._memories: list[_Memory] = []
        self._answer = self._truth(expression.root)
        self.answer: bool | None = None

    def update(self, sample: Sample) -> bool:
        """True when the condition is certainly true in this scan."""
        self.answer = answer = self._answer(sample)
        return answer is True

    def reset(self) -> None:
        """Forget all windows, as at the start of a phase."""
        self.answer = None
        for memory in self._memories:
            memory.clear()

    def memory(self) -> list[dict[str, object] | None]:
        """What latches, extremes and peaks remember, for :meth:`recall`; windows of time are not in it."""
        kept = (Latch, Extreme, Turn)
        return [dict(vars(item)) if isinstance(item, kept) else None for item in self._memories]

    def recall(self, memory: Sequence[Mapping[str, object] | None]) -> None:
        """Take up what :meth:`memory` gave for the same condition; windows of time fill anew."""
        for item, saved in zip(self._memories, memory, strict=True):
            if saved is not None:
                vars(item).update(saved)

    # Values

    def _value(self, node: Value) -> Number:
        match node:
            case Literal(value):
                return lambda _: value
            case Variable(name):
                return _PHASE[name] if name in _PHASE else _reader(name)
            case Negative(operand):
                inner = self._value(operand)
                return lambda sample: None if (y := inner(sample)) is None else -y
            case Arithmetic():
                return self._arithmetic(node)
            case Measure():
                return self._measure(node)

    def _arithmetic(self, node: Arithmetic) -> Number:
        left, right, divides = self._value(node.left), self._value(node.right), node.operator == "/"
        work = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[node.operator]

        def calculate(sample: Sample) -> float | None:
            one, other = left(sample), right(sample)
            if one is None or other is None or (divides and other == 0.0):
                return None
            result = float(work(one, other))
            return result if result - result == 0.0 else None  # infinite and not-a-number are unknown

        return calculate

    def _measure(self, node: Measure) -> Number:
        inner = self._value(node.arguments[0])
        if node.function == "abs":
            return lambda sample: None if (y := inner(sample)) is None else abs(y)
        if node.function == "slope":
            window, axis = self._slope(node.arguments[1])
            return lambda sample: window.update(axis(sample), inner(sample))
        extreme = self._remember(Extreme(1.0 if node.function == "maximum" else -1.0))
        return lambda sample: extreme.update(inner(sample))

    def _slope(self, width: Node) -> tuple[SlopeWindow, Callable[[Sample], float]]:
        assert isinstance(width, Literal)
        return self._remember(SlopeWindow(width.value)), _AXIS[width.dimension]

    def _remember(self, memory: _Part) -> _Part:
        self._memories.append(memory)
        return memory

    # Truths

    def _truth(self, node: Truth) -> Answer:
        match node:
            case Compare():
                return self._compare(node)
            case Not(operand):
                inner = self._truth(operand)
                return lambda sample: None if (answer := inner(sample)) is None else not answer
            case Both(parts):
                return self._chain(parts, decides=False)
            case Either(parts):
                return self._chain(parts, decides=True)
            case Check():
                return self._check(node)

    def _compare(self, node: Compare) -> Answer:
        compare, left = COMPARISONS[node.operator], self._value(node.left)
        if isinstance(node.right, Literal | Choice):
            limit = node.right.value if isinstance(node.right, Literal) else float(node.right.index)
            if (
                isinstance(node.left, Variable)
                and node.left.name in PHASE_VARIABLES
                and node.operator == ">="
            ):
                # Counters are sums of steps: a part in 1e9 of slack keeps rounding from costing a scan.
                limit -= 1e-9 * abs(limit)
            return lambda sample: None if (y := left(sample)) is None else compare(y, limit)
        right = self._value(node.right)

        def answer(sample: Sample) -> bool | None:
            one, other = left(sample), right(sample)
            return None if one is None or other is None else compare(one, other)

        return answer

    def _chain(self, parts: tuple[Truth, ...], decides: bool) -> Answer:
        answers = tuple(self._truth(part) for part in parts)
        remembers = any(isinstance(item, Check | Measure) for part in parts for item in walk(part))

        def answer(sample: Sample) -> bool | None:
            result: bool | None = not decides
            for part in answers:
                one = part(sample)
                if one is decides:
                    if not remembers:
                        return decides
                    result = decides
                elif one is None and result is not decides:
                    result = None
            return result

        return answer

    def _check(self, node: Check) -> Answer:
        function, arguments = node.function, node.arguments
        first = arguments[0]
        if isinstance(first, Compare | Not | Both | Either | Check):
            return self._check_truth(function, self._truth(first), arguments)
        value = self._value(first)
        numbers = [item.value for item in arguments[1:] if isinstance(item, Literal)]
        if function in ("rising", "falling"):
            window, axis = self._slope(arguments[1])
            sign = 1.0 if function == "rising" else -1.0
            rate = numbers[1] if len(numbers) > 1 else 0.0
            return lambda sample: (
                None if (y := window.update(axis(sample), value(sample))) is None else sign * y > rate
            )
        if function in ("peak", "valley"):
            turn, wanted = self._remember(Turn(numbers[0])), -1 if function == "peak" else 1
            return lambda sample: turn.update(value(sample), wanted)
        if function == "stable":
            assert isinstance(arguments[2], Literal)
            spread, along = self._remember(RangeWindow(numbers[1])), _AXIS[arguments[2].dimension]
            return lambda sample: (
                None if (y := spread.update(along(sample), value(sample))) is None else y <= numbers[0]
            )
        latch, direction = self._remember(Latch()), 1.0 if function == "above" else -1.0
        on, off = numbers
        return lambda sample: latch.between(value(sample), on, off, direction)

    def _check_truth(self, function: str, inner: Answer, arguments: tuple[Node, ...]) -> Answer:
        if function == "once":
            latch = self._remember(Latch())
            return lambda sample: latch.once(inner(sample))
        assert isinstance(arguments[1], Literal)
        held, axis = self._remember(Held(arguments[1].value)), _AXIS[arguments[1].dimension]
        return lambda sample: held.update(axis(sample), inner(sample))


def _reader(name: str) -> Number:
    def read(sample: Sample) -> float | None:
        y = sample.values.get(name)
        return None if y is None or y != y else y

    return read
