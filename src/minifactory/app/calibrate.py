"""`minifactory calibrate`: opens a case, gathers runs from files and the historian, writes what came out.

For other parts of the program, :func:`recalibrate` takes a case and runs (measured, recorded or simulated)
and returns the parameters with what was learned, without touching a file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from minifactory.app.case import Case, open_case
from minifactory.app.home import DATABASE, runs_folder
from minifactory.calibration.estimation.assays import with_assays
from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.data import Data, from_file, from_run
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.page import page
from minifactory.calibration.estimation.result import Estimate
from minifactory.calibration.estimation.rival_files import weighed_text
from minifactory.calibration.estimation.rivals import Rival
from minifactory.calibration.estimation.sequence import calibrate
from minifactory.calibration.estimation.space import Scale
from minifactory.calibration.estimation.version import FILE, new_version, next_file, write_new
from minifactory.errors import Finding, InputError
from minifactory.historian import Store, load_run
from minifactory.plant.model import Species
from minifactory.plant.parameters import Parameter, ParameterSet, Uncertainty
from minifactory.records.run import Run
from minifactory.records.whole_file import write_whole
from minifactory.twin.simulate import simulate

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Written:
    """Where a calibration went: the new parameters (None when nothing was told), the page, the rivals."""

    parameters: Path | None
    version: str
    page: Path
    rivals: Path | None = None


def gather(
    names: Sequence[str],
    runs: Path | None = None,
    assays: Sequence[Path] = (),
    species: Mapping[str, Species] | None = None,
) -> tuple[Data, ...]:
    """The data that `names` mean: files, else identifiers of recorded runs; with the tables of `assays`.

    Raises
    ------
    InputError
        With the findings on all of them.
    """
    found: list[Data] = []
    findings: list[Finding] = []
    for name in names:
        try:
            path = Path(name)
            found.append(from_file(path) if path.exists() or path.suffix else _recorded(name, runs))
        except InputError as fault:
            findings += fault.findings
    if findings:
        raise InputError(findings)
    return with_assays(found, assays, species or {})


def _recorded(identifier: str, runs: Path | None) -> Data:
    folder = runs_folder(runs)
    if not (folder / DATABASE).is_file():
        raise InputError(
            Finding(
                identifier, f"is no file, and no runs were recorded in {folder}", "a file or a recorded run"
            )
        )
    return from_run(load_run(Store(folder / DATABASE), identifier))


def column_of(case: Case, column: str = "") -> str:
    """The column to calibrate: the named one, the recipe's, or the only one of the skid.

    Raises
    ------
    InputError
        There is none, or several to choose from.
    """
    own = [name for name, item in case.plant.columns.items() if item.skid == case.bound.skid]
    chosen = column or case.bound.column or (own[0] if len(own) == 1 else "")
    if chosen not in own:
        raise InputError(
            Finding(
                "calibrate",
                f'column "{chosen}" is not on skid {case.bound.skid}',
                f"one of {', '.join(own) or 'none'}",
            )
        )
    return chosen


def calibrate_case(
    case: Case,
    data: Sequence[Data],
    *,
    column: str = "",
    estimate: Sequence[str] = (),
    hold: Sequence[str] = (),
    options: Options | None = None,
    rivals: Sequence[Rival] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """What `data` tell about the parameters of `case`.

    Raises
    ------
    InputError, SolverError
        As :func:`minifactory.calibration.estimation.sequence.calibrate`.
    """
    planned = None
    if any("System.Flow" not in d.run.trends or _without_valves(d) for d in data):
        planned = simulate(case.plant, case.bound, tolerance=1e-3)
    return calibrate(
        case.plant,
        case.bound.skid,
        column_of(case, column),
        data,
        estimate=estimate,
        hold=hold,
        planned=planned,
        options=options,
        rivals=rivals,
        progress=progress,
    )


def _without_valves(data: Data) -> bool:
    return data.file is None or not data.file.log


def recalibrate(
    case: Case,
    runs: Sequence[Run],
    *,
    estimate: Sequence[str] = (),
    hold: Sequence[str] = (),
    samples: int = 0,
    progress: Progress | None = None,
) -> tuple[ParameterSet, Calibration]:
    """The parameters of `case` after `runs`, and how they were learned: the campaign's "learn".

    What the runs do not tell keeps its value and uncertainty.
    """
    options = Options(samples=samples, starts=4)
    result = calibrate_case(
        case,
        [from_run(run) for run in runs],
        estimate=estimate,
        hold=hold,
        options=options,
        progress=progress,
    )
    return learned(case.plant.parameters, result), result


def learned(before: ParameterSet, result: Calibration) -> ParameterSet:
    """`before` with the trusted estimates of `result`, their uncertainty and source."""
    changed = dict(before.parameters)
    source = "calibrated from " + "; ".join(f"{n} (sha256 {h[:16]})" for n, h in result.sources.items())
    good = trusted(result)
    for item in good:
        spread = (
            Uncertainty("lognormal", item.spread)
            if item.scale is Scale.LOG
            else Uncertainty("normal", item.spread)
        )
        old = changed.get(item.path)
        if old is None:
            changed[item.path] = Parameter(item.path, item.value, item.kind, source, spread)
        else:
            changed[item.path] = replace(old, value=item.value, uncertainty=spread, source=source)
    number = int(before.version) + 1 if before.version.isdigit() else 2
    told = {item.path for item in good}
    pairs = {pair: value for pair, value in before.correlations.items() if not told & set(pair)}
    pairs |= result.correlations(told)
    return replace(before, parameters=changed, version=str(number), correlations=pairs)


def trusted(result: Calibration) -> list[Estimate]:
    """The estimates that go into a new version: told, and of the description (the tracer's are not)."""
    return [
        item for item in result.estimates.values() if item.trusted and not item.path.startswith("tracer.")
    ]


def write(case: Case, result: Calibration, output: Path | None = None, adopt: bool = False) -> Written:
    """Write the new version of the parameters beside the old one, and the page; the case must open with it.

    With `adopt`, ``parameters.yaml`` becomes the new version and the old text is kept as
    ``parameters.1.yaml`` (the next free number).

    Raises
    ------
    InputError
        The output exists, or the case does not open with the new version.
    EnvironmentFault
        The page or the adopted version cannot be written; the old version is untouched.
    """
    file, version = next_file(case.folder)
    file = output or file
    good = trusted(result)
    html = file.with_suffix(".html")
    for beside in (html, *([file.with_suffix(".rivals.json")] if result.rivals else [])):
        if beside.exists():
            remedy = "Name another with --output."
            raise InputError(Finding(str(beside), "exists already", "a new file", remedy))
    if good:
        old = (case.folder / case.parameters_file).read_text(encoding="utf-8")
        stated = case.plant.parameters.parameters
        beyond = [
            item.path
            for item in good
            if item.path in stated and not stated[item.path].lower <= item.value <= stated[item.path].upper
        ]
        pairs = result.correlations({item.path for item in good})
        write_new(file, new_version(old, good, result.sources, version, beyond, pairs))
        try:
            open_case(case.folder, file)
        except InputError as fault:
            file.unlink()
            raise InputError(
                [Finding(str(file), "the case does not open with these parameters"), *fault.findings]
            ) from fault
    weighed = None
    if result.rivals is not None:
        weighed = file.with_suffix(".rivals.json")
        write_whole(weighed, weighed_text(result.rivals, result.sources), "the weighed rivals", "Make room.")
    said = (
        f"New parameters: {file.name} (version {version})."
        if good
        else "No parameter was told: no new version."
    )
    write_whole(html, page(case.name, result, said), "the page of the calibration", "Make room.")
    if good and adopt:
        number = 1
        while (case.folder / f"parameters.{number}.yaml").exists():
            number += 1
        shutil.copy2(case.folder / FILE, case.folder / f"parameters.{number}.yaml")
        write_whole(case.folder / FILE, file.read_text(encoding="utf-8"), "the adopted version", "Make room.")
    return Written(file if good else None, version, html, weighed)
