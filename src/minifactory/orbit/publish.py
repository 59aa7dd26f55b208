"""Publishing documents: every subscriber gets each of them at once and in order, and none can stop the
scan."""

from __future__ import annotations

import threading
from collections import deque

from minifactory.records.documents import Document, Subscriber


class Publisher:
    """Hands documents to subscribers and counts what they could not take.

    Attributes
    ----------
    dropped : int
        Documents that some subscriber refused or failed on.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send all further documents to `subscriber`, too."""
        self._subscribers = (*self._subscribers, subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send nothing more to `subscriber`; no effect when it is not subscribed."""
        self._subscribers = tuple(item for item in self._subscribers if item is not subscriber)

    @property
    def trouble(self) -> str:
        """What subscribers say is wrong on their side; empty when nothing is."""
        told = (str(getattr(subscriber, "trouble", "")) for subscriber in self._subscribers)
        return "; ".join(text for text in told if text)

    def publish(self, document: Document) -> None:
        """Offer `document` to all; a subscriber that raises has lost it, and the others have not."""
        for subscriber in self._subscribers:
            try:
                taken = subscriber.offer(document)
            except Exception:  # a page or a store that fails must never reach the scan
                taken = False
            if not taken:
                self.dropped += 1


class Mailbox:
    """A subscriber that keeps up to `capacity` documents for another thread; it refuses what does not fit."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._documents: deque[Document] = deque()
        self._arrived = threading.Condition()

    def offer(self, document: Document) -> bool:
        """Take `document` unless the box is full."""
        with self._arrived:
            if len(self._documents) >= self._capacity:
                return False
            self._documents.append(document)
            self._arrived.notify()
        return True

    def take(self, timeout: float | None = None) -> Document | None:
        """The oldest document, waiting up to `timeout` s (None: as long as it takes); None when there is
        none."""
        with self._arrived:
            if not self._documents:
                self._arrived.wait(timeout)
            return self._documents.popleft() if self._documents else None

    def drain(self) -> list[Document]:
        """Everything that is there, oldest first."""
        with self._arrived:
            documents = list(self._documents)
            self._documents.clear()
        return documents
