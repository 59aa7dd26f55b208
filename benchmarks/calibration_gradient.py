"""A gradient of another length, predicted from one gradient and the pulses on the same column.

    python -m benchmarks.calibration_gradient FOLDER [--draws N] [--over CV] [--rivals]

FOLDER holds the pulses ``47cm_hr.asc`` to ``282cm_hr.asc`` and ``pH5pt1_25pt2CV.asc``. The case
``cex-polish`` is calibrated on them; draws from the posterior (normal in the scaled space, priors in it) are
simulated with the recipe's gradient over another length, to its end. Printed: the UV peak's apex (CV since
the gradient began), width at half height (CV), height (mAU) and the conductivity there and at the gradient's
half, with intervals. With ``--rivals`` the charge variants that might explain the peak's triangle as overload
does are fitted, too, the runs that would tell are ranked, and predictions are averaged over the rivals.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from minifactory.app.calibrate import calibrate_case
from minifactory.app.case import open_case
from minifactory.app.telling_apart import telling_runs
from minifactory.calibration.estimation.data import from_file
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.rivals import AS_IT_IS, Rival
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


def main() -> None:
    """Calibrate, predict, print."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("folder", type=Path)
    wanted.add_argument("--draws", type=int, default=40)
    wanted.add_argument("--over", type=float, default=8.4)
    wanted.add_argument("--rivals", action="store_true")
    chosen = wanted.parse_args()
    case = open_case(Path("cases/cex-polish"))
    began = time.perf_counter()
    result = calibrate_case(
        case,
        [from_file(chosen.folder / name) for name in FILES],
        options=Options(samples=0, starts=1),
        rivals=[] if chosen.rivals else [Rival(AS_IT_IS)],
    )
    print(f"calibrated in {time.perf_counter() - began:.0f} s")
    for item in result.estimates.values():
        print(f"  {item.path:<36} {item.value:.5g}  {item.lower:.5g} to {item.upper:.5g}  {item.verdict}")
    assert result.rivals is not None
    for finding in result.rivals.findings:
        print(finding)
    for item in result.rivals.rivals:
        judged = item.criterion
        print(
            f"{item.rival.name:<36} weight {item.weight:.3g}  AICc {judged.aicc:.1f}  BIC {judged.bic:.1f}  "
            f"deviance {judged.deviance:.1f}  {judged.parameters:.1f} parameters, "
            f"{judged.counted:.0f} residuals"
        )
        for curve in item.step.curves:
            rest = curve.observed.values - curve.fitted
            print(f"    {curve.observed.name}: {float(np.sqrt(np.mean(rest**2))):.4g} (root mean square, SI)")
    if chosen.rivals:
        for run in telling_runs(case, result.rivals):
            print(f"  {run.name}: expected evidence {run.evidence:.1f}")
    values = {"cex.elution.elute.gradient.over": f"{chosen.over} CV"}
    recipe = with_values(case.recipe, values)
    for name, given in (("25.2 CV, to 80.5 %B, as calibrated", case.recipe), (f"{chosen.over} CV", recipe)):
        tables, weights = [], []
        for item in result.rivals.rivals:
            bound = bind(given, item.split.plant, case.bound.skid)
            rows = []
            for number in range(1 + chosen.draws):
                parameters = with_parameters(item.split.plant, item.values(number))
                plant = replace(item.split.plant, parameters=parameters)
                try:
                    rows.append(figures(simulate(plant, bound, tolerance=1e-3, elements=4)))
                except (SolverError, ValueError):
                    continue
            tables.append(np.array(rows))
            weights.append(np.full(len(rows), item.weight / len(rows)))
            _show(f"{name}, {item.rival.name}: {len(rows)} simulations", tables[-1], weights[-1])
        if len(tables) > 1:
            _show(f"{name}, all by their weights", np.concatenate(tables), np.concatenate(weights))
            even = [np.full(len(table), 1.0 / len(table)) for table in tables]
            _show(f"{name}, all alike", np.concatenate(tables), np.concatenate(even))


def _show(title: str, table: np.ndarray, weights: np.ndarray) -> None:
    """The first row and the 95 % interval of each figure under `weights`."""
    print(title)
    for at, figure in enumerate(FIGURES):
        order = np.argsort(table[:, at])
        along = np.cumsum(weights[order]) / weights.sum()
        low, high = table[order, at][np.searchsorted(along, [0.025, 0.975])]
        print(f"  {figure:<28} {table[0, at]:8.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
