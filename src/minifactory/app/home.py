"""Where MiniFactory keeps what it makes: certificates per user, runs and records per working folder."""

from __future__ import annotations

import os
from pathlib import Path

from minifactory.errors import EnvironmentFault, Finding
from minifactory.opcua.certificates import home

DATABASE = "minifactory.db"
"""Name of the historian's file in a folder of runs."""


def user_folder() -> Path:
    """The folder of certificates: ``MINIFACTORY_HOME``, else ``minifactory`` in the user's data folder."""
    return _made(home())


def pki_folder(application: str) -> Path:
    """The certificate store of one application (``orbit`` or ``skid-<name>``)."""
    return _made(user_folder() / "pki" / application)


def runs_folder(named: Path | None = None) -> Path:
    """The folder of runs: `named`, else ``MINIFACTORY_RUNS``, else ``runs`` in the working folder."""
    return _made(named or Path(os.environ.get("MINIFACTORY_RUNS", "runs")))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise EnvironmentFault(
            Finding(
                str(folder),
                f"the folder cannot be made ({fault.strerror})",
                "a folder that may be written",
                "Name another one with MINIFACTORY_HOME, MINIFACTORY_RUNS or --runs.",
            )
        ) from fault
    return folder
