"""Tubing, mixers, loops: pieces of flow path as units of the engine.

A tube is dispersed plug flow with the Aris-Taylor coefficient, D_ax = D + u2 d2 / (192 D): its residence
times have the mean V / Q and, between closed ends, the variance (2 / Pe - 2 / Pe2 (1 - exp(-Pe))) (V / Q)2
with Pe = u L / D_ax. D_ax grows with the flow, so a tube is made for one flow.

Sources: R. Aris, Proc. R. Soc. A 235 (1956) 67; O. Levenspiel, Chemical Reaction Engineering, 3rd ed.,
1999, ch. 13.
"""

from __future__ import annotations

import math

from minifactory.errors import Finding, InputError
from minifactory.twin import transport
from minifactory.twin.engine import StirredTank, Tube, Vessel

SHARPEST = 60
"""Largest number of cells of a tube that is sharper than an element mesh can hold."""


def tubing(
    name: str, length: float, diameter: float, flow: float, diffusion: float = 6e-11, elements: int = 8
) -> Tube:
    """A tube of `length` and inner `diameter` (m) at `flow` (m3/s); diffusion coefficient in m2/s.

    Its mesh holds the dispersion; where that is too little for the mesh (Peclet number above about 20 per
    element), as many stirred cells stand for it, at most :data:`SHARPEST`, which disperse a little more.
    """
    _positive(name, length=length, diameter=diameter, flow=flow, diffusion=diffusion)
    area = math.pi / 4.0 * diameter**2
    velocity = flow / area
    dispersion = transport.aris_taylor(velocity, diameter, diffusion)
    peclet = velocity * length / dispersion
    if peclet > 20.0 * elements:
        return Tube(name, area * length, peclet=peclet, max_stages=SHARPEST)
    return Tube(name, area * length, length=length, dispersion=dispersion, elements=elements)


def fully_developed(length: float, diameter: float, flow: float, diffusion: float = 6e-11) -> bool:
    """Whether Aris-Taylor holds: the residence time exceeds d2 / (4 * 3.83^2 D) several (five) times."""
    residence = math.pi / 4.0 * diameter**2 * length / flow
    return residence > 5.0 * diameter**2 / (4.0 * 3.83**2 * diffusion)


def dynamic_mixer(name: str, volume: float) -> StirredTank:
    """A stirred mixing chamber: ideally mixed."""
    _positive(name, volume=volume)
    return StirredTank(name, volume)


def static_mixer(name: str, volume: float, elements: int) -> Tube:
    """A static mixer: radially mixed at once, its `elements` mixing elements as stirred cells in a row.

    The number of cells per element lies between 0.5 and 2 in turbulent and laminar flow; 1 is assumed.
    """
    _positive(name, volume=volume, elements=float(elements))
    return Tube(name, volume, stages=elements)


def sample_loop(name: str, volume: float, diameter: float, flow: float) -> Tube:
    """A capillary loop of `volume` (m3): a dispersed plug of what it was filled with comes out."""
    return tubing(name, volume / (math.pi / 4.0 * diameter**2), diameter, flow)


def superloop(name: str, capacity: float, filled: float = 0.0) -> Vessel:
    """A superloop: a movable seal pushes the sample out, undiluted, until it is empty."""
    return Vessel(name, capacity, filled)


def _positive(name: str, **values: float) -> None:
    bad = [
        f"{what} {value:g}" for what, value in values.items() if not value > 0.0 or not math.isfinite(value)
    ]
    if bad:
        raise InputError(Finding(name, ", ".join(bad), "above 0"))
