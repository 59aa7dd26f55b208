"""A full steric mass action calibration: three proteins, three gradients, all through the digital factory.

    python -m benchmarks.calibration_sma [--samples N] [--seed N] [--profile]

The case `cex-polish` is run with gradients of three lengths on a plant whose truth differs in charge,
equilibrium, shielding and film coefficient of every protein; dispersion, lines, cell constant and buffer
strength differ, too, and are *not* estimated: they are the model error. UV and conductivity get noise,
fractions are analysed with 2 % error. The calibration starts from the case's parameters. Printed: estimates,
truth, intervals, times. With ``--exact`` nothing is missed: the plant differs in what is estimated only.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from minifactory.app.calibrate import calibrate_case
from minifactory.app.case import Case, open_case
from minifactory.calibration.estimation.data import Data, from_run
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.recipe.bind import bind
from minifactory.recipe.references import with_values
from minifactory.twin.engine import warmup
from minifactory.twin.simulate import simulate

PROTEINS = ("product", "acidic", "aggregate")
NAMES = ("nu", "k_eq", "sigma", "film_coefficient")
GRADIENTS = (12.0, 20.0, 30.0)
"""CV from 0 to 100 %B; the recipe ends them at 80.5 %B."""
NOISE = {"UV1.Signal": 3e-4, "Cond.Signal": 1e-3}
ASSAY = 0.02
MISSED = {
    "C1.dispersivity": 1.1,
    "akta1.volume_factor": 1.01,
    "akta1.Cond.gain": 1.003,
    "elution.strength": 1.002,
}


def truth_of(case: Case, seed: int) -> dict[str, float]:
    """What is to be found: the case's values, moved."""
    random = np.random.default_rng(seed)
    stated = case.plant.parameters
    factors = {"nu": 0.04, "k_eq": 0.3, "sigma": 0.1, "film_coefficient": 0.2}
    return {
        f"C1.{protein}.{name}": stated[f"C1.{protein}.{name}"]
        * float(np.exp(factors[name] * random.uniform(-1.0, 1.0)))
        for protein in PROTEINS
        for name in NAMES
    }


def measured(
    case: Case,
    truth: dict[str, float],
    seed: int,
    model_error: bool = True,
    gradients: tuple[float, ...] = GRADIENTS,
) -> list[Data]:
    """Runs with noise, on the true plant."""
    random = np.random.default_rng(seed)
    stated = case.plant.parameters
    missed = (
        {path: stated.get_or(path, 1.0) * factor for path, factor in MISSED.items()} if model_error else {}
    )
    parameters = with_parameters(case.plant, {**truth, **missed})
    found = []
    for length in gradients:
        recipe = with_values(case.recipe, {"cex.elution.elute.gradient.over": f"{length:g} CV"})
        bound = bind(recipe, case.plant, case.bound.skid)
        run = simulate(case.plant, bound, parameters, tolerance=5e-5, elements=8)
        trends = dict(run.trends)
        for tag, size in NOISE.items():
            shown = trends[tag]
            trends[tag] = replace(
                shown, values=shown.values + size * random.standard_normal(shown.values.size)
            )
        pools = tuple(
            replace(
                pool,
                amounts={n: a * (1.0 + ASSAY * random.standard_normal()) for n, a in pool.amounts.items()},
            )
            for pool in run.pools
        )
        found.append(from_run(replace(run, trends=trends, pools=pools), f"gradient {length:g} CV"))
    return found


def main() -> None:
    """Calibrate, print."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--samples", type=int, default=1500)
    wanted.add_argument("--exact", action="store_true")
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--profile", action="store_true")
    chosen = wanted.parse_args()
    case = open_case(Path("cases/cex-polish"))
    warmup()
    truth = truth_of(case, chosen.seed)
    data = measured(case, truth, chosen.seed, not chosen.exact)
    profiler = cProfile.Profile()
    wall, spent = time.perf_counter(), time.process_time()
    if chosen.profile:
        profiler.enable()
    result = calibrate_case(case, data, estimate=tuple(truth), options=Options(samples=chosen.samples))
    profiler.disable()
    wall, spent = time.perf_counter() - wall, time.process_time() - spent
    for path, item in result.estimates.items():
        beside = 1.0 if chosen.exact else MISSED.get(path, 1.0)
        true = truth.get(path, case.plant.parameters.get_or(path, 1.0) * beside)
        hit = item.lower <= true <= item.upper
        print(
            f"{path:<30} {item.value:.5g}   {item.lower:.5g} to {item.upper:.5g}   truth {true:.5g}"
            f"{'' if hit else '   MISSED'}   {item.verdict}"
        )
    for finding in result.findings:
        print(finding)
    details = result.steps[-1].figures
    print(
        f"{details['evaluations']} evaluations with derivatives, {wall:.1f} s, "
        f"{spent:.1f} s of processor time"
    )
    if chosen.profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
