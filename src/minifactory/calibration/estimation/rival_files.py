"""Rivals in files: those that a person declares (YAML), and those that a calibration weighed (JSON).

The second holds for each rival its weight and draws of its values (SI by path), from which predictions are
averaged over the rivals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]

from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.rivals import Comparison, Rival
from minifactory.calibration.estimation.variants import Split, split
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Plant
from minifactory.plant.parameter_file import known_parameters
from minifactory.plant.parameters import ParameterSet
from minifactory.units import parse

KEYS = ("variants", "hold", "odds")
FORMAT = "minifactory rivals 1"
HOW = "e.g. rivals: {overloaded: {}, two variants: {variants: {product: 2}, hold: {C1.product.sigma: 0}}}"
LARGEST = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Explanation:
    """One rival for predictions: its plant, and draws of values (SI by path), the best first."""

    name: str
    weight: float
    split: Split
    hold: Mapping[str, float]
    draws: tuple[Mapping[str, float], ...]

    def parameters(self, number: int | None, random: np.random.Generator) -> ParameterSet:
        """Those of the draw of this number (None: the best); what was not estimated is drawn as stated."""
        own = self.split.plant.parameters
        base = own if number is None else own.draw(random)
        values = self.draws[0 if number is None else 1 + number % max(len(self.draws) - 1, 1)]
        given = {**self.hold, **values}
        given |= {path: given[source] for path, source in self.split.ties.items() if source in given}
        return with_parameters(self.split.plant, {**{path: base[path] for path in base}, **given})


def read_rivals(file: Path, plant: Plant) -> list[Rival]:
    """The rivals that a person declared in `file`.

    Raises
    ------
    InputError
        What cannot be read, unknown keys, proteins and paths, and values without unit; all at once.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise InputError(
            Finding(str(file), fault.strerror or str(fault), "a file with rivals", HOW)
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        reason = " ".join(str(fault).split())[:200]
        raise InputError(Finding(str(file), f"no YAML ({reason})", "rivals by name", HOW)) from None
    entries = document.get("rivals") if isinstance(document, dict) else None
    if not isinstance(entries, dict) or len(entries) < 2:
        raise InputError(Finding(str(file), "no rivals", "two or more below `rivals`", HOW))
    found: list[Rival] = []
    findings: list[Finding] = []
    for name, entry in entries.items():
        try:
            found.append(_rival(str(name), entry or {}, plant, f"{file}: {name}"))
        except InputError as fault:
            findings += fault.findings
    if findings:
        raise InputError(findings)
    return found


def _rival(name: str, entry: Any, plant: Plant, where: str) -> Rival:
    if not isinstance(entry, dict):
        raise InputError(Finding(where, f"{entry!r}"[:60], ", ".join(KEYS), HOW))
    findings = [
        Finding(where, f'unknown key "{key}"', remedy=did_you_mean(str(key), KEYS))
        for key in entry
        if key not in KEYS
    ]
    counts, stated, odds = entry.get("variants") or {}, entry.get("hold") or {}, entry.get("odds", 1.0)
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        findings.append(Finding(where, f"variants {counts!r}"[:80], "numbers by protein", HOW))
    if not isinstance(odds, int | float) or isinstance(odds, bool) or not 0.0 < odds < 1e6:
        findings.append(Finding(where, f"odds {odds!r}"[:60], "a positive number"))
    if not isinstance(stated, dict):
        findings.append(Finding(where, f"hold {stated!r}"[:80], "values by path", HOW))
    if findings:
        raise InputError(findings)
    made = split(plant, counts)
    known = known_parameters(made.plant.columns, made.plant.species, made.plant.skids, made.plant.materials)
    hold = {}
    for path, text in stated.items():
        if path not in known:
            findings.append(Finding(where, f'no parameter "{path}"', remedy=did_you_mean(str(path), known)))
            continue
        try:
            hold[str(path)] = parse(str(text), known[path].kind, where=f"{where} {path}").value
        except InputError as fault:
            findings += fault.findings
    if findings:
        raise InputError(findings)
    return Rival(name, dict(counts), hold, float(odds))


def weighed_text(comparison: Comparison, sources: Mapping[str, str]) -> str:
    """The JSON text of the rivals with their weights and draws."""
    return json.dumps(
        {
            "format": FORMAT,
            "runs": dict(sources),
            "rivals": [
                {
                    "name": item.rival.name,
                    "weight": item.weight,
                    "variants": dict(item.rival.variants),
                    "hold": dict(item.held),
                    "paths": list(item.draws[0]),
                    "draws": [list(draw.values()) for draw in item.draws],
                }
                for item in comparison.rivals
            ],
        },
        indent=1,
    )


def read_weighed(file: Path, plant: Plant) -> tuple[Explanation, ...]:
    """The rivals that a calibration of this case weighed.

    Raises
    ------
    InputError
        `file` cannot be read, or is of another case.
    """
    again = "Make it with `minifactory calibrate CASE DATA... --rivals`."
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(Finding(str(file), "too large", f"at most {LARGEST // 2**20} MiB", again))
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise InputError(Finding(str(file), fault.strerror or str(fault), "weighed rivals", again)) from None
    except ValueError:
        raise InputError(Finding(str(file), "no JSON", "weighed rivals", again)) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(Finding(str(file), "another kind of file", f'"format": "{FORMAT}"', again))
    try:
        found = tuple(_explanation(entry, plant) for entry in document["rivals"])
    except (KeyError, TypeError, ValueError) as fault:
        raise InputError(Finding(str(file), f"damaged ({fault})"[:120], "weighed rivals", again)) from None
    if not found or not sum(item.weight for item in found) > 0.0:
        raise InputError(Finding(str(file), "no rival with a weight", "at least one", again))
    random = np.random.default_rng(0)
    for item in found:
        item.parameters(None, random)  # refuses paths that the case does not have
    return found


def _explanation(entry: Mapping[str, Any], plant: Plant) -> Explanation:
    paths = [str(path) for path in entry["paths"]]
    draws = tuple(
        {path: float(value) for path, value in zip(paths, row, strict=True)} for row in entry["draws"]
    )
    if not draws or not all(np.isfinite(value) for draw in draws for value in draw.values()):
        raise ValueError("draws that are no numbers")
    made = split(plant, {str(name): int(count) for name, count in entry["variants"].items()})
    hold = {str(path): float(value) for path, value in entry["hold"].items()}
    return Explanation(str(entry["name"]), float(entry["weight"]), made, hold, draws)


def chosen(explanations: tuple[Explanation, ...], random: np.random.Generator) -> Explanation:
    """One of `explanations`, drawn by its weight."""
    total = np.cumsum([item.weight for item in explanations])
    at = int(np.searchsorted(total, random.uniform(0.0, float(total[-1])), side="right"))
    return explanations[min(at, len(explanations) - 1)]
