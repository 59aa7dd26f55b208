"""What a process model offers to a virtual skid: segments of flow in, true values at the detectors out.

The model behind it is generated from the description (:mod:`minifactory.twin.online`); everything that stands
between truth and signal is :mod:`minifactory.twin.sensors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Species
from minifactory.twin.pumps import Segment

WATER_TEMPERATURE = 298.15
"""K."""


@dataclass(frozen=True, slots=True)
class ProcessValues:
    """The true state of a process as its detectors face it.

    Parameters
    ----------
    time : float
        Process time in s.
    concentrations : ndarray (n_detectors, n_species)
        mol/m3 in each detector cell; rows as :attr:`ProcessModel.detectors`, columns as
        :attr:`ProcessModel.species`.
    conductivity : float
        S/m in the conductivity cell, at the liquid's temperature.
    ph : float
        pH in the pH cell.
    system_pressure, column_pressure : float
        Pressure at the pumps and pressure drop over the column, in Pa.
    temperature : float
        K in the conductivity cell.
    air : tuple of bool
        Whether air stands in the air sensors of pumps A and B.
    received : Mapping of str to ndarray (n_species,)
        Amount (mol) of each species that every receiving vessel has got since the start.
    drawn : Mapping of str to ndarray (n_species,)
        Amount (mol) of each species that was taken out of every delivering vessel since the start.
    volumes : Mapping of str to float
        m3 that every vessel holds.
    readings : Mapping of str to float
        Values (SI) of further tags that only the model knows, by tag name.
    drops : Mapping of str to float
        Pressure over every filter, Pa, by tag name.
    """

    time: float
    concentrations: NDArray[np.float64]
    conductivity: float
    ph: float
    system_pressure: float
    column_pressure: float
    temperature: float = WATER_TEMPERATURE
    air: tuple[bool, bool] = (False, False)
    received: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    drawn: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    volumes: Mapping[str, float] = field(default_factory=dict)
    readings: Mapping[str, float] = field(default_factory=dict)
    drops: Mapping[str, float] = field(default_factory=dict)


class DetectorLayout(Protocol):
    """The order of rows and columns of detector concentrations."""

    @property
    def species(self) -> tuple[Species, ...]:
        """The dissolved substances, in the order of the columns of concentrations."""

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detector cells, in the order of the rows of concentrations."""


class ProcessModel(DetectorLayout, Protocol):
    """A process that is moved by what the actuators truly do."""

    def values(self) -> ProcessValues:
        """The true values now."""

    def advance(self, segments: Sequence[Segment]) -> ProcessValues:
        """The true values at the end of the last segment; segments follow each other without gaps.

        Raises
        ------
        SolverError
            When the model cannot go on.
        """
