"""The logbook of a UNICORN export: lines of text into entries, blocks, fractions, column and flows.

The wording is that of UNICORN 3 to 7 as found in results: ``Block NAME`` / ``End Block`` (``Phase``,
``End_Block``, ``End Phase`` since UNICORN 6), ``Base CV, 50.27 {ml}, COLUMN``, ``Flow 3.15 ml/min``, ``Pause
DATE``, ``Continue DATE (Manual)``, and from UNICORN 6 the stages ``(Issued) (Processing) (Completed)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from minifactory import units
from minifactory.records.chromatogram import Block, Column, Fraction, Injection, LogEntry, LogKind
from minifactory.records.formats.quantities import scale_of

_STAGES = {"issued": "issued_s", "processing": "processing_s", "completed": "completed_s"}
_STAGE = re.compile(r"\s*\((Issued|Processing|Completed)\)")
_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})\s*,?\s+(\d{1,2}):(\d{2}):(\d{2})(?:\s*([AP])M)?")
_NUMBER = r"([+-]?\d+(?:[.,]\d+)?)"
_BASE = re.compile(rf"Base\s+CV\s*,?\s*(?:Vc\s*=\s*)?{_NUMBER}\s*\{{?(\w+)\}}?\s*,?\s*(.*)", re.IGNORECASE)
_FLOW = re.compile(rf"(?:System flow|Flow)\s+{_NUMBER}\s*\{{?([A-Za-z/]+)\}}?", re.IGNORECASE)

_LONGEST = 2000

_KINDS: tuple[tuple[str, LogKind], ...] = (
    (r"end[ _]block|end phase", LogKind.BLOCK_END),
    (r"block\b|phase\b", LogKind.BLOCK_START),
    (r"base\b", LogKind.BASE),
    (r"method\b|end method|batch id|.* in control of the run", LogKind.METHOD),
    (r"pause\b", LogKind.PAUSE),
    (r"continue\b", LogKind.CONTINUE),
    (r"message\b", LogKind.MESSAGE),
    (r"alarm(?!.*(enabled|disabled))|warning|error\b", LogKind.ALARM),
    (r"set[_ ]mark|injection ?mark|break ?point \d", LogKind.MARK),
    (
        r"flow|gradient|inlet|outlet|column|pump|buffer|injection|valve|fractionation|auto ?zero|alarm",
        LogKind.INSTRUCTION,
    ),
    (
        r"frac(tion)?\b|concentration|wavelength|averaging|air|system|wait|watch|hold|next|end\b|last",
        LogKind.INSTRUCTION,
    ),
    (
        r"peak|uv|cond|ph\b|sample|loop|filter",
        LogKind.INSTRUCTION,
    ),
)


def entry(time_s: float, text: str, volume_m3: float | None = None, system: bool = False) -> LogEntry:
    """The entry that a logbook line makes, at `time_s` (s) and `volume_m3` (m^3)."""
    text = text[:_LONGEST]
    stages = {_STAGES[word.lower()]: time_s for word in _STAGE.findall(text)}
    plain = _STAGE.sub("", text).strip()
    kind = LogKind.SYSTEM if system else kind_of(plain)
    if kind is LogKind.NOTE and stages:
        kind = LogKind.INSTRUCTION
    manual = bool(re.search(r"\(Manual\)|^Manual\b", plain))
    return LogEntry(
        time_s=time_s,
        text=plain,
        kind=kind,
        volume_m3=volume_m3,
        issued_s=stages.get("issued_s"),
        processing_s=stages.get("processing_s"),
        completed_s=stages.get("completed_s"),
        manual=manual,
        wall=wall_time(plain),
    )


def kind_of(text: str) -> LogKind:
    """What a logbook line is; lines that are no instruction (phase titles, remarks) are notes."""
    for pattern, kind in _KINDS:
        if re.match(pattern, text.strip(), re.IGNORECASE):
            return kind
    return LogKind.NOTE


def wall_time(text: str) -> datetime | None:
    """The local time of day that a line carries, or None; month first with slashes, day first with dots."""
    found = _DATE.search(text)
    if found is None:
        return None
    month, day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6, 7))
    if found[8]:
        hour = hour % 12 + (12 if found[8] == "P" else 0)
    if found[2] == "." or month > 12 >= day:
        month, day = day, month
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the file tells no zone
    except ValueError:
        return None


def joined(entries: Iterable[LogEntry]) -> tuple[LogEntry, ...]:
    """One entry per instruction, its stages gathered from the lines that report them separately."""
    result: list[LogEntry] = []
    waiting: dict[str, int] = {}
    for item in entries:
        key = _DATE.sub("", item.text)
        later = item.issued_s is None and (item.processing_s is not None or item.completed_s is not None)
        if later and key in waiting:
            index = waiting[key]
            first = result[index]
            result[index] = replace(
                first,
                processing_s=item.processing_s if first.processing_s is None else first.processing_s,
                completed_s=item.completed_s,
            )
            if item.completed_s is not None:
                del waiting[key]
            continue
        if item.issued_s is not None and item.completed_s is None:
            waiting[key] = len(result)
        result.append(item)
    return tuple(result)


def blocks_of(log: Sequence[LogEntry]) -> tuple[Block, ...]:
    """The executed blocks, in order of their start, nested as the log says; unfinished ones have no end."""
    found: list[Block] = []
    open_: list[int] = []
    for item in log:
        if item.kind is LogKind.BLOCK_START:
            name = re.sub(r"^(?:Block|Phase)\s+", "", item.text, flags=re.IGNORECASE)
            found.append(Block(name, len(open_), item.time_s, None, item.volume_m3))
            open_.append(len(found) - 1)
        elif item.kind is LogKind.BLOCK_END and open_:
            index = open_.pop()
            found[index] = replace(found[index], end_s=item.time_s, end_m3=item.volume_m3)
    return tuple(found)


def column_of(log: Iterable[LogEntry]) -> Column | None:
    """The column of the first ``Base CV`` line, volume in m^3, or None."""
    for item in log:
        found = _BASE.match(item.text) if item.kind is LogKind.BASE else None
        if found is None:
            continue
        scale = scale_of(found[2], units.VOLUME)
        volume = float(found[1].replace(",", ".")) * scale.factor if scale else 0.0
        if volume > 0.0:
            return Column(name=found[3].strip().strip("{}\"'"), volume_m3=volume)
    return None


def started_at(log: Iterable[LogEntry]) -> datetime | None:
    """The local time of day at which the method started, or None."""
    return next((item.wall for item in log if item.kind is LogKind.METHOD and item.wall), None)


def method_name(log: Iterable[LogEntry]) -> str:
    """The method's name from its start line, or an empty string."""
    for item in log:
        found = re.match(r"Method\b.*?Method\s*:\s*(.+)", item.text)
        if found and item.kind is LogKind.METHOD:
            return found[1].strip()
    return ""


