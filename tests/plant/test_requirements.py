"""Parameters that the models of a column need are asked for before anything is simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minifactory.plant.model import Plant
from minifactory.plant.requirements import missing_parameters


def without(plant: Plant, *paths: str) -> Plant:
    """The plant with some parameters not stated."""
    kept = {path: item for path, item in plant.parameters.parameters.items() if path not in paths}
    return replace(plant, parameters=replace(plant.parameters, parameters=kept))


def modelled(plant: Plant, **models: str) -> Plant:
    """The plant with other models of its column."""
    return replace(plant, columns={"C1": replace(plant.columns["C1"], **models)})


def missing(plant: Plant) -> list[str]:
    return [finding.found for finding in missing_parameters(plant)]


def test_the_documented_plant_lacks_nothing(plant: Plant) -> None:
    assert missing(plant) == []


@pytest.mark.parametrize("name", ["product.k_eq", "product.nu", "variant.sigma", "ionic_capacity"])
def test_a_constant_of_the_isotherm(plant: Plant, name: str) -> None:
    assert missing(without(plant, f"C1.{name}")) == [f'"C1.{name}" is not stated']


def test_a_protein_that_is_said_not_to_bind_needs_no_other_constant(plant: Plant) -> None:
    weak = replace(plant, parameters=plant.parameters.with_values({"C1.variant.k_eq": 0.0}))
    assert missing(without(weak, "C1.variant.nu", "C1.variant.sigma")) == []


def test_each_bed_and_binding_model_asks_for_its_own(plant: Plant) -> None:
    assert missing(modelled(plant, bed_model="LRM")) == ['"C1.total_porosity" is not stated']
    species = len(plant.species)
    assert sum("pore_diffusivity" in text for text in missing(modelled(plant, bed_model="GRM"))) == species
    langmuir = missing(modelled(plant, binding_model="langmuir"))
    assert langmuir == [
        f'"C1.{protein}.{name}" is not stated'
        for protein in ("product", "variant")
        for name in ("affinity", "q_max")
    ]
    assert missing(modelled(plant, binding_model="none")) == []
