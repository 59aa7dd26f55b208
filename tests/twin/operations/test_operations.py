"""Every unit operation against its closed form, and those of the engine against their residence times."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from minifactory.errors import InputError
from minifactory.plant.catalogue.substances import all_species
from minifactory.twin import transport
from minifactory.twin.buffers import Wanted, buffer_recipe
from minifactory.twin.electrolyte import electrolyte
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    Tolerance,
    Tube,
    integrate,
)
from minifactory.twin.operations import (
    bioreactor,
    conditioning,
    dead_end,
    filtration,
    inactivation,
    refolding,
    tubing,
    vessels,
)

FLOW, MINUTE = 1e-8, 60.0


def response(
    unit: object, flow: float, residence: float, spread: float = 6.0
) -> tuple[np.ndarray, np.ndarray]:
    """Outlet of a unit after a short pulse of one component at its inlet."""
    name = unit.name  # type: ignore[attr-defined]
    network = Network(("x",), (unit,), (Inlet("in"),), (Link("in", name),))  # type: ignore[arg-type]
    pulse, end = 1e-3 * residence, spread * residence
    early, late = np.linspace(0.0, 2.0 * residence, 4001), np.linspace(2.0 * residence, end, 2001)
    times = np.concatenate((early, late[1:]))
    sections = [
        Section(0.0, pulse, np.array([flow]), np.ones((1, 1))),
        Section(pulse, end, np.array([flow]), np.zeros((1, 1))),
    ]
    solution = integrate(network, network.initial_state({"x": 0.0}), sections, times, [name], Tolerance(1e-7))
    return times, solution.outlet[:, 0, 0]


def moments(times: np.ndarray, outlet: np.ndarray) -> tuple[float, float]:
    area = np.trapezoid(outlet, times)
    mean = np.trapezoid(times * outlet, times) / area
    return float(mean), float(np.trapezoid((times - mean) ** 2 * outlet, times) / area)


def test_tubing_has_the_residence_times_of_aris_and_taylor() -> None:
    length, diameter = 0.4, 1e-3
    tube = tubing.tubing("tube", length, diameter, FLOW, diffusion=2e-9)
    velocity = FLOW / (math.pi / 4.0 * diameter**2)
    residence = length / velocity
    peclet = velocity * length / transport.aris_taylor(velocity, diameter, 2e-9)
    mean, variance = moments(*response(tube, FLOW, residence))
    assert mean == pytest.approx(residence, rel=2e-3)
    wanted = residence**2 * (2.0 / peclet - 2.0 / peclet**2 * -math.expm1(-peclet))
    assert variance == pytest.approx(wanted, rel=5e-3)
    assert tubing.fully_developed(10.0, 2.5e-4, FLOW, 2e-9)
    assert not tubing.fully_developed(0.4, 2e-3, 50 * FLOW)
    with pytest.raises(InputError, match="flow 0"):
        tubing.tubing("tube", 1.0, 1e-3, 0.0)


def test_mixers_and_loops_are_tanks_and_tubes() -> None:
    mean, variance = moments(*response(tubing.static_mixer("mixer", 1e-6, 6), FLOW, 100.0))
    assert (mean, variance) == pytest.approx((100.0, 100.0**2 / 6.0), rel=2e-3)
    assert tubing.dynamic_mixer("mixer", 1.4e-6).volume == 1.4e-6
    loop = tubing.sample_loop("loop", 5e-7, 5e-4, FLOW)
    assert isinstance(loop, Tube)
    assert loop.volume == pytest.approx(5e-7)
    assert tubing.superloop("superloop", 5e-5, 3e-5).filled == 3e-5


def test_conditioning_meets_conductivity_and_ph_of_the_mixture() -> None:
    names = ("sodium", "chloride", "acetate", "tris")
    chemistry = electrolyte([all_species()[name] for name in names])
    low, high = (
        np.array([buffer_recipe(wanted).composition.get(name, 0.0) for name in names])
        for wanted in (Wanted("acetate", 50.0, 3.6, salt=300.0), Wanted("tris", 200.0, 8.5))
    )
    water = np.zeros(4)
    diluted = conditioning.to_conductivity(low, water, 0.8, chemistry)
    assert diluted.conductivity == pytest.approx(0.8, rel=1e-6)
    assert diluted.composition == pytest.approx(low / diluted.dilution)
    titrated = conditioning.to_ph(low, high, 7.2, chemistry)
    assert titrated.ph == pytest.approx(7.2, abs=1e-6)
    with pytest.raises(InputError, match="Take another buffer"):
        conditioning.to_ph(low, water, 9.0, chemistry)


def test_log_reduction_of_plug_flow_stirred_tank_and_between() -> None:
    rate, residence, plug = 0.02, 600.0, 12.0 / math.log(10.0)
    assert inactivation.plug_flow(rate, residence) == pytest.approx(plug)
    assert inactivation.stirred_tanks(rate, residence) == pytest.approx(math.log10(13.0))
    assert inactivation.stirred_tanks(rate, residence, 100_000) == pytest.approx(
        12.0 / math.log(10.0), rel=1e-3
    )
    assert inactivation.dispersed(rate, residence, 1e-3) == pytest.approx(math.log10(13.0), rel=1e-3)
    assert inactivation.dispersed(rate, residence, 1e6) == pytest.approx(plug, rel=1e-4)
    needed = inactivation.residence_for(4.0, rate, 50.0)
    assert inactivation.dispersed(rate, needed, 50.0) == pytest.approx(4.0, rel=1e-9)
    assert inactivation.total_reduction([5.0, 7.0, 2.0], limit_per_step=6.0) == 13.0


def test_log_reduction_over_a_simulated_residence_time_distribution() -> None:
    """A packed reactor of inert beads: the engine's response to a pulse gives the closed form."""
    bed = Bed("reactor", 0.4, 2e-4, 0.38, BedModel.LRM, axial_dispersion=2e-6, elements=10)
    residence = 0.38 * bed.volume / FLOW
    peclet = bed.length**2 / residence / 2e-6
    rate = 8.0 / residence
    times, outlet = response(bed, FLOW, residence, spread=8.0)
    # The pulse itself is short: 1e-3 of the residence time.
    assert inactivation.of_distribution(rate, times, outlet) == pytest.approx(
        inactivation.dispersed(rate, residence, peclet), abs=0.01
    )
    assert inactivation.packed_bed_peclet(0.4, 2e-4) == pytest.approx(1000.0)
    kinetics = inactivation.Inactivation(rate=0.01, ph=3.6, ph_per_decade=0.5, kelvin_per_decade=20.0)
    assert kinetics.at(4.1, 293.15) == pytest.approx(0.001)
    assert kinetics.at(3.6, 313.15) == pytest.approx(0.1)