def flow_set_points(log: Iterable[LogEntry]) -> tuple[tuple[float, float | None, float], ...]:
    """Time (s), volume (m^3) and flow (m^3/s) of the flow instructions, in the order of the log."""
    points = []
    for item in log:
        found = _FLOW.match(item.text) if item.kind is LogKind.INSTRUCTION else None
        scale = scale_of(found[2], units.FLOW) if found else None
        if found and scale:
            flow = float(found[1].replace(",", ".")) * scale.factor
            points.append((item.time_s, item.volume_m3, flow))
    return tuple(points)


def fractions_of(marks: Sequence[tuple[float | None, float | None, str]]) -> tuple[Fraction, ...]:
    """Fractions from marks of (time s, volume m^3, name); each ends where the next begins."""
    ends = [*marks[1:], (None, None, "")] if marks else []
    return tuple(
        Fraction(name, time, end[0], volume, end[1], name.lower().startswith("waste"))
        for (time, volume, name), end in zip(marks, ends, strict=True)
    )


def injections_of(marks: Sequence[tuple[float | None, float | None, str]]) -> tuple[Injection, ...]:
    """Injections, numbered from 1, from marks of (time s, volume m^3, text)."""
    return tuple(Injection(number, time, volume) for number, (time, volume, _) in enumerate(marks, 1))
