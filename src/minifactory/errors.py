"""The exceptions of MiniFactory, and the finding that they carry.

    MiniFactoryError
    ├── InputError          a file, a value or a command is wrong              exit code 2
    │   └── FormatError     a measurement file cannot be read as what it is
    ├── TargetError         the work was done, but missed its targets          exit code 1
    ├── SolverError         a simulation could not be completed                exit code 1
    ├── EquipmentError      the equipment, its connection or its server failed exit code 3
    └── EnvironmentFault    disk, permissions, missing optional part           exit code 3

A finding always says four things: where, what was found, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault, as a person needs it.

    Parameters
    ----------
    where : str
        File and line, or object path, e.g. ``factory.yaml:88 column C1``.
    found : str
        What stands there, with the offending value.
    expected : str
        What should stand there (unit, bounds, known names).
    remedy : str
        What to do about it, as an imperative.
    severity : str
        ``"error"`` stops the work, ``"warning"`` does not.
    """

    where: str
    found: str
    expected: str = ""
    remedy: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        text += "." if not text.endswith((".", "?", "!")) else ""
        return f"{text} {self.remedy}".rstrip()


class MiniFactoryError(Exception):
    """An error that a user can act on; carries one or more findings."""

    exit_code = 2

    def __init__(self, findings: Finding | Iterable[Finding] | str) -> None:
        if isinstance(findings, str):
            findings = [Finding("minifactory", findings)]
        elif isinstance(findings, Finding):
            findings = [findings]
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[type[MiniFactoryError], tuple[tuple[Finding, ...]]]:
        return type(self), (self.findings,)


class InputError(MiniFactoryError):
    """A file, a value or a command is wrong."""

    exit_code = 2


class FormatError(InputError):
    """A measurement file cannot be read as what it claims to be."""


class TargetError(MiniFactoryError):
    """The work was done, but missed its targets."""

    exit_code = 1


class SolverError(MiniFactoryError):
    """A simulation could not be completed; names the place and the cause."""

    exit_code = 1


class EquipmentError(MiniFactoryError):
    """The equipment, its connection or its server failed."""

    exit_code = 3


class EnvironmentFault(MiniFactoryError):
    """Disk, permissions or an optional part of the installation are missing."""

    exit_code = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the closest known name, or lists what is known.

    Parameters
    ----------
    name : str
        What was found.
    known : iterable of str
        What exists.
    """
    choices: Sequence[str] = sorted(set(known))
    lowered = {choice.lower(): choice for choice in reversed(choices)}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{lowered[close[0]]}"?'
    if not choices:
        return "None exist."
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"Known: {shown}."
