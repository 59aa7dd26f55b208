"""How a skid prepares buffers: the doses that make the liquid of a vessel, and the recipe of a batch.

A batch is an ordinary recipe on an ordinary skid, so that Orbit runs, watches and records it as any other:
the tank is emptied and rinsed, stocks are dosed into it one after another and water last, which leaves the
line clean; then the tank is drawn to waste until the conductivity is that of the lot, and delivered.

The doses come from the compositions of the stocks by non-negative least squares on the ions, and must give
the pH and the conductivity of what the vessel is said to hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.plant.model import DeviceKind, Plant, Skid
from minifactory.recipe.builder import OperationBuilder, RecipeBuilder, settings
from minifactory.recipe.model import Recipe
from minifactory.services.buffers import BufferVessel, PreparationUnit

PRIME = 3.0
"""Times the hold-up of the skid that pass before what comes is what is drawn."""
SHORTEST_DOSE = 200.0
"""s that a dose takes at least, so that a scan's delay in ending it is a small part of it."""
REST = 5.0
"""s of flow that draining leaves in the tank at least, so that no air is drawn before the pump stands."""
RINSES = 10.0
"""Times what draining leaves that the tank is rinsed with, unless it is said."""
TURNS = 2
"""Rinses: what was in the tank before may conduct a hundred times better."""
SPARE = 0.02
"""Part of a batch that is made beyond what is delivered and primed: the doubt of two measured volumes."""
COMPOSITION = 0.01
"""Part of all ions by which a mixture may miss the composition."""
PH = 0.05
"""pH units by which a mixture may miss that of the composition."""
RELEASE = "release"
"""The operation of a batch's recipe in which a lot is looked at and delivered."""
STAND = "5 s"
"""For which the flow stands before valves turn."""
FILLED = 0.95
"""Part of a vessel's capacity up to which it is filled; the rest is for the doubt of its level."""
FULL = 0.99
"""Part of it at which a delivery ends, whatever is left of the batch."""
STEADY = 10.0
"""s for which the conductivity must be that of the lot before it is delivered."""


@dataclass(frozen=True)
class Preparation:
    """What ``services.yaml`` says of buffer management.

    Parameters
    ----------
    skid : str
        Which prepares and delivers.
    tank, water : str
        Vessels: the one in which it mixes, and that of water.
    stocks : tuple of str
        Vessels of stock solutions.
    vessels : Mapping of str to BufferVessel
        What it keeps filled.
    flow : float
        m3/s at which it pumps; small doses more slowly.
    rinse : float
        m3 of water with which the tank is rinsed before a batch.
    margin : float
        s for delays, before every due time.
    worthwhile : float
        Part of a vessel's capacity that a batch should fill, unless it is urgent.
    tolerance : float
        Relative; of the conductivity of a lot, and of each ion by its measured doses.
    """

    skid: str
    tank: str
    water: str
    stocks: tuple[str, ...]
    vessels: Mapping[str, BufferVessel]
    flow: float
    rinse: float
    margin: float = 1800.0
    worthwhile: float = 0.4
    tolerance: float = 0.05


@dataclass(frozen=True)
class Mixture:
    """Volume shares of stocks and water (by vessel) that make a liquid, and what they make.

    `composition` in mol/m3 by species, `conductivity` in S/m, at the plant's temperature.
    """

    shares: Mapping[str, float]
    composition: Mapping[str, float]
    ph: float
    conductivity: float


@dataclass(frozen=True)
class Batch:
    """A batch as planned.

    Parameters
    ----------
    vessel : str
        What it is for.
    volume : float
        m3 that are delivered.
    doses : Mapping of str to float
        m3 by vessel of stock, water last.
    mixture : Mixture
    recipe : Recipe
        What Orbit runs.
    """

    vessel: str
    volume: float
    doses: Mapping[str, float]
    mixture: Mixture
    recipe: Recipe = field(repr=False)


