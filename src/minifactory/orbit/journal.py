"""The journal: where a run stands, on disk before anything irreversible is done, so that a crash loses
nothing.

Four slots in one small file. Records that must be safe before the equipment is told something go
alternately into the first two and are fsynced; records of every scan go alternately into the other two and
are only written. Each carries a number and a checksum; the valid one with the largest number is the truth,
and a record that was torn leaves the one before it. All file work is done by a thread of its own; the scan
only asks whether a record is safe yet. When the disk fails, or does not answer for long, control goes on, and
the fault is there to be alarmed; the thread goes on from where it stood when the disk answers again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from minifactory.errors import EnvironmentFault, Finding

SLOT = 64 * 1024
"""Bytes of one slot."""
SLOW, HANGS = 0.5, 2.0
"""s of real time after which a write counts as slow, and after which the disk counts as failed."""
LAST_WRITE = 10.0
"""s of real time for which the end of a controller waits for its journal."""
_HEAD = struct.Struct("<4sQII")
_MAGIC = b"MFJ1"
Record = Mapping[str, object]


class Journal:
    """Writes records of one controller into `path`, the newest first; older ones may be skipped.

    Parameters
    ----------
    path : Path
        The file; made if missing.
    sync : callable
        Makes a file (its descriptor) safe on disk.
    clock : callable
        Monotonic real time in s.

    Attributes
    ----------
    slow : int
        Writes that took longer than :data:`SLOW`.
    longest : float
        s that the longest write took.
    """

    def __init__(
        self,
        path: Path,
        sync: Callable[[int], None] = os.fsync,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slow, self.longest = 0, 0.0
        self._sync, self._clock = sync, clock
        self._failed = ""
        self._began: float | None = None
        self._last = 0.0
        self._path = path
        self._change = threading.Condition()
        self._next: tuple[int, Record, bool] | None = None
        numbers = [0 if slot is None else slot[0] for slot in _slots(path)]
        self._safe = self._asked = self._done = max(numbers)
        # The slot that holds the newest record of its kind is written last.
        self._written = [int(numbers[0] > numbers[1]), int(numbers[2] > numbers[3])]
        self._closing = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(OSError):  # a disk that fills up later finds the room taken, where it can be
                os.posix_fallocate(self._file, 0, 4 * SLOT)
        except BlockingIOError as fault:
            os.close(self._file)
            found = "another process is supervising this run"
            raise EnvironmentFault(Finding(str(path), found, remedy="End that process first.")) from fault
        except OSError as fault:
            found = f"no journal can be kept there: {fault.strerror}"
            raise EnvironmentFault(Finding(str(path), found)) from fault
        self._thread = threading.Thread(target=self._work, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        """What is wrong with the disk now: what it answered last, or that it does not; else empty."""
        began = self._began
        if began is not None and self._clock() - began > HANGS:
            return f"{self._path}: the disk has not answered for more than {HANGS:g} s"
        return self._failed

    @property
    def delay(self) -> float:
        """s that the present write has taken so far, or the last one took."""
        began = self._began
        return self._last if began is None else max(self._last, self._clock() - began)

    def save(self, record: Record, durable: bool = False) -> int:
        """Hand `record` (never changed afterwards) to the writer; its number. With `durable` it is
        fsynced."""
        with self._change:
            self._asked += 1
            # A record that must be safe may be replaced by a newer one, which then must be safe in its place.
            durable = durable or (self._next is not None and self._next[2])
            self._next = (self._asked, record, durable)
            self._change.notify_all()
            return self._asked

    def safe(self, number: int, wait: float = 0.0) -> bool:
        """Whether record `number` or a newer one is on disk, waiting up to `wait` s.

        True as well when the journal has failed: control goes on, and :attr:`fault` is alarmed.
        """
        with self._change:
            if wait > 0.0:
                self._change.wait_for(lambda: self._safe >= number or bool(self.fault), wait)
            return self._safe >= number or bool(self.fault)

    def flush(self, wait: float = 10.0) -> bool:
        """Wait up to `wait` s until everything handed over has been written (or failed); whether it has."""
        with self._change:
            return self._change.wait_for(lambda: self._done >= self._asked, wait)

    def close(self) -> None:
        """Write what is waiting and end the thread; idempotent. A disk that does not answer is left to it."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(LAST_WRITE)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._next is not None or self._closing)
                work, self._next = self._next, None
            if work is None:
                os.close(self._file)
                return
            number, record, durable = work
            durable = durable or bool(self._failed)  # what could not be made safe is made safe by the next
            fault = ""
            self._began = began = self._clock()
            try:
                self._put(number, record, durable)
            except OSError as found:
                fault = f"{self._path}: {found.strerror}"
            except (ValueError, TypeError) as found:
                fault = f"{self._path}: {found}"
            with self._change:
                self._last, self._began = self._clock() - began, None
                self.slow += self._last > SLOW
                self.longest = max(self.longest, self._last)
                self._failed, self._done = fault, number
                if durable and not fault:
                    self._safe = number
                self._change.notify_all()

    def _put(self, number: int, record: Record, durable: bool) -> None:
        body = json.dumps(record).encode()
        if len(body) > SLOT - _HEAD.size:
            raise ValueError(f"a record of {len(body)} bytes does not fit into a slot of {SLOT} bytes")
        kind = 0 if durable else 1
        slot = 2 * kind + self._written[kind] % 2
        check = crc32(body, number & 0xFFFFFFFF)
        content = _HEAD.pack(_MAGIC, number, len(body), check) + body
        if os.pwrite(self._file, content, slot * SLOT) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written[kind] += 1
        if durable:
            self._sync(self._file)


def read_journal(path: Path) -> dict[str, object] | None:
    """The newest valid record in `path`; None when there is no file or nothing valid in it."""
    valid = [slot for slot in _slots(path) if slot is not None]
    return max(valid, key=lambda slot: slot[0])[1] if valid else None


def _slots(path: Path) -> list[tuple[int, dict[str, object]] | None]:
    """Number and record in each of the four slots; None where there is nothing valid."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as fault:
        raise EnvironmentFault(Finding(str(path), f"cannot be read: {fault.strerror}")) from fault
    found: list[tuple[int, dict[str, object]] | None] = []
    for start in range(0, 4 * SLOT, SLOT):
        found.append(None)
        head = content[start : start + _HEAD.size]
        if len(head) < _HEAD.size:
            continue
        magic, number, length, check = _HEAD.unpack(head)
        body = content[start + _HEAD.size : start + _HEAD.size + length]
        if magic == _MAGIC and len(body) == length and crc32(body, number & 0xFFFFFFFF) == check:
            found[-1] = (number, json.loads(body))
    return found
