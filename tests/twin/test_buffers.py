"""Buffers against published standards in composition and temperature, recipes, and pH through a column."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.plant.catalogue.substances import all_species
from minifactory.twin.binding import WeakExchanger
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.buffers import Stocks, Wanted, buffer_recipe, buffer_substances, compound, usual_stocks
from minifactory.twin.electrolyte import davies_slope, electrolyte
from minifactory.twin.engine import Bed, BedModel, Inlet, Link, Network, Section, Tolerance, integrate

NAMES = tuple(all_species())
MODEL = electrolyte(tuple(all_species().values()))


def mixture(**amounts: float) -> np.ndarray:
    return np.array([amounts.get(name, 0.0) for name in NAMES])


# NBS/NIST standards pH(S), amounts in mmol/kg: R. G. Bates, Determination of pH, 2nd ed., Wiley 1973, table
# 4-4 (phthalate, phosphates, borax, carbonate, citrate) and R. A. Durst, B. R. Staples, Clin. Chem. 18 (1972)
# 206 (tris). The Davies equation is good for a few hundredths at these ionic strengths.
STANDARDS = {
    "phthalate": (mixture(potassium=50.0, phthalate=50.0), {5: 3.999, 25: 4.008, 40: 4.035}),
    "phosphate 1:1": (mixture(potassium=25.0, sodium=50.0, phosphate=50.0), {5: 6.951, 25: 6.865, 40: 6.838}),
    "phosphate 1:3.5": (
        mixture(potassium=8.695, sodium=60.86, phosphate=39.125), {5: 7.500, 25: 7.413, 40: 7.380}),
    "borax": (mixture(sodium=20.0, borate=40.0), {5: 9.395, 25: 9.180, 40: 9.068}),
    "carbonate": (mixture(sodium=75.0, carbonate=50.0), {5: 10.245, 25: 10.012, 40: 9.889}),
    "citrate": (mixture(potassium=50.0, citrate=50.0), {5: 3.840, 25: 3.776, 40: 3.753}),
    "tris": (mixture(tris=66.67, chloride=50.0), {5: 8.303, 25: 7.699, 40: 7.307}),
}  # fmt: skip


@pytest.mark.parametrize("name", STANDARDS)
def test_standards_have_their_ph_at_every_temperature(name: str) -> None:
    content, table = STANDARDS[name]
    for celsius, ph in table.items():
        assert float(MODEL.ph(content, 273.15 + celsius)) == pytest.approx(ph, abs=0.05), celsius


# CRC Handbook of Chemistry and Physics, "Equivalent conductivity of electrolytes in aqueous solution", 25
# degC, S cm2/mol.
@pytest.mark.parametrize(
    ("content", "equivalents", "tabulated"),
    [
        (mixture(potassium=10.0, chloride=10.0), 10.0, 141.20),
        (mixture(potassium=100.0, chloride=100.0), 100.0, 128.90),
        (mixture(chloride=10.0), 10.0, 411.80),
        (mixture(sodium=10.0), 10.0, 237.9),
        (mixture(sodium=10.0, acetate=10.0), 10.0, 83.72),
        (mixture(sodium=100.0, acetate=100.0), 100.0, 72.76),
        (mixture(ammonium=100.0, chloride=100.0), 100.0, 128.69),
    ],
    ids=["KCl 0.01", "KCl 0.1", "HCl 0.01", "NaOH 0.01", "NaAc 0.01", "NaAc 0.1", "NH4Cl 0.1"],
)  # fmt: skip
def test_solutions_conduct_as_tabulated(content: np.ndarray, equivalents: float, tabulated: float) -> None:
    conductivity = float(MODEL.conductivity(content))
    assert conductivity / equivalents * 1e4 == pytest.approx(tabulated, rel=0.02)


def test_water_follows_the_temperature() -> None:
    # pKw 14.73 at 5 degC and 13.53 at 40 degC (CRC Handbook): the pH of pure water is half of it.
    assert float(MODEL.ph(mixture(), 278.15)) == pytest.approx(7.367, abs=0.02)
    assert float(MODEL.ph(mixture(), 313.15)) == pytest.approx(6.768, abs=0.02)
    # A of the Davies equation: 0.494 at 5 degC, 0.524 at 40 degC (Robinson and Stokes, appendix 7.1: ratio).
    assert davies_slope(298.15) == pytest.approx(0.509)
    assert davies_slope(313.15) / davies_slope(278.15) == pytest.approx(0.5241 / 0.4953, rel=0.01)


@pytest.mark.parametrize("name", sorted(buffer_substances()))
def test_every_substance_can_be_made_at_its_pka(name: str) -> None:
    """At the step nearest to neutral; the recipe holds the substance and meets the wanted values."""
    ph = min(buffer_substances()[name].pka, key=lambda value: abs(value - 7.0))
    recipe = buffer_recipe(Wanted(name, 50.0, ph, salt=100.0, volume=2e-3))
    assert recipe.ph == pytest.approx(ph, abs=1e-6)
    assert recipe.composition[name] == pytest.approx(50.0)
    assert sum(recipe.volumes.values()) == pytest.approx(2e-3)
    # ln 10 / 4 = 0.576 where acid and base are equal; activities move that point from the pKa (citrate most).
    assert recipe.capacity > 0.3 * 50.0


def test_conductivity_is_met_at_its_temperature() -> None:
    recipe = buffer_recipe(Wanted("tris", 30.0, 8.2, conductivity=1.5, temperature=278.15))
    again = electrolyte([all_species()[name] for name in recipe.composition])
    content = np.array(list(recipe.composition.values()))
    ph, conductivity = again.evaluate(content, 278.15)
    assert (float(ph), float(conductivity)) == pytest.approx((8.2, 1.5), abs=1e-5)
    assert recipe.ph_per_kelvin == pytest.approx(-0.031, abs=0.002)
    assert set(recipe.volumes) == {"tris, free", "HCl", "NaCl", "water"}


def test_what_cannot_be_made_says_how_far_the_stocks_reach() -> None:
    with pytest.raises(InputError, match=r"expected .* \(no salt\) to .* mS/cm"):
        buffer_recipe(Wanted("phosphate", 100.0, 7.0, conductivity=0.1))
    with pytest.raises(InputError, match="Did you mean"):
        buffer_recipe(Wanted("acetat", 100.0, 7.0))
    weak = usual_stocks("acetate")
    weak = Stocks(weak.buffer, compound("HCl", 0.01), compound("NaOH", 0.01), weak.salt)
    with pytest.raises(InputError, match="with these stocks"):
        buffer_recipe(Wanted("acetate", 100.0, 5.0), weak)
    thin = Stocks(compound("acetic acid", 60.0), weak.acid, compound("NaOH", 100.0), weak.salt)
    with pytest.raises(InputError, match="the stocks fill"):
        buffer_recipe(Wanted("acetate", 50.0, 5.0), thin)


def test_a_titratable_resin_sends_a_ph_wave_after_a_step_in_salt() -> None:
    """Weak cation exchanger in acetate: salt drives protons out (pH falls), less salt takes them up."""
    resin = WeakExchanger("sodium", 250.0, 6.8, {"sodium": 1, "chloride": -1}, {"acetate": (0, (4.756,))})
    components = ("sodium", "chloride", "acetate")
    salty, plain = (
        buffer_recipe(Wanted("acetate", 20.0, 5.0, salt=salt)).composition for salt in (200.0, 20.0)
    )
    bed = Bed("C1", 0.05, 1e-4, 0.8, BedModel.LRM, axial_dispersion=1e-7, binding=resin, elements=8)
    network = Network(components, (bed,), (Inlet("in"),), (Link("in", "C1"),))
    low, high = (np.array([[content.get(name, 0.0) for name in components]]) for content in (plain, salty))
    flow, times = np.array([5e-8]), np.linspace(0.0, 6000.0, 601)
    sections = [Section(0.0, 3000.0, flow, high), Section(3000.0, 6000.0, flow, low)]
    solution = integrate(network, network.initial_state(low[0]), sections, times, ["C1"], Tolerance(1e-4))
    model = electrolyte([all_species()[name] for name in components])
    ph = model.ph(solution.outlet[:, 0])
    feed = float(model.ph(low[0]))
    assert ph[0] == pytest.approx(feed, abs=1e-3)
    assert ph[:300].min() < feed - 0.5
    assert ph[300:].max() > feed + 0.5
    assert ph[-1] == pytest.approx(feed, abs=0.02)
    assert solution.balance.closure.max() < 1e-9
    # What the resin holds is its titration curve.
    binding = resin.compile(components)
    held = equilibrium(binding, low[0])[0]
    h = 10.0 ** -float(electrolyte_without_activity(low[0], components))
    assert held == pytest.approx(250.0 * low[0][0] * 10**-6.8 / (low[0][0] * 10**-6.8 + h), rel=1e-3)


def electrolyte_without_activity(content: np.ndarray, names: tuple[str, ...]) -> float:
    """pH of sodium, chloride and acetate with activity coefficients 1, by bisection of the charge balance."""
    sodium, chloride, acetate = content * 1e-3
    low, high = 0.0, 14.0
    for _ in range(80):
        ph = 0.5 * (low + high)
        h = 10.0**-ph
        charge = sodium - chloride + h - 1.008e-14 / h - acetate / (1.0 + h * 10**4.756)
        low, high = (ph, high) if charge > 0.0 else (low, ph)
    assert names == ("sodium", "chloride", "acetate")
    return ph
