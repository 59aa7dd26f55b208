"""Which parameters a full-curve fit frees by itself, with bounds and priors, and how a user names others.

A parameter that the case states from a measurement (or an earlier calibration) with an uncertainty keeps it
as
its prior; one that is assumed gets the wide priors below, each with its reason. Equilibrium constants get
none:
the data must tell them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from minifactory.calibration.estimation.space import Free, Prior, Scale
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.bindings import find_binding
from minifactory.plant.model import Column, Plant, Species
from minifactory.plant.parameter_file import known_parameters
from minifactory.plant.parameter_kinds import ParameterKind
from minifactory.plant.parameters import Parameter
from minifactory.plant.requirements import paths
from minifactory.units import Kind, parse

LOGARITHMIC = frozenset(
    (
        *("k_eq", "nu", "sigma", "k_kin", "henry", "affinity", "q_max", "ionic_capacity"),
        *("film_coefficient", "transfer_coefficient", "pore_diffusivity", "surface_diffusivity"),
        *("axial_dispersion", "dispersivity"),
    )
)
"""Parameters that are estimated as logarithms."""
FEED = "feed strength"
CHARGES = (
    "3 to 8 are usual on strong exchangers (lysozyme 4.7, cytochrome c 5.3, RNase 3.7 on SP Sepharose FF: "
    "Osberghaus 2012; antibodies up to twice that): a factor of 2.2 either way"
)
WIDE: Mapping[str, tuple[float, str]] = {
    "nu": (0.4, CHARGES),
    "sigma": (1.0, "assumed: known to a factor of 7 either way"),
    "film_coefficient": (0.7, "assumed: known to a factor of 4 either way"),
    "transfer_coefficient": (0.7, "assumed: known to a factor of 4 either way"),
    "pore_diffusivity": (0.7, "assumed: known to a factor of 4 either way"),
    "q_max": (0.7, "assumed: known to a factor of 4 either way"),
    "affinity": (2.0, "assumed: known to a factor of 50 either way"),
    FEED: (0.7, "assumed: feed and extinction known to a factor of 4 either way"),
    "strength": (0.01, "assumed: buffers are made to 1 %"),
    "gain": (0.01, "assumed: detectors are calibrated to 1 %"),
    "volume_factor": (0.03, "assumed: lines are known to a few per cent"),
}
"""Prior deviations (of the logarithm, or relative) of what is assumed only, with the reason."""
TRANSPORT = {"TDM": "transfer_coefficient", "LRMP": "film_coefficient", "GRM": "pore_diffusivity"}
"""The transport coefficient of a species that a bed model's curves depend on most."""
BESIDE = frozenset(
    (
        *("interstitial_porosity", "particle_porosity", "total_porosity", "dispersivity", "axial_dispersion"),
        *("ionic_capacity", "q_max", "film_coefficient", "pore_diffusivity", "pore_accessibility"),
        *("volume_factor", "gain", "offset", "strength"),
    )
)
"""What is free beside the parameters asked for, where it is stated with an uncertainty."""
SPAN = {"k_eq": 25.0, "henry": 10.0, "affinity": 12.0}
"""Half width of the bounds (natural logarithm) around the start value."""


def free_parameter(plant: Plant, path: str, lower: float | None = None, upper: float | None = None) -> Free:
    """The free parameter of any `path` of the description, with bounds (SI) where given.

    Raises
    ------
    InputError
        There is no such parameter, or it has no value to start from.
    """
    known = known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    if path not in known:
        raise InputError(Finding("--estimate", f'no parameter "{path}"', remedy=did_you_mean(path, known)))
    kind = known[path]
    stated = _stated(plant, path, kind)
    if stated is None and (lower is None or upper is None):
        raise InputError(
            Finding(
                "--estimate",
                f"{path} has no value to start from",
                "a value in parameters.yaml, or bounds",
                f'Write e.g. "{path}=1e-7..1e-5" with units.',
            )
        )
    if stated is None:
        assert lower is not None
        assert upper is not None
        start = math.sqrt(lower * upper) if lower > 0.0 else 0.5 * (lower + upper)
        stated = Parameter(path, start, kind.kind, "assumed", None, kind.lower, kind.upper)
    value = stated.value
    log = _is_log(path, plant) and value > 0.0
    name = path.rsplit(".", 1)[-1]
    if log:
        span = SPAN.get(name, math.log(100.0))
        low, high = value * math.exp(-span), value * math.exp(span)
    else:
        width = max(abs(value), 1e-9)
        low, high = value - 2.0 * width, value + 2.0 * width
    low, high = max(low, stated.lower, kind.lower), min(high, stated.upper, kind.upper)
    low, high = (low if lower is None else lower), (high if upper is None else upper)
    if log:
        low = max(low, 1e-200)
    start = min(max(value, low), high)
    given = lower is not None and upper is not None
    prior = None if given else _prior(plant, stated, path, log)
    return Free(path, kind.kind, start, low, high, Scale.LOG if log else Scale.LINEAR, prior)


def _is_log(path: str, plant: Plant) -> bool:
    name = path.rsplit(".", 1)[-1]
    return name in LOGARITHMIC or (name == "strength" and is_feed_strength(path, plant))


def is_feed_strength(path: str, plant: Plant) -> bool:
    """Whether `path` is the strength of a protein in a material."""
    parts = path.split(".")
    return len(parts) == 3 and parts[0] in plant.materials and _is_protein(plant.species.get(parts[1]))


