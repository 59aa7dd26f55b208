"""Turns a binding law into a C callback that the engine's kernels reach by its address.

The engine is thereby compiled once for all models; a new model compiles only its own few lines. A law that
Numba cannot compile is called through Python instead: slower, the same numbers.
"""

from __future__ import annotations

import ctypes
import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError

from minifactory.numerics.kernels import c_callback, inline_kernel
from minifactory.twin.binding.protocol import BindingLaw

carray: Any = getattr(numba, "carray")  # noqa: B009
_POINTER: Any = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
# points, components, bound states, p, c, q, f, jc, jq, want (1: rate, 2: Jacobian, 3: both)
SIGNATURE = types.void(*[types.int64] * 3, types.int64, *[_POINTER] * 6, types.int64)
_CTYPE = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4, *[ctypes.POINTER(ctypes.c_double)] * 6, ctypes.c_int64)


def _differences(rate: Any) -> Any:
    """A Jacobian of `rate` by central differences, for laws that bring none."""

    def jacobian(p: Any, c: Any, q: Any, jc: Any, jq: Any) -> None:
        nb, nc = q.shape[0], c.shape[0]
        up, down = np.empty(nb), np.empty(nb)
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

    return jacobian


def _entry(rate: Any, jacobian: Any) -> Callable[..., None]:
    def evaluate(
        points: int, components: int, bound: int, parameters: int,
        p: Any, c: Any, q: Any, f: Any, jc: Any, jq: Any, want: int,
    ) -> None:  # fmt: skip
        numbers = carray(p, (parameters,))
        liquid, solid = carray(c, (points, components)), carray(q, (points, bound))
        if want & 1:
            rates = carray(f, (points, bound))
            try:
                for i in range(points):
                    rate(numbers, liquid[i], solid[i], rates[i])
            except Exception:
                # An exception cannot cross the C boundary; NaN makes the step control name the place.
                rates[:, :] = np.nan
        if want & 2:
            by_liquid, by_solid = carray(jc, (points, bound, components)), carray(jq, (points, bound, bound))
            for i in range(points):
                by_liquid[i, :, :] = 0.0
                by_solid[i, :, :] = 0.0
            try:
                for i in range(points):
                    jacobian(numbers, liquid[i], solid[i], by_liquid[i], by_solid[i])
            except Exception:
                by_solid[:, :, :] = np.nan

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
_compiled: dict[str, Any] = {}


def law_address(law: BindingLaw) -> int:
    """Address of the compiled law; compiled on first use, or loaded from the cache of kernels."""
    stamp = _stamp(law)
    if stamp not in _compiled:
        _compiled[stamp] = _compile(law, stamp)
    return int(_compiled[stamp][0])


def runs_in_python(law: BindingLaw) -> bool:
    """Whether Numba could not compile `law`, so that it runs slower, through Python."""
    law_address(law)
    return bool(_compiled[_stamp(law)][2])


def _compile(law: BindingLaw, stamp: str) -> tuple[int, Any, bool]:
    try:
        rate = inline_kernel(law.rate)
        jacobian = inline_kernel(law.jacobian or _differences(rate))
        callback = c_callback(_entry(rate, jacobian), SIGNATURE, stamp)
        return callback.address, callback, False
    except NumbaError:
        plain = _python_entry(law)
        return int(ctypes.cast(plain, ctypes.c_void_p).value or 0), plain, True


def _python_entry(law: BindingLaw) -> Any:
    jacobian = law.jacobian or _differences(law.rate)

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
