"""Correlations for transport in packed beds and tubes; everything SI, velocities as named.

Each function names its source and where it holds. Interstitial velocity is flow / (area * interstitial
porosity), superficial velocity is flow / area.
"""

from __future__ import annotations

import math

from minifactory.errors import Finding, InputError

BOLTZMANN = 1.380649e-23
WILSON_GEANKOPLIS_POWER = 1.0 / 3.0
"""Power of the velocity that the film coefficient of :func:`wilson_geankoplis` follows."""


def _positive(**values: float) -> None:
    findings = [
        Finding(f"transport correlation, {name}", f"{value}", "a finite value above 0")
        for name, value in values.items()
        if not (value > 0.0 and math.isfinite(value))
    ]
    if findings:
        raise InputError(findings)


def reynolds(
    superficial_velocity: float, particle_diameter: float, viscosity: float, density: float
) -> float:
    """Reynolds number of the particle, from superficial velocity (m/s), m, Pa s and kg/m3."""
    return density * superficial_velocity * particle_diameter / viscosity


def stokes_einstein(radius: float, temperature: float, viscosity: float) -> float:
    """Diffusion coefficient in m2/s of a sphere of hydrodynamic `radius` (m), at K and Pa s.

    Source: A. Einstein, Ann. Phys. 322 (1905) 549.
    """
    _positive(radius=radius, temperature=temperature, viscosity=viscosity)
    return BOLTZMANN * temperature / (6.0 * math.pi * viscosity * radius)


def mackie_meares(diffusion: float, particle_porosity: float) -> float:
    """Pore diffusion coefficient in m2/s of a small molecule, from that in the bulk liquid (m2/s).

    Source: J. S. Mackie, P. Meares, Proc. R. Soc. A 232 (1955) 498.
    """
    _positive(diffusion=diffusion, particle_porosity=particle_porosity)
    return diffusion * (particle_porosity / (2.0 - particle_porosity)) ** 2


def wilson_geankoplis(
    superficial_velocity: float,
    particle_diameter: float,
    interstitial_porosity: float,
    diffusion: float,
) -> float:
    """Film coefficient in m/s: Sh = 1.09 / eps (Re Sc)^(1/3), for 0.0015 < Re < 55.

    Parameters
    ----------
    superficial_velocity : float
        m/s.
    particle_diameter : float
        m.
    interstitial_porosity : float
    diffusion : float
        In the bulk liquid, m2/s.

    Raises
    ------
    InputError
        Values that are not positive (no flow: the correlation has no film).

    Notes
    -----
    Source: E. J. Wilson, C. J. Geankoplis, Ind. Eng. Chem. Fundam. 5 (1966) 9.
    """
    _positive(
        superficial_velocity=superficial_velocity,
        particle_diameter=particle_diameter,
        interstitial_porosity=interstitial_porosity,
        diffusion=diffusion,
    )
    peclet = superficial_velocity * particle_diameter / diffusion
    sherwood = 1.09 / interstitial_porosity * float(peclet ** (1.0 / 3.0))
    return sherwood * diffusion / particle_diameter


def rastegar_gu(
    interstitial_velocity: float,
    particle_diameter: float,
    interstitial_porosity: float,
    diffusion: float,
    viscosity: float = 1.0e-3,
    density: float = 1.0e3,
) -> float:
    """Axial dispersion coefficient in m2/s: 0.7 D + d u eps / (0.18 + 0.008 Re^0.59).

    Parameters
    ----------
    interstitial_velocity : float
        m/s; Re is that of the superficial velocity.
    particle_diameter : float
        m.
    interstitial_porosity : float
    diffusion : float
        In the bulk liquid, m2/s.
    viscosity, density : float
        Pa s, kg/m3.

    Notes
    -----
    Source: S. O. Rastegar, T. Gu, J. Chromatogr. A 1490 (2017) 133.
    """
    _positive(
        particle_diameter=particle_diameter, interstitial_porosity=interstitial_porosity, diffusion=diffusion
    )
    re = reynolds(interstitial_velocity * interstitial_porosity, particle_diameter, viscosity, density)
    spread = interstitial_porosity / (0.18 + 0.008 * float(re**0.59))
    return 0.7 * diffusion + particle_diameter * interstitial_velocity * spread


def aris_taylor(velocity: float, diameter: float, diffusion: float) -> float:
    """Dispersion coefficient in m2/s of laminar flow in a tube: D + u2 d2 / (192 D).

    Holds when the residence time exceeds some d2 / (4 * 3.8^2 D); coiled tubes disperse less. Source: R.
    Aris, Proc. R. Soc. A 235 (1956) 67.
    """
    _positive(diffusion=diffusion)
    return diffusion + velocity**2 * diameter**2 / (192.0 * diffusion)


