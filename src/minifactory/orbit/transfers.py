"""Hand-shakes in the scan: what peers say goes in before the conditions, what may be told goes out after.

Peers are told nothing that the journal does not hold: a controller that dies and comes back never stands
behind what it has said. A transfer that waits in vain is alarmed, with who waits for whom: a silent or ended
peer, a closed circle of waits, numbers that do not fit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.current import Current
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.levels import Levels
from minifactory.orbit.policy import Reaction
from minifactory.recipe.procedure import Procedure
from minifactory.recipe.transfers import TransferState, circles, transfer_state, waits
from minifactory.records.documents import Priority
from minifactory.signals.shown import duration

SILENT_AFTER = 5.0
"""s of link time after which a peer that has said nothing counts as silent."""
LONG = 1800.0
"""s of running time by which a wait may exceed what is expected; then it is told, with what the peer does."""
CLOSED_FOR = 5
"""Scans for which a circle of waits must stand: by then every word of a peer has arrived."""
KEPT = 3
"""Scans whose words are kept: in lock-step a peer may be one behind, and takes the word of its own time."""
TRANSFER, DEADLOCK = "Transfer", "Deadlock"
OVER = frozenset({"Complete", "Stopped", "Aborted"})


@dataclass(frozen=True)
class Word:
    """What a controller says to its peers.

    Parameters
    ----------
    skid, run_state, phase : str
        Who, its ISA-88 state, and the path of its phase.
    states : tuple of TransferState
        Where it stands in its transfers, as far as its journal holds it.
    measured : Mapping
        What it has measured for controllers that decide on another skid.
    vessels : Mapping of str to (float, float)
        m3 that it has drawn from and delivered to each vessel so far.
    read : Mapping of str to (float, float)
        What vessels hold by sensors that it reads: m3, and the standard deviation.
    positions : Mapping of str to float
        How its valves stand through which streams of others run, as ``skid.Valve.Position``.
    time : float
        s of process time of the scan that says it.
    heard : float
        s of link time at which it was heard; not told.
    """

    skid: str
    run_state: str
    phase: str = ""
    states: tuple[TransferState, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    vessels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    read: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    positions: Mapping[str, float] = field(default_factory=dict)
    time: float = 0.0
    heard: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON; :func:`word` reads it."""
        return {
            "skid": self.skid,
            "run_state": self.run_state,
            "phase": self.phase,
            "states": [item.as_dict() for item in self.states],
            "measured": dict(self.measured),
            "vessels": {name: list(pair) for name, pair in self.vessels.items()},
            "read": {name: list(pair) for name, pair in self.read.items()},
            "positions": dict(self.positions),
            "time": self.time,
        }


def word(document: Mapping[str, Any]) -> Word:
    """The word in `document`.

    Raises
    ------
    KeyError, TypeError, ValueError
        When it is none.
    """
    return Word(
        str(document["skid"]),
        str(document["run_state"]),
        str(document["phase"]),
        tuple(transfer_state(item) for item in document["states"]),
        dict(document["measured"]),
        _pairs(document["vessels"]),
        _pairs(document["read"]),
        {str(name): float(value) for name, value in document["positions"].items()},
        float(document["time"]),
    )


