"""The main job: predict, gate, run, compare, judge, and write the batch record."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from minifactory.app.case import Case
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import Question, finish_run, run_recipe
from minifactory.app.forecast import CaseForecast
from minifactory.app.home import DATABASE
from minifactory.app.links import Link, Options, open_link
from minifactory.app.original import original_run
from minifactory.app.predict import Progress, predict, present_values, what_if
from minifactory.app.showing import Watcher
from minifactory.app.unfinished import StartedRun, note_start
from minifactory.app.versions import as_changed
from minifactory.campaign.appraisal import appraise
from minifactory.campaign.gate import GateResult, gate
from minifactory.campaign.judge import Decision, Verdict, judge
from minifactory.campaign.report import BatchRecord, fronts, overlays, write
from minifactory.errors import Finding, InputError, TargetError
from minifactory.historian import Store, Writer, load_run
from minifactory.historian.audit import Verification
from minifactory.orbit.journal import Journal
from minifactory.plant.model import Plant
from minifactory.records.chromatogram import ChromatogramFile
from minifactory.records.compare import Comparison, compare
from minifactory.records.export import write_parquet
from minifactory.records.performance import FIGURES, Performance
from minifactory.records.prediction import Prediction
from minifactory.records.run import Run
from minifactory.units import VOLUME, show


@dataclass(frozen=True)
class Outcome:
    """What came of a case that was run.

    `run`, `performance`, `comparison`, `verdict` and `record` are None when the gate stayed closed.
    """

    case: Case
    identifier: str
    prediction: Prediction
    gate: GateResult
    run: Run | None = None
    performance: Performance | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    record: Path | None = None

    @property
    def exit_code(self) -> int:
        """0 targets met, 1 missed or gate closed, 3 not complete."""
        return 1 if self.verdict is None else self.verdict.exit_code

    def as_dict(self) -> dict[str, Any]:
        """One JSON document: state, performance, prediction, deviation, targets, record (SI units)."""
        judgements = self.gate.judgements if self.verdict is None else self.verdict.judgements
        cut_short = self.verdict is not None and self.verdict.decision is Decision.INCOMPLETE
        return {
            "case": self.case.name,
            "run": self.identifier,
            "state": "Gate closed" if self.run is None else self.run.state,
            "decision": "gate closed" if self.verdict is None else self.verdict.decision.value,
            "reasons": list(self.gate.lines()) if self.verdict is None else list(self.verdict.reasons),
            "units": {name: figure.kind.si or "1" for name, figure in FIGURES.items()},
            "performance": None if self.performance is None else _figures(self.performance),
            "prediction": {
                name: {
                    "value": self.prediction.performance[name],
                    "lower": self.prediction.interval(name)[0],
                    "upper": self.prediction.interval(name)[1],
                }
                for name in FIGURES
            },
            "deviation": None if self.comparison is None else _deviation(self.comparison),
            "targets": [
                {
                    "figure": item.target.figure,
                    "limit": item.target.limit,
                    "at_least": item.target.at_least,
                    "value": item.value,
                    "met": None if cut_short else item.met,
                    "missed_by": item.missed_by,
                    "probability": item.probability,
                }
                for item in judgements
            ],
            "gate": {"passed": self.gate.passed, "advice": list(self.gate.lines())},
            "provenance": {} if self.run is None else dict(self.run.provenance),
            "record": None if self.record is None else str(self.record),
        }


def examine(case: Case, samples: int, progress: Progress | None = None) -> tuple[Prediction, GateResult]:
    """The prediction of `case` and whether it may be run; advice is computed when it may not."""
    prediction = predict(case, samples, progress)
    _refuse_overflow(case.plant, prediction.run)
    result = gate(prediction, case.targets)
    if not result.passed and case.targets.adjustables:
        if progress is not None:
            progress("looking for what would have to change", 0.0)
        result = gate(prediction, case.targets, present_values(case), what_if(case))
    return prediction, result


def _refuse_overflow(plant: Plant, predicted: Run) -> None:
    """TargetError when a vessel runs over or dry in the prediction."""
    received: dict[str, float] = {}
    for pool in predicted.pools:
        received[pool.vessel] = received.get(pool.vessel, 0.0) + pool.volume
    findings = []
    for name, vessel in plant.vessels.items():
        holds = vessel.volume + received.get(name, 0.0) - predicted.consumed.get(name, 0.0)
        place = f"vessel {name}"
        if holds > vessel.capacity * (1.0 + 1e-9):
            found = f"{show(holds, VOLUME)} in the prediction"
            expected = f"at most its capacity of {show(vessel.capacity, VOLUME)}"
            findings.append(Finding(place, found, expected, "Connect a larger vessel."))
        if holds < vessel.minimum - 1e-9 * vessel.volume:
            found = f"{show(holds - vessel.minimum, VOLUME)} left in the prediction"
            findings.append(Finding(place, found, "none below its minimum", "Fill more into it."))
    if findings:
        raise TargetError(findings)


def run_case(
    case: Case,
    options: Options,
    folder: Path,
    prediction: Prediction,
    passed: GateResult,
    *,
    watcher: Watcher | None = None,
    ask: Question | None = None,
    say: Callable[[str], None] | None = None,
    answers: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Outcome:
    """The outcome of running `case`: from the gate to the batch record.

    Parameters
    ----------
    case : Case
        What to run.
    options : Options
        How to run it.
    folder : Path
        The folder of runs; gets the database and a folder for this run.
    prediction, passed : Prediction and GateResult
        From :func:`examine`.
    watcher, ask, say : callable, optional
        Shown the live status; asked after Ctrl-C; told what happens next.
    answers : Mapping of str to str, optional
        Those to the recipe's inputs that are put into `case` already.
    notes : Mapping of str to str, optional
        What else the record is to say of where the run comes from.
    """
    tell = say or (lambda _text: None)
    now = datetime.now(UTC)
    identifier = f"{case.name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not passed.passed:
        return Outcome(case, identifier, prediction, passed)
    tell("The prediction meets the targets: the gate is open.")
    store = Store(folder / DATABASE)
    with open_link(case, options) as link:
        tell(f"Skid {case.bound.skid} by {link.name}, speed {options.speed_text}.")
        provenance = {**_provenance(case, options, link, prediction), **(notes or {})}
        started = datetime.now(UTC)
        samples = int(prediction.run.provenance.get("samples", "0"))
        noted = StartedRun(
            *(identifier, folder / identifier, case.name, case.hashes, options, samples, started),
            answers=dict(answers or {}),
        )
        with Writer(store, folder / "spool") as writer, _journal(noted) as journal:
            status = run_recipe(
                case,
                link,
                writer,
                identifier,
                provenance=provenance,
                predictor=CaseForecast(case, prediction),
                watcher=watcher,
                ask=ask,
                journal=journal,
                runs=folder,
                answers=answers,
            )
            ended = datetime.now(UTC)
            finish_run(case, link, writer, store, identifier, status)
    tell(f"The run ended in state {status.state.value}: {status.reason.rstrip('.')}.")
    refuse_incomplete(writer, str(folder / DATABASE))
    ran = as_changed(case, folder / identifier, status.version)
    return conclude(ran, identifier, prediction, passed, folder, (started, ended))


@contextmanager
def _journal(run: StartedRun) -> Iterator[Journal | None]:
    """The journal of a run on equipment that goes on without us; None for every other."""
    if not run.options.connect:
        yield None
        return
    note_start(run)
    journal = Journal(run.journal)
    try:
        yield journal
    finally:
        journal.close()


def conclude(
    case: Case,
    identifier: str,
    prediction: Prediction,
    passed: GateResult,
    folder: Path,
    times: tuple[datetime, datetime],
) -> Outcome:
    """The outcome of a run that has ended and been recorded: compared, judged and written down."""
    store = Store(folder / DATABASE)
    run = load_run(store, identifier)
    return _concluded(case, identifier, prediction, passed, run, store.verify(identifier), folder, times)


def _concluded(
    case: Case,
    identifier: str,
    prediction: Prediction,
    passed: GateResult,
    run: Run,
    audit: Verification,
    folder: Path,
    times: tuple[datetime, datetime],
) -> Outcome:
    """Compare, judge, and write the record."""
    performance = appraise(run, case.plant, case.targets)
    comparison = compare(prediction, run, performance)
    verdict = judge(run, performance, case.targets, comparison)
    if not audit.intact:
        reasons = (*verdict.reasons, f"The record is not intact: {audit.fault}")
        verdict = replace(verdict, decision=Decision.INCOMPLETE, reasons=reasons)
    original, unread = _original(case)
    verdict = replace(verdict, reasons=(*verdict.reasons, *unread))
    record = BatchRecord(
        case=case.name,
        run=run,
        performance=performance,
        verdict=verdict,
        plant=case.plant,
        recipe=case.bound,
        prediction=prediction,
        comparison=comparison,
        gate=passed,
        overlays=() if original is None else overlays(original, run),
        original_fronts=() if original is None else fronts(original, prediction.run),
        audit=audit,
        started=times[0],
        ended=times[1],
        software=f"MiniFactory {version('minifactory')}",
        created=datetime.now(UTC),
    )
    place = write(record, folder / identifier / "record.html")
    write_parquet(prediction.run, folder / identifier / "prediction.parquet")
    return Outcome(case, identifier, prediction, passed, run, performance, comparison, verdict, place)


def _original(case: Case) -> tuple[ChromatogramFile | None, tuple[str, ...]]:
    """The original run; or why it, which could be read before the run, cannot be any more."""
    try:
        return original_run(case), ()
    except InputError as fault:
        return None, tuple(f"No original run is laid under this one: {item}" for item in fault.findings)


def _provenance(case: Case, options: Options, link: Link, prediction: Prediction) -> Mapping[str, str]:
    return {
        **{f"sha256 {name}": value for name, value in case.hashes.items()},
        "software": f"MiniFactory {version('minifactory')}",
        "backend": "in memory" if options.in_memory else "OPC UA",
        "speed": options.speed_text,
        "scan": f"{link.policy.scan:g} s of process time",
        "skid seed": "-" if options.connect else str(options.seed),
        "prediction samples": prediction.run.provenance.get("samples", "0"),
        "prediction seed": prediction.run.provenance.get("seed", "-"),
        "prediction mesh": prediction.run.provenance.get("mesh", "-"),
        "prediction mesh error": prediction.run.provenance.get("mesh error", "-"),
        "prediction mass balance": prediction.run.provenance.get("mass balance", "-"),
    }


def _figures(performance: Performance) -> dict[str, Any]:
    return {
        **performance.values,
        "product": performance.product,
        "pool": performance.pool,
        "basis": performance.basis.value,
        "consumed": dict(performance.consumed),
        "notes": list(performance.notes),
    }


def _deviation(comparison: Comparison) -> dict[str, Any]:
    return {
        "figures": {
            item.name: {"predicted": item.predicted, "measured": item.measured, "inside": item.inside}
            for item in comparison.figures
        },
        "trends": {
            item.name: {"mean": item.mean, "maximum": item.maximum, "bias": item.bias}
            for item in comparison.trends
        },
        "fronts": [
            {"phase": item.phase, "name": item.name, "predicted": item.predicted, "measured": item.measured}
            for item in comparison.fronts
        ],
        "phases": [asdict(item) for item in comparison.phases],
    }
