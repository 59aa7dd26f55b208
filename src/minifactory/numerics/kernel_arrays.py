"""Arrays as kernels see them: flat in memory, indexed from 0 without a check for negative indices.

:func:`as_numbers` and :func:`as_lanes` see an array (..., 1) or (..., 8) of doubles as an array (...) of
doubles or of lanes; :func:`as_constants` sees an array that no kernel changes, whose values may stay in
registers whatever else is written; a :func:`bundle` brings many arrays to a kernel at once.
All without a copy, and without holding on to the array given: it must outlive what is seen. Negative indices
are an error that nothing reports.
"""

# Numba declares the types of few of its internals.
# mypy: disable-error-code="no-untyped-call, untyped-decorator, call-overload"

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, registry
from numba.core.imputils import lower_builtin
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

from minifactory.numerics.lanes import LANES, WIDTH


class _KernelArray(types.Array):
    """A contiguous array whose indices are not negative."""

    def __init__(self, dtype: Any, ndim: int, constant: bool) -> None:
        self.constant = constant
        name = f"kernel_array({dtype}, {ndim}d, {'constant' if constant else 'variable'})"
        super().__init__(dtype, ndim, "C", name=name, aligned=dtype is not LANES)

    @property
    def key(self) -> Any:
        return super().key, self.constant

    @property
    def mangling_args(self) -> Any:
        return self.__class__.__name__, [self.dtype, self.ndim, int(self.constant)]

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> Any:
        if layout in (None, "C") and dtype is None and readonly is None:
            return _KernelArray(self.dtype, self.ndim if ndim is None else ndim, self.constant)
        return super().copy(dtype, ndim, layout, readonly)

    def unify(self, typingctx: Any, other: Any) -> Any:
        return self if self == other else super().unify(typingctx, other)


registry.register_default(_KernelArray)(models.ArrayModel)


def _place(context: Any, builder: Any, kind: Any, array: Any, index_types: Any, indices: Any) -> Any:
    """Pointer to an element given by all its indices."""
    made = arrayobj.make_array(kind)(context, builder, array)
    shape = cgutils.unpack_tuple(builder, made.shape)
    flat = None
    for index, index_type, length in zip(indices, index_types, shape, strict=True):
        value = context.cast(builder, index, index_type, types.int64)
        flat = (
            value
            if flat is None
            else builder.add(builder.mul(flat, length, flags=["nsw"]), value, flags=["nsw"])
        )
    return builder.gep(made.data, [flat], inbounds=True)


def _load(context: Any, builder: Any, kind: Any, place: Any) -> Any:
    value = context.unpack_value(builder, kind.dtype, place, None if kind.aligned else 8)
    if kind.constant:
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def _whole(kind: Any) -> bool:
    return all(isinstance(t, types.Integer) for t in kind)


@lower_builtin(operator.getitem, _KernelArray, types.Integer)
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index = sig.args
    if kind.ndim > 1:
        return arrayobj.getitem_arraynd_intp(context, builder, sig, args)
    return _load(context, builder, kind, _place(context, builder, kind, args[0], [index], args[1:]))