MEMBRANE = filtration.Membrane(
    area=0.1, permeability=2e-10, transmembrane_pressure=1e5, mass_transfer=5e-6, gel=2.0,
    sieving={"antibody": 0.002, "salt": 1.0, "excipient": 0.8}, limiting="antibody",
)  # fmt: skip


def test_diafiltration_washes_out_as_exp_of_sieving_and_diavolumes() -> None:
    content = {"antibody": 0.5, "salt": 100.0, "excipient": 10.0}
    run = filtration.diafilter(MEMBRANE, content, {"salt": 5.0}, 1e-3, 6.0)
    end = dict(zip(run.components, run.concentrations[-1], strict=True))
    assert end["excipient"] == pytest.approx(10.0 * math.exp(-0.8 * 6.0), rel=1e-6)
    assert end["antibody"] == pytest.approx(0.5 * math.exp(-0.002 * 6.0), rel=1e-6)
    assert end["salt"] == pytest.approx(5.0 + 95.0 * math.exp(-6.0), rel=1e-6)
    # At almost constant concentration the time is diavolumes V / (A J).
    flux = MEMBRANE.flux(0.5)
    assert flux == pytest.approx(5e-6 * math.log(4.0))
    assert run.duration == pytest.approx(6e-3 / (0.1 * flux), rel=0.01)
    # What went in is in the retentate or in the permeate.
    for name, permeated in zip(run.components, run.permeate, strict=True):
        given = content.get(name, 0.0) * 1e-3 + (5.0 * 6e-3 if name == "salt" else 0.0)
        assert permeated + end[name] * 1e-3 == pytest.approx(given, rel=1e-8)


