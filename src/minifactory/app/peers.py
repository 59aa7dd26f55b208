"""An Orbit as a client of its peers: what they tell at their desks goes into its exchange.

Where a peer is, it says itself in a small file in the folder of the plant's run. When its run
has ended it leaves its last words in that file, so that nobody has to wait for those who listen late. In
lock-step the words of the scan before are read after each advance, so that the same run comes out every time;
where process time runs by itself, they are subscribed to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.session import Target
from minifactory.opcua.words import WordsListener, WordsReader
from minifactory.orbit.transfers import Exchange, Word, word
from minifactory.records.whole_file import write_whole

ORBITS = "orbits"
"""Folder, in that of the plant's run, with a file for each Orbit that says where its desk is."""
AGAIN_AFTER = 1.0
"""s of real time between two attempts to reach a peer at the same address."""
NOW = 1e-6
"""s of process time: two times closer than this are the same."""


def say_where(folder: Path, skid: str, endpoint: str) -> None:
    """Tell peers, in the folder of the plant's run, where the desk of `skid` is; whole or not at all."""
    _say(folder, skid, {"skid": skid, "endpoint": endpoint, "pid": os.getpid()})


def say_left(folder: Path, skid: str, words: str) -> None:
    """Tell peers that `skid` has left its desk, and its last `words` (JSON); whole or not at all."""
    _say(folder, skid, {"skid": skid, "left": words})


def _say(folder: Path, skid: str, said: Mapping[str, object]) -> None:
    write_whole(folder / ORBITS / f"{skid}.json", json.dumps(said), "where an Orbit is")


def _said(folder: Path, skid: str, what: str) -> str:
    try:
        return str(json.loads((folder / ORBITS / f"{skid}.json").read_text(encoding="utf-8")).get(what, ""))
    except (OSError, ValueError, AttributeError):
        return ""


def where(folder: Path, skid: str) -> str:
    """Where the desk of `skid` is, as it said last; empty when it has not, or has left."""
    return _said(folder, skid, "endpoint")


def left(folder: Path, skid: str) -> str:
    """The last words (JSON) of `skid` when it has left its desk; empty while it has not."""
    return _said(folder, skid, "left")


def words(text: str) -> list[Word]:
    """The words in a peer's document, oldest first; those that are none are left out."""
    found = []
    try:
        documents = json.loads(text)
    except ValueError:
        return []
    for document in documents if isinstance(documents, list) else []:
        try:
            found.append(word(document))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


class Peers(Protocol):
    """The others of a plant, from the side of one Orbit."""

    def advanced(self, process_time: float) -> None:
        """Process time has come to `process_time` (s)."""

    def close(self) -> None:
        """Listen no more."""


class Addresses:
    """Where the peers are, by the folder of the plant's run; they are spoken to under our `identity`."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self._folder, self._identity = folder, identity

    def target(self, skid: str) -> Target | None:
        """The desk of `skid`; None while nobody knows where it is."""
        url = where(self._folder, skid)
        return Target(url, self._identity) if url else None

    def left(self, skid: str) -> str:
        """The words (JSON) with which `skid` has left its desk; empty: it has not."""
        return left(self._folder, skid)


class ReadPeers:
    """Peers in lock-step.

    Parameters
    ----------
    addresses : Addresses
        Where they are.
    skids : sequence of str
        The peers.
    exchange : Exchange
        Told what the peers say.
    """

    def __init__(self, addresses: Addresses, skids: tuple[str, ...], exchange: Exchange) -> None:
        self._addresses, self._exchange = addresses, exchange
        self._readers: dict[str, WordsReader] = {}
        self._tried: dict[str, tuple[str, float]] = {}
        self._skids = skids

    def advanced(self, process_time: float) -> None:
        """Hear what every peer said in the scan before `process_time` (s)."""
        for skid in self._skids:
            found = [item for item in self._read(skid) if item.time < process_time - NOW]
            if found:
                self._exchange.tell(found[-1], process_time)

    def close(self) -> None:
        """Hang up."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _read(self, skid: str) -> list[Word]:
        reader = self._readers.get(skid) or self._reach(skid)
        if reader is None:
            return words(self._addresses.left(skid))
        try:
            return words(reader.read())
        except EquipmentError:
            self._readers.pop(skid).close()
            return words(self._addresses.left(skid))

    def _reach(self, skid: str) -> WordsReader | None:
        target, now = self._addresses.target(skid), time.monotonic()
        before, at = self._tried.get(skid, ("", 0.0))
        if target is None or (target.url == before and now - at < AGAIN_AFTER):
            return None
        self._tried[skid] = target.url, now
        try:
            self._readers[skid] = reader = WordsReader(target)
        except EquipmentError:
            return None  # it is away; what it said last stays known, and the plant waits for it
        return reader


class HeardPeers:
    """Peers where process time runs by itself; parameters as of :class:`ReadPeers`.

    `link` gives link time in s.
    """

    def __init__(
        self, addresses: Addresses, skids: tuple[str, ...], exchange: Exchange, link: Callable[[], float]
    ) -> None:
        self._addresses, self._exchange, self._link = addresses, exchange, link
        self._listeners = [WordsListener(partial(self._look_for, skid), self._hear) for skid in skids]

    def _look_for(self, skid: str) -> Target | None:
        if text := self._addresses.left(skid):
            self._hear(text)
        return self._addresses.target(skid)

    def _hear(self, text: str) -> None:
        for said in words(text)[-1:]:
            self._exchange.tell(said, self._link())

    def advanced(self, process_time: float) -> None:
        """Nothing: they speak by themselves."""

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.close()
