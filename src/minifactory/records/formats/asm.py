"""Export to Allotrope Simple Model (ASM) JSON, liquid chromatography, REC/2023/09.

Field names follow the schema http://purl.allotrope.org/json-schemas/adm/liquid-chromatography/REC/2023/09
and, by its references, core/REC/2023/09 (hierarchy, cube), ultraviolet-absorbance/REC/2023/09 and
conductivity/REC/2023/09:

* a UV or conductivity curve is a *measurement document* with a *chromatogram data cube*: absorbance in mAU
  or electric conductivity in S/m over retention time in s or, where the time is not known, retention volume
  in mL;
* the schema knows no other chromatogram, so pH, flow, pressure, temperature and %B are *diagnostic trace
  documents*, whose data cubes may measure anything. What ASM has no word for (the log, fractions, method) is
  left out: keep the Parquet export beside it.
"""

from __future__ import annotations

import json
import math
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from minifactory.errors import EnvironmentFault, Finding, InputError
from minifactory.records.chromatogram import ChromatogramFile, Curve, FloatArray, Signal
from minifactory.units import shown_value

MANIFEST = {
    "vocabulary": ["http://purl.allotrope.org/voc/afo/REC/2023/09/"],
    "json-schemas": [
        "http://purl.allotrope.org/json-schemas/adm/liquid-chromatography/REC/2023/09/liquid-chromatography.schema"
    ],
}
_DETECTION = {Signal.UV: "ultraviolet absorbance", Signal.CONDUCTIVITY: "conductivity"}

Json = dict[str, Any]


def to_asm(file: ChromatogramFile) -> Json:
    """The ASM document of a result, ready for :func:`json.dumps`.

    Raises
    ------
    InputError
        When the result has neither a UV nor a conductivity curve, which ASM needs.
    """
    chromatograms = [curve for curve in file.curves if curve.signal in _DETECTION and not curve.derived]
    if not chromatograms:
        found, expected = "no UV or conductivity curve", "at least one for ASM liquid chromatography"
        raise InputError(Finding(file.source.path, found, expected, "Export as Parquet or CSV instead."))
    traces = [curve for curve in file.curves if curve not in chromatograms]
    measurements: Json = {"measurement document": [_measurement(file, curve) for curve in chromatograms]}
    if traces:
        documents = [_trace(curve) for curve in traces]
        measurements["diagnostic trace aggregate document"] = {"diagnostic trace document": documents}
    document: Json = {"measurement aggregate document": measurements}
    if file.metadata.get("operator"):
        document["analyst"] = file.metadata["operator"]
    return {
        "$asm.manifest": MANIFEST,
        "liquid chromatography aggregate document": {
            "data system document": _data_system(file),
            "device system document": _device_system(file),
            "liquid chromatography document": [document],
        },
    }


