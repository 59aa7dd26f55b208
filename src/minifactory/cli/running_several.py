"""The command `run` for a case on several skids, and its option ``--resume``."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from minifactory.app.case import Case
from minifactory.app.home import DATABASE, runs_folder
from minifactory.app.interrupting import Question
from minifactory.app.links import Options
from minifactory.app.predict_plant import predict_plant
from minifactory.app.run_plant import PlantOutcome, concluded, faults_by_skid, run_plant
from minifactory.app.supervising import resume_fleet, run_fleet, skid_urls
from minifactory.app.unfinished_plants import plant_to_take_up, refuse_to_overrun_plants
from minifactory.campaign.gate import gate
from minifactory.cli.asking import ask_about_plant
from minifactory.cli.kernels import warm_up
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.cli.progress import bar
from minifactory.cli.verdicts import tell_verdict
from minifactory.errors import Finding, InputError
from minifactory.historian import Store
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.status import Status
from minifactory.plant.tagging import tag_table
from minifactory.skid.faults import parse_fault


def run_several(
    case: Case,
    chosen: Options,
    runs: Path | None,
    samples: int,
    *,
    as_json: bool,
    open_record: bool,
) -> None:
    """Run a case on all its skids and end with the exit code of its outcome; the record's path comes last."""
    if chosen.connect:
        urls = tuple(skid_urls(chosen.connect, case.skids).values())
        if chosen.map is not None or chosen.user:
            option = "--user" if chosen.user else "--map"
            raise InputError(
                Finding(option, f"a case on {len(urls)} skids", "skids that are laid out as ours")
            )
        refuse_to_overrun_plants(runs_folder(runs), urls)
    for skid, texts in faults_by_skid(chosen.faults, case.skids).items():
        for text in texts:
            parse_fault(text, tag_table(case.plant.skids[skid]))
    warm_up()
    with bar() as progress:
        prediction = predict_plant(case, samples, progress)
    passed = gate(prediction.whole, case.targets)
    place, ask = runs_folder(runs), _person()
    if chosen.in_memory:
        outcome = run_plant(
            *(case, chosen, place, prediction, passed), watcher=_Lines(), say=stderr.print, ask=ask
        )
    else:
        outcome = run_fleet(case, chosen, place, prediction, passed, say=stderr.print, ask=ask)
    show_plant(outcome, as_json=as_json, open_record=open_record)


def resume_several(
    case: Case, identifier: str, on_restart: OnRestart, runs: Path | None, *, as_json: bool, open_record: bool
) -> None:
    """Take up a run on several skids that was cut short, then predict, compare and write the record."""
    place = runs_folder(runs)
    note = plant_to_take_up(place, case, identifier)
    names = resume_fleet(case, note, on_restart, place, say=stderr.print, ask=_person())
    warm_up()
    with bar() as progress:
        prediction = predict_plant(case, 0, progress)
    passed, started = gate(prediction.whole, case.targets), datetime.fromisoformat(note.started)
    store = Store(place / DATABASE)
    outcome = concluded(case, note.run, prediction, passed, store, names, place, started)
    show_plant(outcome, as_json=as_json, open_record=open_record)


def _person() -> Question | None:
    """Who is asked after Ctrl-C, if somebody sits at a terminal."""
    return ask_about_plant if sys.stdin.isatty() and stderr.is_terminal else None


def show_plant(outcome: PlantOutcome, *, as_json: bool, open_record: bool) -> None:
    """Print what came of a run on several skids; its exit code when that is not 0."""
    tell_verdict(outcome.verdict, outcome.gate, outcome.prediction.whole)
    if as_json:
        print_json(outcome.as_dict())
    elif outcome.record is not None:
        stdout.print(str(outcome.record))
    if open_record and outcome.record is not None:
        webbrowser.open(outcome.record.resolve().as_uri())
    if outcome.exit_code:
        raise Exit(outcome.exit_code)


class _Lines:
    """A line for every skid that has come to another phase, state or wait since the last look."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, ...]] = {}

    def __call__(self, states: Mapping[str, Status]) -> None:
        for skid, status in states.items():
            fresh = (status.state.value, status.phase, *status.waits)
            if self._said.get(skid) == fresh:
                continue
            self._said[skid] = fresh
            waits = f"  waits: {', '.join(status.waits)}" if status.waits else ""
            what = f"{status.state.value:<10} {status.phase or '-'}{waits}"
            stderr.print(f"{status.time / 60.0:8.1f} min  {skid:<12} {what}", markup=False)
