"""The files of a generated case as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from minifactory.calibration.generation.acts import Act, Deed
from minifactory.calibration.generation.equipment import OWN_PARTICLES, ChosenColumn, ChosenSystem
from minifactory.calibration.generation.levels import Liquids
from minifactory.calibration.generation.phases import PlannedPhase
from minifactory.calibration.generation.plumbing import Plumbing
from minifactory.calibration.generation.yaml_text import Inline, sourced, yaml_text
from minifactory.plant.model import DeviceKind, Port
from minifactory.records.chromatogram import ChromatogramFile
from minifactory.units import CONDUCTIVITY, LENGTH, PRESSURE, VOLUME, show

SKID = "akta1"
INTERSTITIAL = 0.35
"""Interstitial porosity of a bed of spheres, from which the rest of the liquid follows."""
LEAST_PARTICLE_POROSITY, MOST_PARTICLE_POROSITY = 0.3, 0.97
SPARE = 1.2
"""Times what was used: what a vessel holds."""


@dataclass(frozen=True)
class Lines:
    """Total porosity of the bed and volumes (m3) of devices, with sources."""

    total_porosity: float
    porosity_source: str
    volumes: Mapping[str, tuple[float, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """Everything that the files are written from."""

    file: ChromatogramFile
    system: ChosenSystem
    column: ChosenColumn
    place: str
    phases: tuple[PlannedPhase, ...]
    acts: tuple[Act, ...]
    vessels: Mapping[Port, str]
    outlets: Mapping[str, str]
    liquids: Liquids
    lines: Lines
    feed_vessel: str
    loop: tuple[str, float, str] | None
    """Device, volume (m3) and source of the loop that holds the feed."""
    held_by: Mapping[str, str]
    """Device -> material at the start, where it differs from the rest."""
    pressure_limit: float | None
    temperature: tuple[float, str]


def factory_text(draft: Draft) -> str:
    """``factory.yaml``."""
    file = draft.file
    skid: dict[str, Any] = {
        "system": draft.system.name,
        "filled_with": draft.liquids.filling,
    }
    if draft.held_by:
        skid["contents"] = Inline(draft.held_by)
    if draft.pressure_limit is not None:
        skid["max_pressure"] = sourced(
            show(draft.pressure_limit, PRESSURE), "file: alarm limit of the system pressure"
        )
    devices: dict[str, Any] = {
        name: Inline(volume=sourced(show(volume, VOLUME), source))
        for name, (volume, source) in draft.lines.volumes.items()
    }
    if draft.loop is not None:
        name, volume, source = draft.loop
        # As wide as it is needed to hold the volume at a length of 30 cm: a superloop, no long capillary.
        width = math.sqrt(volume / (0.3 * math.pi / 4.0))
        devices[name] = Inline(
            inner_diameter=sourced(show(max(width, 0.5e-3), LENGTH), "assumed"),
            volume=sourced(show(volume, VOLUME), source),
        )
    if devices:
        skid["devices"] = devices
    document: dict[str, Any] = {
        "name": f"generated from {PurePath(file.source.path).name}",
        "description": f"{file.name}, {draft.column.source}",
        "temperature": sourced(f"{draft.temperature[0] - 273.15:.4g} degC", draft.temperature[1]),
        "skids": {SKID: skid},
        "species": {
            "product": {
                "role": "product",
                "source": "assumed: the file does not tell what was purified",
                "molar_mass": "150 kg/mol",
                "extinction": Inline({"280 nm": "1.4 AU*L/(g*cm)"}),
            }
        },
        "materials": _materials(draft),
        "vessels": _vessels(draft),
        "columns": {"C1": _column(draft)},
    }
    comment = (
        f"Generated from {PurePath(file.source.path).name} (SHA-256 {file.source.sha256}).\n"
        f'"file" is that file; what it does not tell says "assumed" and is listed in README.md.\n'
        f"System: {draft.system.source}."
    )
    return yaml_text(document, comment)


def _materials(draft: Draft) -> dict[str, Any]:
    found = {}
    for liquid in draft.liquids.held.values():
        entry: dict[str, Any] = {}
        if liquid.description:
            entry["description"] = liquid.description
        entry["source"] = f"assumed: {liquid.basis}; {liquid.source}" if liquid.basis else liquid.source
        entry["composition"] = Inline(
            {name: f"{amount:.5g} mM" for name, amount in liquid.composition.items() if amount > 1e-6}
        )
        if liquid.ph is not None:
            entry["pH"] = sourced(round(liquid.ph, 2), liquid.source)
        if liquid.conductivity is not None:
            entry["conductivity"] = sourced(show(liquid.conductivity, CONDUCTIVITY), liquid.source)
        found[liquid.name] = entry
    return found


def _vessels(draft: Draft) -> dict[str, Any]:
    used: dict[str, float] = {}
    received: dict[str, float] = {}
    kinds: dict[str, set[str]] = {}
    washes = sum(1 for phase in draft.phases if phase.stretch is None)
    total = 0.0
    for phase in draft.phases:
        if phase.stretch is None:
            continue
        total += phase.stretch.volume
        # The larger share of either: where in the phase the gradient lies does not matter then.
        shares = (1.0 - min(phase.composition) / 100.0, max(phase.composition) / 100.0)
        names = [draft.vessels.get(port, "") for port in phase.sources]
        for name, share in zip(names, shares, strict=True):
            used[name] = used.get(name, 0.0) + share * phase.stretch.volume
        inside = phase.entries.get("watch", {}).values()
        for settings in (phase.entries, *inside):
            if "outlet" in settings:
                received[settings["outlet"]] = received.get(settings["outlet"], 0.0) + phase.stretch.volume
                kinds.setdefault(settings["outlet"], set()).add(phase.kind)
    found: dict[str, Any] = {}
    for port, name in draft.vessels.items():
        liquid = draft.liquids.held[name]
        volume = _round_up(SPARE * used.get(name, 0.0) + 50e-6 + 100e-6 * washes)
        entry = Inline(
            material=liquid.name,
            volume=sourced(
                show(volume, VOLUME), f"assumed: {show(used.get(name, 0.0), VOLUME)} used, and spare"
            ),
        )
        if name == draft.feed_vessel:
            entry["purpose"] = "feed"
        entry["connected"] = f"{SKID}.{port}"
        found[name] = entry
    for name, port in standby(draft).items():
        found[name] = Inline(
            material=draft.liquids.filling,
            volume=sourced("50 mL", "assumed: not used"),
            connected=f"{SKID}.{port}",
        )
    found["waste"] = Inline(
        capacity=sourced(show(_round_up(2.0 * total + 1e-3 + 200e-6 * washes), VOLUME), "assumed"),
        purpose="waste",
        connected=f"{SKID}.{_waste_port(draft)}",
    )
    for position, name in draft.outlets.items():
        if name == "waste":
            continue
        kind = kinds.get(name, set())
        purpose = "pool" if kind == {"elute"} else "flow-through" if kind == {"load"} else "other"
        found[name] = Inline(
            capacity=sourced(show(_round_up(SPARE * received.get(name, total) + 50e-6), VOLUME), "assumed"),
            purpose=purpose,
            connected=f"{SKID}.{_outlet_valve(draft)}.{position}",
        )
    return found


def standby(draft: Draft) -> dict[str, Port]:
    """Vessels at the inlets where the valves stand before the run, when the run uses others."""
    plumbing = Plumbing(draft.system.system.equipment)
    first = plumbing.first_positions()
    ports = {
        f"standby_{letter.lower()}": plumbing.intake(letter, first).port
        for letter in "AB"[: len(plumbing.pumps)]
    }
    return {name: port for name, port in ports.items() if port not in draft.vessels}


def _outlet_valve(draft: Draft) -> str:
    return Plumbing(draft.system.system.equipment).outlet_valve()


def _waste_port(draft: Draft) -> str:
    valve = _outlet_valve(draft)
    positions = draft.system.system.equipment.devices[valve].positions
    waste = next((name for name in positions if "waste" in name.lower()), next(iter(positions)))
    return f"{valve}.{waste}"


def _round_up(volume: float) -> float:
    """`volume` (m3) rounded up to two digits."""
    if volume <= 0.0:
        return 1e-4
    step = 10.0 ** (math.floor(math.log10(volume)) - 1)
    return math.ceil(volume / step - 1e-9) * step


def _column(draft: Draft) -> dict[str, Any]:
    column = draft.column
    entry: dict[str, Any] = {}
    hardware = column.hardware
    packed = hardware is not None and hardware.fixed
    if hardware is not None:
        entry["hardware"] = hardware.name
    else:
        entry["inner_diameter"] = sourced(show(column.diameter, LENGTH), "assumed")
        entry["max_pressure"] = sourced("0.5 MPa", "assumed")
    if column.resin is not None:
        entry["resin"] = column.resin.name
    else:
        entry["resin"] = "unknown medium"
        entry["particle_diameter"] = sourced(f"{OWN_PARTICLES * 1e6:g} um", "assumed")
    if not (packed and hardware and abs(column.bed_height / hardware.max_bed_height - 1.0) <= 0.002):
        entry["bed_height"] = sourced(f"{column.bed_height * 100.0:.5g} cm", f"from {column.volume_source}")
    entry["skid"] = SKID
    entry["position"] = draft.place
    entry["bed_model"] = "LRMP"
    entry["binding"] = "none"
    return entry


def recipe_text(draft: Draft) -> str:
    """``recipe.yaml``."""
    operations: dict[str, Any] = {}
    for phase in draft.phases:
        body = operations.setdefault(phase.operation, {"phases": {}})["phases"]
        body[phase.name] = dict(phase.entries)
    first = next(phase for phase in draft.phases if phase.stretch is not None)
    start: dict[str, Any] = {}
    for letter, port in zip("ab", first.sources, strict=True):
        if port in draft.vessels:
            start[f"inlet_{letter}"] = draft.vessels[port]
    settings = _settings(draft)
    if settings:
        start["set"] = Inline(settings)
    unit = {
        "skid": SKID,
        "column": "C1",
        "start": start,
        "safe": Inline(outlet="waste"),
        "operations": operations,
    }
    document: dict[str, Any] = {
        "name": PurePath(draft.file.source.path).stem,
        "version": "1",
        "description": f"As executed in {draft.file.name}",
    }
    if draft.pressure_limit is not None:
        limit = show(draft.pressure_limit, PRESSURE)
        document["interlocks"] = {
            "pressure_limit": Inline(
                when=f"for(Pressure > {limit}, 2 s)", action="hold", message="System pressure over the limit"
            )
        }
    document["procedure"] = {"main": unit}
    comment = (
        'What was executed, from the log of the file ("file"). Changes within the first half per cent of a\n'
        "step are set at its start. What a person did by hand is in README.md."
    )
    return yaml_text(document, comment)


def _settings(draft: Draft) -> dict[str, str]:
    """Set-points for the start: wavelengths that the system's detector takes."""
    devices = draft.system.system.equipment.devices.values()
    cells = [device for device in devices if device.kind is DeviceKind.UV_CELL]
    channels = int(cells[0].value("channels", 1.0)) if cells else 0
    if not channels:
        return {}
    low, high = cells[0].value("min_wavelength", 0.0), cells[0].value("max_wavelength", 1.0)
    found: dict[str, str] = {}
    for act in draft.acts:
        if act.deed is Deed.WAVELENGTH and int(act.name[-1]) <= channels and low <= act.amount <= high:
            found.setdefault(f"{act.name}.Wavelength", f"{act.amount * 1e9:.4g} nm")
    return found


