"""The lines of a log as what they do: valves, flows, gradients, fractions, washes, pauses.

The wording is that of UNICORN 3 to 7 (``Flow 3.15 ml/min``, ``System flow 0.500 {ml/min}``,
``Gradient 50.0 {%B} 10.00 {CV}``, ``Column position 1 Down flow``) and of AKTAprime (``Gradient, Length 0.1
ml, Target 100 %B``). Valves and positions are those of the catalogue's system, compared without case, blanks
and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from minifactory import units
from minifactory.errors import InputError
from minifactory.plant.catalogue.files import plain
from minifactory.plant.model import Device, DeviceKind
from minifactory.records.chromatogram import LogEntry, LogKind
from minifactory.units import Kind


class Deed(Enum):
    """What a line of the log does."""

    VALVE = "valve"
    FLOW = "flow"
    GRADIENT = "gradient"
    FRACTIONS = "fractions"
    FRACTIONS_END = "end of fractions"
    AUTO_ZERO = "auto zero"
    PUMP_WASH = "pump wash"
    WAIT = "wait"
    WAVELENGTH = "wavelength"
    PRESSURE_LIMIT = "pressure limit"
    BREAK = "break point"
    ADVANCE = "advance by hand"
    STOP_BY_HAND = "pause until continued by hand"


@dataclass(frozen=True)
class Act:
    """One deed at `volume` (m3) and `time` (s) of the file.

    Parameters
    ----------
    name, position : str
        Valve and position; the pump of a wash (``A`` or ``B``).
    amount : float
        Flow (m3/s), velocity (m/s, `base` is ``cm/h``), target of a gradient (%B), size of a fraction (m3),
        wait (s), pressure (Pa) or wavelength (m).
    length : float
        Of a gradient: in m3, s or CV, as `base` (``mL``, ``min``, ``CV``) says.
    manual : bool
        Done by a person, not by the method.
    text : str
        The line.
    """

    deed: Deed
    volume: float
    time: float
    name: str = ""
    position: str = ""
    amount: float = 0.0
    length: float = 0.0
    base: str = ""
    manual: bool = False
    text: str = ""


_N = r"([+-]?\d+(?:\.\d+)?)"
_U = r"\s*([A-Za-z/]+)"
_FLOW = re.compile(rf"(?:system\s+)?(?:linear\s+)?flow(?:\s*rate)?\s+{_N}{_U}", re.IGNORECASE)
_GRADIENT = re.compile(rf"gradient\s+{_N}\s*%\s*B?\s*,?\s*{_N}{_U}", re.IGNORECASE)
_GRADIENT_PRIME = re.compile(rf"gradient\s*,\s*length\s+{_N}{_U}\s*,\s*target\s+{_N}", re.IGNORECASE)
_PERCENT_B = re.compile(rf"concentration\s+{_N}\s*%\s*B", re.IGNORECASE)
_FRACTIONS_END = re.compile(r"stop\s*fractionation|fractionation\s*stop|fraction\s+off", re.IGNORECASE)
_FRACTIONS = re.compile(rf"(?:fractionation\b|fraction\s+size).*?{_N}\s*m[lL]\b", re.IGNORECASE)
_AUTO_ZERO = re.compile(r"auto\s*zero", re.IGNORECASE)
_PUMP_WASH = re.compile(r"pump\s*wash\w*\s*(.*)", re.IGNORECASE)
_WAIT = re.compile(rf"pause\s+{_N}(?=\s*$|\s*min|\s+\d+[/.-]\d+[/.-]\d)", re.IGNORECASE)
_WAVELENGTH = re.compile(r"wavelength\b(.*)", re.IGNORECASE)
_PRESSURE = re.compile(rf"alarm[ _]*(?:system[ _]*)?pressure\s+enabled\s*,?\s*{_N}{_U}", re.IGNORECASE)
_BREAK = re.compile(r"break\s*point\s+\d", re.IGNORECASE)
_UNITS = {"ml": "mL", "l": "L", "cv": "CV", "ml/min": "mL/min", "cm/h": "cm/h", "mpa": "MPa", "kpa": "kPa"}


def acts(log: Sequence[LogEntry], devices: Mapping[str, Device]) -> tuple[Act, ...]:
    """What the log did with a system of these `devices`, in its order.

    Lines whose volume the file does not tell, and lines that do nothing to the liquid, are left out.
    """
    valves = [device for device in devices.values() if device.kind is DeviceKind.VALVE]
    found: list[Act] = []
    for entry in log:
        if entry.volume_m3 is None:
            continue
        blank = Act(
            Deed.BREAK, entry.volume_m3, entry.time_s, manual=entry.manual, text=" ".join(entry.text.split())
        )
        found += _read(entry, blank, valves)
    return tuple(found)


def _read(entry: LogEntry, blank: Act, valves: Sequence[Device]) -> Iterator[Act]:
    text = re.sub(r"\((Manual|System)\)", "", blank.text).replace("{", " ").replace("}", " ")
    text = " ".join(text.split())
    if entry.kind is LogKind.MARK:
        if _BREAK.match(text):
            yield blank
    elif entry.kind is LogKind.PAUSE:
        yield from _pause(text, blank)
    elif entry.kind is LogKind.INSTRUCTION:
        yield from _instruction(text, blank, valves)


def _pause(text: str, blank: Act) -> Iterator[Act]:
    minutes = _WAIT.match(text)
    if minutes:
        yield replace(blank, deed=Deed.WAIT, amount=60.0 * float(minutes[1]))
    elif "(System)" not in blank.text:
        yield replace(blank, deed=Deed.STOP_BY_HAND)


def _instruction(text: str, blank: Act, valves: Sequence[Device]) -> Iterator[Act]:
    if found := _FLOW.match(text):
        velocity = _unit(found[2]) == "cm/h"
        kind = units.VELOCITY if velocity else units.FLOW
        amount = _value(found[1], found[2], kind)
        if amount is not None:
            yield replace(blank, deed=Deed.FLOW, amount=amount, base="cm/h" if velocity else "mL/min")
    elif found := _GRADIENT.match(text):
        yield from _gradient(blank, found[1], found[2], found[3])
    elif found := _GRADIENT_PRIME.match(text):
        yield from _gradient(blank, found[3], found[1], found[2])
    elif found := _PERCENT_B.match(text):
        yield replace(blank, deed=Deed.GRADIENT, amount=float(found[1]), base="CV")
    elif _FRACTIONS_END.search(text):
        yield replace(blank, deed=Deed.FRACTIONS_END)
    elif found := _FRACTIONS.match(text):
        if float(found[1]) > 0.0:
            yield replace(blank, deed=Deed.FRACTIONS, amount=1e-6 * float(found[1]))
    elif _AUTO_ZERO.match(text):
        yield replace(blank, deed=Deed.AUTO_ZERO)
    elif found := _PUMP_WASH.match(text):
        for pump in _washed(found[1]):
            yield replace(blank, deed=Deed.PUMP_WASH, name=pump)
    elif found := _WAVELENGTH.match(text):
        for number, length in enumerate(re.findall(r"\d+(?:\.\d+)?", found[1])[:3], 1):
            yield replace(blank, deed=Deed.WAVELENGTH, name=f"UV{number}", amount=1e-9 * float(length))
    elif found := _PRESSURE.match(text):
        limit = _value(found[1], found[2], units.PRESSURE)
        if limit:
            yield replace(blank, deed=Deed.PRESSURE_LIMIT, amount=limit)
    elif re.match(r"next\s*break\s*point", text, re.IGNORECASE):
        yield replace(blank, deed=Deed.ADVANCE)
    else:
        yield from _valve(text, blank, valves)


def _gradient(blank: Act, target: str, length: str, unit: str) -> Iterator[Act]:
    base = {"min": "min", "ml": "mL", "l": "mL"}.get(unit.lower(), "CV")
    scale = {"min": 60.0, "ml": 1e-6, "l": 1e-3}.get(unit.lower(), 1.0)
    yield replace(blank, deed=Deed.GRADIENT, amount=float(target), length=scale * float(length), base=base)


def _washed(text: str) -> list[str]:
    """The pumps of a wash: by the four switches of inlets A1, A2, B1, B2, else by the inlets named."""
    switches = [word.upper() == "ON" for word in re.findall(r"\b(on|off)\b", text, re.IGNORECASE)]
    if len(switches) == 4:
        chosen = {"A": any(switches[:2]), "B": any(switches[2:])}
        return [pump for pump, on in chosen.items() if on]
    named = {letter.upper() for letter in re.findall(r"\b([AB])\d*\b", text, re.IGNORECASE)}
    return sorted(named) or ["A", "B"]


def _valve(text: str, blank: Act, valves: Sequence[Device]) -> Iterator[Act]:
    words = plain(text)
    for device in sorted(valves, key=lambda item: -len(item.name)):
        name = plain(device.name)
        if not words.startswith(name):
            continue
        position = _position(words[len(name) :].removeprefix("position"), tuple(device.positions))
        if position:
            yield replace(blank, deed=Deed.VALVE, name=device.name, position=position)
        return


def _position(said: str, known: Sequence[str]) -> str:
    """The position that is meant: the same word, a column's number with direction, or its beginning."""
    names = {plain(item): item for item in known}
    numbered = re.fullmatch(r"(\d+)(down|up)?\w*", said)
    if said in names:
        return names[said]
    if numbered:
        up = "up" if numbered[2] == "up" else ""
        return names.get(f"position{numbered[1]}{up}", names.get(f"out{numbered[1]}", ""))
    begun = [name for key, name in names.items() if said and (key.startswith(said) or said.startswith(key))]
    return max(begun, key=len, default="")


def _unit(text: str) -> str:
    return _UNITS.get(text.lower(), text)


def _value(number: str, unit: str, kind: Kind) -> float | None:
    try:
        return units.parse(f"{number} {_unit(unit)}", kind).value
    except InputError:
        return None
