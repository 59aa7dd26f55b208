"""A case: the folder that describes a plant, its recipe, and what is asked of it, opened as a whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from minifactory.campaign.targets import Targets, load_targets
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.document import Report, open_document
from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant, Skid
from minifactory.plant.requirements import missing_parameters
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.load import load_recipe
from minifactory.recipe.model import Recipe
from minifactory.recipe.references import references
from minifactory.signals import TagTable

if TYPE_CHECKING:
    from minifactory.services.description import Services

FILES = ("factory.yaml", "recipe.yaml", "parameters.yaml", "targets.yaml")
ORIGINAL = "original.yaml"
"""Optional: names a measured file that the run is laid over."""
SERVICES = "services.yaml"
"""Optional: the services that its skids share."""


@dataclass(frozen=True)
class Original:
    """A measured file of the same process: name below the data folder, source, and where it was found."""

    name: str
    source: str
    path: Path | None


@dataclass(frozen=True)
class Case:
    """An opened case.

    Parameters
    ----------
    folder : Path
        Where it lies.
    plant, recipe, bound, targets
        What its files say; `bound` is the recipe for `skid`.
    table : TagTable
        The tags of the skid.
    original : Original or None
        A measured run to compare with.
    hashes : dict of str to str
        SHA-256 of each file.
    bounds : Mapping of str to BoundRecipe
        The recipe for every skid that it runs on; `bound` is the first of them.
    services : Services or None
        What ``services.yaml`` says, where there is one.
    """

    folder: Path
    plant: Plant
    recipe: Recipe
    bound: BoundRecipe
    targets: Targets
    table: TagTable
    original: Original | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    bounds: Mapping[str, BoundRecipe] = field(default_factory=dict)
    parameters_file: str = "parameters.yaml"
    services: Services | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def skid(self) -> Skid:
        """The skid that the recipe runs on."""
        return self.plant.skids[self.bound.skid]

    @property
    def skids(self) -> tuple[str, ...]:
        """All skids that are controlled: those of the recipe, then those of services."""
        return (*self.bounds, *(() if self.services is None else self.services.skids))


def open_case(folder: Path, parameters: Path | None = None, several: bool = False) -> Case:
    """The case in `folder`, with another version of its parameters when `parameters` names one.

    With `several`, its recipe may run on several skids.

    Raises
    ------
    InputError
        With the findings of all files that could be read.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not folder.is_dir():
        nearby = sorted(item.name for item in folder.parent.glob("*") if (item / "factory.yaml").is_file())
        hint = did_you_mean(folder.name, nearby) if nearby else "No case lies beside it either."
        what = "a file" if folder.exists() else "there is no such folder"
        raise InputError(Finding(str(folder), what, "the folder of a case", hint))
    if missing:
        raise InputError(
            [
                Finding(str(folder / name), "the file is missing", "all of " + ", ".join(FILES))
                for name in missing
            ]
        )
    findings: list[Finding] = []
    try:
        plant = load_plant(folder, parameters)
    except InputError as fault:
        findings += fault.findings
        findings += _findings_of(lambda: load_targets(folder / "targets.yaml"))
        # Without a plant a recipe means nothing, but whether it can be read at all can be told.
        report = Report()
        open_document(folder / "recipe.yaml", report)
        raise InputError([*findings, *report.findings]) from fault
    targets, recipe = None, None
    try:
        recipe = load_recipe(folder / "recipe.yaml", plant)
    except InputError as fault:
        findings += fault.findings
    try:
        targets = load_targets(folder / "targets.yaml", vessels=plant.vessels, species=plant.species)
    except InputError as fault:
        findings += fault.findings
    if recipe is None or targets is None:
        raise InputError(findings)
    findings += _unknown_references(recipe, targets)
    findings += missing_parameters(plant)
    skids = dict.fromkeys(procedure.skid for procedure in recipe.procedure)
    if not skids or (len(skids) > 1 and not several):
        names = ", ".join(skids) or "none"
        remedy = "Cases on several skids can be checked, simulated and run so far." if skids else ""
        findings.append(
            Finding("recipe.yaml", f"the recipe runs on {len(skids)} skids ({names})", "one skid", remedy)
        )
    if findings:
        raise InputError(findings)
    skid = next(iter(skids))
    bounds = {name: bind(recipe, plant, name) for name in skids}
    services = None
    if (folder / SERVICES).is_file():
        from minifactory.services.description import read_services

        services = read_services(folder, plant, tuple(bounds))
    return Case(
        folder=folder,
        plant=plant,
        recipe=recipe,
        bound=bounds[skid],
        bounds=bounds,
        targets=targets,
        table=tag_table(plant.skids[skid]),
        original=_original(folder),
        hashes={
            name: _sha256(folder / name) for name in (*FILES, ORIGINAL, SERVICES) if (folder / name).is_file()
        },
        services=services,
    )


def of_skid(case: Case, skid: str) -> Case:
    """The case as the controller of one of its skids sees it; of a service, with a recipe as it runs them."""
    table = tag_table(case.plant.skids[skid])
    if skid in case.bounds:
        return replace(case, bound=case.bounds[skid], table=table)
    from minifactory.services.preparation import nominal

    assert case.services is not None
    assert case.services.buffers is not None
    recipe = nominal(case.plant, case.services.buffers).recipe
    return replace(case, recipe=recipe, bound=bind(recipe, case.plant, skid), table=table)


def _findings_of(work: Callable[[], object]) -> Iterable[Finding]:
    try:
        work()
    except InputError as fault:
        return fault.findings
    return ()


def _unknown_references(recipe: Recipe, targets: Targets) -> list[Finding]:
    known = references(recipe)
    return [
        Finding(
            item.where or "targets.yaml",
            f'no quantity "{item.reference}" in the recipe',
            remedy=did_you_mean(item.reference, known),
        )
        for item in targets.adjustables
        if item.reference not in known
    ]


def _original(folder: Path) -> Original | None:
    """The measured file that ``original.yaml`` names: in the case, the data folder, or beside it."""
    if not (folder / ORIGINAL).is_file():
        return None
    report = Report()
    top = open_document(folder / ORIGINAL, report)
    name, source = top.text("file"), top.text("source")
    top.finish()
    report.raise_errors()
    places = [folder / "data"]
    if os.environ.get("MINIFACTORY_DATA"):
        places.append(Path(os.environ["MINIFACTORY_DATA"]))
    places += [parent / "shared" / "data" for parent in folder.resolve().parents]
    found = next((place / name for place in places if (place / name).is_file()), None)
    return Original(name, source, found)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
