"""Which parameters a column needs for its bed model and its binding model, and which are not stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minifactory.errors import Finding
from minifactory.plant.model import Column, Plant, Role, Species

OF_BED: Mapping[str, tuple[str, ...]] = {
    "EDM": ("total_porosity",),
    "LRM": ("total_porosity",),
    "LRMP": ("interstitial_porosity", "particle_porosity"),
    "GRM": ("interstitial_porosity", "particle_porosity"),
}
"""Of the column, by bed model."""
OF_SPECIES: Mapping[str, tuple[str, ...]] = {
    "LRMP": ("film_coefficient",),
    "GRM": ("film_coefficient", "pore_diffusivity"),
}
"""Of every species in the column, by bed model."""
OF_BINDING: Mapping[str, tuple[str, ...]] = {"sma": ("ionic_capacity",)}
"""Of the column, by binding model."""
OF_PROTEIN: Mapping[str, tuple[str, ...]] = {
    "sma": ("k_eq", "nu", "sigma"),
    "langmuir": ("affinity", "q_max"),
    "linear": ("henry",),
}
"""Of every protein, by binding model; the first is the constant whose value 0 says that it does not bind."""


def group_of(species: Species) -> str | None:
    """The group whose parameters stand for a species that has none of its own."""
    if species.role is Role.TRACER:
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
        binding = column.binding_model.lower()
        for name in (*OF_BED.get(column.bed_model, ()), *OF_BINDING.get(binding, ())):
            if f"{column.name}.{name}" not in plant.parameters:
                yield _missing(
                    column, f"{column.name}.{name}", f"{column.bed_model} and {column.binding_model}"
                )
        for species in plant.species.values():
            for name in OF_SPECIES.get(column.bed_model, ()):
                yield from _look(plant, column, species, name, column.bed_model)
            if species.role.is_protein:
                yield from _binding(plant, column, species, binding)


def _binding(plant: Plant, column: Column, species: Species, binding: str) -> Iterator[Finding]:
    names = OF_PROTEIN.get(binding, ())
    if not names:
        return
    first = plant.parameters.first(paths(column.name, species, names[0]), float("nan"))
    if first == 0.0:
        return
    for name in names:
        yield from _look(plant, column, species, name, column.binding_model)


def _look(plant: Plant, column: Column, species: Species, name: str, model: str) -> Iterator[Finding]:
    wanted = paths(column.name, species, name)
    if not any(path in plant.parameters for path in wanted):
        yield _missing(column, wanted[0], model)


def _missing(column: Column, path: str, model: str) -> Finding:
    constants = {names[0] for names in OF_PROTEIN.values()}
    other = ", or 0 if it does not bind" if path.rsplit(".", 1)[1] in constants else ""
    return Finding(
        "parameters.yaml",
        f'"{path}" is not stated',
        f"a value: column {column.name} is described by {model}",
        f"State it with its source{other}.",
    )
