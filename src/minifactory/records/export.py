"""A run as files: Parquet (everything, and back), CSV (long and wide), and a JSON summary.

Parquet holds one row per point in SI units, and all that is not a trend as JSON in the file's metadata. CSV
files carry the unit of each column in its head, in the units that people read.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minifactory.errors import Finding, FormatError
from minifactory.records.performance import Performance
from minifactory.records.run import Event, PhaseRecord, PoolRecord, Run, Trend
from minifactory.units import KINDS, Kind, shown_value

_KEY = b"minifactory.run"
_VERSION = 1


def write_parquet(run: Run, path: Path) -> None:
    """Write all of `run` to `path`, from which :func:`read_parquet` makes it again."""
    names = list(run.trends)
    trends = list(run.trends.values())
    sizes = [trend.time.size for trend in trends]
    codes = np.repeat(np.arange(len(names), dtype=np.int32), sizes)
    quality = [np.zeros(t.time.size, np.int8) if t.quality is None else t.quality for t in trends]
    table = pa.table(
        {
            "tag": pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string())),
            "time": np.concatenate([np.empty(0), *(trend.time for trend in trends)]),
            "value": np.concatenate([np.empty(0), *(trend.values for trend in trends)]),
            "quality": np.concatenate([np.empty(0, np.int8), *quality]),
        }
    )
    description = {**describe(run), "version": _VERSION, "tags": [_tag(trend) for trend in trends]}
    table = table.replace_schema_metadata({_KEY: json.dumps(description).encode()})
    pq.write_table(table, path, compression="zstd")


def read_parquet(path: Path) -> Run:
    """The run in `path`.

    Raises
    ------
    FormatError
        When the file is no Parquet file, or was not written by :func:`write_parquet`.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as fault:
        raise FormatError(Finding(str(path), f"cannot be read as Parquet ({fault})")) from fault
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise FormatError(
            Finding(str(path), "this Parquet file holds no run", "a file exported by MiniFactory")
        )
    content = json.loads(metadata[_KEY])
    coded = table["tag"].combine_chunks()
    coded = coded if isinstance(coded, pa.DictionaryArray) else coded.dictionary_encode()
    codes = coded.indices.to_numpy()
    places = {name: place for place, name in enumerate(coded.dictionary.to_pylist())}
    columns = [table[name].to_numpy() for name in ("time", "value", "quality")]
    trends = {}
    for item in content["tags"]:
        rows = codes == places.get(item["name"], -1)
        time, values, quality = (column[rows] for column in columns)
        trends[item["name"]] = Trend(
            item["name"], _kind(item["kind"]), time, values, quality if quality.any() else None, item["step"]
        )
    return Run(
        identifier=content["identifier"],
        origin=content["origin"],
        state=content["state"],
        skid=content["skid"],
        recipe=content["recipe"],
        trends=trends,
        phases=tuple(PhaseRecord(**item) for item in content["phases"]),
        events=tuple(Event(**item) for item in content["events"]),
        pools=tuple(PoolRecord(**item) for item in content["pools"]),
        loaded=content["loaded"],
        consumed=content["consumed"],
        column_volume=content["column_volume"],
        provenance=content["provenance"],
    )


def describe(run: Run) -> dict[str, Any]:
    """Everything of `run` but its trends, as JSON types, SI."""
    return {
        "identifier": run.identifier,
        "origin": run.origin,
        "state": run.state,
        "skid": run.skid,
        "recipe": run.recipe,
        "phases": [asdict(phase) for phase in run.phases],
        "events": [{**asdict(event), "data": dict(event.data)} for event in run.events],
        "pools": [{**asdict(pool), "amounts": dict(pool.amounts)} for pool in run.pools],
        "loaded": dict(run.loaded),
        "consumed": dict(run.consumed),
        "column_volume": run.column_volume,
        "provenance": dict(run.provenance),
    }


def summary(run: Run, performance: Performance | None = None) -> dict[str, Any]:
    """What a program wants to know of `run` at a glance, as JSON types, SI; unknown figures are None."""
    content: dict[str, Any] = {
        "identifier": run.identifier,
        "origin": run.origin,
        "state": run.state,
        "skid": run.skid,
        "recipe": run.recipe,
        "duration": run.duration,
        "phases": [
            {"path": phase.path, "start": phase.start, "end": phase.end, "volume": phase.volume}
            for phase in run.phases
        ],
    }
    if performance is not None:
        content["performance"] = figures(performance)
    return content


def figures(performance: Performance) -> dict[str, Any]:
    """`performance` as JSON types, SI; unknown figures are None."""
    return {
        **{name: known(value) for name, value in performance.values.items()},
        "product": performance.product,
        "pool": performance.pool,
        "basis": performance.basis.value,
        "consumed": dict(performance.consumed),
        "notes": list(performance.notes),
    }


def known(value: float) -> float | None:
    """`value`, or None when it is not a finite number (JSON has no nan)."""
    return float(value) if math.isfinite(value) else None


def write_csv_long(run: Run, path: Path) -> None:
    """One row per point: tag, time in s, value in the unit of the row, unit, quality."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["tag", "time [s]", "value", "unit", "quality"])
        for trend in run.trends.values():
            quality = np.zeros(trend.time.size, int) if trend.quality is None else trend.quality
            values = _shown(trend, trend.values)
            for row in zip(trend.time, values, quality, strict=True):
                writer.writerow(
                    [trend.name, repr(float(row[0])), repr(float(row[1])), _unit(trend), int(row[2])]
                )


def write_csv_wide(run: Run, path: Path, interval: float = 1.0) -> None:
    """One row every `interval` s, one column per tag with its unit, and the volume in mL and CV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(_wide(run, interval))


def _wide(run: Run, interval: float) -> Iterator[list[str]]:
    times = np.arange(0.0, run.duration + 0.5 * interval, interval)
    columns: dict[str, Any] = {"time [s]": times}
    if "System.Flow" in run.trends and run.trends["System.Flow"].time.size > 1:
        volume = run.volume_axis(times)
        columns["volume [mL]"] = volume * 1e6
        if run.column_volume:
            columns["volume [CV]"] = volume / run.column_volume
    for trend in run.trends.values():
        head = f"{trend.name} [{_unit(trend)}]" if _unit(trend) else trend.name
        columns[head] = _shown(trend, trend.at(times))
    yield list(columns)
    for row in zip(*columns.values(), strict=True):
        yield [f"{value:.9g}" for value in row]


def _unit(trend: Trend) -> str:
    return trend.kind.shown


def _shown(trend: Trend, values: Any) -> Any:
    """`values` (SI) in the unit that people read."""
    zero, one = shown_value(0.0, trend.kind), shown_value(1.0, trend.kind)
    return zero + (one - zero) * values


def _tag(trend: Trend) -> dict[str, Any]:
    kind = trend.kind
    return {"name": trend.name, "step": trend.step, "kind": [kind.name, kind.si, kind.shown]}


def _kind(described: list[str]) -> Kind:
    name, si, shown = described
    return KINDS.get(name, Kind(name, si, shown))
