"""How often the stated 95 % intervals of a column calibration hold the truth, with white noise.

    python -m benchmarks.calibration_coverage [REPEATS]

Two salt pulses of two velocities through a known column are simulated, noise of 2 % of the peak is added, and
particle porosity and dispersivity are estimated anew for every repeat. The number of hits must lie between
the
0.5 % and the 99.5 % quantile of the binomial distribution of 95 %.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
from scipy.stats import binom

from minifactory.calibration.estimation.curves import observed
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.pulses import SALT, Pulse, PulseModel
from minifactory.calibration.estimation.space import Free, Scale, Space
from minifactory.calibration.estimation.transfer import Line
from minifactory.plant.model import Column
from minifactory.records.run import Trend
from minifactory.units import CONDUCTIVITY, LENGTH, POSITIVE

FLOW = 3.15e-6 / 60.0
INJECTED = 0.5e-6
COLUMN = Column("C1", "s", "", "", 0.016, 0.25, 90e-6)
TRUTH = {
    "C1.interstitial_porosity": 0.34,
    "C1.particle_porosity": 0.8,
    "C1.dispersivity": 3e-4,
    "C1.ions.film_coefficient": 5e-5,
}
SPACE = Space(
    (
        Free("C1.particle_porosity", POSITIVE, 0.75, 0.4, 0.98),
        Free("C1.dispersivity", LENGTH, 1e-4, 1e-5, 5e-3, Scale.LOG),
    )
)
NOISE = 2e-3


def problem(seed: int) -> Problem:
    """One repeat."""
    random = np.random.default_rng(seed)
    pulses = []
    for flow in (FLOW, 3.0 * FLOW):
        times = np.linspace(0.0, 80e-6 / flow, 220)
        trend = Trend("Cond.Signal", CONDUCTIVITY, times, np.linspace(0.0, 1.0, times.size))
        blank = observed("made", trend, (0.0, float(times[-1])))
        pulse = Pulse("made", blank, flow, INJECTED, Line((0.7e-6,), (6,)), (SALT,), 0.5)
        answer = PulseModel((pulse,), COLUMN, {}).answer(pulse, SALT, TRUTH)
        values = 8.7 - 0.1 * answer / answer.max() + NOISE * random.standard_normal(times.size)
        pulses.append(
            replace(pulse, observed=observed("made", replace(trend, values=values), (0.0, times[-1])))
        )
    return Problem(PulseModel(tuple(pulses), COLUMN, TRUTH), tuple(p.observed for p in pulses), SPACE)


def main() -> None:
    """Print hits, limits and time."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    truth, inside = SPACE.coordinates(TRUTH), np.zeros(2)
    began = time.process_time()
    for seed in range(repeats):
        found = fit(problem(1000 + seed), starts=1)
        inside += np.abs(found.coordinates - truth) < 1.96 * found.deviations
    spent = time.process_time() - began
    least, most = binom.ppf([0.005, 0.995], repeats, 0.95)
    for path, hits in zip(SPACE.paths, inside, strict=True):
        print(
            f"{path}: {hits:.0f} of {repeats} ({100 * hits / repeats:.1f} %), allowed {least:.0f} to "
            f"{most:.0f}"
        )
    print(f"{1e3 * spent / repeats:.0f} ms of processor time per calibration")


if __name__ == "__main__":
    main()
