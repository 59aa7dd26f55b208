"""A number type of eight doubles for kernels: eight simulations, or eight points, in one machine word.

A kernel that is compiled for arrays of :data:`LANES` instead of doubles computes eight cases at once, each
with its own numbers, from the same source. What it may not do is branch on a number: ``select`` chooses per
lane, and ``anywhere`` says whether a condition holds in any lane, to leave out work that no lane needs. Both
also work on plain numbers.

In memory such a number is eight neighbouring doubles: an array (n,) of lanes is an array (n, 8) of doubles,
and ``as_lanes`` (in :mod:`kernel_arrays`) turns the one into the other without a copy. LLVM does not
vectorise loops over a short last axis reliably, therefore a type of its own.
"""

# Numba declares the types of few of its internals.
# mypy: disable-error-code="no-untyped-call, untyped-decorator"
from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, registry
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv.rules import default_type_manager
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, overload

WIDTH = 8
_DOUBLES = ir.VectorType(ir.DoubleType(), WIDTH)
_WORDS = ir.VectorType(ir.IntType(64), WIDTH)
_BITS = ir.VectorType(ir.IntType(1), WIDTH)
_FIRST = ir.Constant(ir.IntType(32), 0)


class _LaneType(types.Type):
    """Eight doubles."""


class _MaskType(types.Type):
    """Eight truth values."""


LANES: Any = _LaneType(name=f"lanes{WIDTH}")
MASK: Any = _MaskType(name=f"mask{WIDTH}")


@registry.register_default(_LaneType)
class _LaneModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _DOUBLES)


@registry.register_default(_MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BITS)


def _spread(builder: Any, value: Any) -> Any:
    """One double in all lanes."""
    one = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_DOUBLES, ir.Undefined), zeros)


for _plain in (types.float64, types.int64, types.intp, types.int32, types.boolean):
    default_type_manager.set_safe_convert(_plain, LANES)


@lower_cast(types.Float, LANES)
@lower_cast(types.Integer, LANES)
@lower_cast(types.Boolean, LANES)
def _from_number(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:  # noqa: ARG001
    return _spread(builder, context.cast(builder, value, fromty, types.float64))


def _intrinsic_call(builder: Any, name: str, *values: Any) -> Any:
    kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
    return builder.call(function, values)


Emit = Callable[[Any, Any, Any], Any]


def _operation(symbols: tuple[Any, ...], arguments: int, result: Any, emit: Callable[..., Any]) -> None:
    """Teaches numba what `symbols` mean for lanes."""
    for symbol in symbols:

        class Typing(ConcreteTemplate):
            cases = [signature(result, *[LANES] * arguments)]  # noqa: RUF012

        infer_global(symbol)(Typing)

        @lower_builtin(symbol, *[LANES] * arguments)
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
            return emit(builder, *args)


def _choose(condition: str) -> Callable[..., Any]:
    # As Python's max and min: the first argument stays where the comparison is false, so NaN survives there.
    return lambda b, x, y: b.select(b.fcmp_ordered(condition, y, x), y, x)


_operation((operator.add, operator.iadd), 2, LANES, lambda b, x, y: b.fadd(x, y))
_operation((operator.sub, operator.isub), 2, LANES, lambda b, x, y: b.fsub(x, y))
_operation((operator.mul, operator.imul), 2, LANES, lambda b, x, y: b.fmul(x, y))
_operation((operator.truediv, operator.itruediv), 2, LANES, lambda b, x, y: b.fdiv(x, y))
_operation((operator.neg,), 1, LANES, lambda b, x: b.fneg(x))
_operation((abs, math.fabs), 1, LANES, lambda b, x: _intrinsic_call(b, "fabs", x))
_operation((math.sqrt,), 1, LANES, lambda b, x: _intrinsic_call(b, "sqrt", x))
_operation((max,), 2, LANES, _choose(">"))
_operation((min,), 2, LANES, _choose("<"))
for _symbol, _text in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="),
                       (operator.eq, "==")):  # fmt: skip
    _operation((_symbol,), 2, MASK, lambda b, x, y, text=_text: b.fcmp_ordered(text, x, y))
_operation((operator.ne,), 2, MASK, lambda b, x, y: b.fcmp_unordered("!=", x, y))
# An index among the parameters is the same in all lanes.
_operation((int,), 1, types.int64, lambda b, x: b.fptosi(b.extract_element(x, _FIRST), ir.IntType(64)))


def _mask_operation(symbol: Any, emit: Callable[..., Any]) -> None:
    class Typing(ConcreteTemplate):
        cases = [signature(MASK, MASK, MASK)]  # noqa: RUF012

    infer_global(symbol)(Typing)

    @lower_builtin(symbol, MASK, MASK)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
        return emit(builder, *args)


_mask_operation(operator.and_, lambda b, x, y: b.and_(x, y))
_mask_operation(operator.or_, lambda b, x, y: b.or_(x, y))


