"""Devices in which something reacts, as units of the engine: packed beds, coils and stirred tanks.

Viruses are inactivated, proteins fold, aggregate and precipitate in every element of liquid, whether it
flows or stands (:mod:`minifactory.twin.reactions`). A reactor disperses by its Peclet number at any flow
(dispersivity L / Pe); a tank is the same with a Peclet number near 0, which is a stirred tank. Checked
against Danckwerts' solution and (1 + k t)^-1 in :mod:`minifactory.twin.operations.inactivation`, and the
steady states of stirred tanks.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Device, DeviceKind, Role, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.binding import NoBinding
from minifactory.twin.engine import Bed, Network, StirredTank
from minifactory.twin.engine.specification import BedModel, NetworkUnit
from minifactory.twin.operations.refolding import Precipitation
from minifactory.twin.reactions import Reactions

POROSITY = 0.5
"""Of the bed that stands for the reactor: as much solid as liquid, as the reactions ask."""
STIRRED = 1e-5
"""Peclet number of a stirred tank."""
ELEMENTS, DEGREE = 6, 5


def reacting_unit(
    skid: str, device: Device, species: tuple[Species, ...], parameters: ParameterSet
) -> NetworkUnit:
    """The unit of a reactor or tank, with the rates that the parameters state for its species."""
    path = f"{skid}.{device.name}"
    factor = parameters.get_or(f"{path}.volume_factor", 1.0) * parameters.get_or(f"{skid}.volume_factor", 1.0)
    volume = device.volume * factor
    known = reactions(path, species, parameters)
    if device.kind is DeviceKind.TANK and not known.reacting:
        return StirredTank(device.name, volume)
    if device.kind is DeviceKind.TANK:
        peclet, elements, degree = STIRRED, 1, 2
    else:
        peclet = parameters.get_or(f"{path}.peclet", device.value("peclet", 0.0))
        elements, degree = ELEMENTS, DEGREE
    return Bed(
        device.name,
        length=1.0,
        area=volume / POROSITY,
        interstitial_porosity=POROSITY,
        model=BedModel.LRM,
        dispersivity=1.0 / peclet,
        binding=known if known.reacting else NoBinding(),
        elements=elements,
        degree=degree,
    )


def reactions(path: str, species: tuple[Species, ...], parameters: ParameterSet) -> Reactions:
    """What the parameters of the device at `path` (``skid.Device``) let react."""
    proteins = [item.name for item in species if item.role.is_protein]

    def stated(name: str, parameter: str) -> float:
        return parameters.get_or(f"{path}.{name}.{parameter}", 0.0)

    def of_pairs(parameter: str) -> dict[tuple[str, str], float]:
        found = {pair: stated(".".join(pair), parameter) for pair in permutations(proteins, 2)}
        return {pair: rate for pair, rate in found.items() if rate > 0.0}

    viruses = {
        item.name: stated(item.name, "inactivation_rate") for item in species if item.role is Role.VIRUS
    }
    falling = {
        name: Precipitation(stated(name, "cohn_beta"), stated(name, "salting_out"), rate)
        for name in proteins
        if (rate := stated(name, "precipitation_rate")) > 0.0
    }
    return Reactions(
        vanishing={name: rate for name, rate in viruses.items() if rate > 0.0},
        folding=of_pairs("folding_rate"),
        aggregation=of_pairs("aggregation_rate"),
        precipitating=falling,
        charges={item.name: item.charge for item in species if item.role is Role.STRONG_ION},
    )


def nothing_reacted(network: Network) -> dict[str, NDArray[np.float64]]:
    """Reacted amounts at the start of the reacting beds of `network`: none, whatever the liquid holds."""
    return {
        unit.name: np.zeros(len(unit.binding.reacting))
        for unit in network.units
        if isinstance(unit, Bed) and isinstance(unit.binding, Reactions)
    }
