"""Quantities at the edge: text with a unit in, SI floats out.

Files, command line and pages carry text such as ``1.5 mL/min``, ``300 cm/h``, ``5 CV``, ``50 mM`` or
``12 mS/cm``. Code is SI floats. A :class:`Kind` names what a number is (flow, volume, ...), its SI unit, the
unit that people read and the largest sensible range; :func:`parse` turns text into a float of that kind.

Pint does the arithmetic of units; it is imported when the first unit is parsed that is not in the table of
common ones (:mod:`minifactory.unit_table`), and its answers are cached.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from minifactory.errors import Finding, InputError
from minifactory.unit_table import TABLE
from minifactory.unit_table import Dimension as Dimension


@dataclass(frozen=True)
class Kind:
    """What a number is.

    Parameters
    ----------
    name : str
        The word used in messages, e.g. ``flow``.
    si : str
        Unit of the float inside the program, as Pint spells it (``""`` for a plain number).
    shown : str
        Unit in which people read and write it.
    lower, upper : float
        Bounds in SI units; both are allowed values.
    bare : bool
        True when a number without unit is allowed (plain numbers, pH).
    """

    name: str
    si: str
    shown: str
    lower: float = -math.inf
    upper: float = math.inf
    bare: bool = False


TIME = Kind("time", "s", "min", 0.0)
VOLUME = Kind("volume", "m^3", "mL", 0.0, 1e4)
LENGTH = Kind("length", "m", "cm", 0.0, 1e4)
AREA = Kind("area", "m^2", "cm^2", 0.0)
FLOW = Kind("flow", "m^3/s", "mL/min", 0.0, 1.0)
VELOCITY = Kind("linear velocity", "m/s", "cm/h", 0.0, 10.0)
CONCENTRATION = Kind("concentration", "mol/m^3", "mM", 0.0, 6e4)
MASS_CONCENTRATION = Kind("mass concentration", "kg/m^3", "g/L", 0.0, 5e3)
MOLAR_MASS = Kind("molar mass", "kg/mol", "kg/mol", 0.0)
MASS = Kind("mass", "kg", "mg", 0.0)
AMOUNT = Kind("amount of substance", "mol", "mmol", 0.0)
PRESSURE = Kind("pressure", "Pa", "MPa", -2e5, 1e9)
CONDUCTIVITY = Kind("conductivity", "S/m", "mS/cm", 0.0, 200.0)
ABSORBANCE = Kind("absorbance", "AU", "mAU", -10.0, 100.0)
EXTINCTION = Kind("extinction coefficient", "AU*m^2/mol", "AU/(mM*cm)", 0.0)
TEMPERATURE = Kind("temperature", "K", "degC", 0.0, 1e4)
VISCOSITY = Kind("viscosity", "Pa*s", "mPa*s", 0.0)
DIFFUSIVITY = Kind("diffusion or dispersion coefficient", "m^2/s", "m^2/s", 0.0)
RATE = Kind("rate", "1/s", "1/s", 0.0)
COLUMN_VOLUMES = Kind("column volumes", "CV", "CV", 0.0, 1e6)
PERCENT_B = Kind("gradient composition", "percentB", "%B", 0.0, 100.0)
FRACTION = Kind("fraction", "", "%", 0.0, 1.0, bare=True)
NUMBER = Kind("number", "", "", bare=True)
POSITIVE = Kind("positive number", "", "", 0.0, bare=True)
PH = Kind("pH", "", "", -2.0, 16.0, bare=True)

KINDS: dict[str, Kind] = {kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)}


@dataclass(frozen=True)
class Quantity:
    """A parsed quantity: SI value, its kind, and the text it came from."""

    value: float
    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text


_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_SPELLINGS = {
    "AU": "oAU",  # Pint's own AU is a plain number
    "%B": "percentB",
    "%": "percent",
    "µ": "u",
    "μ": "u",
    "°C": "degC",
    "·": "*",
    "²": "^2",
    "³": "^3",
}


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)
    registry.define("column_volume = [column_volume] = CV")
    registry.define("optical_absorbance_unit = [optical_absorbance] = oAU")
    registry.define("percent_B = [mixing] = percentB")
    return registry


def _spelled(unit: str) -> str:
    """`unit` as Pint spells it; ValueError when it cannot be a unit, so that Pint sees no nonsense."""
    spelled = unit
    for shown, plain in _SPELLINGS.items():
        spelled = spelled.replace(shown, plain)
    if len(spelled) > 60 or not re.fullmatch(r"[A-Za-z0-9_ ./*^()\-]*", spelled) or "**" in spelled:
        raise ValueError("not a unit")
    if re.search(r"\^\s*-?\d{2,}|\^\s*\(|\d{4,}", spelled):
        raise ValueError("not a unit")
    return spelled


@lru_cache(maxsize=4096)
def measure(unit: str) -> tuple[float, float, Dimension]:
    """Factor and offset that turn a number in `unit` into SI base units, and its dimension.

    The dimension is a sorted tuple of base dimension and power, empty for plain numbers; equal ones can be
    compared and added.

    Raises
    ------
    ValueError
        When `unit` is not a unit.
    """
    if unit in TABLE:
        return TABLE[unit]
    import pint

    spelled = _spelled(unit)
    try:
        zero = _registry().Quantity(0.0, spelled).to_base_units()
        one = _registry().Quantity(1.0, spelled).to_base_units()
    except (pint.PintError, ValueError, TypeError, AttributeError, AssertionError, ArithmeticError) as fault:
        raise ValueError(str(fault)) from fault
    except Exception as fault:  # Pint's tokenizer raises tokenize and syntax errors on nonsense
        raise ValueError("not a unit") from fault
    powers = tuple(sorted((str(name), float(power)) for name, power in one.dimensionality.items()))
    return float(one.magnitude - zero.magnitude), float(zero.magnitude), powers


@lru_cache(maxsize=4096)
def _to_si(unit: str, si: str) -> tuple[float, float]:
    """Factor and offset that turn a number in `unit` into `si`; ValueError if they do not match."""
    scale, offset, dimension = measure(unit)
    si_scale, si_offset, si_dimension = measure(si)
    if dimension != si_dimension:
        raise ValueError(f"{unit} is not {si}")
    return scale / si_scale, (offset - si_offset) / si_scale


def factor(unit: str, kind: Kind) -> float:
    """The number of SI units of `kind` in one `unit`; e.g. ``factor("mL/min", FLOW)`` is 1.6667e-8.

    Raises
    ------
    InputError
        When `unit` does not measure `kind`.
    """
    try:
        return _to_si(unit, kind.si)[0]
    except ValueError as fault:
        raise InputError(
            Finding("unit", f'"{unit}" is not a unit of {kind.name}', f'e.g. "{kind.shown}"')
        ) from fault


def matches(text: str, kind: Kind) -> bool:
    """Whether `text` is a number with a unit of `kind`, whatever its bounds."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return False
    if not found[2]:
        return kind.bare
    try:
        _to_si(found[2], kind.si)
    except ValueError:
        return False
    return True


