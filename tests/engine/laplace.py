"""Numerical inversion of Laplace transforms, and the transform of a linear bed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minifactory.twin.binding import Linear
from minifactory.twin.engine import Bed


def inverse_laplace(
    transform: Callable[[np.ndarray], np.ndarray], times: np.ndarray, terms: int = 4000
) -> np.ndarray:
    """f(t) of `transform` by the Fourier series of Dubner, Abate and Crump.

    On (0, 2T) the error of the series is exp(-2 a T) of later values; here a T = 14 and T = the last time, so
    about 1e-12. Sum over s = a + i pi k / T. The transforms of dispersed beds fall off like exp(-sqrt(s)), so
    the sum ends by itself. Source: K. S. Crump, J. ACM 23 (1976) 89.
    """
    half = float(np.max(times))
    a = 14.0 / half
    k = np.arange(terms)
    values = transform(a + 1j * np.pi * k / half)
    values[0] *= 0.5
    waves = np.exp(1j * np.pi / half * np.outer(times, k))
    return np.asarray(np.exp(a * times) / half * np.real(waves @ values))


def lrmp_bed(bed: Bed, component: str, flow: float, s: np.ndarray) -> np.ndarray:
    """Transfer function of a bed with film, pores and linear kinetic binding between closed ends.

    c' = -u c_z + D c_zz - F k (c - p),  eps_p p' + (1 - eps_p) q' = k (c - p),  q' = (K p - q) / tau,
    with k = 3 k_f / R and F = (1 - eps) / eps; Danckwerts conditions at both ends.
    """
    assert isinstance(bed.binding, Linear)
    tau = dict(bed.binding.k_kin or {}).get(component, 0.0)
    henry = bed.binding.k_eq[component]
    eps, pore = bed.interstitial_porosity, bed.particle_porosity
    film = 3.0 * float(bed.film_coefficient) / bed.particle_radius  # type: ignore[arg-type]
    dispersion = float(bed.axial_dispersion)  # type: ignore[arg-type]
    velocity = flow / (bed.area * eps)
    held = s * (pore + (1.0 - pore) * henry / (1.0 + tau * s))
    sink = s + (1.0 - eps) / eps * film * held / (film + held)
    peclet = velocity * bed.length / dispersion
    root = np.sqrt(1.0 + 4.0 * sink * dispersion / velocity**2)
    below = (1.0 + root) ** 2 - (1.0 - root) ** 2 * np.exp(-peclet * root)
    return np.asarray(4.0 * root * np.exp(0.5 * peclet * (1.0 - root)) / below)
