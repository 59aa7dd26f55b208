"""Runs that were cut short: what must be known, beside the journal, to take one up in another process.

Only runs on equipment that goes on without us can be taken up (``--connect``). Each has a folder in the
folder of runs: ``run.json`` says how it was started, ``journal`` where it stands (written at every scan).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from minifactory.app.case import Case
from minifactory.app.links import Options
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.checkpoint import Checkpoint, checkpoint_of
from minifactory.orbit.journal import Journal, read_journal

NOTE, JOURNAL = "run.json", "journal"
LAST = "last"
"""What stands for the newest run that was cut short."""


@dataclass(frozen=True)
class StartedRun:
    """How a run was started.

    Parameters
    ----------
    identifier : str
        Of the run, as in the record.
    folder : Path
        Where its journal and record lie.
    case : str
        Name of the case.
    hashes : dict of str to str
        SHA-256 of the case's files.
    options : Options
        How it reaches its equipment.
    samples : int
        Draws of the prediction.
    started : datetime
        Wall time (UTC).
    answers : dict of str to str
        Those to the recipe's inputs that were given before the start.
    """

    identifier: str
    folder: Path
    case: str
    hashes: dict[str, str]
    options: Options
    samples: int
    started: datetime
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """The file with its position."""
        return self.folder / JOURNAL

    def checkpoint(self) -> Checkpoint | None:
        """Where it stood; None when it never began.

        Raises
        ------
        InputError
            When the journal was written by another version.
        """
        record = read_journal(self.journal)
        return None if record is None else checkpoint_of(record)

    @property
    def cut_short(self) -> bool:
        """Whether it began and did not end, as far as its journal can be read."""
        try:
            saved = self.checkpoint()
        except InputError:
            return True
        return saved is not None and not saved.ended


def note_start(run: StartedRun) -> None:
    """Write ``run.json``, whole or not at all."""
    options = run.options
    document = {
        "run": run.identifier,
        "case": run.case,
        "hashes": run.hashes,
        "connect": options.connect,
        "map": str(options.map) if options.map is not None else "",
        "user": options.user,
        "speed": options.speed,
        "samples": run.samples,
        "started": run.started.isoformat(),
        "answers": run.answers,
    }
    run.folder.mkdir(parents=True, exist_ok=True)
    fresh = run.folder / f".{NOTE}"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(run.folder / NOTE)


def started_runs(runs: Path) -> Iterator[StartedRun]:
    """Every run in the folder `runs` that noted its start, the oldest first; unreadable ones are left out."""
    found = []
    for note in runs.glob(f"*/{NOTE}"):
        try:
            document = json.loads(note.read_text(encoding="utf-8"))
            found.append(
                StartedRun(
                    document["run"],
                    note.parent,
                    document["case"],
                    document["hashes"],
                    Options(
                        speed=document["speed"],
                        connect=document["connect"],
                        map=Path(document["map"]) if document["map"] else None,
                        user=document["user"],
                    ),
                    document["samples"],
                    datetime.fromisoformat(document["started"]),
                    document.get("answers", {}),
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    yield from sorted(found, key=lambda run: run.started)


def to_take_up(runs: Path, case: Case, identifier: str) -> tuple[StartedRun, Checkpoint]:
    """The run called `identifier` (or the last one) of `case` that was cut short, and where it stood.

    Raises
    ------
    InputError
        When there is none, it had ended or never begun, or the case has changed since.
    """
    every = [run for run in started_runs(runs) if run.case == case.name]
    open_ones = [run for run in every if run.cut_short]
    if identifier == LAST:
        if not open_ones:
            found = f"no run of {case.name} was cut short on equipment that goes on by itself"
            raise InputError(Finding(str(runs), found, remedy="Start anew, without --resume."))
        chosen = open_ones[-1]
    else:
        known = {run.identifier: run for run in every}
        if identifier not in known:
            listed = [run.identifier for run in open_ones]
            remedy = did_you_mean(identifier, listed)
            raise InputError(Finding("--resume", f'no run "{identifier}" of {case.name}', remedy=remedy))
        chosen = known[identifier]
    saved = chosen.checkpoint()
    where = f"run {chosen.identifier}"
    if saved is None:
        raise InputError(Finding(where, "never began", remedy="Start anew, without --resume."))
    if saved.ended:
        raise InputError(Finding(where, f"ended in state {saved.state}", remedy="Start anew."))
    changed = [name for name, value in chosen.hashes.items() if case.hashes.get(name) != value]
    if changed:
        raise InputError(
            Finding(
                f"{case.folder / name}",
                f"the file has changed since run {chosen.identifier} was started",
                remedy="Put the file back as it was, or make the skid safe by hand and start anew.",
            )
            for name in changed
        )
    return chosen, saved


def refuse_to_overrun(runs: Path, url: str) -> None:
    """Return when no run of the folder `runs` is going on at `url`.

    Raises
    ------
    EnvironmentFault
        Another process is supervising one.
    InputError
        One was cut short and may still be going on.
    """
    for run in started_runs(runs):
        if run.options.connect == url and run.cut_short:
            Journal(run.journal).close()  # refuses when somebody else holds it
            raise InputError(
                Finding(
                    f"run {run.identifier}",
                    f"was cut short and may still be going on at {url}",
                    remedy=f"Go on with --resume {run.identifier}; to end it instead, add --on-restart safe. "
                    f"If the equipment is known to be safe, remove {run.journal}.",
                )
            )