def parse(text: object, *kinds: Kind, where: str = "value") -> Quantity:
    """The quantity that `text` says, of the first of `kinds` whose dimension fits.

    Parameters
    ----------
    text : object
        Normally a string such as ``"1.5 mL/min"``; numbers are accepted only for kinds that may be bare.
    kinds : Kind
        What is expected; the first that fits decides.
    where : str
        Place named in the error.

    Raises
    ------
    InputError
        No number, no unit, a unit of another dimension, or a value out of bounds.
    """
    example = " or ".join(f'"10 {kind.shown}"' if kind.shown else '"10"' for kind in kinds)
    names = " or ".join(kind.name for kind in kinds)
    if isinstance(text, bool) or text is None or not isinstance(text, str | int | float):
        shown = "nothing" if text is None else f"{text!r}"
        raise InputError(Finding(where, f"{shown} is not a quantity", f"{names}, e.g. {example}"))
    said = str(text).strip()
    found = _NUMBER.fullmatch(said) if len(said) < 200 else None
    if found is None:
        shown = said if len(said) < 60 else said[:57] + "..."
        raise InputError(Finding(where, f'"{shown}" is not a number with a unit', f"{names}, e.g. {example}"))
    number, unit = float(found[1]), found[2]
    for kind in kinds:
        if not unit:
            if kind.bare:
                return _bounded(number, kind, said, where)
            continue
        try:
            scale, offset = _to_si(unit, kind.si)
        except ValueError:
            continue
        return _bounded(number * scale + offset, kind, said, where)
    if not unit:
        shown = f'"{found[1]} {kinds[0].shown}"'
        raise InputError(Finding(where, f"{said} has no unit", f"{names}", f"Write e.g. {shown}."))
    raise InputError(Finding(where, f'"{said}": "{unit}" is not a unit of {names}', f"e.g. {example}"))


def _bounded(value: float, kind: Kind, text: str, where: str) -> Quantity:
    # The slack lets "100 %B" and the like pass in spite of rounding in the conversion.
    slack = 1e-12 * max(1.0, abs(value))
    if not math.isfinite(value) or value < kind.lower - slack or value > kind.upper + slack:
        low, high = show(kind.lower, kind), show(kind.upper, kind)
        raise InputError(Finding(where, f'"{text}" is out of bounds', f"{kind.name} from {low} to {high}"))
    return Quantity(value, kind, text)


def show(value: float, kind: Kind, digits: int = 4) -> str:
    """`value` (SI) in the unit that people read, e.g. ``show(5.25e-8, FLOW)`` is ``3.15 mL/min``."""
    if math.isinf(value):
        return "any" if value > 0 else "-any"
    scale, offset = _to_si(kind.shown, kind.si) if kind.shown else (1.0, 0.0)
    return f"{(value - offset) / scale:.{digits}g} {kind.shown}".rstrip()


def shown_value(value: float, kind: Kind) -> float:
    """`value` (SI) as a number in the unit that people read."""
    scale, offset = _to_si(kind.shown, kind.si) if kind.shown else (1.0, 0.0)
    return (value - offset) / scale
