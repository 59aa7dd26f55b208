"""What a curve measures and how its unit becomes SI, from the names and units that exports carry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from minifactory import units
from minifactory.errors import Finding, InputError
from minifactory.records.chromatogram import Curve, FloatArray, Signal
from minifactory.units import Kind

SIGNAL_KINDS: dict[Signal, Kind] = {
    Signal.UV: units.ABSORBANCE,
    Signal.CONDUCTIVITY: units.CONDUCTIVITY,
    Signal.PH: units.PH,
    Signal.FLOW: units.FLOW,
    Signal.VELOCITY: units.VELOCITY,
    Signal.PERCENT_B: units.PERCENT_B,
    Signal.PRESSURE: units.PRESSURE,
    Signal.TEMPERATURE: units.TEMPERATURE,
}

# Other kinds that a curve without a signal of its own may have, in order of trial.
OTHER_KINDS = (
    units.CONCENTRATION,
    units.MASS_CONCENTRATION,
    units.VOLUME,
    units.LENGTH,
    units.TIME,
    units.FRACTION,
    units.RATE,
)

# Spellings of other programs, in small letters; where capitals tell units apart, the kind decides.
_SPELLINGS = {
    "c": "degC",
    "°c": "degC",
    "ºc": "degC",
    "deg c": "degC",
    "°f": "degF",
    "ºf": "degF",
    "ms/cm": "mS/cm",
    "us/cm": "uS/cm",
    "s/m": "S/m",
    "mau": "mAU",
    "m au": "mAU",
    "milli au": "mAU",
    "au": "AU",
    "%b": "%B",
    "% b": "%B",
    "cv": "CV",
    "column volume": "CV",
    "column volumes": "CV",
    "mpa": "MPa",
    "kpa": "kPa",
    "hpa": "hPa",
    "bar": "bar",
    "barg": "bar",
    "bar g": "bar",
    "mbar": "mbar",
    "psi": "psi",
    "psig": "psi",
    "ul": "uL",
    "ml_per_min": "mL/min",
    "l_per_min": "L/min",
    "cm_per_h": "cm/h",
    "lpm": "L/min",
    "um": "um",
    "cv/hr": "CV/h",
    "cv/h": "CV/h",
    "cv/min": "CV/min",
    "column volumes/h": "CV/h",
}
_OF_TIME = {
    "ms": "ms",
    "msec": "ms",
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "day"),
}
_OF_VOLUME = {
    **dict.fromkeys(("ul", "microlitre", "microliter"), "uL"),
    **dict.fromkeys(("ml", "millilitre", "milliliter", "milliliters", "millilitres", "cc", "ccm"), "mL"),
    **dict.fromkeys(("l", "litre", "liter", "litres", "liters"), "L"),
}
_BY_KIND: dict[str, dict[str, str]] = {
    units.TIME.name: _OF_TIME,
    units.VOLUME.name: _OF_VOLUME,
    units.FLOW.name: {
        f"{volume}/{time}": f"{_OF_VOLUME[volume]}/{_OF_TIME[time]}"
        for volume in _OF_VOLUME
        for time in _OF_TIME
    },
    units.VELOCITY.name: {
        f"{length}/{time}": f"{length}/{_OF_TIME[time]}" for length in ("cm", "mm", "m") for time in _OF_TIME
    },
    units.PH.name: dict.fromkeys(("ph", "ph unit", "ph units", "units", "-", "1"), ""),
}
_TEMPERATURES = {"degC": (1.0, 273.15), "K": (1.0, 0.0), "degF": (5.0 / 9.0, 459.67 * 5.0 / 9.0)}
_PER = re.compile(r"(\S+?)\s*[ .·*⋅]\s*([a-z]+)\s*\^?[-−⁻](?:1|¹)")

# Patterns are tried in order on the lower-case name; the unit decides where it is unambiguous.
_NAMES: tuple[tuple[str, Signal], ...] = (
    (r"\buv\b|\buv[ _]?\d|absorbance|\ba ?2[0-9]{2}\b|\b2[0-9]{2} ?nm", Signal.UV),
    (r"linear (flow|velocity)", Signal.VELOCITY),
    (r"%\s*cond|cond\w*\s*%", Signal.OTHER),
    (r"temp", Signal.TEMPERATURE),
    (r"\bcond\b|conduct", Signal.CONDUCTIVITY),
    (r"\bph\b", Signal.PH),
    (r"press|\bdeltac?\b|\bprec\b|\bpostc\b", Signal.PRESSURE),
    (r"flow", Signal.FLOW),
    (
        r"%\s*b\b|\bconc( b)?\b|gradient|percent ?b|\bb ?%|^((pump|buffer|eluent|solvent|mobile phase) )?b$",
        Signal.PERCENT_B,
    ),
)
_UNIT_SIGNALS: tuple[tuple[Kind, Signal], ...] = (
    (units.ABSORBANCE, Signal.UV),
    (units.CONDUCTIVITY, Signal.CONDUCTIVITY),
    (units.FLOW, Signal.FLOW),
    (units.VELOCITY, Signal.VELOCITY),
    (units.PRESSURE, Signal.PRESSURE),
    (units.TEMPERATURE, Signal.TEMPERATURE),
    (units.PERCENT_B, Signal.PERCENT_B),
)


@dataclass(frozen=True)
class Scale:
    """How values in a file's unit become SI: ``factor * value + offset`` in the unit of `kind`."""

    kind: Kind
    factor: float = 1.0
    offset: float = 0.0


