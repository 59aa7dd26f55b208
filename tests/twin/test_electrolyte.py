"""pH and conductivity against tabulated solutions at 25 degC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.plant.model import Role, Species
from minifactory.twin.electrolyte import electrolyte

SPECIES = (
    Species("sodium", Role.STRONG_ION, 0.02299, 1, molar_conductivity=(50.08e-4,)),
    Species("chloride", Role.STRONG_ION, 0.03545, -1, molar_conductivity=(76.31e-4,)),
    Species("acetate", Role.WEAK_ACID, 0.05904, pka=(4.756,), molar_conductivity=(40.9e-4,)),
    Species("phosphate", Role.WEAK_ACID, 0.09497, pka=(2.148, 7.198, 12.35), molar_conductivity=(33e-4,)),
    Species("product", Role.PRODUCT, 150.0),
)
MODEL = electrolyte(SPECIES)


def composition(**amounts: float) -> np.ndarray:
    return np.array([amounts.get(item.name, 0.0) for item in SPECIES])


# CRC Handbook, equivalent conductivity of NaCl at 25 degC (S cm2/mol) by concentration (mol/L).
@pytest.mark.parametrize(
    ("molar", "tabulated"), [(0.001, 123.68), (0.01, 118.45), (0.02, 115.70), (0.1, 106.69), (1.0, 85.76)]
)
def test_sodium_chloride_conducts_as_tabulated(molar: float, tabulated: float) -> None:
    kappa = float(MODEL.conductivity(composition(sodium=1e3 * molar, chloride=1e3 * molar)))
    assert kappa * 10.0 / molar == pytest.approx(tabulated, rel=0.01)


# NIST standard buffers (SRM pH(S) at 25 degC): acetate 0.1 m / 0.1 m (4.652) and equimolal
# phosphate 0.025 m / 0.025 m (6.865). The Davies equation is good for 0.05 at such ionic strengths.
def test_acetate_buffer_has_its_ph() -> None:
    assert float(MODEL.ph(composition(sodium=100.0, acetate=200.0))) == pytest.approx(4.652, abs=0.05)


def test_equimolal_phosphate_buffer_has_its_ph() -> None:
    assert float(MODEL.ph(composition(sodium=75.0, phosphate=50.0))) == pytest.approx(6.865, abs=0.05)


def test_decimolar_sodium_hydroxide_has_its_ph() -> None:
    # 0.1 mol/kg NaOH: pH 12.88 (Robinson and Stokes).
    assert float(MODEL.ph(composition(sodium=100.0))) == pytest.approx(12.88, abs=0.03)


def test_water_is_neutral_and_hardly_conducts() -> None:
    ph, kappa = MODEL.evaluate(composition())
    assert float(ph) == pytest.approx(7.0, abs=0.01)
    assert float(kappa) == pytest.approx(5.5e-6, rel=0.02)  # 0.055 uS/cm


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sodium=st.floats(0.0, 3000.0), chloride=st.floats(0.0, 3000.0), acetate=st.floats(0.0, 1000.0),
    extra=st.floats(0.1, 50.0),
)  # fmt: skip
def test_more_base_raises_ph_and_shapes_are_kept(
    sodium: float, chloride: float, acetate: float, extra: float
) -> None:
    both = np.stack(
        [
            composition(sodium=sodium, chloride=chloride, acetate=acetate),
            composition(sodium=sodium + extra, chloride=chloride, acetate=acetate),
        ]
    )
    ph, kappa = MODEL.evaluate(both)
    assert ph.shape == kappa.shape == (2,)
    assert np.all(np.isfinite(ph))
    assert np.all(kappa > 0.0)
    # Activity coefficients move with ionic strength, so equal pH within 0.02 is the most that may be lost.
    assert ph[1] > ph[0] - 0.02


def test_negative_concentrations_of_a_solver_are_read_as_zero() -> None:
    noisy = composition(sodium=20.0, chloride=20.0, acetate=-1e-9)
    assert float(MODEL.ph(noisy)) == pytest.approx(float(MODEL.ph(composition(sodium=20.0, chloride=20.0))))
