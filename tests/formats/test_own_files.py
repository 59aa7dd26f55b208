"""Our CSV and Parquet files keep everything; ASM keeps what it has words for."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minifactory import units
from minifactory.errors import EnvironmentFault, FormatError, InputError
from minifactory.records.chromatogram import (
    ChromatogramFile,
    Curve,
    LogEntry,
    LogKind,
    Signal,
    Source,
)
from minifactory.records.formats import read, to_asm, write_asm, write_csv, write_parquet

FILES = ("pH5pt1_25pt2CV.asc", "Example_AKTA_Data.asc", "unicorn3_prime.res", "unicorn7_capto_q.zip")
WRITERS = {"csv": write_csv, "parquet": write_parquet}


def _same(first: object, second: object) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return bool(np.array_equal(first, second, equal_nan=True))
    return first == second


def _assert_equal(first: ChromatogramFile, second: ChromatogramFile) -> None:
    for field in dataclasses.fields(ChromatogramFile):
        if field.name not in ("source", "metadata", "curves"):
            assert getattr(first, field.name) == getattr(second, field.name), field.name
    assert len(first.curves) == len(second.curves)
    for one, other in zip(first.curves, second.curves, strict=True):
        for field in dataclasses.fields(Curve):
            assert _same(getattr(one, field.name), getattr(other, field.name)), (one.name, field.name)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", FILES)
def test_nothing_is_lost(shared_data: Path, tmp_path: Path, name: str, kind: str) -> None:
    file = read(shared_data / "akta" / name)
    path = tmp_path / "file"
    WRITERS[kind](file, path)
    back = read(path)
    _assert_equal(file, back)
    assert back.metadata["origin sha256"] == file.source.sha256
    again = tmp_path / "again"
    WRITERS[kind](back, again)
    assert read(again).metadata == back.metadata


@pytest.mark.parametrize("kind", WRITERS)
def test_awkward_names_missing_axes_and_numbers_that_are_none(tmp_path: Path, kind: str) -> None:
    values = np.array([np.nan, -np.inf, 5e-324, 1.7976931348623157e308])
    steps = np.arange(4.0)
    curves = (
        Curve('a,"b"\'#;\té\n\u2028x', Signal.OTHER, units.NUMBER, "", 1.0, 0.0, values, time_s=steps),
        Curve("", Signal.PH, units.PH, "", 1.0, 0.0, values[:1], volume_m3=steps[:1]),
    )
    log = (LogEntry(math.nan, "two\nlines", LogKind.NOTE, volume_m3=1e-6),)
    file = ChromatogramFile(
        Source("x", "0" * 64, 1, "made up"), "é\u2028", curves, metadata={"k": "v"}, log=log
    )
    path = tmp_path / "file"
    WRITERS[kind](file, path)
    back = read(path)
    assert math.isnan(back.log[0].time_s)
    assert dataclasses.replace(back.log[0], time_s=0.0) == dataclasses.replace(log[0], time_s=0.0)
    _assert_equal(dataclasses.replace(file, log=()), dataclasses.replace(back, log=()))


def test_the_parquet_table_is_plain_for_other_programs(shared_data: Path, tmp_path: Path) -> None:
    file = read(shared_data / "akta" / "94cm_hr.asc")
    write_parquet(file, tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["curve", "time_s", "volume_m3", "value"]
    assert table.num_rows == sum(curve.values.size for curve in file.curves)


def test_parquet_of_another_program(tmp_path: Path) -> None:
    table = pa.table({"time [min]": [0.0, 1.0], "UV 280 [mAU]": [1.0, 2.5], "Flow [mL/min]": [6.0, 6.0]})
    pq.write_table(table, tmp_path / "x.parquet")
    file = read(tmp_path / "x.parquet")
    assert file.curves[0].values.tolist() == [1.0, 2.5]
    assert file.curves[0].volume_m3 is not None
    assert file.curves[0].volume_m3.tolist() == pytest.approx([0.0, 6e-6])


def test_a_path_that_cannot_be_written(shared_data: Path, tmp_path: Path) -> None:
    file = read(shared_data / "akta" / "94cm_hr.asc")
    for write in (*WRITERS.values(), write_asm):
        with pytest.raises(EnvironmentFault, match="cannot be written"):
            write(file, tmp_path / "no such folder" / "x")


@pytest.mark.parametrize("change", ["version", "points", "kind", "json", "heading", "row", "cut"])
def test_damaged_files_of_our_own(shared_data: Path, tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.csv"
    write_csv(read(shared_data / "akta" / "94cm_hr.asc"), path)
    text = path.read_text(encoding="utf-8")
    damaged = {
        "version": text.replace('"version":1', '"version":2', 1),
        "points": text.replace('"points":2068', '"points":2067', 1),
        "kind": text.replace('"kind":"absorbance"', '"kind":"nonsense"', 1),
        "json": text.replace('"curves":[', '"curves":{', 1),
        "heading": text.replace("curve,time_s", "curve;time_s", 1),
        "row": text.replace("\n", "\nUV1_280nm,1,2,x\n", 2),
        "cut": text[: len(text) // 2],
    }[change]
    assert damaged != text
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(FormatError):
        read(path)


def _measurements(document: dict[str, Any]) -> dict[str, Any]:
    aggregate = document["liquid chromatography aggregate document"]
    found: dict[str, Any] = aggregate["liquid chromatography document"][0]["measurement aggregate document"]
    return found


def test_asm_has_what_the_schema_demands(shared_data: Path, tmp_path: Path) -> None:
    """Names, units and required fields of liquid-chromatography/REC/2023/09, as its schema lists them."""
    file = read(shared_data / "akta" / "unicorn7_capto_q.zip")
    write_asm(file, tmp_path / "x.json")
    document = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert set(document["$asm.manifest"]) == {"vocabulary", "json-schemas"}
    aggregate = document["liquid chromatography aggregate document"]
    assert aggregate["device system document"]["asset management identifier"] == "pure25 2536377"
    measurements = _measurements(document)
    names = [item["measurement identifier"] for item in measurements["measurement document"]]
    assert names == ["UV 1_280", "UV 2_254", "UV 3_0", "Cond"]
    for item in measurements["measurement document"]:
        assert item["sample document"]["sample identifier"]
        assert item["device control aggregate document"]["device control document"][0]["device type"]
        assert "chromatography column document" in item
        cube = item["chromatogram data cube"]
        (dimension,) = cube["cube-structure"]["dimensions"]
        (measure,) = cube["cube-structure"]["measures"]
        assert dimension == {"@componentDatatype": "double", "concept": "retention time", "unit": "s"}
        assert (measure["concept"], measure["unit"]) in {
            ("absorbance", "mAU"),
            ("electric conductivity", "S/m"),
        }
        curve = file.curve(item["measurement identifier"])
        assert curve.time_s is not None
        scale = 1e3 if measure["unit"] == "mAU" else 1.0
        assert cube["data"]["dimensions"][0] == pytest.approx(curve.time_s.tolist(), rel=1e-11)
        assert cube["data"]["measures"][0] == pytest.approx((curve.si * scale).tolist(), rel=1e-11)
    column = measurements["measurement document"][0]["chromatography column document"]
    assert column["chromatography column length"] == {"value": 10.0, "unit": "cm"}
    assert column["column inner diameter"] == {"value": 7.7, "unit": "mm"}
    assert column["chromatography column particle size"] == {"value": 40.0, "unit": "µm"}
    traces = measurements["diagnostic trace aggregate document"]["diagnostic trace document"]
    assert len(traces) == len(file.curves) - 4
    for trace in traces:
        (cube_name,) = [key for key in trace if key.endswith("data cube")]
        assert trace["description"]
        assert len(trace[cube_name]["data"]["dimensions"][0]) == len(trace[cube_name]["data"]["measures"][0])
    temperature = next(trace for trace in traces if trace["description"] == "Cond temp")
    assert temperature["temperature data cube"]["data"]["measures"][0] == pytest.approx(
        file.curve("Cond temp").values.tolist(), abs=1e-9
    )


def test_asm_over_volume_where_there_is_no_time(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("volume [mL],UV [AU]\n0,0.1\n1.5,0.25\n", encoding="utf-8")
    cube = _measurements(to_asm(read(path)))["measurement document"][0]["chromatogram data cube"]
    assert cube["cube-structure"]["dimensions"][0]["concept"] == "retention volume"
    assert cube["cube-structure"]["dimensions"][0]["unit"] == "mL"
    assert cube["data"] == {"dimensions": [[0.0, 1.5]], "measures": [[100.0, 250.0]]}


def test_asm_needs_a_chromatogram(shared_data: Path) -> None:
    with pytest.raises(InputError, match="no UV or conductivity"):
        to_asm(read(shared_data / "workshop" / "tracer_1.xlsx"))