def test_concentrating_follows_the_concentration_factor() -> None:
    run = filtration.concentrate(MEMBRANE, {"antibody": 0.1, "excipient": 10.0}, 1e-3, 1e-4)
    end = dict(zip(run.components, run.concentrations[-1], strict=True))
    assert end["antibody"] == pytest.approx(0.1 * 10.0 ** (1.0 - 0.002), rel=1e-6)
    assert end["excipient"] == pytest.approx(10.0 * 10.0**0.2, rel=1e-6)
    assert run.permeate_volume == pytest.approx(9e-4)
    with pytest.raises(InputError, match="no flux at 2"):
        filtration.concentrate(MEMBRANE, {"antibody": 0.3}, 1e-3, 1e-4)


def test_osmotic_limit_and_single_pass() -> None:
    kept = {"antibody": 0.0}
    osmotic = filtration.Membrane(0.1, 2e-10, 1e5, 5e-6, osmotic=2.0e4, sieving=kept, limiting="antibody")
    flux = osmotic.flux(0.5)
    assert flux == pytest.approx(2e-10 * (1e5 - 2.0e4 * 0.5 * math.exp(flux / 5e-6)), rel=1e-6)
    assert flux < osmotic.flux(0.1) < 2e-5
    out, concentrations = filtration.single_pass(osmotic, {"antibody": 0.2, "salt": 50.0}, 3e-6)
    assert concentrations["antibody"] == pytest.approx(0.2 * 3e-6 / out, rel=1e-7)
    assert concentrations["salt"] == pytest.approx(50.0, rel=1e-7)
    with pytest.raises(InputError, match="used up"):
        filtration.single_pass(filtration.Membrane(1.0, 2e-10, 1e5, 5e-6), {"salt": 1.0}, 1e-6)


def test_donnan_keeps_both_sides_neutral_and_the_product_of_the_salt() -> None:
    plus, minus = (filtration.donnan_ratio(10.0, 2.0, 5.0, z) for z in (1, -1))
    assert plus * minus == pytest.approx(1.0)
    assert 10.0 * 2.0 + 5.0 * plus - 5.0 * minus == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("fouling", list(dead_end.Fouling))
def test_filters_follow_their_law(fouling: dead_end.Fouling) -> None:
    """dJ/dt = -K J^(3 - n) in each law, and the time for a volume is the inverse of the throughput."""
    constant = {"complete blocking": 5e-4, "standard blocking": 4.0, "intermediate blocking": 6.0,
                "cake filtration": 5e4}[fouling.value]  # fmt: skip
    unit = dead_end.Filter(0.01, 1e-4, fouling, constant)
    power = {"complete blocking": 1.0, "standard blocking": 1.5, "intermediate blocking": 2.0,
             "cake filtration": 3.0}[fouling.value]  # fmt: skip
    factor = {"complete blocking": constant, "standard blocking": constant * 1e-4**0.5,
              "intermediate blocking": constant, "cake filtration": constant}[fouling.value]  # fmt: skip
    times = np.linspace(0.0, 3000.0, 7)
    exact = solve_ivp(
        lambda _, y: [-factor * y[0] ** power, y[0]], (0.0, 3000.0), [1e-4, 0.0], t_eval=times, rtol=1e-11,
        atol=1e-16,
    ).y  # fmt: skip
    assert [unit.flux(t) for t in times] == pytest.approx(list(exact[0]), rel=1e-6)
    assert [unit.throughput(t) for t in times] == pytest.approx(list(exact[1]), rel=1e-6)
    volume = 0.01 * unit.throughput(1800.0)
    assert unit.time_for(volume) == pytest.approx(1800.0, rel=1e-9)


def test_a_filter_says_how_much_area_is_needed() -> None:
    unit = dead_end.Filter(0.01, 1e-4, dead_end.Fouling.COMPLETE, 5e-4, log_reduction=4.0, capacity=0.15)
    with pytest.raises(InputError, match=r"Take 0\.0147 m2"):
        unit.time_for(2e-3)
    assert dead_end.Filter(0.01, 1e-4, dead_end.Fouling.CAKE, 0.0).time_for(1e-3) == pytest.approx(1000.0)


