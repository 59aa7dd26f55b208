"""How a tag looks on the wire: OPC UA data type, unit, range and the conversion from and to SI.

Numbers travel as Double in the tag's unit, two choices as Boolean, more choices as UInt32 (the index). Unit
codes are those of UNECE Recommendation 20, as OPC 10000-8 (Data Access) section 5.6.3 asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from asyncua import ua

from minifactory.signals.reading import Quality
from minifactory.signals.tags import Tag
from minifactory.units import Kind, factor, parse

UNIT_CODES = {
    "mL/min": "41",
    "mL": "MLT",
    "L": "LTR",
    "s": "SEC",
    "min": "MIN",
    "MPa": "MPA",
    "bar": "BAR",
    "mS/cm": "H61",
    "nm": "C45",
    "mm": "MMT",
    "cm": "CMT",
    "degC": "CEL",
    "K": "KEL",
    "%": "P1",
    "g": "GRM",
    "kg": "KGM",
}
UNIT_SYSTEM = "http://www.opcfoundation.org/UA/units/un/cefact"
OWN_UNITS = "urn:minifactory:units"


class Form(IntEnum):
    """The built-in OPC UA type in which a tag travels; the number is the type's own."""

    BOOLEAN = 1
    INT32 = 6
    UINT32 = 7
    FLOAT = 10
    DOUBLE = 11

    @property
    def analogue(self) -> bool:
        """Whether it carries a number and not a choice."""
        return self in (Form.FLOAT, Form.DOUBLE)


DATA_VARIANTS = {item: ua.VariantType(item.value) for item in Form}


@dataclass(frozen=True, slots=True)
class Scale:
    """SI value = `factor` * wire value + `offset`."""

    factor: float = 1.0
    offset: float = 0.0

    def si(self, wire: float) -> float:
        """The SI value of a wire value."""
        return wire * self.factor + self.offset

    def wire(self, si: float) -> float:
        """The wire value of an SI value."""
        return (si - self.offset) / self.factor


def scale(unit: str, kind: Kind) -> Scale:
    """The conversion between `unit` and the SI unit of `kind`; InputError if they do not match."""
    if not unit:
        return Scale()
    return Scale(factor(unit, kind), parse(f"0 {unit}", Kind(kind.name, kind.si, kind.shown)).value)


def form(tag: Tag) -> Form:
    """The type in which `tag` travels."""
    if not tag.choices:
        return Form.DOUBLE
    return Form.BOOLEAN if len(tag.choices) == 2 else Form.UINT32


def variant(tag_form: Form, value: float) -> ua.Variant:
    """`value` (wire) as an OPC UA variant of its form."""
    if tag_form.analogue:
        return ua.Variant(value, DATA_VARIANTS[tag_form])
    if not math.isfinite(value):
        return ua.Variant(None, ua.VariantType.Null)
    return ua.Variant(bool(value) if tag_form is Form.BOOLEAN else int(value), DATA_VARIANTS[tag_form])


def eu_information(unit: str) -> ua.EUInformation:
    """The engineering unit as OPC UA describes it; units without a UNECE code go by their text."""
    code = UNIT_CODES.get(unit)
    described = ua.EUInformation()
    described.NamespaceUri = UNIT_SYSTEM if code else OWN_UNITS
    described.UnitId = int.from_bytes(code.encode(), "big") if code else -1
    described.DisplayName = ua.LocalizedText(unit)
    described.Description = ua.LocalizedText(unit)
    return described


def eu_range(tag: Tag, unit: str) -> ua.Range | None:
    """The tag's range in `unit`; None when it is not bounded on both sides."""
    if not (math.isfinite(tag.lower) and math.isfinite(tag.upper)):
        return None
    scaled = scale(unit, tag.kind)
    return ua.Range(Low=scaled.wire(tag.lower), High=scaled.wire(tag.upper))


STATUS = {
    Quality.GOOD: int(ua.StatusCodes.Good),
    Quality.UNCERTAIN: int(ua.StatusCodes.Uncertain),
    Quality.BAD: int(ua.StatusCodes.Bad),
}


def quality(status: int) -> Quality:
    """What a status code says: its two highest bits are the severity (OPC 10000-4 section 7.39)."""
    severity = status >> 30
    if severity == 0:
        return Quality.GOOD
    return Quality.UNCERTAIN if severity == 1 else Quality.BAD
