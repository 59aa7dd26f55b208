"""Compiled kernels are found again when nothing has changed, and only then."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import pytest

import minifactory
from minifactory.numerics import kernels
from minifactory.twin.binding import BindingLaw, law_kernels

PACKAGE = Path(minifactory.__file__).parent


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the kernels' sources, which a test may change."""
    for folder in ("numerics", "twin/engine", "twin/binding"):
        shutil.copytree(PACKAGE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _hash(folder: Path) -> str:
    return str(_load(folder / "numerics" / "kernels.py", "copied_kernels").sources_hash())


@pytest.mark.parametrize(
    "source",
    ["numerics/lanes.py", "numerics/rosenbrock.py", "twin/engine/stage_solver.py", "twin/engine/tables.py"],
)
def test_a_changed_source_is_another_cache(copied: Path, source: str) -> None:
    before = _hash(copied)
    assert before == kernels.sources_hash()
    path = copied / source
    path.write_text(path.read_text(encoding="utf-8") + "\n# another line\n", encoding="utf-8")
    assert _hash(copied) != before


def test_what_is_no_kernel_leaves_the_cache_alone(copied: Path) -> None:
    before = _hash(copied)
    path = copied / "twin" / "engine" / "accuracy.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# another line\n", encoding="utf-8")
    assert _hash(copied) == before


@pytest.mark.parametrize("library", [numba, np], ids=["numba", "numpy"])
def test_another_version_of_a_library_is_another_cache(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kernels.sources_hash()
    monkeypatch.setattr(library, "__version__", "0.0.0")
    assert kernels.sources_hash.__wrapped__() != before


def test_another_processor_is_another_entry() -> None:
    """Code for one processor may be illegal on another that shares the home folder."""

    class Codegen:
        def __init__(self, cpu: str) -> None:
            self._cpu = cpu

        def magic_tuple(self) -> tuple[str, str, str]:
            return "x86_64-unknown-linux-gnu", self._cpu, "+avx2"

    def function() -> None:
        """Not compiled."""

    cache = kernels._Cache(function)
    sig = numba.types.void()
    assert cache._index_key(sig, Codegen("znver4")) != cache._index_key(sig, Codegen("skylake"))
    assert cache._index_key(sig, Codegen("skylake")) == cache._index_key(sig, Codegen("skylake"))


PLUG_IN = """
def inner(x):
    return {slope} * x

def rate(p, c, q, f):
    f[0] = inner(c[0]) - q[0]
"""


def _stamp(folder: Path, slope: float, name: str = "mine") -> str:
    path = folder / "mine.py"
    path.write_text(PLUG_IN.format(slope=slope), encoding="utf-8")
    return law_kernels._stamp(BindingLaw(name, _load(path, "mine").rate))


def test_a_changed_plug_in_is_compiled_again(tmp_path: Path) -> None:
    """Also when only a function has changed that the law calls."""
    import linecache

    stamps = []
    for slope in (1.0, 2.0, 1.0):
        linecache.clearcache()
        stamps.append(_stamp(tmp_path, slope))
    assert stamps[0] == stamps[2] != stamps[1]


# Two laws whose compiled functions have the same names: both are driven through one inner function.
# Linked by that name from the cache, each once called the other's, with another layout of its numbers.
TWO_LAWS = """
import ctypes, sys
import numpy as np
from minifactory.twin.binding import Langmuir, Linear, LinearDrivingForce
from minifactory.twin.binding.law_kernels import law_address

WORDS, NUMBERS = [ctypes.c_int64] * 4, [ctypes.POINTER(ctypes.c_double)] * 6
CALL = ctypes.CFUNCTYPE(None, *WORDS, *NUMBERS, ctypes.c_int64)
models = {
    "linear": LinearDrivingForce(Linear({"a": 2.0}), {"a": 3.0}),
    "langmuir": LinearDrivingForce(Langmuir({"a": 1.0}, {"a": 8.0}), {"a": 3.0}),
}
expected = {"linear": 3.0 * 2.0, "langmuir": 3.0 * 8.0 * 0.5}
bindings = {name: models[name].compile(("a",)) for name in sys.argv[1:]}
addresses = {name: law_address(binding.law) for name, binding in bindings.items()}
for name, binding in bindings.items():
    p = np.ascontiguousarray(binding.parameters, dtype=float)
    c, q, f, jc, jq = np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1)
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in (p, c, q, f, jc, jq)]
    CALL(addresses[name])(1, 1, 1, len(p), *pointers, 3)
    assert abs(f[0] - expected[name]) < 1e-12, (name, f, expected[name])
    assert abs(jq[0] + 3.0) < 1e-6, (name, jq)
"""


def test_laws_with_equal_inner_functions_do_not_call_each_other(tmp_path: Path) -> None:
    """Compiled one by one in two processes, then loaded together, in either order, by two others."""
    environment = {**os.environ, "MINIFACTORY_CACHE": str(tmp_path)}
    for names in (["linear"], ["langmuir"], ["linear", "langmuir"], ["langmuir", "linear"]):
        done = subprocess.run(
            [sys.executable, "-c", TWO_LAWS, *names], env=environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{names}: {done.returncode} {done.stderr}"
