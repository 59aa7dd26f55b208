"""Turns a binding law into a C callback that the engine's kernels reach by its address.

The engine is thereby compiled once for all models; a new model compiles only its own few lines. A law that
Numba cannot compile is called through Python instead: slower, the same numbers.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError

from minifactory.numerics.kernel_arrays import as_lanes, as_numbers
from minifactory.numerics.kernels import c_callback, inline_kernel
from minifactory.numerics.lanes import WIDTH
from minifactory.twin.binding.protocol import BindingLaw

carray: Any = getattr(numba, "carray")  # noqa: B009
_POINTER: Any = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
# points, components, bound states, p, c, q, f, jc, jq, want (1: rate, 2: Jacobian, 3: both)
SIGNATURE = types.void(*[types.int64] * 3, types.int64, *[_POINTER] * 6, types.int64)
_CTYPE = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4, *[ctypes.POINTER(ctypes.c_double)] * 6, ctypes.c_int64)


def _differences(rate: Any, view: Any, lanes: int) -> Any:
    """A Jacobian of `rate` by central differences, for laws that bring none."""

    def jacobian(p: Any, c: Any, q: Any, jc: Any, jq: Any) -> None:
        nb, nc = q.shape[0], c.shape[0]
        store = np.empty((2, nb, lanes))
        up, down = view(store[0]), view(store[1])
        for i in range(nc + nb):
            x = c if i < nc else q
            at = i if i < nc else i - nc
            held = x[at]
            step = 6e-6 * max(abs(held), 1e-3)
            x[at] = held + step
            rate(p, c, q, up)
            x[at] = held - step
            rate(p, c, q, down)
            x[at] = held
            for b in range(nb):
                slope = (up[b] - down[b]) / (2.0 * step)
                if i < nc:
                    jc[b, at] = slope
                else:
                    jq[b, at] = slope
        store[0, 0, 0] = 0.0  # alive to here: views do not hold on to it

    return jacobian


def _entry(rate: Any, jacobian: Any, view: Any, lanes: int) -> Callable[..., None]:
    """Evaluates a law at all points of a bed, with numbers as `view` sees them."""

    def evaluate(
        points: int, components: int, bound: int, parameters: int,
        p: Any, c: Any, q: Any, f: Any, jc: Any, jq: Any, want: int,
    ) -> None:  # fmt: skip
        numbers = view(carray(p, (parameters, lanes)))
        liquid = view(carray(c, (points, components, lanes)))
        solid = view(carray(q, (points, bound, lanes)))
        if want & 1:
            rates = view(carray(f, (points, bound, lanes)))
            try:
                for i in range(points):
                    rate(numbers, liquid[i], solid[i], rates[i])
            except Exception:
                # An exception cannot cross the C boundary; NaN makes the step control name the place.
                carray(f, (points, bound, lanes))[:] = np.nan
        if want & 2:
            carray(jc, (points, bound, components, lanes))[:] = 0.0
            carray(jq, (points, bound, bound, lanes))[:] = 0.0
            by_liquid = view(carray(jc, (points, bound, components, lanes)))
            by_solid = view(carray(jq, (points, bound, bound, lanes)))
            try:
                for i in range(points):
                    jacobian(numbers, liquid[i], solid[i], by_liquid[i], by_solid[i])
            except Exception:
                carray(jq, (points, bound, bound, lanes))[:] = np.nan

    return evaluate


def _lane_by_lane(rate: Any, jacobian: Any) -> Callable[..., None]:
    """As :func:`_entry` for lanes, with a law that branches on its numbers and so sees one lane at a time."""

    def evaluate(
        points: int, components: int, bound: int, parameters: int,
        p: Any, c: Any, q: Any, f: Any, jc: Any, jq: Any, want: int,
    ) -> None:  # fmt: skip
        numbers = carray(p, (parameters, WIDTH))
        liquid, solid = carray(c, (points, components, WIDTH)), carray(q, (points, bound, WIDTH))
        rates, by_liquid = carray(f, (points, bound, WIDTH)), carray(jc, (points, bound, components, WIDTH))
        by_solid = carray(jq, (points, bound, bound, WIDTH))
        own = np.empty(parameters)
        x, y, r = np.empty(components), np.empty(bound), np.empty(bound)
        jx, jy = np.empty((bound, components)), np.empty((bound, bound))
        for lane in range(WIDTH):
            own[:] = numbers[:, lane]
            for i in range(points):
                x[:], y[:] = liquid[i, :, lane], solid[i, :, lane]
                try:
                    if want & 1:
                        rate(own, x, y, r)
                        rates[i, :, lane] = r
                    if want & 2:
                        jx[:, :], jy[:, :] = 0.0, 0.0
                        jacobian(own, x, y, jx, jy)
                        by_liquid[i, :, :, lane], by_solid[i, :, :, lane] = jx, jy
                except Exception:
                    if want & 1:
                        rates[i, :, lane] = np.nan
                    if want & 2:
                        by_solid[i, :, :, lane] = np.nan

    return evaluate


def _texts(function: Any, seen: set[str]) -> Iterator[str]:
    """What a function is made of: its text, the file it stands in, and the same of what it encloses."""
    if function is None:
        yield "differences"
        return
    try:
        yield inspect.getsource(function)
        path = inspect.getsourcefile(function) or ""
        if path not in seen:
            # A law may call other functions of its file; changing one must not find an old kernel.
            seen.add(path)
            yield hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, TypeError):
        yield repr(function.__code__.co_code) + repr(function.__code__.co_consts)
    for cell in function.__closure__ or ():
        held = getattr(cell.cell_contents, "py_func", cell.cell_contents)
        if inspect.isfunction(held):
            yield from _texts(held, seen)
        else:
            yield repr(held)


@lru_cache(maxsize=256)
def _stamp(law: BindingLaw) -> str:
    seen: set[str] = set()
    return "\n".join([law.name, *_texts(law.rate, seen), *_texts(law.jacobian, seen)])


# Callbacks live as long as the process: their addresses are in the tables of networks.
_compiled: dict[tuple[str, bool], Any] = {}
_lock = threading.Lock()


def law_address(law: BindingLaw, lanes: bool = False) -> int:
    """Address of the compiled law; compiled on first use, or loaded from the cache of kernels.

    With `lanes` that of the form for lanes, 0 for a law that runs in Python.
    """
    stamp = _stamp(law)
    with _lock:
        if (stamp, lanes) not in _compiled:
            _compiled[stamp, lanes] = _compile_lanes(law, stamp) if lanes else _compile(law, stamp)
    return int(_compiled[stamp, lanes][0])


def runs_in_python(law: BindingLaw) -> bool:
    """Whether Numba could not compile `law`, so that it runs slower, through Python."""
    law_address(law)
    return bool(_compiled[_stamp(law), False][2])


def _digest(stamp: str) -> str:
    return hashlib.sha256(stamp.encode()).hexdigest()[:16]


def _marked(function: Any, mark: str) -> Any:
    """A copy of `function` whose name tells its law.

    Compiled functions are linked by name, also those that other processes left in the cache; two laws that
    go through the same inner function here would otherwise call each other's.
    """
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__qualname__ = f"{function.__qualname__}.{mark}"
    copy.__module__ = function.__module__
    return copy


def _compile(law: BindingLaw, stamp: str) -> tuple[int, Any, bool]:
    mark = _digest(stamp)
    try:
        rate = inline_kernel(_marked(law.rate, mark))
        jacobian = inline_kernel(_marked(law.jacobian or _differences(rate, as_numbers, 1), mark))
        callback = c_callback(_marked(_entry(rate, jacobian, as_numbers, 1), mark), SIGNATURE, stamp)
        return callback.address, callback, False
    except NumbaError:
        plain = _python_entry(law)
        return int(ctypes.cast(plain, ctypes.c_void_p).value or 0), plain, True


def _compile_lanes(law: BindingLaw, stamp: str) -> tuple[int, Any, bool]:
    stamp, slow = stamp + "\nlanes", stamp + "\nlane by lane"
    rate = inline_kernel(_marked(law.rate, _digest(stamp)))
    try:
        mark = _digest(stamp)
        jacobian = inline_kernel(_marked(law.jacobian or _differences(rate, as_lanes, WIDTH), mark))
        callback = c_callback(_marked(_entry(rate, jacobian, as_lanes, WIDTH), mark), SIGNATURE, stamp)
        return callback.address, callback, False
    except NumbaError:
        pass  # it branches on its numbers, or is no kernel at all
    try:
        mark = _digest(slow)
        jacobian = inline_kernel(_marked(law.jacobian or _differences(rate, as_numbers, 1), mark))
        callback = c_callback(_marked(_lane_by_lane(rate, jacobian), mark), SIGNATURE, slow)
        return callback.address, callback, False
    except NumbaError:
        return 0, None, True


def _python_entry(law: BindingLaw) -> Any:
    jacobian = law.jacobian or _differences(law.rate, lambda array: array[..., 0], 1)

    def evaluate(
        points: int, components: int, bound: int, parameters: int,
        p: Any, c: Any, q: Any, f: Any, jc: Any, jq: Any, want: int,
    ) -> None:  # fmt: skip
        def array(pointer: Any, *shape: int) -> Any:
            return np.ctypeslib.as_array(pointer, shape)

        numbers, liquid, solid = array(p, parameters), array(c, points, components), array(q, points, bound)
        rates = array(f, points, bound)
        by_liquid, by_solid = array(jc, points, bound, components), array(jq, points, bound, bound)
        try:
            for i in range(points):
                if want & 1:
                    law.rate(numbers, liquid[i], solid[i], rates[i])
                if want & 2:
                    by_liquid[i], by_solid[i] = 0.0, 0.0
                    jacobian(numbers, liquid[i], solid[i], by_liquid[i], by_solid[i])
        except Exception:
            # An exception cannot cross the C boundary; NaN makes the step control name the place.
            rates[:] = np.nan

    return _CTYPE(evaluate)
