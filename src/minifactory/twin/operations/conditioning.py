"""In-line dilution and conditioning: how much of a buffer a stream needs to reach a conductivity or a pH.

Both streams meet in a mixer; the share x of buffer in the sum is the one whose mixture (1 - x) a + x b has
the wanted value. Conductivity and pH of the mixture follow from its ions, so that a weak buffer that is
diluted out of its range, or two buffers that titrate each other, are met as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from minifactory.errors import Finding, InputError
from minifactory.twin.electrolyte import Electrolyte
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Conditioning:
    """Share of buffer in the mixed stream, and what that is: mol/m3 by species, pH, S/m."""

    share: float
    composition: Array
    ph: float
    conductivity: float

    @property
    def dilution(self) -> float:
        """Volume of the mixed stream per volume of feed."""
        return 1.0 / (1.0 - self.share)


def mix(
    feed: Array, buffer: Array, share: float, chemistry: Electrolyte, temperature: float = 298.15
) -> Conditioning:
    """What `share` of `buffer` in `feed` (mol/m3 by species) gives."""
    composition = (1.0 - share) * feed + share * buffer
    ph, conductivity = chemistry.evaluate(composition, temperature)
    return Conditioning(share, composition, float(ph), float(conductivity))


def to_conductivity(
    feed: Array, buffer: Array, wanted: float, chemistry: Electrolyte, temperature: float = 298.15
) -> Conditioning:
    """The share of `buffer` that brings `feed` to the conductivity `wanted` (S/m).

    Raises
    ------
    InputError
        A conductivity that no share reaches.
    """

    def value(share: float) -> float:
        return mix(feed, buffer, share, chemistry, temperature).conductivity

    share = _share(value, wanted, "conductivity in S/m")
    return mix(feed, buffer, share, chemistry, temperature)


def to_ph(
    feed: Array, buffer: Array, wanted: float, chemistry: Electrolyte, temperature: float = 298.15
) -> Conditioning:
    """The share of `buffer` that brings `feed` to the pH `wanted`; InputError when no share does."""

    def value(share: float) -> float:
        return mix(feed, buffer, share, chemistry, temperature).ph

    return mix(feed, buffer, _share(value, wanted, "pH"), chemistry, temperature)


def _share(value, wanted: float, what: str) -> float:  # type: ignore[no-untyped-def]
    """The smallest share in (0, 0.99) at which `value` crosses `wanted`."""
    grid = np.linspace(0.0, 0.99, 100)
    values = np.array([value(x) for x in grid]) - wanted
    crossed = np.flatnonzero(values[:-1] * values[1:] <= 0.0)
    if not len(crossed):
        raise InputError(
            Finding("conditioning", f"{what} of {wanted:.4g}",
                    f"{values.min() + wanted:.4g} to {values.max() + wanted:.4g}", "Take another buffer.")
        )  # fmt: skip
    at = int(crossed[0])
    return float(brentq(lambda x: value(x) - wanted, grid[at], grid[at + 1], xtol=1e-12))
