"""Controllers that run on this machine: each leaves a small file that tells where its desk is.

The files lie in the user's folder (``orbits``), one per process, and go with it; what a killed one leaves
behind is found by its process id and start time, and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from minifactory.app.home import user_folder
from minifactory.errors import EquipmentError, Finding, InputError

FOLDER = "orbits"
SERVICES = ("analysis",)
"""Services leave a file, too; they are only found by their name."""


@dataclass(frozen=True)
class Announced:
    """A controller: its skid, where its desk is, its process, and which run of which case it has."""

    skid: str
    endpoint: str
    pid: int
    born: str
    run: str
    case: str
    runs: str


def _folder() -> Path:
    folder = user_folder() / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def announced(skid: str, endpoint: str, run: str, case: str, runs: Path) -> Iterator[Path]:
    """Leave the file of this process while the block runs."""
    mine = os.getpid()
    entry = Announced(skid, endpoint, mine, born(mine), run, case, str(runs.resolve()))
    file = _folder() / f"{skid}-{mine}-{run}.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(entry), indent=2), encoding="utf-8")
    fresh.replace(file)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def born(pid: int) -> str:
    """When the process started, in the machine's own count; empty when that cannot be told."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def lives(entry: Announced) -> bool:
    """Whether the process of `entry` is still there, and is that process."""
    try:
        os.kill(entry.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return born(entry.pid) == entry.born


def controllers() -> tuple[list[Announced], list[Announced]]:
    """The controllers that run, and those whose files were stale (removed now)."""
    running: list[Announced] = []
    stale: list[Announced] = []
    for file in sorted(_folder().glob("*.json")):
        try:
            entry = Announced(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue  # it has just ended
        except (OSError, ValueError, TypeError):
            file.unlink(missing_ok=True)
            continue
        if lives(entry):
            running.append(entry)
        else:
            stale.append(entry)
            with contextlib.suppress(OSError):
                file.unlink()
    return running, stale


def chosen(name: str) -> Announced:
    """The controller called `name` (skid, run or beginning of a run); the only one when `name` is empty.

    Raises
    ------
    EquipmentError
        When none runs; tells which ended without a word.
    InputError
        When there are several, or none of that name.
    """
    running, stale = controllers()
    if name not in SERVICES:
        running = [item for item in running if item.skid not in SERVICES]
    fitting = [item for item in running if not name or name == item.skid or item.run.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{item.skid} ({item.run})" for item in running)
    if not running:
        gone = ", ".join(f"{item.run} (process {item.pid})" for item in stale)
        found = "no controller runs on this machine" + (f"; {gone} ended without a word" if gone else "")
        remedy = "Take it up with minifactory run --resume." if gone else "Start one with minifactory run."
        raise EquipmentError(Finding("orbit", found, remedy=remedy))
    found = f'no controller is called "{name}"' if not fitting else f"{len(fitting)} controllers run"
    raise InputError(Finding("orbit", found, f"one of {listed}", "Name it with --on SKID or --on RUN."))
