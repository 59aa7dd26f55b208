"""The one entry point for result files: the format is recognised from the content, not the extension."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minifactory.records.chromatogram import ChromatogramFile
from minifactory.records.formats import andi, own, spreadsheet, text, unicorn3, unicorn7
from minifactory.records.formats.archive import Archive, Budget
from minifactory.records.formats.source import LARGEST_TEXT, Raw, fault, load
from minifactory.records.formats.table import read_table

_KNOWN = "a result of UNICORN 3 to 7, a text, Excel, netCDF (ANDI) or Parquet export"


def read(path: str | Path, headings: Sequence[str] = ()) -> ChromatogramFile:
    """Everything that is in the result file at `path`.

    Parameters
    ----------
    path : str or Path
        The file; its format is found from its content.
    headings : sequence of str
        For a plain table without headings: one per column, with units, e.g. ``["time [s]", "salt [mM]"]``.

    Raises
    ------
    FormatError
        The file is missing, damaged, too large, protected by a password, or of a format that is not known.
    """
    raw = load(Path(path))
    with np.errstate(all="ignore"):  # damaged numbers overflow and are found by what they lead to
        return _recognised(raw, headings)


def _recognised(raw: Raw, headings: Sequence[str]) -> ChromatogramFile:
    content = raw.content
    if content.startswith(unicorn3.MAGIC):
        return unicorn3.read_unicorn3(raw)
    if content.startswith(b"PK\x03\x04"):
        budget = Budget()
        return _archive(raw, Archive(content, raw.where, budget), budget, headings)
    if content.startswith(spreadsheet.XLS_MAGICS):
        return spreadsheet.read_xls(raw, headings)
    if content.startswith(andi.MAGICS):
        return andi.read_andi(raw)
    if content.startswith(b"\x89HDF"):
        raise andi.refuse_hdf5(raw)
    if content.startswith(own.PARQUET_MAGIC):
        return own.read_parquet(raw, headings)
    if len(content) > LARGEST_TEXT:
        limit = f"at most {LARGEST_TEXT // 2**20} MiB of text"
        raise fault(
            raw.where, f"{len(content) / 2**20:.0f} MiB", limit, "Export the curves of interest only."
        )
    said = text.decoded(raw)
    if said.startswith(own.CSV_MARK):
        return own.read_csv(raw, said)
    return read_table(raw, text.split(said, raw.where), "text table", headings)


def _archive(
    raw: Raw, archive: Archive, budget: Budget, headings: Sequence[str], depth: int = 0
) -> ChromatogramFile:
    """The result in an archive, or in the one archive inside it."""
    if unicorn7.is_result(archive):
        return unicorn7.read_unicorn7(raw, archive, budget)
    if spreadsheet.is_workbook(archive) and depth == 0:
        archive.require(LARGEST_TEXT)
        return spreadsheet.read_xlsx(raw, headings)
    inner = [name for name in archive.names if name.lower().endswith((".zip", ".result"))]
    if len(inner) == 1 and depth < 2:
        place = f"{archive.where}/{inner[0]}"
        return _archive(raw, Archive(archive.read(inner[0]), place, budget), budget, headings, depth + 1)
    shown = ", ".join(archive.names[:6]) or "nothing"
    if len(inner) > 1:
        remedy = "Unpack it and read them one by one."
        raise fault(archive.where, f"{len(inner)} results", "one result", remedy)
    raise fault(archive.where, f"an archive with {shown[:200]}", _KNOWN, "Name a result file.")
