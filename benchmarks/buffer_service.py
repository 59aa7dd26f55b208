"""Buffer service against threshold with first-in-first-out: 11 days, one preparation unit, same seeds.

    python -m benchmarks.buffer_service [--seeds 10] [--json]

Two skids with capture and polishing cycles draw eight buffers; the unit prepares one batch at a time and
takes a random delay (exponential, 30 min on average); cycles are late by 5 %. All numbers are assumed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from statistics import fmean

from minifactory.services.buffers import (
    BufferVessel,
    EarliestDeadline,
    PreparationUnit,
    Rule,
    ThresholdFirstInFirstOut,
)
from minifactory.services.campaign import CampaignOutcome, Cycle, run_campaign
from minifactory.services.forecast import Draw

L, H = 1e-3, 3600.0
VESSELS = {
    name: BufferVessel(name, capacity * L, 0.02 * capacity * L)
    for name, capacity in {
        "equilibration": 10.0, "wash": 6.0, "elution": 5.0, "strip": 2.0,
        "cip": 3.0, "hic_load": 8.0, "hic_elution": 6.0, "hic_wash": 3.0,
    }.items()
}  # fmt: skip
UNIT = PreparationUnit(setup=1200.0, per_volume=0.15 * H / L, delivery=300.0, largest=6.0 * L)


def _cycle(skid: str, lasts: float, *draws: tuple[str, float, float, float]) -> Cycle:
    return Cycle(skid, tuple(Draw(name, a * H, b * H, volume * L) for name, a, b, volume in draws), lasts * H)


CYCLES = (
    _cycle(
        "capture", 1.6,
        ("equilibration", 0.0, 0.4, 0.75), ("wash", 0.7, 1.0, 0.45), ("elution", 1.0, 1.25, 0.3),
        ("strip", 1.25, 1.35, 0.1), ("cip", 1.35, 1.6, 0.16),
    ),
    _cycle(
        "polish", 4.0,
        ("hic_load", 0.0, 1.5, 1.6), ("hic_wash", 1.5, 2.0, 0.45), ("hic_elution", 2.0, 3.2, 1.0),
        ("strip", 3.2, 3.5, 0.15), ("equilibration", 3.5, 4.0, 0.5),
    ),
)  # fmt: skip


def outcome(rule: Rule, seed: int, days: float = 11.0) -> CampaignOutcome:
    """The campaign of this page under `rule`."""
    return run_campaign(VESSELS, CYCLES, UNIT, rule, seed, days)


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison; 0 when no buffer ran dry under the service's rule."""
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--seeds", type=int, default=10)
    words.add_argument("--days", type=float, default=11.0)
    words.add_argument("--json", action="store_true")
    asked = words.parse_args(arguments)
    rules = {
        "service": lambda: EarliestDeadline(),
        **{
            f"threshold {100 * part:.0f} %": lambda part=part: ThresholdFirstInFirstOut(part)
            for part in (0.2, 0.3, 0.5)
        },
    }
    found = {
        name: [outcome(make(), seed, asked.days) for seed in range(1, asked.seeds + 1)]
        for name, make in rules.items()
    }
    if asked.json:
        print(json.dumps({name: [asdict(item) for item in runs] for name, runs in found.items()}, indent=2))
    else:
        print(f"{asked.days:g} days, {asked.seeds} seeds; mean (worst)")
        print(f"{'rule':16}{'idle hours':>16}{'depletions':>16}{'cycles':>9}{'batches':>9}{'unit busy':>11}")
        for name, runs in found.items():
            idle, dry = [item.idle_hours for item in runs], [item.depletions for item in runs]
            print(
                f"{name:16}{f'{fmean(idle):.2f} ({max(idle):.2f})':>16}{f'{fmean(dry):.1f} ({max(dry)})':>16}"
                f"{fmean(item.cycles for item in runs):9.0f}{fmean(item.batches for item in runs):9.0f}"
                f"{100.0 * math.fsum(item.unit_busy for item in runs) / len(runs):10.0f} %"
            )
    return int(any(item.depletions for item in found["service"]))


if __name__ == "__main__":
    sys.exit(main())
