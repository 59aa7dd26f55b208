"""How good a run was: each figure defined once, for simulated and measured runs alike.

    yield               product mass in the pool / product mass loaded
    purity              product mass / mass of all proteins, in the pool
    pool concentration  product mass / pool volume
    productivity        product mass in the pool / (column volume x duration of the run)
    highest pressure    largest mean of the pressure over 10 s, so that noise of the sensor does not count
    buffer use          volume drawn from each vessel; all of them but the feed, per product mass in the pool

Amounts come from the pool's analysis. Without one, the product's mass is estimated from the UV, which counts
everything that absorbs as product; such figures say so in :attr:`Performance.basis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Role, Species
from minifactory.records.pools import UvAssay, collect, pool_of, protein_masses, uv_amount
from minifactory.records.run import Run
from minifactory.units import (
    FRACTION,
    MASS,
    MASS_CONCENTRATION,
    POSITIVE,
    PRESSURE,
    TIME,
    VOLUME,
    Kind,
)

PRODUCTIVITY = Kind("productivity", "kg/(m^3*s)", "g/(L*h)", 0.0)
BUFFER_PER_MASS = Kind("buffer per product", "m^3/kg", "L/g", 0.0)

LARGEST_REDUCTION = 9.0
"""Decades that a log reduction is told at most: below that the numbers of a simulation say nothing."""
PRESSURE_TIME = 10.0
"""s over which the highest pressure is averaged."""


class Basis(Enum):
    """Where the product's mass comes from."""

    ANALYSIS = "analysis of the pool"
    UV = "estimated from UV"
    NOTHING = "nothing was collected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Figure:
    """One figure of performance.

    Parameters
    ----------
    name, title : str
        What programs and people call it.
    kind : Kind
    more_is_better : bool or None
        None: neither.
    extensive : bool
        Whether the same process on a column of twice the volume gives twice the figure.
    """

    name: str
    title: str
    kind: Kind
    more_is_better: bool | None = None
    extensive: bool = False


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("yield", "Yield", FRACTION, True),
        Figure("purity", "Purity", FRACTION, True),
        Figure("pool_mass", "Product in the pool", MASS, True, extensive=True),
        Figure("loaded_mass", "Product loaded", MASS, extensive=True),
        Figure("pool_volume", "Pool volume", VOLUME, extensive=True),
        Figure("pool_concentration", "Pool concentration", MASS_CONCENTRATION, True),
        Figure("productivity", "Productivity", PRODUCTIVITY, True),
        Figure("duration", "Duration", TIME, False),
        Figure("max_pressure", "Highest pressure", PRESSURE, False),
        Figure("buffer", "Buffer used", VOLUME, False, extensive=True),
        Figure("buffer_per_mass", "Buffer per product", BUFFER_PER_MASS, False),
    )
}

BUFFER, SHARE, LOG_REDUCTION = "buffer", "share", "log_reduction"
FAMILIES: dict[str, Figure] = {
    BUFFER: Figure(BUFFER, "Used of {}", VOLUME, False, extensive=True),
    SHARE: Figure(SHARE, "{} per product", FRACTION),
    LOG_REDUCTION: Figure(LOG_REDUCTION, "Log reduction of {}", POSITIVE, True),
}
"""Figures of which there is one per vessel or species: ``buffer.VESSEL``, ``share.SPECIES`` and so on."""


def figure_named(name: str, known: Mapping[str, Figure] = FIGURES) -> Figure | None:
    """The figure of that name: one of `known`, or a member of :data:`FAMILIES`; None when there is none."""
    if name in known:
        return known[name]
    family, _, member = name.partition(".")
    if not member or family not in FAMILIES:
        return None
    return replace(FAMILIES[family], name=name, title=FAMILIES[family].title.format(member))


@dataclass(frozen=True)
class Performance:
    """The figures of one run, SI, by the names of :data:`FIGURES`; nan where a figure is not known.

    Parameters
    ----------
    product, pool : str
        Species and vessel that the figures are about.
    values : Mapping of str to float
        Yield and purity as fractions, masses in kg, volumes in m3, concentration in kg/m3, productivity in
        kg/(m3 of packed column s), duration in s, pressure in Pa, buffer per mass in m3/kg.
    consumed : Mapping of str to float
        m3 drawn from each vessel, feed included.
    basis : Basis
        Where the product's mass comes from.
    notes : tuple of str
        What a reader must know of them (saturated detector, run cut short).
    shares : Mapping of str to float
        Mass of each species in an analysed pool per mass of product: its quality attributes.
    log_reductions : Mapping of str to float
        Of each virus that was loaded: log10 of its amount loaded over that in the analysed pool; at most
        :data:`LARGEST_REDUCTION`.
    """

    product: str
    pool: str
    values: Mapping[str, float]
    consumed: Mapping[str, float] = field(default_factory=dict)
    basis: Basis = Basis.UNKNOWN
    notes: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    log_reductions: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        try:
            return self.values[name]
        except KeyError:
            raise InputError(
                Finding("performance", f'no figure "{name}"', remedy=did_you_mean(name, FIGURES))
            ) from None


def product_of(species: Mapping[str, Species]) -> str:
    """The name of the product; InputError when there is not exactly one."""
    names = [name for name, item in species.items() if item.role is Role.PRODUCT]
    if len(names) == 1:
        return names[0]
    raise InputError(
        Finding(
            "species",
            f"{len(names)} species have the role product ({', '.join(names) or 'none'})",
            "exactly one",
            "Name the product.",
        )
    )


