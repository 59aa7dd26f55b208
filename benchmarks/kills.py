"""A controller killed (-9) again and again at random instants, on a skid that goes on by itself.

    python -m benchmarks.kills [--kills 200] [--seed 1] [--speed 1]

The skid is a process of its own with its OPC UA server; the controller is the command `minifactory run`,
killed and taken up with `run --resume last`. The recipe's phases last 3 s each, with a one-shot instruction
at the start of each and a valve that turns. At the end the record and the skid's own counter of instructions
tell whether anything was done twice or not at all. 200 kills take about 20 min.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from minifactory.app.home import DATABASE
from minifactory.drivers import FreeRunningBackend
from minifactory.historian import Store, documents, load_run
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.session import Target
from minifactory.orbit.journal import read_journal
from minifactory.records import documents as doc
from minifactory.signals import Tag, TagTable
from minifactory.units import NUMBER

CASE = Path(__file__).parents[1] / "cases" / "cex-polish"
COMMAND = [sys.executable, "-m", "minifactory.cli.main"]
RECIPE = """\
name: kills
version: "1"
description: Short phases, each with an instruction and a valve
procedure:
  test:
    skid: akta1
    column: C1
    start: {{inlet_a: equilibration, inlet_b: elution, flow: 3 mL/min, set: {{Pressure.Limit: 0.5 MPa}}}}
    safe: {{outlet: waste}}
    operations:
      cycle:
        repeat: {turns}
        phases:
          one: {{kind: equilibrate, outlet: pool, do: AutoZero, until: 3 s}}
          two: {{kind: wash, outlet: waste, do: AutoZero, until: 3 s}}
