"""A gradient of another length, predicted from one gradient and the pulses on the same column.

    python -m benchmarks.calibration_gradient FOLDER [--draws N] [--over CV]

FOLDER holds the pulses ``47cm_hr.asc`` to ``282cm_hr.asc`` and ``pH5pt1_25pt2CV.asc``. The case
``cex-polish`` is
calibrated on them; draws from the posterior (normal in the scaled space, priors in it) are simulated with the
recipe's gradient over another length, to its end. Printed: the UV peak's apex (CV since the gradient began),
width at half height (CV), height (mAU) and the conductivity there and at the gradient's half, with intervals.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from minifactory.app.calibrate import calibrate_case
from minifactory.app.case import open_case
from minifactory.calibration.estimation.column_step import Options
from minifactory.calibration.estimation.data import from_file
from minifactory.calibration.estimation.factory import with_parameters
from minifactory.calibration.estimation.least_squares import Fit
from minifactory.errors import SolverError
from minifactory.recipe.bind import bind
from minifactory.recipe.references import with_values
from minifactory.records.peaks import find_peaks
from minifactory.records.run import Run
from minifactory.twin.simulate import simulate

FILES = ("47cm_hr.asc", "94cm_hr.asc", "141cm_hr.asc", "282cm_hr.asc", "pH5pt1_25pt2CV.asc")
FIGURES = (
    "apex / CV",
    "width at half height / CV",
    "height / mAU",
    "cond at apex / mS/cm",
    "cond at half / mS/cm",
)


def figures(run: Run) -> list[float]:
    """The figures of the largest peak in the gradient."""
    phase = next(item for item in run.phases if item.kind == "elute")
    uv, conductivity = run.trends["UV1.Signal"], run.trends["Cond.Signal"]
    inside = (uv.time >= phase.start) & (uv.time <= phase.end)
    volume = run.volume_axis(uv.time[inside])
    place = (volume - run.volume_axis(np.array([phase.start]))[0]) / run.column_volume
    main = max(find_peaks(place, uv.values[inside]), key=lambda peak: peak.area)
    seen = conductivity.at(uv.time[inside])
    half = 0.5 * place[-1]
    return [
        main.apex,
        main.width_half,
        1e3 * float(uv.values[inside].max()),
        10.0 * float(np.interp(main.apex, place, seen)),
        10.0 * float(np.interp(half, place, seen)),
    ]


def draws(fit: Fit, count: int, seed: int = 11) -> list[dict[str, float]]:
    """The best values, then `count` draws around them."""
    random = np.random.default_rng(seed)
    space = fit.problem.space
    centre = space.straight(fit.coordinates)
    turned = np.linalg.inv(space.stretch(centre))
    size, vectors = np.linalg.eigh(turned @ fit.covariance @ turned.T)
    root = vectors * np.sqrt(np.maximum(size, 0.0))
    lower, upper = fit.problem.space.bounds
    points = space.plain(centre + random.standard_normal((count, centre.size)) @ root.T)
    kept = points[np.all((points >= lower) & (points <= upper), axis=1)]
    return [fit.values, *(fit.problem.space.values(row) for row in kept)]


def main() -> None:
    """Calibrate, predict, print."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("folder", type=Path)
    wanted.add_argument("--draws", type=int, default=40)
    wanted.add_argument("--over", type=float, default=8.4)
    chosen = wanted.parse_args()
    case = open_case(Path("cases/cex-polish"))
    began = time.perf_counter()
    result = calibrate_case(
        case, [from_file(chosen.folder / name) for name in FILES], options=Options(samples=0, starts=1)
    )
    print(f"calibrated in {time.perf_counter() - began:.0f} s")
    for item in result.estimates.values():
        print(f"  {item.path:<36} {item.value:.5g}  {item.lower:.5g} to {item.upper:.5g}  {item.verdict}")
    column = {e.path: e.value for e in result.steps[0].estimates if not e.path.startswith("tracer.")}
    values = {"cex.elution.elute.gradient.over": f"{chosen.over} CV"}
    recipe = with_values(case.recipe, values)
    bound = bind(recipe, case.plant, case.bound.skid)
    last = result.steps[-1].fit
    assert last is not None
    for name, plan in (("25.2 CV, to 80.5 %B, as calibrated", case.bound), (f"{chosen.over} CV", bound)):
        rows = []
        for each in draws(last, chosen.draws):
            plant = replace(case.plant, parameters=with_parameters(case.plant, {**column, **each}))
            try:
                rows.append(figures(simulate(plant, plan, tolerance=1e-3, elements=4)))
            except (SolverError, ValueError):
                continue
        table = np.array(rows)
        print(f"{name}: {len(rows)} simulations")
        for at, figure in enumerate(FIGURES):
            low, high = np.quantile(table[:, at], [0.025, 0.975])
            print(f"  {figure:<28} {table[0, at]:8.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
