"""Tables of analysed fractions: both forms, units, names and ends; and what is wrong with them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from minifactory.calibration.estimation.assays import with_assays
from minifactory.calibration.estimation.data import Data
from minifactory.errors import InputError
from minifactory.plant.model import Role, Species
from minifactory.records.run import PoolRecord, Run, Trend
from minifactory.units import FLOW

ML = 1e-6
SPECIES: Mapping[str, Species] = {
    "sodium": Species("sodium", Role.STRONG_ION, 0.023, charge=1),
    "product": Species("product", Role.PRODUCT, 150.0),
    "acidic": Species("acidic", Role.IMPURITY, 150.0),
}


def _data(name: str = "run.asc") -> Data:
    """60 minutes at 1 mL/min with two fractions of 5 mL that the file knows by name."""
    times = np.linspace(0.0, 3600.0, 61)
    flow = Trend("System.Flow", FLOW, times, np.full(61, ML / 60.0))
    pools = (PoolRecord("A1", 1200.0, 1500.0, 5 * ML), PoolRecord("A2", 1500.0, 1800.0, 5 * ML))
    run = Run(name, "skid", "Complete", "akta1", "", {"System.Flow": flow}, (), (), pools)
    return Data(name, run, "0" * 64)


def _read(tmp_path: Path, text: str, *data: Data) -> tuple[Data, ...]:
    file = tmp_path / "assays.csv"
    file.write_text(text, encoding="utf-8")
    return with_assays(data or (_data(),), [file], SPECIES)


def _amounts(data: Data) -> list[dict[str, float]]:
    return [dict(pool.amounts) for pool in data.run.pools]


def test_long_form_by_name(tmp_path: Path) -> None:
    (found,) = _read(
        tmp_path,
        "fraction,component,concentration [g/L]\nA1,product,3.0\nA2,product,1.5\nA2,acidic,0.15\n",
    )
    # 3 g/L of 150 kg/mol are 0.02 mol/m3; 5 mL hold 1e-7 mol.
    assert _amounts(found) == [
        pytest.approx({"product": 1e-7}),
        pytest.approx({"product": 0.5e-7, "acidic": 0.05e-7}),
    ]
    assert len(found.tables["assays.csv"]) == 64


def test_wide_form_by_ends_with_a_decimal_comma_and_gaps(tmp_path: Path) -> None:
    (found,) = _read(
        tmp_path, "from [mL];to [mL];product [mg/mL];acidic [uM]\n20,0;22,5;3,0;1,0\n22,5;25,0;1,5;\n"
    )
    first, second = found.run.pools
    assert (first.start, first.end, second.end) == pytest.approx((1200.0, 1350.0, 1500.0))
    assert first.volume == pytest.approx(2.5 * ML)
    assert first.amounts == pytest.approx({"product": 0.02 * 2.5 * ML, "acidic": 1e-3 * 2.5 * ML})
    assert set(second.amounts) == {"product"}


def test_a_workbook_with_several_runs_and_units_in_the_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["run", "fraction", "component", "concentration"])
    book.active.append(["one.asc", "A1", "product", "3 g/L"])
    book.active.append(["two.asc", "A2", "product", "20 uM"])
    book.save(tmp_path / "assays.xlsx")
    one, two = with_assays((_data("one.asc"), _data("two.asc")), [tmp_path / "assays.xlsx"], SPECIES)
    assert _amounts(one) == _amounts(two) == [pytest.approx({"product": 1e-7})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fraction,component\nA1,product\n", "concentration"),
        ("component,concentration [g/L]\nproduct,3\n", "a column `fraction`"),
        ("fraction,prodct [g/L]\nA1,3\n", 'Did you mean "product"'),
        ("fraction,component,concentration [g/L]\nA1,prodct,3\n", 'no component "prodct"'),
        ("fraction,component,concentration\nA1,product,3\n", "has no unit"),
        ("fraction,component,concentration [mL]\nA1,product,3\n", "is not a unit of"),
        ("fraction,component,concentration [g/L]\nA1,product,much\n", "is not a number"),
        ("fraction,component,concentration [g/L]\nA7,product,3\n", 'has no fraction "A7"'),
        ("fraction,component,concentration [g/L]\nA1,product,3\nA1,product,4\n", "given twice"),
        ("from [mL],to [mL],product [g/L]\n20,25,3\n24,28,3\n", "overlap"),
        ("from [mL],to [mL],product [g/L]\n25,20,3\n", "after the beginning"),
        ("from [mL],to [mL],product [g/L]\n55,65,3\n", "which ends at"),
        ("run,fraction,product [g/L]\nother,A1,3\n", 'no run "other"'),
        ("fraction,product [g/L]\nA1,-3\n", "concentration"),
        ("", "empty file"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as fault:
        _read(tmp_path, text)
    told = " ".join(str(finding) for finding in fault.value.findings)
    assert said in told
    assert "assays.csv" in told or "run.asc" in told


def test_several_runs_need_names_and_all_faults_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as fault:
        _read(
            tmp_path,
            "fraction,component,concentration [g/L]\nA1,product,3\nA2,product,4\n",
            _data("one.asc"),
            _data("two.asc"),
        )
    assert len(fault.value.findings) == 2
    assert "names no run" in str(fault.value.findings[0])
