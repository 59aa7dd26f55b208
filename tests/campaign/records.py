"""Batch records of synthetic runs: one that went well, one that was cut short."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np

from minifactory.campaign.gate import gate
from minifactory.campaign.judge import judge
from minifactory.campaign.report import BatchRecord, Overlay
from minifactory.campaign.targets import Target, Targets
from minifactory.historian import Verification
from minifactory.plant.model import Material, Number, Plant, Vessel
from minifactory.plant.parameters import Parameter, ParameterSet, Uncertainty
from minifactory.records.compare import compare
from minifactory.records.performance import evaluate
from minifactory.records.prediction import Prediction, bands
from minifactory.records.run import Event, Run
from minifactory.units import CONDUCTIVITY, FRACTION, POSITIVE, PRESSURE, TIME
from tests.records.synthetic import CV, CV_TIME, DELAY, PEAK_AT, SPECIES, make_run

TARGETS = Targets(
    (
        Target("yield", True, 0.85, FRACTION),
        Target("purity", True, 0.99, FRACTION),
        Target("max_pressure", False, 3e5, PRESSURE),
        Target("duration", False, 4 * 3600.0, TIME),
    )
)
PLANT = Plant(
    name="test",
    species=SPECIES,
    materials={"acetate": Material("acetate", {"Na": 20.0})},
    vessels={
        "A": Vessel("A", 2e-3, 1e-3, "acetate"),
        "B": Vessel("B", 2e-3, 1e-3, "acetate"),
        "Feed": Vessel("Feed", 1e-4, 1e-5, "acetate", "feed"),
        "Pool": Vessel("Pool", 1e-3, 0.0, None, "pool"),
    },
    skids={},
    columns={},
    parameters=ParameterSet(
        {
            "C1.product.nu": Parameter(
                "C1.product.nu", 4.7, POSITIVE, "assumed", Uncertainty("normal", 0.1, True)
            ),
            "C1.porosity": Parameter("C1.porosity", 0.36, POSITIVE, "fitted to the salt dip <of the pulses>"),
        }
    ),
    numbers={"feed.volume": Number("feed.volume", 1e-5, "10 mL", "assumed", "factory.yaml:3")},
)
EVENTS = (
    Event(0.0, "run", "akta1", "Run of test 1 on akta1"),
    Event(0.0, "transition", "operator", "Idle to Running (start): asked", {"state": "Running"}),
    Event(8.0 * CV_TIME, "watch", "p.o.elute", "pool_start: UV > 60 mAU (UV = 0.061)"),
    Event(8.1 * CV_TIME, "instruction", "p.o.elute", "AutoZero() issued"),
    Event(8.5 * CV_TIME, "operator", "anna <anna@example.org>", "ack accepted: seen & noted"),
)


@cache
def prediction() -> Prediction:
    """The nominal run and 21 samples with fronts and peaks up to 0.1 CV off."""
    nominal = make_run()
    shifts = np.linspace(-0.15, 0.15, 21)
    samples = [make_run(delay=DELAY + s, peak_at=PEAK_AT + s, gain=1 + s) for s in shifts]
    performances = []
    for shift, sample in zip(shifts, samples, strict=True):
        found = evaluate(sample, SPECIES)
        performances.append(replace(found, values={**found.values, "yield": 0.9 + 0.2 * shift}))
    tags = ["UV1.Signal", "Cond.Signal", "Pressure.System"]
    return Prediction(nominal, evaluate(nominal, SPECIES), tuple(performances), bands(nominal, samples, tags))


def batch_record(run: Run | None = None) -> BatchRecord:
    """The record of `run`, by default one that went well."""
    if run is None:
        run = make_run(
            "R-2024-001", origin="virtual skid", delay=0.33, peak_at=3.1, gain=1.05, late=60.0, noise=0.004
        )
        run = replace(run, events=EVENTS)
    expected = prediction()
    performance = evaluate(run, SPECIES, feeds=frozenset({"Feed"}))
    comparison = compare(expected, run, performance)
    volume = np.linspace(0.0, 12.0, 600) * CV
    original = 0.5 + 5.0 * np.clip((volume / CV - 6.3) / 6.0, 0.0, 1.0)
    return BatchRecord(
        case="test-case",
        run=run,
        performance=performance,
        verdict=judge(run, performance, TARGETS, comparison),
        plant=PLANT,
        prediction=expected,
        comparison=comparison,
        gate=gate(expected, TARGETS),
        overlays=(
            Overlay("original file, conductivity", CONDUCTIVITY, volume, original, "run.asc, SHA-256 0123"),
        ),
        audit=Verification(run.identifier, True, 1234, "ab" * 32, closed=True),
        started=datetime(2024, 5, 1, 12, 0, tzinfo=UTC),
        ended=datetime(2024, 5, 1, 15, 20, tzinfo=UTC),
        inputs={"factory.yaml": "0f" * 32},
        software="MiniFactory 0.1.0",
        created=datetime(2024, 5, 1, 15, 21, tzinfo=UTC),
    )


def aborted_record() -> BatchRecord:
    """The record of a run that lost its skid in the load."""
    run = make_run("R-2024-002", origin="virtual skid", stop_at=3.2 * CV_TIME)
    end = 3.2 * CV_TIME
    events = (
        *EVENTS[:2],
        Event(end - 2.0, "alarm", "Link", "critical alarm raised: no answer from akta1 for 2 s (first out)"),
        Event(end, "run", "orbit", "Aborted: communication with akta1 lost, safe state entered"),
    )
    return batch_record(replace(run, events=events, consumed={}))