def parameters_text(draft: Draft) -> str:
    """``parameters.yaml``."""
    total, source = draft.lines.total_porosity, draft.lines.porosity_source
    pores = (total - INTERSTITIAL) / (1.0 - INTERSTITIAL)
    pores = min(max(pores, LEAST_PARTICLE_POROSITY), MOST_PARTICLE_POROSITY)
    particles = draft.column.resin.particle_diameter if draft.column.resin else OWN_PARTICLES
    document = {
        "version": "1",
        "description": f"Transport only, generated from {PurePath(draft.file.source.path).name}",
        "source": "assumed",
        "C1": {
            "interstitial_porosity": Inline(
                value=INTERSTITIAL,
                uncertainty="normal 3 %",
                source="assumed: typical of packed beds of beads",
            ),
            "particle_porosity": Inline(value=round(pores, 4), uncertainty="normal 2 %", source=source),
            "dispersivity": sourced(f"{4e3 * particles:.3g} mm", "assumed: four particle diameters"),
            "ions": Inline(film_coefficient=sourced("5e-5 m/s", "assumed")),
            "proteins": Inline(film_coefficient=sourced("5e-6 m/s", "assumed")),
        },
        SKID: {
            "volume_factor": Inline(
                value=1, uncertainty="normal 3 %", source="assumed: lines are known to a few per cent"
            ),
            "Cond": Inline(gain=Inline(value=1, uncertainty="normal 1 %", source="assumed: cell constant")),
        },
    }
    return yaml_text(document, "Model parameters; there is no isotherm: one run does not tell it.")


def targets_text(draft: Draft, duration: float) -> str:
    """``targets.yaml``; `duration` (s) is that of the measured run."""
    limit = (
        draft.pressure_limit
        if draft.pressure_limit is not None
        else draft.system.system.equipment.max_pressure
    )
    document = {
        "source": "assumed",
        "product": "product",
        "targets": {
            "duration": f"<= {math.ceil(SPARE * duration / 360.0) / 10.0:g} h",
            "max_pressure": f"<= {show(limit, PRESSURE)}",
        },
    }
    return yaml_text(document, "What the run must achieve. The file states no targets: these are assumed.")


def original_text(file: ChromatogramFile, name: str) -> str:
    """``original.yaml``: the measured file by `name` below the data folder."""
    document = {"file": name, "source": f"{file.name}, SHA-256 {file.source.sha256}"}
    return yaml_text(
        document,
        "The measured run, looked for in data/ of this case, in MINIFACTORY_DATA and beside the checkout.",
    )
