"""Excel exports: the rows of every sheet of an ``.xlsx`` or ``.xls`` workbook.

``.xlsx`` by openpyxl, ``.xls`` by xlrd; both are read for values only, never for formulas or macros.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from minifactory.errors import Finding, FormatError
from minifactory.records.chromatogram import ChromatogramFile, Curve
from minifactory.records.formats.archive import Archive, Budget
from minifactory.records.formats.source import LARGEST_TEXT, Raw, fault
from minifactory.records.formats.table import read_table
from minifactory.records.formats.text import Cell, Rows, unquoted

XLS_MAGICS = tuple(
    bytes.fromhex(head) for head in ("d0cf11e0a1b11ae1", "09000400", "09020600", "09040600", "09080800")
)
"""How ``.xls`` files begin: an OLE container, or the bare stream of Excel 2 to 5."""

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MOST_CELLS = 20_000_000
_MOST_SHEETS = 200
_PASSWORD = "Save it without a password."
_AGAIN = "Save the workbook again, or export it as text."


def is_workbook(archive: Archive) -> bool:
    """Whether an archive is an ``.xlsx`` workbook."""
    return "xl/workbook.xml" in archive


def read_xlsx(raw: Raw, headings: Sequence[str] = ()) -> ChromatogramFile:
    """The result in an ``.xlsx`` workbook.

    Raises
    ------
    FormatError
        When the workbook is damaged or no sheet holds a chromatogram.
    """
    return _read(raw, _xlsx(raw), "Excel workbook (.xlsx)", headings)


def read_xls(raw: Raw, headings: Sequence[str] = ()) -> ChromatogramFile:
    """The result in an ``.xls`` workbook.

    Raises
    ------
    FormatError
        When the workbook is damaged, protected by a password, or no sheet holds a chromatogram.
    """
    return _read(raw, _xls(raw), "Excel workbook (.xls)", headings)


def first_sheet(raw: Raw) -> Rows | None:
    """The rows of the first sheet that holds anything; None when `raw` is no workbook.

    Raises
    ------
    FormatError
        When the workbook is damaged, too large, empty or protected by a password.
    """
    if raw.content.startswith(b"PK\x03\x04"):
        archive = Archive(raw.content, raw.where, Budget())
        if not is_workbook(archive):
            raise fault(raw.where, "a ZIP archive that is no workbook", "CSV or an Excel workbook")
        archive.require(LARGEST_TEXT)
        sheets = _xlsx(raw)
    elif raw.content.startswith(XLS_MAGICS):
        sheets = _xls(raw)
    else:
        return None
    found = next((rows for _, rows in sheets if any(rows)), None)
    if found is None:
        raise fault(raw.where, "a workbook without data", "a sheet with a table", _AGAIN)
    return found


def _xlsx(raw: Raw) -> list[tuple[str, Rows]]:
    import openpyxl

    sheets: list[tuple[str, Rows]] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(raw.content), read_only=True, data_only=True)
            with closing(book):
                for sheet in book.worksheets[:_MOST_SHEETS]:
                    sheet.reset_dimensions()
                    rows = _bounded(sheet.iter_rows(values_only=True), raw.where, sheet.title)
                    sheets.append((sheet.title, rows))
    except FormatError:
        raise
    except Exception as trouble:  # a damaged workbook fails in openpyxl in many ways
        raise _damaged(raw, trouble) from None
    return sheets


def _xls(raw: Raw) -> list[tuple[str, Rows]]:
    import xlrd

    if _ENCRYPTED in raw.content:
        raise fault(raw.where, "a workbook protected by a password", "an open workbook", _PASSWORD)
    sheets: list[tuple[str, Rows]] = []
    try:
        with xlrd.open_workbook(file_contents=raw.content, logfile=io.StringIO(), on_demand=True) as book:
            for index in range(min(book.nsheets, _MOST_SHEETS)):
                sheet = book.sheet_by_index(index)
                rows = _bounded((sheet.row_values(row) for row in range(sheet.nrows)), raw.where, sheet.name)
                sheets.append((sheet.name, rows))
                book.unload_sheet(index)
    except FormatError:
        raise
    except Exception as trouble:  # a damaged workbook fails in xlrd in many ways
        if "encrypted" in str(trouble).lower():
            raise fault(raw.where, "a workbook protected by a password", "an open one", _PASSWORD) from None
        raise _damaged(raw, trouble) from None
    return sheets


def _damaged(raw: Raw, trouble: Exception) -> FormatError:
    reason = " ".join(str(trouble).split())[:100] or type(trouble).__name__
    return fault(raw.where, f"a damaged workbook ({reason})", "an Excel workbook", _AGAIN)


def _bounded(rows: Iterator[Sequence[object]], where: str, sheet: str) -> Rows:
    """The rows as cells, at most 20 million of them."""
    found: Rows = []
    count = 0
    for row in rows:
        cells = [_cell(value) for value in row]
        while cells and (cells[-1] is None or cells[-1] == ""):
            cells.pop()
        count += len(cells) + 1
        if count > _MOST_CELLS:
            remedy = "Export the curves of interest only."
            raise fault(f"{where}[{sheet}]", "more than 20 million cells", "fewer", remedy)
        found.append(cells)
    return found


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1000 else str(value)
    return unquoted(str(value))


def _read(
    raw: Raw, sheets: Sequence[tuple[str, Rows]], format_name: str, headings: Sequence[str]
) -> ChromatogramFile:
    """The result in the sheets that hold a chromatogram; further ones add their curves to the first."""
    found: list[tuple[str, ChromatogramFile]] = []
    findings: list[Finding] = []
    for title, rows in sheets:
        if not any(rows):
            continue
        try:
            found.append((title, read_table(raw, rows, format_name, headings, title)))
        except FormatError as trouble:
            findings += trouble.findings
    if not found:
        if findings:
            raise FormatError(findings[:20])
        raise fault(raw.where, "a workbook without data", "a sheet with a chromatogram", _AGAIN)
    first = found[0][1]
    curves: list[Curve] = list(first.curves)
    for title, file in found[1:]:
        curves += [replace(curve, name=f"{curve.name} ({title})") for curve in file.curves]
    skipped = tuple(
        replace(item, remedy="The sheet is left out.", severity="warning") for item in findings[:20]
    )
    notes = tuple(warning for _, file in found for warning in file.warnings)
    return replace(first, curves=tuple(curves), warnings=(*notes, *skipped))
