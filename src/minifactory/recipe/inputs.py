"""Run-time inputs: what the operator is asked, where, and the recipe with the answers put in.

An input points to quantities of the recipe by their paths, as design variables do; what stands there is
assumed by the check and the prediction until somebody answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.recipe.bound import BoundInput
from minifactory.recipe.model import Input, Recipe
from minifactory.recipe.references import references, with_values
from minifactory.recipe.unroll import Step
from minifactory.units import Quantity, parse


def questions(
    recipe: Recipe, steps: Sequence[Step], findings: list[Finding]
) -> Mapping[str, tuple[str, ...]]:
    """Path of a step (with its turn) -> names of the inputs that are asked before it; faults as findings."""
    asked: dict[str, tuple[str, ...]] = {}
    if not recipe.inputs or not steps:
        return asked
    known = references(recipe)
    phases = dict.fromkeys(path for path, _, _ in recipe.phases())
    for item in recipe.inputs:
        where = item.where or f"{recipe.file or recipe.name} inputs.{item.name}"
        findings += _faults(item, where, known)
        if item.at and item.at not in phases:
            found = f'"{item.at}" is no phase of the recipe'
            findings.append(Finding(where, found, remedy=did_you_mean(item.at, phases)))
        places = [step for step in steps if step.plain == item.at] if item.at else list(steps[:1])
        for step in places if item.every_turn else places[:1]:
            asked[step.path] = (*asked.get(step.path, ()), item.name)
    return asked


def _faults(item: Input, where: str, known: Mapping[str, Quantity]) -> list[Finding]:
    found: list[Finding] = []
    kinds = set()
    for path in item.sets:
        if path not in known:
            remedy = did_you_mean(path, known)
            found.append(Finding(where, f'no quantity "{path}" in the recipe', remedy=remedy))
            continue
        quantity = known[path]
        kinds.add(quantity.kind.name)
        for bound, low in ((item.minimum, True), (item.maximum, False)):
            if bound is None:
                continue
            if bound.kind.si != quantity.kind.si:
                said = f'"{bound.text}" bounds {path}, which is {quantity.kind.name}'
                found.append(Finding(where, said, quantity.kind.name))
            elif (quantity.value < bound.value) if low else (quantity.value > bound.value):
                said = f'{path} is "{quantity.text}" in the recipe, beyond the bound "{bound.text}"'
                found.append(Finding(where, said, remedy="Correct one of them."))
    if len(kinds) > 1:
        found.append(Finding(where, f"it sets {' and '.join(sorted(kinds))}", "quantities of one kind"))
    return found


def bound_inputs(recipe: Recipe, asked: Mapping[str, tuple[str, ...]]) -> tuple[BoundInput, ...]:
    """The inputs that are asked somewhere, as the controller shows them."""
    names = {name for items in asked.values() for name in items}
    known = references(recipe) if names else {}
    found = []
    for item in recipe.inputs:
        if item.name not in names:
            continue
        assumed = next((known[path].text for path in item.sets if path in known), "")
        bounds = " to ".join(bound.text for bound in (item.minimum, item.maximum) if bound is not None)
        if item.maximum is None and item.minimum is not None:
            bounds = f"at least {item.minimum.text}"
        elif item.minimum is None and item.maximum is not None:
            bounds = f"at most {item.maximum.text}"
        found.append(BoundInput(item.name, item.question, assumed, bounds, item.sets))
    return tuple(found)


def answered(recipe: Recipe, answers: Mapping[str, str]) -> Recipe:
    """The recipe with these answers (texts with unit) in place of what it assumed.

    Raises
    ------
    InputError
        With every unknown input and every answer that does not fit or is out of bounds.
    """
    known = {item.name: item for item in recipe.inputs}
    quantities = references(recipe)
    findings: list[Finding] = []
    values: dict[str, str] = {}
    for name, text in answers.items():
        item = known.get(name)
        if item is None:
            remedy = did_you_mean(name, known) if known else "The recipe asks for nothing."
            findings.append(Finding(f"input {name}", "the recipe does not ask for it", remedy=remedy))
            continue
        if not text.strip():
            findings.append(Finding(f"input {name}", "an empty answer", item.question))
            continue
        for path in item.sets:
            if path not in quantities:
                continue
            try:
                found = parse(text, quantities[path].kind, where=f"input {name}")
            except InputError as fault:
                findings += fault.findings
                break
            findings += _outside(item, found)
            values[path] = text
    if findings:
        raise InputError(list(dict.fromkeys(findings)))
    return with_values(recipe, values)


def _outside(item: Input, given: Quantity) -> list[Finding]:
    low, high = item.minimum, item.maximum
    if (low is None or given.value >= low.value) and (high is None or given.value <= high.value):
        return []
    expected = " and ".join(
        f"{word} {bound.text}" for word, bound in (("at least", low), ("at most", high)) if bound is not None
    )
    return [Finding(f"input {item.name}", f'"{given.text}"', expected)]
