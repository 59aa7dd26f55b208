"""The figures that studies can aim at: those of every run's performance, and a few that only design asks for.

    load_density     product loaded / column volume
    loss_in_load     product that left the column during load and wash / product loaded (limit it for DBC)
    cycle_time       duration of the run
    output           product in the pool / duration of the run
    resin_cost       resin of the column / cycles it lives, per mass of product in the pool
    cost_of_goods    (resin + buffers + feed + time) of one run, per mass of product in the pool

Costs need prices (:class:`Prices`); without them these two are unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.plant.model import Plant
from minifactory.records.appraisal import appraise_in, feeds
from minifactory.records.performance import FIGURES, Figure, figure_named
from minifactory.records.run import Run
from minifactory.units import FRACTION, MASS_CONCENTRATION, TIME, Kind

COST = Kind("cost per product", "1/kg", "1/g", 0.0)
OUTPUT = Kind("product per time", "kg/s", "mg/h", 0.0)

OWN: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("load_density", "Product loaded per column volume", MASS_CONCENTRATION, True),
        Figure("loss_in_load", "Product lost during load and wash", FRACTION, False),
        Figure("cycle_time", "Cycle time", TIME, False),
        Figure("output", "Product per time", OUTPUT, True, extensive=True),
        Figure("resin_cost", "Resin cost per product", COST, False),
        Figure("cost_of_goods", "Cost of goods per product", COST, False),
    )
}
KNOWN: dict[str, Figure] = {**FIGURES, **OWN}
"""All figures of a whole run, by name."""


def kind_of_figure(figure: str) -> Kind | None:
    """The kind of a figure, also of ``buffer.``, ``share.`` and ``log_reduction.`` something; else None."""
    known = figure_named(figure, KNOWN)
    return None if known is None else known.kind


def title_of_figure(figure: str) -> str:
    """What people call a figure."""
    known = figure_named(figure, KNOWN)
    return figure if known is None else known.title


def is_extensive(figure: str) -> bool:
    """Whether a figure grows with the column volume when a process is scaled."""
    known = figure_named(figure, KNOWN)
    return known is not None and known.extensive


@dataclass(frozen=True)
class Prices:
    """What things cost, in one currency.

    Parameters
    ----------
    currency : str
        For reports.
    resin : float
        Per m3 of packed bed.
    cycles : float
        Runs that a packed bed lives.
    buffers : Mapping of str to float
        Per m3 drawn from each vessel; vessels not named cost `buffer`.
    buffer : float
        Per m3 of any other buffer.
    feed : float
        Per kg of product loaded.
    hour : float
        Per s that the skid is busy (labour, depreciation).
    """

    currency: str = ""
    resin: float = 0.0
    cycles: float = 1.0
    buffers: Mapping[str, float] = field(default_factory=dict)
    buffer: float = 0.0
    feed: float = 0.0
    hour: float = 0.0


def figures_of(
    run: Run,
    plant: Plant,
    product: str | None,
    pool: str | None,
    prices: Prices | None = None,
    lost: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Every figure (SI) of a simulated run by name; nan where one is not known.

    `lost` is mol of each species that left the column from the first load to the first elution.
    """
    performance = appraise_in(plant, run, product, pool)
    found = dict(performance.values)
    volume = run.column_volume
    found["load_density"] = found["loaded_mass"] / volume if volume > 0.0 else math.nan
    loaded = run.loaded.get(performance.product, 0.0)
    gone = math.nan if lost is None else lost.get(performance.product, math.nan)
    found["loss_in_load"] = gone / loaded if loaded > 0.0 else math.nan
    found["cycle_time"] = run.duration
    mass = found["pool_mass"]
    found["output"] = mass / run.duration if run.duration > 0.0 else math.nan
    if prices is not None:
        resin = prices.resin * volume / prices.cycles
        buffers = math.fsum(
            prices.buffers.get(name, prices.buffer) * amount
            for name, amount in run.consumed.items()
            if name not in feeds(plant)
        )
        whole = resin + buffers + prices.feed * found["loaded_mass"] + prices.hour * run.duration
        found["resin_cost"] = resin / mass if mass > 0.0 else math.nan
        found["cost_of_goods"] = whole / mass if mass > 0.0 else math.nan
    found |= {f"buffer.{name}": amount for name, amount in performance.consumed.items()}
    found |= {f"share.{name}": share for name, share in performance.shares.items()}
    found |= {f"log_reduction.{name}": value for name, value in performance.log_reductions.items()}
    return found


def before_elution(run: Run) -> tuple[float, float] | None:
    """From the start of the first load to the start of the first elution (s); None without a load."""
    loads = [phase for phase in run.phases if phase.kind == "load"]
    elutions = [phase.start for phase in run.phases if phase.kind == "elute"]
    if not loads:
        return None
    return loads[0].start, min(elutions, default=loads[-1].end)
