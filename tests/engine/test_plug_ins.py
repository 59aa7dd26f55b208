"""Binding models of other packages are found by their entry point, and bad ones are named."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import CompiledBinding, find_binding_models
from minifactory.twin.binding_battery import require

MODEL = """
from dataclasses import dataclass
import numpy as np
from minifactory.twin.binding import BindingLaw, lay_out


def rate(p, c, q, f):
    f[0] = p[1] * c[int(p[0])] - q[0]


@dataclass(frozen=True)
class Mine:
    henry: float

    def compile(self, components):
        at = list(components).index("a")
        return lay_out(BindingLaw("mine", rate), components, np.array([at, self.henry]), ["a"], np.ones(1))
"""


def _install(folder: Path, entry: str) -> None:
    """A package with one module and one entry point, as an installer would leave it."""
    (folder / "isotherm_of_mine.py").write_text(MODEL, encoding="utf-8")
    info = folder / "isotherm_of_mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: isotherm-of-mine\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(f"[minifactory.binding]\nmine = {entry}\n", encoding="utf-8")


def test_a_plug_in_is_found_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "isotherm_of_mine:Mine")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = find_binding_models()["mine"](2.0)
    compiled = model.compile(("salt", "a"))
    assert isinstance(compiled, CompiledBinding)
    assert compiled.parameters.tolist() == [1.0, 2.0]
    sys.modules.pop("isotherm_of_mine")


def test_plug_ins_that_do_not_load_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "isotherm_of_mine:Yours")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"plug-in mine: isotherm_of_mine:Yours cannot be loaded.*Yours"):
        find_binding_models()
    sys.modules.pop("isotherm_of_mine", None)


def test_the_documented_plug_in_passes_the_battery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file shown in docs/engine.md, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- plug-in -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "law_of_the_page.py").write_text(found[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    quadratic = importlib.import_module("law_of_the_page").Quadratic
    model = quadratic(
        {"a": 0.8, "b": 0.3}, {"a": 0.4, "b": 0.1}, {"a": 12.0, "b": 15.0}, {"a": 0.2, "b": 0.1}
    )
    checks = require(model, ("salt", "a", "b", "pH"))
    assert all(check.held for check in checks)
    assert any(check.seen == "compiled" for check in checks)
    sys.modules.pop("law_of_the_page")
