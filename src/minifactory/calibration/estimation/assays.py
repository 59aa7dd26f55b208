"""Tables of analysed fractions: which liquid of which run held how much of what.

Long form, one row per value, or wide form, one column per component; headings carry the unit:

    run, fraction, component, concentration [g/L]          from [mL], to [mL], product [g/L], acidic [mg/L]

A fraction is named as in the run's file, or given by its ends: volume pumped since the start of the run, or
time. `run` names the file; it may be left out where only one run is calibrated. CSV (any delimiter and
decimal sign) and Excel workbooks (first sheet).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from minifactory.calibration.estimation.data import FLOW, Data
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Species
from minifactory.records.formats.source import Raw, load
from minifactory.records.formats.spreadsheet import first_sheet
from minifactory.records.formats.text import Cell, Rows, decimal_sign, decoded, number, split
from minifactory.records.run import PoolRecord
from minifactory.units import CONCENTRATION, MASS_CONCENTRATION, TIME, VOLUME, Kind, parse

HEADING = re.compile(r"\s*(.+?)\s*(?:[\[({]\s*(.*?)\s*[\])}])?\s*")
HOW = "Write e.g. the headings `fraction, component, concentration [g/L]`."
SLACK = 1e-6
"""Relative overlap of fractions that is rounding."""


@dataclass(frozen=True)
class _Heading:
    name: str
    unit: str


@dataclass(frozen=True)
class Assay:
    """One value: run ("" for the only one), fraction's name or its ends, component, mol/m3, and the place."""

    run: str
    fraction: str
    ends: tuple[float, float] | None
    of: Kind | None
    component: str
    value: float
    where: str


def with_assays(
    data: Sequence[Data], files: Sequence[Path], species: Mapping[str, Species]
) -> tuple[Data, ...]:
    """`data` with the concentrations in `files` as the amounts in their fractions.

    Raises
    ------
    InputError
        Tables that cannot be read or do not fit the runs; all findings at once.
    """
    findings: list[Finding] = []
    assays: list[Assay] = []
    for file in files:
        try:
            assays += read_assays(file, species)
        except InputError as fault:
            findings += fault.findings
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
    own: dict[str, list[Assay]] = {item.name: [] for item in data}
    for each in assays:
        if not each.run and len(data) > 1:
            findings.append(
                Finding(each.where, "names no run", "a column `run`", f"Name one of {', '.join(own)}.")
            )
        elif each.run and each.run not in own:
            findings.append(
                Finding(each.where, f'no run "{each.run}"', ", ".join(own), did_you_mean(each.run, own))
            )
        else:
            own[each.run or data[0].name].append(each)
    out = []
    for item in data:
        try:
            out.append(_joined(item, own[item.name], hashes) if own[item.name] else item)
        except InputError as fault:
            findings += fault.findings
    if findings:
        raise InputError(findings)
    return tuple(out)


def read_assays(file: Path, species: Mapping[str, Species]) -> list[Assay]:
    """The values in one table.

    Raises
    ------
    InputError
        Missing or unknown columns, components or units, and cells that are no concentrations; all at once.
    """
    rows = _rows(load(file))
    rows = [row for row in rows if any(str(cell or "").strip() for cell in row)]
    if len(rows) < 2:
        raise InputError(Finding(str(file), "no table", "headings and at least one row", HOW))
    headings = [_heading(cell) for cell in rows[0]]
    at = {item.name.lower(): place for place, item in enumerate(headings)}
    findings = _missing(file, at, headings, species)
    if findings:
        raise InputError(findings)
    decimal = decimal_sign(rows[1:])
    found: list[Assay] = []
    for line, row in enumerate(rows[1:], start=2):
        where = f"{file}:{line}"
        try:
            found += _row(row, headings, at, species, decimal, where)
        except InputError as fault:
            findings += fault.findings
    if findings:
        raise InputError(findings)
    return found


def _rows(raw: Raw) -> Rows:
    return first_sheet(raw) or split(decoded(raw))


def _heading(cell: Cell) -> _Heading:
    match = HEADING.fullmatch(str(cell or ""))
    return _Heading(match[1], match[2] or "") if match else _Heading("", "")


def _missing(
    file: Path, at: Mapping[str, int], headings: Sequence[_Heading], species: Mapping[str, Species]
) -> list[Finding]:
    where, shown = f"{file}:1", ", ".join(item.name for item in headings if item.name)
    findings = []
    if "fraction" not in at and not {"from", "to"} <= set(at):
        findings.append(
            Finding(where, f"columns {shown}", "a column `fraction`, or `from [mL]` and `to [mL]`", HOW)
        )
    if "component" in at:
        if "concentration" not in at:
            findings.append(Finding(where, f"columns {shown}", "a column `concentration [g/L]`", HOW))
        return findings
    wide = [item for item in headings if item.name and item.name.lower() not in KNOWN]
    if not wide:
        return [*findings, Finding(where, f"columns {shown}", "a column `component` or columns of them", HOW)]
    return findings + [
        Finding(
            where,
            f'no component "{item.name}"',
            ", ".join(_proteins(species)),
            did_you_mean(item.name, species),
        )
        for item in wide
        if item.name not in species
    ]


KNOWN = ("run", "fraction", "from", "to", "component", "concentration", "unit")


