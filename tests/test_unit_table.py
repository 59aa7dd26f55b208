"""The table of common units says what Pint says, and a case needs nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from minifactory.unit_table import TABLE
from minifactory.units import KINDS, _registry, _spelled


@pytest.mark.parametrize("unit", sorted(TABLE))
def test_the_table_agrees_with_pint(unit: str) -> None:
    factor, offset, dimension = TABLE[unit]
    zero = _registry().Quantity(0.0, _spelled(unit)).to_base_units()
    one = _registry().Quantity(1.0, _spelled(unit)).to_base_units()
    assert factor == pytest.approx(one.magnitude - zero.magnitude, rel=1e-12)
    assert offset == pytest.approx(zero.magnitude, rel=1e-12)
    assert dict(dimension) == {str(name): float(power) for name, power in one.dimensionality.items()}


def test_the_units_of_every_kind_are_in_the_table() -> None:
    for kind in KINDS.values():
        assert kind.si in TABLE
        assert kind.shown in TABLE


def test_loading_the_documented_case_does_not_start_pint(tmp_path: Path) -> None:
    from tests.plant.conftest import example

    for file in ("factory.yaml", "parameters.yaml"):
        (tmp_path / file).write_text(example(file), encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; from minifactory.plant.load import load_plant\n"
        f"load_plant(Path({str(tmp_path)!r})); print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