def main_pool(run: Run) -> str:
    """The vessel of the product: of those filled in elution, waste apart, the one that took up most.

    Elution is any phase of kind ``elute``. Empty when nothing was collected there.
    """
    elutions = [(phase.start, phase.end) for phase in run.phases if phase.kind == "elute"]
    best, most = "", 0.0
    for name, pool in collect(run).items():
        if name.lower().startswith("waste"):
            continue
        overlap = sum(
            max(0.0, min(part.end, end) - max(part.start, start)) * part.volume / (part.end - part.start)
            for part in pool.parts
            for start, end in elutions
            if part.end > part.start
        )
        if overlap > most:
            best, most = name, overlap
    return best


def evaluate(
    run: Run,
    species: Mapping[str, Species],
    *,
    product: str | None = None,
    pool: str | None = None,
    feeds: frozenset[str] = frozenset(),
    assay: UvAssay | None = None,
    stated_load: float | None = None,
    pressure_tag: str = "Pressure.System",
) -> Performance:
    """The performance of `run`.

    Parameters
    ----------
    run : Run
        Simulated or measured, complete or cut short.
    species : Mapping of str to Species
        Of the plant; gives molar masses and roles.
    product : str or None
        Species; None: the only one with the role product.
    pool : str or None
        Vessel; None: :func:`main_pool`.
    feeds : frozenset of str
        Vessels that hold feed; what is drawn from them is no buffer.
    assay : UvAssay or None
        For the estimate from UV when the pool was not analysed.
    stated_load : float or None
        mol of product that was loaded by the stated composition of the feed, for a load not analysed.
    pressure_tag : str
        Trend of the pressure.
    """
    product = product_of(species) if product is None else product
    vessel = main_pool(run) if pool is None else pool
    content = pool_of(run, vessel)
    notes: list[str] = []
    if run.state != "Complete":
        notes.append(f"The run ended in state {run.state}: the figures cover what was executed.")
    amount = run.loaded.get(product, math.nan)
    if not math.isfinite(amount) and stated_load is not None:
        amount = stated_load
        notes.append("The load was not analysed: it is taken from the stated composition of the feed.")
    loaded = amount * species[product].molar_mass
    mass, purity, basis = math.nan, math.nan, Basis.UNKNOWN
    shares: dict[str, float] = {}
    reductions: dict[str, float] = {}
    if content.analysed:
        masses = protein_masses(content.amounts, species)
        mass, basis = masses.get(product, 0.0), Basis.ANALYSIS
        total = math.fsum(masses.values())
        purity = mass / total if total > 0 else math.nan
        if mass > 0.0:
            shares = {
                name: content.amounts[name] * species[name].molar_mass / mass
                for name in content.amounts
                if name in species and name != product and species[name].role is not Role.VIRUS
            }
        reductions = _log_reductions(run, content.amounts, species)
    elif not content.parts:
        mass, basis = 0.0, Basis.NOTHING
    elif assay is not None:
        seen = uv_amount(run, content, assay)
        mass, basis = seen.amount * species[product].molar_mass, Basis.UV
        notes.append(
            "The pool was not analysed: its product is estimated from UV, which counts all that absorbs."
        )
        if seen.saturated > 0.01:
            notes.append(f"The UV detector was saturated in {seen.saturated:.0%} of the pool.")
    buffers = math.fsum(volume for name, volume in run.consumed.items() if name not in feeds)
    values = {
        "yield": _ratio(mass, loaded),
        "purity": purity,
        "pool_mass": mass,
        "loaded_mass": loaded,
        "pool_volume": content.volume,
        "pool_concentration": _ratio(mass, content.volume),
        "productivity": _ratio(mass, run.column_volume * run.duration),
        "duration": run.duration,
        "max_pressure": _highest(run, pressure_tag),
        "buffer": buffers if run.consumed else math.nan,
        "buffer_per_mass": _ratio(buffers, mass) if run.consumed else math.nan,
    }
    return Performance(product, vessel, values, dict(run.consumed), basis, tuple(notes), shares, reductions)


def _log_reductions(run: Run, pool: Mapping[str, float], species: Mapping[str, Species]) -> dict[str, float]:
    """Log reduction of each virus that was loaded, from amounts (mol or whatever its titre counts)."""
    least = 10.0**-LARGEST_REDUCTION
    return {
        name: -math.log10(max(pool[name] / loaded, least))
        for name, loaded in run.loaded.items()
        if name in pool and name in species and species[name].role is Role.VIRUS and loaded > 0.0
    }


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan


def _highest(run: Run, tag: str) -> float:
    """The largest mean over :data:`PRESSURE_TIME` of the trusted pressure (Pa); nan without one."""
    trend = run.trends.get(tag)
    if trend is None:
        return math.nan
    trusted = np.isfinite(trend.values)
    if trend.quality is not None:
        trusted &= trend.quality == 0
    time, values = trend.time[trusted], trend.values[trusted]
    if not time.size:
        return math.nan
    span = float(time[-1] - time[0])
    if span <= PRESSURE_TIME:
        return float(values.mean())
    integral = np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(time))])
    ends = np.union1d(time[time >= time[0] + PRESSURE_TIME], time[:-1] + PRESSURE_TIME)
    ends = ends[ends <= time[-1]]
    means = np.interp(ends, time, integral) - np.interp(ends - PRESSURE_TIME, time, integral)
    return float(means.max()) / PRESSURE_TIME
