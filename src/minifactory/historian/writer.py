"""The one writer of the record: takes documents at once, stores them in a thread, loses nothing silently.

:meth:`Writer.offer` never blocks and never raises. A thread turns documents into entries and appends them
to the store: events at once, samples as a segment every `segment_time` seconds or
`segment_points` values. When the store fails (disk full, read-only, locked, server gone) entries go to a
spool file and from there into the store when it is back, in order and once. When the spool fails, too, they
wait in memory. Only when the memory granted is full does :meth:`Writer.offer` refuse; the record then holds
a gap that counts what is missing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from minifactory.historian.entries import Entry
from minifactory.historian.opening import Opening
from minifactory.historian.packing import Packer, gap
from minifactory.historian.spool import Spool, left_over
from minifactory.records.documents import Document, Samples

if TYPE_CHECKING:
    from minifactory.historian.store import Store

_VALUE_BYTES = 56
_DOCUMENT_BYTES = 400
_BATCH = 512
SLOW = 5.0
"""s of link time after which a store that has not answered is told."""


class Health(Enum):
    """How well the record is being kept."""

    STORING = "storing"
    SPOOLING = "the database fails; keeping the record in the spool file"
    HOLDING = "database and spool file fail; keeping the record in memory"
    LOSING = "database and spool file fail and the memory is full; documents are being refused"
    CLOSED = "closed"


@dataclass(frozen=True)
class Status:
    """The state of the writer: `message` says what failed, `refused` counts the documents not taken.

    `spooled` entries and `held` entries wait on disk and in memory; `written` were stored by this writer.
    `slow` counts the times that database and spool took longer than :data:`SLOW`, `longest` is that in s.
    """

    health: Health
    message: str = ""
    written: int = 0
    spooled: int = 0
    held: int = 0
    refused: int = 0
    slow: int = 0
    longest: float = 0.0


@dataclass(frozen=True)
class Policy:
    """When the writer writes and how much it keeps.

    Parameters
    ----------
    segment_time : float
        s of link time after which gathered samples are stored: what a kill -9 or power cut can cost of them.
    segment_points : int
        Values after which they are stored sooner.
    look_every : float
        s between two looks at samples that wait; events are stored at once.
    retry : float
        s between attempts to reach a store that failed.
    memory : int
        Bytes that may wait in memory.
    spool : int
        Bytes that may wait in the spool file.
    """

    segment_time: float = 10.0
    segment_points: int = 200_000
    look_every: float = 0.25
    retry: float = 2.0
    memory: int = 256_000_000
    spool: int = 4_000_000_000


class _Missing:
    """Documents of one run that were refused: how many, and from when to when (s)."""

    def __init__(self, time: float) -> None:
        self.count = 0
        self.first = self.last = time


class Writer:
    """A subscriber of documents that writes them to `store`; a context manager, or call :meth:`close`.

    Parameters
    ----------
    store : Store or callable
        Where the record goes. A callable opens it, beside the writing, when there is something to store; the
        spool keeps the record until it is open, and while it cannot be opened.
    spool : Path
        Folder of spool files; what an earlier process left there is taken in first.
    policy : Policy
        When and how much.
    clock : callable
        Link time in s.
    """

    def __init__(
        self,
        store: Store | Callable[[], Store],
        spool: Path,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy if policy is not None else Policy()
        self._opening = Opening(store)
        self._folder = spool
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: deque[Document] = deque()
        self._queued_bytes = 0
        self._urged = False
        self._held_bytes = 0
        self._refused = 0
        self._missing: dict[str, _Missing] = {}
        self._asked = self._answered = 0
        self._closing = False
        self._status = Status(Health.STORING)
        self._began: float | None = None
        # From here on only the thread's own.
        self._packer = Packer(self._policy.segment_points)
        self._held: list[Entry] = []
        self._spools: list[Spool] = []
        self._own = Spool(spool, self._policy.spool)
        self._written = self._slow = 0
        self._longest = 0.0
        self._failed_at: float | None = None
        self._message = ""
        self._thread = threading.Thread(target=self._work, name="historian", daemon=True)
        self._thread.start()

    def offer(self, document: Document) -> bool:
        """Take `document` without blocking; False when memory is full (the record will show the gap)."""
        size = _DOCUMENT_BYTES
        samples = isinstance(document, Samples)
        if isinstance(document, Samples):
            size += _VALUE_BYTES * len(document.indices)
        with self._changed:
            if self._closing or self._queued_bytes + self._held_bytes + size > self._policy.memory:
                self._refused += 1
                missing = self._missing.setdefault(document.run, _Missing(document.time))
                missing.count += 1
                missing.last = document.time
                return False
            self._queue.append(document)
            self._queued_bytes += size
            if not samples and not self._urged:
                self._urged = True
                self._changed.notify_all()
        return True

    @property
    def status(self) -> Status:
        """How well the record is being kept, as of the last attempt; the number refused is of this moment."""
        with self._changed:
            if not self._missing:
                return self._status
            return replace(self._status, health=Health.LOSING, refused=self._refused)

    @property
    def trouble(self) -> str:
        """Why the record is not kept where it should be; empty while all is well."""
        with self._changed:
            health, message = self._status.health, self._status.message
            began = self._began
        if began is not None and self._clock() - began > SLOW:
            return f"no answer of the database for more than {SLOW:g} s; the record waits in memory"
        if health in (Health.STORING, Health.CLOSED):
            return ""
        return f"{health.value}: {message}" if message else health.value

    def flush(self, timeout: float | None = None) -> Status:
        """Wait until all that was offered so far has been stored, spooled or tried; the status then.

        `timeout` in s of real time.
        """
        with self._changed:
            self._asked += 1
            ticket = self._asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answered >= ticket or not self._thread.is_alive(), timeout)
        return self.status

    def close(self, timeout: float | None = 60.0) -> Status:
        """Store what is left and end the thread; what the store cannot take stays in the spool."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return self.status

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The thread.

    def _work(self) -> None:
        segment_due = self._clock() + self._policy.segment_time
        try:
            self._spools = list(left_over(self._folder, self._policy.spool))
        except OSError as fault:
            self._message = str(fault)
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(self._urgent, self._policy.look_every)
                closing, ticket = self._closing, self._asked
                documents, self._urged = list(self._queue), False
                self._queue.clear()
                self._held_bytes += self._queued_bytes
                self._queued_bytes = 0
                self._began = began = self._clock()
            asked = closing or ticket > self._answered
            self._held.extend(self._packer.take(documents))
            if asked or self._clock() >= segment_due:
                self._held.extend(self._packer.close())
                segment_due = self._clock() + self._policy.segment_time
            self._deliver(now=asked)
            if not self._held and self._report_missing():
                self._deliver(now=asked)
            took = self._clock() - began
            self._slow += took > SLOW
            self._longest = max(self._longest, took)
            self._publish(closing, ticket)
        for spool in self._spools:
            spool.let_go()

    def _urgent(self) -> bool:
        return self._closing or self._asked > self._answered or self._urged

    def _report_missing(self) -> bool:
        """Hold a gap for each run whose documents were refused; whether there was any."""
        with self._changed:
            missing, self._missing = self._missing, {}
        self._held.extend(
            gap(run, item.count, item.first, item.last, "the memory granted to the writer was full")
            for run, item in missing.items()
        )
        return bool(missing)

    def _deliver(self, now: bool) -> None:
        """Bring what is held to the store, or to the spool while the store fails."""
        if self._failed_at is not None and not now and self._clock() < self._failed_at + self._policy.retry:
            self._set_aside()
            return
        if (self._held or self._spools) and not self._opening.ready(wait=now):
            self._set_aside()
            return
        try:
            for spool in list(self._spools):
                self._take_in(spool)
            while self._held:
                batch = self._held[:_BATCH]
                self._opening.store.append(batch)
                self._written += len(batch)
                del self._held[: len(batch)]
            self._failed_at, self._message = None, ""
        except Exception as fault:  # whatever the database does, the record must be kept and the thread live
            self._failed_at, self._message = self._clock(), str(fault)
            self._set_aside()

    def _take_in(self, spool: Spool) -> None:
        """Move a spool file into the store, in batches, and delete it."""
        batch: list[Entry] = []
        place = self._opening.store.replayed(spool.name)
        for kept in spool.read(place):
            batch.append(kept.entry)
            place = kept.end
            if len(batch) >= _BATCH:
                self._opening.store.append(batch, (spool.name, place))
                self._written += len(batch)
                batch = []
        if batch:
            self._opening.store.append(batch, (spool.name, place))
            self._written += len(batch)
        self._spools.remove(spool)
        with contextlib.suppress(OSError):  # what stays behind is known to be taken in
            spool.remove()

    def _set_aside(self) -> None:
        """Write what is held to this writer's spool file; if that fails, it stays in memory."""
        if not self._held:
            return
        try:
            if self._own not in self._spools:
                self._own = Spool(self._folder, self._policy.spool)
                self._own.keep(self._held)
                self._spools.append(self._own)
            else:
                self._own.keep(self._held)
            self._held.clear()
        except OSError as fault:
            self._message = f"{self._message} The spool fails, too: {fault}."

    def _publish(self, closing: bool, ticket: int) -> None:
        held = sum(len(entry.body) + len(entry.blob or b"") + _DOCUMENT_BYTES for entry in self._held)
        spooled = sum(spool.entries for spool in self._spools)
        if self._failed_at is None:
            health = Health.CLOSED if closing else Health.STORING
        else:
            health = Health.HOLDING if self._held else Health.SPOOLING
        with self._changed:
            self._held_bytes = held + self._packer.gathered * _VALUE_BYTES
            if self._missing:
                health = Health.LOSING
            self._status = Status(
                *(health, self._message, self._written, spooled, len(self._held), self._refused),
                slow=self._slow,
                longest=self._longest,
            )
            self._began = None
            self._answered = ticket
            self._changed.notify_all()
