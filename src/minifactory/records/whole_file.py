"""A text file that is written at once or not at all: a full disk or a crash leaves no half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from minifactory.errors import EnvironmentFault, Finding


def write_whole(path: Path, text: str, what: str, remedy: str = "") -> Path:
    """Write `text` to `path` (UTF-8), replacing what is there; returns the path.

    Parameters
    ----------
    path : Path
        Where to; its folder is made.
    text : str
        All of it.
    what : str
        What it is, as the error names it, such as "the batch record".
    remedy : str
        What to do when it cannot be written.

    Raises
    ------
    EnvironmentFault
        When the file cannot be written; what was there before is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentFault(
            Finding(
                str(path),
                f"{what} cannot be written ({fault.strerror})",
                "a folder that may be written, with free space",
                remedy,
            )
        ) from fault
    return path
