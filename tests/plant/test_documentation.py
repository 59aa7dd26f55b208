"""The reference documents name everything that a description may state."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.plant.bindings import BUILT_IN
from minifactory.plant.catalogue.columns import all_hardware
from minifactory.plant.catalogue.resins import all_resins
from minifactory.plant.catalogue.substances import all_compounds, all_species
from minifactory.plant.catalogue.systems import system_names
from minifactory.plant.device_values import DEVICE_CHOICES, DEVICE_VALUES, KIND_NAMES
from minifactory.plant.liquids import PURPOSES
from minifactory.plant.parameter_kinds import (
    COLUMN,
    COLUMN_MODULATOR,
    COLUMN_SPECIES,
    DEVICE,
    FILTER_SPECIES,
    MATERIAL,
    MATERIAL_SPECIES,
    MEMBRANE_SPECIES,
    REACTING_PROTEIN,
    REACTING_PROTEINS,
    REACTING_VIRUS,
    SIGNALS,
    SKID,
)
from minifactory.plant.skids import BED_MODELS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def description() -> str:
    return (DOCS / "description.md").read_text(encoding="utf-8")


def test_every_device_number_is_documented(description: str) -> None:
    rows = {line.split("|")[1].strip(): line for line in description.splitlines() if line.startswith("| ")}
    for name, kind in KIND_NAMES.items():
        for value in DEVICE_VALUES[kind]:
            assert f"`{value}`" in rows[name], f"{name}: {value}"
        for word, choices in DEVICE_CHOICES.get(kind, {}).items():
            for each in (word, *choices):
                assert f"`{each}`" in rows[name], f"{name}: {each}"


def test_every_parameter_is_documented(description: str) -> None:
    paths = [f"<column>.{name}" for name in COLUMN]
    paths += [f"<column>.<species>.{name}" for name in COLUMN_SPECIES]
    paths += [f"<column>.<species>.<modulator>.{name}" for name in COLUMN_MODULATOR]
    paths += [f"<skid>.{name}" for name in SKID]
    paths += [f"<skid>.<{kind.value}>.{name}" for kind, names in DEVICE.items() for name in names]
    paths += [
        f"<skid>.{'UV1' if signal == 'UV' else signal}.{name}"
        for signal, names in SIGNALS.items()
        for name in names
    ]
    paths += [f"<skid>.<filter>.<species>.{name}" for name in FILTER_SPECIES]
    paths += [f"<skid>.<membrane>.<species>.{name}" for name in MEMBRANE_SPECIES]
    reacting = "<skid>.<reactor or tank>"
    paths += [f"{reacting}.<virus>.{name}" for name in REACTING_VIRUS]
    paths += [f"{reacting}.<protein>.{name}" for name in REACTING_PROTEIN]
    paths += [f"{reacting}.<protein>.<protein>.{name}" for name in REACTING_PROTEINS]
    paths += [f"<material>.{name}" for name in MATERIAL]
    paths += [f"<material>.<species>.{name}" for name in MATERIAL_SPECIES]
    for path in paths:
        assert f"`{path}`" in description, path


def test_every_choice_is_documented(description: str) -> None:
    for choice in ("none", *BED_MODELS, *(kind.name for kind in BUILT_IN), *PURPOSES):
        assert f"`{choice}`" in description, choice


def test_the_catalogue_is_documented() -> None:
    text = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    names = [*system_names(), *all_species()]
    names += [hardware.name for hardware in all_hardware().values()]
    names += [resin.name for resin in all_resins().values()]
    for name in names:
        assert f"| {name} |" in text, name
    for name in all_compounds():
        assert f"`{name}`" in text, name