def mixture(plant: Plant, preparation: Preparation, vessel: str) -> Mixture:
    """The mixture of stocks and water that makes what `vessel` is said to hold.

    Raises
    ------
    InputError
        The stocks do not make it, and what is off; or they are too dilute.
    """
    where = f"services.yaml buffers.vessels.{vessel}"
    sources = (*preparation.stocks, preparation.water)
    contents = {name: _content(plant, name) for name in (*sources, vessel)}
    names = tuple(name for name in plant.species if any(name in each for each in contents.values()))
    table = np.array([[contents[name].get(item, 0.0) for item in names] for name in sources])
    wanted = np.array([contents[vessel].get(item, 0.0) for item in names])
    from scipy.optimize import nnls  # a rare part, imported where it is used

    water = table[-1]
    shares, _ = nnls((table[:-1] - water).T, wanted - water)
    parts = np.append(shares, 1.0 - float(shares.sum()))
    made = parts @ table
    off = made - wanted
    if float(np.abs(off).sum()) > COMPOSITION * max(float(np.abs(wanted).sum()), 1e-3):
        worst = int(np.argmax(np.abs(off)))
        found = f"the stocks give {made[worst]:.4g} mM of {names[worst]} where it holds {wanted[worst]:.4g}"
        lacks = off[worst] < 0.0
        remedy = f"{'Add a stock with' if lacks else 'Take a stock without so much'} {names[worst]}."
        raise InputError(Finding(where, found, plant.vessels[vessel].material or "", remedy))
    if parts[-1] < 0.0:
        found = f"the stocks alone fill {100.0 * float(shares.sum()):.0f} % of the volume"
        raise InputError(Finding(where, found, "at most 100 %", "Take stronger stocks."))
    reached, aim = (measured(plant, dict(zip(names, each, strict=True))) for each in (made, wanted))
    if abs(reached[0] - aim[0]) > PH or abs(reached[1] - aim[1]) > preparation.tolerance * aim[1]:
        found = f"the stocks give pH {reached[0]:.2f} and {10.0 * reached[1]:.4g} mS/cm"
        raise InputError(
            Finding(where, found, f"pH {aim[0]:.2f} and {10.0 * aim[1]:.4g} mS/cm", "See to its stocks.")
        )
    used = {name: float(part) for name, part in zip(sources, parts, strict=True) if part > 1e-9}
    composition = {name: float(value) for name, value in zip(names, made, strict=True) if value > 0.0}
    return Mixture(used, composition, *reached)


def batch(
    plant: Plant, preparation: Preparation, vessel: str, volume: float, number: int = 0, left: float = 0.0
) -> Batch:
    """The batch that delivers `volume` (m3) into `vessel`; there are `left` (m3) in the tank.

    Raises
    ------
    InputError
        As :func:`mixture`; the tank or a dose is too small; and what the recipe finds wrong with the skid.
    """
    found = mixture(plant, preparation, vessel)
    stays = rest(plant, preparation)
    total = (1.0 + SPARE) * (volume + _checked(plant, preparation)) + stays
    where = f"services.yaml buffers.vessels.{vessel}"
    capacity = plant.vessels[preparation.tank].capacity
    if total > capacity * (1.0 + 1e-9):
        text = f"{_ml(volume)} and what is lost take {_ml(total)}"
        raise InputError(Finding(where, text, f"at most the tank's {_ml(capacity)}", "Take a larger tank."))
    doses = {name: share * total for name, share in found.shares.items()}
    last = doses.pop(preparation.water, 0.0) - stays  # of the rinse
    if last < _primed(plant, preparation) * (1.0 - 1e-9):
        text = f"{_ml(last)} of water in a batch of {_ml(total)}"
        least = _ml(_primed(plant, preparation))
        remedy = "Take stronger stocks, or larger batches."
        raise InputError(Finding(where, text, f"{least}, which push the last stock out of the line", remedy))
    doses[preparation.water] = last
    recipe = _recipe(plant, preparation, vessel, volume, doses, found, number, left > stays)
    return Batch(vessel, volume, doses, found, recipe)


def smallest(plant: Plant, preparation: Preparation, vessel: str) -> float:
    """m3 that a batch for `vessel` delivers at least: its water has to push the last stock out of the line.

    Infinite where the mixture holds no water.
    """
    water = mixture(plant, preparation, vessel).shares.get(preparation.water, 0.0)
    if water <= 0.0:
        return math.inf
    stays = rest(plant, preparation)
    total = (_primed(plant, preparation) + stays) / water
    return max((total - stays) / (1.0 + SPARE) - _checked(plant, preparation), 0.0)


def unit(plant: Plant, preparation: Preparation) -> PreparationUnit:
    """How long batches take on this skid, and the largest."""
    tank, flow = plant.vessels[preparation.tank], preparation.flow
    checked = _checked(plant, preparation)
    fixed = (2.0 * TURNS * preparation.rinse + 2.0 * checked) / flow + SHORTEST_DOSE * len(preparation.stocks)
    largest = (tank.capacity - rest(plant, preparation)) / (1.0 + SPARE) - checked
    return PreparationUnit(fixed, 2.0 / flow, 0.0, largest)


def nominal(plant: Plant, preparation: Preparation) -> Batch:
    """The largest batch for the first of the vessels: what the skid does, before anything is ordered."""
    vessel = next(iter(preparation.vessels.values()))
    return batch(plant, preparation, vessel.name, min(vessel.capacity, unit(plant, preparation).largest))


def rest(plant: Plant, preparation: Preparation) -> float:
    """m3 in the tank at which it counts as drained."""
    return max(plant.vessels[preparation.tank].minimum, REST * preparation.flow)


def hold_up(skid: Skid) -> float:
    """m3 between the inlets and the outlets of the skid, at most."""
    return sum(device.volume for device in skid.devices.values())


def measures_conductivity(skid: Skid) -> str:
    """The skid's cell that shows what a lot is; empty when it has none."""
    cells = skid.of_kind(DeviceKind.CONDUCTIVITY_CELL)
    return cells[0].name if cells else ""


def _primed(plant: Plant, preparation: Preparation) -> float:
    return PRIME * hold_up(plant.skids[preparation.skid])


