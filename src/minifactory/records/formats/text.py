"""Text files as rows of cells: encoding, delimiter and decimal sign are found from the content."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence

from minifactory.records.formats.source import Raw, fault

Cell = str | float | None
Rows = list[list[Cell]]

_POINT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?\d{1,3}(?:,\d{3})+\.\d+")
_COMMA = re.compile(r"[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?|[+-]?\d{1,3}(?:\.\d{3})+,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[.,'\u00a0\u202f ]\d{3})+(?:[.,]\d+)?")
_SAMPLE_ROWS = 400


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


def split(text: str) -> Rows:
    """The cells of delimited text, stripped of blanks and of one pair of quotes, line by line."""
    lines = re.split("\r\n|\n|\r", text)
    delimiter = _delimiter(lines)
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
    """The decimal sign of a table, ``.`` or ``,``: whichever more cells can only be read with."""
    point = comma = 0
    for row in rows:
        for cell in row:
            if isinstance(cell, str) and cell:
                point += _POINT.fullmatch(cell) is not None
                comma += _COMMA.fullmatch(cell) is not None
    return "," if comma > point else "."


def number(cell: Cell, decimal: str = ".") -> float | None:
    """The number in a cell, or None when it holds none."""
    if cell is None or isinstance(cell, float | int):
        return None if cell is None or isinstance(cell, bool) else float(cell)
    text = cell
    if decimal == ",":
        text = (
            text.replace(".", "").replace(",", ".") if _THOUSANDS.fullmatch(text) else text.replace(",", ".")
        )
    elif _THOUSANDS.fullmatch(text):
        text = re.sub(r"[,'\u00a0\u202f ]", "", text)
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None
