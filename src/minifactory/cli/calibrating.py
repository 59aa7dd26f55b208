"""The command `calibrate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from minifactory.app.calibrate import calibrate_case, gather, write
from minifactory.app.case import Case, open_case
from minifactory.app.telling_apart import finding_of, telling_runs
from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.page import document
from minifactory.calibration.estimation.rival_files import read_rivals
from minifactory.calibration.estimation.rivals import Rival
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import Exit, print_finding, print_json, stderr, stdout
from minifactory.cli.progress import bar
from minifactory.units import show

GENERATED = "auto"
"""What ``--rivals`` is to have rivals made instead of reading them."""


def calibrate(
    folder: Path,
    data: tuple[str, ...],
    estimate: tuple[str, ...],
    hold: tuple[str, ...],
    column: str,
    samples: int,
    starts: int,
    seed: int,
    runs: Path | None,
    assays: tuple[Path, ...],
    output: Path | None,
    adopt: bool,
    as_json: bool,
    rivals: str = "",
) -> None:
    """Estimate, print, write the new version and the page; exit 1 when the data told nothing."""
    case = open_case(folder)
    declared = _rivals(rivals, case)
    gathered = gather(data, runs, assays, case.plant.species)
    warm_up()
    with bar() as progress:
        result = calibrate_case(
            case,
            gathered,
            column=column,
            estimate=estimate,
            hold=hold,
            options=Options(samples, starts, seed),
            rivals=declared,
            progress=progress,
        )
        telling = () if result.rivals is None else telling_runs(case, result.rivals, progress)
    advice = None if result.rivals is None else finding_of(result.rivals, telling)
    if advice is not None:
        result = replace(result, advice=(advice,))
    written = write(case, result, output, adopt)
    for finding in result.findings:
        print_finding(finding)
    if as_json:
        print_json(
            {
                "case": case.name,
                **document(result),
                "version": written.version,
                "file": None if written.parameters is None else str(written.parameters),
                "page": str(written.page),
                "weighed_rivals": None if written.rivals is None else str(written.rivals),
                "telling_runs": {item.name: item.evidence for item in telling},
            }
        )
    else:
        _print(result)
        if written.parameters is not None:
            stdout.print(str(written.parameters), markup=False)
        stdout.print(str(written.page), markup=False)
        if written.rivals is not None:
            stdout.print(str(written.rivals), markup=False)
    if written.parameters is None:
        stderr.print("The data tell none of the parameters: no new version was written.")
        raise Exit(1)


def _rivals(said: str, case: Case) -> list[Rival] | None:
    """The rivals of ``--rivals``: none, the generated ones (``auto``), or those of a file."""
    if not said:
        return None
    return [] if said == GENERATED else read_rivals(Path(said), case.plant)


def _print(result: Calibration) -> None:
    for item in result.estimates.values():
        ends = [show(v, item.kind) if abs(v) < float("inf") else "none" for v in (item.lower, item.upper)]
        stdout.print(
            f"{item.path:<36} {show(item.value, item.kind):>14}   {ends[0]} to {ends[1]}   {item.verdict}",
            markup=False,
        )
    for step in result.steps:
        stderr.print(f"step {step.name}: {step.seconds:.1f} s of processor time", markup=False)
    stderr.print(f"{result.seconds:.1f} s in all", markup=False)