"""
TARGETS = 'source: assumed\ntargets: {duration: "<= 100 h", max_pressure: "<= 0.5 MPa"}\n'
LIMIT = 300.0
"""s of real time after which a command is given up."""


@dataclass
class Study:
    """What `kills` of one run came to: times in s, one per kill; `work` is processor time."""

    code: int = 0
    state: str = ""
    reason: str = ""
    to_resume: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    journal_age: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    expected: list[str] = field(default_factory=list)
    issued: int = 0
    completed: Counter[str] = field(default_factory=Counter)
    overdue: int = 0
    numbers_twice: int = 0
    accepted: int = 0
    intact: bool = False
    held: int = 0

    @property
    def faults(self) -> list[str]:
        """What should not have been; empty when all is well."""
        found = []
        if self.state != "Complete":
            found.append(f"the run ended in state {self.state}: {self.reason}")
        missing = [path for path in self.expected if self.phases[path] == 0]
        twice = [path for path, times in self.phases.items() if times > 1]
        if missing:
            found.append(f"phases without a record: {missing}")
        if twice:
            found.append(f"phases recorded twice: {twice}")
        if self.completed["AutoZero"] != len(self.expected):
            found.append(f"{self.completed['AutoZero']} AutoZero for {len(self.expected)} phases")
        if self.accepted != self.completed.total():
            text = f"the skid did {self.accepted} instructions, the record knows {self.completed.total()}"
            found.append(text)
        if self.numbers_twice:
            found.append(f"{self.numbers_twice} instructions were issued under a number used before")
        if not self.intact:
            found.append("the record is not intact")
        return found


def study(folder: Path, kills: int, seed: int, speed: float = 1.0, alive: float = 3.0) -> Study:
    """Run the recipe below `folder` with `kills` kills, `alive` s apart on average; what is left then."""
    draw = random.Random(seed)
    turns = max(4, round(1.5 * kills * alive * speed / 6.0))
    case = _case(folder / "case", turns)
    found = Study(
        expected=[f"test.cycle[{n}].{name}" for n in range(1, turns + 1) for name in ("one", "two")]
    )
    with _skid(folder, case, speed) as endpoint:
        on_it = ("--samples", "0", "--connect", endpoint, "--speed", f"{speed:g}")
        with _command(folder, "run", str(case), *on_it) as first:
            if not _until_running(first):
                raise SystemExit("the run did not begin")
            _kill(folder, first, draw.uniform(0.0, 2.0 * alive), found)
        while len(found.journal_age) < kills and not _over(folder):
            start = time.monotonic()
            with _command(folder, "run", str(case), "--resume", "last") as again:
                if _until_running(again):
                    found.to_resume.append(time.monotonic() - start)
                    found.work.append(_work(again.pid))
                _kill(folder, again, draw.uniform(0.0, 2.0 * alive), found)
        if not _over(folder):
            start = time.monotonic()
            with _command(folder, "run", str(case), "--resume", "last") as last:
                if _until_running(last):
                    found.to_resume.append(time.monotonic() - start)
                    found.work.append(_work(last.pid))
                assert last.stderr is not None
                last.stderr.read()
                found.code = last.wait(LIMIT)
        found.accepted = _accepted(folder, endpoint)
    _read(folder, found)
    return found


def _case(folder: Path, turns: int) -> Path:
    folder.mkdir(parents=True)
    for name in ("factory.yaml", "parameters.yaml"):
        shutil.copy(CASE / name, folder / name)
    (folder / "recipe.yaml").write_text(RECIPE.format(turns=turns), encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    return folder


def _environment(folder: Path) -> dict[str, str]:
    own = {"MINIFACTORY_HOME": str(folder / "home"), "MINIFACTORY_RUNS": str(folder / "runs")}
    return {**os.environ, **own, "COLUMNS": "200"}


@contextmanager
def _skid(folder: Path, case: Path, speed: float) -> Iterator[str]:
    """A skid in a process of its own, that trusts the controller and is trusted; its endpoint."""
    with subprocess.Popen(
        [*COMMAND, "skid", str(case), "--port", "0", "--speed", f"{speed:g}"],
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            endpoint = str(json.loads(process.stdout.readline())["endpoint"])
            pki = folder / "home" / "pki"
            introduce(
                own_identity(pki / "orbit", "urn:minifactory:orbit"),
                own_identity(pki / "skid-akta1", "urn:minifactory:skid:akta1", ("localhost", "127.0.0.1")),
            )
            yield endpoint
        finally:
            process.kill()


@contextmanager
def _command(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *words],
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _until_running(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command has said that its run is under way; False when it has ended before."""
    assert process.stderr is not None
    said, deadline = b"", time.monotonic() + LIMIT
    while b"Running" not in said:
        ready, _, _ = select.select([process.stderr], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(process.stderr.fileno(), 65536) if ready else b""
        if not more:
            return False
        said += more
    return True


def _work(process: int) -> float:
    """s of processor time that `process` has had (Linux: fields 14 and 15 of its ``stat``)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kill(folder: Path, process: subprocess.Popen[bytes], after: float, found: Study) -> None:
    """Kill the command `after` s; how old its journal then was, in s. Nothing when it had ended before."""
    try:
        process.wait(after)
        return
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    killed = datetime.now(UTC)
    process.wait()
    (journal,) = (folder / "runs").glob("*/journal")
    record = read_journal(journal)
    assert record is not None
    if not record["ended"]:
        found.journal_age.append((killed - datetime.fromisoformat(str(record["wall"]))).total_seconds())


def _over(folder: Path) -> bool:
    (journal,) = (folder / "runs").glob("*/journal")
    record = read_journal(journal)
    return record is not None and bool(record["ended"])


def _accepted(folder: Path, endpoint: str) -> int:
    """How many instructions the skid itself has taken."""
    identity = own_identity(folder / "home" / "pki" / "orbit", "urn:minifactory:orbit")
    backend = FreeRunningBackend(
        Target(endpoint, identity), TagTable.of("akta1", [Tag("Instruction.Completed", NUMBER)])
    )
    deadline = time.monotonic() + 10.0
    try:
        while (value := backend.read()["Instruction.Completed"]).value != value.value:
            assert time.monotonic() < deadline
        return int(value.value)
    finally:
        backend.close()


def _read(folder: Path, found: Study) -> None:
    store = Store(folder / "runs" / DATABASE)
    (item,) = store.runs()
    run = load_run(store, item.identifier)
    found.state, found.intact = run.state, store.verify(item.identifier).intact
    found.phases = Counter(phase.path for phase in run.phases)
    issued: list[int] = []
    completed: dict[int, str] = {}  # a completion just before a kill may be told again
    for document in documents(store, item.identifier):
        match document:
            case doc.InstructionRecord(stage=doc.Stage.ISSUED):
                issued.append(document.number)
            case doc.InstructionRecord(stage=doc.Stage.COMPLETED):
                completed[document.number] = document.name
            case doc.InstructionRecord(stage=doc.Stage.OVERDUE):
                found.overdue += 1
            case doc.RunResumed():
                found.gaps.append(document.gap)
            case doc.Transition(after="Held"):
                found.held += 1
            case doc.RunStopped():
                found.reason = document.reason
    found.issued, found.completed = len(issued), Counter(completed.values())
    found.numbers_twice = len(issued) - len(set(issued))


def _line(name: str, values: list[float]) -> str:
    if not values:
        return f"{name:34s} -"
    part = np.quantile(values, [0.5, 0.95, 1.0])
    return f"{name:34s} median {part[0]:.2f} s, 95 % {part[1]:.2f} s, longest {part[2]:.2f} s"


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minifactory-") as place:
        found = study(Path(place), given.kills, given.seed, given.speed)
    print(f"{len(found.journal_age)} kills, {len(found.expected)} phases, run ended {found.state}")
    print(_line("from the command to Running", found.to_resume))
    print(_line("processor time of it", found.work))
    print(_line("age of the journal at the kill", found.journal_age))
    print(_line("process time without a controller", found.gaps))
    print(
        f"instructions: {found.accepted} done by the skid, {found.issued} recorded as issued, "
        f"{dict(found.completed)} as completed, {found.overdue} overdue; held {found.held} times"
    )
    for fault in found.faults:
        print(f"FAULT: {fault}")


if __name__ == "__main__":
    main()
