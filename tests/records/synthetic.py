"""Synthetic runs: four phases at constant flow, conductivity fronts and one UV peak, all at known places."""

from __future__ import annotations

import math

import numpy as np

from minifactory.plant.model import Role, Species
from minifactory.records.run import PhaseRecord, PoolRecord, Run, Trend
from minifactory.units import ABSORBANCE, CONDUCTIVITY, FLOW, NUMBER, PRESSURE

CV = 1.0e-5
FLOW_RATE = 1.0e-8
CV_TIME = CV / FLOW_RATE
PLAN = (("equilibrate", 2.0), ("load", 2.0), ("wash", 2.0), ("elute", 6.0))
DELAY = 0.3
PEAK_AT = 3.0
PEAK_SIGMA = 0.4
PEAK_HEIGHT = 1.0
PATH_LENGTH = 0.002
EXTINCTION = 40.0
SPECIES = {
    "product": Species("product", Role.PRODUCT, 50.0, extinction={280e-9: EXTINCTION}),
    "impurity": Species("impurity", Role.IMPURITY, 25.0),
    "Na": Species("Na", Role.STRONG_ION, 0.023, charge=1),
}


def phi(z: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    return 0.5 * (1.0 + np.vectorize(math.erf)(z / math.sqrt(2.0)))


def make_run(
    identifier: str = "predicted",
    *,
    origin: str = "simulated",
    delay: float = DELAY,
    peak_at: float = PEAK_AT,
    gain: float = 1.0,
    late: float = 0.0,
    stop_at: float | None = None,
    analysed: bool = True,
    noise: float = 0.0,
    seed: int = 0,
) -> Run:
    """A run: fronts `delay` CV after each change, the UV peak `peak_at` CV into the elution.

    `gain` scales the UV, `late` (s) makes the equilibration longer, `stop_at` (s) aborts the run there.
    """
    phases = []
    start = 0.0
    for number, (name, volumes) in enumerate(PLAN):
        length = volumes * CV_TIME + (late if number == 0 else 0.0)
        phases.append(
            PhaseRecord(f"p.o.{name}", name, start, start + length, length * FLOW_RATE, CV, "volume")
        )
        start += length
    end = start
    state = "Complete"
    if stop_at is not None:
        state, end = "Aborted", stop_at
        phases = [phase for phase in phases if phase.start < stop_at]
        last = phases[-1]
        phases[-1] = PhaseRecord(
            last.path,
            last.kind,
            last.start,
            stop_at,
            (stop_at - last.start) * FLOW_RATE,
            CV,
            "aborted: pressure",
        )
    time = np.arange(0.0, end + 1.0, 2.0)
    volumes = (time - late) / CV_TIME
    random = np.random.default_rng(seed)
    load = 1.0 * (1.0 - phi((volumes - 4.0 - delay) / 0.02)) * phi((volumes - 2.0 - delay) / 0.02)
    elution = np.clip((volumes - 6.0 - delay) / 6.0, 0.0, 1.0) * 5.0
    cond = 0.5 + load + elution
    uv = gain * PEAK_HEIGHT * np.exp(-0.5 * ((volumes - 6.0 - peak_at) / PEAK_SIGMA) ** 2)
    uv = uv + random.normal(0.0, 1.0, time.size) * noise
    position = ((volumes - 6.0 > 2.0) & (volumes - 6.0 <= 4.0)).astype(float)
    trends = {
        "System.Flow": Trend("System.Flow", FLOW, time, np.full(time.size, FLOW_RATE)),
        "UV1.Signal": Trend("UV1.Signal", ABSORBANCE, time, uv),
        "Cond.Signal": Trend("Cond.Signal", CONDUCTIVITY, time, cond),
        "Pressure.System": Trend("Pressure.System", PRESSURE, time, 1e5 + 1e4 * phi((volumes - 4) / 0.1)),
        "OutletValve.Position": Trend("OutletValve.Position", NUMBER, time, position, step=True),
    }
    pools = []
    if end >= late + 10.0 * CV_TIME:
        amounts = {"product": 9e-6, "impurity": 1e-6, "Na": 1e-3} if analysed else {}
        first = late + 8.0 * CV_TIME
        pools.append(
            PoolRecord("Waste", 0.0, first, first * FLOW_RATE, {"product": 5e-7} if analysed else {})
        )
        pools.append(PoolRecord("Pool", first, first + 2.0 * CV_TIME, 2.0 * CV, amounts))
    return Run(
        identifier=identifier,
        origin=origin,
        state=state,
        skid="akta1",
        recipe="test",
        trends=trends,
        phases=tuple(phases),
        pools=tuple(pools),
        loaded={"product": 1e-5, "impurity": 4e-6},
        consumed={"A": 7e-5, "B": 3e-5, "Feed": 2e-5},
        column_volume=CV,
        provenance={"seed": "7", "scan": "1 s"},
    )
