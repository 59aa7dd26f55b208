"""A protein as several variants of itself: the plant that has them.

Variants are one protein with other charges on its surface: what tells them apart is their equilibrium
constant and how much of each is loaded. Molar mass, extinction, charge, shielding and transport are shared,
so that a variant costs two parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minifactory.errors import Finding, InputError
from minifactory.plant.model import Material, Plant
from minifactory.records.run import Run

SHARED = ("nu", "sigma", "k_kin", "film_coefficient", "pore_diffusivity", "transfer_coefficient")
"""Parameters of a protein that its variants take over."""
MOST = 6
"""Variants of one protein."""


@dataclass(frozen=True)
class Split:
    """A plant in which proteins stand as several variants.

    `ties` maps the path of a variant's parameter to that of the protein that it is taken from; `members` maps
    each protein to the names of its variants, itself first.
    """

    plant: Plant
    ties: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]


def split(plant: Plant, counts: Mapping[str, int]) -> Split:
    """`plant` with each protein of `counts` as that many variants of equal amounts.

    Raises
    ------
    InputError
        No such protein, or more variants than :data:`MOST`.
    """
    findings = []
    for name, count in counts.items():
        known = [s.name for s in plant.species.values() if s.role.is_protein]
        if name not in known:
            findings.append(Finding("variants", f'"{name}" is no protein of the case', ", ".join(known)))
        if not 1 <= count <= MOST:
            findings.append(Finding("variants", f"{count} variants of {name}", f"1 to {MOST}"))
    if findings:
        raise InputError(findings)
    ties: dict[str, str] = {}
    members: dict[str, tuple[str, ...]] = {}
    for name, count in counts.items():
        names = (name, *(_free_name(plant, name, number) for number in range(2, count + 1)))
        members[name] = names
        plant = _with(plant, names)
        for column in plant.columns:
            ties |= {
                f"{column}.{other}.{key}": f"{column}.{name}.{key}" for other in names[1:] for key in SHARED
            }
    return Split(plant, ties, members)


def _free_name(plant: Plant, name: str, number: int) -> str:
    found = f"{name}_{number}"
    while found in plant.species:
        found += "_"
    return found


def _with(plant: Plant, names: tuple[str, ...]) -> Plant:
    """The plant with the further `names` beside the first, the amount of which they share."""
    first, *others = names
    species = dict(plant.species)
    order = list(species)
    after = order.index(first) + 1
    copies = {name: replace(species[first], name=name) for name in others}
    ordered = (
        {key: species[key] for key in order[:after]} | copies | {key: species[key] for key in order[after:]}
    )
    stated = dict(plant.parameters.parameters)
    for path, item in plant.parameters.parameters.items():
        parts = path.split(".")
        if first in parts[1:]:
            at = parts.index(first, 1)
            for name in others:
                copied = ".".join([*parts[:at], name, *parts[at + 1 :]])
                stated[copied] = replace(item, path=copied)
    return replace(
        plant,
        species=ordered,
        materials={key: _shared(item, names) for key, item in plant.materials.items()},
        parameters=replace(plant.parameters, parameters=stated),
    )


def _shared(material: Material, names: tuple[str, ...]) -> Material:
    amount = material.composition.get(names[0], 0.0)
    if amount <= 0.0:
        return material
    return replace(
        material, composition={**material.composition, **dict.fromkeys(names, amount / len(names))}
    )


def merged(run: Run, members: Mapping[str, tuple[str, ...]]) -> Run:
    """`run` with the amounts of variants, loaded and in pools, counted as those of their protein."""
    variant_of = {other: name for name, own in members.items() for other in own[1:]}
    if not variant_of:
        return run
    pools = tuple(replace(pool, amounts=_summed(pool.amounts, variant_of)) for pool in run.pools)
    return replace(run, pools=pools, loaded=_summed(run.loaded, variant_of))


def _summed(amounts: Mapping[str, float], variant_of: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, amount in amounts.items():
        owner = variant_of.get(name, name)
        found[owner] = found.get(owner, 0.0) + amount
    return found
