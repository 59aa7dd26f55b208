"""Controllers that a recipe declares: what they measure, what they set, within which limits.

controllers:
  output:
    kind: loading
    measures:
      output: {of: UV, as: area, during: cex.cycle.elute, factor: "0.8 mg/(AU*mL)"}
    sets:
      load: {quantity: cex.cycle.load.until, minimum: 20 mL, maximum: 60 mL, rate: 5 mL}
    parameters: {a: 0.3, reference: 23.1 mg}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from minifactory.control.controller import Controller
from minifactory.control.loop import Limits, Loop
from minifactory.control.plug_ins import controller, controller_class
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.document import Reader
from minifactory.plant.nodes import Mapping as MappingNode
from minifactory.plant.nodes import Node, Scalar, Sequence
from minifactory.recipe.grammar import Names
from minifactory.recipe.measuring import MEASURES, PHASE_ITSELF
from minifactory.units import KINDS, Quantity, measure, parse

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_TURN = re.compile(r"\[\d+\]")

_LIMITS = ("minimum", "maximum", "rate", "beside")

Texts = str | tuple["Texts", ...]
"""A number with its unit as text, or a list of such."""


@dataclass(frozen=True)
class Measured:
    """A measurement of a cycle.

    Parameters
    ----------
    role : str
        What the controller calls it.
    of : str
        Tag or short name; ``volume`` and ``time`` are those of the phase itself.
    how : str
        One of :data:`minifactory.recipe.measuring.MEASURES`.
    during : str
        Path of the phase.
    cycles_back : int
        The product that leaves in this turn was begun so many turns before.
    baseline : bool
        Whether the first value of the phase is subtracted.
    factor : str
        What the number is multiplied by, with unit; empty: 1.
    """

    role: str
    of: str
    how: str
    during: str
    cycles_back: int = 0
    baseline: bool = False
    factor: str = ""


@dataclass(frozen=True)
class Controlled:
    """A quantity of the recipe that a controller sets, with its limits as stated.

    `beside` is what comes to it elsewhere in the same turn: the law sees the sum.
    """

    output: str
    quantity: str
    minimum: Quantity | None = None
    maximum: Quantity | None = None
    rate: Quantity | None = None
    beside: Quantity | None = None


@dataclass(frozen=True)
class ControllerDeclaration:
    """One controller of a recipe; `parameters` are texts with units.

    What is measured of product cycles before `first` changes nothing.
    """

    name: str
    kind: str
    measures: tuple[Measured, ...]
    sets: tuple[Controlled, ...]
    parameters: Mapping[str, Texts] = field(default_factory=dict)
    where: str = field(default="", compare=False)
    first: int = 1


def plain(path: str) -> str:
    """The path without the turns of loops: ``cex.cycle[2].load`` is ``cex.cycle.load``."""
    return _TURN.sub("", path)


def phase_of(quantity: str, phases: Mapping[str, Any]) -> str | None:
    """Path of the phase to which the quantity at this path belongs; None when it is in none."""
    found = [path for path in phases if quantity.startswith(f"{path}.")]
    return max(found, key=len) if found else None


def number(text: str, where: str) -> float:
    """The SI number that a text with any unit says.

    Raises
    ------
    InputError
        No number, or no unit that is known.
    """
    found = _NUMBER.fullmatch(text)
    try:
        if found is None:
            raise ValueError("no number")
        scale, offset, _ = measure(found[2]) if found[2] else (1.0, 0.0, ())
    except ValueError as fault:
        raise InputError(
            Finding(where, f'"{text}" ({fault})', 'a number with its unit, e.g. "5 mg"')
        ) from fault
    return float(found[1]) * scale + offset


def loop_of(item: ControllerDeclaration) -> Loop:
    """The controller with its limits, ready to step.

    Raises
    ------
    InputError
        Unknown kind or parameter, parameters that are no numbers, roles or outputs that do not fit.
    """
    where = item.where or f"controllers.{item.name}"
    chosen = controller_class(item.kind, where)
    values = {name: _numbers(text, f"{where} {name}") for name, text in item.parameters.items()}
    made: Controller = controller(item.kind, values, where)
    roles, outputs = [each.role for each in item.measures], [each.output for each in item.sets]
    findings = [
        Finding(where, f'it is not told "{name}"', remedy=f"Say under `measures` what {name} is.")
        for name in chosen.roles
        if name not in roles
    ]
    known = [*chosen.roles, *chosen.may]
    findings += [
        Finding(where, f'"{name}" is nothing that {item.kind} measures', ", ".join(known))
        for name in roles
        if name not in known
    ]
    findings += [
        Finding(where, f'"{name}" is set by nothing', remedy=f"Say under `sets` which quantity is {name}.")
        for name in chosen.outputs
        if name not in outputs
    ]
    findings += [
        Finding(where, f'"{name}" is nothing that {item.kind} sets', ", ".join(chosen.outputs))
        for name in outputs
        if name not in chosen.outputs
    ]
    if findings:
        raise InputError(findings)
    infinite = float("inf")
    limits = {
        each.output: Limits(
            -infinite if each.minimum is None else each.minimum.value + beside(each),
            infinite if each.maximum is None else each.maximum.value + beside(each),
            infinite if each.rate is None else each.rate.value,
        )
        for each in item.sets
    }
    return Loop(made, limits)


def beside(item: Controlled) -> float:
    """What the law's setting is larger by than the quantity of the recipe (SI)."""
    return 0.0 if item.beside is None else item.beside.value


