"""pH and conductivity of a mixed solution from its composition.

Charge balance with weak acids in equilibrium (mol/L, activity coefficients after Davies):

    h + sum_strong z_i c_i - Kw' / h + sum_acids c_a * mean_charge_a(h) = 0
    log10 gamma_z = -A z^2 (sqrt(I) / (1 + sqrt(I)) - 0.3 I),   A = 0.509 at 25 degC

Conductivity is the sum over ions of c_i |z_i| lambda_i with the limiting law of Debye, Hueckel and Onsager,
extended by a finite ion size, and a fractional Walden correction for the viscosity of concentrated solutions:

    lambda_i = [lambda0_i - (0.2297 lambda0_i + 30.3 |z_i|) sqrt(I) / (1 + 1.5 sqrt(I))] / eta_r^0.8
    eta_r = 1 + sum_i B_i c_i                                        (Jones and Dole, linear term)

Sources: Davies, Ion Association (1962); Robinson and Stokes, Electrolyte Solutions (1959), chapter 7, for the
conductivity of 1:1 electrolytes at 25 degC; B coefficients: Jenkins and Marcus, Chem. Rev. 95 (1995) 2695.
Validity: aqueous, up to about 1 M of 1:1 electrolytes (within 3 % of tabulated NaCl at 25 degC, see the
tests); proteins are not counted as charges. Temperature: pKa values and Kw follow van 't Hoff with constant
enthalpies of ionisation, A the permittivity of water (Malmberg and Maryott, J. Res. NBS 56 (1956) 1); 2 % per
K on conductivity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from minifactory.plant.model import Role, Species

KW = 1.008e-14
"""Ionic product of water at 25 degC, (mol/L)^2; Robinson and Stokes (1959)."""
KW_ENTHALPY = 55.815e3
"""Enthalpy of ionisation of water, J/mol; Goldberg et al., J. Phys. Chem. Ref. Data 31 (2002) 231."""
DAVIES_A = 0.509
GAS_CONSTANT = 8.314462618
LAMBDA_H = 349.8e-4
"""Limiting molar conductivity of H+ in S m2/mol at 25 degC (CRC Handbook)."""
LAMBDA_OH = 198.0e-4
"""Limiting molar conductivity of OH- in S m2/mol at 25 degC (CRC Handbook)."""
VISCOSITY_B: Mapping[str, float] = {
    "sodium": 0.085,
    "potassium": -0.009,
    "chloride": -0.005,
    "acetate": 0.246,
    "sulfate": 0.206,
    "hydroxide": 0.122,
    "phosphate": 0.382,
}
"""Jones-Dole B coefficients in L/mol (Jenkins and Marcus 1995); species not listed count as 0."""

_B_OH = VISCOSITY_B["hydroxide"]
_LN10 = 2.302585092994046
_PASSES = 6
"""Bound on passes over the ionic strength, which converges by a factor of about 100 per pass."""
_HALVINGS = 40
"""Bisection steps in pH of the first pass: 17 units / 2^40 is 2e-11."""
_NEAR = 0.25
_HALVINGS_NEAR = 32
"""Those of later passes, within +-0.25 pH of the last one: 1e-10."""


@dataclass(frozen=True)
class Electrolyte:
    """The ions of a list of species as flat tables, ready for pH and conductivity.

    Build it with :func:`electrolyte`. Concentrations are always arrays (..., n_species) in mol/m3.

    Parameters
    ----------
    n_species : int
        Number of species in a composition.
    strong : ndarray (n_strong, 4)
        Index, charge number, limiting molar conductivity (S m2/mol), B (L/mol).
    weak : ndarray (n_weak, 4)
        Index, charge of the acid form, number of pKa values, B (L/mol).
    pka : ndarray (n_weak, n_stages)
        Thermodynamic pKa values.
    mobility : ndarray (n_weak, n_stages + 1)
        Limiting molar conductivity of each protonation stage in S m2/mol.
    enthalpy : ndarray (n_weak, n_stages)
        Enthalpies of ionisation in J/mol.
    """

    n_species: int
    strong: NDArray[np.float64]
    weak: NDArray[np.float64]
    pka: NDArray[np.float64]
    mobility: NDArray[np.float64]
    enthalpy: NDArray[np.float64]

    def ph(self, concentrations: NDArray[np.float64], temperature: float = 298.15) -> NDArray[np.float64]:
        """pH (activity scale) of each composition at `temperature` (K); shape (...,)."""
        return self.evaluate(concentrations, temperature)[0]

    def conductivity(
        self, concentrations: NDArray[np.float64], temperature: float = 298.15
    ) -> NDArray[np.float64]:
        """Conductivity in S/m of each composition at `temperature` (K); shape (...,)."""
        return self.evaluate(concentrations, temperature)[1]

    def evaluate(
        self, concentrations: NDArray[np.float64], temperature: float = 298.15
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """pH and conductivity (S/m) together; each of shape (...,)."""
        table = np.ascontiguousarray(concentrations, dtype=np.float64).reshape(-1, self.n_species)
        result = np.empty((len(table), 2))
        # van 't Hoff: d ln K / d(1/T) = -H / R
        shift = (1.0 / temperature - 1.0 / 298.15) / (GAS_CONSTANT * _LN10)
        pka, kw = self.pka + self.enthalpy * shift, KW * 10.0 ** (-KW_ENTHALPY * shift)
        constants = (kw, davies_slope(temperature), temperature - 298.15)
        _evaluate(table, self.strong, self.weak, pka, self.mobility, constants, result)
        shape = np.shape(concentrations)[:-1]
        return result[:, 0].reshape(shape), result[:, 1].reshape(shape)


def electrolyte(species: Sequence[Species]) -> Electrolyte:
    """The electrolyte model of `species`, in their order; proteins and tracers carry no charge in it."""
    strong = []
    weak: list[tuple[float, float, float, float]] = []
    acids = [item for item in species if item.role is Role.WEAK_ACID]
    stages = max((len(item.pka) for item in acids), default=0)
    pka = np.zeros((len(acids), stages))
    mobility, enthalpy = np.zeros((len(acids), stages + 1)), np.zeros((len(acids), stages))
    for index, item in enumerate(species):
        thickening = VISCOSITY_B.get(item.name, 0.0)
        if item.role is Role.STRONG_ION:
            conductivity = item.molar_conductivity[0] if item.molar_conductivity else 0.0
            strong.append((float(index), float(item.charge), conductivity, thickening))
        elif item.role is Role.WEAK_ACID:
            place = len(weak)
            pka[place, : len(item.pka)] = item.pka
            enthalpy[place, : len(item.enthalpy)] = item.enthalpy
            charged = [k for k in range(len(item.pka) + 1) if item.acid_charge - k]
            for stage, value in zip(charged, item.molar_conductivity, strict=False):
                mobility[place, stage] = value
            weak.append((float(index), float(item.acid_charge), float(len(item.pka)), thickening))
    return Electrolyte(
        len(species), np.array(strong).reshape(-1, 4), np.array(weak).reshape(-1, 4), pka, mobility,
        enthalpy,
    )  # fmt: skip


def davies_slope(temperature: float) -> float:
    """A of the Davies equation at `temperature` (K): 0.509 at 25 degC, as (permittivity x T)^-1.5."""

    def permittivity(celsius: float) -> float:
        return 87.740 - 0.40008 * celsius + 9.398e-4 * celsius**2 - 1.410e-6 * celsius**3

    ratio = permittivity(25.0) * 298.15 / (permittivity(temperature - 273.15) * temperature)
    return float(DAVIES_A * ratio**1.5)


def _compiled(function: Any) -> Any:
    # Everything that this kernel calls is in this file, so Numba's own cache (keyed by the file) is enough.
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _gamma(ionic: float, slope: float) -> float:
    """Activity coefficient of a singly charged ion; beyond 0.5 mol/L the value at 0.5 (limit of the law)."""
    bounded = min(ionic, 0.5)
    root = np.sqrt(bounded)
    return float(10.0 ** (-slope * (root / (1.0 + root) - 0.3 * bounded)))


@_compiled
def _constants(gamma, weak, pka, out):  # type: ignore[no-untyped-def]
    """Concentration-based acid constants (mol/L) of every step of every weak acid, into `out`."""
    for k in range(weak.shape[0]):
        for step in range(int(weak[k, 2])):
            charge = weak[k, 1] - step
            # K' = K gamma_acid / (gamma_H gamma_base), and log gamma is proportional to z^2
            exponent = charge**2 - 1.0 - (charge - 1.0) ** 2
            out[k, step] = 10.0 ** -pka[k, step] * gamma**exponent


@_compiled
def _shares(h, n, constants, out):  # type: ignore[no-untyped-def]
    """Share of each protonation stage of one weak acid, most protonated first, into `out`."""
    out[0] = 1.0
    total = 1.0
    for step in range(n):
        out[step + 1] = out[step] * constants[step] / h
        total += out[step + 1]
    for step in range(n + 1):
        out[step] /= total


@_compiled
def _evaluate(table, strong, weak, pka, mobility, physics, result):  # type: ignore[no-untyped-def]
    """pH and conductivity of every row of `table` (mol/m3) into `result` (n, 2)."""
    kw, slope, warmth = physics  # Kw in (mol/L)^2, A of Davies, K above 25 degC
    shares = np.empty(pka.shape[1] + 1)
    constants = np.empty(pka.shape)
    for row in range(table.shape[0]):
        fixed_charge = 0.0
        fixed_ionic = 0.0
        for k in range(strong.shape[0]):
            c = max(table[row, int(strong[k, 0])], 0.0) * 1e-3
            fixed_charge += strong[k, 1] * c
            fixed_ionic += strong[k, 1] ** 2 * c
        ionic = 0.5 * fixed_ionic + 1e-7
        low, high, halvings = -1.5, 15.5, _HALVINGS
        for _ in range(_PASSES):
            gamma = _gamma(ionic, slope)
            _constants(gamma, weak, pka, constants)
            for _ in range(halvings):
                middle = 0.5 * (low + high)
                h = np.exp(-_LN10 * middle)
                charge = fixed_charge + h - kw / (h * gamma**2)
                for k in range(weak.shape[0]):
                    n = int(weak[k, 2])
                    _shares(h, n, constants[k], shares)
                    c = max(table[row, int(weak[k, 0])], 0.0) * 1e-3
                    for stage in range(n + 1):
                        charge += c * shares[stage] * (weak[k, 1] - stage)
                if charge > 0.0:
                    low = middle
                else:
                    high = middle
            found = 0.5 * (low + high)
            # A changed activity moves the root little: the next pass looks around it.
            low, high, halvings = found - _NEAR, found + _NEAR, _HALVINGS_NEAR
            h = np.exp(-_LN10 * found)
            before = ionic
            ionic = 0.5 * (fixed_ionic + h + kw / (h * gamma**2))
            for k in range(weak.shape[0]):
                n = int(weak[k, 2])
                _shares(h, n, constants[k], shares)
                c = max(table[row, int(weak[k, 0])], 0.0) * 1e-3
                for stage in range(n + 1):
                    ionic += 0.5 * c * shares[stage] * (weak[k, 1] - stage) ** 2
            if abs(ionic - before) < 1e-7 + 1e-6 * ionic:
                break
        gamma = _gamma(ionic, slope)
        oh = kw / (h * gamma**2)
        root = np.sqrt(ionic) / (1.0 + 1.5 * np.sqrt(ionic))
        total = h * max(LAMBDA_H - (0.2297 * LAMBDA_H + 30.3e-4) * root, 0.0)
        total += oh * max(LAMBDA_OH - (0.2297 * LAMBDA_OH + 30.3e-4) * root, 0.0)
        thickening = 1.0 + _B_OH * oh
        for k in range(strong.shape[0]):
            c = max(table[row, int(strong[k, 0])], 0.0) * 1e-3
            z = abs(strong[k, 1])
            total += c * z * max(strong[k, 2] - (0.2297 * strong[k, 2] + 30.3e-4 * z) * root, 0.0)
            thickening += strong[k, 3] * c
        for k in range(weak.shape[0]):
            n = int(weak[k, 2])
            _shares(h, n, constants[k], shares)
            c = max(table[row, int(weak[k, 0])], 0.0) * 1e-3
            for stage in range(n + 1):
                z = abs(weak[k, 1] - stage)
                lam = mobility[k, stage]
                total += c * shares[stage] * z * max(lam - (0.2297 * lam + 30.3e-4 * z) * root, 0.0)
            thickening += weak[k, 3] * c
        result[row, 0] = -np.log10(h * gamma)
        result[row, 1] = total * 1e3 / max(thickening, 0.5) ** 0.8 * (1.0 + 0.02 * warmth)
