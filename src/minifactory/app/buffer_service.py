"""Puts buffer management of a case on the controller of its skid, with a ledger in the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from minifactory.app.case import Case
from minifactory.orbit.engine import Engine
from minifactory.orbit.levels import Levels
from minifactory.recipe.bind import bind
from minifactory.services.buffer_orbit import BufferOrbit
from minifactory.services.forecast import planned_phases
from minifactory.services.ledger import FileLedger, Ledger
from minifactory.services.preparation import Batch
from minifactory.units import VOLUME, show

LEDGER = "buffers.ledger"
"""In the folder of the plant's run."""


@contextmanager
def ledger_in(folder: Path) -> Iterator[FileLedger]:
    """The ledger in the `folder` of a plant's run, closed in the end; InputError when it is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = FileLedger(folder / LEDGER)
    try:
        yield ledger
    finally:
        ledger.close()


def as_loaded(case: Case, made: Batch) -> Case:
    """The case while its service runs the batch `made`."""
    return replace(case, recipe=made.recipe, bound=bind(made.recipe, case.plant, case.bound.skid))


def buffer_service(
    case: Case,
    engine: Engine,
    levels: Levels,
    ledger: Ledger,
    run: str,
    now: Callable[[], float],
    origin: str,
    provenance: Mapping[str, str],
) -> BufferOrbit:
    """The service of `case` on `engine`; what is in `ledger` is taken up.

    Parameters
    ----------
    run : str
        What the runs of its batches are called after.
    now : callable
        Process time, s.
    """
    assert case.services is not None
    assert case.services.buffers is not None
    plans = {skid: planned_phases(bound, case.plant) for skid, bound in case.bounds.items()}
    return BufferOrbit(
        *(engine, levels, case.plant, case.services.buffers, plans, ledger, run, now, origin, provenance)
    )


def buffers_made(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Lots and failed batches by the ledger in the `folder` of a plant's run (SI)."""
    lots, failed = [], []
    with ledger_in(folder) as ledger:
        for event in ledger.events():
            if "lot" in event:
                lots.append(dict(event["lot"]))
            if event["do"] == "end" and event["state"] != "Complete":
                failed.append({key: event[key] for key in ("number", "vessel", "at", "state", "reason")})
    return {"lots": lots, "failed": failed}


def told(service: BufferOrbit) -> str:
    """What the service has done, in a line."""
    volumes: dict[str, float] = {}
    for lot in service.lots:
        volumes[lot.vessel] = volumes.get(lot.vessel, 0.0) + lot.volume
    made = ", ".join(f"{show(volume, VOLUME)} of {vessel}" for vessel, volume in volumes.items()) or "nothing"
    failed = f", {len(service.failures)} batches failed" if service.failures else ""
    return f"{len(service.lots)} lots, {made}{failed}; {service.reason}"
