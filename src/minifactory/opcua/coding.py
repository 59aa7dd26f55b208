"""How one tag travels to one server: type, unit and the values of its choices; and what does not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from minifactory.errors import Finding
from minifactory.opcua.engineering_units import same_unit, texts_of, understood, unit_in
from minifactory.opcua.tag_map import Place, WireValue
from minifactory.opcua.wire import Scale, scale
from minifactory.signals.tags import Tag

VARIANTS = {
    getattr(ua.ObjectIds, name): getattr(ua.VariantType, name)
    for name in (
        *("Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"),
        *("Float", "Double", "String"),
    )
}
"""Data types that a tag may have on the wire."""


@dataclass(frozen=True)
class Coding:
    """The conversion of one tag between SI and the wire.

    Parameters
    ----------
    variant_type : VariantType
        On the wire.
    scale : Scale
        Between wire and SI, for numbers.
    codes : mapping
        Value on the wire -> index of the choice; empty for numbers and for plain indices.
    sent : mapping
        Index of the choice -> value on the wire; empty likewise.
    """

    variant_type: ua.VariantType
    scale: Scale = field(default_factory=Scale)
    codes: Mapping[Any, float] = field(default_factory=dict)
    sent: Mapping[float, WireValue] = field(default_factory=dict)

    def si(self, raw: Any) -> float:
        """The SI value of what was read; not-a-number for a value that stands for nothing."""
        if self.codes:
            return self.codes.get(raw, math.nan)
        if isinstance(raw, str):
            return math.nan
        return float(raw) * self.scale.factor + self.scale.offset

    def variant(self, value: float) -> ua.Variant:
        """`value` (SI) as it is sent."""
        if value in self.sent:
            return variant_of(self.variant_type, self.sent[value])
        return variant_of(self.variant_type, self.scale.wire(value))


def variant_of(variant_type: ua.VariantType, value: WireValue) -> ua.Variant:
    """`value` (wire) as a variant of this type."""
    if variant_type == ua.VariantType.String:
        return ua.Variant(value if isinstance(value, str) else f"{value:g}", variant_type)
    number = float(value)
    if variant_type in (ua.VariantType.Double, ua.VariantType.Float):
        return ua.Variant(number, variant_type)
    if variant_type == ua.VariantType.Boolean:
        return ua.Variant(bool(round(number)), variant_type)
    return ua.Variant(round(number), variant_type)


@dataclass(frozen=True)
class Seen:
    """What a server says of one variable.

    Parameters
    ----------
    variant_type : VariantType or None
        None for what is no plain value.
    data_type : str
        Its data type, for messages.
    writable : bool
        Whether our user may write it.
    unit : EUInformation or None
        Its engineering unit, if it has one.
    choices : dict or None
        Value on the wire -> name, if it has named values.
    """

    variant_type: ua.VariantType | None
    data_type: str
    writable: bool
    unit: Any = None
    choices: Mapping[WireValue, str] | None = None


def coding_of(tag: Tag, place: Place, seen: Seen, where: str) -> tuple[Coding | None, list[Finding]]:
    """How `tag` travels, and what does not fit; no coding when it cannot travel at all."""
    if seen.variant_type is None or (seen.variant_type == ua.VariantType.String and not tag.choices):
        expected = "a number, a boolean or a text" if tag.choices else "a number or a boolean"
        return None, [Finding(where, f"its data type is {seen.data_type}", expected)]
    if tag.choices:
        codes, sent, findings = _choices(tag, place, seen, where)
        return Coding(seen.variant_type, Scale(), codes, sent), findings
    scaled, findings = scale_of(tag, place, seen.unit, where)
    return (None if scaled is None else Coding(seen.variant_type, scaled)), findings


def scale_of(tag: Tag, place: Place, unit: Any, where: str) -> tuple[Scale | None, list[Finding]]:
    """The conversion of a number whose server says that its engineering unit is `unit` (or None)."""
    expected = tag.unit if place.unit is None else place.unit
    spelled = understood(expected, tag.kind)
    if spelled is None and expected:
        return None, [Finding(where, f'"{expected}" is no unit of {tag.kind.name}', f'e.g. "{tag.unit}"')]
    texts = texts_of(unit)
    found = unit_in(texts or ("",), tag.kind)
    told = unit is not None and (texts or place.unit is None)
    if told and (found is None or not same_unit(found, expected, tag.kind)):
        said = texts[0] if texts else ""
        return None, [Finding(where, f'its unit is "{said}"', f'"{expected}"', "Correct the tag map.")]
    return scale(spelled or "", tag.kind), []


def plain(name: str) -> str:
    """A name without case, blanks and punctuation, for comparing."""
    return re.sub(r"[\W_]+", "", name).lower()


def _choices(
    tag: Tag, place: Place, seen: Seen, where: str
) -> tuple[dict[Any, float], dict[float, WireValue], list[Finding]]:
    if place.choices:
        return _declared(tag, place, seen, where)
    if seen.variant_type == ua.VariantType.String and seen.choices is None:
        return (
            {choice: float(index) for index, choice in enumerate(tag.choices)},
            {float(index): choice for index, choice in enumerate(tag.choices)},
            [],
        )
    if seen.choices is None:
        return {}, {}, []
    by_name = {plain(name): raw for raw, name in seen.choices.items()}
    missing = [choice for choice in tag.choices if plain(choice) not in by_name]
    if missing or len(by_name) != len(tag.choices):
        listed = ", ".join(seen.choices.values())
        remedy = "Say in the tag map which is which." if missing else ""
        return {}, {}, [Finding(where, f"its choices are {listed}", ", ".join(tag.choices), remedy)]
    raws = [by_name[plain(choice)] for choice in tag.choices]
    return (
        {raw: float(index) for index, raw in enumerate(raws)},
        {float(index): raw for index, raw in enumerate(raws)},
        [],
    )


def _declared(
    tag: Tag, place: Place, seen: Seen, where: str
) -> tuple[dict[Any, float], dict[float, WireValue], list[Finding]]:
    codes: dict[Any, float] = {}
    sent: dict[float, WireValue] = {}
    findings = []
    named = {} if seen.choices is None else {name: raw for raw, name in seen.choices.items()}
    for index, choice in enumerate(tag.choices):
        for value in place.choices.get(choice, ()):
            raw = named.get(value, value) if isinstance(value, str) else value
            if seen.variant_type == ua.VariantType.String and not isinstance(raw, str):
                raw = f"{raw:g}"
            if isinstance(raw, str) and seen.variant_type != ua.VariantType.String:
                listed = ", ".join(named) or "numbers"
                findings.append(Finding(where, f'choice {choice} is "{raw}" in the tag map', listed))
                continue
            codes[raw] = float(index)
            sent.setdefault(float(index), raw)
    if tag.writable and len(sent) < len(tag.choices) and not findings:
        missing = ", ".join(choice for index, choice in enumerate(tag.choices) if float(index) not in sent)
        findings.append(Finding(where, f"the tag map gives no value for {missing}", "one for each choice"))
    return codes, sent, findings