@lower_builtin(operator.getitem, _KernelArray, types.BaseTuple)
def _get_item_by_tuple(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index = sig.args
    if len(index) != kind.ndim or not _whole(index):
        return arrayobj.getitem_array_tuple(context, builder, sig, args)
    indices = cgutils.unpack_tuple(builder, args[1])
    return _load(context, builder, kind, _place(context, builder, kind, args[0], list(index), indices))


@lower_builtin(operator.setitem, _KernelArray, types.Any, types.Any)
def _set_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index, given = sig.args
    index_types = list(index) if isinstance(index, types.BaseTuple) else [index]
    if len(index_types) != kind.ndim or not _whole(index_types) or isinstance(given, types.Array):
        return arrayobj.setitem_array(context, builder, sig, args)
    indices = cgutils.unpack_tuple(builder, args[1]) if isinstance(index, types.BaseTuple) else [args[1]]
    place = _place(context, builder, kind, args[0], index_types, indices)
    value = context.cast(builder, args[2], given, kind.dtype)
    context.pack_value(builder, kind.dtype, value, place, None if kind.aligned else 8)
    return context.get_dummy_value()


def _view(dtype: Any, dropped: int, constant: bool) -> Any:
    """An intrinsic that sees a contiguous array as a kernel array, of `dtype` without its last axis."""

    @intrinsic
    def view(typingctx: Any, array: Any) -> Any:  # noqa: ARG001
        result = _KernelArray(dtype or array.dtype, array.ndim - dropped, constant)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            old = arrayobj.make_array(sig.args[0])(context, builder, args[0])
            new = arrayobj.make_array(result)(context, builder)
            shape = cgutils.unpack_tuple(builder, old.shape)
            strides = cgutils.unpack_tuple(builder, old.strides)
            keep = len(shape) - dropped
            size = 8 * (WIDTH if dtype is LANES else 1)
            arrayobj.populate_array(
                new,
                builder.bitcast(old.data, context.get_data_type(result.dtype).as_pointer()),
                shape[:keep],
                strides[:keep],
                context.get_constant(types.intp, size),
                None,  # counting references would take a tenth of a run's time
                None,
            )
            return new._getvalue()

        return result(array), generate

    return view


as_numbers: Any = _view(types.float64, 1, False)
as_lanes: Any = _view(LANES, 1, False)
as_constants: Any = _view(None, 0, True)


@intrinsic
def _address(typingctx: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Where element `index` of a flat array lies in memory, as an integer."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = arrayobj.make_array(sig.args[0])(context, builder, args[0]).data
        offset = context.cast(builder, args[1], sig.args[1], types.int64)
        return builder.ptrtoint(builder.gep(data, [offset]), ir.IntType(64))

    return types.int64(array, index), generate


@intrinsic
def _fetch_add(typingctx: Any, array: Any, amount: Any) -> Any:  # noqa: ARG001
    """Adds to the first entry of an integer array that threads share, and returns what it was."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = arrayobj.make_array(sig.args[0])(context, builder, args[0]).data
        value = context.cast(builder, args[1], sig.args[1], types.int64)
        return builder.atomic_rmw("add", data, value, "monotonic")

    return types.int64(array, amount), generate


address: Any = _address
fetch_add: Any = _fetch_add


# Words per array in a bundle: its address and up to five lengths.
_SLOT = 6


def bundle(arrays: Iterable[NDArray[Any]]) -> NDArray[np.int64]:
    """Addresses and shapes of contiguous arrays of doubles and integers, for :data:`doubles_1` and its like.

    Handing many arrays to a kernel one by one costs Python more than a step of the kernel, and the compiler
    time; a bundle is one array. The arrays must outlive it.
    """
    given = list(arrays)
    words = np.zeros((len(given), _SLOT), dtype=np.int64)
    for row, array in zip(words, given, strict=True):
        if not array.flags.c_contiguous or array.dtype not in (np.float64, np.int64):
            raise TypeError(f"array of {array.dtype}, contiguous: {array.flags.c_contiguous}")
        row[0] = array.ctypes.data
        row[1 : 1 + array.ndim] = array.shape
    return words.ravel()


def _bundled(dtype: Any, ndim: int) -> Any:
    """An intrinsic that sees array `field` of a bundle, of `ndim` dimensions, as a kernel array."""

    @intrinsic
    def see(typingctx: Any, words: Any, field: Any) -> Any:  # noqa: ARG001
        result = _KernelArray(dtype, ndim, False)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = arrayobj.make_array(sig.args[0])(context, builder, args[0]).data
            word = ir.IntType(64)
            first = builder.mul(context.cast(builder, args[1], sig.args[1], types.int64), word(_SLOT))
            held = [builder.load(builder.gep(data, [builder.add(first, word(i))])) for i in range(ndim + 1)]
            strides = [word(8)]
            for length in held[:1:-1]:
                strides.insert(0, builder.mul(strides[0], length))
            new = arrayobj.make_array(result)(context, builder)
            arrayobj.populate_array(
                new,
                builder.inttoptr(held[0], context.get_data_type(dtype).as_pointer()),
                held[1:],
                strides,
                context.get_constant(types.intp, 8),
                None,
                None,
            )
            return new._getvalue()

        return result(words, field), generate

    return see


# Array `field` of a bundle, of so many dimensions.
doubles_1, doubles_2, doubles_3, doubles_4 = (_bundled(types.float64, n) for n in range(1, 5))
integers_1, integers_2 = (_bundled(types.int64, n) for n in range(1, 3))