def _checked(plant: Plant, preparation: Preparation) -> float:
    """m3 that go to waste while the conductivity is looked at."""
    return _primed(plant, preparation) + STEADY * preparation.flow


def _content(plant: Plant, vessel: str) -> Mapping[str, float]:
    material = plant.vessels[vessel].material
    return {} if material is None else plant.materials[material].composition


def measured(plant: Plant, composition: Mapping[str, float]) -> tuple[float, float]:
    """pH and conductivity (S/m) of a composition (mol/m3 by species) at the plant's temperature."""
    from minifactory.twin.electrolyte import electrolyte

    model = electrolyte([plant.species[name] for name in composition])
    ph, conductivity = model.evaluate(np.array(list(composition.values())), plant.temperature)
    return float(ph), float(conductivity)


def _recipe(
    plant: Plant,
    preparation: Preparation,
    vessel: str,
    volume: float,
    doses: Mapping[str, float],
    made: Mixture,
    number: int,
    drains: bool,
) -> Recipe:
    skid, tank, waste = plant.skids[preparation.skid], preparation.tank, _waste(plant, preparation)
    slowest = max((pump.value("min_flow", 0.0) for pump in skid.of_kind(DeviceKind.PUMP)), default=0.0)
    flow, drained = _rate(preparation.flow), f"level({tank}) < {_ml(rest(plant, preparation))}"
    longest = f"{2.0 * plant.vessels[tank].capacity / preparation.flow + 600.0:.0f} s"
    primed = _ml(_primed(plant, preparation))
    build = RecipeBuilder(
        f"buffer-{vessel}", plant, str(max(number, 1)), f"{_ml(volume)} for {vessel}, prepared from stocks"
    )
    procedure = build.unit_procedure(
        "prepare",
        skid.name,
        start=settings(inlet_a=preparation.water, outlet=waste),
        safe=settings(inlet_a=preparation.water, outlet=waste),
    )
    water, rinse = preparation.water, _ml(preparation.rinse)
    clear = procedure.operation("clear")
    drain = partial(_step, clear, kind="clean", inlet_a=tank, outlet=waste, flow=flow, until=drained)
    if drains:
        drain("drain", timeout=longest)
    for turn in range(1, TURNS + 1):
        _step(clear, f"rinse_{turn}", kind="clean", inlet_a=water, outlet=tank, flow=flow, until=rinse)
        drain(f"drain_{turn}", timeout=longest)
    dose = procedure.operation("dose")
    _step(dose, "prime", kind="wash", inlet_a=water, outlet=waste, flow=flow, until=primed)
    for stock, amount in doses.items():
        rate = _rate(max(min(preparation.flow, amount / SHORTEST_DOSE), slowest))
        _step(dose, f"dose_{stock}", kind="other", inlet_a=stock, outlet=tank, flow=rate, until=_ml(amount))
    release = procedure.operation(RELEASE)
    cell = measures_conductivity(skid)
    low, high = ((1.0 + sign * preparation.tolerance) * made.conductivity * 10.0 for sign in (-1.0, 1.0))
    within = f"{cell} > {low:.6g} mS/cm and {cell} < {high:.6g} mS/cm"
    steady = f"for({within}, {STEADY:.0f} s) and " if cell else ""
    limit = f"{2.0 * _checked(plant, preparation) / preparation.flow + 60.0:.0f} s" if cell else ""
    _step(
        *(release, "check"),
        kind="wash",
        inlet_a=tank,
        outlet=waste,
        flow=flow,
        until=f"{steady}{primed}",
        timeout=limit,
    )
    full = f"level({vessel}) > {_ml(FULL * plant.vessels[vessel].capacity)}"
    ends = f"{_ml(volume)} or {drained} or {full}"
    _step(release, "deliver", kind="other", inlet_a=tank, outlet=vessel, flow=flow, until=ends)
    return build.build()


def _step(
    operation: OperationBuilder,
    name: str,
    *,
    kind: str,
    inlet_a: str,
    outlet: str,
    flow: str,
    until: str,
    timeout: str = "",
) -> None:
    """A phase, and one in which the flow stands: valves turn only then, so that each volume goes one way."""
    limit = timeout or None
    operation.phase(name, kind=kind, inlet_a=inlet_a, outlet=outlet, flow=flow, until=until, timeout=limit)
    operation.phase(f"{name}_stands", kind="wait", flow="0 mL/min", until=STAND)


def _waste(plant: Plant, preparation: Preparation) -> str:
    skid = plant.skids[preparation.skid]
    reached = {link[1].owner for link in skid.connections if not link[1].port}
    for name, vessel in plant.vessels.items():
        if vessel.purpose == "waste" and name in reached:
            return name
    raise InputError(
        Finding(
            f"skid {skid.name}",
            "no waste can be reached from its outlet",
            "a vessel with the purpose waste",
        )
    )


def _ml(volume: float) -> str:
    return f"{1e6 * volume:.6g} mL"


def _rate(flow: float) -> str:
    return f"{60e6 * flow:.6g} mL/min"
