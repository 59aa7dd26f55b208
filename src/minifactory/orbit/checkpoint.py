"""What must be known of a run to take it up again in another process: the content of a journal record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from minifactory.errors import Finding, InputError


@dataclass(frozen=True)
class OpenInstruction:
    """An instruction that had been asked for and not been seen to end (arguments in SI)."""

    number: int
    name: str
    arguments: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood in one scan.

    `time` is process time in s since the start of the run, `phase_started` likewise; volumes in m3. `fired`
    are the watches of the phase that have fired, `memory` what its conditions remember. `contents` is what
    each vessel held at the start, with what was told since. `closed` are instructions that were completed so
    lately that the record may not tell it yet. `collecting` tells since when (s since the start)
    the outlet's vessel has received, and how much (m3), `turning` the next vessel and the values (SI) of the
    valves that will show that it receives. `device_time` (s) and `device_volume` (m3) are
    the equipment's own counters, by which the gap of a restart is measured. `answers` are those to the
    recipe's inputs, `waiting_at` the position of the phase that waits for some;
    `authority` tells who holds what, `hold` what ends a hold.
    """

    run: str
    recipe: str
    version: str
    skid: str
    origin: str
    state: str
    time: float
    wall: str
    position: int
    phase_started: float
    phase_time: float
    phase_volume: float
    fired: tuple[str, ...] = ()
    memory: tuple[object, ...] = ()
    wanted: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    number: int = 0
    open: tuple[OpenInstruction, ...] = ()
    closed: tuple[OpenInstruction, ...] = ()
    gradient: tuple[float, float, float, bool] = (0.0, 0.0, 0.0, False)
    consumed: Mapping[str, float] = field(default_factory=dict)
    received: Mapping[str, float] = field(default_factory=dict)
    outlet: str | None = None
    collecting: tuple[float, float] | None = None
    turning: tuple[str, Mapping[str, float]] | None = None
    contents: Mapping[str, float] = field(default_factory=dict)
    washing: bool = False
    device_time: float | None = None
    device_volume: float | None = None
    ended: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)
    waiting_at: int | None = None
    authority: Mapping[str, Any] = field(default_factory=dict)
    hold: Mapping[str, Any] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, object]:
        """As a journal record."""
        return asdict(self)


def checkpoint_of(record: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint in a journal record.

    Raises
    ------
    InputError
        When it was written by another version and cannot be understood.
    """
    try:
        values = dict(record)
        values["open"] = tuple(OpenInstruction(**item) for item in values["open"])
        values["closed"] = tuple(OpenInstruction(**item) for item in values.get("closed", ()))
        values["fired"], values["memory"] = tuple(values["fired"]), tuple(values["memory"])
        target, volume, passed, running = values["gradient"]
        values["gradient"] = (float(target), float(volume), float(passed), bool(running))
        if (collecting := values.get("collecting")) is not None:
            values["collecting"] = (float(collecting[0]), float(collecting[1]))
        if (turning := values.get("turning")) is not None:
            values["turning"] = (str(turning[0]), dict(turning[1]))
        return Checkpoint(**values)
    except (KeyError, TypeError, ValueError) as fault:
        found = f"a record that this version cannot read ({fault})"
        raise InputError(Finding("journal", found, remedy="Make the skid safe by hand.")) from fault
