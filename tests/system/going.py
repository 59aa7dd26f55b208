"""A command `run` that goes on while a test does something to it or to its skid."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from minifactory.historian import Store, load_run
from minifactory.records.run import Run
from tests.commands import COMMAND, at_a_shell, environment

PATIENCE = 600.0
"""s after which a test gives up waiting; only a test that fails waits as long."""
UNDER_WAY = "test.only."
"""What is said in every phase of the short recipe: a phase may pass between two looks on a loaded machine."""
SKID = b"minifactory.skid.server"


@dataclass
class Going:
    """A running command: its process, the end of its standard error, and all that it has said there."""

    folder: Path
    process: subprocess.Popen[bytes]
    ear: int
    terminal: int | None = None
    said: bytes = b""
    output: bytes = field(default=b"")

    def wait_for(self, *texts: str) -> float:
        """The monotonic time (s) at which one of `texts` had newly been said."""
        deadline = time.monotonic() + PATIENCE
        start = len(self.said)
        while not any(text.encode() in self.said[start:] for text in texts):
            assert self._hear(deadline), f"none of {texts} was said:\n{self.said.decode()}"
        return time.monotonic()

    def end(self) -> int:
        """The exit code, when the command has ended by itself."""
        deadline = time.monotonic() + PATIENCE
        while self._hear(deadline):
            pass
        assert self.process.stdout is not None
        self.output = self.process.stdout.read()
        return self.process.wait(timeout=PATIENCE)

    def type(self, text: str) -> None:
        """Let the person at the terminal type `text`."""
        assert self.terminal is not None
        os.write(self.terminal, text.encode())

    @property
    def skid(self) -> int:
        """The process of the virtual skid."""
        (found,) = skids_of(self.process.pid)
        return found

    @property
    def run(self) -> Run:
        """What is recorded."""
        store = Store(self.folder / "runs" / "minifactory.db")
        (found,) = store.runs()
        assert store.verify(found.identifier).intact
        return load_run(store, found.identifier)

    def _hear(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.ear], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            more = os.read(self.ear, 65536)
        except OSError:  # a terminal that nobody holds any more
            return False
        self.said += more
        return bool(more)


def children_of(process: int) -> list[int]:
    """The processes that `process` has started and that have not been waited for."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def skids_of(process: int) -> list[int]:
    """Those of its children that are virtual skids."""
    return [child for child in children_of(process) if SKID in Path(f"/proc/{child}/cmdline").read_bytes()]


@contextmanager
def going(folder: Path, case: Path, *words: str, person: bool = False) -> Iterator[Going]:
    """The case being run by the command line in `folder`; with a `person`, at a terminal.

    Whatever is left of it at the end is killed.
    """
    terminal, own = pty.openpty() if person else (None, None)
    listening, speaking = (None, own) if person else os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "run", str(case), "--samples", "0", *words],
        cwd=folder,
        env={**environment(folder), "TERM": "xterm"},
        stdin=subprocess.DEVNULL if own is None else own,
        stdout=subprocess.PIPE,
        stderr=speaking,
        start_new_session=True,
        preexec_fn=at_a_shell,
    )
    assert speaking is not None
    os.close(speaking)
    ear = terminal if listening is None else listening
    assert ear is not None
    try:
        yield Going(folder, process, ear, terminal)
    finally:
        for child in children_of(process.pid) if process.poll() is None else []:
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        os.close(ear)
