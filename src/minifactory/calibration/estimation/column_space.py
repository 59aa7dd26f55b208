"""What pulses can tell of lines, column and tracer: free parameters with start values, bounds and priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from minifactory.calibration.estimation.pulses import SALT, TRACER, Pulse
from minifactory.calibration.estimation.result import Step
from minifactory.calibration.estimation.space import Free, Prior, Scale, Space
from minifactory.plant.model import Column
from minifactory.plant.parameter_kinds import COLUMN, COLUMN_SPECIES
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.flowsheet import Flowsheet
from minifactory.units import Kind

ACCESS, FILM, DIFFUSION = "tracer.pore_accessibility", "tracer.film_coefficient", "tracer.pore_diffusivity"
TRACER_KINDS: Mapping[str, Kind] = {
    ACCESS: COLUMN_SPECIES["pore_accessibility"].kind,
    FILM: COLUMN_SPECIES["film_coefficient"].kind,
    DIFFUSION: COLUMN_SPECIES["pore_diffusivity"].kind,
}
FILM_START, DIFFUSION_START = 1e-6, 1e-11
LINE_SPREAD = 0.03
"""Relative deviation of the lines' volumes when nothing else is stated."""


def moved(free: Free, values: Mapping[str, float] | None) -> Free:
    """The same parameter with another start value."""
    if values is None or free.path not in values:
        return free
    return replace(free, start=min(max(values[free.path], free.lower), free.upper))


def column_space(
    pulses: Sequence[Pulse], column: Column, parameters: ParameterSet, factor: Free
) -> tuple[Space, dict[str, float]]:
    """What `pulses` can tell beside the lines (`factor`), and the values (SI by path) that are held."""
    name = column.name
    kinds = {f"{name}.{key}": kind for key, kind in COLUMN.items()}
    salt = any(SALT in p.species for p in pulses)
    tracer = any(TRACER in p.species for p in pulses)
    grm = column.bed_model == "GRM"

    def start(path: str, default: float) -> float:
        value = parameters.get_or(path, default)
        return value if value > 0.0 else default

    def fraction(key: str, default: float) -> Free:
        kind = kinds[f"{name}.{key}"]
        low, high = max(kind.lower, 0.05), min(kind.upper, 0.99)
        value = min(max(start(f"{name}.{key}", default), low + 0.01), high - 0.01)
        return Free(f"{name}.{key}", kind.kind, value, low, high)

    free = [fraction("interstitial_porosity", 0.36), fraction("particle_porosity", 0.8)]
    free.append(
        Free(
            f"{name}.dispersivity",
            kinds[f"{name}.dispersivity"].kind,
            start(f"{name}.dispersivity", 3e-4),
            1e-6,
            2e-2,
            Scale.LOG,
        )
    )
    fixed = {
        f"{name}.axial_dispersion": parameters.get_or(f"{name}.axial_dispersion", 0.0),
        f"{name}.ions.pore_diffusivity": parameters.get_or(f"{name}.ions.pore_diffusivity", 5e-10),
    }
    film = start(f"{name}.ions.film_coefficient", 5e-5)
    if salt:
        free.append(Free(f"{name}.ions.film_coefficient", TRACER_KINDS[FILM], film, 1e-7, 1e-2, Scale.LOG))
    fixed[f"{name}.ions.film_coefficient"] = film
    if tracer:
        free.append(Free(ACCESS, TRACER_KINDS[ACCESS], 0.5, 0.02, 1.0))
        if grm:
            free.append(Free(DIFFUSION, TRACER_KINDS[DIFFUSION], DIFFUSION_START, 1e-14, 1e-9, Scale.LOG))
            fixed[FILM] = 5e-6
        else:
            free.append(Free(FILM, TRACER_KINDS[FILM], FILM_START, 1e-9, 1e-3, Scale.LOG))
    else:
        # Salt alone tells the whole liquid volume only: the share between the particles is held.
        free = [item for item in free if not item.path.endswith("interstitial_porosity")]
        fixed[f"{name}.interstitial_porosity"] = start(f"{name}.interstitial_porosity", 0.36)
    return Space((*free, factor)), fixed


def line_factor(sheet: Flowsheet, lines: Step | None) -> Free:
    """The factor on the lines' volumes: its prior is what by-pass pulses told, else what is stated."""
    path = f"{sheet.skid.name}.volume_factor"
    stated = sheet.parameters.parameters[path]
    if lines is not None:
        told = {item.path: item for item in lines.estimates}[path]
        prior = Prior(told.value, max(told.spread, 1e-4), "pulses without column")
        return Free(path, stated.kind, told.value, 0.2, 5.0, Scale.LINEAR, prior)
    spread = stated.uncertainty.spread if stated.uncertainty else LINE_SPREAD
    source = stated.source if stated.uncertainty else "assumed: lines are known to a few per cent"
    prior = Prior(stated.value, spread, source)
    return Free(path, stated.kind, stated.value, 0.2, 5.0, Scale.LINEAR, prior)
