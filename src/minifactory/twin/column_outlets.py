"""What leaves each column of a skid that has several, as the UV cell would see it there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from minifactory.records.run import Trend
from minifactory.twin.flowsheet import Flowsheet
from minifactory.twin.machine import WAVELENGTHS
from minifactory.twin.sensors import extinctions
from minifactory.units import ABSORBANCE

SUFFIX = ".Outlet"
"""Of the names of these trends: ``C1.Outlet``. No equipment measures them."""


def column_trends(
    sheet: Flowsheet, parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], path_length: float
) -> dict[str, Trend]:
    """Absorbance behind each column, in AU over a UV cell's path, at the usual wavelength.

    Parameters
    ----------
    sheet : Flowsheet
    parts : sequence of (ndarray (nt,), ndarray (nt, columns, nc))
        Times in s and outlet concentrations in mol/m3 of the columns, stretch by stretch.
    path_length : float
        Of the UV cell, m.
    """
    if not parts:
        return {}
    absorb = extinctions(sheet.species, WAVELENGTHS[0]) * path_length
    times = np.concatenate([part[0] for part in parts])
    outlets = np.concatenate([part[1] for part in parts])
    return {
        f"{name}{SUFFIX}": Trend(f"{name}{SUFFIX}", ABSORBANCE, times, outlets[:, at] @ absorb)
        for at, name in enumerate(sheet.several_columns)
    }
