"""The option ``--resume`` of the command `run`: a run that was cut short goes on in this process."""

from __future__ import annotations

import sys
from pathlib import Path

from minifactory.app.case import open_case
from minifactory.app.home import runs_folder
from minifactory.app.taking_up import resume_run
from minifactory.app.unfinished import to_take_up
from minifactory.app.versions import as_answered, as_changed
from minifactory.cli.asking import ask_on_terminal
from minifactory.cli.output import stderr
from minifactory.cli.progress import live_status
from minifactory.cli.signing_in import password_of
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.status import Status

ON_RESTART = {item.value: item for item in OnRestart}


def resume(
    folder: Path,
    identifier: str,
    on_restart: str,
    runs: Path | None,
    password_file: Path | None,
    *,
    as_json: bool,
    open_record: bool,
) -> None:
    """Take up a run, bring it to its end, then predict, compare and write the record as usual."""
    if on_restart not in ON_RESTART:
        remedy = did_you_mean(on_restart, ON_RESTART)
        raise InputError(Finding("--on-restart", f'"{on_restart}"', ", ".join(ON_RESTART), remedy))
    case, place = open_case(folder, several=True), runs_folder(runs)
    if len(case.skids) > 1:
        from minifactory.cli.running_several import resume_several

        policy = ON_RESTART[on_restart]
        resume_several(case, identifier, policy, runs, as_json=as_json, open_record=open_record)
        return
    run, saved = to_take_up(place, case, identifier)
    case = as_answered(case, run.answers)
    person = sys.stdin.isatty() and stderr.is_terminal
    with live_status() as live:

        def question(status: Status) -> str:
            live.pause()
            answer = ask_on_terminal(status)
            live.go_on()
            return answer

        status, ended = resume_run(
            case,
            run,
            saved,
            ON_RESTART[on_restart],
            place,
            password=password_of(run.options.user, password_file),
            watcher=live,
            ask=question if person else None,
            say=stderr.print,
        )
    # Heavy libraries and the prediction wait until the equipment no longer does.
    from minifactory.app.main_job import conclude, examine
    from minifactory.cli.kernels import warm_up
    from minifactory.cli.progress import bar
    from minifactory.cli.running import show_outcome

    warm_up()
    with bar() as progress:
        forecast = examine(case, run.samples, progress)
    ran = as_changed(case, run.folder, status.version)
    outcome = conclude(ran, run.identifier, *forecast, place, (run.started, ended))
    show_outcome(outcome, as_json=as_json, open_record=open_record)
