"""Hand-shakes between skids: a pure state machine on each side of a transfer, and nothing else.

A transfer hands a product over from one skid to another, again and again; each time has a running number n,
from 1. Both sides publish where they stand; a side begins only on what it has heard of the other:

    side        states, in order                                            begins n when it hears
    deliverer   ready-to-deliver(n) -> delivering(n) -> delivered(n)        ready-to-receive(n) or more
    receiver    ready-to-receive(n) -> receiving(n) -> processing(n)        a line: delivering(n) or more;
                                                                            a vessel: delivered(n)

Through a line the receiver is ready when it has come to the phase. Through a vessel it is ready as soon as
the vessel is free: at the start, and again when the phase that empties it has ended.

What is published only ever grows (number first, state second), and what is heard is merged by the larger: a
message that is lost, late, doubled or out of order changes nothing that was known, and a side that comes back
from its journal goes on where it stood. So nothing is handed over twice, lost, or begun half-way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from minifactory.recipe.bound import BoundPhase, BoundTransfer


class Side(Enum):
    """Which end of a transfer."""

    DELIVERER = "deliverer"
    RECEIVER = "receiver"


class Handshake(Enum):
    """Where a side stands; the words of the design, and *delivered*, which the receiver waits for."""

    PROCESSING = "processing"
    READY_TO_DELIVER = "ready-to-deliver"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    READY_TO_RECEIVE = "ready-to-receive"
    RECEIVING = "receiving"


READY, UNDER_WAY, OVER = 1, 2, 3
_RANK = {
    Handshake.READY_TO_DELIVER: READY,
    Handshake.READY_TO_RECEIVE: READY,
    Handshake.DELIVERING: UNDER_WAY,
    Handshake.RECEIVING: UNDER_WAY,
    Handshake.DELIVERED: OVER,
    Handshake.PROCESSING: OVER,
}


@dataclass(frozen=True)
class TransferState:
    """What one side of a transfer says of itself.

    Parameters
    ----------
    transfer : str
        Its name in the recipe.
    skid, peer : str
        Whose side this is, and who is at the other end.
    side : Side
        Which end.
    state : Handshake
        Where it stands.
    number : int
        The running number that the state belongs to; 0 with *processing*: nothing has been handed over.
    volume : float
        m3 that flowed in the phase of this number so far.
    since : float
        Process time in s at which the state was entered.
    waiting : float or None
        Process time in s since when the skid has stood waiting for the other side; None: it does not.
    """

    transfer: str
    skid: str
    peer: str
    side: Side
    state: Handshake = Handshake.PROCESSING
    number: int = 0
    volume: float = 0.0
    since: float = 0.0
    waiting: float | None = None

    @property
    def order(self) -> tuple[int, int]:
        """What grows: number, then state."""
        return self.number, _RANK[self.state]

    @property
    def done(self) -> int:
        """How many times this side has finished."""
        return self.number if _RANK[self.state] == OVER else self.number - 1

    @property
    def text(self) -> str:
        """E.g. ``delivering 3``."""
        return f"{self.state.value} {self.number}"

    def as_dict(self) -> dict[str, object]:
        """For JSON; :func:`transfer_state` reads it."""
        return {**asdict(self), "side": self.side.value, "state": self.state.value}


def transfer_state(document: Mapping[str, Any]) -> TransferState:
    """The state in `document`.

    Raises
    ------
    KeyError, TypeError, ValueError
        When it is none.
    """
    waiting = document["waiting"]
    number = int(document["number"])
    if number < 0:
        raise ValueError(f"transfer number {number}")
    return TransferState(
        transfer=str(document["transfer"]),
        skid=str(document["skid"]),
        peer=str(document["peer"]),
        side=Side(document["side"]),
        state=Handshake(document["state"]),
        number=number,
        volume=float(document["volume"]),
        since=float(document["since"]),
        waiting=None if waiting is None else float(waiting),
    )


class Transfers:
    """The sides of one skid, and what it has heard of the others.

    Parameters
    ----------
    skid : str
        Its name.
    declared : iterable of BoundTransfer
        The transfers of the recipe that it takes part in.
    """

    def __init__(self, skid: str, declared: Iterable[BoundTransfer]) -> None:
        self._declared = {item.name: item for item in declared}
        self._own: dict[str, TransferState] = {}
        self._heard: dict[str, TransferState] = {}
        for item in self._declared.values():
            delivers = item.sender == skid
            own = Side.DELIVERER if delivers else Side.RECEIVER
            other = Side.RECEIVER if delivers else Side.DELIVERER
            peer = item.receiver if delivers else item.sender
            free = item.vessel is not None and not delivers
            state = Handshake.READY_TO_RECEIVE if free else Handshake.PROCESSING
            self._own[item.name] = TransferState(item.name, skid, peer, own, state, int(free))
            self._heard[item.name] = TransferState(item.name, peer, skid, other)

    def published(self) -> Mapping[str, TransferState]:
        """The own sides by transfer, to be passed on to the peers."""
        return dict(self._own)

    def heard(self) -> Mapping[str, TransferState]:
        """The peers' sides, as far as they are known."""
        return dict(self._heard)

    def hear(self, states: Mapping[str, TransferState]) -> None:
        """Take over what peers publish; what is not newer than what is known changes nothing."""
        for name, state in states.items():
            known = self._heard.get(name)
            if known is None or (state.skid, state.side) != (known.skid, known.side):
                continue
            if state.order > known.order:
                self._heard[name] = state
            elif state.order == known.order:
                self._heard[name] = replace(state, volume=max(state.volume, known.volume))

    def arrive(self, phase: BoundPhase, time: float) -> None:
        """The skid has come to `phase` at process time `time` (s): say so to the peer."""
        if phase.delivers:
            self._reach(phase.delivers, Handshake.READY_TO_DELIVER, time)
        if phase.receives:
            self._reach(phase.receives, Handshake.READY_TO_RECEIVE, time)

    def _reach(self, name: str, state: Handshake, time: float) -> None:
        own = self._own[name]
        if own.order[1] == OVER:
            own = replace(own, state=state, number=own.number + 1, volume=0.0, since=time)
        self._own[name] = replace(own, waiting=time)

    def shut(self, phase: BoundPhase) -> tuple[str, ...]:
        """Transfers that keep `phase` from beginning now; empty: it may begin."""
        return tuple(name for name in (phase.delivers, phase.receives) if name and not self._open(name))

    def _open(self, name: str) -> bool:
        own, peer = self._own[name], self._heard[name]
        needed = READY
        if own.side is Side.RECEIVER:
            needed = UNDER_WAY if self._declared[name].vessel is None else OVER
        if own.side is Side.DELIVERER and peer.order >= (own.number, OVER):
            return False  # it has been received: our own memory is behind, and a person must look
        return peer.order >= (own.number, needed)

    def disagreement(self, phase: BoundPhase) -> str:
        """What cannot be, told by the numbers of both sides (a journal was lost); empty when all is well."""
        name = phase.delivers
        if name is None:
            return ""
        own, peer = self._own[name], self._heard[name]
        if own.order[1] != OVER and peer.order >= (own.number, OVER):
            return f"{peer.skid} has received {name} {own.number}, but {own.skid} has not delivered it"
        return ""

    def begin(self, phase: BoundPhase, time: float) -> None:
        """`phase` begins at `time` (s of process time)."""
        for name, state in (
            (phase.delivers, Handshake.DELIVERING),
            (phase.receives, Handshake.RECEIVING),
        ):
            if name:
                self._own[name] = replace(self._own[name], state=state, since=time, waiting=None)

    def count(self, phase: BoundPhase, volume: float) -> None:
        """So much (m3) has flowed in `phase`."""
        for name in (phase.delivers, phase.receives):
            if name:
                self._own[name] = replace(self._own[name], volume=volume)

    def end(self, phase: BoundPhase, time: float, volume: float) -> None:
        """`phase` has ended at `time` (s of process time) after `volume` (m3)."""
        if phase.delivers:
            own = self._own[phase.delivers]
            self._own[phase.delivers] = replace(own, state=Handshake.DELIVERED, volume=volume, since=time)
        if phase.receives:
            own = self._own[phase.receives]
            own = replace(own, state=Handshake.PROCESSING, volume=volume, since=time)
            if self._declared[phase.receives].vessel is not None:
                ready, number = Handshake.READY_TO_RECEIVE, own.number + 1
                own = replace(own, state=ready, number=number, volume=0.0)
            self._own[phase.receives] = own

    def delivered(self, name: str) -> bool:
        """Whether the delivery that is being received, or comes next, is complete (on the deliverer's side:
        whether the one that it last began is)."""
        own = self._own[name]
        if own.side is Side.DELIVERER:
            return own.state is Handshake.DELIVERED
        number = own.number + (own.order[1] == OVER)
        return self._heard[name].order >= (number, OVER)

    def memory(self) -> dict[str, object]:
        """What a restart needs, for :meth:`recall`."""
        return {
            "own": [item.as_dict() for item in self._own.values()],
            "heard": [item.as_dict() for item in self._heard.values()],
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take up what :meth:`memory` gave for the same recipe."""
        for kept, saved in ((self._own, memory["own"]), (self._heard, memory["heard"])):
            for document in saved:
                state = transfer_state(document)
                if state.transfer in kept:
                    kept[state.transfer] = state


@dataclass(frozen=True)
class Wait:
    """A skid that stands waiting for another; `since` in s of process time."""

    skid: str
    peer: str
    transfer: str
    number: int
    since: float

    def __str__(self) -> str:
        return f"{self.skid} waits for {self.peer} ({self.transfer} {self.number})"


def waits(states: Iterable[TransferState]) -> tuple[Wait, ...]:
    """Who waits for whom, by what the skids publish."""
    return tuple(
        Wait(item.skid, item.peer, item.transfer, item.number, item.waiting)
        for item in states
        if item.waiting is not None
    )


def circles(found: Iterable[Wait]) -> tuple[tuple[Wait, ...], ...]:
    """Every closed circle of waits: none of those in it will ever go on by itself."""
    by_skid: dict[str, Wait] = {item.skid: item for item in found}
    circle: list[tuple[Wait, ...]] = []
    seen: set[str] = set()
    for start in by_skid:
        way: list[str] = []
        here = start
        while here in by_skid and here not in seen and here not in way:
            way.append(here)
            here = by_skid[here].peer
        if here in way:
            circle.append(tuple(by_skid[name] for name in way[way.index(here) :]))
        seen.update(way)
    return tuple(circle)
