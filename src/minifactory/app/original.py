"""The measured run that a case's ``original.yaml`` names, to be laid under ours in the batch record."""

from __future__ import annotations

from minifactory.app.case import ORIGINAL, Case
from minifactory.errors import Finding, InputError
from minifactory.records.chromatogram import ChromatogramFile
from minifactory.records.formats import read


def original_run(case: Case) -> ChromatogramFile | None:
    """What the file holds; None when the case names none, or it is not on this machine.

    Raises
    ------
    InputError
        It cannot be read.
    """
    if case.original is None or case.original.path is None:
        return None
    try:
        return read(case.original.path)
    except InputError as fault:
        raise InputError(
            Finding(
                f"{ORIGINAL} file: {case.original.path}",
                finding.found,
                finding.expected,
                f"{finding.remedy} Or remove {ORIGINAL}.".strip(),
            )
            for finding in fault.findings
        ) from fault
