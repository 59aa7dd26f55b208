"""Engineering units as servers spell them, and what they are to us.

A server may name a unit by the code of UNECE Recommendation 20 (OPC 10000-8 section 5.6.3), by a text of its
own, or both. The text decides when it is a unit of the right kind; else the code does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from minifactory.errors import InputError
from minifactory.opcua.wire import UNIT_CODES, Scale, scale
from minifactory.units import ABSORBANCE, KINDS, NUMBER, PERCENT_B, PH, Kind, factor

_CODES = {
    **{code: unit for unit, code in UNIT_CODES.items()},
    "L2": "L/min",
    "E32": "L/h",
    "LD": "L/day",
    "4Q": "cm^3",
    "CMQ": "cm^3",
    "MTQ": "m^3",
    "MQH": "m^3/h",
    "MQS": "m^3/s",
    "4G": "uL",
    "HUR": "h",
    "C26": "ms",
    "D10": "S/m",
    "G43": "uS/cm",
    "PAL": "Pa",
    "KPA": "kPa",
    "MBR": "mbar",
    "PS": "psi",
    "FAH": "degF",
    "MTR": "m",
    "4H": "um",
    "C62": "",
}
"""UNECE codes of what a chromatography skid measures."""
_SPELLINGS = (
    ("millilitres", "ml"),
    ("milliliters", "ml"),
    ("millilitre", "ml"),
    ("milliliter", "ml"),
    ("litre", "L"),
    ("liter", "L"),
    ("minutes", "min"),
    ("minute", "min"),
    ("seconds", "s"),
    ("second", "s"),
    ("sec", "s"),
    ("hours", "h"),
    ("hour", "h"),
    ("hr", "h"),
    (" per ", "/"),
    ("degree Celsius", "degC"),
    ("deg C", "degC"),
    ("⁻¹", "^-1"),
    ("−1", "^-1"),
    ("³", "^3"),
)


def texts_of(information: Any) -> tuple[str, ...]:
    """What the EUInformation of a node says of its unit, the most reliable first; empty when nothing."""
    if information is None:
        return ()
    found = []
    for member in ("DisplayName", "Description"):
        text = getattr(getattr(information, member, None), "Text", None)
        if text and text.strip() and text.strip() not in found:
            found.append(text.strip())
    code = _code(getattr(information, "UnitId", -1))
    if code in _CODES:
        found.append(_CODES[code])
    return tuple(found)


@lru_cache(maxsize=1024)
def understood(text: str, kind: Kind) -> str | None:
    """The unit `text` as our units spell it; None when it is no unit of `kind`."""
    for spelled in _spellings(text.strip(), kind):
        try:
            if spelled == "" and kind.si:
                continue
            factor(spelled, kind)
        except InputError:
            continue
        return spelled
    return None


def unit_in(texts: tuple[str, ...], kind: Kind) -> str | None:
    """The first of a server's `texts` that is a unit of `kind`, as ours spell it; None when none is."""
    return next((unit for text in texts if (unit := understood(text, kind)) is not None), None)


def kinds_of(texts: tuple[str, ...]) -> frozenset[str]:
    """Names of the kinds that a server's unit can measure; empty for a unit that nobody understands."""
    return frozenset(kind.name for kind in KINDS.values() if kind.si and unit_in(texts, kind) is not None)


def same_unit(one: str, other: str, kind: Kind) -> bool:
    """Whether two units of `kind` are the same, whatever their spelling."""
    first, second = _scale(one, kind), _scale(other, kind)
    return (
        abs(first.factor - second.factor) <= 1e-9 * abs(first.factor)
        and abs(first.offset - second.offset) <= 1e-9
    )


def _scale(unit: str, kind: Kind) -> Scale:
    return scale(understood(unit, kind) or unit, kind)


def _spellings(text: str, kind: Kind) -> list[str]:
    if kind is PERCENT_B and text in ("%", "% B", "%B", "percent", "Percent"):
        return ["%B"]
    if kind is PH and text.lower() in ("ph", ""):
        return [""]
    if kind is NUMBER and text in ("", "1", "-", "count", "counts"):
        return [""]
    if kind is ABSORBANCE and text in ("mAu", "mau", "Au", "au"):
        return ["mAU" if text.startswith("m") else "AU"]
    plain = text
    for long, short in _SPELLINGS:
        plain = plain.replace(long, short)
    # "ml min-1" and "ml*min-1" are common in laboratories.
    inverse = plain.replace("min-1", "/min").replace("min^-1", "/min").replace(" /", "/").replace("·/", "/")
    return list(dict.fromkeys((text, plain, inverse.replace("*/", "/"), plain.lower())))


def _code(number: object) -> str:
    """The UNECE code that a UnitId holds as the bytes of an integer."""
    if not isinstance(number, int) or number <= 0:
        return ""
    return number.to_bytes(4, "big").lstrip(b"\0").decode("ascii", errors="replace")
