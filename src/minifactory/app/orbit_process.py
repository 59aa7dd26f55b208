"""The process of one Orbit of a plant: it controls one skid, and talks to the Orbits of the others.

    python -m minifactory.app.orbit_process FOLDER SKID

FOLDER is that of the plant's run; ``plant.json`` there says what is run and where the skids are. A process
that was killed is started again with the same words: its journal says where it stood. When its run has
ended, it leaves its last words in that folder for peers that have not heard them yet.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from minifactory.app.case import Case, of_skid, open_case
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import LONGEST_PACE, Interruption, controller, levels_of, supervise
from minifactory.app.home import DATABASE, pki_folder
from minifactory.app.links import LONGEST_SCAN, SCAN, Link
from minifactory.app.operating import open_desk, told_to_peers
from minifactory.app.peers import Addresses, HeardPeers, Peers, ReadPeers, say_left, say_where
from minifactory.app.versions import as_changed
from minifactory.clock import Clock, RealClock, VirtualClock
from minifactory.drivers import FreeRunningBackend, LockStepBackend
from minifactory.errors import Finding, InputError, MiniFactoryError
from minifactory.historian import Store, Writer
from minifactory.opcua.certificates import Identity, own_identity
from minifactory.opcua.session import Target
from minifactory.orbit.checkpoint import Checkpoint, checkpoint_of
from minifactory.orbit.engine import Engine
from minifactory.orbit.journal import Journal, read_journal
from minifactory.orbit.levels import Levels
from minifactory.orbit.policy import Policy
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.status import Status
from minifactory.orbit.transfers import Word
from minifactory.recipe.transfers import transfer_state
from minifactory.records.documents import Document, Samples

NOTE = "plant.json"
OTHERS = 600.0
"""s of real time for which a plant in lock-step may stand still because an Orbit is away."""
SAFE_EVERY = 5.0
"""s of process time in lock-step after which what was measured is stored."""
STEP = 30.0
"""s of real time for one answer of a skid in lock-step."""


@dataclass(frozen=True)
class PlantNote:
    """What every Orbit of a plant has to know, as kept in ``plant.json``.

    Parameters
    ----------
    run : str
        Name of the plant's run; that of a skid is ``run-skid``.
    case : str
        Folder of the case.
    hashes : dict of str to str
        SHA-256 of its files.
    runs : str
        Folder of runs.
    started : str
        Wall time (ISO 8601, UTC) at process time 0.
    speed : float or None
        Process seconds per second; None: lock-step.
    scan : float
        s of process time between two scans in lock-step.
    skids : dict of str to str
        URL of the server of every skid.
    provenance : dict of str to str
        What the records say of where the runs come from.
    origin : str
        ``virtual skid`` or ``skid``.
    waits : dict of str to dict of str to float
        s for which each skid is expected to wait, by the path of the phase that is to come.
    """

    run: str
    case: str
    hashes: dict[str, str]
    runs: str
    started: str
    speed: float | None
    scan: float
    skids: dict[str, str]
    provenance: dict[str, str]
    origin: str = "virtual skid"
    waits: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """That of the plant's run."""
        return Path(self.runs) / self.run

    def name_of(self, skid: str) -> str:
        """The name of the run of `skid`."""
        return f"{self.run}-{skid}"

    def journal_of(self, skid: str) -> Path:
        """The journal of the run of `skid`."""
        return Path(self.runs) / self.name_of(skid) / "journal"

    def write(self) -> None:
        """Keep it, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f".{NOTE}"
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / NOTE)


def read_note(folder: Path) -> PlantNote:
    """The note in the folder of a plant's run; InputError when there is none that can be read."""
    try:
        return PlantNote(**json.loads((folder / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as fault:
        raise InputError(
            Finding(str(folder / NOTE), f"cannot be read ({fault})", "the run of a plant")
        ) from fault


def checkpoint_in(journal: Path) -> Checkpoint | None:
    """Where the run of that journal stood; None when it never began."""
    record = read_journal(journal)
    return None if record is None else checkpoint_of(record)


class _InStep:
    """A link in lock-step: before each advance the record is made safe, after it the peers are heard.

    Process time rushes there. So that a kill costs no more of the record than in real time, what happened is
    stored before time goes on, and what was measured every :data:`SAFE_EVERY` s of process time.
    """

    def __init__(self, backend: LockStepBackend, writer: Writer) -> None:
        self._backend, self._writer = backend, writer
        self._happened, self._safe = False, backend.now()
        self.peers: Peers | None = None
        self.table = backend.table
        self.read, self.write, self.call = backend.read, backend.write, backend.call
        self.now, self.close = backend.now, backend.close

    def offer(self, document: Document) -> bool:
        """Note that something happened; as a subscriber of the controller's documents."""
        self._happened |= not isinstance(document, Samples)
        return True

    def advance(self, process_time: float) -> None:
        """Let process time run to `process_time` (s); hear the peers."""
        if self._happened or process_time - self._safe >= SAFE_EVERY:
            self._writer.flush()
            self._happened, self._safe = False, process_time
        self._backend.advance(process_time)
        if self.peers is not None:
            self.peers.advanced(process_time)


def control(
    note: PlantNote,
    skid: str,
    on_restart: OnRestart = OnRestart.RESUME,
    say_to: Any = sys.stderr,
    attended: bool = False,
) -> Status | None:
    """The last status of the run of `skid`, begun or taken up by `on_restart`; None: it had ended before.

    `attended`: a person can be asked, by whoever started this process.
    """
    opened = open_case(Path(note.case), several=True)
    changed = [name for name, value in note.hashes.items() if opened.hashes.get(name) != value]
    if changed:
        raise InputError(
            Finding(
                str(opened.folder / name), f"has changed since {note.run} was started", remedy="Put it back."
            )
            for name in changed
        )
    case, name = of_skid(opened, skid), note.name_of(skid)
    others = tuple(each for each in opened.skids if each != skid)
    serves = skid not in opened.bounds
    saved = checkpoint_in(note.journal_of(skid))
    identity = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
    folder, runs = note.folder, Path(note.runs)
    journal = Journal(note.journal_of(skid))
    with ExitStack() as closing:
        closing.callback(journal.close)
        if saved is not None and saved.ended and not serves:
            # It was killed between the end of its run and its leave.
            say_left(folder, skid, _last_words(skid, saved))
            backend, *_ = _link(note, skid, case, identity)
            closing.callback(backend.close)
            _take_leave(backend)
            return None
        backend, clock, policy = _link(note, skid, case, identity)
        closing.callback(backend.close)
        writer = closing.enter_context(Writer(Store(runs / DATABASE), runs / "spool"))
        in_step = _InStep(backend, writer) if isinstance(backend, LockStepBackend) else None
        link = Link(in_step or backend, clock, policy, note.origin, note.skids[skid], lambda _answers: None)
        levels = levels_of(case)
        engine = controller(case, link, writer, attended, None, journal, levels)
        engine.exchange.expected = note.waits.get(skid, {})
        peers = _peers(note, others, identity, engine, clock)
        closing.callback(peers.close)
        if in_step is not None:
            in_step.peers = peers
            engine.subscribe(in_step)
        if serves:
            status = _serve(note, case, link, engine, levels, saved, on_restart, say_to)
            say_left(folder, skid, told_to_peers(engine))
            _take_leave(backend)
            writer.flush()
            refuse_incomplete(writer, str(runs / DATABASE))
            return status
        if saved is None:
            engine.load(case.bound, name, origin=link.origin, provenance=note.provenance, levels=levels)
            reply = engine.command("start", "command line")
        else:
            case = as_changed(case, runs / name, saved.version)
            reply = engine.recover(case.bound, saved, on_restart, levels=levels)
        desk = closing.enter_context(
            open_desk(
                *(engine, case, name, runs, lambda text: print(text, file=say_to)),
                # In lock-step a peer that does not hear us scans on with what it knows.
                after=None if policy.lock_step else reply,
                listens=partial(say_where, folder, skid),
            )
        )
        status = supervise(case, link, engine, reply, Lines(say_to), None, desk)
        say_left(folder, skid, told_to_peers(engine))
        _take_leave(backend)
        writer.flush()
    refuse_incomplete(writer, str(runs / DATABASE))
    return status


def _serve(
    note: PlantNote,
    case: Case,
    link: Link,
    engine: Engine,
    levels: Levels,
    saved: Checkpoint | None,
    on_restart: OnRestart,
    say_to: Any,
) -> Status:
    """The last status of a skid that gives a service, begun or taken up by `on_restart`."""
    from minifactory.app.buffer_service import as_loaded, buffer_service, ledger_in, told

    skid = case.bound.skid
    name, lines = note.name_of(skid), Lines(say_to)
    with ExitStack() as closing:
        ledger = closing.enter_context(ledger_in(note.folder))
        service = buffer_service(
            *(case, engine, levels, ledger, name, link.clock.now, link.origin, note.provenance)
        )
        desk = closing.enter_context(
            open_desk(
                *(engine, case, name, Path(note.runs), lambda text: print(text, file=say_to)),
                listens=partial(say_where, note.folder, skid),
            )
        )
        service.loaded = lambda made: desk.use(as_loaded(case, made))
        service.take_up(saved, on_restart)
        closing.enter_context(Interruption(None).guarding(engine))
        while not service.over:
            status = service.scan()
            lines(status)
            if desk.attended(status) and link.policy.lock_step:
                time.sleep(min(link.policy.scan, LONGEST_PACE))
        engine.leave()
    print(f"{skid}: {told(service)}.", file=say_to)
    return engine.status


def _link(
    note: PlantNote, skid: str, case: Case, identity: Identity
) -> tuple[LockStepBackend | FreeRunningBackend, Clock, Policy]:
    target = Target(note.skids[skid], identity)
    if note.speed is None:
        backend = LockStepBackend(Target(target.url, identity, timeout=STEP), case.table, others=OTHERS)
        clock = VirtualClock(max(0.0, backend.now()), datetime.fromisoformat(note.started))
        return backend, clock, Policy.in_lock_step(note.scan)
    scan = min(SCAN, LONGEST_SCAN / note.speed)
    free = FreeRunningBackend(target, case.table, None, period=scan)
    return free, RealClock(note.speed), Policy(scan=scan * note.speed)


def _take_leave(backend: LockStepBackend | FreeRunningBackend) -> None:
    """Let the plant go on without us."""
    if isinstance(backend, LockStepBackend):
        backend.leave()


def _peers(
    note: PlantNote, others: tuple[str, ...], identity: Identity, engine: Engine, clock: Clock
) -> Peers:
    addresses = Addresses(note.folder, identity)
    if note.speed is None:
        return ReadPeers(addresses, others, engine.exchange)
    return HeardPeers(addresses, others, engine.exchange, clock.link_time)


class Lines:
    """Writes a line when the skid has come to another phase, state, wait or alarm since the last look."""

    def __init__(self, to: Any) -> None:
        self._to = to
        self._said: tuple[str, ...] = ()

    def __call__(self, status: Status) -> None:
        alarms = tuple(item.name for item in status.alarms if item.present)
        fresh = (status.state.value, status.phase, *status.waits, *alarms)
        if fresh != self._said:
            self._said = fresh
            with suppress(OSError):  # nobody reads it any more; the run goes on
                self._to.write(line_of(status) + "\n")
                self._to.flush()


def line_of(status: Status) -> str:
    """Time, skid, state, phase, what is waited for, and alarms that stand, in a line."""
    waits = f"  waits: {', '.join(status.waits)}" if status.waits else ""
    present = [item.name for item in status.alarms if item.present]
    alarms = f"  alarms: {', '.join(present)}" if present else ""
    what = f"{status.state.value:<10} {status.phase or '-'}{waits}{alarms}"
    return f"{status.time / 60.0:8.1f} min  {status.skid:<12} {what}"


def _last_words(skid: str, saved: Checkpoint) -> str:
    """What peers have to know of a run that had ended at `saved` (JSON)."""
    vessels = {
        name: (saved.consumed.get(name, 0.0), saved.received.get(name, 0.0))
        for name in {*saved.consumed, *saved.received}
    }
    rest: Any = saved.memory[2] if len(saved.memory) > 2 else {}
    states = tuple(transfer_state(item) for item in rest.get("transfers", {}).get("own", ()))
    return json.dumps([Word(skid, saved.state, "", states, {}, vessels).as_dict()])


def _end_with_parent() -> None:
    """Take the safe state when the process that started this one is gone: it closes our standard input."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # the buffered one would be locked while the process ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the process: 0 the run has ended, 2 bad input, 3 equipment or environment."""
    parser = argparse.ArgumentParser(prog="minifactory.app.orbit_process")
    parser.add_argument("folder", type=Path)
    parser.add_argument("skid")
    parser.add_argument("--attached", action="store_true", help="end when standard input closes")
    parser.add_argument("--attended", action="store_true", help="a person can be asked")
    parser.add_argument("--on-restart", choices=[item.value for item in OnRestart], default="resume")
    given = parser.parse_args(arguments)
    if given.attached:
        _end_with_parent()
    try:
        control(read_note(given.folder), given.skid, OnRestart(given.on_restart), attended=given.attended)
    except MiniFactoryError as fault:
        print(f"{given.skid}: {fault}", file=sys.stderr)  # noqa: T201
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
