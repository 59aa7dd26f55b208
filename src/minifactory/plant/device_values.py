"""What a device of each kind may state: its numbers with their units, and its words."""

from __future__ import annotations

from collections.abc import Mapping

from minifactory.plant.filters import BLOCKING, CAPACITY, PERMEABILITY
from minifactory.plant.model import DeviceKind
from minifactory.plant.reactors import POROSITY
from minifactory.units import (
    ABSORBANCE,
    AREA,
    CONDUCTIVITY,
    FLOW,
    FRACTION,
    LENGTH,
    PH,
    POSITIVE,
    PRESSURE,
    TIME,
    VOLUME,
    Kind,
)

FLOW_RAMP = Kind("flow ramp", "m^3/s^2", "mL/min/s", 0.0)
ABSORBANCE_DRIFT = Kind("absorbance drift", "AU/s", "mAU/h")
CONDUCTIVITY_DRIFT = Kind("conductivity drift", "S/m/s", "mS/cm/h")
PH_DRIFT = Kind("pH drift", "1/s", "1/h")
TEMPERATURE_DIFFERENCE = Kind("temperature difference", "K", "K", -50.0, 50.0)
PRESSURE_DRIFT = Kind("pressure drift", "Pa/s", "MPa/h")

_TUBE = {"inner_diameter": LENGTH, "length": LENGTH}
_SENSOR = {"averaging_time": TIME, "response_time": TIME}

DEVICE_VALUES: Mapping[DeviceKind, Mapping[str, Kind]] = {
    DeviceKind.VALVE: {"switch_time": TIME, "switch_spread": TIME},
    DeviceKind.PUMP: {
        "min_flow": FLOW,
        "max_flow": FLOW,
        "max_pressure": PRESSURE,
        "ramp_rate": FLOW_RAMP,
        "accuracy": FRACTION,
        "latency": TIME,
        "wash_flow": FLOW,
        "wash_time": TIME,
    },
    DeviceKind.TUBING: _TUBE,
    DeviceKind.MIXER: {},
    DeviceKind.JUNCTION: {},
    DeviceKind.COLUMN: {},
    DeviceKind.UV_CELL: {
        **_SENSOR,
        "path_length": LENGTH,
        "channels": POSITIVE,
        "min_wavelength": LENGTH,
        "max_wavelength": LENGTH,
        "saturation": ABSORBANCE,
        "noise": ABSORBANCE,
        "drift": ABSORBANCE_DRIFT,
    },
    DeviceKind.CONDUCTIVITY_CELL: {
        **_SENSOR,
        "saturation": CONDUCTIVITY,
        "noise": CONDUCTIVITY,
        "drift": CONDUCTIVITY_DRIFT,
        "accuracy": FRACTION,
        "temperature_noise": TEMPERATURE_DIFFERENCE,
    },
    DeviceKind.PH_CELL: {**_SENSOR, "noise": PH, "drift": PH_DRIFT},
    DeviceKind.PRESSURE_SENSOR: {
        **_SENSOR,
        "saturation": PRESSURE,
        "noise": PRESSURE,
        "drift": PRESSURE_DRIFT,
    },
    DeviceKind.AIR_SENSOR: {"response_time": TIME},
    DeviceKind.RESTRICTOR: {"restriction": PRESSURE},
    DeviceKind.REACTOR: {
        **_TUBE,
        "particle_diameter": LENGTH,
        "porosity": POROSITY,
        "peclet": POSITIVE,
    },
    DeviceKind.TANK: {},
    DeviceKind.SUPERLOOP: {},
    DeviceKind.FILTER: {
        "area": AREA,
        "permeability": PERMEABILITY,
        "max_pressure": PRESSURE,
        "capacity": CAPACITY,
    },
    DeviceKind.MEMBRANE: {
        "area": AREA,
        "permeability": PERMEABILITY,
        "transmembrane_pressure": PRESSURE,
        "permeate_volume": VOLUME,
        "cells": POSITIVE,
        "channel_pressure": PRESSURE,
        "channel_flow": FLOW,
    },
    DeviceKind.MAKE_UP: {"max_flow": FLOW},
}
"""Numbers that a device of each kind may state, besides its ``volume``."""

DEVICE_CHOICES: Mapping[DeviceKind, Mapping[str, tuple[str, ...]]] = {
    DeviceKind.VALVE: {"dead_volume": ("no", "yes")},
    DeviceKind.FILTER: {"blocking": BLOCKING, "gauge": ("yes", "no")},
}
"""What a device of each kind may state in words; the first one when it states nothing."""

KIND_NAMES: Mapping[str, DeviceKind] = {kind.value: kind for kind in DeviceKind if kind != DeviceKind.COLUMN}