def van_deemter(velocity: float, a: float, b: float, c: float) -> float:
    """Height of a theoretical plate in m: A + B / u + C u, with u in m/s, A in m, B in m2/s, C in s.

    Source: J. J. van Deemter, F. J. Zuiderweg, A. Klinkenberg, Chem. Eng. Sci. 5 (1956) 271.
    """
    _positive(velocity=velocity)
    return a + b / velocity + c * velocity


def plate_height(
    interstitial_velocity: float,
    axial_dispersion: float,
    interstitial_porosity: float,
    particle_porosity: float,
    particle_radius: float,
    film_coefficient: float,
    pore_diffusion: float = math.inf,
    henry: float = 0.0,
) -> float:
    """HETP in m of a long bed (general rate model, linear binding in equilibrium), from its moments.

    Parameters
    ----------
    interstitial_velocity : float
        m/s.
    axial_dispersion, pore_diffusion : float
        m2/s; infinite pore diffusion: the particle is well mixed (LRMP).
    interstitial_porosity, particle_porosity : float
    particle_radius : float
        m.
    film_coefficient : float
        m/s.
    henry : float
        m3 of liquid per m3 of solid.

    Notes
    -----
    Terms of the van Deemter equation from the first two moments; source: as in plate theory of the general
    rate model, E. Kucera, J. Chromatogr. 19 (1965) 237.
    """
    _positive(interstitial_velocity=interstitial_velocity, film_coefficient=film_coefficient)
    phase = (1.0 - interstitial_porosity) / interstitial_porosity
    k = particle_porosity + (1.0 - particle_porosity) * henry
    resistance = particle_radius / (3.0 * film_coefficient)
    resistance += particle_radius**2 / (15.0 * particle_porosity * pore_diffusion)
    retained = phase * k**2 / (1.0 + phase * k) ** 2
    return (
        2.0 * axial_dispersion / interstitial_velocity + 2.0 * interstitial_velocity * retained * resistance
    )


def from_van_deemter(
    a: float,
    b: float,
    c: float,
    interstitial_porosity: float,
    particle_porosity: float,
    particle_radius: float,
    pore_diffusion: float = math.inf,
    henry: float = 0.0,
) -> tuple[float, float, float]:
    """Dispersivity (m), axial dispersion (m2/s) and film coefficient (m/s) of a measured plate height.

    Parameters
    ----------
    a, b, c : float
        Of H = A + B / u + C u, with u interstitial: m, m2/s, s.
    interstitial_porosity, particle_porosity, particle_radius, pore_diffusion, henry
        As :func:`plate_height`, whose terms are matched: A by the dispersivity, B by the dispersion, C by the
        film, less what pore diffusion takes of it.

    Raises
    ------
    InputError
        When pore diffusion alone takes more than C.
    """
    _positive(c=c, particle_radius=particle_radius)
    phase = (1.0 - interstitial_porosity) / interstitial_porosity
    k = particle_porosity + (1.0 - particle_porosity) * henry
    resistance = c * (1.0 + phase * k) ** 2 / (2.0 * phase * k**2)
    film = resistance - particle_radius**2 / (15.0 * particle_porosity * pore_diffusion)
    if not film > 0.0:
        raise InputError(
            Finding("van Deemter", f"C = {c} s", "more than pore diffusion takes", "Raise pore_diffusion.")
        )
    return 0.5 * a, 0.5 * b, particle_radius / (3.0 * film)


def kozeny_carman(
    superficial_velocity: float,
    length: float,
    particle_diameter: float,
    interstitial_porosity: float,
    viscosity: float = 1.0e-3,
) -> float:
    """Pressure drop in Pa of a bed of spheres, laminar (Re < 1): 180 mu L u (1 - eps)^2 / (d2 eps^3).

    Parameters are in m/s, m, m, dimensionless, Pa s. Source: P. C. Carman, Trans. Inst. Chem. Eng. 15 (1937)
    150.
    """
    _positive(length=length, particle_diameter=particle_diameter, interstitial_porosity=interstitial_porosity)
    eps = interstitial_porosity
    shape = (1.0 - eps) ** 2 / eps**3
    return 180.0 * viscosity * superficial_velocity * length * shape / particle_diameter**2


def critical_velocity(
    reference_velocity: float,
    reference_viscosity: float,
    viscosity: float,
    reference_length: float,
    length: float,
) -> float:
    """Superficial velocity in m/s at which a compressible bed collapses, from that of a known bed and liquid.

    The stress on the bottom of the bed is viscosity * velocity * length; the bed fails at the same stress.
    Walls help in narrow columns, so this is on the safe side when scaling down. Source: J. J. Stickel, A.
    Fotopoulos, Biotechnol. Prog. 17 (2001) 744 (without the wall term).
    """
    _positive(reference_velocity=reference_velocity, viscosity=viscosity, length=length)
    return reference_velocity * reference_viscosity / viscosity * reference_length / length
