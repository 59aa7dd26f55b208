"""Runs a case on several skids over OPC UA: a process for the virtual plant, and one for each Orbit.

The Orbits know no master: they talk to each other. This process only starts them, starts again one that was
killed, and puts the records together when all runs have ended.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minifactory.app.case import Case, of_skid
from minifactory.app.discovery import controllers
from minifactory.app.home import DATABASE, pki_folder
from minifactory.app.interrupting import Interruption, Question
from minifactory.app.links import LAST_WORD, Options
from minifactory.app.orbit_process import PlantNote, checkpoint_in
from minifactory.app.predict_plant import PlantPrediction
from minifactory.app.run_plant import PlantOutcome, concluded
from minifactory.app.scan_plant import file_contents, provenance
from minifactory.campaign.gate import GateResult
from minifactory.drivers import LockStepBackend
from minifactory.errors import EquipmentError, Finding, InputError, MiniFactoryError
from minifactory.historian import Store, Writer
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.desk import ask_desk
from minifactory.opcua.process import start_server
from minifactory.opcua.session import Target
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.skid.contents import Contents

LOOK_EVERY = 0.1
"""s of real time between two looks at the Orbits."""
MOST_RESTARTS = 10
"""Times that an Orbit which was killed is started again in one run."""
DESK = 15.0
"""s of real time in which an Orbit's desk must answer."""
PATIENCE = 60.0
"""s of real time in which an Orbit that was told to end has to."""


def run_fleet(
    case: Case,
    options: Options,
    folder: Path,
    prediction: PlantPrediction,
    passed: GateResult,
    *,
    say: Callable[[str], None] | None = None,
    ask: Question | None = None,
) -> PlantOutcome:
    """The outcome of running `case` on all its skids, one Orbit process each; parameters as of
    :func:`minifactory.app.run_plant.run_plant`.

    Raises
    ------
    EquipmentError
        A process cannot be started, or an Orbit has failed for good.
    """
    tell = say or (lambda _text: None)
    identifier = f"{case.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not passed.passed:
        return PlantOutcome(case, identifier, prediction, passed)
    tell("The prediction meets the targets: the gate is open.")
    names = {skid: f"{identifier}-{skid}" for skid in case.bounds}
    started = datetime.now(UTC)
    store = Store(folder / DATABASE)
    opened = _standing(case, options) if options.connect else _plant(case, options)
    with opened as (endpoints, finish):
        tell(
            f"Skids {', '.join(case.skids)} over OPC UA, speed {options.speed_text}, one Orbit process each."
        )
        note = PlantNote(
            run=identifier,
            case=str(case.folder.resolve()),
            hashes=dict(case.hashes),
            runs=str(folder.resolve()),
            started=started.isoformat(),
            speed=options.speed,
            scan=options.scan,
            skids=dict(endpoints),
            provenance=dict(provenance(case, options, names)),
            origin="skid" if options.connect else "virtual skid",
            waits=prediction.plant.waits(),
        )
        note.write()
        with Fleet(case, note, tell, ask=ask) as fleet:
            faults = fleet.watch()
        found = finish()
    _refuse_faults(identifier, names, store, faults)
    with Writer(store, folder / "spool") as writer:
        if found is not None:
            file_contents(case, found, writer, store, names)
    return concluded(case, identifier, prediction, passed, store, names, folder, started)


def resume_fleet(
    case: Case,
    note: PlantNote,
    on_restart: OnRestart,
    folder: Path,
    *,
    say: Callable[[str], None] | None = None,
    ask: Question | None = None,
) -> dict[str, str]:
    """Take up the run of a plant whose command was killed, and bring it to its end; its runs by skid.

    Raises
    ------
    EquipmentError
        As for :func:`run_fleet`; also when Orbits of that run still go on.
    """
    tell = say or (lambda _text: None)
    names = {skid: note.name_of(skid) for skid in case.bounds}
    every = {note.name_of(skid) for skid in case.skids}
    alive = [item for item in controllers()[0] if item.run in every]
    if alive:
        raise EquipmentError(
            Finding(
                f"run {item.run}",
                f"process {item.pid} still supervises it",
                remedy="Its Orbit goes on by itself (minifactory fleet). Resume when it has ended.",
            )
            for item in alive
        )
    tell(f"Taking up {note.run} on skids {', '.join(case.skids)}.")
    with Fleet(case, note, tell, on_restart=on_restart, ask=ask) as fleet:
        faults = fleet.watch()
    _refuse_faults(note.run, names, Store(folder / DATABASE), faults)
    return names