@intrinsic
def _select_each(typingctx: Any, mask: Any, x: Any, y: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [context.cast(builder, a, t, LANES) for a, t in zip(args[1:], sig.args[1:], strict=True)]
        return builder.select(args[0], *values)

    return LANES(mask, x, y), generate


@intrinsic
def _any_of(typingctx: Any, mask: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
        word = builder.bitcast(args[0], ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", word, ir.Constant(ir.IntType(WIDTH), 0))

    return types.boolean(mask), generate


_select_lanes: Any = _select_each
_any_lane: Any = _any_of


def select(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, else `y`; for lanes, per lane."""
    return x if condition else y


def anywhere(condition: Any) -> bool:
    """Whether the condition holds (in any lane)."""
    return bool(condition)


@overload(select, strict=False)
def _select(condition: Any, x: Any, y: Any) -> Any:  # noqa: ARG001
    if condition is MASK:
        return lambda condition, x, y: _select_lanes(condition, x, y)
    return lambda condition, x, y: x if condition else y


@overload(anywhere, strict=False)
def _anywhere(condition: Any) -> Any:
    if condition is MASK:
        return lambda condition: _any_lane(condition)
    return lambda condition: bool(condition)


def _words(number: int) -> Any:
    return ir.Constant(_WORDS, [number] * WIDTH)


def _numbers(number: float) -> Any:
    return ir.Constant(_DOUBLES, [number] * WIDTH)


def _horner(builder: Any, x: Any, coefficients: list[float]) -> Any:
    """Polynomial by Estrin's scheme, lowest coefficient first: shorter chains than Horner's."""
    terms = [_numbers(value) for value in coefficients]
    while len(terms) > 1:
        paired = [
            _intrinsic_call(builder, "fma", terms[i + 1], x, terms[i]) if i + 1 < len(terms) else terms[i]
            for i in range(0, len(terms), 2)
        ]
        terms = paired
        if len(terms) > 1:
            x = builder.fmul(x, x)
    return terms[0]


def _exp(builder: Any, x: Any) -> Any:
    """exp to about one unit in the last place; arguments beyond +-708 count as +-708, NaN stays.

    x = k ln 2 + r, the reduction by fused multiply-adds, exp(r) by its series (|r| < 0.35).
    """
    x = builder.select(builder.fcmp_ordered(">", x, _numbers(708.0)), _numbers(708.0), x)
    x = builder.select(builder.fcmp_ordered("<", x, _numbers(-708.0)), _numbers(-708.0), x)
    k = _intrinsic_call(builder, "roundeven", builder.fmul(x, _numbers(1.0 / math.log(2.0))))
    r = _intrinsic_call(builder, "fma", k, _numbers(-6.93147180369123816490e-01), x)
    r = _intrinsic_call(builder, "fma", k, _numbers(-1.90821492927058770002e-10), r)
    series = _horner(builder, r, [1.0 / math.factorial(i) for i in range(13)])
    # 2^k from the bits of k + 1.5 * 2^52.
    bits = builder.bitcast(builder.fadd(k, _numbers(6755399441055744.0)), _WORDS)
    return builder.bitcast(
        builder.add(builder.bitcast(series, _WORDS), builder.shl(bits, _words(52))), _DOUBLES
    )


# ln((1 + s)/(1 - s)) = 2 s + s R(s^2); source: FreeBSD msun e_log.c, Sun Microsystems 1993.
_LOG = [0.0, 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
        2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
        1.479819860511658591e-01]  # fmt: skip


def _log(builder: Any, x: Any) -> Any:
    """Natural logarithm to about one unit in the last place; NaN below 0, minus infinity at 0."""
    bits = builder.bitcast(x, _WORDS)
    # Mantissa between sqrt(1/2) and sqrt(2).
    shifted = builder.add(bits, _words(0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
    exponent = builder.lshr(shifted, _words(52))
    mantissa = builder.add(builder.and_(shifted, _words(0x000FFFFFFFFFFFFF)), _words(0x3FE6A09E667F3BCD))
    m = builder.bitcast(mantissa, _DOUBLES)
    # The exponent as a number, through the bits of 2^52 + exponent.
    k = builder.fsub(
        builder.bitcast(builder.or_(exponent, _words(0x4330000000000000)), _DOUBLES),
        _numbers(4503599627370496.0 + 1023.0),
    )
    f = builder.fsub(m, _numbers(1.0))
    s = builder.fdiv(f, builder.fadd(f, _numbers(2.0)))
    square = builder.fmul(s, s)
    r = _horner(builder, square, _LOG)
    half = builder.fmul(builder.fmul(f, f), _numbers(0.5))
    tail = _intrinsic_call(builder, "fma", s, builder.fadd(half, r),
                           builder.fmul(k, _numbers(1.90821492927058770002e-10)))  # fmt: skip
    rest = builder.fsub(builder.fsub(half, tail), f)
    value = _intrinsic_call(builder, "fma", k, _numbers(6.93147180369123816490e-01), builder.fneg(rest))
    zero, infinite = _numbers(0.0), _numbers(math.inf)
    value = builder.select(builder.fcmp_ordered("==", x, zero), _numbers(-math.inf), value)
    value = builder.select(builder.fcmp_ordered("==", x, infinite), infinite, value)
    valid = builder.fcmp_ordered(">=", x, zero)
    return builder.select(valid, value, _numbers(math.nan))


_operation((math.exp,), 1, LANES, _exp)
_operation((math.log,), 1, LANES, _log)
_operation((math.log1p,), 1, LANES, lambda b, x: _log(b, b.fadd(x, _numbers(1.0))))
_operation((operator.pow, math.pow), 2, LANES, lambda b, x, y: _exp(b, b.fmul(y, _log(b, x))))