def spelled(unit: str, kind: Kind | None = None) -> str:
    """`unit` as the rest of MiniFactory spells it; where capitals tell units apart, by `kind`."""
    bare = unit.strip().strip("()[]{}").strip().rstrip(".").strip()
    plain = re.sub(r"\s*/\s*", "/", bare.lower().replace("µ", "u").replace("μ", "u"))
    if (per := _PER.fullmatch(plain)) is not None:
        plain = f"{per[1]}/{per[2]}"
    own = _BY_KIND.get(kind.name, {}) if kind is not None else {}
    return own.get(plain, _SPELLINGS.get(plain, bare))


def scale_of(unit: str, kind: Kind) -> Scale | None:
    """Factor and offset of `unit` for `kind`, or None when it does not measure that."""
    said = spelled(unit, kind)
    if not said:
        return Scale(kind) if kind.bare else None
    if kind is units.TEMPERATURE and said in _TEMPERATURES:
        return Scale(kind, *_TEMPERATURES[said])
    if kind is units.PERCENT_B and said == "%":
        return Scale(kind)
    if said in ("CV/h", "CV/min"):
        return Scale(kind, 1.0 / (3600.0 if said == "CV/h" else 60.0)) if kind is units.RATE else None
    if len(said) > 30:
        return None
    try:
        return Scale(kind, units.factor(said, kind))
    except InputError:
        return None


def signal_of(name: str, unit: str) -> Signal:
    """What a curve called `name` in `unit` measures."""
    plain = name.replace("_", " ").lower()
    guesses = [signal for pattern, signal in _NAMES if re.search(pattern, plain)]
    for guess in guesses[:1]:
        if guess is Signal.OTHER or scale_of(unit, SIGNAL_KINDS[guess]) is not None:
            return guess
        if not unit.strip():
            return guess
    if spelled(unit) == "%":  # of what, only a name can tell
        return Signal.OTHER
    for kind, signal in _UNIT_SIGNALS:
        if unit.strip() and scale_of(unit, kind) is not None:
            return signal
    return Signal.OTHER


def measured(
    name: str,
    unit: str,
    values: FloatArray,
    warnings: list[Finding],
    *,
    time_s: FloatArray | None = None,
    volume_m3: FloatArray | None = None,
    path_length_m: float | None = None,
    derived: bool = False,
    where: str = "curve",
) -> Curve:
    """The curve of these `values` (n,), with signal, kind and SI scale found from its `name` and `unit`.

    A unit that is not understood becomes a warning in `warnings`; the values are kept as plain numbers.
    """
    signal = signal_of(name, unit)
    scale: Scale | None
    if signal is Signal.OTHER:
        scale = next((s for kind in OTHER_KINDS if unit.strip() and (s := scale_of(unit, kind))), None)
        expected = "a unit that is known"
    else:
        scale = scale_of(unit, SIGNAL_KINDS[signal])
        expected = f'a unit of {SIGNAL_KINDS[signal].name}, e.g. "{SIGNAL_KINDS[signal].shown}"'
    if scale is None:
        scale = Scale(units.NUMBER)
        if unit.strip() or signal is not Signal.OTHER:
            shown = f'unit "{unit.strip()[:30]}"' if unit.strip() else "no unit"
            remedy = "The values are kept as plain numbers."
            warnings.append(Finding(f'{where} "{name}"', shown, expected, remedy, "warning"))
    return Curve(
        name=name,
        signal=signal,
        kind=scale.kind,
        unit=unit.strip(),
        factor=scale.factor,
        offset=scale.offset,
        values=values,
        time_s=time_s,
        volume_m3=volume_m3,
        wavelength_m=_wavelength(name) if signal is Signal.UV else None,
        path_length_m=path_length_m,
        derived=derived,
    )


def _wavelength(name: str) -> float | None:
    found = re.search(r"(?<!\d)([1-9]\d{2})(?!\d)", name)
    return float(found[1]) * 1e-9 if found and 180 <= int(found[1]) <= 900 else None
