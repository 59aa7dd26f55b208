"""Keeping the journal in step with the scan: what must be on disk before an instruction may go out."""

from __future__ import annotations

from datetime import datetime

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.instructions import Issued
from minifactory.orbit.journal import SLOW, Journal
from minifactory.orbit.policy import Policy
from minifactory.orbit.sequencer import Sequencer
from minifactory.records.documents import Priority

FAILS, SLOWLY = "Journal", "Journal slow"
"""Names of its alarms."""
PATIENCE = 0.02
"""s that a scan may wait for the disk; after that the instruction goes out in a later scan."""
PATIENCE_IN_LOCK_STEP = 10.0
"""s; nothing moves meanwhile."""


class Log:
    """Writes a checkpoint in every scan of a run; a safe one before instructions that have not been sent.

    Parameters
    ----------
    journal : Journal or None
        None: nothing is kept and nothing waits.
    policy : Policy
        Whether time stands still between two scans.
    """

    def __init__(self, journal: Journal | None, policy: Policy) -> None:
        self._journal = journal
        self._patience = PATIENCE_IN_LOCK_STEP if policy.lock_step else PATIENCE
        self._known = 0
        self._record = 0
        self._told: tuple[object, ...] = ()
        self._handed: tuple[object, ...] = ()
        self._moved = 0
        self._done = False

    def look(self, alarms: Alarms, time: float) -> None:
        """Alarm a disk that fails, hangs or is slow; `time` in s since the start of the run."""
        journal = self._journal
        if journal is None:
            return
        if fault := journal.fault:
            text = f"{fault}; control goes on, and instructions go out before the journal knows of them"
            alarms.set(FAILS, Priority.HIGH, text, time)
        else:
            alarms.clear(FAILS)
        if journal.delay > SLOW:
            text = f"the journal's disk took longer than {SLOW:g} s to write; instructions wait for it"
            alarms.set(SLOWLY, Priority.LOW, text, time)
        else:
            alarms.clear(SLOWLY)

    @property
    def slow_writes(self) -> tuple[int, float]:
        """How many writes were slow, and the s that the longest took."""
        return (0, 0.0) if self._journal is None else (self._journal.slow, self._journal.longest)

    def keep(self, sequencer: Sequencer, wall: datetime, washing: bool, number: int) -> None:
        """Write where the run stands; `number` is that of the newest instruction."""
        if self._journal is None:
            return
        saved = sequencer.checkpoint(wall.isoformat(), washing)
        if saved is None or (saved.ended and self._done):
            return
        self._done = saved.ended
        fresh = number > self._known
        handed = sequencer.handed()
        moved = handed != self._handed
        told = (saved.state, saved.version, saved.answers, saved.authority)  # people rely on it
        durable = fresh or moved or saved.ended or told != self._told
        self._told, self._handed = told, handed
        record = self._journal.save(saved.record(), durable)
        if moved:
            # A transfer that begins is as irreversible as an instruction: its set-points follow the record.
            self._moved = record
            self._journal.safe(record, self._patience)
        if fresh:
            self._known, self._record = number, record

    def transfers_safe(self) -> bool:
        """Whether the newest step of a transfer is safe on disk."""
        return self._journal is None or self._journal.safe(self._moved)

    def permits(self, issued: Issued) -> bool:
        """Whether the intent of `issued` is safe on disk."""
        if self._journal is None or issued.number > self._known:
            return self._journal is None
        return self._journal.safe(self._record, self._patience)
