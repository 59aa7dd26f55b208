"""Reads ``parameters.yaml``: model parameters with uncertainty, bounds, source, and the declared mismatch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.bindings import find_binding
from minifactory.plant.document import UNSTATED, Reader, bounds
from minifactory.plant.model import REACTING, Column, DeviceKind, Material, Role, Skid, Species
from minifactory.plant.nodes import Mapping as Block
from minifactory.plant.nodes import shorten
from minifactory.plant.parameter_kinds import (
    COLUMN,
    COLUMN_MODULATOR,
    COLUMN_SPECIES,
    DEVICE,
    FILTER_SPECIES,
    GROUPS,
    MATERIAL,
    MATERIAL_SPECIES,
    MEMBRANE_SPECIES,
    REACTING_PROTEIN,
    REACTING_PROTEINS,
    REACTING_VIRUS,
    SIGNALS,
    SKID,
    ParameterKind,
)
from minifactory.plant.parameters import Parameter, ParameterSet, Uncertainty
from minifactory.plant.tagging import gauged, uv_channels
from minifactory.units import FRACTION, POSITIVE, Kind, parse

DEVIATION = Kind("relative deviation", "", "%", -0.99, 100.0, bare=True)
CORRELATION = Kind("correlation", "", "", -1.0, 1.0, bare=True)
BY_DEFINITION = "by definition"
_SHAPES = ("normal", "lognormal", "uniform")
_TOP_KEYS = ("version", "description", "mismatch", "correlations")
_BASES = ("solid", "particle", "column")


def known_parameters(
    columns: Mapping[str, Column],
    species: Mapping[str, Species],
    skids: Mapping[str, Skid],
    materials: Mapping[str, Material],
) -> dict[str, ParameterKind]:
    """Every parameter path that this plant can have, with its kind."""
    return dict(_known(columns, species, skids, materials))


def _known(
    columns: Mapping[str, Column],
    species: Mapping[str, Species],
    skids: Mapping[str, Skid],
    materials: Mapping[str, Material],
) -> Iterator[tuple[str, ParameterKind]]:
    for column, described in columns.items():
        yield from ((f"{column}.{name}", kind) for name, kind in COLUMN.items())
        binding = find_binding(described.binding_model)
        own = tuple(binding.own_kinds()) if binding else ()
        yield from ((f"{column}.{name}", kind) for of_species, name, kind in own if not of_species)
        for each in (*species, *GROUPS):
            yield from ((f"{column}.{each}.{name}", kind) for name, kind in COLUMN_SPECIES.items())
            yield from ((f"{column}.{each}.{name}", kind) for of_species, name, kind in own if of_species)
            for modulator in described.modulators:
                path = f"{column}.{each}.{modulator}"
                yield from ((f"{path}.{name}", kind) for name, kind in COLUMN_MODULATOR.items())
    for skid in skids.values():
        yield from ((f"{skid.name}.{name}", kind) for name, kind in SKID.items())
        for device in skid.devices.values():
            kinds = DEVICE.get(device.kind, {})
            yield from ((f"{skid.name}.{device.name}.{name}", kind) for name, kind in kinds.items())
            if device.kind in REACTING:
                yield from _known_of_reactions(f"{skid.name}.{device.name}", species)
            if device.kind is DeviceKind.MEMBRANE:
                path = f"{skid.name}.{device.name}"
                yield from (
                    (f"{path}.{each}.{name}", kind)
                    for each in species
                    for name, kind in MEMBRANE_SPECIES.items()
                )
            if device.kind is DeviceKind.FILTER:
                for item in species.values():
                    if item.role not in (Role.STRONG_ION, Role.WEAK_ACID):
                        path = f"{skid.name}.{device.name}.{item.name}"
                        yield from ((f"{path}.{name}", kind) for name, kind in FILTER_SPECIES.items())
        yield from _known_of_signals(skid)
    for material in materials.values():
        yield from ((f"{material.name}.{name}", kind) for name, kind in MATERIAL.items())
        for each in material.composition:
            yield from ((f"{material.name}.{each}.{name}", kind) for name, kind in MATERIAL_SPECIES.items())


def _known_of_reactions(path: str, species: Mapping[str, Species]) -> Iterator[tuple[str, ParameterKind]]:
    """Rates of what may react in the device at `path`."""
    viruses = [each.name for each in species.values() if each.role is Role.VIRUS]
    proteins = [each.name for each in species.values() if each.role.is_protein]
    for kinds, names in (
        (REACTING_VIRUS, viruses),
        (REACTING_PROTEIN, proteins),
        (REACTING_PROTEINS, [f"{one}.{other}" for one, other in permutations(proteins, 2)]),
    ):
        for each in names:
            yield from ((f"{path}.{each}.{name}", kind) for name, kind in kinds.items())


def _known_of_signals(skid: Skid) -> Iterator[tuple[str, ParameterKind]]:
    for channel, cell in uv_channels(skid):
        for name, kind in SIGNALS["UV"].items():
            wider = f"{skid.name}.{cell.name}.{name}"
            yield wider, replace(kind, default=None)
            yield f"{skid.name}.{channel}.{name}", replace(kind, wider=wider)
    signals = ["Pressure", "Pressure.Delta"]
    if skid.of_kind(DeviceKind.CONDUCTIVITY_CELL):
        signals += ["Cond", "Cond.Temperature"]
    if skid.of_kind(DeviceKind.PH_CELL):
        signals.append("pH")
    for signal in signals:
        yield from ((f"{skid.name}.{signal}.{name}", kind) for name, kind in SIGNALS[signal].items())
    for name in gauged(skid):
        path = f"{skid.name}.{name}.Pressure"
        yield from ((f"{path}.{each}", kind) for each, kind in SIGNALS["Pressure"].items())
    for sensor in skid.level_sensors:
        yield from ((f"{skid.name}.{sensor.name}.{name}", kind) for name, kind in SIGNALS["Level"].items())


def read_parameters(
    top: Reader, known: Mapping[str, ParameterKind], columns: Mapping[str, Column]
) -> ParameterSet:
    """The parameter set of the file; what the file does not state and has a default is added."""
    version = top.text("version", "1")
    top.text("description", "")
    found: dict[str, Parameter] = {}
    bases: dict[str, str] = {}
    children = _children(known)
    for key in top.keys:
        if key not in _TOP_KEYS:
            _read_block(top, key, known, children, found, bases)
    for path, kind in known.items():
        if path not in found and kind.default is not None and kind.wider not in found:
            found[path] = Parameter(
                path, kind.default, kind.kind, BY_DEFINITION, None, kind.lower, kind.upper
            )
    for path, basis in bases.items():
        found[path] = _per_solid(top, found, path, basis, columns)
    mismatch = _read_mismatch(top.section("mismatch"), found, known)
    correlations = _read_correlations(top.section("correlations"), found)
    top.finish()
    parameters = ParameterSet(found, mismatch, version, correlations)
    try:
        parameters.mixing()
    except InputError as fault:
        top.report.add_all(fault.findings)
    return parameters


def _children(known: Mapping[str, ParameterKind]) -> dict[str, set[str]]:
    """Path of every block -> the names that may stand in it."""
    children: dict[str, set[str]] = {"": set()}
    for path in known:
        while path:
            parent, _, name = path.rpartition(".")
            inside = children.setdefault(parent, set())
            if name in inside:
                break
            inside.add(name)
            path = parent
    return children


def _read_block(
    parent: Reader,
    key: str,
    known: Mapping[str, ParameterKind],
    children: Mapping[str, set[str]],
    found: dict[str, Parameter],
    bases: dict[str, str],
) -> None:
    path = f"{parent.path}.{key}" if parent.path else key
    if path in known:
        parameter = _read_parameter(parent, key, path, known[path], bases)
        if parameter is not None:
            found[path] = parameter
    elif path in children and "." not in key:
        block = parent.section(key)
        for each in block.keys:
            _read_block(block, each, known, children, found, bases)
    else:
        parent.ignore(key)
        what = "parameter" if parent.path else "column, skid or material"
        remedy = "" if parent.report.full else did_you_mean(key[:80], children[parent.path])
        parent.fail(f'no {what} "{shorten(key)}"', remedy=remedy, key=key)


def _read_parameter(
    parent: Reader, key: str, path: str, kind: ParameterKind, bases: dict[str, str]
) -> Parameter | None:
    quantity_where = parent.where(key)
    lower, upper, uncertainty, source = kind.lower, kind.upper, None, parent.source
    if isinstance(parent.node.entries[key], Block):
        block = parent.section(key)
        source = block.source
        value = block.value("value", kind.kind)
        number = block.report.numbers.pop(f"{path}.value", None)
        if number is not None:
            block.report.numbers[path] = replace(number, path=path)
        if "bounds" in block:
            stated = block.values("bounds", kind.kind)
            if len(stated) == 2 and stated[0] <= stated[1]:
                lower, upper = max(lower, stated[0]), min(upper, stated[1])
            else:
                block.fail("bounds are a lower and an upper value", 'e.g. "[0.28, 0.42]"', key="bounds")
        if "interval" in block:  # for people: draws come from the uncertainty
            block.values("interval", kind.kind)
        if "uncertainty" in block:
            uncertainty = _read_uncertainty(block, kind.kind, value)
        if kind.per_volume:
            bases[path] = block.choice("per", _BASES)
        block.text("note", "")
        block.finish()
    else:
        value = parent.value(key, kind.kind)
        if kind.per_volume:
            parent.fail(
                "a capacity must say per what volume",
                "per: solid, particle or column",
                f'Write "{{value: {shorten(parent.text(key))}, per: column}}".',
                key=key,
            )
    if math.isnan(value):
        return None
    if not lower <= value <= upper:
        parent.fail("is out of bounds", bounds(lower, upper, kind.kind), key=key)
    if source == UNSTATED:
        parent.fail("has no source", 'a source, or "source: assumed"', key=key, severity="warning")
    return Parameter(path, value, kind.kind, source, uncertainty, lower, upper, quantity_where)


def _read_uncertainty(block: Reader, kind: Kind, value: float) -> Uncertainty | None:
    """``normal 3 %``, ``uniform 0.02``, ``normal 0.5 mS/cm``, ``lognormal 0.1``; a bare spread is normal."""
    said = block.text("uncertainty")
    shape, _, spread = said.partition(" ")
    if shape not in _SHAPES:
        shape, spread = "normal", said
    where = block.where("uncertainty")
    try:
        if shape == "lognormal":
            return Uncertainty(shape, parse(spread, POSITIVE, where=where).value)
        if spread.rstrip().endswith("%"):
            relative = value != 0.0 or bool(kind.si)  # of a plain number 0, "1 %" is 0.01
            return Uncertainty(shape, parse(spread, FRACTION, where=where).value, relative)
        width = replace(kind, name=f"{kind.name} (spread)", lower=0.0, upper=math.inf)
        return Uncertainty(shape, parse(spread, width, where=where).value)
    except InputError as fault:
        block.report.add_all(fault.findings)
        block.fail(
            f'"{shorten(said)}" is not an uncertainty',
            'e.g. "normal 3 %", "uniform 0.02", "lognormal 0.1"',
            key="uncertainty",
        )
        return None


def _per_solid(
    top: Reader, found: Mapping[str, Parameter], path: str, basis: str, columns: Mapping[str, Column]
) -> Parameter:
    """A capacity per volume of solid skeleton, from one per particle or per packed column."""
    parameter = found[path] if path in found else Parameter(path, math.nan, POSITIVE, UNSTATED)
    if basis == "solid" or path not in found:
        return parameter
    column = path.partition(".")[0]
    needed = [f"{column}.particle_porosity"]
    total = f"{column}.total_porosity"
    if basis == "column":
        needed.append(f"{column}.interstitial_porosity")
        if total in found and not any(each in found for each in needed):
            needed = [total]  # a bed model without pores
    missing = [each for each in needed if each not in found]
    if missing and column in columns:
        remedy = f"State {'it' if len(missing) == 1 else 'both'}"
        remedy += f", or {total}." if basis == "column" and len(missing) == 2 else "."
        stated = "is not stated" if len(missing) == 1 else "are not stated"
        found_text = f"is per {basis} volume, but {' and '.join(missing)} {stated}"
        top.report.add(Finding(parameter.where, found_text, remedy=remedy))
        return parameter
    scale = 1.0
    for each in needed:
        scale /= 1.0 - found[each].value
    spread = parameter.uncertainty
    if spread is not None and not spread.relative and spread.shape != "lognormal":
        spread = replace(spread, spread=spread.spread * scale)
    return replace(
        parameter,
        value=parameter.value * scale,
        lower=parameter.lower * scale,
        upper=parameter.upper * scale,
        uncertainty=spread,
    )


def _read_correlations(block: Reader, found: Mapping[str, Parameter]) -> dict[tuple[str, str], float]:
    """Pairs of parameters with normal or lognormal uncertainty: ``one: {other: -0.9}``, each pair once."""
    pairs: dict[tuple[str, str], float] = {}
    for one in block.keys:
        inside = block.section(one)
        for other in inside.keys:
            value = inside.value(other, CORRELATION)
            faults = [_not_correlated(path, found) for path in (one, other)]
            if one == other or (other, one) in pairs or (one, other) in pairs:
                faults.append("the pair stands there twice" if one != other else "a parameter with itself")
            for fault in dict.fromkeys(faults):
                if fault:
                    inside.fail(fault, "two parameters, each pair once", key=other)
            if not any(faults) and not math.isnan(value):
                pairs[one, other] = value
        inside.finish()
    return pairs


def _not_correlated(path: str, found: Mapping[str, Parameter]) -> str:
    """Why `path` can have no correlation; empty when it can."""
    if path not in found:
        return f'no parameter "{shorten(path)}"'
    spread = found[path].uncertainty
    if spread is None:
        return f'"{path}" states no uncertainty'
    return f'"{path}" is uniform' if spread.shape == "uniform" else ""


def _read_mismatch(
    block: Reader, found: Mapping[str, Parameter], known: Mapping[str, ParameterKind]
) -> dict[str, float]:
    mismatch = {}
    for path in block.keys:
        value = block.value(path, DEVIATION)
        if path in found and found[path].value == 0.0 and found[path].kind.si:
            block.fail(f'"{path}" is 0, so a relative deviation changes nothing', key=path)
        elif path in found:
            mismatch[path] = value
        elif path in known:
            block.fail(
                f'"{path}" has no value to deviate from', remedy="State the parameter first.", key=path
            )
        else:
            remedy = "" if block.report.full else did_you_mean(path[:80], found)
            block.fail(f'no parameter "{shorten(path)}"', remedy=remedy, key=path)
    return mismatch
