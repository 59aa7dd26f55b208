"""Runs a case on several skids in one process: one controller per skid over the virtual plant, hand-shakes
between them, and one record of the whole.

Every skid's run is recorded under its own name; the plant as a whole is judged, as the prediction is, by
the skid that fills the pool.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from minifactory.app.buffer_service import buffers_made
from minifactory.app.case import Case
from minifactory.app.home import DATABASE
from minifactory.app.interrupting import Question
from minifactory.app.links import Options
from minifactory.app.predict_plant import PlantPrediction
from minifactory.app.scan_plant import Watcher, ended_in, record_plant, recorded_plant
from minifactory.campaign.appraisal import appraise
from minifactory.campaign.gate import GateResult
from minifactory.campaign.judge import Decision, Verdict, judge
from minifactory.campaign.report import BatchRecord, write
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.historian import Store
from minifactory.plant.network import shared_vessels
from minifactory.records.appraisal import collecting
from minifactory.records.compare import Comparison, compare
from minifactory.records.export import write_parquet
from minifactory.records.performance import Performance
from minifactory.records.run import Run
from minifactory.skid.plant import open_plant


@dataclass(frozen=True)
class PlantOutcome:
    """What came of a case on several skids; all but the first four are None when the gate stayed closed.

    `runs` are the recorded runs by skid, `whole` all of them as one; `buffers` are the lots that a service
    made, and the batches that failed.
    """

    case: Case
    identifier: str
    prediction: PlantPrediction
    gate: GateResult
    runs: Mapping[str, Run] | None = None
    whole: Run | None = None
    performance: Performance | None = None
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    record: Path | None = None
    buffers: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """0 targets met, 1 missed or gate closed, 3 not complete."""
        return 1 if self.verdict is None else self.verdict.exit_code

    def as_dict(self) -> dict[str, Any]:
        """One JSON document: states, performance, targets, record (SI units)."""
        judgements = self.gate.judgements if self.verdict is None else self.verdict.judgements
        return {
            "case": self.case.name,
            "run": self.identifier,
            "skids": {
                skid: {"run": run.identifier, "state": run.state, "duration": run.duration}
                for skid, run in (self.runs or {}).items()
            },
            "state": "Gate closed" if self.whole is None else self.whole.state,
            "decision": "gate closed" if self.verdict is None else self.verdict.decision.value,
            "reasons": list(self.gate.lines()) if self.verdict is None else list(self.verdict.reasons),
            "performance": None if self.performance is None else dict(self.performance.values),
            "prediction": {
                name: {"value": value, "lower": low, "upper": high}
                for name, value in self.prediction.whole.performance.values.items()
                for low, high in [self.prediction.whole.interval(name)]
            },
            "targets": [
                {
                    "figure": item.target.figure,
                    "limit": item.target.limit,
                    "at_least": item.target.at_least,
                    "value": item.value,
                    "met": item.met,
                    "missed_by": item.missed_by,
                }
                for item in judgements
            ],
            "gate": {"passed": self.gate.passed, "advice": list(self.gate.lines())},
            **({} if self.buffers is None else {"buffers": dict(self.buffers)}),
            "record": None if self.record is None else str(self.record),
        }


def run_plant(
    case: Case,
    options: Options,
    folder: Path,
    prediction: PlantPrediction,
    passed: GateResult,
    *,
    watcher: Watcher | None = None,
    say: Callable[[str], None] | None = None,
    notes: Mapping[str, str] | None = None,
    ask: Question | None = None,
) -> PlantOutcome:
    """The outcome of running `case` on all its skids in this process, from the gate to the record.

    Parameters
    ----------
    case : Case
        Opened with ``several=True``.
    options : Options
        Seed, scan, truth and faults (as ``SKID:FAULT``); in memory, in lock-step.
    folder : Path
        The folder of runs.
    prediction, passed
        From :func:`minifactory.app.predict_plant.predict_plant` and the gate.
    watcher, say, ask : callable, optional
        Shown the live status of all skids; told what happens next; asked after Ctrl-C.
    notes : Mapping of str to str, optional
        What else the record is to say of where the runs come from.

    Raises
    ------
    InputError
        A start is refused.
    """
    tell = say or (lambda _text: None)
    identifier = f"{case.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not passed.passed:
        return PlantOutcome(case, identifier, prediction, passed)
    tell("The prediction meets the targets: the gate is open.")
    tell(f"Skids {', '.join(case.skids)} in memory, speed max.")
    store = Store(folder / DATABASE)
    plant = open_plant(
        options.plant or case.folder,
        options.seed,
        None,
        faults_by_skid(options.faults, case.skids),
        options.identical,
        case.skids,
    )
    started = datetime.now(UTC)
    every = {skid: f"{identifier}-{skid}" for skid in case.skids}
    place = folder / identifier
    expected = prediction.plant.waits()
    states = record_plant(
        *(case, plant, options, folder, every, watcher, notes),
        attended=True,
        served=place,
        waits=expected,
        say=tell,
        ask=ask,
    )
    names = {skid: every[skid] for skid in case.bounds}
    for skid in names:
        tell(f"{skid} ended in state {states[skid].state.value}: {states[skid].reason.rstrip('.')}.")
    return concluded(case, identifier, prediction, passed, store, names, folder, started)


def faults_by_skid(faults: tuple[str, ...], skids: tuple[str, ...]) -> dict[str, list[str]]:
    """``SKID:KIND...`` by skid.

    Raises
    ------
    InputError
        A fault that names no skid of the case.
    """
    found: dict[str, list[str]] = {}
    for text in faults:
        skid, _, fault = text.partition(":")
        if skid not in skids or not fault:
            raise InputError(
                Finding(
                    "--fault",
                    f'"{text}"',
                    f"SKID:FAULT with one of {', '.join(skids)}",
                    did_you_mean(skid, skids),
                )
            )
        found.setdefault(skid, []).append(fault)
    return found


def concluded(
    case: Case,
    identifier: str,
    prediction: PlantPrediction,
    passed: GateResult,
    store: Store,
    names: Mapping[str, str],
    folder: Path,
    started: datetime,
) -> PlantOutcome:
    """Compare, judge, and write the record of the plant as a whole."""
    plant = recorded_plant(store, names)
    runs, pool = plant.runs, case.targets.pool
    try:
        collects = collecting(plant, case.plant, pool)
    except InputError:
        # It has not come so far as to fill its pool.
        collects = collecting(prediction.plant, case.plant, pool)
    whole = plant.whole(collects, shared_vessels(case.plant).keys())
    whole = replace(whole, identifier=identifier, state=ended_in(plant))
    performance = appraise(whole, case.plant, case.targets)
    comparison = compare(prediction.whole, whole, performance)
    verdict = judge(whole, performance, case.targets, comparison)
    audits = {skid: store.verify(name) for skid, name in names.items()}
    broken = [
        f"The record of {skid} is not intact: {one.fault}" for skid, one in audits.items() if not one.intact
    ]
    if broken:
        verdict = replace(verdict, decision=Decision.INCOMPLETE, reasons=(*verdict.reasons, *broken))
    record = BatchRecord(
        case=case.name,
        run=whole,
        performance=performance,
        verdict=verdict,
        plant=case.plant,
        recipe=case.bounds[collects],
        prediction=prediction.whole,
        comparison=comparison,
        gate=passed,
        audit=audits[collects],
        started=started,
        ended=datetime.now(UTC),
        software=f"MiniFactory {version('minifactory')}",
        created=datetime.now(UTC),
    )
    place = write(record, folder / identifier / "record.html")
    for skid, run in prediction.plant.runs.items():
        write_parquet(run, folder / identifier / f"prediction-{skid}.parquet")
    made = buffers_made(folder / identifier) if case.skids != tuple(case.bounds) else None
    return PlantOutcome(
        case, identifier, prediction, passed, runs, whole, performance, comparison, verdict, place, made
    )
