"""Text and Excel exports in every order, encoding and decimal sign."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from formats_builders import xls
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.errors import FormatError
from minifactory.records.chromatogram import ChromatogramFile, Signal
from minifactory.records.formats import read

TIME = [0.0, 0.5, 1.0, 2.25]
UV = [-0.5, 1250.25, 3.0, 1e-3]
COND = [10.5, 11.0, 12.25]


def _unicorn_rows(order: tuple[str, ...], decimal: str = ".") -> list[list[str]]:
    """A UNICORN export with the columns in `order`."""
    log = [("0", '"Base CV, 2.0 {ml}, HiTrap"'), ("0.5", '"Block Load"'), ("2.25", '"End Block"')]
    columns = {
        "UV": ("Run1:10_UV1_280nm", "min", "mAU", list(zip(TIME, UV, strict=True))),
        "Cond": ("Run1:10_Cond", "min", "mS/cm", list(zip(TIME[:3], COND, strict=True))),
        "Flow": ("Run1:10_Flow", "min", "ml/min", [(t, 2.0) for t in TIME]),
        "Log": ("Run1:10_Logbook", "min", "(Set Marks)", log),
    }
    rows: list[list[str]] = [[], [], []]
    for key in order:
        name, x, y, _ = columns[key]
        for row, cells in zip(rows, (("10", ""), (name, ""), (x, y)), strict=True):
            row += cells
    for index in range(4):
        line: list[str] = []
        for key in order:
            points = columns[key][3]
            if index < len(points):
                x, y = points[index]
                shown = y if isinstance(y, str) else repr(y).replace(".", decimal)
                line += [(x if isinstance(x, str) else repr(x)).replace(".", decimal), shown]
            else:
                line += ["", ""]
        rows.append(line)
    return rows


def _check(file: ChromatogramFile) -> None:
    uv, conductivity = file.find(Signal.UV), file.find(Signal.CONDUCTIVITY)
    assert uv is not None
    assert conductivity is not None
    assert uv.values.tolist() == UV
    assert conductivity.values.tolist() == COND
    assert uv.time_s is not None
    assert uv.time_s.tolist() == [t * 60 for t in TIME]
    assert uv.volume_m3 is not None
    assert uv.volume_m3.tolist() == pytest.approx([2e-6 * t for t in TIME])
    assert file.column is not None
    assert file.column.volume_m3 == pytest.approx(2e-6)
    assert [(block.name, block.start_s, block.end_s) for block in file.blocks] == [("Load", 30.0, 135.0)]


ORDERS = (("UV", "Cond", "Flow", "Log"), ("Log", "Flow", "UV", "Cond"), ("Cond", "Log", "UV", "Flow"))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("delimiter", "decimal"), [("\t", "."), ("\t", ","), (";", ","), (";", ".")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_column_order_delimiter_decimal_sign_and_encoding(
    tmp_path: Path, order: tuple[str, ...], delimiter: str, decimal: str, encoding: str
) -> None:
    text = "\r\n".join(delimiter.join(row) for row in _unicorn_rows(order, decimal)) + "\r\n"
    path = tmp_path / "export.dat"
    path.write_bytes(text.encode(encoding))
    _check(read(path))


@pytest.mark.parametrize("suffix", [".xlsx", ".wrong"])
def test_xlsx(tmp_path: Path, suffix: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in _unicorn_rows(ORDERS[0]):
        sheet.append([_number_or_text(cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    path = tmp_path / f"export{suffix}"
    path.write_bytes(out.getvalue())
    _check(read(path))


def test_xls(tmp_path: Path) -> None:
    rows = [[_number_or_text(cell) for cell in row] for row in _unicorn_rows(ORDERS[1])]
    path = tmp_path / "export.xls"
    path.write_bytes(xls([["" if cell is None else cell for cell in row] for row in rows]))
    _check(read(path))


def _number_or_text(cell: str) -> float | str | None:
    try:
        return float(cell)
    except ValueError:
        return cell or None


HEADINGS = [
    ("time [s],UV 280 [mAU]", Signal.UV, 1.0, 1e-3),
    ("Time (min),Cond (mS/cm)", Signal.CONDUCTIVITY, 60.0, 0.1),
    ("Time/min,Cond/mS/cm", None, 60.0, None),
    ("time_sec,pH", Signal.PH, 1.0, 1.0),
    ("min,mAU", Signal.UV, 60.0, 1e-3),
    ("t [h],Salt [mM]", Signal.OTHER, 3600.0, 1.0),
    ("time [s],Pressure [bar]", Signal.PRESSURE, 1.0, 1e5),
    ("time [s],Temperature [°C]", Signal.TEMPERATURE, 1.0, 1.0),
]


@pytest.mark.parametrize(("heading", "signal", "seconds", "factor"), HEADINGS)
def test_headings_of_plain_tables(
    tmp_path: Path, heading: str, signal: Signal | None, seconds: float, factor: float | None
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{heading}\n0,1\n1,2.5\n2,4\n", encoding="utf-8")
    curve = read(path).curves[0]
    assert curve.time_s is not None
    assert curve.time_s.tolist() == [0.0, seconds, 2 * seconds]
    assert curve.values.tolist() == [1.0, 2.5, 4.0]
    if signal is not None:
        assert curve.signal is signal
        assert curve.factor == pytest.approx(factor)


def test_volume_and_time_axes_shared_by_all_curves_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("UV [mAU],time [min],pH,volume [mL]\n1,0,7,0\n2,1,6,3\n", encoding="utf-8")
    file = read(path)
    assert [curve.name for curve in file.curves] == ["UV", "pH"]
    for curve in file.curves:
        assert curve.time_s is not None
        assert curve.volume_m3 is not None
        assert curve.time_s.tolist() == [0.0, 60.0]
        assert curve.volume_m3.tolist() == pytest.approx([0.0, 3e-6])


def test_column_volumes_as_the_axis_need_the_column(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("CV\tmAU\n0\t1\n1\t2\n", encoding="utf-8")
    with pytest.raises(FormatError, match="no column volume"):
        read(path)
    log = '\tmin\tLogbook\n0\t1\t0\t"Base CV, 3.0 {ml}, C"\n1\t2\t\t\n'
    path.write_text("a\t\tb\t\nUV\t\tRun Log\t\nCV\tmAU" + log, encoding="utf-8")
    curve = read(path).curves[0]
    assert curve.volume_m3 is not None
    assert curve.volume_m3.tolist() == pytest.approx([0.0, 3e-6])


def test_a_table_without_headings_is_read_with_given_ones(shared_data: Path) -> None:
    path = shared_data / "yamamoto" / "single_protein_18.8.csv"
    with pytest.raises(FormatError, match="without headings"):
        read(path)
    file = read(path, headings=["time [s]", "salt [mM]", "protein [mM]"])
    expected = np.loadtxt(path, delimiter=",")
    assert file.curve("salt").values.tolist() == expected[:, 1].tolist()
    assert file.curve("protein").values.tolist() == expected[:, 2].tolist()
    assert file.curves[0].time_s is not None
    assert file.curves[0].time_s.tolist() == expected[:, 0].tolist()


@pytest.mark.parametrize(
    ("name", "points", "unit"),
    [
        ("workshop/15cv_gradient.xlsx", 1501, "mM"),
        ("protein_a/measured_chromatogram.xlsx", 914, "mg/mL"),
        ("protein_a/measured_inlet_profile.xlsx", 505, "mM"),
        ("protein_a/published_BTC.xlsx", 6991, ""),
    ],
)
def test_published_workbooks(shared_data: Path, name: str, points: int, unit: str) -> None:
    path = shared_data / name
    file = read(path)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    curve = file.curves[0]
    assert (curve.values.size, curve.unit) == (points, unit)
    assert curve.values.tolist() == [row[1] for row in rows[1:]]


def test_every_odd_cell_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("time [s],UV [mAU]\n0,1\n1,oops\n2,3\n3,##\n", encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read(path)
    assert [finding.where for finding in caught.value.findings] == ['table.csv:3 "UV"', 'table.csv:5 "UV"']
    assert '"oops" is no number' in caught.value.findings[0].found


def test_an_unknown_unit_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("time [s],UV 280 [flurb]\n0,1\n1,2\n", encoding="utf-8")
    file = read(path)
    assert file.curves[0].kind.name == "number"
    assert any('unit "flurb"' in warning.found for warning in file.warnings)


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=30), st.sampled_from([".", ","]))
def test_any_finite_numbers_survive(
    tmp_path_factory: pytest.TempPathFactory, points: list, decimal: str
) -> None:
    lines = [f"{x!r}\t{y!r}".replace(".", decimal) for x, y in points]
    path = tmp_path_factory.mktemp("numbers") / "table.txt"
    path.write_text(
        "time [s]\tUV [mAU]\n0" + f"{decimal}5\t1{decimal}5\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    curve = read(path).curves[0]
    assert curve.values.tolist() == [1.5] + [y for _, y in points]
    assert curve.time_s is not None
    assert curve.time_s.tolist() == [0.5] + [x for x, _ in points]
