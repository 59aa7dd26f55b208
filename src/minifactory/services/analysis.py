"""Quality analysis: a queue of samples on one shared analyser; results come back later, and none is lost.

The order of work is priority, then due time, then the order of arrival; an analysis that has begun is
finished. The analyser works on by itself while the service is away. An order carries the client's own key, so
that asking again after a lost link gives the same analysis. Time is an argument (s).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.services.ledger import Ledger, MemoryLedger

Values = Mapping[str, float]


@dataclass(frozen=True)
class AnalysisKind:
    """A type of analysis: name and how long it occupies the analyser, s."""

    name: str
    duration: float


@dataclass(frozen=True)
class AnalysisOrder:
    """A sample in the queue.

    Parameters
    ----------
    number : int
        Running number of the service.
    client, key : str
        Who asked, and by which name of his own.
    kind : str
        Type of analysis.
    sample : Mapping of str to float
        What is known of it (cycle, position in the flow path, ...), handed back with the result.
    priority : int
        0 is the most urgent.
    due : float
        s; the result is wanted by then.
    placed : float
        s.
    """

    number: int
    client: str
    key: str
    kind: str
    sample: Values
    priority: int
    due: float
    placed: float

    @property
    def urgency(self) -> tuple[int, float, int]:
        """What the queue is sorted by."""
        return self.priority, self.due, self.number


@dataclass(frozen=True)
class AnalysisResult:
    """What came out, and when (s)."""

    order: AnalysisOrder
    values: Values
    begun: float
    finished: float


Instrument = Callable[[AnalysisOrder], Values]
"""Gives the values of a sample when its analysis has ended."""


@dataclass
class AnalysisService:
    """One analyser and its queue.

    Parameters
    ----------
    kinds : sequence of AnalysisKind
    instrument : callable
    ledger : Ledger
        What has happened; one that is not empty is taken up.

    Raises
    ------
    InputError
        When a kind has no duration, or the ledger is of another service.
    """

    kinds: Mapping[str, AnalysisKind]
    instrument: Instrument
    ledger: Ledger = field(default_factory=MemoryLedger)
    waiting: dict[int, AnalysisOrder] = field(default_factory=dict, init=False)
    results: list[AnalysisResult] = field(default_factory=list, init=False)
    running: tuple[AnalysisOrder, float] | None = field(default=None, init=False)
    free: float = field(default=-math.inf, init=False)
    _known: dict[tuple[str, str], AnalysisOrder] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        bad = [item.name for item in self.kinds.values() if not 0.0 < item.duration < math.inf]
        if bad:
            raise InputError(
                Finding("analysis service", f"no duration of {', '.join(bad)}", "a positive time")
            )
        for event in self.ledger.events():
            self._replay(event)

    def order(
        self,
        client: str,
        key: str,
        kind: str,
        now: float,
        *,
        sample: Values | None = None,
        priority: int = 5,
        due: float = math.inf,
    ) -> AnalysisOrder:
        """The order, safe on disk; the one that there is, when `client` has used `key` before.

        Raises
        ------
        InputError
            Unknown kind, or a key that was used for another kind.
        """
        before = self._known.get((client, key))
        if before is not None:
            if before.kind != kind:
                raise InputError(Finding(f"order {client} {key}", f"asked for {kind}", before.kind))
            return before
        if kind not in self.kinds:
            raise InputError(
                Finding(f"order {client} {key}", f'no analysis "{kind}"', ", ".join(self.kinds),
                        did_you_mean(kind, self.kinds))
            )  # fmt: skip
        made = AnalysisOrder(len(self._known) + 1, client, key, kind, dict(sample or {}), priority, due, now)
        self.ledger.write({"do": "order", **_document(made)})
        self._take(made)
        return made

    def advance(self, now: float) -> list[AnalysisResult]:
        """Work up to `now` (s); the results that have come since the last call."""
        fresh: list[AnalysisResult] = []
        while True:
            if self.running is not None:
                order, begun = self.running
                end = begun + self.kinds[order.kind].duration
                if end > now:
                    break
                values = dict(self.instrument(order))
                self.ledger.write({"do": "result", "number": order.number, "at": end, "values": values})
                fresh.append(self._finish(values, end))
            following = self._next(now)
            if following is None:
                break
            order, begin = following
            self.ledger.write({"do": "begin", "number": order.number, "at": begin})
            self._begin(order, begin)
        return fresh

    def next_event(self) -> float:
        """When (s) the analysis that runs will end; infinite when none does."""
        return (
            math.inf if self.running is None else self.running[1] + self.kinds[self.running[0].kind].duration
        )

    def expected(self, number: int, now: float) -> float:
        """When (s) the result of order `number` is expected, if nothing more urgent comes."""
        clock = max(now, self.next_event() if self.running is not None else now)
        if self.running is not None and self.running[0].number == number:
            return self.next_event()
        for item in sorted(self.waiting.values(), key=lambda order: order.urgency):
            clock += self.kinds[item.kind].duration
            if item.number == number:
                return clock
        return math.nan

    def _next(self, now: float) -> tuple[AnalysisOrder, float] | None:
        """The most urgent order that was there when the analyser became free, or the first to come after."""
        if not self.waiting:
            return None
        begin = max(self.free, min(item.placed for item in self.waiting.values()))
        if begin > now:
            return None
        there = [item for item in self.waiting.values() if item.placed <= begin]
        return min(there, key=lambda order: order.urgency), begin

    def _take(self, order: AnalysisOrder) -> None:
        self._known[order.client, order.key] = order
        self.waiting[order.number] = order

    def _begin(self, order: AnalysisOrder, at: float) -> None:
        del self.waiting[order.number]
        self.running = (order, at)

    def _finish(self, values: Values, at: float) -> AnalysisResult:
        assert self.running is not None
        order, begun = self.running
        self.running, self.free = None, at
        self.results.append(AnalysisResult(order, values, begun, at))
        return self.results[-1]

    def _replay(self, event: Mapping[str, Any]) -> None:
        what = event["do"]
        if what == "order":
            due = math.inf if event["due"] is None else float(event["due"])
            self._take(
                AnalysisOrder(
                    event["number"], event["client"], event["key"], event["kind"], event["sample"],
                    event["priority"], due, event["placed"],
                )
            )  # fmt: skip
            return
        if what == "begin" and event["number"] in self.waiting:
            self._begin(self.waiting[event["number"]], event["at"])
        elif what == "result" and self.running is not None and self.running[0].number == event["number"]:
            self._finish(event["values"], event["at"])
        else:
            raise InputError(Finding("analysis service", f"the ledger says {dict(event)}", "its own events"))


def _document(order: AnalysisOrder) -> dict[str, Any]:
    return {
        "number": order.number,
        "client": order.client,
        "key": order.key,
        "kind": order.kind,
        "sample": dict(order.sample),
        "priority": order.priority,
        "due": None if math.isinf(order.due) else order.due,
        "placed": order.placed,
    }