def _proteins(species: Mapping[str, Species]) -> list[str]:
    return [name for name, item in species.items() if item.role.is_protein]


def _row(
    row: Sequence[Cell],
    headings: Sequence[_Heading],
    at: Mapping[str, int],
    species: Mapping[str, Species],
    decimal: str,
    where: str,
) -> list[Assay]:
    def cell(name: str) -> Cell:
        place = at.get(name)
        return row[place] if place is not None and place < len(row) else None

    def text(name: str) -> str:
        return str(cell(name) if cell(name) is not None else "").strip()

    ends, of = None, None
    if text("from") or text("to"):
        pair = [
            _measured(cell(n), headings[at[n]].unit, (VOLUME, TIME), decimal, f"{where} {n}")
            for n in ("from", "to")
        ]
        (low, of), (high, other) = pair
        if of is not other or not high > low:
            raise InputError(
                Finding(
                    where,
                    f"from {text('from')} to {text('to')}",
                    "an end after the beginning, in the same quantity",
                )
            )
        ends = (low, high)
    elif not text("fraction"):
        raise InputError(Finding(where, "no fraction", "its name, or where it begins and ends"))
    if "component" in at:
        values = [
            (text("component"), cell("concentration"), text("unit") or headings[at["concentration"]].unit)
        ]
    else:
        values = [
            (h.name, row[i], h.unit) for i, h in enumerate(headings) if h.name in species and i < len(row)
        ]
    found = []
    for name, value, unit in values:
        if value is None or not str(value).strip():
            continue
        if name not in species:
            raise InputError(
                Finding(
                    where,
                    f'no component "{name}"',
                    ", ".join(_proteins(species)),
                    did_you_mean(name, species),
                )
            )
        amount, kind = _measured(value, unit, (CONCENTRATION, MASS_CONCENTRATION), decimal, f"{where} {name}")
        if kind is MASS_CONCENTRATION:
            amount /= species[name].molar_mass
        found.append(Assay(text("run"), text("fraction"), ends, of, name, amount, where))
    return found


def _measured(
    value: Cell, unit: str, kinds: tuple[Kind, Kind], decimal: str, where: str
) -> tuple[float, Kind]:
    """The SI value of a cell that has its unit itself or from its heading, and its kind."""
    plain = number(value, decimal)
    said = f"{plain!r} {unit}" if plain is not None and unit else str(value).replace(decimal, ".")
    found = parse(said, *kinds, where=where)
    return found.value, found.kind


def _joined(data: Data, assays: Sequence[Assay], hashes: Mapping[str, str]) -> Data:
    """`data` with its fractions replaced by those that were analysed."""
    run, findings = data.run, []
    names = {pool.vessel: pool for pool in run.pools}
    pools: dict[tuple[float, float], PoolRecord] = {}
    if FLOW in run.trends:
        times = run.trends[FLOW].time
        pumped = run.volume_axis(times)
    for each in assays:
        if each.ends is None:
            known = names.get(each.fraction)
            if known is None:
                near = did_you_mean(each.fraction, names) or "Give the ends of the fraction instead."
                findings.append(
                    Finding(
                        each.where,
                        f'{data.name} has no fraction "{each.fraction}"',
                        ", ".join(names) or "one of its fractions",
                        near,
                    )
                )
                continue
            pool = replace(known, amounts={})
        elif FLOW not in run.trends:
            findings.append(
                Finding(
                    each.where, f"{data.name} has no flow curve", "the flow, to find a fraction by its ends"
                )
            )
            continue
        else:
            start, end = (
                np.interp(each.ends, pumped, times) if each.of is VOLUME else np.array(each.ends)
            ).tolist()
            last = float(pumped[-1]) if each.of is VOLUME else float(times[-1])
            if each.ends[1] > last * (1.0 + SLACK):
                findings.append(
                    Finding(
                        each.where,
                        f"the fraction ends at {each.ends[1]:.4g} {each.of.si if each.of else ''}",
                        f"within {data.name}, which ends at {last:.4g}",
                    )
                )
                continue
            volume = float(np.diff(np.interp([start, end], times, pumped))[0])
            pool = PoolRecord(each.fraction or f"{each.where}", start, end, volume)
        key = (pool.start, pool.end)
        pool = pools.setdefault(key, pool)
        if each.component in pool.amounts:
            findings.append(
                Finding(each.where, f"{each.component} of this fraction is given twice", "one value each")
            )
        pools[key] = replace(pool, amounts={**pool.amounts, each.component: each.value * pool.volume})
    ordered = [pools[key] for key in sorted(pools)]
    for one, other in pairwise(ordered):
        if other.start < one.end - SLACK * max(one.end, 1.0):
            findings.append(
                Finding(
                    data.name,
                    f'fractions "{one.vessel}" ({one.start:.0f} to {one.end:.0f} s) and "{other.vessel}" '
                    f"({other.start:.0f} to {other.end:.0f} s) overlap",
                    "fractions one after the other",
                )
            )
    if findings:
        raise InputError(findings)
    used = {Path(each.where.rpartition(":")[0]).name for each in assays}
    tables = {name: digest for name, digest in hashes.items() if name in used}
    return replace(data, run=replace(run, pools=tuple(ordered)), tables=tables)
