"""An Orbit as a client of its peers: what they tell at their desks goes into its exchange.

Where a peer is, it says itself in a small file in the folder of the plant's run, or it is given. In lock-step
the words of the scan before are read after each advance, so that the same run comes out every time; where
process time runs by itself, they are subscribed to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.session import Target
from minifactory.opcua.words import WordsListener, WordsReader
from minifactory.orbit.transfers import OVER, Exchange, Word, word

ORBITS = "orbits"
"""Folder, in that of the plant's run, with a file for each Orbit that says where its desk is."""
AGAIN_AFTER = 1.0
"""s of real time between two attempts to reach a peer at the same address."""
NOW = 1e-6
"""s of process time: two times closer than this are the same."""


def say_where(folder: Path, skid: str, endpoint: str) -> None:
    """Tell peers, in the folder of the plant's run, where the desk of `skid` is; whole or not at all."""
    place = folder / ORBITS
    place.mkdir(parents=True, exist_ok=True)
    fresh = place / f".{skid}.json"
    fresh.write_text(json.dumps({"skid": skid, "endpoint": endpoint, "pid": os.getpid()}), encoding="utf-8")
    fresh.replace(place / f"{skid}.json")


def where(folder: Path, skid: str) -> str:
    """Where the desk of `skid` is, as it said last; empty when it has not."""
    try:
        text = (folder / ORBITS / f"{skid}.json").read_text(encoding="utf-8")
        return str(json.loads(text)["endpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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

    def over(self) -> bool:
        """Whether the run of every one of them has ended."""

    def close(self) -> None:
        """Listen no more."""


class _Addresses:
    def __init__(self, folder: Path, given: Mapping[str, str], identity: Identity) -> None:
        self._folder, self._given, self._identity = folder, given, identity

    def target(self, skid: str) -> Target | None:
        url = self._given.get(skid) or where(self._folder, skid)
        return Target(url, self._identity) if url else None


class ReadPeers:
    """Peers in lock-step.

    Parameters
    ----------
    folder : Path
        Of the plant's run.
    skids : sequence of str
        The peers.
    given : Mapping of str to str
        URL of a peer's desk, where it is known beforehand.
    identity : Identity
        Our own.
    exchange : Exchange
        Told what the peers say.
    """

    def __init__(
        self,
        folder: Path,
        skids: tuple[str, ...],
        given: Mapping[str, str],
        identity: Identity,
        exchange: Exchange,
    ) -> None:
        self._addresses = _Addresses(folder, given, identity)
        self._exchange = exchange
        self._readers: dict[str, WordsReader] = {}
        self._tried: dict[str, tuple[str, float]] = {}
        self._states = dict.fromkeys(skids, "")

    def advanced(self, process_time: float) -> None:
        """Hear what every peer said in the scan before `process_time` (s)."""
        for skid in self._states:
            found = [item for item in self._read(skid) if item.time < process_time - NOW]
            if found:
                self._exchange.tell(found[-1], process_time)
                self._states[skid] = found[-1].run_state

    def over(self) -> bool:
        """Whether the run of every peer has ended."""
        for skid in self._states:
            for said in self._read(skid):
                self._states[skid] = said.run_state
        return all(state in OVER for state in self._states.values())

    def close(self) -> None:
        """Hang up."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _read(self, skid: str) -> list[Word]:
        reader = self._readers.get(skid) or self._reach(skid)
        if reader is None:
            return []
        try:
            return words(reader.read())
        except EquipmentError:
            self._readers.pop(skid).close()
            return []

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
        self,
        folder: Path,
        skids: tuple[str, ...],
        given: Mapping[str, str],
        identity: Identity,
        exchange: Exchange,
        link: Callable[[], float],
    ) -> None:
        addresses = _Addresses(folder, given, identity)
        self._exchange, self._link = exchange, link
        self._states = dict.fromkeys(skids, "")
        self._listeners = [
            WordsListener(lambda skid=skid: addresses.target(skid), self._hear)  # type: ignore[misc]
            for skid in skids
        ]

    def _hear(self, text: str) -> None:
        for said in words(text)[-1:]:
            self._exchange.tell(said, self._link())
            self._states[said.skid] = said.run_state

    def advanced(self, process_time: float) -> None:
        """Nothing: they speak by themselves."""

    def over(self) -> bool:
        """Whether the run of every peer has ended."""
        return all(state in OVER for state in self._states.values())

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.close()
