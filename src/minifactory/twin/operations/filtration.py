"""Ultrafiltration and diafiltration, batch and single-pass, with flux that the solute limits.

    flux      J = min( dp / (mu Rm) - driving part lost to osmosis,  k ln(c_gel / c) )
    retentate d(V)/dt = q_buffer - A J,   d(V c_i)/dt = q_buffer c_buffer,i - A J S_i c_i
    constant volume     c / c0 = exp(-S N),  N diavolumes
    concentrating       c / c0 = X^(1 - S),  X = V0 / V
    single pass         d(Q c_i) = -J S_i c_i dA,   dQ = -J dA

S_i is the sieving of a solute (1 passes, 0 is kept). The Donnan effect of a charged protein moves the
sieving of permeating ions: with z_p c_p fixed charges (mol/m3) in the retentate and a 1:1 salt c_s outside,
the ratio of ion i inside to outside is r^z_i, r = -x + sqrt(1 + x2), x = z_p c_p / (2 c_s). Sources: L. J.
Zeman, A. L. Zydney, Microfiltration and Ultrafiltration, 1996, ch. 7 to 9; P. Ng, J. Lundblad, G. Mitra,
Sep. Sci. 11 (1976) 499.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import cumulative_simpson, solve_ivp

from minifactory.errors import Finding, InputError
from minifactory.twin.engine.tables import Array

GAS = 8.314462618


@dataclass(frozen=True)
class Membrane:
    """A membrane and what limits its flux.

    Parameters
    ----------
    area : float
        m2.
    permeability : float
        m/(s Pa), of buffer.
    transmembrane_pressure : float
        Pa.
    mass_transfer : float
        k in m/s at the cross-flow used.
    gel : float
        Concentration of the retained solute at which the flux ends, mol/m3; inf: no gel limit.
    osmotic : float
        Osmotic pressure per concentration at the wall, Pa m3/mol; RT for an ideal solute, 0: none.
    sieving : Mapping of str to float
        S by component; those not named pass freely (1).
    limiting : str
        Component that limits the flux.
    """

    area: float
    permeability: float
    transmembrane_pressure: float
    mass_transfer: float
    gel: float = math.inf
    osmotic: float = 0.0
    sieving: Mapping[str, float] = field(default_factory=dict)
    limiting: str = ""

    def flux(self, concentration: float) -> float:
        """Flux in m/s at this bulk concentration (mol/m3) of the limiting component; 0 at the gel point."""
        pressure = self.permeability * self.transmembrane_pressure
        if concentration <= 0.0:
            return pressure
        limit = (
            self.mass_transfer * math.log(self.gel / concentration) if math.isfinite(self.gel) else math.inf
        )
        if self.osmotic > 0.0:
            pressure = self._osmotic_flux(concentration)
        return max(min(pressure, limit), 0.0)

    def _osmotic_flux(self, concentration: float) -> float:
        """J = Lp (dp - osmotic c exp(J / k)): film theory gives the wall, the wall the osmotic pressure."""
        low, high = 0.0, self.permeability * self.transmembrane_pressure
        for _ in range(60):
            flux = 0.5 * (low + high)
            wall = concentration * math.exp(min(flux / self.mass_transfer, 500.0))
            driven = self.permeability * (self.transmembrane_pressure - self.osmotic * wall)
            low, high = (flux, high) if driven > flux else (low, flux)
        return low


@dataclass(frozen=True)
class Filtered:
    """A filtration over time.

    Attributes
    ----------
    times : ndarray (nt,)
        s.
    volume : ndarray (nt,)
        Retentate, m3.
    concentrations : ndarray (nt, nc)
        mol/m3, in the order of `components`.
    permeate : ndarray (nc,)
        Amounts in the permeate, mol.
    permeate_volume, buffer_volume : float
        m3.
    """

    components: tuple[str, ...]
    times: Array
    volume: Array
    concentrations: Array
    permeate: Array
    permeate_volume: float
    buffer_volume: float

    @property
    def duration(self) -> float:
        """s."""
        return float(self.times[-1])


def concentrate(
    membrane: Membrane, content: Mapping[str, float], volume: float, to_volume: float
) -> Filtered:
    """Ultrafiltration from `volume` down to `to_volume` (m3).

    Raises
    ------
    InputError
        A volume that is not smaller, or a flux that ends before it is reached.
    """
    if not 0.0 < to_volume < volume:
        raise InputError(Finding("concentrate", f"{volume:g} to {to_volume:g} m3", "a smaller volume"))
    return _filter(membrane, content, {}, volume, to_volume, 0.0)


def diafilter(
    membrane: Membrane,
    content: Mapping[str, float],
    buffer: Mapping[str, float],
    volume: float,
    diavolumes: float,
) -> Filtered:
    """Diafiltration at constant volume with `buffer` (mol/m3); InputError when the flux ends."""
    if not diavolumes > 0.0:
        raise InputError(Finding("diafilter", f"{diavolumes:g} diavolumes", "above 0"))
    return _filter(membrane, content, buffer, volume, volume, diavolumes)


def _filter(
    membrane: Membrane, content: Mapping[str, float], buffer: Mapping[str, float], volume: float, end: float,
    diavolumes: float,
) -> Filtered:  # fmt: skip
    """Permeate volume is the variable: concentrations are then free of the flux, and time its integral."""
    names = tuple(dict.fromkeys([*content, *buffer]))
    sieving = np.array([membrane.sieving.get(name, 1.0) for name in names])
    start = np.array([content.get(name, 0.0) for name in names])
    fresh = np.array([buffer.get(name, 0.0) for name in names])
    dia = diavolumes > 0.0
    passed = diavolumes * volume if dia else volume - end
    at = names.index(membrane.limiting) if membrane.limiting in names else -1

    def slopes(p: float, y: Array) -> Array:
        c = y / (volume if dia else volume - p)
        return np.asarray((fresh if dia else 0.0) - sieving * c)

    begun, points = start * volume, np.linspace(0.0, passed, 1001)
    answer = solve_ivp(
        slopes, (0.0, passed), begun, t_eval=points, rtol=1e-10, atol=1e-15 + 1e-12 * np.abs(begun)
    )
    volumes = np.full(len(points), volume) if dia else volume - points
    concentrations = answer.y.T / volumes[:, None]
    flux = np.array([membrane.flux(c) for c in (concentrations[:, at] if at >= 0 else 0.0 * points)])
    if np.any(flux <= 0.0):
        stop = int(np.argmax(flux <= 0.0))
        raise InputError(
            Finding(
                "filtration", f"no flux at {concentrations[stop, at]:.4g} mol/m3 of {membrane.limiting}",
                "a concentration that the membrane can filter", "Concentrate less.",
            )
        )  # fmt: skip
    times = cumulative_simpson(1.0 / (membrane.area * flux), x=points, initial=0.0)
    permeate = start * volume + (fresh * passed if dia else 0.0) - answer.y[:, -1]
    return Filtered(names, times, volumes, concentrations, permeate, passed, passed if dia else 0.0)


def single_pass(
    membrane: Membrane, content: Mapping[str, float], flow: float
) -> tuple[float, dict[str, float]]:
    """Outlet flow (m3/s) and concentrations (mol/m3) of one pass of `flow` along it.

    Raises
    ------
    InputError
        More area than the flow can feed.
    """
    names = tuple(content)
    sieving = np.array([membrane.sieving.get(name, 1.0) for name in names])
    at = names.index(membrane.limiting) if membrane.limiting in names else -1

    def slopes(_: float, y: Array) -> Array:
        c = y[1:] / max(float(y[0]), 1e-30)
        flux = membrane.flux(float(c[at]) if at >= 0 else 0.0)
        return np.concatenate(([-flux], -flux * sieving * c))

    def dry(_: float, y: Array) -> float:
        return float(y[0] - 1e-3 * flow)

    dry.terminal = True  # type: ignore[attr-defined]
    begun = np.concatenate(([flow], flow * np.array([content[name] for name in names])))
    answer = solve_ivp(slopes, (0.0, membrane.area), begun, rtol=1e-9, atol=1e-12 * flow, events=dry)
    if answer.status != 0:
        raise InputError(
            Finding("single pass", f"{flow:g} m3/s is used up at {answer.t[-1]:.3g} m2", "flow at the outlet",
                    "Take less area or pressure, or more flow.")
        )  # fmt: skip
    outlet = float(answer.y[0, -1])
    return outlet, {name: float(value) / outlet for name, value in zip(names, answer.y[1:, -1], strict=True)}


def donnan_ratio(protein_charge: float, protein: float, salt: float, ion_charge: int) -> float:
    """Concentration of an ion beside the protein per that in the permeate: its apparent sieving is 1 / this.

    Parameters
    ----------
    protein_charge : float
        Net charge number of the protein.
    protein, salt : float
        mol/m3; a 1:1 salt outside.
    ion_charge : int
        Charge number of the ion.
    """
    x = protein_charge * protein / (2.0 * salt)
    return float((-x + math.sqrt(1.0 + x * x)) ** ion_charge)
