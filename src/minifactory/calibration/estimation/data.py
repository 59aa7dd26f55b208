"""What calibration takes in: runs with a name and a hash, whatever file or historian they came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, FormatError, InputError
from minifactory.records import export
from minifactory.records.chromatogram import ChromatogramFile
from minifactory.records.formats import read
from minifactory.records.formats.measured_run import as_run
from minifactory.records.run import Run, Trend

Array = NDArray[np.float64]

FLOW, PERCENT_B, CONDUCTIVITY = "System.Flow", "Gradient.PercentB", "Cond.Signal"
UV = re.compile(r"UV\d*\.Signal")


class DataKind(Enum):
    """What a run can tell about."""

    BYPASS_PULSE = "pulse without column"
    PULSE = "pulse through the column"
    GRADIENT = "gradient elution"
    BREAKTHROUGH = "breakthrough"
    OTHER = "other run"


@dataclass(frozen=True, eq=False)
class Data:
    """One run as data.

    Parameters
    ----------
    name : str
        Short name: of the file, or the run's identifier.
    run : Run
        Trends in SI.
    sha256 : str
        Of the file's bytes, or of the run's trends.
    file : ChromatogramFile or None
        With log and injections, where the data is a chromatography file.
    tables : Mapping of str to str
        Hashes of the tables that its fractions' assays come from, by name.
    """

    name: str
    run: Run
    sha256: str
    file: ChromatogramFile | None = None
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def uv(self) -> tuple[Trend, ...]:
        """The absorbance trends, in order of their tags."""
        return tuple(trend for tag, trend in sorted(self.run.trends.items()) if UV.fullmatch(tag))

    @property
    def injections(self) -> tuple[float, ...]:
        """Times (s) at which a sample was injected."""
        marks = [
            e.time
            for e in self.run.events
            if re.search(r"injection\s*mark|\binject\b", e.text, re.IGNORECASE)
        ]
        marks += [e.time for e in self.run.events if re.fullmatch(r"injection", e.category)]
        trend = self.run.trends.get("InjectionValve.Position")
        if trend is not None and trend.values.size:
            marks += trend.time[np.flatnonzero(np.diff(trend.values) > 0.0) + 1].tolist()
        return tuple(sorted(marks))


def from_run(run: Run, name: str = "") -> Data:
    """A run (recorded, simulated, built by hand) as data; the hash is that of its trends."""
    digest = hashlib.sha256()
    for tag in sorted(run.trends):
        digest.update(tag.encode())
        digest.update(np.ascontiguousarray(run.trends[tag].time).tobytes())
        digest.update(np.ascontiguousarray(run.trends[tag].values).tobytes())
    return Data(name or run.identifier, run, digest.hexdigest())


def from_file(path: Path, headings: Sequence[str] = ()) -> Data:
    """The run in a file of any format that the readers know, our own export of a run included.

    Raises
    ------
    InputError
        The file cannot be read, or holds no curve over time.
    """
    own = _own_run(path)
    if own is not None:
        return Data(path.name, own, hashlib.sha256(path.read_bytes()).hexdigest())
    file = read(path, headings)
    run = as_run(file)
    if not run.trends:
        raise InputError(
            Finding(
                str(path),
                "no curve over time",
                "at least one detector curve with a time axis",
                "Export the curves with time.",
            )
        )
    return Data(path.name, run, file.source.sha256, file)


def _own_run(path: Path) -> Run | None:
    """The run of our own Parquet export, or None when it is not one."""
    try:
        with path.open("rb") as stream:
            if stream.read(4) != b"PAR1":
                return None
    except OSError:
        return None
    try:
        return export.read_parquet(path)
    except FormatError:
        return None  # a Parquet table of another kind: the readers tell what it is


def kind_of(data: Data) -> DataKind:
    """What `data` can tell about, from its course: gradients, injections, how long it loads."""
    run = data.run
    percent = run.trends.get(PERCENT_B)
    moves = percent is not None and percent.values.size > 1 and _is_gradient(percent)
    if moves:
        return DataKind.GRADIENT
    if data.injections:
        column = run.trends.get("ColumnPosition.Position")
        by_pass = any(re.search(r"by\s*-?pass|no column", e.text, re.IGNORECASE) for e in run.events)
        by_pass = by_pass or bool(re.search(r"by\s*-?pass|no.?column", data.name, re.IGNORECASE))
        if by_pass or (column is not None and column.values.size and not np.any(column.values)):
            return DataKind.BYPASS_PULSE
        return DataKind.PULSE
    kinds = {phase.kind for phase in run.phases}
    if "elute" in kinds:
        return DataKind.GRADIENT
    if "load" in kinds or any(re.search(r"load|break", p.path, re.IGNORECASE) for p in run.phases):
        return DataKind.BREAKTHROUGH
    return DataKind.OTHER


def _is_gradient(percent: Trend) -> bool:
    """Whether %B is between its ends for more than a moment."""
    low, high = float(percent.values.min()), float(percent.values.max())
    if high - low < 1.0:
        return False
    between = (percent.values > low + 0.1 * (high - low)) & (percent.values < high - 0.1 * (high - low))
    steps = np.diff(percent.time, append=percent.time[-1])
    return bool((steps * between).sum() > 60.0)
