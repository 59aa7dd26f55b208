"""From documents to entries: samples gather into segments, everything else becomes an entry at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from minifactory.historian.entries import GAP, SEGMENT, Entry, canonical, to_entry
from minifactory.historian.segments import pack
from minifactory.records.documents import Descriptor, Document, RunStarted, RunStopped, Samples


class Packer:
    """Gathers the samples of each run and gives entries in order.

    A segment is closed when `points` values have come together, at a new descriptor, at the end of the run,
    and when the writer asks for it. Entries keep the order of their documents, except that a segment
    follows the events that happened while it was gathered.
    """

    def __init__(self, points: int) -> None:
        self._points = points
        self._samples: dict[str, list[Samples]] = {}
        self._counts: dict[str, int] = {}

    @property
    def gathered(self) -> int:
        """Values that wait for their segment."""
        return sum(self._counts.values())

    def take(self, documents: Iterable[Document]) -> list[Entry]:
        """The entries that `documents` complete; one that cannot be written becomes a gap that says why."""
        entries: list[Entry] = []
        for document in documents:
            if isinstance(document, Samples):
                self._samples.setdefault(document.run, []).append(document)
                count = self._counts.get(document.run, 0) + len(document.indices)
                self._counts[document.run] = count
                if count >= self._points:
                    entries.extend(self.close(document.run))
                continue
            if isinstance(document, Descriptor | RunStarted | RunStopped):
                entries.extend(self.close(document.run))
            try:
                entries.append(to_entry(document))
            except (TypeError, ValueError) as fault:
                reason = f"a {type(document).__name__} could not be written: {fault}"
                entries.append(gap(document.run, 1, document.time, document.time, reason, document.wall))
        return entries

    def close(self, run: str | None = None) -> list[Entry]:
        """The segments of what was gathered, of one run or of all."""
        names = list(self._samples) if run is None else [run]
        return [_segment(name, self._samples.pop(name)) for name in names if self._counts.pop(name, 0)]


def _segment(run: str, samples: list[Samples]) -> Entry:
    first, last = samples[0], samples[-1]
    content = {
        "first": first.time,
        "last": last.time,
        "scans": len(samples),
        "points": sum(len(sample.indices) for sample in samples),
    }
    return Entry(run, SEGMENT, last.time, last.wall.isoformat(), canonical(content), pack(samples))


def gap(run: str, count: int, first: float, last: float, reason: str, wall: datetime | None = None) -> Entry:
    """An entry that says that `count` documents between `first` and `last` (s) are missing, and why."""
    first, last = (moment if math.isfinite(moment) else 0.0 for moment in (first, last))
    content = {"documents": count, "first": first, "last": last, "reason": reason}
    stamp = (wall or datetime.now(UTC)).isoformat()
    return Entry(run, GAP, last, stamp, canonical(content))
