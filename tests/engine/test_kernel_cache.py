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


# Laws without a Jacobian of their own go through one inner function for differences, whose compiled form had
# one name for all of them. Left in the cache by different processes and loaded together by another, one law
# called the other's, with another layout of its numbers, and crashed.
LAWS = """
import ctypes, sys
import numpy as np
from minifactory.twin.binding.law_kernels import law_address
from tests.engine.binding_battery import COMPONENTS, SPECIMENS

WORDS, NUMBERS = [ctypes.c_int64] * 4, [ctypes.POINTER(ctypes.c_double)] * 6
CALL = ctypes.CFUNCTYPE(None, *WORDS, *NUMBERS, ctypes.c_int64)
bindings = {s.name: s.kinetic.compile(COMPONENTS) for s in SPECIMENS if s.name in sys.argv[1:]}
assert len(bindings) == len(sys.argv) - 1
addresses = {name: law_address(bindings[name].law) for name in sys.argv[1:]}
for name, binding in bindings.items():
    p = np.ascontiguousarray(binding.parameters, dtype=float)
    nc, nb = len(COMPONENTS), len(binding.bound)
    c, q = np.linspace(20.0, 1.0, nc), np.linspace(1.0, 2.0, nb)
    f, expected, shifted = np.zeros(nb), np.zeros(nb), np.zeros(nb)
    jc, jq = np.zeros((nb, nc)), np.zeros((nb, nb))
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in (p, c, q, f, jc, jq)]
    CALL(addresses[name])(1, nc, nb, len(p), *pointers, 3)
    binding.law.rate(p, c, q, expected)
    assert np.allclose(f, expected, rtol=1e-9), (name, f, expected)
    q[0] += 1e-5
    binding.law.rate(p, c, q, shifted)
    assert np.allclose(jq[:, 0], (shifted - expected) / 1e-5, rtol=1e-2, atol=1e-6), (name, jq)
"""


def test_laws_with_equal_inner_functions_do_not_call_each_other(tmp_path: Path) -> None:
    """Compiled one by one in two processes, then loaded together, in either order, by two others."""
    # Names hold the options of the compiler in the order of a set: equal in all processes only with one seed.
    environment = {**os.environ, "MINIFACTORY_CACHE": str(tmp_path), "PYTHONHASHSEED": "0"}
    one, other = "hydrophobic interaction", "modulated Langmuir"
    for names in ([one], [other], [one, other], [other, one]):
        done = subprocess.run(
            [sys.executable, "-c", LAWS, *names], env=environment, cwd=PACKAGE.parent.parent,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{names}: {done.returncode} {done.stderr}"