def write_asm(file: ChromatogramFile, path: str | Path) -> None:
    """Write `file` as ASM JSON (UTF-8) to `path`."""
    text = json.dumps(to_asm(file), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as trouble:
        found = f"cannot be written ({trouble.strerror or trouble})"
        raise EnvironmentFault(Finding(str(path), found, "a folder that exists", "Choose another.")) from None


def _data_system(file: ChromatogramFile) -> Json:
    try:
        own = version("minifactory")
    except PackageNotFoundError:
        own = "0"
    software, _, number = file.source.software.partition(" ")
    said = {
        "ASM converter name": "minifactory",
        "ASM converter version": own,
        "file name": Path(file.source.path).name,
        "software name": software,
        "software version": number,
        "UNC path": file.metadata.get("folder", ""),
    }
    return {key: value for key, value in said.items() if value}


def _device_system(file: ChromatogramFile) -> Json:
    """The equipment; the schema demands an asset identifier."""
    system = file.system
    said = {
        "asset management identifier": (system.name if system else "") or "unknown",
        "description": system.configuration if system else "",
        "model number": (system.configuration or system.type) if system else "",
        "firmware version": system.firmware if system else "",
    }
    return {key: value for key, value in said.items() if value}


def _measurement(file: ChromatogramFile, curve: Curve) -> Json:
    control: Json = {
        "@index": 1,
        "device type": "liquid chromatograph",
        "detection type": _DETECTION[curve.signal],
    }
    if curve.wavelength_m is not None:
        control["detector wavelength setting"] = _quantity(curve.wavelength_m * 1e9, "nm")
    sample = {"sample identifier": file.metadata.get("sample name") or file.name}
    if file.metadata.get("batch"):
        sample["batch identifier"] = file.metadata["batch"]
    document: Json = {
        "measurement identifier": curve.name,
        "detection type": _DETECTION[curve.signal],
        "sample document": sample,
        "device control aggregate document": {"device control document": [control]},
        "chromatography column document": _column(file),
        "chromatogram data cube": _cube(curve),
    }
    if file.started is not None and file.started.tzinfo is not None:
        document["measurement time"] = file.started.isoformat()
    return document


def _column(file: ChromatogramFile) -> Json:
    """What is known of the column; the schema demands the document, but nothing in it."""
    column = file.column
    if column is None:
        return {}
    said: Json = {
        "chromatography column part number": column.article or None,
        "chromatography column chemistry type": column.medium or column.name or None,
        "chromatography column length": _scaled(column.bed_height_m, 1e2, "cm"),
        "column inner diameter": _scaled(column.diameter_m, 1e3, "mm"),
        "chromatography column particle size": _scaled(column.particle_diameter_m, 1e6, "µm"),
    }
    return {key: value for key, value in said.items() if value is not None}


def _scaled(value: float | None, factor: float, unit: str) -> Json | None:
    return None if value is None else _quantity(value * factor, unit)


def _quantity(value: float, unit: str) -> Json:
    return {"value": float(f"{value:.12g}"), "unit": unit}


def _trace(curve: Curve) -> Json:
    """A curve that is no chromatogram for ASM."""
    concept = re.sub(
        r"[^a-z0-9 ]+", " ", curve.signal.value.lower().replace("%b", "solvent b fraction")
    ).strip()
    concept = concept if curve.signal is not Signal.OTHER else "signal"
    return {"description": curve.name, f"{concept} data cube": _cube(curve, concept)}


def _cube(curve: Curve, concept: str = "") -> Json:
    """The data cube of a curve: retention time in s or retention volume in mL, and one measure."""
    if curve.signal is Signal.UV:
        concept, unit, values = "absorbance", "mAU", curve.si * 1e3
    elif curve.signal is Signal.CONDUCTIVITY:
        concept, unit, values = "electric conductivity", "S/m", curve.si
    else:
        unit = {"": "(unitless)", "%B": "%"}.get(curve.kind.shown, curve.kind.shown)
        zero, one = shown_value(0.0, curve.kind), shown_value(1.0, curve.kind)
        values = zero + (one - zero) * curve.si
    along, name, scale = curve.time_s, "retention time", "s"
    if along is None and curve.volume_m3 is not None:
        along, name, scale = curve.volume_m3 * 1e6, "retention volume", "mL"
    if along is not None:
        along, values = along[np.isfinite(along)], values[np.isfinite(along)]
    return {
        "label": curve.name,
        "cube-structure": {
            "dimensions": [{"@componentDatatype": "double", "concept": name, "unit": scale}],
            "measures": [{"@componentDatatype": "double", "concept": concept, "unit": unit}],
        },
        "data": {"dimensions": [_list(along)], "measures": [_list(values)]},
    }


def _list(values: FloatArray | None) -> list[float | None]:
    """Numbers for JSON: null where there is none; twelve digits, more than any detector has."""
    if values is None:
        return []
    return [float(f"{value:.12g}") if math.isfinite(value) else None for value in values.tolist()]
