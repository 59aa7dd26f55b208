"""Runs the command line in a process of its own, with a home and a folder of runs of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def at_a_shell() -> None:
    """Heed Ctrl-C, as a typed command does; what runs in the background ignores it and passes that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


COMMAND = [sys.executable, "-m", "minifactory.cli.main"]
PATIENCE = 900.0
"""s after which a command is given up; none takes nearly as long."""


def environment(folder: Path) -> dict[str, str]:
    """The environment of commands that keep everything below `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINIFACTORY_")}
    data = {name: os.environ[name] for name in ("MINIFACTORY_DATA",) if name in os.environ}
    own = {"MINIFACTORY_HOME": str(folder / "home"), "MINIFACTORY_RUNS": str(folder / "runs")}
    return {**kept, **data, **own, "COLUMNS": "200"}


def minifactory(folder: Path, *words: str | Path, text: bool = True) -> subprocess.CompletedProcess[str]:
    """What came of a command that ran to its end in `folder`, its outputs as text."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=text,
        timeout=PATIENCE,
        check=False,
    )
