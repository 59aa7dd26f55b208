"""What a controller sees, alarms and does when its equipment fails, over OPC UA on loopback in real time.

    python -m benchmarks.device_faults [--only NAME ...]

The skid is a process of its own; between it and the controller stands a relay that can cut the line without
either side being told (half-open). Each fault strikes in mid-phase and is healed some seconds later. Told are
the times from the fault until the reading counts as bad, until the alarm, until the run has left Running (and
for what), and from the repair until readings are good again. Some 3 min.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minifactory.app.case import Case, open_case
from minifactory.app.execute import controller, levels_of
from minifactory.app.links import Link
from minifactory.clock import RealClock
from minifactory.drivers import FreeRunningBackend
from minifactory.historian import Store, Writer
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.session import Target
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.states import State

from .kills import CASE, TARGETS

RECIPE = """\
name: faults
version: "1"
description: One long phase that looks at two detectors
procedure:
  test:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, set: {Pressure.Limit: 0.5 MPa}}
    safe: {outlet: waste}
    operations:
      only:
        phases:
          long: {kind: wash, flow: 1 mL/min, outlet: waste, until: "UV1 > 900 mAU or Cond > 900 mS/cm"}
"""
STRIKES, LASTS, GIVES_UP = 6.0, 4.0, 15.0
"""s of the run at which a fault strikes, for how long it lasts, and how long healing is waited for."""


@dataclass
class Told:
    """s of real time, from the fault and from the repair; None: it did not happen."""

    bad: float | None = None
    alarm: float | None = None
    alarm_name: str = ""
    left: float | None = None
    state: str = "Running"
    healed: float | None = None
    longest_scan: float = 0.0


class Relay:
    """Passes bytes between a port of its own and the equipment's, until it is told to swallow them."""

    def __init__(self, target: int) -> None:
        self._target, self.port = target, 0
        self.silent = False
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Hang up."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.silent:  # a line that is cut takes connections as little as bytes
            writer.close()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()


class Skid:
    """The virtual skid as a process on one port; may be stopped, killed and started again."""

    def __init__(self, folder: Path, case: Path, fault: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._folder, self._case, self._fault = folder, case, fault
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        own = {"MINIFACTORY_HOME": str(self._folder / "home")}
        words = ["skid", str(self._case), "--port", str(self.port)]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "minifactory.cli.main",
                *words,
                *(["--fault", self._fault] * bool(self._fault)),
            ],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        self.path = "/" + str(json.loads(process.stdout.readline())["endpoint"]).split("/", 3)[3]
        return process

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def again(self) -> None:
        """Start it anew on the same port."""
        self.close()
        self._process = self._start()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass
class Trial:
    """One fault: what strikes and what heals, or what the skid is started with, a fault of its own at `at` s
    of its process time; for `lasts` s; `tag` is the reading that shows it."""

    name: str
    strike: Callable[[Skid, Relay], Any] | None = None
    heal: Callable[[Skid, Relay], Any] | None = None
    fault: str = ""
    tag: str = "UV1.Signal"
    at: float = 15.0
    lasts: float = LASTS


TRIALS = (
    Trial(
        "frozen (SIGSTOP)",
        lambda skid, _: skid.tell(signal.SIGSTOP),
        lambda skid, _: skid.tell(signal.SIGCONT),
    ),
    Trial("killed, started anew", lambda skid, _: skid.tell(signal.SIGKILL), lambda skid, _: skid.again()),
    Trial(
        "half-open line",
        lambda _, relay: setattr(relay, "silent", True),
        lambda _, relay: setattr(relay, "silent", False),
    ),
    Trial("whole image stands still", fault="freeze"),
    Trial("one reading not-a-number", fault="nan:UV1.Signal"),
    Trial("one reading of quality Bad", fault="bad:UV1.Signal"),
    Trial("sensor failed", fault="failed:UV1.Signal"),
    Trial("constant, plausible reading", fault="constant:UV1.Signal=1 mAU", at=45.0, lasts=10.0),
)