def _pairs(document: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {str(name): (float(pair[0]), float(pair[1])) for name, pair in document.items()}


class Exchange:
    """The hand-shakes of one engine.

    Attributes
    ----------
    said : Word
        What peers may be told; replaced as a whole, safe to read in any thread.
    lately : tuple of Word
        The words of the last scans, the newest last; replaced as a whole, too.
    shown : tuple of str
        Valves whose positions peers need to know.
    expected : Mapping of str to float
        s for which phases (by path) are expected to wait; others are not.
    """

    def __init__(self, skid: str, lock_step: bool) -> None:
        self.said = Word(skid, "Idle")
        self.lately: tuple[Word, ...] = ()
        self.shown: tuple[str, ...] = ()
        self.expected: Mapping[str, float] = {}
        self._skid, self._lock_step = skid, lock_step
        self._words: dict[str, Word] = {}
        self._lock = threading.Lock()
        self._closed = 0
        self._heard: dict[str, float] = {}

    def tell(self, said: Word, link: float) -> None:
        """A peer has said this at `link` (s of link time); any thread."""
        with self._lock:
            self._words[said.skid] = replace(said, heard=link)

    def words(self) -> Mapping[str, Word]:
        """What every peer has said last."""
        with self._lock:
            return dict(self._words)

    def hear(self, procedure: Procedure, levels: Levels, process: float) -> None:
        """Take over what the peers have said since the last scan (`process` in s)."""
        mine = procedure.heard()
        for said in self.words().values():
            procedure.hear({item.transfer: item for item in said.states if item.transfer in mine})
            procedure.control.hear(said.measured, process)
        self.hear_levels(levels)

    def hear_levels(self, levels: Levels) -> None:
        """Take over what peers have drawn, delivered and read of vessels; a reading once, while it is new."""
        for said in self.words().values():
            fresh = said.time != self._heard.get(said.skid)
            self._heard[said.skid] = said.time
            levels.hear(said.skid, said.vessels, said.read if fresh else {})

    def position(self, tag: str) -> float | None:
        """How a peer's valve stands (``skid.Valve.Position``), as it said last; None when nobody has."""
        said = self.words().get(tag.partition(".")[0])
        return None if said is None else said.positions.get(tag)

    def publish(
        self, time: float, current: Current, run_state: str, image: Image, safe: Callable[[], bool]
    ) -> None:
        """Let peers know where the run stands at `time` (s of process time); of its transfers only what the
        journal holds."""
        procedure, levels = current.procedure, current.levels
        states = tuple(procedure.published().values())
        if [item.order for item in states] != [item.order for item in self.said.states] and not safe():
            states = self.said.states
        told = procedure.control.published()
        stand = {f"{self._skid}.{name}.Position": image.last(f"{name}.Position") for name in self.shown}
        known = {tag: value for tag, value in stand.items() if value is not None}
        self.said = Word(
            self._skid,
            run_state,
            procedure.phase_path,
            states,
            told,
            levels.ever(),
            levels.read(),
            known,
            time,
        )
        self.lately = (*self.lately[1 - KEPT :], self.said)

    def guard(self, current: Current, time: float, link: float, alarms: Alarms) -> list[Demand]:
        """Alarm a wait that lasts or cannot end; what is demanded where it cannot: that the run is held.

        `time` is in s of the run, `link` in s of link time.
        """
        procedure = current.procedure
        hopeless, slow = self._reasons(procedure, link) if procedure.waiting else ([], [])
        demands = []
        if hopeless:
            text = "; ".join(hopeless)
            fresh = alarms.set(TRANSFER, Priority.HIGH, text, time)
            demands.append(Demand(TRANSFER, Reaction.HOLD, text, fresh))
        elif slow:
            alarms.set(TRANSFER, Priority.MEDIUM, "; ".join(slow), time)
        else:
            alarms.clear(TRANSFER)
        return demands + self._look_for_circles(procedure, time, alarms)

    def _reasons(self, procedure: Procedure, link: float) -> tuple[list[str], list[str]]:
        """Why a wait cannot end, and why it lasts."""
        if procedure.disagreement:
            return [procedure.disagreement], []
        hopeless, slow = [], []
        words, own = self.words(), procedure.published()
        for name in procedure.waits:
            item = own[name]
            said = words.get(item.peer)
            what = f"{procedure.phase_path} waits for {item.peer} ({name} {item.number})"
            if said is None:
                if procedure.phase_time > SILENT_AFTER:
                    slow.append(f"{what}, which has not been heard of")
            elif not self._lock_step and link - said.heard > SILENT_AFTER:
                slow.append(f"{what}, which is silent for {duration(round(link - said.heard))}")
            elif said.run_state in OVER:
                hopeless.append(f"{what}, which is {said.run_state}: it will not come")
            elif procedure.phase_time > self.expected.get(procedure.phase_path, 0.0) + LONG:
                waited = duration(round(procedure.phase_time / 60.0) * 60.0)
                slow.append(f"{what} for {waited}; it is {said.run_state} in {said.phase or 'no phase'}")
        return hopeless, slow

    def _look_for_circles(self, procedure: Procedure, time: float, alarms: Alarms) -> list[Demand]:
        said = [item for word in self.words().values() for item in word.states]
        own = list(procedure.published().values()) if procedure.waiting else []
        shut = set(procedure.waits)
        mine = [item for item in own if item.transfer in shut]
        closed = [
            circle
            for circle in circles(waits([*(item for item in said if item.skid != self._skid), *mine]))
            if any(item.skid == self._skid for item in circle)
        ]
        self._closed = self._closed + 1 if closed else 0
        if self._closed >= CLOSED_FOR:
            text = f"no skid of these can go on: {'; '.join(str(item) for item in closed[0])}"
            fresh = alarms.set(DEADLOCK, Priority.CRITICAL, text, time)
            return [Demand(DEADLOCK, Reaction.HOLD, text, fresh)]
        if not closed:
            alarms.clear(DEADLOCK)
        return []
