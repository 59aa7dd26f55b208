"""The recipe of a run as it was changed: by answers before its start, and by edits and answers since.

Each version is a file of its own in the folder of the run, on disk before the controller takes it over: the
journal, which says which version is in force, never names one that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from minifactory.app.case import Case
from minifactory.errors import Finding, InputError
from minifactory.orbit.current import edits_of
from minifactory.recipe.bind import bind
from minifactory.recipe.check import check
from minifactory.recipe.inputs import answered
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.model import Recipe
from minifactory.recipe.write import write_recipe


def file_of(folder: Path, version: str) -> Path:
    """Where the recipe of `version` (e.g. ``1+2``) of the run in `folder` is kept."""
    return folder / f"recipe+{edits_of(version)[1]}.yaml"


def keep(folder: Path, version: str, recipe: Recipe) -> Path:
    """Write `recipe` into the folder of its run as `version`, whole or not at all, and safe on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    file = file_of(folder, version)
    fresh = file.with_name(f".{file.name}")
    with open(fresh, "w", encoding="utf-8") as written:
        written.write(f"# as changed while it ran, version {version}\n{write_recipe(recipe)}")
        written.flush()
        os.fsync(written.fileno())
    fresh.replace(file)
    return file


def forget(folder: Path, version: str) -> None:
    """Take back a version that the controller has refused."""
    with suppress(OSError):  # what stays is overwritten by the next, and nothing names it
        file_of(folder, version).unlink(missing_ok=True)


def as_answered(case: Case, answers: Mapping[str, str]) -> Case:
    """The case with answers to its recipe's inputs put in; InputError when they do not fit."""
    if not answers:
        return case
    recipe = answered(case.recipe, answers)
    found = check(recipe, case.plant, case.bound.skid)
    if not found.passed:
        raise InputError(found.findings)
    return replace(case, recipe=recipe, bound=found.bound)


def as_changed(case: Case, folder: Path, version: str) -> Case:
    """The case with the recipe that its run in `folder` was changed to while it ran, if it was.

    Raises
    ------
    InputError
        When the file of that version is missing or cannot be read.
    """
    if version == case.bound.version or not edits_of(version)[1]:
        return case
    file = file_of(folder, version)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as fault:
        found = f"version {version} of the recipe cannot be read ({fault.strerror})"
        remedy = "Put the file back from a backup, or make the skid safe by hand and start anew."
        raise InputError(Finding(str(file), found, remedy=remedy)) from fault
    recipe = parse_recipe(text, case.plant, file.name)
    bound = replace(bind(recipe, case.plant, case.bound.skid), version=version)
    return replace(case, recipe=recipe, bound=bound)
