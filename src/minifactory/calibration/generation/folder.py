"""Writes a generated case into a folder of its own; never over anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minifactory.errors import Finding, InputError


def write_case(documents: Mapping[str, str], folder: Path) -> Path:
    """The new folder, with every document in it.

    Raises
    ------
    InputError
        When there is something at that place already.
    """
    refuse_existing(folder)
    folder.mkdir(parents=True)
    for name, text in documents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def refuse_existing(folder: Path) -> None:
    """Raise InputError when `folder` exists."""
    if folder.exists() or folder.is_symlink():
        raise InputError(
            Finding(
                str(folder),
                "there is something at this place already",
                "a folder that does not exist",
                "Name another one with -o.",
            )
        )
