"""Dead-end filters in the digital factory: how blocked they are, what pressure that takes, what they catch.

Two stirred halves of the hold-up stand before and behind the membrane. It catches the same part of a
component at any flow and load (10^-LRV passes), and is blocked by what comes to it:

    x = k V / A + sum_i k_i m_i / A           V m3 through the filter, m_i kg of species i that came to it
    dp = Q R0 f(x),  R0 = 1 / (Lp A)          f as in :mod:`minifactory.plant.filters`

so that the same constants hold at constant flow (pressure rises) and at constant pressure (flux decays).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.filters import blocked, clean_resistance
from minifactory.plant.model import Device, DeviceKind, Skid, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.engine import StirredTank
from minifactory.twin.parts import BEFORE
from minifactory.units import PRESSURE, VOLUME, show

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DeadEndFilter:
    """A filter as the stream meets it.

    Parameters
    ----------
    name, unit : str
        Of the device on its skid, and of the unit before the membrane.
    law : str
        One of :data:`minifactory.plant.filters.BLOCKING`.
    area, resistance : float
        m2, and Pa s/m3 of the clean membrane for water.
    per_volume : float
        How far a volume per area blocks it, 1/m.
    per_amount : ndarray (n_species,)
        How far an amount per area of each species does, m2/mol.
    most, bears : float
        m3 that it is good for and Pa that it bears.
    """

    name: str
    unit: str
    law: str
    area: float
    resistance: float
    per_volume: float
    per_amount: Array
    most: float = math.inf
    bears: float = math.inf

    def resistances(self, volumes: Array, amounts: Array) -> Array:
        """Pa s/m3, (n,), after `volumes` (n,) in m3 and `amounts` (n, n_species) in mol have come to it."""
        extent = (self.per_volume * volumes + amounts @ self.per_amount) / self.area
        return self.resistance * blocked(self.law, extent)

    def limits(self, volumes: Array, drops: Array) -> list[tuple[NDArray[np.bool_], str]]:
        """Where `volumes` (n,) in m3 gone through and `drops` (n,) in Pa are beyond a limit, and which."""
        return [
            (volumes > self.most * (1.0 + 1e-9), f"more than its capacity of {show(self.most, VOLUME)}"),
            (drops > self.bears, f"a pressure above the {show(self.bears, PRESSURE)} that it bears"),
        ]


def filters_of(
    skid: Skid, units: Sequence[str], species: Sequence[Species], parameters: ParameterSet
) -> tuple[DeadEndFilter, ...]:
    """The filters of `skid`; `units` are what the network calls them, in the order of the description."""
    found = []
    for device, unit in zip(skid.of_kind(DeviceKind.FILTER), units, strict=True):
        path = f"{skid.name}.{device.name}"
        by_mass = np.array([parameters.get_or(f"{path}.{item.name}.blocking", 0.0) for item in species])
        area = device.value("area", math.inf)
        found.append(
            DeadEndFilter(
                device.name,
                unit + BEFORE,
                device.words["blocking"],
                area,
                clean_resistance(device) / parameters.get_or(f"{path}.permeability_factor", 1.0),
                parameters.get_or(f"{path}.blocking", 0.0),
                by_mass * np.array([item.molar_mass for item in species]),
                device.value("capacity", math.inf) * area,
                device.value("max_pressure", math.inf),
            )
        )
    return tuple(found)


def filter_units(
    name: str, path: str, device: Device, species: Sequence[Species], parameters: ParameterSet
) -> tuple[StirredTank, StirredTank]:
    """The units before and behind the membrane of the filter at `path` (``skid.Device``)."""
    factor = parameters.get_or(f"{path}.volume_factor", 1.0)
    factor *= parameters.get_or(f"{path.partition('.')[0]}.volume_factor", 1.0)
    half = 0.5 * device.volume * factor
    decades = {item.name: parameters.get_or(f"{path}.{item.name}.log_reduction", 0.0) for item in species}
    passing = {each: 10.0**-reduction for each, reduction in decades.items() if reduction > 0.0}
    return StirredTank(name + BEFORE, half), StirredTank(name, half, passing, catches=True)
