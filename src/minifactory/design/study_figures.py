"""What a study file aims at and what it asks for: figures, checked against what the case has."""

from __future__ import annotations

from collections.abc import Collection

from minifactory.design.description import Description
from minifactory.design.figures import KNOWN, kind_of_figure
from minifactory.design.search import Limit, Objective
from minifactory.errors import InputError, did_you_mean
from minifactory.plant import nodes
from minifactory.plant.document import Reader
from minifactory.plant.model import Role
from minifactory.records.limits import parse_limit
from minifactory.records.performance import BUFFER, LOG_REDUCTION, figure_named
from minifactory.units import FRACTION

SENSES = ("maximise", "minimise")


def objectives(top: Reader, kind: str, description: Description) -> list[Objective]:
    """What is to be as large or as small as possible: ``objectives: [maximise productivity, ...]``."""
    found: list[Objective] = []
    texts = top.texts("objectives")
    for text in texts:
        objective = _objective(top, text.strip(), description)
        if objective is None:
            continue
        twice = [one for one in found if one.figure == objective.figure]
        if twice:
            top.fail(f'"{objective.figure}" is an objective twice', "each figure once", key="objectives")
        found.append(objective)
    node = top.node.entries.get("objectives")
    if kind == "optimise" and not texts and not isinstance(node, nodes.Mapping):
        key = "objectives" if node is not None else ""
        top.fail("there is no objective", 'e.g. "objectives: [maximise productivity]"', key=key)
    return found


def _objective(top: Reader, text: str, description: Description) -> Objective | None:
    """``maximise FIGURE``, ``minimise FIGURE``, or a figure whose sense is obvious."""
    sense, _, figure = text.partition(" ")
    figure = figure.strip()
    if sense not in SENSES:
        known = figure_named(text, KNOWN)
        if known is None or known.more_is_better is None:
            said = [f"{word} {text}" for word in SENSES] if known else _senses(figure or text)
            remedy = f'Say "{said[0]}" or "{said[1]}".' if known else did_you_mean(text, said)
            top.fail(f'"{text}" is no objective', 'e.g. "maximise productivity"', remedy, key="objectives")
            return None
        sense, figure = SENSES[not known.more_is_better], text
    fault = _unknown(figure, description)
    if fault is not None:
        top.fail(*fault, key="objectives")
        return None
    return Objective(figure, sense == "maximise")


def _senses(figure: str) -> list[str]:
    """Every objective with a known figure, those nearest to `figure` among them."""
    return [
        f"{sense} {name}" for sense in SENSES for name in dict.fromkeys([*KNOWN, figure]) if name in KNOWN
    ]


def _unknown(figure: str, description: Description) -> tuple[str, str, str] | None:
    """What was found, expected, and to be done about a figure that the case cannot have; None: it can."""
    family, _, member = figure.partition(".")
    if kind_of_figure(figure) is None:
        return f'unknown figure "{figure}"', "", did_you_mean(figure, KNOWN)
    if figure in KNOWN:
        return None
    species = description.plant.species
    known: Collection[str] = description.plant.vessels
    what = "vessel"
    if family != BUFFER:
        viruses = [name for name, one in species.items() if one.role is Role.VIRUS]
        known, what = (viruses, "virus") if family == LOG_REDUCTION else (species, "species")
    if member in known:
        return None
    return f'no {what} "{member}" in the case, for "{figure}"', "", did_you_mean(member, known)


def limits(top: Reader, description: Description) -> list[Limit]:
    """What must hold: ``constraints: {FIGURE: ">= 85 %"}``, or with ``{limit, confidence}``."""
    found = []
    inside = top.section("constraints")
    for figure in inside.keys:
        kind, unknown = kind_of_figure(figure), _unknown(figure, description)
        if kind is None or unknown is not None:
            inside.fail(*(unknown or ("", "", "")), key=figure)
            inside.ignore(figure)
            continue
        reader, key, confidence = inside, figure, 0.0
        if isinstance(inside.node.entries.get(figure), nodes.Mapping):
            reader, key = inside.section(figure), "limit"
            confidence = reader.value("confidence", FRACTION, 0.0, 0.0, 1.0)
        for text in reader.texts(key, required=True):
            try:
                at_least, limit = parse_limit(text, kind, reader.where(key))
            except InputError as fault:
                reader.report.add_all(fault.findings)
                continue
            found.append(Limit(figure, at_least, limit, kind, confidence, reader.where(key)))
        if reader is not inside:
            reader.finish()
    return found
