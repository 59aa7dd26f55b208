"""`minifactory campaign`: predict, gate, run, judge, learn, next batch - without a hand.

A campaign has a folder of its own below the folder of runs. In it lies a whole case for every batch, as it
was predicted and run (recipe and parameters of that batch), and ``campaign.json``, which is written whole
after every batch: a campaign that was cut short goes on from there, and nothing is ever overwritten.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from minifactory.app.calibrate import calibrate_case
from minifactory.app.case import FILES, Case, open_case
from minifactory.app.designing import Choices, description_of, design
from minifactory.app.home import DATABASE
from minifactory.app.links import Options
from minifactory.app.main_job import examine, run_case
from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.data import from_run
from minifactory.calibration.estimation.options import Options as Fitting
from minifactory.calibration.estimation.result import POOR, Estimate
from minifactory.calibration.estimation.space import Scale
from minifactory.calibration.estimation.version import new_version
from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Decision
from minifactory.campaign.loop import Batch, Learned, Progress, is_stuck, needs
from minifactory.design.description import RECIPE
from minifactory.errors import Finding, InputError, MiniFactoryError, did_you_mean
from minifactory.historian import Store, load_run
from minifactory.plant.load import PARAMETERS
from minifactory.records.prediction import Prediction
from minifactory.records.whole_file import write_whole

STATE, PLAN = "campaign.json", "plan.json"
ROUNDS = 3
"""Changes of the recipe before one batch, at most: the spread of the prediction changes with them."""
LOOKED_BACK = 4
"""Batches, the newest ones, that the parameters are learned from."""

Watcher = Callable[[str, float], None]


@dataclass(frozen=True)
class Plan:
    """What a campaign is to do.

    Parameters
    ----------
    batches : int
        How many.
    options : Options
        How each is run; its `seed` fixes the virtual plant, which stays the same for all batches.
    samples : int
        Draws for the interval of each prediction.
    learn : tuple of str
        Parameters to learn; empty: what holds the product on the column, and how much is fed.
    parameters : Path or None
        Version of the parameters to begin with; None: that of the case.
    """

    batches: int
    options: Options
    samples: int = 24
    learn: tuple[str, ...] = ()
    parameters: Path | None = None


def begin(case: Case, plan: Plan, folder: Path) -> Path:
    """The new folder, below `folder`, of a campaign of `case`: with its start, and the case as the plant."""
    place = folder / f"campaign-{case.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    start = place / "start"
    start.mkdir(parents=True)
    for name in FILES:
        source = plan.parameters if plan.parameters and name == PARAMETERS else case.folder / name
        shutil.copy2(source, start / name)
    shutil.copytree(start, place / "plant")
    shutil.copy2(case.folder / PARAMETERS, place / "plant" / PARAMETERS)
    kept = {"seed": plan.options.seed, "samples": plan.samples, "learn": list(plan.learn)}
    write_whole(place / PLAN, json.dumps(kept, indent=2) + "\n", "the plan of the campaign")
    _keep(place, Progress(case.name))
    return place


def as_planned(place: Path, plan: Plan) -> Plan:
    """`plan` with what the campaign in `place` began with: the same plant, draws and parameters to learn."""
    kept = json.loads((place / PLAN).read_text(encoding="utf-8"))
    options = replace(plan.options, seed=kept["seed"])
    return replace(plan, options=options, samples=kept["samples"], learn=tuple(kept["learn"]))


def find(name: str, folder: Path) -> Path:
    """The folder of the campaign `name`, or of the ``last`` one, below `folder`.

    Raises
    ------
    InputError
        There is none.
    """
    known = sorted(path.parent for path in folder.glob(f"campaign-*/{STATE}"))
    by_time = sorted(known, key=lambda path: (path / STATE).stat().st_mtime)
    if name == "last" and by_time:
        return by_time[-1]
    for path in known:
        if path.name == name:
            return path
    names = [path.name for path in known]
    found = f"no campaign in {folder}" if name == "last" else f'no campaign "{name}" in {folder}'
    raise InputError(Finding("--resume", found, remedy=did_you_mean(name, names) if names else ""))


def progress_of(place: Path) -> Progress:
    """What the campaign in `place` has come to."""
    return Progress.from_json(json.loads((place / STATE).read_text(encoding="utf-8")))


def go_on(
    place: Path,
    plan: Plan,
    folder: Path,
    watch: Watcher | None = None,
    say: Callable[[str], None] | None = None,
) -> Progress:
    """Let the campaign in `place` run until its last batch, or until it has to stop.

    Parameters
    ----------
    place : Path
        From :func:`begin` or :func:`find`.
    plan : Plan
        What it is to do.
    folder : Path
        The folder of runs.
    watch, say : callable, optional
        Shown how far a prediction is; told what happens.
    """
    tell = say or (lambda _text: None)
    progress = progress_of(place)
    if progress.stopped:
        progress = replace(progress, stopped="", needs=())
    while len(progress.batches) < plan.batches and not progress.stopped:
        number = len(progress.batches) + 1
        if (place / f"batch-{number:02d}").exists():
            # It was cut short before it was judged; its run is in the historian, the batch is made anew.
            shutil.move(place / f"batch-{number:02d}", _free(place / f"batch-{number:02d}-cut-short"))
            progress = replace(progress, started_again=progress.started_again + 1)
            _keep(place, progress)
        progress = _batch(place, plan, folder, progress, number, watch, tell)
        _keep(place, progress)
    return progress


def _batch(
    place: Path,
    plan: Plan,
    folder: Path,
    progress: Progress,
    number: int,
    watch: Watcher | None,
    tell: Callable[[str], None],
) -> Progress:
    """One turn of the loop."""
    case = _case_of(place, progress.case, number)
    tell(f"Batch {number} of {plan.batches}, parameters version {case.plant.parameters.version}.")
    case, prediction, gate, said, changes = _prepared(case, plan, watch)
    for change in changes:
        tell(f"  {change}.")
    targets = {f"{item.target.title} {item.target.text}": item.target for item in gate.judgements}
    batch = Batch(
        number=number,
        version=case.plant.parameters.version,
        gate=said,
        changes=changes,
        probabilities={name: item.probability for name, item in zip(targets, gate.judgements, strict=True)},
        predicted={name: item.value(prediction.performance) for name, item in targets.items()},
        case=str(case.folder),
    )
    if not gate.passed:
        reason = f"the gate of batch {number} stays closed"
        unsure = all(item.target.met(item.value) for item in gate.missed)
        wanted = (*needs(gate), *(_experiment(case, folder, watch) if unsure else ()))
        return replace(progress.with_batch(batch), stopped=reason, needs=wanted)
    notes = {"campaign": place.name, "batch": str(number), "changes": "; ".join(changes) or "none"}
    options = replace(plan.options, plant=place / "plant", noise=number)
    outcome = run_case(case, options, folder, prediction, gate, say=tell, notes=notes)
    assert outcome.verdict is not None
    assert outcome.performance is not None
    batch = replace(
        batch,
        measured={name: item.value(outcome.performance) for name, item in targets.items()},
        decision=outcome.verdict.decision.value,
        reasons=outcome.verdict.reasons,
        run=outcome.identifier,
        record=str(outcome.record),
    )
    tell(f"  {outcome.verdict.decision.value.capitalize()}.")
    if outcome.verdict.decision is Decision.INCOMPLETE:
        return replace(
            progress.with_batch(batch),
            stopped=f"the run of batch {number} was not complete",
            needs=outcome.verdict.reasons,
        )
    batch = _learn(place, plan, folder, progress, batch, watch)
    tell(f"  {batch.lesson}")
    progress = progress.with_batch(batch)
    if is_stuck(progress.batches):
        wanted = ("The model and these parameters do not explain what the plant does.", batch.lesson)
        return replace(
            progress,
            stopped="two batches in a row missed their targets and taught nothing",
            needs=(*wanted, *_experiment(case, folder, watch)),
        )
    return progress


def _case_of(place: Path, name: str, number: int) -> Case:
    """The case of batch `number`: as the batch before it was run, with what was learned since."""
    before = place / "start" if number == 1 else place / f"batch-{number - 1:02d}" / name
    learned = before.parent / "learned.yaml"
    folder = place / f"batch-{number:02d}" / name
    shutil.copytree(before, folder)
    if number > 1 and learned.is_file():
        shutil.copy2(learned, folder / PARAMETERS)
    return open_case(folder)


def _prepared(
    case: Case, plan: Plan, watch: Watcher | None
) -> tuple[Case, Prediction, GateResult, tuple[str, ...], tuple[str, ...]]:
    """The case with its recipe changed so that the gate opens, if that can be done; and what was changed."""
    prediction, gate = examine(case, plan.samples, watch)
    said, changes = gate.lines(), []
    for _ in range(ROUNDS):
        best = None if gate.passed or gate.study is None else gate.study.best
        if best is None:
            break
        values = {change.adjustable.reference: change.after for change in best.changes}
        text = description_of(case).with_values(values).texts[RECIPE]
        write_whole(case.folder / RECIPE, text, "the recipe of the batch")
        changes += [str(change) for change in best.changes]
        case = open_case(case.folder)
        prediction, gate = examine(case, plan.samples, watch)
    return case, prediction, gate, said, tuple(changes)


def _learn(
    place: Path, plan: Plan, folder: Path, progress: Progress, batch: Batch, watch: Watcher | None
) -> Batch:
    """The batch with what it and those before it tell; a new version of the parameters lies beside it."""
    start = _as_prior(open_case(place / "start"))
    store = Store(folder / DATABASE)
    ran = [*(item.run for item in progress.runs), batch.run][-LOOKED_BACK:]
    paths = plan.learn or to_learn(start)
    try:
        result = calibrate_case(
            start,
            [from_run(load_run(store, name)) for name in ran],
            estimate=paths,
            options=Fitting(samples=0, starts=2, beside=False),
            progress=watch,
        )
    except MiniFactoryError as fault:
        return replace(batch, lesson=f"Nothing was learned: {'; '.join(map(str, fault.findings))}")
    good, correlations = posterior(result)
    if not good:
        return replace(batch, lesson=f"Nothing was learned: {_why(result)}")
    before = open_case(Path(batch.case)).plant.parameters
    text = (place / "start" / PARAMETERS).read_text(encoding="utf-8")
    number = str(int(before.version) + 1 if before.version.isdigit() else batch.number + 1)
    write_whole(
        Path(batch.case).parent / "learned.yaml",
        new_version(text, good, result.sources, number, _beyond(start, good), correlations),
        "the new version of the parameters",
    )
    learned = tuple(
        Learned(item.path, before.get_or(item.path, 1.0), item.value, _deviation(item)) for item in good
    )
    moved = [item for item in learned if abs(item.after - item.before) > item.deviation * abs(item.after)]
    said = ", ".join(f"{item.path} {item.before:.4g} -> {item.after:.4g}" for item in moved)
    return replace(
        batch,
        learned=learned,
        lesson=f"Parameters version {number}: {said or 'narrower, and within what was expected'}.",
    )


def posterior(result: Calibration) -> tuple[list[Estimate], dict[tuple[str, str], float]]:
    """The estimates of a fit with stated priors, and their correlations; those of a poor fit are left out.

    What the runs do not tell stays as the prior has it, so that everything may go into the new version.
    """
    step = next((step for step in reversed(result.steps) if step.fit is not None), None)
    if step is None or step.fit is None:
        return [], {}
    known = {item.path: item for item in step.estimates}
    kept = [path for path in step.fit.problem.space.paths if known[path].verdict != POOR]
    return [known[path] for path in kept], result.correlations(kept)


def _as_prior(case: Case) -> Case:
    """The case with every stated uncertainty as a prior, those of assumed values included."""
    stated = {
        path: replace(item, source=f"stated before the campaign: {item.source}")
        for path, item in case.plant.parameters.parameters.items()
    }
    parameters = replace(case.plant.parameters, parameters=stated)
    return replace(case, plant=replace(case.plant, parameters=parameters))


def to_learn(case: Case) -> tuple[str, ...]:
    """What a run may tell: what is uncertain of the column and of the liquids (the equipment's own is not).

    Raises
    ------
    InputError
        No parameter states one.
    """
    others = {name for name in case.plant.columns if name != case.bound.column} | case.plant.skids.keys()
    found = tuple(
        path
        for path, item in sorted(case.plant.parameters.parameters.items())
        if item.uncertainty is not None and path.split(".")[0] not in others
    )
    if not found:
        raise InputError(
            Finding(
                "parameters.yaml",
                "no parameter states an uncertainty: there is nothing to learn",
                remedy="State how well each is known, or name those to learn: --learn PATH.",
            )
        )
    return found


def _beyond(case: Case, good: Sequence[Estimate]) -> list[str]:
    stated = case.plant.parameters.parameters
    return [
        item.path
        for item in good
        if item.path in stated and not stated[item.path].lower <= item.value <= stated[item.path].upper
    ]


def _deviation(item: Estimate) -> float:
    """Relative deviation of an estimate."""
    return item.spread if item.scale is Scale.LOG else item.spread / abs(item.value or 1.0)


def _why(result: Calibration) -> str:
    verdicts = ", ".join(f"{item.path}: {item.verdict}" for item in result.estimates.values())
    return f"{verdicts or 'the runs tell none of the parameters'}."


def _experiment(case: Case, folder: Path, watch: Watcher | None) -> tuple[str, ...]:
    """Which experiment would help, by the study `experiment`; or why that cannot be told."""
    try:
        done = design(case, "experiment", Choices(workers=1), folder, watch)
    except MiniFactoryError as fault:
        return tuple(f"No experiment can be proposed: {finding}" for finding in fault.findings)
    return (f"{done.page.verdict} Report: {done.report}", *done.page.lines)


def _free(path: Path) -> Path:
    """`path`, or with a number behind it when that is taken."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.name}-{number}"), number + 1
    return free


def _keep(place: Path, progress: Progress) -> None:
    text = json.dumps(progress.to_json(), indent=2) + "\n"
    write_whole(place / STATE, text, "the state of the campaign", "Make room; then go on with --resume.")
