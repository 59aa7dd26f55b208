"""Each figure of performance against numbers worked out by hand from the synthetic run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.records.performance import PRODUCTIVITY, Basis, evaluate, main_pool, product_of
from minifactory.records.pools import UvAssay, collect, mass_balance, pool_of
from minifactory.records.run import PoolRecord
from minifactory.units import show
from tests.records.synthetic import (
    CV,
    CV_TIME,
    EXTINCTION,
    PATH_LENGTH,
    PEAK_HEIGHT,
    PEAK_SIGMA,
    SPECIES,
    make_run,
)

ASSAY = UvAssay("UV1.Signal", PATH_LENGTH, EXTINCTION)
DURATION = 12 * CV_TIME


def test_every_figure_from_the_analysis() -> None:
    run = make_run()
    found = evaluate(run, SPECIES, feeds=frozenset({"Feed"}))
    mass, impurity = 9e-6 * 50.0, 1e-6 * 25.0
    expected = {
        "yield": 0.9,
        "purity": mass / (mass + impurity),
        "pool_mass": mass,
        "loaded_mass": 1e-5 * 50.0,
        "pool_volume": 2 * CV,
        "pool_concentration": mass / (2 * CV),
        "productivity": mass / (CV * DURATION),
        "duration": DURATION,
        "max_pressure": 1.1e5,
        "buffer": 1e-4,
        "buffer_per_mass": 1e-4 / mass,
    }
    assert dict(found.values) == pytest.approx(expected, rel=1e-12)
    assert (found.basis, found.pool, found.product) == (Basis.ANALYSIS, "Pool", "product")
    assert found.consumed == {"A": 7e-5, "B": 3e-5, "Feed": 2e-5}


def test_productivity_reads_in_grams_per_litre_and_hour() -> None:
    assert show(1.0 / 3600.0, PRODUCTIVITY) == "1 g/(L*h)"


def test_without_analysis_the_yield_is_estimated_from_uv_and_says_so() -> None:
    found = evaluate(make_run(analysed=False), SPECIES, assay=ASSAY)
    # The pool is cut 1 CV (2.5 sigma) to either side of the peak; trapezoids of 2 s on a sigma of 400 s.
    inside = math.erf(1.0 / PEAK_SIGMA / math.sqrt(2.0))
    area = PEAK_HEIGHT * PEAK_SIGMA * CV * math.sqrt(2 * math.pi) * inside
    assert found["pool_mass"] == pytest.approx(area / (EXTINCTION * PATH_LENGTH) * 50.0, rel=1e-4)
    assert found.basis is Basis.UV
    assert math.isnan(found["purity"])
    assert any("UV" in note for note in found.notes)


def test_a_saturated_detector_is_noted() -> None:
    found = evaluate(make_run(analysed=False), SPECIES, assay=replace(ASSAY, saturation=0.5))
    share = 2 * PEAK_SIGMA * math.sqrt(2 * math.log(2)) / 2.0
    assert any(f"saturated in {share:.0%}" in note for note in found.notes)


def test_without_analysis_and_assay_nothing_is_claimed() -> None:
    found = evaluate(make_run(analysed=False), SPECIES)
    assert found.basis is Basis.UNKNOWN
    assert math.isnan(found["yield"])
    assert found["duration"] == DURATION


def test_a_run_cut_short_has_no_pool_and_says_so() -> None:
    found = evaluate(make_run(stop_at=3 * CV_TIME), SPECIES)
    assert found["pool_mass"] == 0.0
    assert found["yield"] == 0.0
    assert any("Aborted" in note for note in found.notes)
    assert found.basis is Basis.NOTHING


def test_a_load_that_was_not_analysed_is_taken_as_stated_and_says_so() -> None:
    run = replace(make_run(), loaded={})
    assert math.isnan(evaluate(run, SPECIES)["yield"])
    found = evaluate(run, SPECIES, stated_load=1.2e-5)
    assert found["yield"] == pytest.approx(0.75)
    assert any("stated composition" in note for note in found.notes)
    assert evaluate(make_run(), SPECIES, stated_load=1.2e-5)["yield"] == pytest.approx(0.9)


def test_the_highest_pressure_is_held_for_ten_seconds() -> None:
    """A spike of one point counts with its mean over that time, a plateau as a whole."""
    run = make_run()
    trend = run.trends["Pressure.System"]
    values = trend.values.copy()
    values[100] += 1e6
    spiked = replace(run, trends={**run.trends, "Pressure.System": replace(trend, values=values)})
    # Points are 2 s apart: the triangle has an area of 1e6 Pa x 2 s; the base there is 1e5 Pa.
    assert evaluate(spiked, SPECIES)["max_pressure"] == pytest.approx(1e5 + 1e6 * 2.0 / 10.0)
    noise = np.random.default_rng(2).normal(0.0, 2e3, values.size)
    noisy = replace(
        run, trends={**run.trends, "Pressure.System": replace(trend, values=trend.values + noise)}
    )
    # The mean of five to six points scatters by 0.9 kPa: the largest of 6000 is below 4.5 of it.
    assert evaluate(noisy, SPECIES)["max_pressure"] == pytest.approx(1.1e5, abs=4.5 * 0.9e3)


def test_untrusted_pressure_does_not_count() -> None:
    run = make_run()
    trend = run.trends["Pressure.System"]
    values, quality = trend.values.copy(), np.zeros(trend.time.size, np.int8)
    values[100], quality[100] = 9e9, 2
    bad = replace(trend, values=values, quality=quality)
    run = replace(run, trends={**run.trends, "Pressure.System": bad})
    assert evaluate(run, SPECIES)["max_pressure"] < 1e6


def test_the_main_pool_is_the_one_filled_in_elution() -> None:
    run = make_run()
    assert main_pool(run) == "Pool"
    extra = PoolRecord("Side", 10.2 * CV_TIME, 10.6 * CV_TIME, 0.4 * CV)
    assert main_pool(replace(run, pools=(extra, *run.pools))) == "Pool"


def test_a_pool_in_parts_is_one_pool() -> None:
    parts = (PoolRecord("P", 0.0, 1.0, 1.0, {"x": 1.0}), PoolRecord("P", 5.0, 6.0, 2.0, {"x": 3.0, "y": 1.0}))
    pool = collect(replace(make_run(), pools=parts))["P"]
    assert (pool.start, pool.end, pool.volume, pool.amounts) == (0.0, 6.0, 3.0, {"x": 4.0, "y": 1.0})


def test_a_partly_analysed_pool_counts_as_not_analysed() -> None:
    parts = (PoolRecord("P", 0.0, 1.0, 1.0, {"x": 1.0}), PoolRecord("P", 5.0, 6.0, 2.0))
    assert not collect(replace(make_run(), pools=parts))["P"].analysed


def test_a_misspelt_pool_is_answered() -> None:
    with pytest.raises(InputError, match='Did you mean "Pool"'):
        pool_of(make_run(), "pool")


def test_mass_balance() -> None:
    balance = mass_balance(make_run())["product"]
    assert balance.relative_error == pytest.approx(-0.05)


def test_two_products_must_be_told_apart() -> None:
    with pytest.raises(InputError, match="2 species"):
        product_of({**SPECIES, "other": replace(SPECIES["product"], name="other")})


def test_an_unknown_figure_is_answered() -> None:
    with pytest.raises(InputError, match='Did you mean "purity"'):
        evaluate(make_run(), SPECIES)["puritty"]
