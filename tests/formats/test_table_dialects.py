"""Tables as other programs write them: what can be told is read right, what cannot is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.errors import FormatError
from minifactory.records.chromatogram import ChromatogramFile, Signal
from minifactory.records.formats import read
from minifactory.records.formats.quantities import scale_of, signal_of
from minifactory.records.formats.text import clock, number
from minifactory.units import (
    ABSORBANCE,
    CONDUCTIVITY,
    FLOW,
    PH,
    PRESSURE,
    RATE,
    TEMPERATURE,
    TIME,
    VELOCITY,
    VOLUME,
    Kind,
)


def _file(folder: Path, text: str) -> ChromatogramFile:
    path = folder / "table.txt"
    path.write_text(text, encoding="utf-8")
    return read(path)


NUMBERS = {
    "points, thousands by comma": "time [min]\tUV [mAU]\tpH\n0.5\t1,234\t7.5\n1.5\t2,345.5\t7.5\n",
    "more thousands than points": "time [min]\tUV [mAU]\tpH\n0.500\t1,234\t7,500\n1.500\t2,345.5\t7,500\n",
    "commas, thousands by point": "time [min]\tUV [mAU]\n0,5\t1.234\n1,5\t2.345,5\n",
    "commas, thousands by space": "time [min]\tUV [mAU]\n0,5\t1 234\n1,5\t2 345,5\n",
    "commas, thousands by thin space": "time [min]\tUV [mAU]\n0,5\t1\u202f234\n1,5\t2\u202f345,5\n",
    "points, thousands by apostrophe": "time [min];UV [mAU]\n0.5;1'234\n1.5;2'345.5\n",
    "quoted decimal commas": '"time [min]","UV [mAU]"\n"0,5","1234"\n"1,5","2345,5"\n',
    "a typographic minus": "time [min]\tUV [mAU]\n0.5\t1234\n1.5\t2345.5\n2\t\u22121\n",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_decimal_signs_and_thousands(tmp_path: Path, name: str) -> None:
    curve = _file(tmp_path, NUMBERS[name]).curves[0]
    assert curve.values[:2].tolist() == [1234.0, 2345.5]
    assert curve.time_s is not None
    assert curve.time_s[:2].tolist() == [30.0, 90.0]


def test_what_only_a_guess_can_tell_is_told(tmp_path: Path) -> None:
    file = _file(tmp_path, "time [min]\tUV [mAU]\n1,500\t1,234\n2,500\t2,345\n")
    assert file.curves[0].values.tolist() == [1.234, 2.345]
    assert any("a comma before three digits" in warning.found for warning in file.warnings)


def test_decimal_commas_between_commas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"table\.txt:2: 4 cells under 2 headings") as caught:
        _file(tmp_path, "time [min],UV [mAU]\n0,5,1,5\n1,5,2,5\n")
    assert "decimal point" in caught.value.findings[0].remedy


PAIRS = {
    "its own axis before each": "Time (min),UV (mAU),Time (min),Cond (mS/cm)\n0,1,0,5\n1,2,0.5,6\n2,3,,\n",
    "its own axis after each": "UV (mAU),Time (min),Cond (mS/cm),Time (min)\n1,0,5,0\n2,1,6,0.5\n3,2,,\n",
    "axes in min and s": "Time (min),UV (mAU),Time (s),Cond (mS/cm)\n0,1,0,5\n1,2,30,6\n2,3,,\n",
    "capitals": "TIME [MIN];UV [MAU];TIME [S];COND [MS/CM]\n0;1;0;5\n1;2;30;6\n2;3;;\n",
    "under other lines": "Sample;x\nDate;1.2.2024\n\nTime (min);UV (mAU);Time (min);Cond (mS/cm)\n\n"
    "0;1;0;5\n1;2;0,5;6\n2;3;;\n;;;\nEnd of data\n",
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_curves_with_axes_of_their_own(tmp_path: Path, name: str) -> None:
    file = _file(tmp_path, PAIRS[name])
    uv, conductivity = file.find(Signal.UV), file.find(Signal.CONDUCTIVITY)
    assert uv is not None
    assert conductivity is not None
    assert uv.time_s is not None
    assert conductivity.time_s is not None
    assert (uv.values.tolist(), uv.time_s.tolist()) == ([1.0, 2.0, 3.0], [0.0, 60.0, 120.0])
    assert (conductivity.values.tolist(), conductivity.time_s.tolist()) == ([5.0, 6.0], [0.0, 30.0])


def test_two_axes_of_one_sort_say_the_same(tmp_path: Path) -> None:
    curve = _file(tmp_path, "Time [s],Time [min],Volume [mL],UV [mAU]\n0,0,-1,1\n30,0.5,2,2\n").curves[0]
    assert curve.time_s is not None
    assert curve.volume_m3 is not None
    assert curve.time_s.tolist() == [0.0, 30.0]
    assert curve.volume_m3.tolist() == pytest.approx([-1e-6, 2e-6])


CLOCKS = {
    "durations": "Time,UV (mAU)\n00:00:00,1\n00:00:30,2\n00:01:00.5,3\n",
    "over midnight": "Time of day;UV (mAU)\n23:59:45;1\n0:00:15;2\n0:00:45,5;3\n",
    "dates": "Timestamp,UV (mAU)\n2024-01-31 23:59:45,1\n2024-02-01 00:00:15,2\n2024-02-01 00:00:45.5,3\n",
    "dates with zone": "When,UV (mAU)\n2024-01-31T12:00:00Z,1\n2024-01-31T12:00:30Z,2\n"
    "2024-01-31T12:01:00.5Z,3\n",
    "dates, day first": "Zeit;UV (mAU)\n31.01.2024 12:00:00;1\n31.01.2024 12:00:30;2\n"
    "31.01.2024 12:01:00,5;3\n",
    "beside the time": "Clock,Time [min],UV (mAU)\n9:00:00,0,1\n9:00:30,0.5,2\n9:01:00,1.00833333,3\n",
}


@pytest.mark.parametrize("name", CLOCKS)
def test_times_of_day_durations_and_dates(tmp_path: Path, name: str) -> None:
    curve = _file(tmp_path, CLOCKS[name]).curves[0]
    assert curve.values.tolist() == [1.0, 2.0, 3.0]
    assert curve.time_s is not None
    assert curve.time_s.tolist() == pytest.approx([0.0, 30.0, 60.5], abs=1e-4)


@pytest.mark.parametrize(
    "text", ["2024-13-01 12:00:00", "31.02.2024 1:00:00", "12:61:00", "12:00", "pH 7:1", ""]
)
def test_what_is_no_time_of_day(text: str) -> None:
    assert clock(text) is None


def test_missing_values_empty_curves_and_columns_without_heading_are_told(tmp_path: Path) -> None:
    text = "time [s],UV [mAU],Cond [mS/cm],pH,\n0,1,n/a,,4\n1,-,2,,5\n2,3,#N/A,,6\n"
    file = _file(tmp_path, text)
    assert [curve.values.tolist() for curve in file.curves] == [[1.0, 3.0], [2.0]]
    told = " ".join(f"{warning.where} {warning.found}" for warning in file.warnings)
    assert '"UV" 1 of 3 values are missing' in told
    assert '"Cond" 2 of 3 values are missing' in told
    assert '"pH" no values' in told
    assert "without a heading in column 5" in told


UNITS: tuple[tuple[str, Kind, float, float], ...] = (
    ("Min", TIME, 60.0, 0.0),
    ("SEC.", TIME, 1.0, 0.0),
    ("hrs", TIME, 3600.0, 0.0),
    ("ML", VOLUME, 1e-6, 0.0),
    ("Litres", VOLUME, 1e-3, 0.0),
    ("m AU", ABSORBANCE, 1e-3, 0.0),
    ("mS·cm⁻¹", CONDUCTIVITY, 0.1, 0.0),
    ("mS cm-1", CONDUCTIVITY, 0.1, 0.0),
    ("µS / cm", CONDUCTIVITY, 1e-4, 0.0),
    ("mL min-1", FLOW, 1e-6 / 60.0, 0.0),
    ("ML/MIN", FLOW, 1e-6 / 60.0, 0.0),
    ("LPM", FLOW, 1e-3 / 60.0, 0.0),
    ("cm/hr", VELOCITY, 0.01 / 3600.0, 0.0),
    ("PSI", PRESSURE, 6894.757293168361, 0.0),
    ("barg", PRESSURE, 1e5, 0.0),
    ("ºC", TEMPERATURE, 1.0, 273.15),
    ("°F", TEMPERATURE, 5.0 / 9.0, 255.3722222222222),
    ("pH units", PH, 1.0, 0.0),
    ("CV/min", RATE, 1.0 / 60.0, 0.0),
)


@pytest.mark.parametrize(("unit", "kind", "factor", "offset"), UNITS)
def test_units_in_other_spellings(unit: str, kind: Kind, factor: float, offset: float) -> None:
    scale = scale_of(unit, kind)
    assert scale is not None
    assert (scale.factor, scale.offset) == pytest.approx((factor, offset))


@pytest.mark.parametrize(
    ("name", "unit", "signal"),
    [
        ("UV", "%", Signal.OTHER),
        ("Pump B", "%", Signal.PERCENT_B),
        ("B", "%", Signal.PERCENT_B),
        ("Valve opening", "%", Signal.OTHER),
        ("Mix", "%B", Signal.PERCENT_B),
    ],
)
def test_what_a_percentage_is_of_only_its_name_can_tell(name: str, unit: str, signal: Signal) -> None:
    assert signal_of(name, unit) is signal


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [("1,234", ".", 1234.0), ("1,234", ",", 1.234), ("1,23", ".", None), ("1.234.567", ",", 1234567.0)],
)
def test_numbers_that_the_decimal_sign_decides(text: str, decimal: str, value: float | None) -> None:
    assert number(text, decimal) == value


def test_a_table_with_more_lines_than_a_result_can_have(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\n" * 10_000_001)
    with pytest.raises(FormatError, match="10000001 lines"):
        read(path)
