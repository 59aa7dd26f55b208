"""The commands `run` and `skid`."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from minifactory.app.case import open_case
from minifactory.app.claims import read_claims
from minifactory.app.home import pki_folder, runs_folder
from minifactory.app.links import Options
from minifactory.app.main_job import Outcome, examine, run_case
from minifactory.app.original import original_run
from minifactory.app.unfinished import refuse_to_overrun
from minifactory.app.versions import as_answered
from minifactory.cli.asking import ask_on_terminal
from minifactory.cli.checking import open_checked
from minifactory.cli.kernels import warm_up
from minifactory.cli.operating import pairs
from minifactory.cli.output import Exit, print_json, stderr, stdout
from minifactory.cli.progress import bar, live_status
from minifactory.cli.running_several import run_several
from minifactory.cli.verdicts import tell_verdict
from minifactory.errors import Finding, InputError
from minifactory.orbit.status import Status
from minifactory.skid.faults import parse_fault

FASTEST = 50.0
"""Largest speed of a skid that runs by itself: a scan of 1 s of process time every 20 ms."""


def options(
    speed: str,
    in_memory: bool,
    connect: str,
    virtual: bool,
    seed: int,
    faults: tuple[str, ...],
    tag_map: Path | None = None,
    user: str = "",
    password: str = "",
) -> Options:
    """The options of a run; InputError when they contradict each other."""
    if speed == "max":
        factor = None
    else:
        try:
            factor = 1.0 if speed == "real" else float(speed)
        except ValueError:
            factor = 0.0
        if not 0.0 < factor <= FASTEST:
            raise InputError(
                Finding("--speed", f'"{speed}"', f'real, max, or a factor up to {FASTEST:g} such as "20"')
            )
    if connect and (in_memory or virtual or faults):
        raise InputError(Finding("--connect", "a real server and options of the virtual skid", "one of them"))
    if connect and speed == "max":
        factor = 1.0  # a server that runs by itself sets the pace
    if in_memory and factor is not None:
        raise InputError(Finding("--in-memory", f"speed {speed}", "--speed max: it has no clock of its own"))
    if not connect and (tag_map is not None or user):
        given = "--map" if tag_map is not None else "--user"
        raise InputError(Finding(given, "without a server that it is for", "--connect URL as well"))
    return Options(
        speed=factor,
        in_memory=in_memory,
        connect=connect,
        map=None if tag_map is None else tag_map.resolve(),
        user=user,
        password=password,
        seed=seed,
        faults=faults,
    )


def run(
    folder: Path,
    chosen: Options,
    runs: Path | None,
    samples: int,
    *,
    as_json: bool,
    open_record: bool,
    given: Sequence[str] = (),
) -> None:
    """Run a case and end with the exit code of its outcome; the record's path is the last line printed.

    `given` are answers to the recipe's inputs, as NAME=VALUE.
    """
    read_claims()  # a fault in it is better known now than when somebody has to act
    answers = pairs(given, "load_volume=180 mL")
    opened = open_checked(folder, several=True)
    if len(opened.skids) > 1:
        refuse_inputs_of_several(answers)
        run_several(opened, chosen, runs, samples, as_json=as_json, open_record=open_record)
        return
    case = as_answered(opened, answers)
    original_run(case)  # that it cannot be read is better known now than after the run
    for fault in chosen.faults:
        parse_fault(fault, case.table)
    person = sys.stdin.isatty() and stderr.is_terminal
    place = runs_folder(runs)
    if chosen.connect:
        refuse_to_overrun(place, chosen.connect)
    warm_up()
    with bar() as progress:
        forecast = examine(case, samples, progress)
    with live_status() as live:

        def question(status: Status) -> str:
            live.pause()
            answer = ask_on_terminal(status)
            live.go_on()
            return answer

        outcome = run_case(
            case,
            chosen,
            place,
            *forecast,
            watcher=live,
            ask=question if person else None,
            say=stderr.print,
            answers=answers,
        )
    show_outcome(outcome, as_json=as_json, open_record=open_record)


def refuse_inputs_of_several(answers: Mapping[str, str]) -> None:
    """InputError when answers are given for a case on several skids."""
    if answers:
        found = f"{', '.join(answers)} for a case on several skids"
        raise InputError(Finding("--input", found, "answers at the desk: minifactory orbit answer"))


def show_outcome(outcome: Outcome, *, as_json: bool, open_record: bool) -> None:
    """Tell what came of a run and end with its exit code."""
    tell_verdict(outcome.verdict, outcome.gate, outcome.prediction)
    if as_json:
        print_json(outcome.as_dict())
    elif outcome.record is not None:
        stdout.print(str(outcome.record))
    if open_record and outcome.record is not None:
        webbrowser.open(outcome.record.resolve().as_uri())
    if outcome.exit_code:
        raise Exit(outcome.exit_code)


def plant(
    folder: Path, skids: tuple[str, ...], port: int, speed: str, seed: int, faults: tuple[str, ...]
) -> None:
    """Serve all virtual skids of a case as one plant until told to stop."""
    from minifactory.skid import plant_server

    arguments = ["--case", str(folder), "--port", str(port), "--speed", speed, "--seed", str(seed), "--stay"]
    arguments += [word for name in skids for word in ("--pki", f"{name}={pki_folder(f'skid-{name}')}")]
    arguments += [word for fault in faults for word in ("--fault", fault)]
    code = plant_server.main(arguments)
    if code:
        raise Exit(code)


def skid(
    folder: Path,
    name: str,
    port: int,
    speed: str,
    seed: int,
    faults: tuple[str, ...],
    profile: str,
    user: str,
    password_file: Path | None,
) -> None:
    """Serve a virtual skid until it is told to stop."""
    from minifactory.cli.signing_in import password_of
    from minifactory.opcua.server import password_digest
    from minifactory.skid import server

    password = password_of(user, password_file)
    users = {user: password_digest(password)} if user else {}
    server.Options(
        server.parse_speed(speed), folder, profile=profile, users=users
    )  # refuses before it computes
    warm_up()
    case = open_case(folder, several=True)
    if len(case.skids) > 1 and not name:
        if profile != "minifactory" or users:
            option = "--user" if users else "--profile"
            raise InputError(Finding(option, "for all skids of a case", "--name of one skid as well"))
        plant(folder, case.skids, port, speed, seed, faults)
        return
    chosen = name or case.bound.skid
    arguments = ["--case", str(folder), "--skid", chosen, "--port", str(port), "--speed", speed]
    arguments += ["--seed", str(seed), "--pki", str(pki_folder(f"skid-{chosen}")), "--stay"]
    for fault in faults:
        arguments += ["--fault", fault]
    code = server.main([*arguments, "--profile", profile], users)
    if code:
        raise Exit(code)
