"""What another controller tells its peers, read at its desk or subscribed to there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from asyncua import ua

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.browse_path import path_of
from minifactory.opcua.browsing import NameBrowser, read_attributes
from minifactory.opcua.desk import FOLDER, NAMESPACE, WORDS
from minifactory.opcua.session import Session, Target, open_session

PUBLISHING = 100.0
"""ms between two messages of a subscription at least."""


async def _words_node(session: Session) -> ua.NodeId:
    browser = await NameBrowser.connect(session, [NAMESPACE])
    (node,) = await browser.find([path_of(NAMESPACE, (FOLDER, WORDS))])
    if node is None:
        raise EquipmentError(
            Finding(session.target.url, "it tells peers nothing", "the desk of a controller")
        )
    return node


class WordsReader:
    """Reads a peer's words in lock-step: one round trip each, in the calling thread, nothing between two."""

    def __init__(self, target: Target) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._session: Session = self._loop.run_until_complete(open_session(target))
            self._node = self._loop.run_until_complete(_words_node(self._session))
        except BaseException:
            self._loop.close()
            raise

    def read(self) -> str:
        """The words as they are now (JSON); EquipmentError when the peer does not answer."""
        asked = [(self._node, ua.AttributeIds.Value)]
        (value,) = self._loop.run_until_complete(read_attributes(self._session, asked))
        return str(value.Value.Value or "[]")

    def close(self) -> None:
        """End the session; idempotent."""
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._session.abort())
            self._loop.close()


class WordsListener:
    """Subscribes to a peer's words, in a thread of its own, and comes back when the peer does.

    Parameters
    ----------
    target : callable
        Where the peer is now; None: nobody knows yet. Asked before each attempt.
    hear : callable
        Given the words (JSON) when they change, in the listener's thread.
    retry : float
        s of real time between two attempts.
    """

    def __init__(
        self, target: Callable[[], Target | None], hear: Callable[[str], None], retry: float = 0.5
    ) -> None:
        self._target, self._hear, self._retry = target, hear, retry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; idempotent."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        while not self._stop.is_set():
            target = self._target()
            if target is not None:
                # While the peer is away, the exchange tells how long it has been silent.
                with suppress(EquipmentError):
                    await self._subscribed(target)
            await asyncio.sleep(self._retry)

    async def _subscribed(self, target: Target) -> None:
        session = await open_session(target)
        try:
            node = await _words_node(session)
            subscription = await session.within(session.subscribe(PUBLISHING, self))
            await session.within(subscription.subscribe_data_change(session.node(node)))
            while not self._stop.is_set() and session.is_open and self._target() == target:
                await asyncio.sleep(self._retry)
        finally:
            await session.close()

    def datachange_notification(self, _node: Any, value: Any, _data: Any) -> None:
        """The stack's call-back."""
        self._hear(str(value or "[]"))
