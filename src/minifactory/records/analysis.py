"""Analyses as documents: what was found in a vessel, and what was loaded, as notes of the record.

A laboratory, an analysis service or the virtual skid (which knows its own truth) reports amounts after the
fact; both notes may follow the end of the run. Reading a run back turns them into the amounts of its pools
and of its load.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from minifactory.records.documents import Note

POOL_ANALYSIS = "pool analysis"
LOAD_ANALYSIS = "load analysis"


def pool_analysis(
    run: str, time: float, wall: datetime, vessel: str, amounts: Mapping[str, float], source: str
) -> Note:
    """A note that `vessel` holds `amounts` (mol by species), found at `time` (s) by `source`."""
    return Note(run, time, wall, POOL_ANALYSIS, vessel, f"{vessel} analysed by {source}", dict(amounts))


def load_analysis(run: str, time: float, wall: datetime, amounts: Mapping[str, float], source: str) -> Note:
    """A note that `amounts` (mol by species) entered in the load phases, found at `time` (s) by `source`."""
    return Note(run, time, wall, LOAD_ANALYSIS, source, f"load analysed by {source}", dict(amounts))
