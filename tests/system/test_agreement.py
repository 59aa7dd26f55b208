"""Simulation and Orbit on the virtual skid agree when the skid's truth is the prediction's parameter set.

What may differ, and by how much, follows from four causes only:

* Scan. A condition comes true between two scans and is seen at the next one; the controller reads the image
  that the scan before left. A beginning and an end are each late by up to one scan: 2 scans.
* Actuators. An action takes its nominal latency in the prediction, and a draw within +- SPREAD of it on the
  skid. While an action is late the old flow goes on: volume = |old - new flow| x SPREAD, duration = that
  over the new flow. A pump wash is timed from its own start, so its end moves by SPREAD.
* Sensors. UV, conductivity, pH and pressure have noise (6 standard deviations: 2e-9 per value, 3e-4 in
  34 000 scans of four detectors) and UV drifts; both are shown by the skid and not by the prediction.
* Integration. Both integrate the same equations with a relative local error of 1e-4; an error of 1e-3 of the
  range is granted for what accumulates.

A condition on a signal comes true earlier or later by (noise + drift) / slope of the signal.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from minifactory.app.case import Case
from minifactory.app.main_job import Outcome
from minifactory.records.alignment import matched_phases
from minifactory.records.run import PhaseRecord, PoolRecord, Run
from minifactory.twin.latency import SPREAD
from minifactory.twin.online import skid_flowsheet
from minifactory.twin.response import Channel
from minifactory.twin.sensors import UV, Sensors
from minifactory.twin.simulate import OUTPUT

pytestmark = pytest.mark.slow

SCAN = 1.0
DEVIATIONS = 6.0
INTEGRATION = 1e-3
LATE = 2.0 * SCAN + SPREAD
"""s by which an event of one run may be earlier or later than in the other, from the start of its phase."""


def flows(run: Run, phase: PhaseRecord) -> tuple[float, float]:
    """Flow (m3/s) before a phase and in it, when its start is over."""
    trend = run.trends["System.Flow"]
    edges = np.array([phase.start, phase.end])
    before, after = trend.at(edges)
    return float(before), float(after)


def allowed_duration(run: Run, phase: PhaseRecord) -> float:
    before, after = flows(run, phase)
    owed = abs(before - after) / after * SPREAD if after > 0.0 else SPREAD
    return 2.0 * SCAN + max(owed, SPREAD)


def allowed_volume(run: Run, phase: PhaseRecord) -> float:
    return max(flows(run, phase)) * LATE


def test_every_phase_takes_as_long_and_as_much(identical: Outcome) -> None:
    assert identical.run is not None
    predicted = identical.prediction.run
    pairs = list(matched_phases(predicted, identical.run))
    assert len(pairs) == len(predicted.phases) == len(identical.run.phases) == 15
    for planned, executed in pairs:
        longer = (executed.end - executed.start) - (planned.end - planned.start)
        assert abs(longer) <= allowed_duration(predicted, planned), planned.path
        assert abs(executed.volume - planned.volume) <= allowed_volume(predicted, planned), planned.path
        assert executed.reason == planned.reason


def steepness(run: Run, time: float) -> float:
    """Slope (AU/s) of the UV signal around `time` s, the least within a minute."""
    trend = run.trends["UV1.Signal"]
    times = time + np.linspace(-30.0, 30.0, 13)
    return float(np.abs(np.diff(trend.at(times))).min() / 5.0)


def pooled(run: Run) -> PoolRecord:
    (pool,) = [item for item in run.pools if item.vessel == "pool"]
    return pool


def test_the_pool_is_cut_at_the_same_places(identical: Outcome) -> None:
    assert identical.run is not None
    predicted, executed = identical.prediction.run, identical.run
    planned, real = pooled(predicted), pooled(executed)
    phases = [next(item for item in run.phases if item.kind == "elute") for run in (predicted, executed)]
    zeroed = next(event.time for event in predicted.events if event.text.startswith("zero"))
    error = []
    for ours, theirs in ((planned.start, real.start), (planned.end, real.end)):
        signal = DEVIATIONS * UV.noise + UV.drift * (ours - zeroed) + INTEGRATION * 0.25
        allowed = LATE + signal / steepness(predicted, ours)
        assert abs((theirs - phases[1].start) - (ours - phases[0].start)) <= allowed
        error.append(allowed)
    _, flow = flows(predicted, phases[0])
    assert abs(real.volume - planned.volume) <= flow * sum(error)


def envelope(run: Run, name: str, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Least and largest value (SI) of a trend of `run` within LATE of each of `times`.

    Where no condition looks the prediction is recorded every OUTPUT s only, so the window is wider by that.
    """
    trend = run.trends[name]
    reach = LATE + OUTPUT
    shifted = [trend.at(times + by) for by in np.linspace(-reach, reach, 31)]
    return np.min(shifted, axis=0), np.max(shifted, axis=0)


