"""The case that a study recommends, written as a folder of its own; nothing of the studied case changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from minifactory.app.case import ORIGINAL, Case
from minifactory.design.description import DIGITS, Description, text_of
from minifactory.design.figures import kind_of_figure
from minifactory.design.places import with_texts, without_unknown
from minifactory.design.scaling import Factors, Scaled
from minifactory.errors import EnvironmentFault, Finding, InputError
from minifactory.records.limits import limit_text
from minifactory.units import matches, parse

TARGETS, EXPECTED = "targets.yaml", "expected.json"


def write_case(
    case: Case, recommended: Description, place: Path, study: str, files: Mapping[str, str] | None = None
) -> Path:
    """The case with the recommended description, written to `place`; returns it.

    Parameters
    ----------
    case : Case
        Its other files are copied, but for the figures that are expected of it, which are those of another
        recipe.
    recommended : Description
    place : Path
        What lies there is replaced.
    study : str
        Named in the README.
    files : Mapping of str to str, optional
        Texts of further files that differ from those of the case, by name; an empty one is left out.

    Raises
    ------
    EnvironmentFault
        The folder cannot be written.
    """
    texts = {EXPECTED: "", **(files or {}), **recommended.texts}
    try:
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        for path in case.folder.iterdir():
            if path.is_file() and path.name not in texts:
                shutil.copy2(path, place / path.name)
        for name, text in texts.items():
            if text:
                (place / name).write_text(text, encoding="utf-8")
        # The gate may only propose what the new recipe still has (a pool study replaces whole conditions).
        targets = place / TARGETS
        kept = without_unknown(targets.read_text(encoding="utf-8-sig"), "adjust", recommended.quantities)
        targets.write_text(kept, encoding="utf-8")
        maker = f"MiniFactory {version('minifactory')}"
        note = f"\nMade from `{case.name}` by the study `{study}` of {maker}.\n"
        readme = place / "README.md"
        readme.write_text(
            (readme.read_text(encoding="utf-8") if readme.is_file() else "") + note, encoding="utf-8"
        )
    except OSError as fault:
        raise EnvironmentFault(
            Finding(
                str(place), f"the recommended case cannot be written ({fault.strerror})", "a writable folder"
            )
        ) from fault
    return place


def scaled_files(case: Case, scaled: Scaled) -> dict[str, str]:
    """What else of `case` changes on another column: its targets, its expected figures, its original run."""
    files = {TARGETS: _scaled_targets(case, scaled), ORIGINAL: ""}
    expected = case.folder / EXPECTED
    if expected.is_file():
        files[EXPECTED] = _scaled_expectations(expected.read_text(encoding="utf-8"), scaled.factors)
    return files


def _scaled_targets(case: Case, scaled: Scaled) -> str:
    """The targets with other limits on what is extensive, and other bounds of what scales in the recipe."""
    texts: dict[str, str] = {}
    for target in case.targets.targets:
        factor = scaled.factors.of_figure(target.figure)
        if factor != 1.0:
            limit = factor * target.limit
            texts[target.place] = limit_text(target.at_least, limit, target.kind, DIGITS)
    for item in case.targets.adjustables:
        factor = scaled.factor(item.reference, item.kind)
        if factor != 1.0:
            texts[f"adjust.{item.reference}.from"] = text_of(factor * item.lower, item.kind)
            texts[f"adjust.{item.reference}.to"] = text_of(factor * item.upper, item.kind)
    return with_texts((case.folder / TARGETS).read_text(encoding="utf-8-sig"), TARGETS, texts)


def _scaled_expectations(text: str, factors: Factors) -> str:
    """Expected figures and their tolerances, times what the figure scales with."""
    try:
        document = json.loads(text)
        figures = dict(document["figures"])
    except (ValueError, KeyError, TypeError) as fault:
        expected = '{"figures": {"yield": {"value": "93 %", "tolerance": "1 %"}}}'
        found = f"not what a case expects of its figures ({fault})"
        raise InputError(Finding(EXPECTED, found, f"e.g. {expected}", "Mend it, or take it away.")) from fault
    for figure, stated in figures.items():
        kind, factor = kind_of_figure(figure), factors.of_figure(figure)
        for key in ("value", "tolerance"):
            if kind is not None and factor != 1.0 and key in stated and matches(str(stated[key]), kind):
                stated[key] = text_of(factor * parse(stated[key], kind).value, kind)
    return json.dumps(document, indent=2) + "\n"
