"""Takes up a run that was cut short: reach its equipment, go on from the journal, and bring it to its end.

Nothing that is not needed for that is loaded before the equipment is under control again; the prediction with
which the run is compared is made when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from minifactory.app.case import Case
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import Question, take_up_run
from minifactory.app.home import DATABASE
from minifactory.app.links import open_link
from minifactory.app.showing import Watcher
from minifactory.app.unfinished import StartedRun
from minifactory.app.versions import as_changed
from minifactory.historian import Writer
from minifactory.orbit.checkpoint import Checkpoint
from minifactory.orbit.journal import Journal
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.status import Status

if TYPE_CHECKING:
    from minifactory.historian import Store


def resume_run(
    case: Case,
    run: StartedRun,
    saved: Checkpoint,
    on_restart: OnRestart,
    folder: Path,
    *,
    password: str = "",
    watcher: Watcher | None = None,
    ask: Question | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[Status, datetime]:
    """The last status of `run` of `case`, taken up where `saved` left it, and when (UTC) it ended.

    Parameters
    ----------
    case : Case
        As it was when the run was started.
    run, saved : StartedRun and Checkpoint
        From :func:`minifactory.app.unfinished.to_take_up`.
    on_restart : OnRestart
        What to do with the run.
    folder : Path
        The folder of runs.
    password : str
        Of the user on the equipment's server, if it asks for one.
    watcher, ask, say : callable, optional
        As for :func:`minifactory.app.main_job.run_case`.

    Raises
    ------
    EnvironmentFault
        When another process still supervises the run.
    EquipmentError
        When the equipment cannot be reached or read.
    """
    tell = say or (lambda _text: None)
    journal = Journal(run.journal)
    try:
        with open_link(case, replace(run.options, password=password)) as link:
            tell(f"Taking up {run.identifier} on skid {case.bound.skid} by {link.name}.")
            with Writer(partial(_store, folder), folder / "spool") as writer:
                status = take_up_run(
                    as_changed(case, run.folder, saved.version),
                    link,
                    writer,
                    saved,
                    on_restart,
                    journal,
                    watcher=watcher,
                    ask=ask,
                    runs=folder,
                )
                ended = datetime.now(UTC)
                writer.flush()
    finally:
        journal.close()
    tell(f"The run ended in state {status.state.value}: {status.reason.rstrip('.')}.")
    refuse_incomplete(writer, str(folder / DATABASE))
    return status, ended


def _store(folder: Path) -> Store:
    """The database of the folder of runs; opened, and its libraries loaded, by the thread that writes it."""
    from minifactory.historian import Store

    return Store(folder / DATABASE)
