"""What is written comes back; what people read carries its units."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minifactory.errors import FormatError
from minifactory.records.export import read_parquet, summary, write_csv_long, write_csv_wide, write_parquet
from minifactory.records.performance import evaluate
from minifactory.records.run import Event, Run
from tests.records.synthetic import CV_TIME, SPECIES, make_run


def full_run() -> Run:
    run = make_run(noise=0.01)
    uv = run.trends["UV1.Signal"]
    quality = np.zeros(uv.time.size, np.int8)
    quality[7] = 2
    trends = {**run.trends, "UV1.Signal": replace(uv, quality=quality)}
    events = (Event(1.0, "alarm", "Pressure", "high", {"stage": "raised", "number": 3}),)
    return replace(run, trends=trends, events=events)


def test_parquet_round_trip(tmp_path: Path) -> None:
    run = full_run()
    write_parquet(run, tmp_path / "run.parquet")
    back = read_parquet(tmp_path / "run.parquet")
    for item in fields(Run):
        if item.name != "trends":
            assert getattr(back, item.name) == getattr(run, item.name), item.name
    assert list(back.trends) == list(run.trends)
    for name, trend in run.trends.items():
        found = back.trends[name]
        assert (found.kind, found.step) == (trend.kind, trend.step)
        assert np.array_equal(found.time, trend.time)
        assert np.array_equal(found.values, trend.values)
        assert (found.quality is None) == (trend.quality is None)
        assert found.quality is None or np.array_equal(found.quality, trend.quality)


def test_a_run_without_trends_round_trips(tmp_path: Path) -> None:
    run = replace(make_run(), trends={})
    write_parquet(run, tmp_path / "run.parquet")
    assert read_parquet(tmp_path / "run.parquet") == run


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    path.write_bytes(b"nonsense")
    with pytest.raises(FormatError, match="Parquet"):
        read_parquet(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(FormatError, match="no run"):
        read_parquet(path)


def test_wide_csv_is_in_the_units_that_people_read(tmp_path: Path) -> None:
    write_csv_wide(make_run(), tmp_path / "run.csv", interval=CV_TIME)
    with open(tmp_path / "run.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    assert float(rows[3]["volume [CV]"]) == pytest.approx(3.0)
    assert float(rows[3]["volume [mL]"]) == pytest.approx(30.0)
    assert float(rows[3]["System.Flow [mL/min]"]) == pytest.approx(0.6)
    assert float(rows[9]["UV1.Signal [mAU]"]) == pytest.approx(1000.0, rel=1e-3)
    assert float(rows[3]["Cond.Signal [mS/cm]"]) == pytest.approx(15.0, rel=1e-6)


def test_long_csv_has_every_point(tmp_path: Path) -> None:
    run = full_run()
    write_csv_long(run, tmp_path / "run.csv")
    with open(tmp_path / "run.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(trend.time.size for trend in run.trends.values())
    uv = [row for row in rows if row["tag"] == "UV1.Signal"]
    assert uv[7]["quality"] == "2"
    assert float(uv[7]["value"]) == pytest.approx(run.trends["UV1.Signal"].values[7] * 1000.0, rel=1e-12)
    assert uv[7]["unit"] == "mAU"


def test_summary_is_plain_json() -> None:
    run = make_run(analysed=False)
    content = json.loads(json.dumps(summary(run, evaluate(run, SPECIES)), allow_nan=False))
    assert content["performance"]["yield"] is None
    assert content["performance"]["duration"] == 12 * CV_TIME
    assert [phase["path"] for phase in content["phases"]] == [
        "p.o.equilibrate",
        "p.o.load",
        "p.o.wash",
        "p.o.elute",
    ]
