"""Conditions over whole series at once: what an evaluator would answer in each of many scans.

The same three-valued logic as :mod:`minifactory.recipe.evaluation`, scan for scan (a test compares both), on
arrays: 1 true, 0 false, -1 unknown; an unknown value is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

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
)
from minifactory.recipe.windows import Latch, RangeWindow, Turn
from minifactory.units import KINDS, Dimension

Numbers = NDArray[np.float64]
Answers = NDArray[np.int8]

_AXES = {
    dimension_of(KINDS["time"]): "clock",
    dimension_of(KINDS[PHASE_VARIABLES[VOLUME]]): VOLUME,
    dimension_of(KINDS[PHASE_VARIABLES[CV]]): CV,
}


@dataclass(frozen=True)
class Series:
    """What conditions see over the scans of one phase, from its first.

    Parameters
    ----------
    clock : ndarray (n,)
        Process time in s.
    time, volume, cv : ndarray (n,)
        The phase's own running time (s), volume (m3) and column volumes.
    values : Mapping of str to ndarray (n,)
        Tag or alias -> SI.
    """

    clock: Numbers
    time: Numbers
    volume: Numbers
    cv: Numbers
    values: Mapping[str, Numbers]

    def axis(self, dimension: Dimension) -> Numbers:
        """The axis that a width of this dimension lies on."""
        return self.clock if _AXES[dimension] == "clock" else self._own(_AXES[dimension])

    def _own(self, name: str) -> Numbers:
        return {TIME: self.time, VOLUME: self.volume, CV: self.cv}[name]

    def variable(self, name: str) -> Numbers:
        """A series by name; unknown where there is none."""
        if name in PHASE_VARIABLES:
            return self._own(name)
        found = self.values.get(name)
        return np.full(self.clock.shape, np.nan) if found is None else found


def first_true(expression: Expression, series: Series) -> int | None:
    """The first scan in which the condition is certainly true; None when there is none."""
    answers = _truth(expression.root, series) == 1
    return int(np.argmax(answers)) if answers.any() else None


def _value(node: Value | Node, series: Series) -> Numbers:
    match node:
        case Literal(value):
            return np.full(series.clock.shape, value)
        case Variable(name):
            return series.variable(name)
        case Negative(operand):
            return -_value(operand, series)
        case Arithmetic(sign, left, right):
            work = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[sign]
            with np.errstate(divide="ignore", invalid="ignore"):
                result: Numbers = work(_value(left, series), _value(right, series))
            return np.where(np.isfinite(result), result, np.nan)
        case Measure():
            return _measure(node, series)
    raise AssertionError(node)


def _measure(node: Measure, series: Series) -> Numbers:
    inner = _value(node.arguments[0], series)
    if node.function == "abs":
        return np.abs(inner)
    if node.function == "slope":
        return _slopes(inner, node.arguments[1], series)
    extreme = (np.fmax if node.function == "maximum" else np.fmin).accumulate(inner)
    return np.where(np.isnan(inner), np.nan, extreme)


def _slopes(values: Numbers, width: Node, series: Series) -> Numbers:
    """Least-squares slopes over a trailing window; NaN until it is full."""
    assert isinstance(width, Literal)
    axis = series.axis(width.dimension)
    slopes = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    # An unknown value empties the window: every stretch of known ones begins anew.
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if run.size:
            slopes[run] = _slopes_of(values[run], axis[run], width)
    return slopes


def _slopes_of(values: Numbers, axis: Numbers, width: Literal) -> Numbers:
    begin = np.searchsorted(axis, axis - width.value * (1.0 + 1e-9), side="left")
    x = axis - axis[0]
    y = values - values[0]
    ends = np.arange(1, x.size + 1)
    sums = [_running(part, begin, ends) for part in (x, y, x * x, x * y)]
    count = (ends - begin).astype(float)
    spread = count * sums[2] - sums[0] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (count * sums[3] - sums[0] * sums[1]) / spread
    full = (axis - axis[0] >= width.value * (1.0 - 1e-9)) & (count >= 2) & (spread > 0.0)
    return np.where(full, slope, np.nan)


def _running(part: Numbers, begin: NDArray[np.intp], ends: NDArray[np.intp]) -> Numbers:
    total = np.concatenate([[0.0], np.cumsum(part)])
    return np.asarray(total[ends] - total[begin])


def _truth(node: Truth | Node, series: Series) -> Answers:
    match node:
        case Compare():
            return _compare(node, series)
        case Not(operand):
            inner = _truth(operand, series)
            return np.where(inner < 0, inner, 1 - inner).astype(np.int8)
        case Both(parts):
            answers = np.stack([_truth(part, series) for part in parts])
            unknown = np.where((answers < 0).any(axis=0), -1, 1)
            return np.where((answers == 0).any(axis=0), 0, unknown).astype(np.int8)
        case Either(parts):
            answers = np.stack([_truth(part, series) for part in parts])
            unknown = np.where((answers < 0).any(axis=0), -1, 0)
            return np.where((answers == 1).any(axis=0), 1, unknown).astype(np.int8)
        case Check():
            return _check(node, series)
    raise AssertionError(node)


def _compare(node: Compare, series: Series) -> Answers:
    left = _value(node.left, series)
    right: Numbers | float
    if isinstance(node.right, Literal | Choice):
        right = node.right.value if isinstance(node.right, Literal) else float(node.right.index)
        counter = isinstance(node.left, Variable) and node.left.name in PHASE_VARIABLES
        if counter and node.operator == ">=":
            right -= 1e-9 * abs(right)  # as the evaluator: rounding must not cost a scan
    else:
        right = _value(node.right, series)
    answer = COMPARISONS[node.operator](left, right)
    return np.where(np.isnan(left) | np.isnan(right), -1, answer).astype(np.int8)


def _check(node: Check, series: Series) -> Answers:
    function, arguments = node.function, node.arguments
    first = arguments[0]
    if isinstance(first, Compare | Not | Both | Either | Check):
        inner = _truth(first, series)
        if function == "once":
            latched = np.maximum.accumulate((inner == 1).astype(np.int8))
            return np.asarray(np.where(inner < 0, -1, latched), dtype=np.int8)
        return _held(inner, arguments[1], series)
    values = _value(first, series)
    numbers = [item.value for item in arguments[1:] if isinstance(item, Literal)]
    if function in ("rising", "falling"):
        slopes = _slopes(values, arguments[1], series) * (1.0 if function == "rising" else -1.0)
        rate = numbers[1] if len(numbers) > 1 else 0.0
        return np.where(np.isnan(slopes), -1, slopes > rate).astype(np.int8)
    return _remembered(function, values, numbers, arguments, series)


def _held(inner: Answers, width: Node, series: Series) -> Answers:
    """Whether the last `width` was true throughout."""
    assert isinstance(width, Literal)
    axis = series.axis(width.dimension)
    places = np.arange(inner.size)
    broken = np.maximum.accumulate(np.where(inner == 1, -1, places))
    start = np.minimum(broken + 1, inner.size - 1)
    long = axis - axis[start] >= width.value * (1.0 - 1e-9)
    return np.asarray(np.where(inner < 0, -1, (inner == 1) & long), dtype=np.int8)


def _remembered(
    function: str, values: Numbers, numbers: list[float], arguments: tuple[Node, ...], series: Series
) -> Answers:
    """Peaks, hysteresis and stability remember what arrays cannot: scan by scan."""
    steps: Callable[[int, float | None], bool | None]
    if function in ("peak", "valley"):
        steps = partial(_turned, Turn(numbers[0]), -1 if function == "peak" else 1)
    elif function == "stable":
        width = arguments[2]
        assert isinstance(width, Literal)
        steps = partial(_stays, RangeWindow(numbers[1]), series.axis(width.dimension), numbers[0])
    else:
        steps = partial(_latched, Latch(), numbers, 1.0 if function == "above" else -1.0)
    answers = np.full(values.size, -1, dtype=np.int8)
    for at, y in enumerate(values.tolist()):
        answer = steps(at, None if y != y else y)
        answers[at] = -1 if answer is None else int(answer)
    return answers


def _turned(turn: Turn, wanted: int, _at: int, y: float | None) -> bool | None:
    return turn.update(y, wanted)


def _stays(window: RangeWindow, axis: Numbers, limit: float, at: int, y: float | None) -> bool | None:
    spread = window.update(float(axis[at]), y)
    return None if spread is None else spread <= limit


def _latched(latch: Latch, limits: list[float], sign: float, _at: int, y: float | None) -> bool | None:
    return latch.between(y, limits[0], limits[1], sign)
