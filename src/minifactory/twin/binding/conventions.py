"""Converters between conventions of binding parameters.

Everything here works per volume of *solid* (the skeleton: particle volume less pores; without pores, bed
volume less liquid). Others state capacities per particle or per packed column, rates instead of equilibrium
constants, and reference concentrations:

    q_solid = q_particle / (1 - eps_p) = q_column / ((1 - eps_c) (1 - eps_p))
    K = ka / kd,  k_kin = 1 / kd                                    (rate form: ka c (...) - kd q)
    SMA in the rate form ka c (qbar / q_ref)^nu - kd q (c_s / c_ref)^nu:   K = ka / kd (c_ref / q_ref)^nu

A constant K = q / c scales with the volume of q; that of Langmuir does not, and that of SMA does with the
power 1 - nu, because its capacity scales as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import exp

from minifactory.errors import Finding, InputError


class Basis(Enum):
    """The volume that a bound amount or a capacity refers to."""

    SOLID = "solid"
    PARTICLE = "particle"
    COLUMN = "column"


def solid_per(basis: Basis, interstitial_porosity: float, particle_porosity: float) -> float:
    """Volume of solid per volume of `basis`: 1, 1 - eps_p, or (1 - eps_c) (1 - eps_p).

    Beds without pores (EDM, LRM, TDM): total porosity as `interstitial_porosity`, 0 as `particle_porosity`.
    """
    for name, value in (
        ("interstitial_porosity", interstitial_porosity),
        ("particle_porosity", particle_porosity),
    ):
        if not 0.0 <= value < 1.0:
            raise InputError(Finding("volume basis", f"{name} {value}", "0 or more, below 1"))
    if basis is Basis.SOLID:
        return 1.0
    solid = 1.0 - particle_porosity
    return solid if basis is Basis.PARTICLE else solid * (1.0 - interstitial_porosity)


def rebase(
    value: float,
    given: Basis,
    wanted: Basis,
    interstitial_porosity: float,
    particle_porosity: float,
) -> float:
    """A bound amount, capacity, Henry or Freundlich constant per `given`, as one per volume of `wanted`."""
    have = solid_per(given, interstitial_porosity, particle_porosity)
    want = solid_per(wanted, interstitial_porosity, particle_porosity)
    return value / have * want


def rebase_sma(
    k_eq: float,
    charge: float,
    given: Basis,
    wanted: Basis,
    interstitial_porosity: float,
    particle_porosity: float,
) -> float:
    """The SMA constant for capacities and bound amounts per `wanted`, from one per `given`.

    The ionic capacity itself goes by :func:`rebase`; charge and shielding stay.
    """
    scale = rebase(1.0, given, wanted, interstitial_porosity, particle_porosity)
    return float(k_eq * scale ** (1.0 - charge))


def from_rates(ka: Mapping[str, float], kd: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """K_eq = ka / kd and k_kin = 1 / kd (s), by component; the form ``ka c (...) - kd q``.

    ka in 1/s times the unit of K_eq (Langmuir m3/mol, linear and HIC m3 of liquid per m3 of solid).
    """
    _same(ka, kd)
    return {name: ka[name] / kd[name] for name in ka}, {name: 1.0 / kd[name] for name in ka}


def to_rates(
    k_eq: Mapping[str, float], k_kin: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """ka = K_eq / k_kin and kd = 1 / k_kin (1/s), by component: the inverse of :func:`from_rates`."""
    _same(k_eq, k_kin)
    return {name: k_eq[name] / k_kin[name] for name in k_eq}, {name: 1.0 / k_kin[name] for name in k_eq}


def sma_from_rates(
    ka: Mapping[str, float],
    kd: Mapping[str, float],
    charge: Mapping[str, float],
    reference_liquid: float = 1.0,
    reference_solid: float = 1.0,
) -> tuple[dict[str, float], dict[str, float]]:
    """K_eq and k_kin (s, at `reference_liquid`) of SMA in the rate form with reference concentrations.

    Parameters
    ----------
    ka, kd : Mapping of str to float
        1/s each.
    charge : Mapping of str to float
    reference_liquid, reference_solid : float
        c_ref in mol/m3 and q_ref in mol per m3 of solid; give ``reference=reference_liquid`` to the model.
    """
    k_eq, k_kin = from_rates(ka, kd)
    scale = reference_liquid / reference_solid
    return {name: k_eq[name] * scale ** charge[name] for name in k_eq}, k_kin


def modulated_from_rates(
    ka: Mapping[str, float],
    kd: Mapping[str, float],
    gamma: Mapping[str, float],
    beta: Mapping[str, float],
    reference: float,
) -> dict[str, float]:
    """K_eq at `reference` (mol/m3) of the form ``ka exp(gamma c_m) ... - kd c_m^beta q`` with one modulator.

    Equilibria agree at every modulator concentration; in this form the desorption rate follows the modulator,
    which the model with k_kin does not repeat.
    """
    _same(ka, kd)
    return {
        name: ka[name] / kd[name] * exp(gamma.get(name, 0.0) * reference) / reference ** beta.get(name, 0.0)
        for name in ka
    }


def _same(first: Mapping[str, float], second: Mapping[str, float]) -> None:
    if set(first) != set(second) or any(not value > 0.0 for value in second.values()):
        raise InputError(
            Finding("binding rates", f"{dict(first)} and {dict(second)}", "the same components, above 0")
        )
