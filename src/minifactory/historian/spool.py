"""A file that keeps entries while the database cannot take them.

Each record is framed by its length and CRC-32 and synced to disk before it counts as kept. A record that a
crash tore is recognised and left out; nothing before it is lost. The store remembers in the same
transaction that takes records in how far it has come, so that a crash between the two repeats nothing.
A spool is locked while the process lives that writes it: nobody else takes it in meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from minifactory.historian.entries import Entry

_FRAME = struct.Struct("<II")
SUFFIX = ".spool"


@dataclass(frozen=True)
class Kept:
    """An entry and the position in the file behind it."""

    entry: Entry
    end: int


class Spool:
    """One spool file in `folder`; made at the first entry, of at most `limit` bytes.

    All methods raise OSError when the disk fails; a failed :meth:`keep` leaves the file as it was before.
    """

    def __init__(self, folder: Path, limit: int, path: Path | None = None) -> None:
        self.path = path if path is not None else folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.limit = limit
        self.entries = 0
        self._size = self.path.stat().st_size if self.path.exists() else 0
        self._held: BinaryIO | None = None

    @property
    def name(self) -> str:
        """The name under which the store remembers how far it was taken in."""
        return self.path.stem

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def keep(self, entries: Sequence[Entry]) -> None:
        """Write `entries` at the end and sync; OSError when the disk or the limit is full."""
        frames = b"".join(_frame(entry) for entry in entries)
        if self._size + len(frames) > self.limit:
            raise OSError(f"the spool {self.path} has reached its limit of {self.limit / 1e6:g} MB")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab", buffering=0) as file:
            if not self.hold():
                raise OSError(f"the spool {self.path} has been taken in by another process")
            try:
                file.truncate(self._size)
                if file.write(frames) < len(frames):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._size)
                if not self._size:
                    self.remove()  # a full disk is not to be littered with empty files
                raise
        self._size += len(frames)
        self.entries += len(entries)

    def read(self, start: int = 0) -> Iterator[Kept]:
        """The entries from position `start` on, up to the end or the first torn record."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(start)
            place = start
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                length, check = _FRAME.unpack(head)
                payload = file.read(length) if length <= self.limit else b""
                if len(payload) < length or zlib.crc32(payload) != check:
                    return
                place += _FRAME.size + length
                yield Kept(_parse(payload), place)

    def hold(self) -> bool:
        """Keep other processes from taking this file in; whether that was possible."""
        if self._held is None:
            file = open(self.path, "rb")  # noqa: SIM115  (held until it is let go)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._held = file
        return True

    def let_go(self) -> None:
        """Let others take in what is left; idempotent."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def remove(self) -> None:
        """Delete the file; idempotent."""
        self.path.unlink(missing_ok=True)
        self.let_go()
        self._size = self.entries = 0


def left_over(folder: Path, limit: int) -> tuple[Spool, ...]:
    """The spools that earlier processes left in `folder`, the oldest first; not those of living ones."""
    if not folder.is_dir():
        return ()
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        spool = Spool(folder, limit, path)
        try:
            if spool.hold():
                found.append((path.stat().st_mtime_ns, path.name, spool))
        except FileNotFoundError:  # its writer has just taken it in
            spool.let_go()
    return tuple(spool for *_, spool in sorted(found, key=lambda item: item[:2]))


def _frame(entry: Entry) -> bytes:
    head = json.dumps([entry.run, entry.kind, entry.time, entry.wall, entry.body, entry.blob is not None])
    text = head.encode()
    payload = len(text).to_bytes(4, "little") + text + (entry.blob or b"")
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _parse(payload: bytes) -> Entry:
    length = int.from_bytes(payload[:4], "little")
    run, kind, time, wall, body, has_blob = json.loads(payload[4 : 4 + length])
    return Entry(run, kind, time, wall, body, payload[4 + length :] if has_blob else None)