TRENDS = (
    *("System.Flow", "PumpA.Flow", "PumpB.Flow", "Gradient.PercentB"),
    *("UV1.Signal", "Cond.Signal", "pH.Signal", "Pressure.System", "Pressure.Delta"),
)


PUMPS = TRENDS[:4]
RAMPING = 0.01
"""A pump that changes by more than this part of its range per scan ramps: that is over within OUTPUT, so the
prediction has recorded its ends only, and nothing is compared in it."""


UNBUFFERED = 4.5
WEAK = 0.35
"""pH granted below UNBUFFERED, in 1 M NaCl with 0.18 mM of free acid: the relative error of integration of
1e-4 is 0.1 mM of sodium, and log10(0.18 / (0.18 - 0.1)) = 0.35. All other liquids are buffers or strong."""


@pytest.fixture(scope="module")
def channels(case: Case) -> dict[str, Channel]:
    """Every signal's noise and drift on this skid."""
    sheet = skid_flowsheet(case.plant, case.bound.skid)
    sensors = Sensors(case.table, case.skid, sheet, case.plant.parameters, None)
    return {**{f"{cell.name}.Signal": cell.channel for cell in sensors.cells}, **dict(sensors.others)}


@pytest.mark.parametrize("name", TRENDS)
def test_trends_stay_within_the_envelope(identical: Outcome, channels: dict[str, Channel], name: str) -> None:
    assert identical.run is not None
    predicted, executed = identical.prediction.run, identical.run
    channel = channels.get(name, Channel())
    span = float(np.ptp(predicted.trends[name].values))
    zeroed = next(event.time for event in predicted.events if event.text.startswith("zero"))
    for planned, real in matched_phases(predicted, executed):
        since = np.arange(0.0, min(real.end - real.start, planned.end - planned.start), SCAN)
        values = executed.trends[name].at(real.start + since)
        low, high = envelope(predicted, name, planned.start + since)
        drift = channel.drift * (real.start + since - (0.0 if planned.start < zeroed else zeroed))
        noise = channel.noise + channel.relative_noise * np.abs(high)
        if channel.drift:
            noise = 2.0 * noise  # the zero is a noisy reading, too
        slack = DEVIATIONS * noise + INTEGRATION * span + drift
        if name == "pH.Signal":
            slack = slack + np.where(low < UNBUFFERED, WEAK, 0.0)
        beyond = np.maximum(low - values, values - high) - slack
        if name in PUMPS:
            steps = np.abs(np.diff(values, prepend=values[:1], append=values[-1:])) > RAMPING * span
            beyond[steps[:-1] | steps[1:]] = -np.inf
        worst = int(np.argmax(beyond))
        assert beyond[worst] <= 0.0, (
            f"{planned.path} after {since[worst]:.0f} s: {values[worst]:g} is outside "
            f"{low[worst]:g} to {high[worst]:g} by {beyond[worst]:g} more than granted"
        )


def test_what_is_drawn_from_every_vessel_agrees(identical: Outcome) -> None:
    """A vessel is changed at most 4 times; the flow is at most that of a pump wash."""
    assert identical.run is not None
    planned, real = identical.prediction.run.consumed, identical.run.consumed
    trends = identical.prediction.run.trends
    largest = max(float(trends[name].values.max()) for name in ("PumpA.Flow", "PumpB.Flow"))
    assert set(planned) == set(real)
    for vessel, volume in planned.items():
        assert real[vessel] == pytest.approx(volume, abs=4 * largest * LATE), vessel


def test_yield_and_purity_agree(identical: Outcome) -> None:
    """The pool's ends move by what the signal's noise and drift allow; what passes in that time is small.

    At the cuts the UV is below 60 mAU of a peak of 200 mAU, and the allowed times are below 60 s of 3200 s.
    """
    assert identical.performance is not None
    planned, real = identical.prediction.performance, identical.performance
    assert real["yield"] == pytest.approx(planned["yield"], abs=2 * 60 / 3200 * 60 / 200)
    assert real["purity"] == pytest.approx(planned["purity"], abs=1e-3)
    assert real["loaded_mass"] == pytest.approx(planned["loaded_mass"], rel=LATE / 4200)