def _refuse_faults(
    identifier: str, names: Mapping[str, str], store: Store, faults: Mapping[str, str]
) -> None:
    recorded = {run.identifier for run in store.runs()}
    found = {skid: "its run was not recorded" for skid, name in names.items() if name not in recorded}
    found.update(faults)
    if found:
        raise EquipmentError(
            Finding(f"{identifier}, {skid}", fault, remedy="What is recorded stays: minifactory runs list.")
            for skid, fault in found.items()
        )


def skid_urls(text: str, skids: Collection[str]) -> dict[str, str]:
    """URL of the server of every skid in `text` (``capture=opc.tcp://... polish=opc.tcp://...``).

    Raises
    ------
    InputError
        A skid is missing, named twice or unknown.
    """
    parts = [part.partition("=") for part in text.split()]
    expected = " ".join(f"--connect {skid}=URL" for skid in skids)
    named = [name for name, _, _ in parts]
    if sorted(named) != sorted(skids) or not all(url.startswith("opc.tcp://") for _, _, url in parts):
        raise InputError(Finding("--connect", text, expected))
    return {name: url for name, _, url in parts}


@contextmanager
def _standing(case: Case, options: Options) -> Iterator[tuple[Mapping[str, str], Callable[[], None]]]:
    """Skids that go on without us; nobody tells what their vessels hold."""
    yield skid_urls(options.connect, case.skids), lambda: None


@contextmanager
def _plant(case: Case, options: Options) -> Iterator[tuple[Mapping[str, str], Callable[[], Contents | None]]]:
    """The servers of a virtual plant of our own, and what its vessels hold when it is ended."""
    orbit = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
    introduce(orbit, orbit)
    pki = {}
    for name in case.skids:
        skid = own_identity(
            pki_folder(f"skid-{name}"), f"urn:minifactory:skid:{name}", ("localhost", "127.0.0.1")
        )
        introduce(orbit, skid)
        pki[name] = skid.folder
    handle, report = tempfile.mkstemp(prefix="minifactory-", suffix=".json")
    os.close(handle)
    command = [
        *(sys.executable, "-m", "minifactory.skid.plant_server"),
        *("--case", str(options.plant or case.folder), "--seed", str(options.seed)),
        *("--speed", "lockstep" if options.speed is None else f"{options.speed:g}"),
        *("--contents", report),
        *(word for name, place in pki.items() for word in ("--pki", f"{name}={place}")),
        *(word for fault in options.faults for word in ("--fault", fault)),
        *(["--identical-truth"] if options.identical else []),
    ]
    try:
        with start_server(command) as process:

            def finish() -> Contents | None:
                process.stop(LAST_WORD)
                with suppress(OSError, ValueError, KeyError):
                    return Contents.from_json(json.loads(Path(report).read_text(encoding="utf-8")))
                return None

            yield process.endpoints, finish
    finally:
        Path(report).unlink(missing_ok=True)


@dataclass
class _Orbit:
    process: subprocess.Popen[bytes]
    restarts: int = 0
    done: bool = False
    fault: str = ""


