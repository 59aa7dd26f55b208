"""Detectors: what they make of true values."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from minifactory.plant.parameters import ParameterSet
from minifactory.signals import Quality
from minifactory.twin.process import ProcessValues
from minifactory.twin.response import lagged
from minifactory.twin.sensors import Sensors, absorbance, extinctions, seen_absorbance
from tests.skid.plug_flow import PRODUCT, PlugFlow, parameters, skid, table

FAST = {"AveragingTime.SP": 0.01}
QUIET = parameters(UV1__saturation=6.0)


def sensors(seed: int | None = None, given: ParameterSet = QUIET) -> Sensors:
    return Sensors(table(), skid(), PlugFlow(), given, seed)


def truth(time: float, product: float = 0.0, **changed: float) -> ProcessValues:
    values = PlugFlow().values()
    row = np.array([20.0, product])
    return replace(values, time=time, concentrations=np.array([row, row]), **changed)


def settle(rig: Sensors, values: ProcessValues) -> tuple[dict[str, float], dict[str, Quality]]:
    rig.sample(values, FAST, 0)
    return rig.sample(replace(values, time=values.time + 100.0), FAST, 0)


def test_absorbance_is_extinction_times_path_times_concentration() -> None:
    rows = np.array([[20.0, 0.001], [20.0, 0.002]])
    extinction = extinctions((PlugFlow().species[0], PRODUCT), 280e-9)
    assert absorbance(rows, extinction, 0.01) == pytest.approx([0.2, 0.4])
    # 2e4 AU m2/mol * 0.01 m * 0.001 mol/m3 = 0.2 AU, less 0.2 nAU of stray light at a saturation of 6 AU
    assert settle(sensors(), truth(0.0, 0.001))[0]["UV1.Signal"] == pytest.approx(0.2, rel=1e-5)


def test_wavelengths_differ_and_a_lamp_that_is_off_sees_nothing() -> None:
    rig = sensors()
    settings = {"UV1.Wavelength.SP": 280e-9, "UV2.Wavelength.SP": 267e-9, "UV3.Wavelength.SP": 0.0, **FAST}
    rig.sample(truth(0.0, 0.0001), settings, 0)
    signals, _ = rig.sample(truth(100.0, 0.0001), settings, 0)
    assert signals["UV2.Signal"] / signals["UV1.Signal"] == pytest.approx(0.75, rel=2e-3)
    assert signals["UV3.Signal"] == 0.0


def test_stray_light_bends_the_signal_below_its_limit_and_says_so() -> None:
    true = [0.1, 1.0, 2.0, 2.4, 3.0, 10.0]
    seen = [settle(sensors(given=parameters(UV1__saturation=3.0)), truth(0.0, at / 200.0)) for at in true]
    signals = [values["UV1.Signal"] for values, _ in seen]
    assert signals[0] == pytest.approx(0.1, rel=0.01)
    assert all(one < two for one, two in itertools.pairwise(signals))
    assert signals[-1] < 3.001
    assert signals[2] == pytest.approx(-math.log10((0.01 + 1e-3) / 1.001), rel=1e-9)
    assert [qualities.get("UV1.Signal", Quality.GOOD) for _, qualities in seen] == [
        Quality.GOOD,
        Quality.GOOD,
        Quality.GOOD,
        Quality.GOOD,
        Quality.UNCERTAIN,
        Quality.UNCERTAIN,
    ]
    assert seen_absorbance(0.0, 1e-3) == pytest.approx(0.0, abs=1e-15)


def test_gain_and_offset_are_parameters_of_the_channel() -> None:
    rig = sensors(given=parameters(Cond__gain=1.05, Cond__offset=0.01, pH__offset=-0.1))
    signals, _ = settle(rig, truth(0.0, conductivity=2.0))
    assert signals["Cond.Signal"] == pytest.approx(2.11)
    assert signals["pH.Signal"] == pytest.approx(5.0)


def test_predictions_are_free_of_noise_and_drift() -> None:
    rig = sensors(given=parameters(UV1__drift=1e-3, Cond__noise=1.0, pH__noise=1.0))
    one = settle(rig, truth(0.0, 0.001))[0]
    two = rig.sample(truth(5000.0, 0.001), FAST, 0)[0]
    assert {name: two[name] - one[name] for name in one} == dict.fromkeys(one, 0.0)


def test_noise_has_its_standard_deviation_and_is_that_of_the_seed() -> None:
    given = parameters(UV1__noise=1e-3, UV1__drift=0.0, Cond__noise=0.0, Cond__relative_noise=0.01)

    def series(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rig = sensors(seed, given)
        rows = [rig.sample(truth(float(at), conductivity=2.0), FAST, 0)[0] for at in range(4000)]
        return np.array([row["UV1.Signal"] for row in rows]), np.array([row["Cond.Signal"] for row in rows])

    uv, conductivity = series(1)
    # The standard deviation of n samples is known to 1 / sqrt(2 n); four of these bound it.
    bound = 4.0 / math.sqrt(2 * 4000)
    assert uv.std() == pytest.approx(1e-3, rel=bound)
    assert conductivity.std() == pytest.approx(0.02, rel=bound)
    assert abs(np.corrcoef(uv[1:], uv[:-1])[0, 1]) < 4.0 / math.sqrt(4000)
    assert np.array_equal(uv, series(1)[0])
    assert not np.array_equal(uv, series(2)[0])


def test_drift_grows_with_time_and_auto_zero_takes_it_away() -> None:
    rig = sensors(1, parameters(UV1__noise=0.0, UV1__drift=1e-6, UV1__offset=0.02))
    rig.sample(truth(0.0), FAST, 0)
    assert rig.sample(truth(3600.0), FAST, 0)[0]["UV1.Signal"] == pytest.approx(0.0236)
    assert rig.sample(truth(3601.0), FAST, 1)[0]["UV1.Signal"] == pytest.approx(0.0, abs=1e-12)
    assert rig.sample(truth(7201.0), FAST, 1)[0]["UV1.Signal"] == pytest.approx(0.0036)


def test_auto_zero_subtracts_the_absorbance_of_the_moment() -> None:
    rig = sensors()
    settle(rig, truth(0.0, 0.001))
    assert rig.sample(truth(101.0, 0.001), FAST, 1)[0]["UV1.Signal"] == pytest.approx(0.0, abs=1e-12)
    rig.sample(truth(102.0, 0.003), FAST, 1)
    assert rig.sample(truth(202.0, 0.003), FAST, 1)[0]["UV1.Signal"] == pytest.approx(0.4, rel=1e-4)


def test_averaging_delays_a_ramp_by_half_its_time() -> None:
    rig = sensors()
    settings = {"AveragingTime.SP": 4.0}
    slope = 1e-5
    signals = [rig.sample(truth(float(at), slope * at), settings, 0)[0]["UV1.Signal"] for at in range(60)]
    assert signals[-1] == pytest.approx(200.0 * slope * (59.0 - 2.0), rel=1e-4)


def test_lag_is_exact_for_linear_input_however_it_is_sampled() -> None:
    once = lagged(0.0, 0.0, 3.0, 3.0, 2.0)
    shown = 0.0
    for at in range(300):
        shown = lagged(shown, at * 0.01, (at + 1) * 0.01, 0.01, 2.0)
    assert shown == pytest.approx(once, rel=1e-12)
    assert once == pytest.approx(3.0 - 2.0 * (1.0 - math.exp(-1.5)), rel=1e-12)


def test_beyond_its_range_a_signal_is_the_limit_and_uncertain() -> None:
    rig = sensors(given=parameters(Cond__saturation=10.0))
    signals, qualities = settle(rig, truth(0.0, conductivity=12.0))
    assert signals["Cond.Signal"] == 10.0
    assert qualities == {"Cond.Signal": Quality.UNCERTAIN}


def test_restore_returns_to_the_snapshot() -> None:
    rig = sensors(3)
    rig.sample(truth(0.0, 0.001), FAST, 0)
    saved = rig.snapshot()

    def onward() -> list[dict[str, float]]:
        return [rig.sample(truth(1.0 + at, 0.001 * at), FAST, at // 3)[0] for at in range(9)]

    once = onward()
    rig.restore(saved)
    assert onward() == once
    rig.restore(saved)
    assert onward() == once