def trial(case: Case, chosen: Trial, reaction: Reaction, folder: Path) -> Told:
    """What came of the fault; `reaction` is the policy for a lost link and for readings that are needed."""
    with ExitStack() as closing:
        # A skid's process time begins when it is started: a fault of its own is timed by it.
        fault = f"{chosen.fault}@{chosen.at:g} s+{chosen.lasts:g} s" if chosen.fault else ""
        skid = Skid(folder, case.folder, fault)
        closing.callback(skid.close)
        relay = Relay(skid.port)
        closing.callback(relay.close)
        pki = folder / "home" / "pki"
        orbit = own_identity(pki / "orbit", "urn:minifactory:orbit")
        introduce(
            orbit,
            own_identity(pki / "skid-akta1", "urn:minifactory:skid:akta1", ("localhost", "127.0.0.1")),
        )
        target = Target(f"opc.tcp://127.0.0.1:{relay.port}{skid.path}", orbit)
        backend = FreeRunningBackend(target, case.table)
        closing.callback(backend.close)
        policy = replace(Policy(), on_link_loss=reaction, on_stale=reaction)
        link = Link(backend, RealClock(), policy, "virtual skid", target.url, lambda _answers: None)
        writer = closing.enter_context(Writer(Store(folder / "faults.db"), folder / "spool"))
        engine = controller(case, link, writer, True, None, None)
        engine.load(case.bound, f"fault-{time.time_ns()}", levels=levels_of(case))
        engine.command("start", "benchmark")
        return _watch(engine, chosen, skid, relay)


def _watch(engine: Engine, chosen: Trial, skid: Skid, relay: Relay) -> Told:
    told, begun = Told(), None
    struck = healed = before = offset = None
    threads: list[threading.Thread] = []

    def aside(act: Callable[[Skid, Relay], Any]) -> None:  # what takes its time must not hold up the scan
        threads.append(threading.Thread(target=act, args=(skid, relay)))
        threads[-1].start()

    while True:
        status = engine.scan()
        now = time.monotonic()
        if before is not None and struck is not None:
            told.longest_scan = max(told.longest_scan, now - before)
        before = now
        if begun is None:
            begun = now if status.state is State.RUNNING else None
            assert status.state in (State.IDLE, State.RUNNING), status.reason
            continue
        clock = status.values.get("System.ProcessTime")
        if struck is None:
            if offset is None and clock is not None:
                offset = now - clock
            due = now - begun >= STRIKES if chosen.strike else now - (offset or now) >= chosen.at
            if due:
                struck = now
                if chosen.strike:
                    aside(chosen.strike)
            continue
        bad = status.values.get(chosen.tag) is None
        if told.bad is None and bad:
            told.bad = now - struck
        if told.alarm is None and status.alarms:
            told.alarm, told.alarm_name = now - struck, status.alarms[0].name
        if status.state is not State.RUNNING and told.left is None:
            told.left, told.state = now - struck, status.state.value
        if status.state is not State.RUNNING:
            told.state = status.state.value
        if healed is None and now - struck >= chosen.lasts:
            healed = now
            if chosen.heal:
                aside(chosen.heal)
        elif healed is not None:
            if told.healed is None and not bad and (told.bad is not None or now - healed > 1.0):
                told.healed = now - healed if told.bad is not None else None
                if told.bad is None:
                    break
            if told.healed is not None and now - healed > told.healed + 1.0:
                break
            if now - healed > GIVES_UP:
                break
    for thread in threads:
        thread.join()
    return told


@contextmanager
def prepared() -> Iterator[tuple[Case, Path]]:
    """The case of the study in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="minifactory-") as place:
        folder = Path(place) / "case"
        folder.mkdir()
        for name in ("factory.yaml", "parameters.yaml"):
            (folder / name).write_bytes((CASE / name).read_bytes())
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
        yield open_case(folder), Path(place)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main() -> None:
    """Print one row per fault and policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="part of a fault's name")
    given = parser.parse_args()
    print(
        "| fault | policy | reading bad, s | alarm, s | run left Running, s | state | healed after, s "
        "| longest scan, s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with prepared() as (case, folder):
        for chosen in TRIALS:
            if given.only and not any(part in chosen.name for part in given.only):
                continue
            for reaction in (Reaction.ABORT, Reaction.HOLD) if chosen.strike else (Reaction.HOLD,):
                told = trial(case, chosen, reaction, folder)
                print(
                    f"| {chosen.name} | {reaction.value} | {_seconds(told.bad)} | {_seconds(told.alarm)}"
                    f" {told.alarm_name} | {_seconds(told.left)} | {told.state} | {_seconds(told.healed)}"
                    f" | {told.longest_scan:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
