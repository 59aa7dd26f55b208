"""UNICORN .asc exports: every point, every mark, and the volume axis by integrating the flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minifactory.records.chromatogram import LogKind, Signal
from minifactory.records.formats import read

FILES = (
    "pH5pt1_25pt2CV.asc",
    "47cm_hr.asc",
    "94cm_hr.asc",
    "141cm_hr.asc",
    "282cm_hr.asc",
    "Example_AKTA_Data.asc",
)


def _columns(path: Path) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Independent decode from the format facts: three (or two) header rows, pairs of x and y columns."""
    lines = [line.split("\t") for line in path.read_bytes().decode("latin-1").split("\r\n") if line]
    units = 2 if lines[2][0] == "min" else 1
    found = []
    for left in range(0, len(lines[units]) - 1, 2):
        cells = [(row[left].strip(), row[left + 1].strip()) for row in lines[units + 1 :]]
        pairs = [pair for pair in cells if pair[0]]
        found.append((lines[units - 1][left], lines[units][left], lines[units][left + 1], pairs))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_point_of_every_curve_is_read(shared_data: Path, name: str) -> None:
    path = shared_data / "akta" / name
    file = read(path)
    expected = [c for c in _columns(path) if not c[2].startswith("(")]
    names = [heading.rpartition(":")[2].partition("_")[2] for heading, _, _, _ in expected]
    assert [curve.name for curve in file.curves] == names
    for curve, (_, _, unit, pairs) in zip(file.curves, expected, strict=True):
        assert curve.unit == unit.strip()
        assert curve.values.tolist() == [float(y) for _, y in pairs]
        assert curve.time_s is not None
        assert np.array_equal(curve.time_s, np.array([float(x) for x, _ in pairs]) * 60.0)


@pytest.mark.parametrize("name", FILES)
def test_every_mark_is_read(shared_data: Path, name: str) -> None:
    path = shared_data / "akta" / name
    file = read(path)
    marks = {c[2]: c[3] for c in _columns(path) if c[2].startswith("(")}
    assert len(file.log) == len(marks["(Set Marks)"])
    assert [entry.time_s for entry in file.log] == [float(x) * 60.0 for x, _ in marks["(Set Marks)"]]
    assert len(file.fractions) == len(marks.get("(Fractions)", []))
    assert len(file.injections) == len(marks.get("(Injections)", []))


def test_the_log_tells_column_blocks_and_stages_of_the_run(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    assert file.column is not None
    assert file.column.volume_m3 == pytest.approx(50.27e-6, rel=1e-12)
    assert file.column.name == "XK16_SP_Seph_FF_16/25"
    assert file.started is not None
    assert file.started.isoformat() == "2016-10-26T08:59:22"
    blocks = {block.name: block for block in file.blocks}
    assert blocks["Elution_B_20Acetate_167NaCl"].start_s == pytest.approx(153.923 * 60)
    assert blocks["Elution_B_20Acetate_167NaCl"].end_s == pytest.approx(477.47 * 60)
    assert [b.name for b in file.blocks if b.depth == 0][2:5] == [
        "Equil_20Acetate",
        "Load",
        "Wash_20Acetate",
    ]
    by_hand = [entry.text for entry in file.log if entry.manual]
    assert "Next Breakpoint (Manual)" in by_hand
    assert "FractionationStop  (Manual)" in by_hand
    assert [e.text for e in file.log if e.kind is LogKind.NOTE][:4] == ["Pre-Equil", "Equil", "Load", "Wash"]


def test_the_volume_axis_is_the_integral_of_the_flow(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    blocks = {block.name: block for block in file.blocks}
    load, wash = blocks["Load"], blocks["Wash_20Acetate"]
    assert load.start_m3 is not None
    assert load.end_m3 is not None
    assert wash.start_m3 is not None
    assert wash.end_m3 is not None
    # The data README: load 222 mL, wash 3 CV. The flow is sampled every 18 s: each step of it is known
    # to half an interval: 9 s of (6.43 - 3.15) mL/min = 0.5 mL.
    assert (load.end_m3 - load.start_m3) * 1e6 == pytest.approx(222.0, abs=0.7)
    assert (wash.end_m3 - wash.start_m3) * 1e6 == pytest.approx(3 * 50.27, abs=0.2)
    tubes = [f for f in file.fractions if f.name in ("A2", "C7", "E5")]
    for tube in tubes:
        assert tube.start_m3 is not None
        assert tube.end_m3 is not None
        # 15 mL of the instruction; the marks are rounded to 0.001 min.
        assert (tube.end_m3 - tube.start_m3) * 1e6 == pytest.approx(15.0, abs=2 * 0.001 * 3.15 + 0.003)


def test_column_volumes_of_the_gradient(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    percent_b = file.find(Signal.PERCENT_B)
    assert percent_b is not None
    assert percent_b.time_s is not None
    assert percent_b.volume_m3 is not None
    rising = (percent_b.values > 10.0) & (percent_b.values < 80.0)
    cv = file.column_volumes(percent_b.volume_m3[rising])
    slope = np.polyfit(cv, percent_b.values[rising], 1)[0]
    assert 100.0 / slope == pytest.approx(25.2, rel=2e-3)


def test_fractions_that_count_from_the_method_start_are_moved(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "Example_AKTA_Data.asc")
    assert any("fractions up to" in warning.found for warning in file.warnings)
    outlet = next(entry for entry in file.log if entry.text == "Outlet OutletF2")
    first = next(fraction for fraction in file.fractions if fraction.name == "F2")
    assert first.start_s is not None
    assert first.start_s == pytest.approx(outlet.time_s, abs=10.0)


def test_negative_volumes_before_the_zero(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "Example_AKTA_Data.asc")
    assert file.log[0].time_s < 0.0
    assert file.log[0].volume_m3 is not None
    # 67 mL/min from -101.98 min, 100 mL/min for 2.1 and 4.3 min in between (the log's own flow instructions).
    expected = -(
        67.0 * (101.982 - 41.477)
        + 100.0 * (41.477 - 39.402)
        + 67.0 * (39.402 - 27.605)
        + 100.0 * (27.605 - 23.35)
        + 67.0 * 23.35
    )
    first_flow = next(e for e in file.log if e.text == "Flow     67.0 ml/min")
    assert first_flow.volume_m3 is not None
    assert first_flow.volume_m3 * 1e6 == pytest.approx(expected, rel=1e-9)
