"""Ultrafiltration in the digital factory: cells along the feed channel, the permeate behind their membrane.

Each cell is stirred; its membrane lets the part S_i of every species pass and keeps the rest. What goes
through follows from what is kept back in the cell (film theory; sources stand in
:mod:`minifactory.twin.operations.filtration`),

    J = min( Lp (dp - pi c exp(J / k)),  k ln(c_gel / c) ),   k = k0 (Q / Q0)^n

with c the mass concentration of all proteins that the membrane does not let pass whole. So permeate is a flow
that no pump imposes: a *drive* of the flow vector, beside the pumps, and worked out anew as the liquid
changes (:mod:`minifactory.twin.driving`). A make-up line is another: it gives its vessel what that loses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.membranes import PERMEATE_SIDE
from minifactory.plant.model import Device, Species
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.engine import Link, StirredTank
from minifactory.twin.operations.filtration import Membrane
from minifactory.twin.parts import Parts, parts_of

Array = NDArray[np.float64]

MOST = 0.99
"""Part of the feed that may go through a membrane: something has to leave at the retentate."""


@dataclass(frozen=True)
class TangentialFilter:
    """A membrane as the stream meets it.

    Parameters
    ----------
    cells : tuple of str
        Units along the channel, which are also the names of its drives.
    into : ndarray
        Places of the links that feed it.
    membrane : Membrane
        One cell of it; concentrations are kg/m3.
    kept : ndarray (n_species,)
        kg/mol of what the membrane does not let pass whole; 0 of all else.
    cross_flow, power : float
        Feed (m3/s) at which the mass transfer is the one stated, and the power of the feed that it follows.
    """

    cells: tuple[str, ...]
    into: NDArray[np.intp]
    membrane: Membrane
    kept: Array
    cross_flow: float = 0.0
    power: float = 0.0

    def permeate(self, feed: float, concentrations: Array) -> Array:
        """Flow (m3/s) through each cell at `feed` (m3/s) and `concentrations` (cells, n_species), mol/m3."""
        if not feed > 0.0:
            return np.zeros(len(self.cells))
        law = self.membrane
        if self.cross_flow > 0.0 and math.isfinite(law.mass_transfer):
            law = replace(law, mass_transfer=law.mass_transfer * (feed / self.cross_flow) ** self.power)
        held = np.maximum(concentrations @ self.kept, 0.0)
        through = law.area * np.array([law.flux(float(each)) for each in held])
        total = float(through.sum())
        return through * (MOST * feed / total) if total > MOST * feed else through


def tangential_filter(
    name: str,
    path: str,
    device: Device,
    species: Sequence[Species],
    parameters: ParameterSet,
    links: Sequence[Link],
) -> TangentialFilter:
    """The membrane at `path` (``skid.Device``), which the network of `links` calls `name`."""
    cells = membrane_cells(name, device)
    passing = sieving(path, species, parameters)
    permeability = device.value("permeability", 0.0) * parameters.get_or(f"{path}.permeability_factor", 1.0)
    return TangentialFilter(
        cells,
        np.array([at for at, link in enumerate(links) if link.target == cells[0]], dtype=np.intp),
        Membrane(
            area=device.value("area", 0.0) / len(cells),
            permeability=permeability,
            transmembrane_pressure=device.value("transmembrane_pressure", 0.0),
            mass_transfer=parameters.get_or(f"{path}.mass_transfer", math.inf),
            gel=parameters.get_or(f"{path}.gel_concentration", math.inf),
            osmotic=parameters.get_or(f"{path}.osmotic_pressure", 0.0),
        ),
        np.array(
            [
                item.molar_mass if item.role.is_protein and passing.get(item.name, 1.0) < 1.0 else 0.0
                for item in species
            ]
        ),
        parameters.get_or(f"{path}.cross_flow", 0.0),
        parameters.get_or(f"{path}.cross_flow_power", 0.0),
    )


def sieving(path: str, species: Sequence[Species], parameters: ParameterSet) -> dict[str, float]:
    """The part of each species that passes the membrane at `path`; those that are not stated pass whole."""
    stated = {item.name: parameters.get_or(f"{path}.{item.name}.sieving", 1.0) for item in species}
    return {name: part for name, part in stated.items() if part < 1.0}


def membrane_cells(name: str, device: Device) -> tuple[str, ...]:
    """Units along the channel of the membrane that the network calls `name`."""
    return tuple(source for source, _ in parts_of(name, device).driven)


def membrane_units(
    name: str, path: str, device: Device, species: Sequence[Species], parameters: ParameterSet
) -> Mapping[str, StirredTank]:
    """The units of a membrane: its cells, the outlet of the channel, and the permeate side."""
    factor = parameters.get_or(f"{path}.volume_factor", 1.0)
    factor *= parameters.get_or(f"{path.partition('.')[0]}.volume_factor", 1.0)
    parts: Parts = parts_of(name, device)
    along = [unit for unit in parts.units if unit != parts.exit("permeate")]
    each = device.volume * factor / len(along)
    behind = device.value("permeate_volume", PERMEATE_SIDE * device.volume) * factor
    passing = sieving(path, species, parameters)
    permeate = StirredTank(parts.exit("permeate"), behind, passing)
    return {unit: StirredTank(unit, each) for unit in along} | {permeate.name: permeate}
