"""Faults that a virtual skid can be made to show, to prove that a controller notices.

They are reached through :meth:`VirtualSkid.inject` and the option ``--fault`` of the skid process, never
through the tag table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.signals import Quality, Tag, TagTable
from minifactory.units import PRESSURE, TIME, parse


class FaultKind(Enum):
    """What goes wrong."""

    FREEZE = "freeze"
    """The tag stands still, its time stamp goes on; without a tag the whole image and its time stand."""
    CONSTANT = "constant"
    """The tag shows a value that is not true, with quality Good."""
    NAN = "nan"
    """The tag shows not-a-number with quality Good."""
    BAD = "bad"
    """The tag's value is right, its quality Bad."""
    FAILED = "failed"
    """The sensor is broken: not-a-number with quality Bad."""
    PRESSURE = "pressure"
    """The true pressure is higher by a value, which may trip the hardware limit."""
    HOLD = "hold"
    """Somebody presses hold at the equipment, and continue at the end."""
    PAUSE = "pause"
    """Somebody presses pause at the equipment, and continue at the end."""
    END = "end"
    """Somebody ends the run at the equipment."""


@dataclass(frozen=True)
class Fault:
    """One fault from `start` until before `end` (process time in s); `value` in SI."""

    kind: FaultKind
    tag: str = ""
    value: float = 0.0
    start: float = 0.0
    end: float = math.inf

    def acts(self, time: float) -> bool:
        """Whether it is there at process time `time` (s)."""
        return self.start <= time < self.end


_FAULT = re.compile(
    r"(?P<kind>[a-z]+)(:(?P<tag>[^=@]+))?(=(?P<value>[^@]+))?@(?P<start>[^+]+)(\+(?P<duration>.+))?"
)
_BUTTONS = frozenset({FaultKind.HOLD, FaultKind.PAUSE, FaultKind.END})
_WITHOUT_TAG = _BUTTONS | {FaultKind.PRESSURE}
_NEEDS_VALUE = frozenset({FaultKind.CONSTANT, FaultKind.PRESSURE})


def parse_fault(text: str, table: TagTable) -> Fault:
    """The fault that `text` says: ``KIND[:TAG][=VALUE]@START[+DURATION]``.

    For example ``constant:UV1.Signal=50 mAU@20 min+60 s``, ``pressure=3 MPa@100 s+2 s``, ``freeze@10 min``.

    Raises
    ------
    InputError
        When it is not of this form, or names an unknown kind or tag.
    """
    where = f'fault "{text}"'
    found = _FAULT.fullmatch(text.strip())
    if found is None:
        raise InputError(
            Finding(
                where, "is not a fault", "KIND[:TAG][=VALUE]@START[+DURATION], e.g. nan:pH.Signal@60 s+10 s"
            )
        )
    kinds = {kind.value: kind for kind in FaultKind}
    if found["kind"] not in kinds:
        raise InputError(
            Finding(where, f'no fault "{found["kind"]}"', remedy=did_you_mean(found["kind"], kinds))
        )
    kind = kinds[found["kind"]]
    tag = _tag(found["tag"], kind, table, where)
    value = 0.0
    if kind in _NEEDS_VALUE:
        expected = PRESSURE if tag is None else tag.kind
        if tag is not None and tag.choices:
            value = float(tag.index((found["value"] or "").strip()))
        else:
            value = parse(found["value"], expected, where=where).value
    start = parse(found["start"], TIME, where=where).value
    end = start + parse(found["duration"], TIME, where=where).value if found["duration"] else math.inf
    return Fault(kind, "" if tag is None else tag.name, value, start, end)


def _tag(name: str | None, kind: FaultKind, table: TagTable, where: str) -> Tag | None:
    if name is None:
        if kind is FaultKind.FREEZE or kind in _WITHOUT_TAG:
            return None
        raise InputError(Finding(where, "names no tag", f"{kind.value}:TAG@..."))
    if kind in _WITHOUT_TAG:
        example = "pressure=3 MPa@100 s" if kind is FaultKind.PRESSURE else f"{kind.value}@100 s"
        raise InputError(Finding(where, f'{kind.value} takes no tag, found "{name}"', example))
    tag = table.tag(name)
    if tag.writable:
        raise InputError(Finding(where, f'"{name}" is a set-point', "a tag that is read"))
    return tag


class Buttons:
    """The buttons of the equipment itself, pressed and let go by faults."""

    def __init__(self) -> None:
        self._down: set[Fault] = set()

    def pressed(self, faults: Iterable[Fault], time: float) -> list[str]:
        """What is done at the equipment at process time `time` (s), each action once."""
        done = []
        for fault in faults:
            if fault.kind not in _BUTTONS:
                continue
            if fault.acts(time) and fault not in self._down:
                self._down.add(fault)
                done.append(fault.kind.value)
            elif time >= fault.end and fault in self._down:
                self._down.remove(fault)
                if fault.kind is not FaultKind.END:
                    done.append("continue")
        return done


def extra_pressure(faults: Iterable[Fault], time: float) -> float:
    """Pa that faults add to the true pressure at `time` (s)."""
    return sum(fault.value for fault in faults if fault.kind is FaultKind.PRESSURE and fault.acts(time))


def falsify(
    faults: Iterable[Fault],
    time: float,
    places: dict[str, int],
    values: list[float],
    qualities: list[Quality],
    before: list[float],
) -> None:
    """Let the faults that act at `time` (s) change `values` (SI) and `qualities` in place.

    `places` gives the index of each tag, `before` the values of the image before.
    """
    for fault in faults:
        if not fault.tag or not fault.acts(time):
            continue
        place = places[fault.tag]
        if fault.kind is FaultKind.FREEZE:
            values[place] = before[place]
        elif fault.kind is FaultKind.CONSTANT:
            values[place] = fault.value
        elif fault.kind in (FaultKind.NAN, FaultKind.FAILED):
            values[place] = math.nan
        if fault.kind in (FaultKind.BAD, FaultKind.FAILED):
            qualities[place] = Quality.BAD
