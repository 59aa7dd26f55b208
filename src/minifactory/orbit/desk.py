"""The operator's desk: requests from any thread, carried out by the scan in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Reply:
    """The answer to a request; `accepted` is None until the scan has dealt with it."""

    accepted: bool | None = None
    message: str = ""
    _answered: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` s for the answer; True when the request was accepted."""
        self._answered.wait(timeout)
        return self.accepted is True

    def answer(self, accepted: bool, message: str) -> None:
        """Set the answer; called once, by the scan."""
        self.accepted, self.message = accepted, message
        self._answered.set()


@dataclass(frozen=True)
class Request:
    """What somebody asked: `text` for the record, `act` raises InputError to refuse and returns what was
    done.

    `defer` tells that the request cannot be decided yet and is to be tried again in the next scan.
    """

    text: str
    actor: str
    act: Callable[[], str]
    reply: Reply = field(default_factory=Reply)
    defer: Callable[[], bool] | None = None


class Desk:
    """Requests in line."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()

    def put(self, request: Request) -> Reply:
        """Line `request` up; safe in every thread and in a signal handler."""
        self._requests.append(request)
        return request.reply

    @property
    def waiting(self) -> bool:
        """Whether a request has not been decided."""
        return bool(self._requests)

    def take(self) -> list[Request]:
        """All requests that can be decided now, oldest first; the others wait without holding anyone up."""
        if not self._requests:
            return []
        waiting: list[Request] = []
        taken: list[Request] = []
        while self._requests:
            request = self._requests.popleft()
            (waiting if request.defer is not None and request.defer() else taken).append(request)
        self._requests.extendleft(reversed(waiting))
        return taken