def controller_faults(
    declared: tuple[ControllerDeclaration, ...], phases: Mapping[str, Any], known: Mapping[str, Quantity]
) -> list[Finding]:
    """What is wrong with the controllers of a recipe with these phases and quantities."""
    found: list[Finding] = []
    taken: dict[str, str] = {}
    for item in declared:
        where = item.where or f"controllers.{item.name}"
        try:
            loop_of(item)
        except InputError as fault:
            found += fault.findings
        for measured in item.measures:
            if measured.during not in phases:
                remedy = did_you_mean(measured.during, phases)
                said = f'{measured.role}: "{measured.during}" is no phase of the recipe'
                found.append(Finding(where, said, remedy=remedy))
        for controlled in item.sets:
            found += _setting_faults(controlled, where, phases, known)
            before = taken.setdefault(controlled.quantity, item.name)
            if before != item.name:
                said = f"{controlled.quantity} is set by the controllers {before} and {item.name}"
                found.append(Finding(where, said, "one controller for one quantity"))
    return found


def _setting_faults(
    item: Controlled, where: str, phases: Mapping[str, Any], known: Mapping[str, Quantity]
) -> Iterator[Finding]:
    quantity = known.get(item.quantity)
    if quantity is None:
        remedy = did_you_mean(item.quantity, known)
        yield Finding(where, f'{item.output}: no quantity "{item.quantity}" in the recipe', remedy=remedy)
        return
    if phase_of(item.quantity, phases) is None:
        yield Finding(where, f"{item.output}: {item.quantity} belongs to no phase", "a quantity of a phase")
    for bound, low in ((item.minimum, True), (item.maximum, False)):
        if bound is None:
            continue
        if bound.kind.si != quantity.kind.si:
            yield Finding(where, f'{item.output}: "{bound.text}"', quantity.kind.name)
        elif (quantity.value < bound.value) if low else (quantity.value > bound.value):
            said = f'{item.quantity} is "{quantity.text}" in the recipe, beyond the bound "{bound.text}"'
            yield Finding(where, said, remedy="Correct one of them.")
    if item.rate is not None and item.rate.kind.si != quantity.kind.si:
        yield Finding(where, f'{item.output}: rate "{item.rate.text}"', f"{quantity.kind.name} per cycle")
    if item.beside is not None and item.beside.kind.si != quantity.kind.si:
        yield Finding(where, f'{item.output}: beside "{item.beside.text}"', quantity.kind.name)
    if item.minimum is None or item.maximum is None:
        said = f"{item.output} has no {'minimum' if item.minimum is None else 'maximum'}"
        yield Finding(where, said, "both bounds", "A controller that sets something needs bounds.")


