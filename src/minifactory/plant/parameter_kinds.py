"""Which model parameters exist, what each means, its unit and its bounds: one table.

The path of a parameter says what it belongs to: ``C1.interstitial_porosity`` (a column), ``C1.product.nu`` (a
species in a column; ``ions`` and ``proteins`` stand for all of their kind that have no value of their own),
``akta1.PumpA.gain`` (a device), ``akta1.UV1.gain`` (a signal), ``akta1.volume_factor`` (a skid),
``buffer_a.strength`` (a material), ``feed.product.strength`` (a species of a material).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from minifactory.plant.equipment import (
    ABSORBANCE_DRIFT,
    CONDUCTIVITY_DRIFT,
    PH_DRIFT,
    PRESSURE_DRIFT,
    TEMPERATURE_DIFFERENCE,
)
from minifactory.plant.model import DeviceKind
from minifactory.units import (
    ABSORBANCE,
    CONCENTRATION,
    CONDUCTIVITY,
    DIFFUSIVITY,
    FLOW,
    LENGTH,
    PH,
    POSITIVE,
    PRESSURE,
    RATE,
    TEMPERATURE,
    TIME,
    Kind,
)

PLAIN_FRACTION = Kind("fraction", "", "", 0.0, 1.0, bare=True)
FILM = Kind("film coefficient", "m/s", "m/s", 0.0, 1.0)
AFFINITY = Kind("affinity", "m^3/mol", "L/mol", 0.0)
OFFSET_PRESSURE = Kind("pressure difference", "Pa", "MPa", -1e7, 1e7)
TEMPERATURE_DRIFT = Kind("temperature drift", "K/s", "K/h")
OFFSET_PH = Kind("pH difference", "", "", -14.0, 14.0, bare=True)
OFFSET_CONDUCTIVITY = Kind("conductivity difference", "S/m", "mS/cm", -200.0, 200.0)

GROUPS = ("ions", "proteins")
"""Names that stand for all strong ions and weak acids, or all proteins, of a column."""


@dataclass(frozen=True)
class ParameterKind:
    """What one parameter is.

    Parameters
    ----------
    kind : Kind
        Its quantity; values are kept in the kind's SI unit.
    meaning : str
        One line for people; capacities say per what volume.
    lower, upper : float
        Physical bounds (SI).
    default : float or None
        The value (SI) when the file is silent; None: it has none and models decide what to do without.
    per_volume : bool
        A capacity: the file must say ``per: solid``, ``per: particle`` or ``per: column``; kept per solid.
    wider : str
        Path of the parameter that holds instead when this one is not stated (all wavelengths of a UV cell).
    """

    kind: Kind
    meaning: str
    lower: float = -math.inf
    upper: float = math.inf
    default: float | None = None
    per_volume: bool = False
    wider: str = ""


_PUMP_GAIN = ParameterKind(POSITIVE, "true flow divided by the shown one", 0.5, 2.0, 1.0)
_GAIN = ParameterKind(POSITIVE, "reading divided by the true value", 0.1, 10.0, 1.0)
_VOLUME_FACTOR = ParameterKind(POSITIVE, "true volume divided by the stated one", 0.1, 10.0, 1.0)
_DISPERSION = ParameterKind(
    DIFFUSIVITY, "axial dispersion in the tube; by Aris and Taylor when not stated", 0.0
)


def _channel(signal: Kind, drift: Kind, offset: Kind | None = None) -> dict[str, ParameterKind]:
    """The parameters of one measured signal; noise, drift and saturation override those of the device."""
    return {
        "gain": _GAIN,
        "offset": ParameterKind(offset or signal, "reading at a true value of zero", default=0.0),
        "drift": ParameterKind(drift, "change of the reading with time"),
        "noise": ParameterKind(replace(signal, lower=0.0), "standard deviation of the reading"),
        "relative_noise": ParameterKind(
            PLAIN_FRACTION, "standard deviation, as a fraction of the reading", 0.0, 1.0
        ),
        "lag": ParameterKind(TIME, "time constant of the first-order answer", 0.0),
        "saturation": ParameterKind(signal, "upper end of the measuring range"),
    }


COLUMN: Mapping[str, ParameterKind] = {
    "interstitial_porosity": ParameterKind(
        PLAIN_FRACTION, "liquid between the particles per column volume", 0.1, 0.9
    ),
    "particle_porosity": ParameterKind(PLAIN_FRACTION, "liquid in the pores per particle volume", 0.01, 0.99),
    "total_porosity": ParameterKind(
        PLAIN_FRACTION, "liquid per column volume, for models without pores", 0.1, 0.99
    ),
    "axial_dispersion": ParameterKind(DIFFUSIVITY, "axial dispersion coefficient, whatever the flow", 0.0),
    "dispersivity": ParameterKind(LENGTH, "axial dispersion divided by interstitial velocity", 0.0, 1.0),
    "ionic_capacity": ParameterKind(
        CONCENTRATION, "charges of the resin per solid volume", 0.0, 1e5, per_volume=True
    ),
    "kozeny_constant": ParameterKind(
        POSITIVE, "constant of the Kozeny-Carman equation for the packed bed", 50.0, 1000.0, 180.0
    ),
}
"""Parameters of a packed column."""

COLUMN_SPECIES: Mapping[str, ParameterKind] = {
    "nu": ParameterKind(POSITIVE, "characteristic charge (SMA)", 0.0, 100.0),
    "sigma": ParameterKind(POSITIVE, "steric factor (SMA): charges covered but not bound", 0.0, 1e4),
    "k_eq": ParameterKind(POSITIVE, "equilibrium constant (SMA), dimensionless", 0.0),
    "k_kin": ParameterKind(RATE, "kinetic constant of desorption; equilibrium at once when not stated", 0.0),
    "henry": ParameterKind(POSITIVE, "linear isotherm: bound per solid volume over dissolved", 0.0),
    "affinity": ParameterKind(AFFINITY, "Langmuir constant", 0.0),
    "q_max": ParameterKind(CONCENTRATION, "binding capacity per solid volume", 0.0, 1e5, per_volume=True),
    "pore_accessibility": ParameterKind(
        PLAIN_FRACTION, "part of the pore volume that the species enters", 0.0, 1.0
    ),
    "film_coefficient": ParameterKind(FILM, "film mass transfer coefficient", 0.0),
    "pore_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient in the pores", 0.0),
    "surface_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient of the bound molecules", 0.0),
    "free_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient in free solution", 0.0),
    "axial_dispersion": ParameterKind(DIFFUSIVITY, "axial dispersion coefficient of this species", 0.0),
    "dispersivity": ParameterKind(LENGTH, "axial dispersion divided by interstitial velocity", 0.0, 1.0),
}
"""Parameters of a species in a packed column."""

SKID: Mapping[str, ParameterKind] = {
    "volume_factor": _VOLUME_FACTOR,
    "temperature": ParameterKind(TEMPERATURE, "temperature of the liquid", 273.15, 373.15),
    "Latency.nominal": ParameterKind(TIME, "from an instruction to its effect", 0.0, 60.0),
    "Latency.spread": ParameterKind(TIME, "half width of the spread of the latency", 0.0, 60.0),
    "PumpWash.duration": ParameterKind(TIME, "duration of a pump wash", 0.0, 3600.0),
    "PumpWash.flow": ParameterKind(FLOW, "flow during a pump wash", 0.0),
    "Heartbeat.timeout": ParameterKind(TIME, "how long the heartbeat may stand still", 0.1, 3600.0),
}
"""Parameters of a whole skid and of its control."""

SIGNALS: Mapping[str, Mapping[str, ParameterKind]] = {
    "UV": {
        **_channel(ABSORBANCE, ABSORBANCE_DRIFT),
        "path_length": ParameterKind(LENGTH, "optical path length", 1e-5, 0.1),
        "stray_light": ParameterKind(
            PLAIN_FRACTION, "fraction of the light that passes by the liquid", 0.0, 0.1
        ),
    },
    "Cond": _channel(CONDUCTIVITY, CONDUCTIVITY_DRIFT, OFFSET_CONDUCTIVITY),
    "Cond.Temperature": _channel(TEMPERATURE, TEMPERATURE_DRIFT, TEMPERATURE_DIFFERENCE),
    "pH": _channel(PH, PH_DRIFT, OFFSET_PH),
    "Pressure": _channel(PRESSURE, PRESSURE_DRIFT, OFFSET_PRESSURE),
    "Pressure.Delta": _channel(PRESSURE, PRESSURE_DRIFT, OFFSET_PRESSURE),
}
"""Parameters of the measured signals of a skid; ``UV`` stands for every channel (``UV1``, ``UV2`` ...)
and, under the name of the cell, for all of its channels."""

DEVICE: Mapping[DeviceKind, Mapping[str, ParameterKind]] = {
    DeviceKind.PUMP: {"gain": _PUMP_GAIN},
    DeviceKind.TUBING: {"volume_factor": _VOLUME_FACTOR, "axial_dispersion": _DISPERSION},
    DeviceKind.MIXER: {"volume_factor": _VOLUME_FACTOR},
    DeviceKind.RESTRICTOR: {"gain": _GAIN},
}
"""Parameters of the other devices of a skid, by kind."""

MATERIAL: Mapping[str, ParameterKind] = {
    "strength": ParameterKind(POSITIVE, "true concentrations divided by the stated ones", 0.01, 100.0, 1.0),
}
"""Parameters of a material."""

MATERIAL_SPECIES: Mapping[str, ParameterKind] = {
    "strength": ParameterKind(
        POSITIVE,
        "true concentration divided by the stated one; that of the material when not stated",
        0.01,
        100.0,
    ),
}
"""Parameters of one species of a material."""
