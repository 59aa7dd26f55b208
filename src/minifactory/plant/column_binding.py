"""Reads what a column's block says of its binding model and its particles."""

from __future__ import annotations

from collections.abc import Mapping

from minifactory.errors import InputError, did_you_mean
from minifactory.plant.bindings import PH_SPECIES, binding_names, find_binding
from minifactory.plant.document import Reader
from minifactory.plant.model import Role, Species
from minifactory.units import FRACTION, LENGTH


def read_binding(item: Reader, species: Mapping[str, Species]) -> tuple[str, dict[str, str]]:
    """Name of the binding model, and the species that it names (argument -> species)."""
    name = item.choice("binding", binding_names(), "none")
    try:
        kind = find_binding(name)
    except InputError as fault:
        item.fail(fault.findings[0].found, fault.findings[0].expected, fault.findings[0].remedy, "binding")
        return "none", {}
    ions = [each for each, what in species.items() if what.role is Role.STRONG_ION]
    if kind is None:
        item.reference("counter_ion", ions, "strong ion", required=False)
        return name, {}
    found = {}
    for argument in kind.components:
        known, what = (ions, "strong ion") if argument == "counter_ion" else (list(species), "species")
        named = item.reference(argument, known, what, required=argument not in kind.optional)
        if named is not None:
            found[argument] = named
    if "counter_ion" not in kind.components:
        item.reference("counter_ion", ions, "strong ion", required=False)
    if kind.ph:
        found[kind.ph] = PH_SPECIES
    return kind.name, found


def read_modulators(item: Reader, binding: str, species: Mapping[str, Species]) -> tuple[str, ...]:
    """The species that modulate a binding model that has modulators."""
    kind = find_binding(binding)
    if kind is None or not kind.modulators:
        return ()
    named = item.texts("modulators", required=True)
    for each in named:
        if each not in species:
            item.fail(f'no species "{each}"', remedy=did_you_mean(each, species), key="modulators")
    return tuple(each for each in named if each in species)


def read_sizes(item: Reader) -> tuple[tuple[float, float], ...]:
    """Diameters (m) and volume fractions of a size distribution; empty when there is none."""
    diameters, fractions = (
        item.values("particle_diameters", LENGTH),
        item.values("particle_fractions", FRACTION),
    )
    if not diameters and not fractions:
        return ()
    example = 'e.g. "particle_diameters: [60 um, 90 um]" and "particle_fractions: [0.4, 0.6]"'
    if len(diameters) != len(fractions):
        item.fail(f"{len(diameters)} particle diameters, {len(fractions)} fractions", "one each", example)
    elif abs(sum(fractions) - 1.0) > 1e-3 or min(fractions) <= 0.0:
        item.fail("the particle fractions", "above 0, with the sum 1", example, "particle_fractions")
    elif min(diameters) <= 0.0:
        item.fail("a particle diameter of 0", "above 0", example, "particle_diameters")
    elif "particle_diameter" in item:
        item.fail("particle_diameter beside particle_diameters", "one of the two", key="particle_diameter")
    else:
        total = sum(fractions)
        return tuple((each, share / total) for each, share in zip(diameters, fractions, strict=True))
    return ()
