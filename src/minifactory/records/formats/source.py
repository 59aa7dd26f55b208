"""The bytes of a file: read whole, bounded in size, with their SHA-256; and how readers fail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from minifactory.errors import Finding, FormatError
from minifactory.records.chromatogram import Source

LARGEST_FILE = 512 * 1024 * 1024
"""Largest file that is read, in bytes; a 30-hour result with twenty curves at 10 Hz has about 90 MB."""

LARGEST_TEXT = 128 * 1024 * 1024
"""Largest text, and most XML of a workbook, in bytes: cells of text take ten times their size in memory."""

LARGEST_CONTENT = 1024 * 1024 * 1024
"""Most bytes that one file may unpack to, all members together."""


@dataclass(frozen=True)
class Raw:
    """The bytes of a file and where they came from."""

    path: Path
    content: bytes

    @property
    def where(self) -> str:
        """The file's name, as messages show it."""
        return self.path.name

    def source(self, format_name: str, software: str = "") -> Source:
        """What the record says of this file's origin."""
        digest = hashlib.sha256(self.content).hexdigest()
        return Source(str(self.path), digest, len(self.content), format_name, software)


def load(path: Path, largest: int = LARGEST_FILE) -> Raw:
    """The whole file at `path`, at most `largest` bytes.

    Raises
    ------
    FormatError
        No such file, a folder, not readable, empty, or too large.
    """
    where = str(path)
    try:
        if path.is_dir():
            raise fault(where, "a folder", "a result file", "Name the file inside it.")
        size = path.stat().st_size
        if size > largest:
            limit = f"at most {largest // 2**20} MiB"
            raise fault(where, f"{size / 2**20:.0f} MiB", limit, "Export the curves of interest only.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise fault(where, "no such file", "an existing result file", "Check the path.") from None
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        raise fault(
            where, f"cannot be read ({reason})", "a readable file", "Check the path and rights."
        ) from None
    if not content:
        raise fault(where, "an empty file", "a result file", "Export the result again.")
    return Raw(path, content)


def fault(where: str, found: str, expected: str = "", remedy: str = "") -> FormatError:
    """The error that stops a reader: where, what was found, what was expected, what to do."""
    return FormatError(Finding(where, found, expected, remedy))


def caution(where: str, found: str, expected: str = "", remedy: str = "") -> Finding:
    """A finding that does not stop a reader."""
    return Finding(where, found, expected, remedy, "warning")
