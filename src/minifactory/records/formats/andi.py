"""ANDI (AIA) chromatography files: classic netCDF, one detector signal a file.

Source: ASTM E1947, Standard Specification for Analytical Data Interchange Protocol for Chromatographic Data:
the signal is ``ordinate_values``, equidistant with ``actual_sampling_interval`` after ``actual_delay_time``,
or at ``raw_data_retention``, in the unit of the attribute ``retention_unit`` (seconds where it is missing).
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from minifactory import units
from minifactory.errors import Finding, FormatError
from minifactory.records.chromatogram import ChromatogramFile, FloatArray, Injection, Method, System
from minifactory.records.formats.axes import with_both_axes
from minifactory.records.formats.quantities import measured, scale_of
from minifactory.records.formats.source import Raw, fault

MAGICS = (b"CDF\x01", b"CDF\x02")
_AGAIN = "Export the chromatogram again as ANDI (AIA)."
_METADATA = ("sample_name", "sample_id", "experiment_title", "operator_name", "sample_injection_volume")


def read_andi(raw: Raw) -> ChromatogramFile:
    """The chromatogram in an ANDI file.

    Raises
    ------
    FormatError
        When it is damaged, or netCDF of another kind.
    """
    from scipy.io import netcdf_file

    try:
        with netcdf_file(io.BytesIO(raw.content), "r", mmap=False) as cdf:
            attributes = {key: _plain(value) for key, value in cdf._attributes.items()}
            variables = {name: np.array(item.data) for name, item in cdf.variables.items()}
            uniform = _plain(getattr(cdf.variables.get("ordinate_values"), "uniform_sampling_flag", "Y"))
    except Exception as trouble:  # damaged headers fail in scipy in many ways
        reason = " ".join(str(trouble).split())[:100] or type(trouble).__name__
        raise fault(raw.where, f"a damaged netCDF file ({reason})", "an ANDI file", _AGAIN) from None
    if "ordinate_values" not in variables:
        names = ", ".join(sorted(variables))[:150] or "no variables"
        raise fault(raw.where, f"netCDF with {names}", 'the ANDI variable "ordinate_values"', _AGAIN)
    values = _numbers(variables["ordinate_values"], raw.where)
    warnings: list[Finding] = []
    time = _time(variables, attributes, uniform, values.size, raw.where)
    name = attributes.get("detector_name") or "signal"
    unit = attributes.get("detector_unit", "")
    curve = measured(name, unit, values, warnings, time_s=time, where=f"{raw.where} curve")
    details = {key.replace("_", " "): attributes[key] for key in _METADATA if attributes.get(key)}
    method = attributes.get("detection_method_name") or attributes.get("separation_experiment_type", "")
    return with_both_axes(
        ChromatogramFile(
            source=raw.source("ANDI netCDF", attributes.get("source_file_format", "")),
            name=attributes.get("sample_name") or raw.path.stem,
            curves=(curve,),
            injections=(Injection(1, 0.0),),
            system=System(name=attributes.get("dataset_origin", "")),
            method=Method(name=method) if method else None,
            started=_stamp(attributes.get("injection_date_time_stamp", "")),
            metadata=details,
            warnings=tuple(warnings),
        )
    )


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.split(b"\0")[0].decode("latin-1").strip()
    return str(value).strip()[:500]


def _numbers(values: Any, where: str) -> FloatArray:
    try:
        found = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise fault(where, "values that are no numbers", "a signal", _AGAIN) from None
    if not found.size:
        raise fault(where, "a signal without points", "at least one point", _AGAIN)
    return found


def _time(
    variables: dict[str, Any], attributes: dict[str, str], uniform: str, count: int, where: str
) -> FloatArray:
    """Time in s of each point, shape (n,)."""
    scale = scale_of(attributes.get("retention_unit") or "s", units.TIME)
    if scale is None:
        shown = attributes.get("retention_unit", "")[:40]
        raise fault(where, f'retention unit "{shown}"', "seconds or minutes", _AGAIN)
    stored = variables.get("raw_data_retention")
    if stored is not None and (
        uniform.upper().startswith("N") or "actual_sampling_interval" not in variables
    ):
        along = _numbers(stored, where)
        if along.size != count:
            raise fault(where, f"{along.size} times for {count} values", f"{count} times", _AGAIN)
        return along * scale.factor
    interval = variables.get("actual_sampling_interval")
    step = float(_numbers(interval, where)[0]) if interval is not None else float("nan")
    delay = variables.get("actual_delay_time")
    start = float(_numbers(delay, where)[0]) if delay is not None else 0.0
    if not (np.isfinite(step) and step > 0.0 and np.isfinite(start)):
        raise fault(where, f"a sampling interval of {step}", "a positive time", _AGAIN)
    return np.asarray((start + step * np.arange(count, dtype=np.float64)) * scale.factor)


def _stamp(text: str) -> datetime | None:
    """The time in an ANDI stamp such as ``20240131120000+0100``, or None."""
    try:
        moment = datetime.strptime(text[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone follows
        zone = text[14:].strip()
        if len(zone) == 5 and zone[0] in "+-":
            minutes = int(zone[1:3]) * 60 + int(zone[3:5])
            return moment.replace(tzinfo=timezone(timedelta(minutes=minutes if zone[0] == "+" else -minutes)))
    except ValueError:
        return None
    return moment


def refuse_hdf5(raw: Raw) -> FormatError:
    """The error for netCDF-4, which is HDF5 inside."""
    remedy = "Convert it with: nccopy -k classic FILE NEW."
    return fault(raw.where, "an HDF5 or netCDF-4 file", "ANDI in classic netCDF", remedy)
