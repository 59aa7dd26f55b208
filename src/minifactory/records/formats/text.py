"""Text files as rows of cells: encoding, delimiter and decimal sign are found from the content."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date

from minifactory.records.formats.source import Raw, fault

Cell = str | float | None
Rows = list[list[Cell]]

_SPACES = " \u00a0\u2009\u202f"
_POINT = re.compile(rf"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?\d{{1,3}}(?:[,'{_SPACES}]\d{{3}})+\.\d+")
_COMMA = re.compile(rf"[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?|[+-]?\d{{1,3}}(?:[.'{_SPACES}]\d{{3}})+,\d+")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""``1.234`` or ``1,234``: three decimals, or a thousand."""
_THOUSANDS = {
    ".": re.compile(rf"[+-]?\d{{1,3}}([,'{_SPACES}])\d{{3}}(?:\1\d{{3}})*(?:\.\d*)?(?:[eE][+-]?\d+)?"),
    ",": re.compile(rf"[+-]?\d{{1,3}}([.'{_SPACES}])\d{{3}}(?:\1\d{{3}})*(?:,\d*)?(?:[eE][+-]?\d+)?"),
}
_CLOCK = re.compile(r"(-?)(\d{1,4}):([0-5]\d):([0-5]\d(?:[.,]\d+)?)")
_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]+(.+?)\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}),?[T ]+(.+)")
MISSING = frozenset(
    (
        *("-", "--", "---", "na", "n/a", "#n/a", "n.a.", "nd", "n.d.", "null", "none", "<na>", "missing"),
        *("#num!", "#value!", "#div/0!", "#ref!"),
    )
)
"""What programs write, in small letters, where a value is missing."""
_SAMPLE_ROWS = 400
_MOST_LINES = 10_000_000
MOST_CELLS = 40_000_000
"""Cells of the largest table that is read."""


def decoded(raw: Raw) -> str:
    """The file's text, whichever of UTF-8, UTF-16 and Windows-1252 it is written in.

    Raises
    ------
    FormatError
        When the bytes are not text.
    """
    content = raw.content
    encodings: tuple[str, ...]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ("utf-16",)
    elif content[:400].count(0) > 0.3 * len(content[:400]):
        encodings = ("utf-16-le" if content[1:400:2].count(0) > content[0:400:2].count(0) else "utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1252", "latin-1")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _is_binary(text):
            return text
        break
    raise fault(
        raw.where,
        f"bytes that are no text (the file begins {content[:8].hex(' ')})",
        "a text export, or a result of UNICORN",
        "Export the result as text, .csv, .xlsx or as a UNICORN result.",
    )


def _is_binary(text: str) -> bool:
    sample = text[:20000] + text[-2000:]
    control = sum(ch < " " and ch not in "\t\r\n\f\x0b" for ch in sample)
    return "\x00" in sample or control > 0.005 * len(sample)


def split(text: str, where: str = "text") -> Rows:
    """The cells of delimited text, stripped of blanks and of one pair of quotes, line by line.

    Raises
    ------
    FormatError
        More lines or cells than a result can have: found before they take memory.
    """
    count = text.count("\n") + text.count("\r")
    if count > _MOST_LINES:
        raise fault(where, f"{count} lines", f"at most {_MOST_LINES}", "Export the curves of interest only.")
    lines = re.split("\r\n|\n|\r", text)
    delimiter = _delimiter(lines)
    if text.count(delimiter) + len(lines) > MOST_CELLS:
        limit = f"at most {MOST_CELLS // 1_000_000} million"
        raise fault(where, "a table with more cells", limit, "Export the curves of interest only.")
    return [_cells(line, delimiter) for line in lines]


def _delimiter(lines: Sequence[str]) -> str:
    sample = [line for line in lines[:_SAMPLE_ROWS] if line.strip()]
    for candidate in ("\t", ";"):
        if sum(candidate in line for line in sample) > 0.5 * len(sample):
            return candidate
    return ","


def _cells(line: str, delimiter: str) -> list[Cell]:
    try:
        parts = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        parts = line.split(delimiter)
    return [unquoted(part) for part in parts]


def unquoted(text: str) -> str:
    """`text` without blanks around it and without one pair of quotes."""
    bare = text.strip(" \u00a0")
    return bare[1:-1] if len(bare) >= 2 and bare[0] == bare[-1] == '"' else bare


def decimal_sign(rows: Iterable[Sequence[Cell]]) -> str:
    """The decimal sign of a table, ``.`` or ``,``: whichever more cells can only be read with.

    A cell such as ``1,234`` can be read either way; such cells decide only where no other does.
    """
    point = comma = either = 0
    for row in rows:
        for cell in row:
            if not isinstance(cell, str) or not cell:
                continue
            if _EITHER.fullmatch(cell):
                either += 1 if "," in cell else -1
            elif _POINT.fullmatch(cell):
                point += 1
            elif _COMMA.fullmatch(cell):
                comma += 1
    if point or comma:
        return "," if comma > point else "."
    return "," if either > 0 else "."


def is_guessed(rows: Iterable[Sequence[Cell]]) -> bool:
    """Whether nothing but cells such as ``1,234`` speaks for the decimal comma."""
    cells = [cell for row in rows for cell in row if isinstance(cell, str) and cell]
    sure = any((_POINT.fullmatch(c) or _COMMA.fullmatch(c)) and not _EITHER.fullmatch(c) for c in cells)
    return not sure and any("," in c and _EITHER.fullmatch(c) for c in cells)


def number(cell: Cell, decimal: str = ".") -> float | None:
    """The number in a cell, or None when it holds none."""
    if cell is None or isinstance(cell, float | int):
        return None if cell is None or isinstance(cell, bool) else float(cell)
    text = cell
    grouped = _THOUSANDS[decimal].fullmatch(text)
    if grouped is not None:
        text = text.replace(grouped[1], "")
    text = text.replace("\u2212", "-")
    if decimal == ",":
        text = text.replace(",", ".")
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def clock(cell: Cell) -> float | None:
    """Seconds of a time of day or duration (``1:02:03``) or of a date with time (``2024-01-31 12:00:00``).

    The zero of dates is arbitrary; a zone is not looked at. None when the cell holds neither.
    """
    if not isinstance(cell, str) or ":" not in cell:
        return None
    text, days = cell.strip(), 0
    day, day_first = _DAY.fullmatch(text), _DAY_FIRST.fullmatch(text)
    try:
        if day is not None:
            days, text = date(int(day[1]), int(day[2]), int(day[3])).toordinal(), day[4]
        elif day_first is not None:
            year, month, first = (int(day_first[group]) for group in (3, 2, 1))
            days, text = date(year, month, first).toordinal(), day_first[4]
    except ValueError:
        return None
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    seconds = 3600.0 * int(found[2]) + 60.0 * int(found[3]) + float(found[4].replace(",", "."))
    return 86400.0 * days + (-seconds if found[1] else seconds)