def _is_protein(species: Species | None) -> bool:
    return species is not None and species.role.is_protein


def _stated(plant: Plant, path: str, kind: ParameterKind) -> Parameter | None:
    """The parameter, or what stands for it: the group's, the column's, the default."""
    found = plant.parameters.parameters.get(path)
    if found is not None:
        return found
    parts = path.split(".")
    if len(parts) == 3 and parts[0] in plant.columns and parts[1] in plant.species:
        for general in paths(parts[0], plant.species[parts[1]], parts[2]):
            found = plant.parameters.parameters.get(general)
            if found is not None:
                return replace(found, path=path, kind=kind.kind, lower=kind.lower, upper=kind.upper)
    if parts[-1] == "strength":
        return Parameter(path, 1.0, kind.kind, "assumed", None, kind.lower, kind.upper)
    return None


def _prior(plant: Plant, stated: Parameter, path: str, log: bool) -> Prior | None:
    assumed = stated.source.strip().lower().startswith(("assumed", "by definition", "not stated"))
    spread = stated.uncertainty
    if spread is not None and not assumed and stated.value != 0.0:
        size = (
            spread.spread
            if spread.shape == "lognormal" or spread.relative
            else spread.spread / abs(stated.value)
        )
        size = size / math.sqrt(3.0) if spread.shape == "uniform" else size
        return Prior(stated.value, max(size * (1.0 if log else abs(stated.value)), 1e-12), stated.source)
    name = FEED if is_feed_strength(path, plant) else path.rsplit(".", 1)[-1]
    wide = WIDE.get(name)
    if wide is None:
        return None
    return Prior(
        stated.value, wide[0] * (1.0 if log else abs(stated.value)), f"{wide[1]} around {stated.value:.3g}"
    )


def automatic(plant: Plant, column: str, feeds: Sequence[str], buffers: Sequence[str]) -> list[str]:
    """The paths that a full-curve fit frees: isotherm, transport and amount of proteins, buffer strength."""
    model = plant.columns[column]
    binding = find_binding(model.binding_model)
    constants = () if binding is None else tuple(dict.fromkeys((binding.strength, *binding.of_species)))
    transport = TRANSPORT.get(model.bed_model)
    loaded = {name for feed in feeds for name, c in plant.materials[feed].composition.items() if c > 0.0}
    found: list[str] = []
    for species in plant.species.values():
        if not species.role.is_protein or species.name not in loaded:
            continue
        own = {name: paths(column, species, name) for name in constants}
        values = [plant.parameters.first(own[name], 0.0) for name in constants]
        if binding is not None and values and values[0] != binding.unbound:
            found += [f"{column}.{species.name}.{name}" for name in constants]
            if transport is not None:
                found.append(f"{column}.{species.name}.{transport}")
        found += [
            f"{feed}.{species.name}.strength"
            for feed in feeds
            if species.name in plant.materials[feed].composition
        ]
    found += [f"{buffer}.strength" for buffer in buffers]
    return found


def beside(
    plant: Plant, column: Column, skid: str, chosen: Sequence[Free], held: Sequence[str]
) -> list[Free]:
    """What a fit frees beside `chosen` because it is not exactly known: the stated uncertainty is its prior.

    These are parameters of the column, the skid's equipment and the materials that curves depend on. Held at
    their stated values they would make the intervals of all others as narrow as the points scatter, around
    values that carry the error of the stated ones.
    """
    taken = {item.path for item in chosen}
    found = []
    for path, stated in plant.parameters.parameters.items():
        owner, _, rest = path.partition(".")
        parts, spread = rest.split("."), stated.uncertainty
        if spread is None or not spread.spread > 0.0 or path in taken or path in held or stated.value == 0.0:
            continue
        own = owner == skid or owner in plant.materials or owner == column.name
        protein = len(parts) > 1 and owner == column.name and _is_protein(plant.species.get(parts[0]))
        if not own or protein or parts[-1] not in BESIDE:
            continue
        free = free_parameter(plant, path)
        relative = spread.shape == "lognormal" or spread.relative
        size = spread.spread / (1.0 if relative else abs(stated.value))
        size = size / math.sqrt(3.0) if spread.shape == "uniform" else size
        prior = Prior(
            stated.value, size * (1.0 if free.scale is Scale.LOG else abs(stated.value)), stated.source
        )
        found.append(replace(free, prior=prior))
    return found


def parsed(plant: Plant, text: str) -> Free:
    """A free parameter as people name it: ``C1.product.nu`` or ``C1.product.nu=2..12``, bounds with units.

    Raises
    ------
    InputError
        As :func:`free_parameter`, or bounds that cannot be read.
    """
    path, _, limits = text.partition("=")
    path = path.strip()
    if not limits:
        return free_parameter(plant, path)
    low, dots, high = limits.partition("..")
    if not dots:
        raise InputError(Finding("--estimate", f'"{text}" has no upper bound', f'e.g. "{path}=2..12"'))
    known = known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    if path not in known:
        raise InputError(Finding("--estimate", f'no parameter "{path}"', remedy=did_you_mean(path, known)))
    kind: Kind = known[path].kind
    bounds = [parse(part, kind, where=f"--estimate {path}").value for part in (low, high)]
    return free_parameter(plant, path, *bounds)
