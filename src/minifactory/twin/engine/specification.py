"""What a network is made of: units, inlets and links. Frozen, SI, by name.

A vessel's volume changes; all other units hold a constant volume of liquid, and what flows in flows out. The
outlet of a unit is its last node in the direction of flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from minifactory.twin.binding import BindingModel, NoBinding


class BedModel(Enum):
    """How much of the particle a bed resolves; the equations are in docs/engine.md."""

    EDM = "equilibrium-dispersive model"
    LRM = "lumped rate model without pores"
    TDM = "transport-dispersive model: lumped rate model with a linear driving force"
    LRMP = "lumped rate model with pores"
    GRM = "general rate model"

    @property
    def porous(self) -> bool:
        """Whether the particles have pores of their own."""
        return self in (BedModel.LRMP, BedModel.GRM)


@dataclass(frozen=True)
class ParticleSize:
    """A class of a particle size distribution.

    Parameters
    ----------
    radius : float
        m.
    fraction : float
        Part of the particles' volume; all fractions of a bed sum to 1.
    film : float, optional
        Film coefficient of these particles divided by that of the bed; by default it falls with radius^(-2/3)
        from that of the mean particle, as in the correlation of Wilson and Geankoplis.
    """

    radius: float
    fraction: float
    film: float | None = None


@dataclass(frozen=True)
class Inlet:
    """A boundary of the network whose concentrations are given in time: a vessel, a valve."""

    name: str


@dataclass(frozen=True)
class StirredTank:
    """An ideally mixed volume (m3): a mixer, a detector cell, a hold-up, the far side of a membrane.

    Parameters
    ----------
    name : str
    volume : float
        m3.
    sieving : Mapping of str to float
        Where a membrane stands before it: the part of each component that passes, 0 to 1; all of those that
        are not named. Everything that enters comes through the membrane, out of stirred tanks.
    catches : bool
        What does not pass is caught in the membrane and leaves the network; else it stays in the unit before,
        which has another way out.
    """

    name: str
    volume: float
    sieving: Mapping[str, float] = field(default_factory=dict)
    catches: bool = False


@dataclass(frozen=True)
class Vessel:
    """An ideally mixed vessel whose volume changes: a hold tank, a feed or product vessel, a bag.

    It is filled by the links that lead to it and emptied by those that lead on, at their own flows. Liquid in
    it may not run out, nor exceed the capacity: :func:`vessel_levels` tells when either happens.

    Parameters
    ----------
    name : str
    capacity : float
        m3.
    filled : float
        Volume at the start, m3, 0 to `capacity`.
    """

    name: str
    capacity: float
    filled: float = 0.0


@dataclass(frozen=True)
class Tube:
    """A tube: `stages` stirred cells in a row, or dispersed plug flow when a length and dispersion are given.

    Parameters
    ----------
    name : str
    volume : float
        m3.
    stages : int, optional
        Number of equal stirred cells; their residence time has the variance t2 / stages.
    peclet : float, optional
        u L / D; the number of cells is then the one with the same variance (about Pe / 2).
    length, dispersion : float, optional
        m and m2/s: convection and dispersion between closed ends, whatever the flow.
    elements, degree : int
        Mesh of the dispersed tube.
    max_stages : int
        Bound on cells from `peclet`; sharper tubes are then computed a little too dispersed.
    """

    name: str
    volume: float
    stages: int | None = None
    peclet: float | None = None
    length: float | None = None
    dispersion: float | None = None
    elements: int = 6
    degree: int = 3
    max_stages: int = 60


@dataclass(frozen=True)
class Bed:
    """A packed bed.

    Film coefficient, accessibility, axial dispersion and diffusion are one number for all components, or a
    number by component name (every component named).

    Parameters
    ----------
    name : str
    length, area : float
        Bed height in m and cross-section in m2.
    model : BedModel
        EDM, LRM, TDM: no pores: `interstitial_porosity` is the total porosity. EDM takes only binding in
        rapid equilibrium. LRMP, GRM: see Parameters below.
    interstitial_porosity, particle_porosity : float
        Volume between the particles per bed volume; pore volume per particle volume.
    particle_radius : float
        m.
    film_coefficient : float or Mapping
        m/s (LRMP: may lump pore diffusion).
    film_exponent, film_velocity : float or Mapping, float
        Power of the flow that the film coefficient follows, and the superficial velocity (m/s) at which it is
        the one given: 1/3 after Wilson and Geankoplis; 0, the default: one film at any flow. Below a
        thousandth of that velocity the film stays what it is there, since diffusion goes on without flow.
        Within a step of the integration it is that of the step's start.
    axial_dispersion : float or Mapping
        m2/s, at any flow.
    dispersivity : float or Mapping
        m; adds dispersivity times interstitial velocity to the dispersion.
    accessibility : float or Mapping
        Accessible part of the pore volume, 0 < a <= 1.
    pore_diffusion, surface_diffusion : float or Mapping
        m2/s (GRM).
    binding : BindingModel
        Capacities per volume of solid (particle volume less pores; LRM: bed volume less liquid).
    elements, degree : int
        Axial mesh: elements * (degree + 1) nodes.
    radial_nodes : int
        Nodes in the particle (GRM).
    particle_sizes : tuple of ParticleSize
        LRMP, GRM: the size distribution, instead of `particle_radius`; `film_coefficient` is then that of the
        mean particle, whose radius is :attr:`mean_radius`.
    monotone : bool
        Upwind finite volumes of first order on the nodes, instead of the spectral scheme: no concentration
        leaves the range of what enters, fronts spread by about one plate per node.
    transfer_coefficient : float or Mapping
        1/s (TDM): what a volume of solid takes up, divided by the concentration above equilibrium.
    """

    name: str
    length: float
    area: float
    interstitial_porosity: float
    model: BedModel = BedModel.LRMP
    particle_porosity: float = 0.0
    particle_radius: float = 0.0
    film_coefficient: float | Mapping[str, float] = 0.0
    axial_dispersion: float | Mapping[str, float] = 0.0
    dispersivity: float | Mapping[str, float] = 0.0
    accessibility: float | Mapping[str, float] = 1.0
    pore_diffusion: float | Mapping[str, float] = 0.0
    surface_diffusion: float | Mapping[str, float] = 0.0
    binding: BindingModel = field(default_factory=NoBinding)
    elements: int = 6
    degree: int = 5
    radial_nodes: int = 4
    particle_sizes: tuple[ParticleSize, ...] = ()
    transfer_coefficient: float | Mapping[str, float] = 0.0
    monotone: bool = False
    film_exponent: float | Mapping[str, float] = 0.0
    film_velocity: float = 0.0

    @property
    def volume(self) -> float:
        """Volume of the packed bed (CV) in m3."""
        return self.length * self.area

    @property
    def mean_radius(self) -> float:
        """Radius in m of the particle that has the surface per volume of all of them (Sauter mean)."""
        if not self.particle_sizes:
            return self.particle_radius
        if any(not size.radius > 0.0 for size in self.particle_sizes):
            return 0.0
        return 1.0 / sum(size.fraction / size.radius for size in self.particle_sizes)


NetworkUnit = StirredTank | Vessel | Tube | Bed


@dataclass(frozen=True)
class Link:
    """A connection from an inlet or a unit to a unit; its flow (m3/s, never negative) is given in time.

    Parameters
    ----------
    source, target : str
    source_end, target_end : {"outlet", "inlet"}
        Which end of the source the liquid leaves, and which end of the target it enters. A tube or bed that
        liquid enters at its outlet end flows backwards.
    """

    source: str
    target: str
    source_end: Literal["outlet", "inlet"] = "outlet"
    target_end: Literal["outlet", "inlet"] = "inlet"

    @property
    def backward(self) -> bool:
        """Whether a unit at either end of it runs backwards while it flows."""
        return self.source_end == "inlet" or self.target_end == "outlet"
