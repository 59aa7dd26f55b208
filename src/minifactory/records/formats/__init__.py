"""Readers and writers of chromatography result files.

One entry point, :func:`read`, recognises a file by its content. What comes back is always a
:class:`~minifactory.records.chromatogram.ChromatogramFile`. :func:`summarise` and :func:`plot` show what is
inside; :func:`write_parquet` and :func:`write_csv` keep everything, :func:`write_asm` what Allotrope's model
has words for.
"""

from minifactory.records.formats.asm import to_asm, write_asm
from minifactory.records.formats.drawing import plot
from minifactory.records.formats.measured_run import as_run
from minifactory.records.formats.own import write_csv, write_parquet
from minifactory.records.formats.reading import read
from minifactory.records.formats.summary import Summary, summarise

__all__ = [
    "Summary",
    "as_run",
    "plot",
    "read",
    "summarise",
    "to_asm",
    "write_asm",
    "write_csv",
    "write_parquet",
]
