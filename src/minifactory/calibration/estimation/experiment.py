"""One run as calibration sees it: its course, and what was observed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.estimation.course import Course
from minifactory.calibration.estimation.curves import Observed
from minifactory.twin.machine import AVERAGING_TIME

Array = NDArray[np.float64]

ASSAY = "assay."
"""Prefix of the signal of analysed fractions: ``assay.product``."""
LAG = 0.5 * AVERAGING_TIME
"""s by which a slow absorbance is shown late."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """One run as the factory repeats it: its course, and what was observed.

    Fractions' assays are curves of signal ``assay.SPECIES`` whose values are mean concentrations (mol/m3);
    `fractions` (n, 2) are by species beginnings and ends (s) of those fractions. Before `begin` (s, of the
    segments) nothing depends on the parameters: that part is simulated once.
    """

    name: str
    course: Course
    curves: tuple[Observed, ...]
    fractions: Mapping[str, Array]
    begin: float = 0.0

    @property
    def times(self) -> Array:
        """Times (s, of the segments) at which anything is observed."""
        parts = [
            self.course.at(side) for c in self.curves if not c.signal.startswith(ASSAY) for side in c.sides
        ]
        parts += [self.course.at(ends.ravel()) for ends in self.fractions.values()]
        lags = [np.maximum(part - LAG, 0.0) for part in parts]
        wanted = np.clip(np.unique(np.concatenate([*parts, *lags])), 0.0, self.course.end)
        return np.asarray(np.unique(np.maximum(wanted, self.begin)))


def fraction_volumes(experiment: Experiment, species: str) -> Array:
    """m3 of each fraction in which `species` was analysed, from the course's flows."""
    edges = experiment.course.at(experiment.fractions[species])
    times = np.array([0.0, *(s.end for s in experiment.course.segments)])
    volumes = np.concatenate(
        [[0.0], np.cumsum([s.volume_a + s.volume_b for s in experiment.course.segments])]
    )
    return np.asarray(np.diff(np.interp(edges, times, volumes), axis=1)[:, 0])
