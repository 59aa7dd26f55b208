"""The bed of a described column: its model, transport coefficients and binding model, from the parameters.

Film and axial dispersion are stated, or follow from the free diffusivity at the column's design velocity by
the correlations of Wilson and Geankoplis, and Rastegar and Gu (:mod:`minifactory.twin.transport`); what a
correlation gives also follows the flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minifactory.plant.bindings import BindingKind, Term, find_binding, plug_in_class
from minifactory.plant.model import Column, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.requirements import paths
from minifactory.twin import binding as models
from minifactory.twin import transport
from minifactory.twin.binding import BindingModel, LinearDrivingForce, NoBinding
from minifactory.twin.engine import Bed, BedModel, ParticleSize


def packed_bed(column: Column, species: tuple[Species, ...], parameters: ParameterSet, elements: int) -> Bed:
    """The bed of `column`; every parameter that its models need is there."""
    need = _Parameters(column, species, parameters)
    model = BedModel[column.bed_model]
    pores, resolved = model.porous, model is BedModel.GRM
    porosity = need.column("interstitial_porosity" if pores else "total_porosity")
    sizes = tuple(ParticleSize(0.5 * diameter, share) for diameter, share in column.particle_sizes)
    standing, per_velocity = _dispersion(column, need, porosity)
    return Bed(
        name=column.name,
        length=column.bed_height,
        area=column.area,
        interstitial_porosity=porosity,
        model=model,
        particle_porosity=need.column("particle_porosity") if pores else 0.0,
        particle_radius=0.5 * column.particle_diameter if pores and not column.particle_sizes else 0.0,
        particle_sizes=sizes if pores else (),
        film_coefficient=_film(column, need, porosity) if pores else 0.0,
        film_exponent=_film_exponent(column, need) if pores else 0.0,
        film_velocity=need.stated(f"{column.name}.design_velocity") or 0.0,
        pore_diffusion=need.of_all("pore_diffusivity") if resolved else 0.0,
        surface_diffusion=need.of_all("surface_diffusivity") if resolved else 0.0,
        transfer_coefficient=need.of_all("transfer_coefficient") if model is BedModel.TDM else 0.0,
        accessibility=need.of_all("pore_accessibility", 1.0),
        binding=binding_model(column, species, parameters),
        elements=elements,
        axial_dispersion=standing,
        dispersivity=per_velocity,
    )


def binding_model(column: Column, species: tuple[Species, ...], parameters: ParameterSet) -> BindingModel:
    """The binding model of a column; a species whose strength says so, and an ion without, does not bind."""
    kind = find_binding(column.binding_model)
    if kind is None:
        return NoBinding()
    need = _Parameters(column, species, parameters)
    strengths = need.of_all(kind.strength, kind.unbound)
    bound = [name for name, value in strengths.items() if value > kind.unbound]
    if not bound:
        return NoBinding()
    arguments: dict[str, Any] = dict(kind.constants)
    for term in kind.species:
        arguments.update(_numbers(term, need, bound))
    for term in kind.column:
        values = [need.stated(f"{column.name}.{name}") for name in term.parameters]
        if None not in values:
            arguments[term.argument] = values[0] if len(values) == 1 else tuple(values)
    components = {"counter_ion": column.counter_ion, **column.components}
    arguments.update({each: components.get(each) for each in kind.components if components.get(each)})
    if kind.ph:
        arguments[kind.ph] = column.components[kind.ph]
    if kind.modulators:
        arguments.update(_modulators(column, need, bound))
    if isinstance(arguments.get("helps"), dict):
        arguments["helps"] = tuple(name for name, value in arguments["helps"].items() if value > 0.5)
    return _driven(_construct(kind, arguments), need, bound)


def _construct(kind: BindingKind, arguments: dict[str, Any]) -> BindingModel:
    model: Any = getattr(models, kind.model) if kind.model else plug_in_class(kind.name)
    made: BindingModel = model(**arguments)
    return made


def _driven(model: BindingModel, need: _Parameters, bound: list[str]) -> BindingModel:
    """The model behind a linear driving force, where coefficients are stated."""
    coefficients = need.of("ldf_coefficient", bound)
    return LinearDrivingForce(model, coefficients) if any(coefficients.values()) else model


def _numbers(term: Term, need: _Parameters, bound: list[str]) -> dict[str, Any]:
    """The argument of a term with numbers by species; nothing when nobody states them."""
    tables = [need.stated_of(name, bound) for name in term.parameters]
    if not term.required and not any(tables):
        return {} if not term.open_ended else {term.argument: dict.fromkeys(bound, ())}

    def value(table: dict[str, float], name: str) -> float:
        number = table.get(name, 0.0)
        return 1.0 / number if term.times and number > 0.0 else number

    if len(tables) == 1:
        return {term.argument: {name: value(tables[0], name) for name in bound}}
    if term.by_site:
        return {term.argument: tuple({name: value(table, name) for name in bound} for table in tables)}
    if term.open_ended:
        return {term.argument: {name: tuple(value(t, name) for t in tables if name in t) for name in bound}}
    return {term.argument: {name: tuple(value(table, name) for table in tables) for name in bound}}


def _modulators(column: Column, need: _Parameters, bound: list[str]) -> dict[str, Any]:
    effects = {
        effect: {
            (name, modulator): value
            for modulator in column.modulators
            for name, value in need.stated_of(f"{modulator}.{effect}", bound).items()
        }
        for effect in ("gamma", "beta")
    }
    return {"reference": need.of("reference", column.modulators), **effects}


def _film(column: Column, need: _Parameters, porosity: float) -> dict[str, float]:
    """Film coefficients by species, m/s: stated, or after Wilson and Geankoplis."""
    films = need.stated_of("film_coefficient", need.species)
    velocity = need.stated(f"{column.name}.design_velocity")
    diffusion = need.of_all("free_diffusivity")
    for name in need.species:
        if name not in films and velocity is not None and diffusion[name] > 0.0:
            films[name] = transport.wilson_geankoplis(
                velocity, column.particle_diameter, porosity, diffusion[name]
            )
    return {name: films.get(name, 0.0) for name in need.species}


def _film_exponent(column: Column, need: _Parameters) -> dict[str, float]:
    """The power of the flow that a film follows: that of the correlation, 0 where the film is stated."""
    stated = need.stated_of("film_coefficient", need.species)
    diffusion = need.of_all("free_diffusivity")
    known = need.stated(f"{column.name}.design_velocity") is not None
    follows = {name: known and name not in stated and diffusion[name] > 0.0 for name in need.species}
    return {name: transport.WILSON_GEANKOPLIS_POWER if follows[name] else 0.0 for name in need.species}


def _dispersion(
    column: Column, need: _Parameters, porosity: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Axial dispersion (m2/s) and dispersivity (m) by species: stated, or after Rastegar and Gu."""
    standing = need.stated_of("axial_dispersion", need.species)
    per_velocity = need.stated_of("dispersivity", need.species)
    velocity = need.stated(f"{column.name}.design_velocity")
    diffusion = need.of_all("free_diffusivity")
    for name in need.species:
        silent = name not in standing and name not in per_velocity
        if silent and velocity is not None and diffusion[name] > 0.0:
            interstitial = velocity / porosity
            standing[name] = 0.7 * diffusion[name]
            spread = transport.rastegar_gu(interstitial, column.particle_diameter, porosity, diffusion[name])
            per_velocity[name] = (spread - standing[name]) / interstitial
    names = need.species
    return {each: standing.get(each, 0.0) for each in names}, {
        each: per_velocity.get(each, 0.0) for each in names
    }


class _Parameters:
    """Looks parameters of one column up, the particular before the general; all needed ones are there."""

    def __init__(self, column: Column, species: tuple[Species, ...], parameters: ParameterSet) -> None:
        self._column = column.name
        self._species = {item.name: item for item in species}
        self._parameters = parameters

    @property
    def species(self) -> tuple[str, ...]:
        return tuple(self._species)

    def column(self, name: str) -> float:
        return self._parameters[f"{self._column}.{name}"]

    def stated(self, path: str) -> float | None:
        return self._parameters.first((path,), float("nan")) if path in self._parameters else None

    def stated_of(self, name: str, species: Iterable[str]) -> dict[str, float]:
        """Values of the species for which somebody states one."""
        found = self.of(name, species, float("nan"))
        return {each: value for each, value in found.items() if value == value}

    def of(self, name: str, species: Iterable[str], default: float = 0.0) -> dict[str, float]:
        return {
            each: self._parameters.first(paths(self._column, self._species[each], name), default)
            for each in species
        }

    def of_all(self, name: str, default: float = 0.0) -> dict[str, float]:
        return self.of(name, self._species, default)
