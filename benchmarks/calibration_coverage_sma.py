"""How often the stated 95 % intervals of a steric mass action calibration hold the truth.

    python -m benchmarks.calibration_coverage_sma [REPEATS] [--first SEED] [--keep FILE]

The experiments are gradients of 12 and 30 CV with the case `cex-polish` (UV, conductivity, ten analysed
fractions each). In every repeat the product's charge, equilibrium, shielding and film coefficient are drawn
anew, and all that the case states with an uncertainty (porosities, capacity, lines, pumps, detectors,
liquids) from that uncertainty; the curves of that truth are computed on a mesh three times as fine as that
of the fit, and noise is added. The problem is then fitted as `minifactory calibrate --samples 0` does, from
the truth (:mod:`benchmarks.calibration_sma` starts from the case's values). Printed: hits of each parameter,
with the 95 % interval of their share (Clopper, Pearson). With `--keep` every repeat is a line (JSON) of that
file as soon as it has ended, and a repeat that the file holds already is not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration_sma import NAMES, measured
from minifactory.app.case import open_case
from minifactory.calibration.estimation.candidates import free_parameter
from minifactory.calibration.estimation.factory import FactoryModel
from minifactory.calibration.estimation.inverse_problem import Posed, pose
from minifactory.calibration.estimation.least_squares import fit
from minifactory.calibration.estimation.problem import Problem
from minifactory.calibration.estimation.result import WIDE
from minifactory.design.robustness import Probability
from minifactory.errors import MiniFactoryError
from minifactory.twin.engine import warmup
from minifactory.twin.online import skid_flowsheet

Array = NDArray[np.float64]
GRADIENTS = (12.0, 30.0)
MOVED = {"nu": 0.04, "k_eq": 0.3, "sigma": 0.1, "film_coefficient": 0.2}
"""Largest change of the logarithm of what is to be found, from the case's value."""


def posed(
    gradients: Sequence[float] = GRADIENTS, names: Sequence[str] = NAMES, held: Sequence[str] = ()
) -> Posed:
    """The problem of all repeats; its curves are replaced in each."""
    case = open_case(Path(__file__).parents[1] / "cases" / "cex-polish")
    data = measured(case, {}, 1, model_error=False, gradients=tuple(gradients))
    return pose(
        data,
        case.plant,
        skid_flowsheet(case.plant, case.bound.skid, case.plant.parameters, 4),
        case.plant.columns["C1"],
        free=[free_parameter(case.plant, f"C1.product.{name}") for name in names],
        held=held,
    )


def repeat(problem: Problem, seed: int) -> tuple[Array, Array]:
    """Estimates minus truth (p,) in coordinates, and their stated covariance (p, p), of one seeded repeat."""
    random = np.random.default_rng(seed)
    space, model = problem.space, problem.model
    assert isinstance(model, FactoryModel)
    truth = space.prior_centre + space.prior_spread * random.standard_normal(len(space.free))
    for at, free in enumerate(space.free):
        name = free.path.rsplit(".", 1)[-1]
        if free.path.startswith("C1.product."):
            stated = model.plant.parameters[free.path]
            truth[at] = free.forward(stated) + MOVED[name] * random.uniform(-1.0, 1.0)
    truth = np.clip(truth, *space.bounds)
    values = space.values(truth)
    predicted = problem.split(model.fine.predict([values])[0])
    curves = tuple(
        replace(curve, values=clean + curve.noise * random.standard_normal(curve.size))
        for curve, clean in zip(problem.curves, predicted, strict=True)
    )
    begin = tuple(replace(free, start=values[free.path]) for free in space.free)
    found = fit(replace(problem, curves=curves, space=replace(space, free=begin)), starts=1)
    # The scale of a linear coordinate is its start.
    return found.coordinates - found.problem.space.coordinates(values), found.covariance


def kept(file: Path | None) -> dict[int, list[float] | None]:
    """Seed -> gaps in standard deviations, of the repeats that `file` holds; None: that fit failed."""
    if file is None or not file.is_file():
        return {}
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {int(line["seed"]): line["gaps"] for line in lines}


def told(hits: NDArray[np.bool_]) -> str:
    """How many, and the share with its interval."""
    found = Probability(int(hits.sum()), hits.size)
    return f"{found.met} of {found.samples}: {found}"


def main() -> None:
    """Print hits and their limits."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("repeats", type=int, nargs="?", default=100)
    wanted.add_argument("--first", type=int, default=1)
    wanted.add_argument("--keep", type=Path)
    chosen = wanted.parse_args()
    warmup()
    problem = posed().problem
    seeds = range(chosen.first, chosen.first + chosen.repeats)
    done = {seed: gaps for seed, gaps in kept(chosen.keep).items() if seed in seeds}
    began, left = time.process_time(), [seed for seed in seeds if seed not in done]
    for seed in left:
        try:
            gaps, covariance = repeat(problem, seed)
            done[seed] = (gaps / np.sqrt(np.diag(covariance))).tolist()
            shown = ", ".join(f"{gap:+.2f}" for gap in done[seed] or ())
        except MiniFactoryError as fault:
            done[seed], shown = None, str(fault)
        print(f"seed {seed}: {shown}", flush=True)
        if chosen.keep is not None:
            with chosen.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, "gaps": done[seed]}) + "\n")
    spent = time.process_time() - began
    hits = np.array([np.abs(gaps) < WIDE for gaps in done.values() if gaps is not None])
    for path, found in zip(problem.space.paths, hits.T, strict=True):
        print(f"{path:<30} {told(found)}")
    print(f"{'all together':<30} {told(hits.ravel())}")
    print(f"{sum(gaps is None for gaps in done.values())} failed")
    if left:
        print(f"{spent / len(left):.1f} s of processor time per repeat")


if __name__ == "__main__":
    main()