def test_a_perfusion_culture_settles_where_growth_equals_bleed() -> None:
    culture = bioreactor.Perfusion(bleed=0.25 / bioreactor.DAY)
    times = np.linspace(0.0, 60.0 * bioreactor.DAY, 601)
    run = bioreactor.grow(culture, (1.0, 20.0, 0.0, 0.0), times)
    s, inhibitor, x, p = run.substrate[-1], run.by_product[-1], run.cells[-1], run.product[-1]
    gross = culture.growth * s / (0.5 + s) * 40.0 / (40.0 + inhibitor)
    assert gross - culture.death == pytest.approx(culture.bleed, rel=1e-4)
    assert inhibitor == pytest.approx(culture.by_product_rate * x / culture.perfusion, rel=1e-4)
    assert p == pytest.approx(culture.product_rate * x / culture.perfusion, rel=1e-4)
    uptake = gross / 0.9 + culture.maintenance * s / (s + 1e-3)
    assert x == pytest.approx((40.0 - s) * culture.perfusion / uptake, rel=1e-4)
    sections = bioreactor.harvest_sections(run, 1e-8, np.array([50.0, 0.0]), 1)
    assert len(sections) == 600
    assert sections[-1].inlets1 is not None
    assert sections[-1].inlets1[0, 1] == pytest.approx(p)


def test_refolding_yield_and_precipitation() -> None:
    kinetics = refolding.Refolding(folding=2e-3, aggregation=0.05)
    times = np.linspace(0.0, 4000.0, 5)
    exact = solve_ivp(
        lambda _, u: [-2e-3 * u[0] - 0.05 * u[0] ** 2, 2e-3 * u[0]], (0.0, 4000.0), [0.05, 0.0], t_eval=times,
        rtol=1e-11, atol=1e-14,
    ).y  # fmt: skip
    for at, time in enumerate(times):
        unfolded, native, aggregated = kinetics.batch(0.05, float(time))
        assert (unfolded, native) == pytest.approx(tuple(exact[:, at]), rel=1e-7, abs=1e-12)
        assert unfolded + native + aggregated == pytest.approx(0.05)
    assert kinetics.batch(0.05, 1e5)[1] / 0.05 == pytest.approx(kinetics.final_yield(0.05), rel=1e-9)
    fed = kinetics.fed_batch(0.05 * 1e-3, 1e-3, 20_000.0, np.array([0.0, 60_000.0]))
    assert fed[-1, 1] / 0.05 > kinetics.final_yield(0.05) + 0.2
    salt = refolding.Precipitation(beta=3.0, salting_out=2e-3, rate=1e-3)
    assert salt.solubility(2000.0) == pytest.approx(0.1)
    assert salt.dissolved(1.0, 2000.0, 1e9) == pytest.approx(0.1)
    assert salt.dissolved(1.0, 2000.0, 1000.0) == pytest.approx(0.1 + 0.9 * math.exp(-1.0))
    assert salt.dissolved(0.05, 2000.0, 1000.0) == 0.05


def test_a_filtration_happens_in_a_vessel_of_the_network() -> None:
    units = (tubing.superloop("hold", 1e-3, 5e-4), tubing.dynamic_mixer("mixer", 1e-6))
    network = Network(("antibody", "salt"), units, (), (Link("hold", "mixer"),))
    state = network.initial_state({"antibody": 0.5, "salt": 100.0})
    volume, found = vessels.content(network, state, "hold")
    assert volume == pytest.approx(5e-4)
    run = filtration.diafilter(MEMBRANE, found, {"salt": 5.0}, volume, 4.0)
    after = dict(zip(run.components, run.concentrations[-1].tolist(), strict=True))
    changed = vessels.with_content(network, state, "hold", volume, after)
    drawn = [Section(0.0, 400.0, np.array([1e-6]), np.zeros((0, 2)))]
    emptied = integrate(network, changed, drawn, np.array([399.0]), ["mixer"])
    assert emptied.outlet[0, 0] == pytest.approx([after["antibody"], after["salt"]], rel=1e-3)
    before, now = network.layout.amounts(state), network.layout.amounts(changed)
    gone = dict(zip(run.components, run.permeate, strict=True))
    assert before[0] - now[0] == pytest.approx(gone["antibody"], rel=1e-6)
    assert before[1] + 5.0 * run.buffer_volume - now[1] == pytest.approx(gone["salt"], rel=1e-6)
    with pytest.raises(InputError, match="no vessel"):
        vessels.content(network, state, "mixer")
