"""The ways to a skid: in memory, a virtual skid in its own process over OPC UA, or a server that runs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from minifactory.app.case import Case
from minifactory.app.home import pki_folder
from minifactory.clock import Clock, RealClock, VirtualClock
from minifactory.drivers import FreeRunningBackend, InMemoryBackend, LockStepBackend
from minifactory.drivers.map_file import read_map
from minifactory.opcua.certificates import Identity, introduce, own_identity
from minifactory.opcua.session import Target
from minifactory.orbit.policy import Policy
from minifactory.signals import SignalBackend

if TYPE_CHECKING:  # what a skid of our own needs is loaded where one is made
    from minifactory.opcua.process import ServerProcess
    from minifactory.skid.contents import Contents
    from minifactory.skid.virtual import VirtualSkid

SCAN = 0.1
"""s of real time between two scans of a free-running skid, unless LONGEST_SCAN asks for less."""
LONGEST_SCAN = 1.0
"""s of process time between two scans at most."""
LAST_WORD = 60.0
"""s of real time in which a virtual skid that answers may write down what its vessels hold."""
LOCK_STEP_PATIENCE = 30.0
"""s of real time for a step in lock-step: process time stands still meanwhile, so that a busy machine loses
nothing. A skid that has died is noticed at once by its connection."""


@dataclass(frozen=True)
class Options:
    """How a case is to be run.

    Parameters
    ----------
    speed : float or None
        Process seconds per second; None: as fast as possible, in lock-step.
    in_memory : bool
        Without OPC UA, in this process.
    connect : str
        URL of a server that runs already; empty: start a virtual skid.
    map : Path or None
        Tag map of that server; None: it is laid out as ours.
    user : str
        User name on that server; empty: our certificate is enough.
    password : str
        Never written anywhere.
    seed : int
        Of the virtual skid's truth, latencies and noise.
    scan : float
        Process time in s between two scans in lock-step.
    faults : tuple of str
        What is to go wrong on the virtual skid.
    identical : bool
        The virtual skid's truth is the predicting parameter set; only for tests of agreement.
    plant : Path or None
        Folder whose description the virtual skid is made from; None: that of the case.
    noise : int
        Another number, other noise and latencies on the same plant: the number of a batch.
    """

    speed: float | None = None
    in_memory: bool = False
    connect: str = ""
    map: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    seed: int = 1
    scan: float = 1.0
    faults: tuple[str, ...] = ()
    identical: bool = False
    plant: Path | None = None
    noise: int = 0

    @property
    def speed_text(self) -> str:
        """``max``, ``real`` or the factor."""
        if self.speed is None:
            return "max"
        return "real" if self.speed == 1.0 else f"{self.speed:g}"


@dataclass
class Link:
    """An open way to a skid.

    `finish` ends the equipment's process (if it is ours) and gives what its vessels then held; None when
    nobody can tell. It is told whether the equipment still answers: then it is worth waiting for.
    """

    backend: SignalBackend
    clock: Clock
    policy: Policy
    origin: str
    name: str
    finish: Callable[[bool], Contents | None]
    process: ServerProcess | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_link(case: Case, options: Options) -> Iterator[Link]:
    """The link that `options` ask for; closed and, if it is ours, ended on leaving.

    Raises
    ------
    EquipmentError
        When there is nobody to talk to, or we are not trusted.
    """
    if options.connect:
        opened = _connected(case, options)
    elif options.in_memory:
        opened = _in_memory(case, options)
    else:
        opened = _virtual(case, options)
    with opened as link:
        yield link


@contextmanager
def _in_memory(case: Case, options: Options) -> Iterator[Link]:
    from minifactory.skid.server import open_skid

    source = open_skid(
        *(options.plant or case.folder, case.bound.skid, options.seed, None, options.faults),
        identical=options.identical,
        noise=options.noise,
    )
    yield memory_link(source, options.scan)


def memory_link(source: VirtualSkid, scan: float) -> Link:
    """The way to a virtual skid in this process, in lock-step, `scan` s of process time at a time."""
    from minifactory.skid.contents import contents

    return Link(
        backend=InMemoryBackend(source),
        clock=VirtualClock(wall_start=datetime.now(UTC)),
        policy=Policy.in_lock_step(scan),
        origin="virtual skid",
        name="in memory",
        finish=lambda _answers: contents(source),
    )


@contextmanager
def _virtual(case: Case, options: Options) -> Iterator[Link]:
    from minifactory.opcua.process import STOP_TIMEOUT, start_server

    name = case.bound.skid
    orbit = _orbit_identity()
    skid = own_identity(
        pki_folder(f"skid-{name}"), f"urn:minifactory:skid:{name}", ("localhost", "127.0.0.1")
    )
    introduce(orbit, skid)
    handle, report = tempfile.mkstemp(prefix="minifactory-", suffix=".json")
    os.close(handle)
    command = [
        *(sys.executable, "-m", "minifactory.skid.server"),
        *("--case", str(options.plant or case.folder), "--skid", name),
        *("--seed", str(options.seed), "--noise", str(options.noise)),
        *("--speed", "lockstep" if options.speed is None else f"{options.speed:g}"),
        *("--pki", str(skid.folder), "--contents", report),
        *(word for fault in options.faults for word in ("--fault", fault)),
        *(["--identical-truth"] if options.identical else []),
    ]
    try:
        with start_server(command) as process:
            target = Target(process.endpoint, orbit)
            if options.speed is None:
                target = replace(target, timeout=LOCK_STEP_PATIENCE)

            def finish(answers: bool) -> Contents | None:
                process.stop(LAST_WORD if answers else STOP_TIMEOUT)
                return _reported(Path(report))

            with _opened(case, options, target) as link:
                link.process, link.finish, link.origin = process, finish, "virtual skid"
                yield link
    finally:
        Path(report).unlink(missing_ok=True)


@contextmanager
def _connected(case: Case, options: Options) -> Iterator[Link]:
    target = Target(options.connect, _orbit_identity(), user=options.user, password=options.password)
    with _opened(case, options, target) as link:
        yield link


@contextmanager
def _opened(case: Case, options: Options, target: Target) -> Iterator[Link]:
    backend: LockStepBackend | FreeRunningBackend
    clock: Clock
    if options.speed is None and not options.connect:
        backend = LockStepBackend(target, case.table)
        clock, policy = VirtualClock(wall_start=datetime.now(UTC)), Policy.in_lock_step(options.scan)
    else:
        speed = options.speed or 1.0
        scan = min(SCAN, LONGEST_SCAN / speed)
        tag_map = None if options.map is None else read_map(options.map, case.table)
        table = case.table if tag_map is None else tag_map.reduced(case.table)
        backend = FreeRunningBackend(target, table, tag_map, period=scan)
        clock, policy = RealClock(speed), Policy(scan=scan * speed)
    try:
        yield Link(backend, clock, policy, "skid", target.url, lambda _answers: None)
    finally:
        backend.close()


def _orbit_identity() -> Identity:
    return own_identity(pki_folder("orbit"), "urn:minifactory:orbit")


def _reported(path: Path) -> Contents | None:
    """What the skid's process wrote about its vessels when it ended; None when it was killed before."""
    from minifactory.skid.contents import Contents

    try:
        return Contents.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError):
        return None