def read_controller(item: Reader, place: str, names: Names) -> ControllerDeclaration:
    """One controller of the block ``controllers``; faults go to the report."""
    measures = tuple(_measured(member, names) for member in item.members("measures", required=True))
    sets = tuple(_controlled(item.section("sets"), key) for key in item.section("sets", required=True).keys)
    inside = item.section("parameters")
    parameters = {key: texts(inside.node.entries[key]) for key in inside.keys}
    for key in inside.keys:
        inside.ignore(key)
    inside.finish()
    first = _whole(item, "first", 1, 10_000)
    declared = ControllerDeclaration(item.name, item.text("kind"), measures, sets, parameters, place, first)
    item.finish()
    return declared


def _measured(item: Reader, names: Names) -> Measured:
    of = item.text("of")
    if of and of not in names and of not in PHASE_ITSELF:
        item.fail(f'nothing is called "{of}"', remedy=did_you_mean(of, [*names, *PHASE_ITSELF]), key="of")
    how = item.choice("as", MEASURES, "last")
    back = _whole(item, "cycles_back", 0, 20)
    factor = item.text("factor", "")
    if factor:
        try:
            number(factor, item.where("factor"))
        except InputError as fault:
            item.report.add_all(fault.findings)
    during, baseline = item.text("during"), item.flag("baseline", default=False)
    item.finish()
    return Measured(item.name, of, how, during, back, baseline, factor)


def _whole(item: Reader, key: str, least: int, most: int) -> int:
    stated = item.text(key, str(least))
    if stated.isascii() and stated.isdigit() and least <= int(stated) <= most:
        return int(stated)
    item.fail(f'"{stated[:40]}" cycles', f"a whole number from {least} to {most}", key=key)
    return least


def _controlled(inside: Reader, key: str) -> Controlled:
    if not isinstance(inside.node.entries.get(key), MappingNode):
        return Controlled(key, inside.text(key))
    item, kinds = inside.section(key), tuple(KINDS.values())
    bounds = [
        item.quantity(name, *kinds, required=False) for name in ("minimum", "maximum", "rate", "beside")
    ]
    found = Controlled(key, item.text("quantity"), *bounds)
    item.finish()
    return found


def texts(node: Node) -> Texts:
    """The text of a scalar, or of all scalars of a list."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return tuple(texts(item) for item in node.items)
    return ""


def _numbers(text: Texts, where: str) -> Any:
    return number(text, where) if isinstance(text, str) else tuple(_numbers(item, where) for item in text)


def controller_document(item: ControllerDeclaration) -> dict[str, Any]:
    """The block of a controller as the file holds it."""

    def listed(text: Texts) -> Any:
        return text if isinstance(text, str) else [listed(part) for part in text]

    measures = {
        each.role: {
            "of": each.of,
            "as": each.how,
            "during": each.during,
            **({"cycles_back": str(each.cycles_back)} if each.cycles_back else {}),
            **({"baseline": "yes"} if each.baseline else {}),
            **({"factor": each.factor} if each.factor else {}),
        }
        for each in item.measures
    }
    sets = {
        each.output: {
            "quantity": each.quantity,
            **{
                name: bound.text
                for name, bound in (
                    ("minimum", each.minimum),
                    ("maximum", each.maximum),
                    ("rate", each.rate),
                    ("beside", each.beside),
                )
                if bound is not None
            },
        }
        for each in item.sets
    }
    found: dict[str, Any] = {"kind": item.kind, "measures": measures, "sets": sets}
    if item.first > 1:
        found["first"] = str(item.first)
    if item.parameters:
        found["parameters"] = {name: listed(text) for name, text in item.parameters.items()}
    return found


def setting_text(value: float, quantity: Quantity) -> str:
    """`value` (SI) as a text that stands for `quantity` in a recipe, to twelve digits."""
    kind = quantity.kind
    if not kind.shown:
        return f"{value:.12g}"
    scale = parse(f"1 {kind.shown}", kind).value - (offset := parse(f"0 {kind.shown}", kind).value)
    return f"{(value - offset) / scale:.12g} {kind.shown}"
