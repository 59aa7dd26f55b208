"""Pulses: the transfer function against the engine, recovery of what was put in, plate heights, coverage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from minifactory.calibration.estimation.column_step import column_step
from minifactory.calibration.estimation.curves import observed
from minifactory.calibration.estimation.data import DataKind, from_file, kind_of
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.plate_heights import PlateHeight, describe_peak, emg, van_deemter
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.pulses import SALT, Pulse, PulseModel
from minifactory.calibration.estimation.space import Free, Scale, Space
from minifactory.calibration.estimation.transfer import BedAnswer, Line, pulse_answer
from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from minifactory.plant.model import Column
from minifactory.records.run import Trend
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Tube,
    integrate,
)
from minifactory.twin.online import skid_flowsheet
from minifactory.units import CONDUCTIVITY, LENGTH, POSITIVE

AREA = np.pi * 0.008**2
FLOW = 3.15e-6 / 60.0
INJECTED = 0.5e-6
COLUMN = Column("C1", "s", "", "", 0.016, 0.25, 90e-6)


@pytest.mark.parametrize("pores", [None, 1e-11])
def test_transfer_function_is_the_engines_bed(pores: float | None) -> None:
    bed = BedAnswer(
        0.25, AREA, 0.35, 0.775, 45e-6, 4.4e-6, dispersivity=3.5e-4, accessibility=0.5, pore_diffusion=pores
    )
    line = Line((0.5e-6, 1e-6), (10, 1))
    times = np.arange(0.0, 1400.0, 4.0)
    expected = pulse_answer(times, FLOW, INJECTED, line, bed)
    units = (
        Tube("line", 0.5e-6, stages=10),
        StirredTank("mixer", 1e-6),
        Bed(
            "bed", 0.25, AREA, 0.35, BedModel.GRM if pores else BedModel.LRMP, 0.775, 45e-6,
            film_coefficient=4.4e-6, dispersivity=3.5e-4, accessibility=0.5, pore_diffusion=pores or 0.0,
            elements=12, radial_nodes=7,
        ),
    )  # fmt: skip
    links = (Link("in", "line"), Link("line", "mixer"), Link("mixer", "bed"))
    network = Network(("x",), units, (Inlet("in"),), links)
    width, flows = INJECTED / FLOW, np.full(3, FLOW)
    sections = [
        Section(0.0, width, flows, np.array([[1.0 / width]])),
        Section(width, 1400.0, flows, np.array([[0.0]])),
    ]
    found = integrate(network, network.initial_state({"x": 0.0}), sections, times, ["bed"], Tolerance(1e-5))
    # The area of the answer is 1 and its mean the volume that the tracer sees.
    assert np.trapezoid(expected, times) == pytest.approx(1.0, abs=1e-4)
    mean = (bed.accessible_volume + line.volume + 0.5 * INJECTED) / FLOW
    assert np.trapezoid(expected * times, times) == pytest.approx(mean, rel=2e-3)
    assert np.abs(found.outlet[:, 0, 0] - expected).max() < 1e-3 * expected.max()


def test_emg_moments_and_van_deemter_recover_what_was_put_in() -> None:
    x = np.linspace(0.0, 100.0, 800)
    y = emg(x, 50.0, 30.0, 3.0, 4.0) + 0.2 + 1e-3 * x
    shape = describe_peak(x, y)
    assert shape.mean == pytest.approx(34.0, rel=1e-5)
    assert shape.variance == pytest.approx(25.0, rel=1e-4)
    assert shape.area == pytest.approx(50.0, rel=1e-5)
    u = np.array([1e-4, 2e-4, 4e-4, 8e-4])
    heights = [PlateHeight(str(v), v, 2e-4 + 1.5 * v, 1e-6, 1.0) for v in u]
    line = van_deemter(heights)
    assert line.a[0] == pytest.approx(2e-4, rel=1e-6)
    assert line.c[0] == pytest.approx(1.5, rel=1e-6)
    assert line.r_squared == pytest.approx(1.0)
    with pytest.raises(InputError, match="three or more velocities"):
        van_deemter(heights[:2])


def test_noise_without_a_peak_is_refused() -> None:
    noise = np.random.default_rng(5).standard_normal(300)
    with pytest.raises(InputError, match="no peak"):
        describe_peak(np.linspace(0.0, 1.0, 300), 0.01 * noise)


def _synthetic(seed: int, truth: dict[str, float], noise: float) -> tuple[PulseModel, tuple[Pulse, ...]]:
    """Two salt pulses of two velocities with white noise."""
    random = np.random.default_rng(seed)
    pulses = []
    for flow in (FLOW, 3.0 * FLOW):
        times = np.linspace(0.0, 80e-6 / flow, 220)
        blank = np.zeros(times.size)
        line = Line((0.7e-6,), (6,))
        values = np.linspace(0.0, 1.0, times.size)
        made = observed("made", Trend("Cond.Signal", CONDUCTIVITY, times, values), (0.0, float(times[-1])))
        pulse = Pulse("made", made, flow, INJECTED, line, (SALT,), 0.5)
        model = PulseModel((pulse,), COLUMN, {})
        answer = model.answer(pulse, SALT, truth)
        level = 8.7 - 0.1 * answer / answer.max() + blank
        values = level + noise * random.standard_normal(times.size)
        curve = replace(made, values=values, noise=np.full(times.size, noise))
        pulses.append(replace(pulse, observed=curve))
    return PulseModel(tuple(pulses), COLUMN, truth), tuple(pulses)


TRUTH = {
    "C1.interstitial_porosity": 0.34,
    "C1.particle_porosity": 0.8,
    "C1.dispersivity": 3e-4,
    "C1.ions.film_coefficient": 5e-5,
}
TWO = Space(
    (
        Free("C1.particle_porosity", POSITIVE, 0.75, 0.4, 0.98),
        Free("C1.dispersivity", LENGTH, 1e-4, 1e-5, 5e-3, Scale.LOG),
    )
)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """A seeded short version of ``benchmarks.calibration_coverage``: 40 repeats, limits of 99.9 %."""
    repeats, inside = 40, np.zeros(2)
    for seed in range(repeats):
        model, pulses = _synthetic(seed, TRUTH, 2e-3)
        found = fit(Problem(model, tuple(p.observed for p in pulses), TWO), starts=1)
        truth = TWO.coordinates(TRUTH)
        inside += np.abs(found.coordinates - truth) < 1.96 * found.deviations
    least, most = binom.ppf([0.0005, 0.9995], repeats, 0.95)
    assert np.all((inside >= least) & (inside <= most)), inside


@pytest.mark.slow
def test_real_pulses_tell_porosities_transport_and_plate_heights(shared_data: Path) -> None:
    """The two tracers of the pulses at 47 to 282 cm/h (KBI Biopharma): what an engineer reads off them.

    Salt leaves after 0.88-0.89 CV at all velocities; the first absorbing peak, which no pore lets in, after
    0.29 CV (15.5 mL less lines and half of the sample) bounds the volume between the particles from below.
    """
    plant = load_plant(Path("cases/cex-polish"))
    sheet = skid_flowsheet(plant, "akta1", plant.parameters, 4)
    data = [from_file(shared_data / "akta" / f"{speed}cm_hr.asc") for speed in (47, 94, 141, 282)]
    assert {kind_of(item) for item in data} == {DataKind.PULSE}
    options = Options(samples=0, starts=4)
    step = column_step(data, sheet, plant.columns["C1"], plant.parameters, options, lambda _what, _part: None)
    found = {item.path: item for item in step.estimates}
    outside = found["C1.interstitial_porosity"].value
    inside = found["C1.particle_porosity"].value
    assert 0.28 < outside < 0.34
    assert outside + (1.0 - outside) * inside == pytest.approx(0.875, abs=0.01)
    assert 0.45 < found["tracer.pore_accessibility"].value < 0.55
    heights = step.figures["plate_heights"]
    assert heights["tracer"]["r_squared"] > 0.99
    assert heights["salt"]["r_squared"] > 0.85
    assert heights["tracer"]["c_s"][1] > 10.0 * heights["salt"]["c_s"][2]
    assert any("GRM" in finding.found for finding in step.findings)
