"""A short run told in documents, for the tests of the historian."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from minifactory.records import documents as doc
from minifactory.records.analysis import load_analysis, pool_analysis
from minifactory.signals import Tag
from minifactory.units import ABSORBANCE, FLOW, NUMBER, VOLUME

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
SCAN = 1.0
CV = 1.0e-5
TAGS = (
    Tag("System.Flow", FLOW, "mL/min", upper=1e-6),
    Tag("UV1.Signal", ABSORBANCE, "mAU"),
    Tag("System.Flow.SP", FLOW, "mL/min", writable=True),
    Tag("OutletValve.Position", NUMBER, choices=("WasteF1", "F2")),
    Tag("System.Volume", VOLUME, "mL"),
)


def at(time: float) -> datetime:
    """Wall time at `time` (s) of the run."""
    return START + timedelta(seconds=time)


def flow_at(time: float) -> float:
    """The measured flow (m3/s): stands still for long, steps once."""
    return 1.0e-8 if time < 60 else 2.0e-8


def story(run: str = "R1", scans: int = 120, seed: int = 1, finish: bool = True) -> Iterator[doc.Document]:
    """A run of two phases, one pool, one alarm, one instruction; noise on the UV in every scan."""
    noise = np.random.default_rng(seed).normal(0.0, 1e-4, scans)
    yield doc.RunStarted(
        run, 0.0, at(0), "akta1", "test", "1", "virtual skid", SCAN, True, CV, provenance={"seed": "7"}
    )
    yield doc.Descriptor(run, 0.0, at(0), TAGS, ("p.o.equilibrate", "p.o.elute"))
    yield doc.Transition(run, 0.0, at(0), "Idle", "Running", "start", "asked", "operator")
    yield doc.PhaseStarted(run, 0.0, at(0), "p.o.equilibrate", "equilibrate", CV)
    before: dict[int, float] = {}
    for number in range(scans):
        time = number * SCAN
        values = {
            0: flow_at(time),
            1: float(noise[number]) + (0.1 if 80 <= time < 100 else 0.0),
            2: flow_at(time),
            3: 1.0 if 80 <= time < 100 else 0.0,
        }
        changed = {index: value for index, value in values.items() if before.get(index) != value}
        before.update(changed)
        bad = {1} if number == 10 else set()
        quality = tuple(2 if index in bad else 0 for index in changed)
        yield doc.Samples(run, time, at(time), tuple(changed), tuple(changed.values()), quality)
        if time == 60:
            yield doc.PhaseEnded(
                run, time, at(time), "p.o.equilibrate", "equilibrate", 0.0, 60.0, 60e-8, CV, "volume reached"
            )
            yield doc.PhaseStarted(run, time, at(time), "p.o.elute", "elute", CV)
        if time == 70:
            yield doc.InstructionRecord(run, time, at(time), 1, "AutoZero", {}, "p.o.elute", doc.Stage.ISSUED)
            yield doc.Alarm(
                run,
                time,
                at(time),
                "Alarm.Pressure",
                1,
                doc.Priority.HIGH,
                doc.AlarmStage.RAISED,
                "pressure high",
                first_out=True,
            )
        if time == 80:
            yield doc.WatchFired(
                run, time, at(time), "p.o.elute", "start of pool", "UV >= 50 mAU", {"UV": 0.1}
            )
        if time == 100:
            yield doc.Collected(run, time, at(time), "Pool", 80.0, 40e-8)
    if not finish:
        return
    end = float(scans)
    yield doc.PhaseEnded(
        run, end, at(end), "p.o.elute", "elute", 60.0, end - 60, (end - 60) * 2e-8, CV, "volume reached"
    )
    yield doc.RunStopped(
        run, end, at(end), "Complete", "all phases are done", scans, 0, 0, {"A": 1e-6}, {"Pool": 4e-7}
    )
    yield pool_analysis(run, end, at(end), "Pool", {"product": 2e-6}, "virtual skid")
    yield load_analysis(run, end, at(end), {"product": 2.5e-6}, "virtual skid")
