"""The command `simulate` for a case on several skids."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from minifactory.app.case import Case
from minifactory.app.predict_plant import PlantPrediction, predict_plant
from minifactory.campaign.gate import gate
from minifactory.campaign.report.picture import draw_prediction
from minifactory.campaign.targets import shown
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.cli.progress import bar
from minifactory.records.export import write_csv_wide, write_parquet
from minifactory.records.performance import FIGURES
from minifactory.records.plant_run import BUSY, WAITING
from minifactory.records.prediction import Prediction
from minifactory.units import TIME, show

WRITERS = {".parquet": write_parquet, ".csv": write_csv_wide}


def simulate_several(case: Case, plot: Path | None, samples: int, export: Path | None, as_json: bool) -> None:
    """Print the prediction of all skids; a picture and an export become one file per skid."""
    with bar() as progress:
        found = predict_plant(case, samples, progress)
    result = gate(found.whole, case.targets)
    for skid, run in found.plant.runs.items():
        if plot is not None:
            draw_prediction(f"{case.name}: {skid}", Prediction(run, found.whole.performance), _of(plot, skid))
        if export is not None:
            WRITERS[export.suffix](run, _of(export, skid))
    if as_json:
        print_json({**_content(case, found), "targets_met": result.passed})
    else:
        _tell(found)
        for judgement in result.missed:
            stderr.print(str(judgement), markup=False)
    if not result.passed:
        raise Exit(1)


def _of(path: Path, skid: str) -> Path:
    return path.with_name(f"{path.stem}-{skid}{path.suffix}")


def _tell(found: PlantPrediction) -> None:
    for name, figure in FIGURES.items():
        low, high = found.whole.interval(name)
        between = f"   ({shown(low, figure.kind)} to {shown(high, figure.kind)})" if low == low else ""
        stdout.print(f"{figure.title:<22} {shown(found.whole.performance[name], figure.kind)}{between}")
    for skid in found.plant.runs:
        busy, waiting = (show(found.plant.time_spent(skid, what), TIME) for what in (BUSY, WAITING))
        stdout.print(f"{skid:<22} busy {busy}, waiting {waiting}", markup=False)
    for event in found.plant.level_events:
        stdout.print(f"{event.time / 60.0:8.1f} min  {event.source} {event.text}", markup=False)
    for skid, run in found.plant.runs.items():
        for event in run.events:
            if event.category == "path":
                stdout.print(f"{event.time / 60.0:8.1f} min  {skid}: {event.text}", markup=False)
            elif event.category == "filter":
                stderr.print(
                    f"{event.time / 60.0:8.1f} min  {skid}.{event.source}: {event.text}", markup=False
                )


def _content(case: Case, found: PlantPrediction) -> dict[str, Any]:
    """The prediction as JSON types (SI)."""
    plant = found.plant
    return {
        "case": case.name,
        "performance": dict(found.whole.performance.values),
        "intervals": found.whole.intervals(),
        "skids": {
            skid: {
                "phases": [asdict(phase) for phase in run.phases],
                "pools": [asdict(pool) for pool in run.pools],
                "consumed": dict(run.consumed),
                "paths": [asdict(event) for event in run.events if event.category == "path"],
                "warnings": [asdict(event) for event in run.events if event.category == "filter"],
                "spans": [asdict(span) for span in plant.spans.get(skid, ())],
            }
            for skid, run in plant.runs.items()
        },
        "level_events": [asdict(event) for event in plant.level_events],
        "contents": {vessel: dict(content) for vessel, content in plant.contents.items()},
        "balance": dict(plant.balance),
        "provenance": dict(found.whole.run.provenance),
    }
