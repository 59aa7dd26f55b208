"""The run as it was executed: stretches of the log between which something begins, with what is set in each.

Stretches are the outermost blocks of the log; without blocks its break points, else its changes. A pump wash
or a timed pause inside cuts a stretch in two. What changes in the first or last half per cent of a stretch
counts as set at its beginning or with the next one: methods switch valves one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from minifactory.calibration.generation.acts import Act, Deed
from minifactory.records.chromatogram import ChromatogramFile

NEAR = 0.005
"""Part of a stretch, at its ends, within which a change belongs to the end."""
SMALLEST = 0.02e-6
"""m3: changes closer than this are at one place."""
SHORTEST = 0.01
"""CV: shorter stretches are no phases; what they set belongs to the next."""
CUTS = (Deed.PUMP_WASH, Deed.WAIT)
CHANGES = (Deed.GRADIENT, Deed.FLOW, Deed.BREAK)


@dataclass(frozen=True)
class Stretch:
    """A part of the run.

    Parameters
    ----------
    name : str
        Of the block.
    start, end : float
        m3 of the file.
    begins : tuple of Act
        What is set when it starts.
    inside : tuple of Act
        What changes on the way.
    washes : tuple of str
        Pumps that are washed before it starts, in order.
    wait : float
        s that it stands still; then it has no volume.
    by_hand : str
        The line by which a person ended it; empty when the method did.
    """

    name: str
    start: float
    end: float
    begins: tuple[Act, ...] = ()
    inside: tuple[Act, ...] = ()
    washes: tuple[str, ...] = ()
    wait: float = 0.0
    by_hand: str = ""
    start_time: float = 0.0
    end_time: float = 0.0

    @property
    def volume(self) -> float:
        """m3 that went through the column."""
        return self.end - self.start


@dataclass
class _Piece:
    """A stretch while it is being read."""

    name: str
    start: float
    end: float
    first: float
    last: float
    acts: list[Act] = field(default_factory=list)


def stretches(file: ChromatogramFile, done: Sequence[Act], column_volume: float) -> tuple[Stretch, ...]:
    """The stretches of `file` in order, for a column of `column_volume` (m3)."""
    shortest = max(SHORTEST * column_volume, SMALLEST)
    found: list[Stretch] = []
    carried: list[Act] = []
    washes: list[str] = []
    for piece in _pieces(file, done):
        margin = max(NEAR * (piece.end - piece.start), SMALLEST)
        by_hand = next((act.text for act in piece.acts if act.deed is Deed.ADVANCE and act.manual), "")
        begins, inside = list(carried), []
        carried = []
        for act in piece.acts:
            if act.deed is Deed.PUMP_WASH:
                washes.append(act.name)
            elif act.volume <= piece.start + margin:
                begins.append(act)
            elif act.volume >= piece.end - margin:
                carried.append(act)
            else:
                inside.append(act)
        wait = sum(act.amount for act in begins if act.deed is Deed.WAIT)
        if wait > 0.0:
            begins = [act for act in begins if act.deed is not Deed.WAIT]
            found.append(
                Stretch(f"{piece.name} wait", piece.start, piece.start, wait=wait, start_time=piece.first)
            )
        if piece.end - piece.start <= shortest:
            carried = begins + inside + carried
            continue
        found.append(
            Stretch(
                piece.name,
                piece.start,
                piece.end,
                tuple(begins),
                tuple(inside),
                tuple(dict.fromkeys(washes)),
                by_hand=by_hand,
                start_time=piece.first,
                end_time=piece.last,
            )
        )
        washes = []
    return tuple(found)


def _pieces(file: ChromatogramFile, done: Sequence[Act]) -> list[_Piece]:
    """The pieces between outermost blocks, break points or changes, cut at washes and waits."""
    total = max((_end_of(file), *(act.volume for act in done)), default=0.0)
    last = max(
        (curve.time_s[-1] for curve in file.curves if curve.time_s is not None and curve.time_s.size),
        default=0.0,
    )
    marks: list[tuple[float, float, str]] = []
    outer = [block for block in file.blocks if block.depth == 0 and block.start_m3 is not None]
    if outer:
        marks = [(block.start_m3 or 0.0, block.start_s, block.name) for block in outer]
        ends = [block.end_m3 for block in outer if block.end_m3 is not None]
        total = max(ends, default=total)
    else:
        breaks = [act for act in done if act.deed is Deed.BREAK] or [
            act for act in done if act.deed in CHANGES or act.name.startswith("Injection")
        ]
        marks = [(act.volume, act.time, f"step {number}") for number, act in enumerate(breaks, 2)]
    if not marks or marks[0][0] > SMALLEST:
        marks.insert(0, (0.0, 0.0, "start" if outer else "step 1"))
    pieces = []
    for number, (start, first, name) in enumerate(marks):
        end, until = (
            (marks[number + 1][0], marks[number + 1][1]) if number + 1 < len(marks) else (total, last)
        )
        if end >= start:
            pieces.append(_Piece(name, start, max(end, start), first, until))
    for act in done:
        # The block that an act at a common edge belongs to follows from its place in the log.
        home = [
            piece
            for piece in pieces
            if piece.first <= act.time <= piece.last + 1e-9 and piece.start <= act.volume
        ]
        late = [piece for piece in home if act.time < piece.last] or home
        if late:
            late[-1].acts.append(act)
    return [part for piece in pieces for part in _cut(piece)]


def _cut(piece: _Piece) -> list[_Piece]:
    """The piece, in several where a wash or a wait lies inside it."""
    margin = max(NEAR * (piece.end - piece.start), SMALLEST)
    places = sorted(
        {
            (act.volume, act.time)
            for act in piece.acts
            if act.deed in CUTS and piece.start + margin < act.volume < piece.end - margin
        }
    )
    parts = []
    start, first = piece.start, piece.first
    for number, (place, time) in enumerate([*places, (piece.end, piece.last)]):
        name = piece.name if number == 0 else f"{piece.name} {number + 1}"
        last_part = number == len(places)
        own = [
            act
            for act in piece.acts
            if (act.volume >= start or number == 0) and (last_part or act.volume < place)
        ]
        parts.append(_Piece(name, start, place, first, time, own))
        start, first = place, time
    return parts


def _end_of(file: ChromatogramFile) -> float:
    ends = [
        float(curve.volume_m3[-1])
        for curve in file.curves
        if curve.volume_m3 is not None and curve.volume_m3.size
    ]
    return max(ends, default=0.0)


def identifier(name: str, taken: set[str]) -> str:
    """A short name for a block's name, of letters, digits and underscores; added to `taken`."""
    base = re.sub(r"\W+", "_", name.lower()).strip("_")[:40] or "step"
    base = base if base[0].isalpha() else f"step_{base}"
    found, number = base, 1
    while found in taken:
        number += 1
        found = f"{base}_{number}"
    taken.add(found)
    return found
