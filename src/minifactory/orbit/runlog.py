"""The run log: one line per thing that was asked or happened, with its times, its source and its latency.

A subscriber like any other; it keeps the newest lines for whoever asks, from any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from minifactory.records import documents as doc
from minifactory.signals import TagTable
from minifactory.signals.shown import ARGUMENTS, said

KEPT = 2000
"""Lines that are kept."""
_TAKES_TIME = (doc.InstructionRecord, doc.SetpointRecord)


@dataclass(frozen=True)
class LogLine:
    """One line.

    Times in s of process time since the start of the run: `issued`, `processing` (the equipment has accepted
    it) and `completed` (it was read back); None: not (yet). `latency` (s) is from issued to the last of them.
    """

    number: int
    kind: str
    text: str
    source: str
    stage: str
    issued: float
    processing: float | None = None
    completed: float | None = None
    message: str = ""

    @property
    def latency(self) -> float | None:
        """s from issued to completed (or to processing, while that is the last); None before."""
        end = self.processing if self.completed is None else self.completed
        return None if end is None else end - self.issued

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "latency": self.latency}


class RunLog:
    """Makes lines of documents; the stages of an instruction and of a write become one line."""

    def __init__(self, table: TagTable) -> None:
        self._table = table
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._open: dict[object, int] = {}
        self._count = 0
        self._lock = threading.Lock()

    def lines(self, last: int = 50, kind: str = "") -> list[LogLine]:
        """The newest `last` lines (of one kind), oldest first."""
        with self._lock:
            found = [line for line in self._lines if kind in ("", line.kind)]
        return found[-last:] if last > 0 else []

    def offer(self, document: doc.Document) -> bool:
        """Take a document; never refuses."""
        with self._lock:
            if isinstance(document, _TAKES_TIME):
                self._stage(document)
            else:
                line = _line(document)
                if line is not None:
                    self._add(*line, document.time)
        return True

    def _add(self, kind: str, text: str, source: str, stage: str, message: str, time: float) -> int:
        self._count += 1
        self._lines.append(LogLine(self._count, kind, text, source, stage, time, message=message))
        return self._count

    def _stage(self, document: doc.InstructionRecord | doc.SetpointRecord) -> None:
        if isinstance(document, doc.InstructionRecord):
            key: object = ("instruction", document.number)
            arguments = said(document.arguments, ARGUMENTS)
            kind, text = "instruction", f"{document.name}({arguments}) #{document.number}"
        else:
            key = ("set-points", document.source, tuple(document.values.items()))
            kind, text = "set-points", said(document.values, self._table.tags)
        stage, time = document.stage, document.time
        if stage is doc.Stage.ISSUED or key not in self._open:
            issued = time - document.latency
            self._open[key] = self._add(kind, text, document.source, stage.value, document.message, issued)
        else:
            self._change(self._open[key], stage, time, document.message)
        if stage in (doc.Stage.COMPLETED, doc.Stage.REFUSED, doc.Stage.OVERDUE):
            self._change(self._open.pop(key), stage, time, document.message)

    def _change(self, number: int, stage: doc.Stage, time: float, message: str) -> None:
        place = len(self._lines) - 1 - (self._count - number)
        if place < 0:
            return
        line = replace(self._lines[place], stage=stage.value, message=message)
        if stage is doc.Stage.PROCESSING:
            line = replace(line, processing=time)
        elif stage is doc.Stage.COMPLETED:
            line = replace(line, completed=time)
        self._lines[place] = line


def _line(document: doc.Document) -> tuple[str, str, str, str, str] | None:
    """Kind, text, source, stage and message of what happens at one instant; None: not in the log."""
    match document:
        case doc.Transition():
            text = f"{document.before} -> {document.after}"
            return "state", text, document.source, document.command, document.reason
        case doc.PhaseStarted():
            return "phase", document.path, "recipe", "started", ""
        case doc.PhaseEnded():
            return "phase", document.path, "recipe", "ended", document.reason
        case doc.WatchFired():
            return "watch", f"{document.path} {document.name}", "recipe", "fired", document.condition
        case doc.Alarm():
            source = document.actor or "guard"
            message = document.note or document.message
            return "alarm", document.name, source, document.stage.value, message
        case doc.OperatorAction():
            stage = "accepted" if document.accepted else "refused"
            return "request", document.command, document.actor, stage, document.message
        case doc.Note():
            return "note", document.category, document.source, "noted", document.text
        case _:
            return None


def summary(lines: list[LogLine]) -> Mapping[str, float]:
    """Number of completed instructions and writes, and their mean and largest latency (s)."""
    found = [line.latency for line in lines if line.completed is not None]
    latencies = [item for item in found if item is not None]
    if not latencies:
        return {"completed": 0.0}
    return {
        "completed": float(len(latencies)),
        "mean latency": sum(latencies) / len(latencies),
        "largest latency": max(latencies),
    }
