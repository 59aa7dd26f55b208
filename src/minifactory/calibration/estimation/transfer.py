"""The answer of a line and a bed to a small pulse, exactly: transfer functions, inverted by FFT.

Of a bed of length L at interstitial velocity u with closed ends, in the Laplace variable s:

    phi(s) = s + F (3/R) k / (1 + k / g(s))     F = (1 - eps_c) / eps_c,   B = a eps_p + (1 - eps_p) H
    LRMP:  g = B s R / 3
    GRM:   g = (eps_p a D_p / R) (w coth w - 1),   w = R sqrt(B s / (eps_p a D_p))
    G(s) = 4 b exp(Pe (1 - b) / 2) / ((1 + b)^2 - (1 - b)^2 exp(-b Pe)),   b = sqrt(1 + 4 phi t0 / Pe)

The same equations as the engine's beds in the linear range (a test compares both), at the cost of two FFTs.
Source: E. Kucera, J. Chromatogr. 19 (1965) 237; P. V. Danckwerts, Chem. Eng. Sci. 2 (1953) 1 (ends). The
inversion samples s = c + i w and is damped by c so that what wraps around is a millionth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

FREQUENCIES = 400
"""Frequencies of the inversion over twice the window: shows what is wider than 1/300 of the window."""
POINTS = 4096
"""Samples of the course over twice the window."""
WRAP = 14.0
"""Logarithm by which what wraps around is damped."""


@dataclass(frozen=True)
class BedAnswer:
    """A bed as one species sees it, linear range.

    Parameters
    ----------
    length, area : float
        m, m2.
    interstitial_porosity, particle_porosity, accessibility : float
    particle_radius : float
        m.
    film_coefficient : float
        m/s.
    axial_dispersion, dispersivity : float
        m2/s and m.
    pore_diffusion : float or None
        m2/s (GRM); None: the particle is mixed (LRMP).
    henry : float
        m3 of liquid per m3 of solid.
    """

    length: float
    area: float
    interstitial_porosity: float
    particle_porosity: float
    particle_radius: float
    film_coefficient: float
    axial_dispersion: float = 0.0
    dispersivity: float = 0.0
    accessibility: float = 1.0
    pore_diffusion: float | None = None
    henry: float = 0.0

    @property
    def accessible_volume(self) -> float:
        """Liquid volume (m3) that the species sees, bound share included."""
        eps, pores = self.interstitial_porosity, self.particle_porosity
        inside = self.accessibility * pores + (1.0 - pores) * self.henry
        return self.length * self.area * (eps + (1.0 - eps) * inside)

    def transfer(self, s: Complex, flow: float) -> Complex:
        """G(s) at `flow` (m3/s); `s` in 1/s, any shape."""
        eps = self.interstitial_porosity
        velocity = flow / (self.area * eps)
        dispersion = self.axial_dispersion + self.dispersivity * velocity
        peclet = velocity * self.length / max(dispersion, 1e-6 * velocity * self.length)
        phi = s + (1.0 - eps) / eps * 3.0 / self.particle_radius * self._uptake(s)
        b = np.sqrt(1.0 + 4.0 * phi * (self.length / velocity) / peclet)
        top = 4.0 * b * np.exp(0.5 * peclet * (1.0 - b))
        return np.asarray(top / ((1.0 + b) ** 2 - (1.0 - b) ** 2 * np.exp(-b * peclet)))

    def _uptake(self, s: Complex) -> Complex:
        """Flow into the particle per surface and concentration, m/s."""
        pores = self.accessibility * self.particle_porosity
        held = pores + (1.0 - self.particle_porosity) * self.henry
        if held <= 0.0:
            return np.zeros_like(s)
        if self.pore_diffusion is None:
            inside: Complex = held * s * self.particle_radius / 3.0
        else:
            diffusion = max(pores, 1e-12) * self.pore_diffusion
            w = self.particle_radius * np.sqrt(held * s / diffusion)
            inside = np.asarray(
                diffusion / self.particle_radius * (w / np.tanh(w) - 1.0), dtype=np.complex128
            )
        k = self.film_coefficient
        return np.asarray(k * inside / (k + inside))


@dataclass(frozen=True)
class Line:
    """Everything between injection and detector besides the bed: stirred cells by tube, volumes in m3."""

    volumes: tuple[float, ...]
    stages: tuple[int, ...]

    @property
    def volume(self) -> float:
        """m3."""
        return sum(self.volumes)

    def transfer(self, s: Complex, flow: float) -> Complex:
        """Product of the stirred cells at `flow` (m3/s)."""
        out = np.ones_like(s)
        for volume, stages in zip(self.volumes, self.stages, strict=True):
            out = out / (1.0 + s * volume / (flow * stages)) ** stages
        return out


def pulse_answer(
    times: Array, flow: float, injected: float, line: Line, bed: BedAnswer | None, lag: float = 0.0
) -> Array:
    """The answer (n,) in 1/s at `times` (s) to a pulse of area 1 injected over the volume `injected` (m3).

    `lag` (s) is the time constant of the detector; no bed: a by-pass.
    """
    window = 2.0 * float(times[-1])
    step = window / POINTS
    damping = WRAP / window
    s = np.asarray(damping + 2j * np.pi * np.arange(FREQUENCIES) / window, dtype=np.complex128)
    width = injected / flow
    answer = line.transfer(s, flow) / (1.0 + s * lag)
    if bed is not None:
        answer = answer * bed.transfer(s, flow)
    if width > 0.0:
        answer = answer * (-np.expm1(-s * width)) / (s * width)
    course = np.fft.irfft(answer, POINTS) / step * np.exp(damping * step * np.arange(POINTS))
    return np.asarray(np.interp(times, step * np.arange(POINTS), course))
