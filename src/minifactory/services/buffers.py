"""Buffer management: which vessel is to be filled next by the one unit that prepares buffers.

Each vessel that its plan will empty has an order, due when it is forecast to run dry. A batch is worth its
setup when it fills the vessel well; so an order is *ready* when a good batch fits or when it cannot wait, and
among the ready ones the earliest latest start (due, less preparation, delivery and a margin for delays) goes
first; within the same hour, the higher priority. That is earliest deadline first with processing times. The
stocks of a batch come from :func:`minifactory.twin.buffers.buffer_recipe`; every batch is a lot with its
composition, pH and conductivity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from minifactory.errors import Finding, InputError
from minifactory.services.forecast import Draw, depletion, level_at
from minifactory.services.ledger import Ledger
from minifactory.twin.buffers import Stocks, Wanted, buffer_recipe


@dataclass(frozen=True)
class BufferVessel:
    """A vessel that the service keeps filled.

    Parameters
    ----------
    name : str
    capacity, minimum : float
        m3.
    priority : int
        0 is the most urgent; it breaks ties of the same hour.
    wanted : Wanted or None
        The buffer; None: only volumes are kept (a simulation).
    """

    name: str
    capacity: float
    minimum: float = 0.0
    priority: int = 5
    wanted: Wanted | None = None


@dataclass(frozen=True)
class PreparationUnit:
    """The unit: s per batch, s per m3 prepared, s to deliver, and the largest batch (m3)."""

    setup: float = 1200.0
    per_volume: float = 1.2e6
    delivery: float = 300.0
    largest: float = math.inf

    def lasts(self, volume: float) -> float:
        """s from the beginning of a batch of `volume` (m3) to its delivery, as planned."""
        return self.setup + self.per_volume * volume + self.delivery


@dataclass(frozen=True)
class BufferOrder:
    """A batch for a vessel: m3, when it is due and when it has to be begun at the latest (s), and why."""

    vessel: str
    volume: float
    due: float
    latest_start: float
    priority: int
    note: str


@dataclass(frozen=True)
class Lot:
    """A batch that was prepared: stocks in m3, composition in mol/m3, conductivity in S/m."""

    number: str
    vessel: str
    volume: float
    prepared: float
    stocks: Mapping[str, float]
    composition: Mapping[str, float]
    ph: float
    conductivity: float


@dataclass(frozen=True)
class Situation:
    """What a rule decides by: time (s), estimated levels with their uncertainty (m3), planned draws."""

    now: float
    levels: Mapping[str, float]
    draws: Sequence[Draw]
    uncertainty: Mapping[str, float]


class Rule(Protocol):
    """Which batch the free unit begins now; None: none yet."""

    def choose(
        self, vessels: Mapping[str, BufferVessel], unit: PreparationUnit, situation: Situation
    ) -> BufferOrder | None: ...


@dataclass(frozen=True)
class EarliestDeadline:
    """The service's rule.

    Parameters
    ----------
    margin : float
        s for delays, before every due time.
    worthwhile : float
        Part of the capacity that a batch should fill, unless it is urgent.
    """

    margin: float = 2.0 * 3600.0
    worthwhile: float = 0.4

    def choose(
        self, vessels: Mapping[str, BufferVessel], unit: PreparationUnit, situation: Situation
    ) -> BufferOrder | None:
        """The ready order that has to be begun first."""
        orders = [
            order
            for order in planned_orders(vessels, unit, situation, self.margin)
            if order.volume >= self.worthwhile * vessels[order.vessel].capacity
            or (order.latest_start <= situation.now and order.volume > 0.0)
        ]
        return min(
            orders,
            key=lambda item: (item.latest_start // 3600.0, item.priority, item.latest_start),
            default=None,
        )


@dataclass
class ThresholdFirstInFirstOut:
    """The usual rule, for comparison: a vessel below a fraction of its capacity joins a line."""

    threshold: float = 0.3

    def __post_init__(self) -> None:
        self._line: list[str] = []

    def choose(
        self, vessels: Mapping[str, BufferVessel], unit: PreparationUnit, situation: Situation
    ) -> BufferOrder | None:
        """The vessel that has waited longest."""
        for name, vessel in vessels.items():
            if situation.levels[name] < self.threshold * vessel.capacity and name not in self._line:
                self._line.append(name)
        if not self._line:
            return None
        vessel = vessels[self._line.pop(0)]
        volume = min(vessel.capacity - situation.levels[vessel.name], unit.largest)
        return BufferOrder(vessel.name, volume, math.nan, math.nan, 0, "below its threshold")


def planned_orders(
    vessels: Mapping[str, BufferVessel], unit: PreparationUnit, situation: Situation, margin: float
) -> list[BufferOrder]:
    """An order for every vessel that the plan empties, with its due time; the most urgent first."""
    minimum = {name: vessel.minimum for name, vessel in vessels.items()}
    levels = {name: situation.levels[name] for name in vessels}
    dry = depletion(levels, minimum, situation.draws, situation.now, situation.uncertainty)
    orders = []
    for name, vessel in vessels.items():
        if math.isinf(dry[name]):
            continue
        # What fits when it arrives: what is there now, less what is drawn until then.
        mine = [draw for draw in situation.draws if draw.vessel == name]
        volume = min(vessel.capacity - levels[name], unit.largest)
        for _ in range(2):
            arrives = situation.now + unit.lasts(max(volume, 0.0))
            there = max(level_at(levels[name], mine, situation.now, arrives), vessel.minimum)
            fits = vessel.capacity - there - 2.0 * situation.uncertainty.get(name, 0.0)
            volume = min(fits, unit.largest)
        if volume <= 0.0:
            continue
        latest = dry[name] - unit.lasts(volume) - margin
        note = f"dry in {(dry[name] - situation.now) / 3600.0:.1f} h by plan and level"
        orders.append(BufferOrder(name, volume, dry[name], latest, vessel.priority, note))
    return sorted(orders, key=lambda order: order.latest_start)


class LotBook:
    """Prepares lots by the buffer model and records them, each under a number of its own.

    Raises
    ------
    InputError
        As :func:`buffer_recipe`; and for a vessel without a buffer.
    """

    def __init__(self, ledger: Ledger, stocks: Mapping[str, Stocks] | None = None) -> None:
        self._ledger, self._stocks = ledger, dict(stocks or {})
        self._count = sum(1 for event in ledger.events() if event.get("do") == "lot")

    def prepare(self, vessel: BufferVessel, volume: float, now: float) -> Lot:
        """The lot of `volume` (m3) for `vessel`, recorded."""
        if vessel.wanted is None:
            raise InputError(Finding(f"buffer {vessel.name}", "it is not said what it is to be"))
        wanted = Wanted(
            vessel.wanted.buffer, vessel.wanted.concentration, vessel.wanted.ph, vessel.wanted.conductivity,
            vessel.wanted.salt, vessel.wanted.temperature, volume,
        )  # fmt: skip
        made = buffer_recipe(wanted, self._stocks.get(vessel.name))
        self._count += 1
        lot = Lot(
            f"{vessel.name}-{self._count:04d}", vessel.name, volume, now, dict(made.volumes),
            dict(made.composition), made.ph, made.conductivity,
        )  # fmt: skip
        self._ledger.write(
            {
                "do": "lot",
                "number": lot.number,
                "vessel": lot.vessel,
                "volume": volume,
                "at": now,
                "stocks": dict(lot.stocks),
                "composition": dict(lot.composition),
                "ph": lot.ph,
                "conductivity": lot.conductivity,
            }
        )
        return lot
