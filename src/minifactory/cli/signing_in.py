"""The password of a user on an equipment's server: from a file, the environment or the terminal."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path

from minifactory.errors import Finding, InputError

VARIABLE = "MINIFACTORY_PASSWORD"


def password_of(user: str, file: Path | None) -> str:
    """The password of `user`; empty without a user.

    Parameters
    ----------
    user : str
        Name on the server.
    file : Path or None
        Its first line is the password; nobody but its owner may read it.

    Raises
    ------
    InputError
        When there is no password anywhere, or others may read the file.
    """
    if not user:
        if file is not None:
            raise InputError(Finding("--password-file", "a password without a user", "--user NAME as well"))
        return ""
    if file is not None:
        return _from_file(file)
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user} on the equipment's server: ", stream=sys.stderr)
    raise InputError(
        Finding(
            f"--user {user}",
            "no password is given",
            f"one in a file (--password-file), in the variable {VARIABLE}, or typed at a terminal",
        )
    )


def _from_file(file: Path) -> str:
    if not file.is_file():
        raise InputError(
            Finding(str(file), "there is no such file", "a file whose first line is the password")
        )
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found = "others than its owner may read the password"
        raise InputError(Finding(str(file), found, remedy=f"Run chmod 600 {file}."))
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise InputError(Finding(str(file), "the file is empty", "the password in its first line"))
    return lines[0]
