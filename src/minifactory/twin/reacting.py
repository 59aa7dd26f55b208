"""Devices in which viruses are inactivated, as units of the engine: packed beds, coils and stirred tanks.

In every element of liquid n' = -k n, whether it flows or stands. The engine's beds carry kinetic binding, and
first-order decay is its irreversible case: what is inactivated is "bound" and never leaves,

    dc/dt = ... - F dq/dt,   dq/dt = (K c - q) / tau  ->  k c / F     with K = k tau / F, tau -> infinity

F is solid per liquid volume. A reactor disperses by its Peclet number at any flow (dispersivity L / Pe); a
tank is the same with a Peclet number near 0, which is a stirred tank. Checked against Danckwerts' solution
and (1 + k t)^-1 in :mod:`minifactory.twin.operations.inactivation`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Device, DeviceKind, Role, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.binding import Linear, NoBinding
from minifactory.twin.engine import Bed, Network, StirredTank
from minifactory.twin.engine.specification import BedModel, NetworkUnit

POROSITY = 0.5
"""Of the bed that stands for the reactor: only its liquid volume counts."""
FOREVER = 1e15
"""s after which inactivated virus would come back."""
STIRRED = 1e-5
"""Peclet number of a stirred tank."""
ELEMENTS, DEGREE = 6, 5


def reacting_unit(
    skid: str, device: Device, species: tuple[Species, ...], parameters: ParameterSet
) -> NetworkUnit:
    """The unit of a reactor or tank, with the rates that the parameters state for its viruses."""
    path = f"{skid}.{device.name}"
    factor = parameters.get_or(f"{path}.volume_factor", 1.0) * parameters.get_or(f"{skid}.volume_factor", 1.0)
    volume = device.volume * factor
    rates = {
        item.name: parameters.get_or(f"{path}.{item.name}.inactivation_rate", 0.0)
        for item in species
        if item.role is Role.VIRUS
    }
    if device.kind is DeviceKind.TANK:
        peclet, elements, degree = STIRRED, 1, 2
    else:
        peclet = parameters.get_or(f"{path}.peclet", device.value("peclet", 0.0))
        elements, degree = ELEMENTS, DEGREE
    known = {name: rate for name, rate in rates.items() if rate > 0.0}
    if device.kind is DeviceKind.TANK and not known:
        return StirredTank(device.name, volume)
    return decaying_bed(device.name, volume, peclet, known, elements, degree)


def decaying_bed(
    name: str, volume: float, peclet: float, rates: Mapping[str, float], elements: int, degree: int
) -> Bed:
    """Dispersed plug flow through `volume` (m3 of liquid), first-order decay; `rates` (1/s) by species."""
    solid = (1.0 - POROSITY) / POROSITY
    decay = Linear(
        {each: rate * FOREVER / solid for each, rate in rates.items()}, dict.fromkeys(rates, FOREVER)
    )
    return Bed(
        name,
        length=1.0,
        area=volume / POROSITY,
        interstitial_porosity=POROSITY,
        model=BedModel.LRM,
        dispersivity=1.0 / peclet,
        binding=decay if rates else NoBinding(),
        elements=elements,
        degree=degree,
    )


def nothing_inactivated(network: Network, devices: Mapping[str, Device]) -> dict[str, NDArray[np.float64]]:
    """Bound states at the start of the reacting beds of `network`: none, whatever the liquid holds."""
    return {
        unit.name: np.zeros(len(unit.binding.k_eq))
        for unit in network.units
        if isinstance(unit, Bed) and isinstance(unit.binding, Linear)
        if unit.name in devices and devices[unit.name].kind in (DeviceKind.REACTOR, DeviceKind.TANK)
    }
