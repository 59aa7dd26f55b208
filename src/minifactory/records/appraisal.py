"""The performance of a run in its plant: which vessels are feeds and pool, and how its UV detector counts."""

from __future__ import annotations

import math

from minifactory.errors import Finding, InputError
from minifactory.plant.model import DeviceKind, Plant
from minifactory.plant.network import shared_vessels
from minifactory.records.performance import Performance, evaluate, product_of
from minifactory.records.plant_run import PlantRun
from minifactory.records.pools import UvAssay, collect
from minifactory.records.run import Run

DETECTOR = "UV1.Signal"


def appraise_in(plant: Plant, run: Run, product: str | None = None, pool: str | None = None) -> Performance:
    """The performance of `run`: product and pool as named, else as the plant tells.

    The pool is the vessel with the purpose pool; of several, the one that took up most.
    """
    chosen = product or product_of(plant.species)
    return evaluate(
        run,
        plant.species,
        product=chosen,
        pool=pool or _pool(run, plant),
        feeds=feeds(plant) | _holding(plant),
        assay=assay(plant, run.skid, chosen),
        stated_load=stated_load(run, plant, chosen),
    )


def whole_run(runs: PlantRun, plant: Plant, pool: str | None = None) -> Run:
    """All skids of a plant as one run, collected by the skid that fills the pool.

    Parameters
    ----------
    runs : PlantRun
    plant : Plant
    pool : str or None
        The vessel of the product; None: the only one with the purpose pool that ends the chain.

    Raises
    ------
    InputError
        No pool is named and none or several end the chain, or no skid fills it.
    """
    return runs.whole(collecting(runs, plant, pool), shared_vessels(plant, runs.runs).keys())


def collecting(runs: PlantRun, plant: Plant, pool: str | None = None) -> str:
    """The skid that fills the pool; InputError as :func:`whole_run`."""
    shared = shared_vessels(plant, runs.runs)
    ends = [name for name, one in plant.vessels.items() if one.purpose == "pool" and name not in shared]
    meant = pool or (ends[0] if len(ends) == 1 else "")
    for skid, run in runs.runs.items():
        if any(item.vessel == meant for item in run.pools):
            return skid
    found = f'no skid fills the pool "{meant}"' if meant else f"{len(ends)} pools end the chain"
    raise InputError(Finding("targets.yaml", found, "the vessel of the product", "Name it: pool: VESSEL."))


def stated_load(run: Run, plant: Plant, product: str) -> float | None:
    """mol of `product` in what went through the load phases, by the composition of the plant's only feed."""
    materials = {plant.vessels[name].material for name in feeds(plant)} - {None}
    if len(materials) != 1:
        return None
    composition = plant.materials[str(materials.pop())].composition
    volume = math.fsum(phase.volume for phase in run.phases if phase.kind == "load")
    return composition.get(product, 0.0) * volume if volume > 0.0 else None


def feeds(plant: Plant) -> frozenset[str]:
    """The vessels that hold feed."""
    return frozenset(name for name, vessel in plant.vessels.items() if vessel.purpose == "feed")


def _holding(plant: Plant) -> frozenset[str]:
    """Vessels for what is on its way: what is drawn from them is no buffer either."""
    return frozenset(name for name, vessel in plant.vessels.items() if vessel.purpose == "other")


def _pool(run: Run, plant: Plant) -> str | None:
    pools = collect(run)
    meant = [name for name, vessel in plant.vessels.items() if vessel.purpose == "pool"]
    filled = [name for name in meant if name in pools]
    if filled:
        return max(filled, key=lambda name: pools[name].volume)
    return meant[0] if meant else None


def assay(plant: Plant, skid: str, product: str) -> UvAssay | None:
    """How the first UV detector of `skid` counts `product`; None when path length or extinction are unknown.

    The extinction is the one nearest to 280 nm, the usual wavelength of the first channel.
    """
    extinction = plant.species[product].extinction
    cells = [
        device
        for device in plant.skids[skid].devices.values()
        if device.kind is DeviceKind.UV_CELL and device.value("path_length", 0.0) > 0.0
    ]
    if not cells or not extinction:
        return None
    wavelength = min(extinction, key=lambda value: abs(value - 280e-9))
    cell = cells[0]
    return UvAssay(
        DETECTOR, cell.value("path_length", 0.0), extinction[wavelength], cell.value("saturation", math.inf)
    )
