"""Loads a plant from ``factory.yaml`` and ``parameters.yaml``; findings of both files come at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from minifactory.plant.bindings import PH_SPECIES
from minifactory.plant.document import Reader, Report, open_document
from minifactory.plant.flowpath import fixed_loops
from minifactory.plant.lines import check_lines, read_connections
from minifactory.plant.liquids import read_declared_species, read_materials, read_vessels, used_species
from minifactory.plant.model import Material, Plant, Role, Species
from minifactory.plant.network import group, joined
from minifactory.plant.parameter_file import known_parameters, read_parameters
from minifactory.plant.parameter_kinds import GROUPS
from minifactory.plant.skids import connect_vessels, read_columns, read_skids
from minifactory.units import TEMPERATURE

FACTORY = "factory.yaml"
PARAMETERS = "parameters.yaml"
SECTIONS = ("columns", "skids", "materials", "vessels", "species")
MAX_MEMBERS = 100


def load_plant(folder: Path, parameters: Path | None = None) -> Plant:
    """The plant that a case folder describes.

    Parameters
    ----------
    folder : Path
        Holds ``factory.yaml`` and ``parameters.yaml``.
    parameters : Path, optional
        Another version of the parameters, instead of that in the folder.

    Raises
    ------
    InputError
        Anything in the two files is wrong; carries every finding with file, line, found, expected and remedy.
    """
    report = Report()
    factory = open_document(folder / FACTORY, report)
    values = open_document(parameters or folder / PARAMETERS, report)
    if report.failed and not (factory.keys and values.keys):
        report.raise_errors()
    plant = read_plant(factory, values, report)
    report.raise_errors()
    return plant


def read_plant(factory: Reader, parameters: Reader, report: Report) -> Plant:
    """The plant of two opened files; faults become findings in `report` and leave stand-ins in the plant."""
    _check_size(factory)
    name = factory.text("name", "plant")
    factory.text("description", "")
    temperature = factory.value("temperature", TEMPERATURE, 298.15, lower=273.15, upper=373.15)
    declared = read_declared_species(factory)
    materials = read_materials(factory, declared)
    species = used_species(declared, materials.values())
    skids_in_making = read_skids(factory, materials)
    columns = read_columns(factory, skids_in_making, species)
    if any(PH_SPECIES in column.components.values() for column in columns.values()):
        species, materials = _with_ph(species, materials)
    lines = read_connections(factory, skids_in_making)
    vessels, blocks = read_vessels(factory, materials)
    connect_vessels(vessels, blocks, skids_in_making)
    _check_names(factory)
    factory.finish()
    skids = {skid.name: skid.finished() for skid in skids_in_making.values()}
    check_lines(factory, lines, skids)
    for name in set(vessels) & set(columns) if lines else ():
        factory.fail(f'"{name}" is a vessel and a column', "different names", key="connections")
    known = known_parameters(columns, species, skids, materials)
    plant = Plant(
        name=name,
        species=species,
        materials=materials,
        vessels=vessels,
        skids=skids,
        columns=columns,
        parameters=read_parameters(parameters, known, columns),
        numbers=report.numbers,
        temperature=temperature,
        connections=tuple(lines),
    )
    for names in {group(plant, (skid,)) for skid in skids} if lines else ():
        for loop in fixed_loops(joined(plant, names)) if len(names) > 1 else ():
            found = f"the lines between skids form a loop: {loop}"
            factory.fail(found, "a valve or vessel in every loop", key="connections")
    return plant


def _with_ph(
    species: Mapping[str, Species], materials: Mapping[str, Material]
) -> tuple[dict[str, Species], dict[str, Material]]:
    """Species and materials with the pH as one more number that travels with the liquid, if stated."""
    carried = {
        name: replace(material, composition={**material.composition, PH_SPECIES: material.stated["pH"]})
        if "pH" in material.stated
        else material
        for name, material in materials.items()
    }
    return {**species, PH_SPECIES: Species(PH_SPECIES, Role.TRACER, 1.0)}, carried


def _check_size(factory: Reader) -> None:
    """Refuse at once what would only cost time: no plant has hundreds of columns or species."""
    for key in SECTIONS:
        if len(factory.section(key).keys) > MAX_MEMBERS:
            factory.fail(f"more than {MAX_MEMBERS} {key}", remedy="Is it the right file?", key=key)
            factory.report.raise_errors()


def _check_names(factory: Reader) -> None:
    """Names are parts of parameter paths: no dots, and no name for two things that have parameters."""
    owners: dict[str, str] = {}
    for key in SECTIONS:
        section = factory.section(key)
        for name in section.keys:
            if "." in name or not name.strip():
                section.fail(f'"{name}" is not a name', "a name without dots", key=name)
            if key == "species" and name in GROUPS:
                section.fail(f'"{name}" stands for a group of species', "another name", key=name)
            if key in ("columns", "skids", "materials"):
                other = owners.setdefault(name, key)
                if other != key:
                    section.fail(f'"{name}" also stands under {other}', "different names", key=name)
