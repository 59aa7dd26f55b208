"""The ledger of a service: one line per event, on disk before the event counts; a restart reads it again.

Every line is JSON with a running number and a checksum. A last line that was cut short by a crash is dropped,
for nobody was told of it; a damaged line before the last is an error.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from minifactory.errors import Finding, InputError

Event = Mapping[str, Any]


class Ledger(Protocol):
    """Where a service writes what has happened."""

    def write(self, event: Event) -> None:
        """Keep `event` (JSON); it is safe when this returns."""

    def events(self) -> Iterator[dict[str, Any]]:
        """All events so far, in order."""


class MemoryLedger:
    """A ledger that lives as long as the process: for campaigns on the virtual clock."""

    def __init__(self) -> None:
        self._events: list[str] = []

    def write(self, event: Event) -> None:
        """Keep `event`."""
        self._events.append(json.dumps(event))

    def events(self) -> Iterator[dict[str, Any]]:
        """All events so far."""
        return (json.loads(text) for text in self._events)


class FileLedger:
    """A ledger in a file.

    Raises
    ------
    InputError
        When a line before the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = self._load()
        self._file = path.open("ab")
        self._count = len(self._read)

    def write(self, event: Event) -> None:
        """Keep `event`; on disk (fsync) when this returns."""
        text = json.dumps([self._count, event], separators=(",", ":"))
        self._file.write(f"{zlib.crc32(text.encode()):08x} {text}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._count += 1
        self._read.append(dict(event))

    def events(self) -> Iterator[dict[str, Any]]:
        """All events so far."""
        return iter(list(self._read))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _load(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        content = self._path.read_bytes()
        found: list[dict[str, Any]] = []
        kept = 0
        lines = content.split(b"\n")
        for place, line in enumerate(lines[:-1]):
            event = _event(line, len(found))
            if event is None:
                if any(lines[place + 1 :]):
                    said = f"line {place + 1} is damaged"
                    raise InputError(
                        Finding(str(self._path), said, remedy="Look at the file, and correct or remove it.")
                    )
                break
            found.append(event)
            kept += len(line) + 1
        if kept < len(content):
            with self._path.open("r+b") as file:
                file.truncate(kept)
        return found


def _event(line: bytes, number: int) -> dict[str, Any] | None:
    head, _, text = line.partition(b" ")
    if head != f"{zlib.crc32(text):08x}".encode():
        return None
    place, event = json.loads(text)
    return dict(event) if place == number else None
