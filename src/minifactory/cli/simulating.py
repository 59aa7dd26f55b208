"""The command `simulate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from minifactory.app.case import Case
from minifactory.app.predict import predict
from minifactory.calibration.estimation.rival_files import Explanation, read_weighed
from minifactory.campaign.gate import gate
from minifactory.campaign.report.picture import draw_prediction
from minifactory.campaign.targets import shown
from minifactory.cli.checking import open_checked
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import Exit, check_picture, print_json, stderr, stdout
from minifactory.cli.progress import bar
from minifactory.cli.simulating_several import WRITERS, simulate_several
from minifactory.errors import Finding, InputError
from minifactory.records.performance import FIGURES


def simulate(
    folder: Path,
    plot: Path | None,
    samples: int,
    export: Path | None,
    as_json: bool,
    parameters: Path | None = None,
    rivals: Path | None = None,
) -> None:
    """Print the prediction of a case; exit 1 when it misses the targets."""
    if plot is not None:
        check_picture(plot)
    if export is not None and export.suffix not in WRITERS:
        raise InputError(Finding(str(export), f'no format "{export.suffix}"', ".parquet or .csv"))
    case = open_checked(folder, parameters, several=True)
    explanations = _explanations(rivals, samples, case)
    warm_up()
    if len(case.bounds) > 1:
        simulate_several(case, plot, samples, export, as_json)
        return
    with bar() as progress:
        prediction = predict(case, samples, progress, explanations)
    result = gate(prediction, case.targets)
    if plot is not None:
        draw_prediction(case.name, prediction, plot)
    if export is not None:
        WRITERS[export.suffix](prediction.run, export)
    if as_json:
        print_json(
            {
                "case": case.name,
                "performance": dict(prediction.performance.values),
                "intervals": prediction.intervals(),
                "phases": [asdict(phase) for phase in prediction.run.phases],
                "pools": [asdict(pool) for pool in prediction.run.pools],
                "consumed": dict(prediction.run.consumed),
                "paths": [asdict(event) for event in prediction.run.events if event.category == "path"],
                "warnings": [asdict(event) for event in prediction.run.events if event.category == "filter"],
                "targets_met": result.passed,
                "provenance": dict(prediction.run.provenance),
            }
        )
    else:
        for name, figure in FIGURES.items():
            low, high = prediction.interval(name)
            between = f"   ({shown(low, figure.kind)} to {shown(high, figure.kind)})" if low == low else ""
            stdout.print(f"{figure.title:<22} {shown(prediction.performance[name], figure.kind)}{between}")
        for event in prediction.run.events:
            if event.category == "path":
                stdout.print(f"{event.time / 60.0:8.1f} min  {event.text}", markup=False)
            elif event.category == "filter":
                stderr.print(f"{event.time / 60.0:8.1f} min  {event.source}: {event.text}", markup=False)
        for judgement in result.missed:
            stderr.print(str(judgement), markup=False)
        if not result.passed:
            stderr.print("minifactory run computes what would have to change.")
    if not result.passed:
        raise Exit(1)


def _explanations(file: Path | None, samples: int, case: Case) -> tuple[Explanation, ...]:
    """The weighed rivals that the interval is averaged over."""
    if file is None:
        return ()
    if not samples or len(case.bounds) > 1:
        found = "cases on several skids" if len(case.bounds) > 1 else "no draws"
        raise InputError(Finding("--rivals", found, "one skid, and draws with --samples N"))
    return read_weighed(file, case.plant)
