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

_SPELLINGS = {
    "c": "degC",
    "°c": "degC",
    "deg c": "degC",
    "°f": "degF",
    "sec": "s",
    "mins": "min",
    "minutes": "min",
    "minute": "min",
    "seconds": "s",
    "hr": "h",
    "hrs": "h",
    "hours": "h",
    "ms/cm": "mS/cm",
    "us/cm": "uS/cm",
    "µs/cm": "uS/cm",
    "μs/cm": "uS/cm",
    "s/m": "S/m",
    "mau": "mAU",
    "au": "AU",
    "%b": "%B",
    "% b": "%B",
    "cv": "CV",
    "mpa": "MPa",
    "kpa": "kPa",
    "µl": "uL",
    "μl": "uL",
    "ml_per_min": "mL/min",
    "l_per_min": "L/min",
    "cm_per_h": "cm/h",
    "ml/min": "mL/min",
    "l/h": "L/h",
    "um": "um",
}

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
    (r"%\s*b\b|\bconc( b)?\b|gradient|percent ?b|\bb ?%", Signal.PERCENT_B),
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


def spelled(unit: str) -> str:
    """`unit` as the rest of MiniFactory spells it."""
    bare = unit.strip().strip("()[]{}").strip()
    return _SPELLINGS.get(bare.lower(), bare)


def scale_of(unit: str, kind: Kind) -> Scale | None:
    """Factor and offset of `unit` for `kind`, or None when it does not measure that."""
    said = spelled(unit)
    if not said:
        return Scale(kind) if kind.bare else None
    if kind is units.TEMPERATURE and said in ("degC", "K"):
        return Scale(kind, 1.0, 273.15 if said == "degC" else 0.0)
    if kind is units.PERCENT_B and said == "%":
        return Scale(kind)
    if said == "CV/h":
        return Scale(kind, 1.0 / 3600.0) if kind is units.RATE else None
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
