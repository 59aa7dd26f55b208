"""Deviations that were put in are the deviations that come out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.records.alignment import corresponding_times
from minifactory.records.compare import Comparison, compare
from minifactory.records.performance import evaluate
from minifactory.records.prediction import Prediction, bands
from minifactory.records.run import Run
from tests.records.synthetic import CV_TIME, DELAY, PEAK_AT, SPECIES, make_run

SAMPLES = tuple(
    make_run(f"sample {n}", delay=DELAY + d, peak_at=PEAK_AT + d)
    for n, d in enumerate(np.linspace(-0.1, 0.1, 21))
)


def predicted() -> Prediction:
    run = make_run()
    return Prediction(run, evaluate(run, SPECIES), tuple(evaluate(sample, SPECIES) for sample in SAMPLES))


def against(measured: Run) -> Comparison:
    return compare(predicted(), measured, evaluate(measured, SPECIES))


def test_the_same_run_deviates_by_nothing() -> None:
    found = against(make_run("measured", origin="skid"))
    assert max(item.maximum for item in found.trends) < 1e-12
    assert all(item.difference == 0.0 for item in found.fronts)
    assert all(item.inside for item in found.figures)
    assert [item.measured_duration for item in found.phases] == pytest.approx(
        [n * CV_TIME for n in (2, 2, 2, 6)]
    )


def test_a_late_phase_shows_as_a_phase_and_nowhere_else() -> None:
    found = against(make_run("measured", late=300.0))
    assert found.phases[0].measured_duration == pytest.approx(2 * CV_TIME + 300.0)
    assert [item.measured_duration for item in found.phases[1:]] == pytest.approx(
        [n * CV_TIME for n in (2, 2, 6)]
    )
    # Points are 2 s apart and the curves are linear between them: a front of 0.02 CV sigma bends by < 1e-3.
    assert max(item.mean for item in found.trends) < 1e-3
    assert all(abs(item.difference) < 1e-3 for item in found.fronts)


def test_a_shifted_front_is_found_in_column_volumes() -> None:
    found = against(make_run("measured", delay=DELAY + 0.05))
    fronts = {item.phase: item for item in found.fronts}
    assert set(fronts) == {"p.o.load", "p.o.wash", "p.o.elute"}
    assert fronts["p.o.load"].predicted / 1e-5 == pytest.approx(DELAY, abs=1e-3)
    assert fronts["p.o.load"].difference == pytest.approx(0.05, abs=1e-3)
    assert fronts["p.o.wash"].difference == pytest.approx(0.05, abs=1e-3)
    # The gradient's own end level falls by the delay's share, so half of its step comes 0.5 x 0.05 CV later.
    assert fronts["p.o.elute"].difference == pytest.approx(0.025, abs=2e-3)


def test_a_shifted_and_higher_peak() -> None:
    (peak,) = against(make_run("measured", peak_at=PEAK_AT + 0.2, gain=1.1)).peaks
    assert peak.shift == pytest.approx(0.2, abs=1e-3)
    assert peak.height_ratio == pytest.approx(1.1, rel=1e-3)
    assert peak.area_ratio == pytest.approx(1.1, rel=1e-3)


def test_a_flow_written_on_change_only_changes_nothing() -> None:
    measured = make_run("measured", delay=DELAY + 0.05, peak_at=PEAK_AT + 0.2)
    flow = measured.trends["System.Flow"]
    sparse = replace(flow, time=flow.time[[0, -1]], values=flow.values[[0, -1]])
    thin = replace(measured, trends={**measured.trends, "System.Flow": sparse})
    dense, found = against(measured), against(thin)
    assert [item.difference for item in found.fronts] == pytest.approx([i.difference for i in dense.fronts])
    assert found.peaks[0].shift == pytest.approx(dense.peaks[0].shift, abs=1e-6)
    assert [item.mean for item in found.trends] == pytest.approx([i.mean for i in dense.trends], abs=1e-9)


def test_noise_alone_makes_no_front() -> None:
    measured = make_run("measured")
    cond = measured.trends["Cond.Signal"]
    noise = np.random.default_rng(5).normal(0.0, 0.02, cond.time.size)
    noisy = replace(cond, values=cond.values + noise)
    found = against(replace(measured, trends={**measured.trends, "Cond.Signal": noisy}))
    assert {item.phase for item in found.fronts} == {"p.o.load", "p.o.wash", "p.o.elute"}


def test_trend_deviation_is_relative_to_the_predicted_range() -> None:
    uv = next(item for item in against(make_run("measured", gain=1.5)).trends if item.name == "UV1.Signal")
    # 400 points over 6 CV: the nearest is at most 0.0075 CV from the apex, (0.0075 / 0.4)^2 / 2 below it.
    assert uv.span == pytest.approx(1.0, abs=2e-4)
    assert uv.maximum == pytest.approx(0.5, rel=1e-3)
    assert uv.bias == pytest.approx(uv.mean)
    # Half of a Gaussian of 0.4 CV sigma over 12 CV.
    assert uv.mean == pytest.approx(0.5 * 0.4 * math.sqrt(2 * math.pi) / 12.0, rel=1e-2)


def test_noise_does_not_move_fronts_or_peaks() -> None:
    measured = make_run("measured", noise=0.005)
    (peak,) = against(measured).peaks
    # The apex of a peak of 0.4 CV sigma is flat to 0.5 % within 0.04 CV.
    assert abs(peak.shift) < 0.06


def test_a_run_cut_short_is_compared_as_far_as_it_went() -> None:
    found = against(make_run("measured", stop_at=5 * CV_TIME))
    assert [item.reason for item in found.phases] == ["volume", "volume", "aborted: pressure", "not executed"]
    assert max(item.maximum for item in found.trends) < 1e-6
    assert math.isnan(found.phases[-1].measured_duration)


def test_figures_lie_inside_or_outside_the_interval() -> None:
    prediction = predicted()
    values = [sample.values for sample in prediction.samples]
    spread = [
        replace(sample, values={**value, "yield": 0.8 + 0.01 * n})
        for n, (sample, value) in enumerate(zip(prediction.samples, values, strict=True))
    ]
    prediction = replace(prediction, samples=tuple(spread))
    assert prediction.interval("yield") == pytest.approx((0.805, 0.995))
    measured = make_run("measured")
    for value, inside in ((0.9, True), (0.7, False), (math.nan, None)):
        performance = evaluate(measured, SPECIES)
        performance = replace(performance, values={**performance.values, "yield": value})
        figures = {item.name: item for item in compare(prediction, measured, performance).figures}
        assert figures["yield"].inside is inside
    assert prediction.probability(lambda sample: sample["yield"] >= 0.895) == pytest.approx(11 / 21)


def test_bands_hold_the_level_of_the_samples() -> None:
    nominal = make_run()
    band = bands(nominal, SAMPLES, ["Cond.Signal", "UV1.Signal", "no such"])["Cond.Signal"]
    front = np.searchsorted(band.time, (2.0 + DELAY) * CV_TIME)
    assert band.lower[front] < 0.6
    assert band.upper[front] > 1.4
    plateau = np.searchsorted(band.time, 3.5 * CV_TIME)
    assert band.upper[plateau] - band.lower[plateau] < 1e-9
    assert np.all(band.upper >= band.lower)


def test_runs_without_a_common_phase_correspond_nowhere() -> None:
    other = make_run()
    other = replace(other, phases=tuple(replace(phase, path="x" + phase.path) for phase in other.phases))
    here, there = corresponding_times(make_run(), other)
    assert here.size == there.size == 0
