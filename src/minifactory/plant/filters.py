"""Dead-end filters of a skid: sterile, depth and virus filters; how they block, and what they lack.

A filter states its `area`, the `permeability` of the clean membrane for water at 25 degC and the `volume`
that it holds; how it is `blocking`, the `capacity` in m3 per m2 up to which it may be used, and the
`max_pressure` over it. With a `gauge` the skid shows the pressure over it and what has gone through it.

The resistance of a filter grows with what has gone through it, and with that alone, whether the pressure is
constant or the flow (x: how blocked it is, see :func:`minifactory.twin.filters.filters_of`):

    complete       R = R0 / (1 - x)            every particle closes a pore
    standard       R = R0 / (1 - x / 2)^2      pores narrow
    intermediate   R = R0 exp(x)               particles land on each other too
    cake           R = R0 (1 + x)              a cake grows

Source: J. Hermia, Trans. IChemE 60 (1982) 183.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.document import Reader
from minifactory.plant.model import Device
from minifactory.units import Kind

PERMEABILITY = Kind("permeability", "m/(s*Pa)", "L/(m^2*h*bar)", 0.0)
CAPACITY = Kind("volume per area", "m", "L/m^2", 0.0)
BLOCKING = ("intermediate", "complete", "standard", "cake")
"""Laws of blocking; the first when a filter states none."""
WATER_VISCOSITY = 0.89e-3
"""Pa s at 25 degC (CRC Handbook): that of the liquid for which the permeability is stated."""
CLOSED = 1e6
"""So many times the resistance of the clean filter count at most: nothing goes through any more."""


def check_filter(item: Reader, values: Mapping[str, float], volume: float) -> None:
    """A finding for each number that a filter cannot do without."""
    for name, value, example in (
        ("area", values.get("area", 0.0), "area: 20 cm^2"),
        ("permeability", values.get("permeability", 0.0), "permeability: 50 L/(m^2*h*bar)"),
        ("volume", volume, "volume: 2 mL"),
    ):
        if not value > 0.0:
            item.fail(f"a filter without {name}", f'e.g. "{example}"')


def clean_resistance(device: Device) -> float:
    """Pressure drop in Pa per flow (m3/s) of water through the clean filter."""
    return 1.0 / (device.value("permeability", math.inf) * device.value("area", math.inf))


def blocked(law: str, extent: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Resistance over that of the clean filter when it is blocked to `extent`; at most :data:`CLOSED`."""
    x = np.maximum(np.asarray(extent, dtype=float), 0.0)
    if law == "complete":
        grown = 1.0 / np.maximum(1.0 - x, 1.0 / CLOSED)
    elif law == "standard":
        grown = 1.0 / np.maximum(1.0 - 0.5 * x, CLOSED**-0.5) ** 2
    elif law == "intermediate":
        grown = np.exp(np.minimum(x, math.log(CLOSED)))
    else:
        grown = 1.0 + x
    return np.asarray(np.minimum(grown, CLOSED))