@dataclass
class Fleet:
    """The Orbit processes of a plant; a context manager that leaves none behind."""

    case: Case
    note: PlantNote
    tell: Callable[[str], None]
    on_restart: OnRestart = OnRestart.RESUME
    ask: Question | None = None
    orbits: dict[str, _Orbit] = field(default_factory=dict)
    _interrupted: bool = False

    def __enter__(self) -> Fleet:
        for skid in self.case.skids:
            self.orbits[skid] = _Orbit(self._start(skid, self.on_restart))
        return self

    def __exit__(self, *_fault: object) -> None:
        self._end_all()
        deadline = time.monotonic() + PATIENCE
        for orbit in self.orbits.values():
            with suppress(subprocess.TimeoutExpired):
                orbit.process.wait(max(0.0, deadline - time.monotonic()))
            if orbit.process.poll() is None:
                orbit.process.kill()
                orbit.process.wait()
            if orbit.process.stdin is not None:
                orbit.process.stdin.close()

    def _start(self, skid: str, on_restart: OnRestart = OnRestart.RESUME) -> subprocess.Popen[bytes]:
        words = [str(self.note.folder), skid, "--on-restart", on_restart.value]
        if self.note.origin != "skid":
            words.append("--attached")  # our virtual plant ends with us; on skids of their own Orbits go on
        if self.ask is not None:
            words.append("--attended")
        return subprocess.Popen(
            [sys.executable, "-m", "minifactory.app.orbit_process", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            process_group=0,
        )

    def watch(self) -> dict[str, str]:
        """Until all runs have ended: start again who was killed; end all when one has failed for good.

        What has failed, by skid.
        """
        with Interruption(self.orbits, _Desks(self), self.ask, self.tell).heeded():
            while not all(orbit.done for orbit in self.orbits.values()):
                time.sleep(LOOK_EVERY)
                for skid, orbit in self.orbits.items():
                    if not orbit.done and (code := orbit.process.poll()) is not None:
                        self._ended(skid, orbit, code)
        return {skid: orbit.fault for skid, orbit in self.orbits.items() if orbit.fault}

    def _ended(self, skid: str, orbit: _Orbit, code: int) -> None:
        if code == 0:
            orbit.done = True
            if skid not in self.case.bounds:
                return  # a service: what it has made is told with the outcome
            saved = checkpoint_in(self.note.journal_of(skid))
            self.tell(f"{skid} ended in state {'unknown' if saved is None else saved.state}.")
            return
        killed = code < 0 and not self._interrupted
        if killed and orbit.restarts < MOST_RESTARTS:
            orbit.restarts += 1
            if orbit.process.stdin is not None:
                orbit.process.stdin.close()
            word = signal.Signals(-code).name
            self.tell(f"Orbit {skid} was ended by {word}: it is started again and takes up its run.")
            orbit.process = self._start(skid)
            return
        orbit.done, orbit.fault = True, f"its Orbit failed (exit code {code})"
        self.tell(f"Orbit {skid} failed (exit code {code}): all skids go into their safe state.")
        self._release(skid)
        self._end_all()

    def _release(self, skid: str) -> None:
        """Let the plant go on without the controller of `skid`, so that the others can end their runs."""
        if self.note.speed is not None:
            return
        identity = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
        table = of_skid(self.case, skid).table
        try:
            backend = LockStepBackend(Target(self.note.skids[skid], identity), table)
            backend.leave()
            backend.close()
        except MiniFactoryError as fault:
            self.tell(f"{skid}: {fault}")

    def _end_all(self) -> None:
        for orbit in self.orbits.values():
            if orbit.process.poll() is None:
                orbit.process.terminate()

    def abort(self) -> None:
        """Take all skids into their safe state."""
        self._interrupted = True
        self._end_all()


@dataclass
class _Desks:
    """The Orbits of a fleet as Ctrl-C reaches them: by their desks, and by a signal for the safe state."""

    fleet: Fleet

    def state(self, skid: str) -> State:
        """Where `skid` stands."""
        if self.fleet.orbits[skid].done:
            return State.COMPLETE
        return State(self._ask(skid, "status")[2]["state"])

    def command(self, skid: str, word: str) -> str:
        """Ask for a command; why it was refused, or empty."""
        accepted, reason, _ = self._ask(skid, word)
        return "" if accepted else reason

    def abort(self, actor: str) -> None:
        """Take all skids into their safe state; their own record says who told them: this process."""
        del actor
        self.fleet.abort()

    def _ask(self, skid: str, word: str) -> tuple[bool, str, dict[str, Any]]:
        process = self.fleet.orbits[skid].process.pid
        desk = next((item.endpoint for item in controllers()[0] if item.pid == process), None)
        if desk is None:
            raise EquipmentError(Finding(f"orbit {skid}", "its desk is not open", remedy="Try again."))
        own = own_identity(pki_folder("operator"), "urn:minifactory:operator")
        return ask_desk(Target(desk, own, timeout=DESK), "operator at the terminal", {"do": word})
