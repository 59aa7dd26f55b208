"""Converters of binding parameters, against rates and equilibria written out in the other convention."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.binding import Langmuir, ModulatedLangmuir, StericMassAction
from minifactory.twin.binding.conventions import (
    Basis,
    from_rates,
    modulated_from_rates,
    rebase,
    rebase_sma,
    sma_from_rates,
    solid_per,
    to_rates,
)
from minifactory.twin.binding.equilibrium import equilibrium

EPS, PORE = 0.36, 0.8


def _rate(model: object, c: np.ndarray, q: np.ndarray) -> np.ndarray:
    binding = model.compile(("salt", "x"))  # type: ignore[attr-defined]
    f = np.zeros(len(q))
    binding.law.rate(binding.parameters, c, q, f)
    return f


def test_volumes() -> None:
    assert solid_per(Basis.COLUMN, EPS, PORE) == pytest.approx(0.64 * 0.2)
    # 100 mmol per L of column is 100 / 0.128 per L of solid
    assert rebase(100.0, Basis.COLUMN, Basis.SOLID, EPS, PORE) == pytest.approx(781.25)
    for a in Basis:
        for b in Basis:
            there = rebase(3.0, a, b, EPS, PORE)
            assert rebase(there, b, a, EPS, PORE) == pytest.approx(3.0)


def test_langmuir_rates() -> None:
    """ka c qmax (1 - q / qmax) - kd q, written out."""
    ka, kd, q_max, c, q = 0.3, 0.05, 8.0, 0.7, 2.0
    k_eq, k_kin = from_rates({"x": ka}, {"x": kd})
    rate = _rate(Langmuir(k_eq, {"x": q_max}, k_kin), np.array([0.0, c]), np.array([q]))
    assert rate[0] == pytest.approx(ka * c * q_max * (1.0 - q / q_max) - kd * q, rel=1e-5)
    back = to_rates(k_eq, k_kin)
    assert back[0]["x"] == pytest.approx(ka)
    assert back[1]["x"] == pytest.approx(kd)


def test_sma_rates_with_reference_concentrations() -> None:
    """ka c (qbar / q_ref)^nu - kd q (c_s / c_ref)^nu, written out."""
    ka, kd, nu, sigma, capacity, c_ref, q_ref = 2.0, 0.7, 4.5, 9.0, 900.0, 300.0, 700.0
    salt, c, q = 180.0, 0.4, 12.0
    k_eq, k_kin = sma_from_rates({"x": ka}, {"x": kd}, {"x": nu}, c_ref, q_ref)
    model = StericMassAction("salt", capacity, k_eq, {"x": nu}, {"x": sigma}, k_kin, c_ref)
    qbar = capacity - (nu + sigma) * q
    expected = ka * c * (qbar / q_ref) ** nu - kd * q * (salt / c_ref) ** nu
    assert _rate(model, np.array([salt, c]), np.array([q]))[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("basis", list(Basis), ids=lambda basis: basis.value)
def test_sma_constant_of_another_volume_gives_the_same_column(basis: Basis) -> None:
    """What a column of 1 m3 holds does not depend on the volume that its parameters refer to."""
    k, nu, sigma, capacity, liquid = 0.02, 4.5, 9.0, 900.0, np.array([180.0, 0.4])
    per_solid = StericMassAction("salt", capacity, {"x": k}, {"x": nu}, {"x": sigma})
    held = equilibrium(per_solid.compile(("salt", "x")), liquid)[0] * solid_per(Basis.COLUMN, EPS, PORE)
    other = StericMassAction(
        "salt",
        rebase(capacity, Basis.SOLID, basis, EPS, PORE),
        {"x": rebase_sma(k, nu, Basis.SOLID, basis, EPS, PORE)},
        {"x": nu},
        {"x": sigma},
    )
    q = equilibrium(other.compile(("salt", "x")), liquid)[0]
    assert rebase(q, basis, Basis.COLUMN, EPS, PORE) == pytest.approx(held, rel=1e-9)


@pytest.mark.parametrize("salt", [40.0, 150.0, 600.0])
def test_modulated_equilibria_agree(salt: float) -> None:
    """ka exp(gamma c) c qmax free = kd c^beta q, written out."""
    ka, kd, gamma, beta, q_max, c = 5.0, 0.1, -2e-3, 1.5, 12.0, 0.3
    k = modulated_from_rates({"x": ka}, {"x": kd}, {"x": gamma}, {"x": beta}, 100.0)
    model = ModulatedLangmuir(k, {"x": q_max}, {"salt": 100.0}, {("x", "salt"): gamma}, {("x", "salt"): beta})
    strength = ka / kd * np.exp(gamma * salt) / salt**beta * c
    q = equilibrium(model.compile(("salt", "x")), np.array([salt, c]))[0]
    assert q == pytest.approx(q_max * strength / (1.0 + strength), rel=1e-9)


def test_senseless_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="particle_porosity 1"):
        rebase(1.0, Basis.COLUMN, Basis.SOLID, 0.4, 1.0)
    with pytest.raises(InputError, match="the same components"):
        from_rates({"x": 1.0}, {"y": 1.0})
