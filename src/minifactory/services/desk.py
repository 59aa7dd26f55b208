"""The desk of the analysis service: requests of peers in words (JSON), decided under one lock.

    {"do": "order", "key": "cycle 4", "kind": "purity", "sample": {"cycle": 4}, "priority": 3, "due": 7200}
    {"do": "results", "after": 0}        results after this running number, also of orders that others placed
    {"do": "queue"}                      what runs, what waits, when each result is expected

The analyser is a virtual one: an analysis gives back what its sample is said to hold, when its time is over.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

from minifactory.errors import Finding, InputError, MiniFactoryError, did_you_mean
from minifactory.services.analysis import AnalysisOrder, AnalysisService

Said = tuple[bool, str, dict[str, Any]]


class AnalysisDesk:
    """Understands the requests to one analysis service; `now` gives a time in s that outlives a process."""

    def __init__(self, service: AnalysisService, now: Callable[[], float]) -> None:
        self._service, self._now = service, now
        self._lock = threading.Lock()
        self._words: Mapping[str, Callable[[str, Mapping[str, Any]], Said]] = {
            "order": self._order,
            "results": self._results,
            "queue": self._queue,
        }

    def tick(self) -> int:
        """Work up to now; the number of results so far."""
        with self._lock:
            self._service.advance(self._now())
            return len(self._service.results)

    def shown(self) -> Mapping[str, str]:
        """The texts that the server shows as variables."""
        with self._lock:
            running = self._service.running
            return {
                "State": "Idle" if running is None else "Running",
                "Reason": "",
                "Run": "analysis",
                "Phase": "" if running is None else f"{running[0].kind} for {running[0].client}",
                "Status": json.dumps(self._queue("", {})[2]),
            }

    def decide(self, owner: str, request: Mapping[str, Any]) -> Said:
        """Accepted or not, why, and the result; never raises for what a client may have sent."""
        word = str(request.get("do", ""))
        try:
            if word not in self._words:
                found = f'nothing is called "{word}"'
                raise InputError(Finding("analysis", found, remedy=did_you_mean(word, self._words)))
            with self._lock:
                self._service.advance(self._now())
                return self._words[word](owner.strip() or "unnamed client", request)
        except MiniFactoryError as fault:
            return False, str(fault), {}
        except (TypeError, ValueError) as fault:
            return False, f'analysis: the request "{word}" cannot be read ({fault})', {}

    def _order(self, owner: str, request: Mapping[str, Any]) -> Said:
        key, sample = str(request.get("key", "")), request.get("sample", {})
        if not key:
            raise InputError(
                Finding("order", "it has no key", "a name of your own, so that it can be repeated")
            )
        if not isinstance(sample, Mapping):
            raise InputError(Finding("order", "the sample is no mapping", "names and numbers"))
        values = {str(name): float(value) for name, value in sample.items()}
        due = float(request.get("due", math.inf))
        priority = int(request.get("priority", 5))
        if not all(map(math.isfinite, values.values())) or math.isnan(due) or not 0 <= priority <= 9:
            raise InputError(Finding("order", "a number that is none", "finite values, priority 0 to 9"))
        now = self._now()
        placed = self._service.order(
            owner, key, str(request.get("kind", "")), now, sample=values, priority=priority, due=now + due
        )
        self._service.advance(now)
        expected = self._service.expected(placed.number, now)
        result = {"number": placed.number, "expected_in": None if math.isnan(expected) else expected - now}
        return True, f"order {placed.number}: {placed.kind} for {owner}", result

    def _results(self, _owner: str, request: Mapping[str, Any]) -> Said:
        after = int(request.get("after", 0))
        found = [
            {**_shown(item.order), "place": place, "values": dict(item.values), "finished": item.finished}
            for place, item in enumerate(self._service.results, start=1)
            if place > after
        ]
        return True, f"{len(found)} results", {"results": found}

    def _queue(self, _owner: str, _request: Mapping[str, Any]) -> Said:
        service, now = self._service, self._now()
        running = None if service.running is None else _shown(service.running[0])
        waiting = [
            {**_shown(item), "expected_in": service.expected(item.number, now) - now}
            for item in sorted(service.waiting.values(), key=lambda order: order.urgency)
        ]
        done = len(service.results)
        text = f"{'nothing' if running is None else running['kind']} runs, {len(waiting)} wait, {done} done"
        return True, text, {"running": running, "waiting": waiting, "done": done}


def _shown(order: AnalysisOrder) -> dict[str, Any]:
    return {
        "number": order.number,
        "client": order.client,
        "key": order.key,
        "kind": order.kind,
        "sample": dict(order.sample),
        "priority": order.priority,
    }
