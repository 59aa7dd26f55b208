"""Compiled kernels: one decorator, and a cache between processes that sees every source file.

Numba's own cache watches only the file that holds the function, not what that file imports. Here the cache
folder is named after the hash of *all* kernel sources, of Numba and of NumPy; the CPU is part of Numba's own
key. The folder is ``$MINIFACTORY_CACHE``, else ``$XDG_CACHE_HOME/minifactory/kernels``, else
``~/.cache/minifactory/kernels``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import extending
from numba.core import caching, ccallback
from numba.core.typing.templates import Signature

_SOURCES = ("numerics", "twin/engine", "twin/binding")
# A file counts as a source of kernels when it says one of these; laws are stamped by their own text.
_MARKS = ("numerics.kernels import", "(NamedTuple)", "RosenbrockTable(", "llvmlite import")
# Reassociation and contraction only: NaN and infinity must stay visible to the step control.
_FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": _FASTMATH}


@lru_cache(maxsize=1)
def sources_hash() -> str:
    """Hexadecimal hash of all kernel sources, of Numba and of NumPy."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    package = Path(__file__).resolve().parent.parent
    for folder in _SOURCES:
        for path in sorted((package / folder).glob("**/*.py")):
            text = path.read_text(encoding="utf-8")
            if path.name == "kernels.py" or any(mark in text for mark in _MARKS):
                digest.update(f"{path.relative_to(package)}\n{text}".encode())
    return digest.hexdigest()[:20]


@lru_cache(maxsize=1)
def cache_folder() -> Path:
    """The folder of compiled kernels; a temporary one when no home can be written."""
    chosen = os.environ.get("MINIFACTORY_CACHE")
    if chosen:
        base = Path(chosen)
    elif "XDG_CACHE_HOME" in os.environ:
        base = Path(os.environ["XDG_CACHE_HOME"]) / "minifactory" / "kernels"
    else:
        base = Path("~").expanduser() / ".cache" / "minifactory" / "kernels"
    folder = base / sources_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"minifactory-kernels-{os.getuid()}" / sources_hash()
        folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Locator(caching._CacheLocator):
    """Puts every compiled function into the one folder; the folder's name is the stamp."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:  # noqa: ARG003
        return cls(py_func)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return sources_hash() + getattr(self._function, "extra_stamp", "")

    def get_disambiguator(self) -> str:
        code = self._function.__code__
        place = hashlib.sha256(code.co_filename.encode()).hexdigest()[:8]
        return f"{place}-{code.co_firstlineno}{getattr(self._function, 'extra_stamp', '')}"


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # type: ignore[list-item]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Implementation

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # Closures are left out: the stamp already says what they hold.
        return sig, codegen.magic_tuple()


# Numba's stubs know neither all options nor its internals.
_njit: Any = numba.njit
_new_cache: Any = _Cache


def kernel(function: Callable[..., Any]) -> Any:
    """`function` compiled by Numba without the GIL and cached between processes."""
    dispatcher = _njit(**OPTIONS)(function)
    dispatcher._cache = _new_cache(function)
    return dispatcher


def inline_kernel(function: Callable[..., Any]) -> Any:
    """`function` compiled as part of the kernels that call it; not cached by itself."""
    # No wrappers: nothing calls it from Python, and they take half of the compile time.
    return _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function)


def shared_kernel(function: Callable[..., Any]) -> Any:
    """`function` as it is, which kernels may call as well as Python."""
    register: Any = extending.register_jitable
    return register(**OPTIONS)(function)


def merged_kernel(function: Callable[..., Any]) -> Any:
    """`function` woven into the one kernel that calls it before types are known, which compiles faster.

    For large functions with one caller.
    """
    return _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always", **OPTIONS)(function)


def c_callback(function: Callable[..., Any], signature: Signature, stamp: str) -> Any:
    """`function` compiled to a C callback with an address, cached under `stamp`.

    Keep the returned object alive as long as its ``address`` is in use.
    """
    function.extra_stamp = hashlib.sha256(stamp.encode()).hexdigest()[:16]  # type: ignore[attr-defined]
    callback: Any = ccallback.CFunc(
        function, (signature.args, signature.return_type), {}, {"nopython": True, **OPTIONS}
    )
    callback._cache = _new_cache(function)
    callback.compile()
    return callback
