"""Which parameters a column needs for its bed model and its binding model, and which are not stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from minifactory.errors import Finding
from minifactory.plant.bindings import BUILT_IN, PH_SPECIES, BindingKind, find_binding
from minifactory.plant.model import REACTING, Column, DeviceKind, Plant, Role, Species
from minifactory.plant.parameter_kinds import REACTING_PROTEIN

FILM = ("film_coefficient", "free_diffusivity")
"""Either of them gives the film: stated, or by correlation."""
OF_BED: Mapping[str, tuple[str, ...]] = {
    "EDM": ("total_porosity",),
    "LRM": ("total_porosity",),
    "TDM": ("total_porosity",),
    "LRMP": ("interstitial_porosity", "particle_porosity"),
    "GRM": ("interstitial_porosity", "particle_porosity"),
}
"""Of the column, by bed model."""
OF_SPECIES: Mapping[str, tuple[str, ...]] = {
    "TDM": ("transfer_coefficient",),
    "LRMP": ("film_coefficient",),
    "GRM": ("film_coefficient", "pore_diffusivity"),
}
"""Of every species in the column, by bed model."""


def group_of(species: Species) -> str | None:
    """The group whose parameters stand for a species that has none of its own."""
    if species.name == PH_SPECIES:
        return "ions"
    if species.role in (Role.TRACER, Role.VIRUS):
        return None
    return "proteins" if species.role.is_protein else "ions"


def paths(column: str, species: Species, name: str) -> tuple[str, ...]:
    """Where parameter `name` of `species` in `column` may be stated, the particular before the general."""
    group = group_of(species)
    general = (f"{column}.{group}.{name}",) if group else ()
    return (f"{column}.{species.name}.{name}", *general, f"{column}.{name}")


def missing_parameters(plant: Plant) -> Iterator[Finding]:
    """A finding for each parameter that the models of the plant's columns need and nobody states."""
    for column in plant.columns.values():
        binding = find_binding(column.binding_model)
        of_binding = binding.of_column if binding else ()
        for name in (*OF_BED.get(column.bed_model, ()), *of_binding):
            if f"{column.name}.{name}" not in plant.parameters:
                yield _missing(
                    column, f"{column.name}.{name}", f"{column.bed_model} and {column.binding_model}"
                )
        for species in plant.species.values():
            for name in OF_SPECIES.get(column.bed_model, ()):
                yield from _look(plant, column, species, name, column.bed_model)
            if binding is not None and species.role.is_protein:
                yield from _binding(plant, column, species, binding)
        for modulator in column.modulators:
            yield from _look(plant, column, plant.species[modulator], "reference", column.binding_model)
    yield from _of_precipitation(plant)
    yield from _of_membranes(plant)


def _of_membranes(plant: Plant) -> Iterator[Finding]:
    """Of every protein and virus a membrane needs the sieving; a limit of its flux needs a mass transfer."""
    for skid in plant.skids.values():
        for device in skid.of_kind(DeviceKind.MEMBRANE):
            path = f"{skid.name}.{device.name}"
            wanted = [
                (f"{path}.{item.name}.sieving", f"a value: the part of {item.name} that passes {device.name}")
                for item in plant.species.values()
                if item.role.is_protein or item.role is Role.VIRUS
            ]
            limits = [
                name
                for name in ("gel_concentration", "osmotic_pressure")
                if f"{path}.{name}" in plant.parameters
            ]
            if limits:
                wanted.append((f"{path}.mass_transfer", f"a value: {limits[0]} of {device.name} is stated"))
            if f"{path}.cross_flow_power" in plant.parameters:
                wanted.append((f"{path}.cross_flow", "the feed at which the mass transfer is the one stated"))
            for name, expected in wanted:
                if name not in plant.parameters:
                    yield Finding(
                        "parameters.yaml", f'"{name}" is not stated', expected, "State it with its source."
                    )


def _of_precipitation(plant: Plant) -> Iterator[Finding]:
    """What falls out needs its solubility."""
    places = [
        (skid.name, device.name)
        for skid in plant.skids.values()
        for device in skid.devices.values()
        if device.kind in REACTING
    ]
    for (skid, device), species in product(places, plant.species):
        path = f"{skid}.{device}.{species}"
        if not plant.parameters.get_or(f"{path}.precipitation_rate", 0.0):
            continue
        for name in REACTING_PROTEIN:
            if f"{path}.{name}" not in plant.parameters:
                yield Finding(
                    "parameters.yaml",
                    f'"{path}.{name}" is not stated',
                    f"a value: {species} precipitates in {device}",
                    "State it with its source.",
                )


def _binding(plant: Plant, column: Column, species: Species, binding: BindingKind) -> Iterator[Finding]:
    first = plant.parameters.first(paths(column.name, species, binding.strength), float("nan"))
    if first == binding.unbound:
        return
    for name in dict.fromkeys((binding.strength, *binding.of_species)):
        yield from _look(plant, column, species, name, column.binding_model)


def _look(plant: Plant, column: Column, species: Species, name: str, model: str) -> Iterator[Finding]:
    wanted = paths(column.name, species, name)
    if name == FILM[0] and plant.parameters.first(paths(column.name, species, FILM[1]), 0.0) > 0.0:
        velocity = f"{column.name}.design_velocity"
        if velocity not in plant.parameters:
            yield _missing(column, velocity, "a film by correlation")
        return
    if not any(path in plant.parameters for path in wanted):
        yield _missing(column, wanted[0], model)


def _missing(column: Column, path: str, model: str) -> Finding:
    never = {kind.strength: kind.unbound for kind in BUILT_IN}.get(path.rsplit(".", 1)[1])
    other = "" if never is None else f", or {never:g} if it does not bind"
    return Finding(
        "parameters.yaml",
        f'"{path}" is not stated',
        f"a value: column {column.name} is described by {model}",
        f"State it with its source{other}.",
    )
