"""What was collected: pools by vessel, their masses, what the UV saw go into them, whether mass closes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.model import Species
from minifactory.records.run import PoolRecord, Run, Trend


@dataclass(frozen=True)
class Pool:
    """Everything that went into one vessel during a run.

    Parameters
    ----------
    vessel : str
        Where it went.
    start, end : float
        s since the start of the run: first and last moment of collecting.
    volume : float
        m3.
    amounts : Mapping of str to float
        mol of each species; empty when the pool was not analysed.
    parts : tuple of PoolRecord
        The intervals of collecting, in order.
    """

    vessel: str
    start: float
    end: float
    volume: float
    amounts: Mapping[str, float]
    parts: tuple[PoolRecord, ...]

    @property
    def analysed(self) -> bool:
        """Whether its amounts are known."""
        return bool(self.amounts)

    def masses(self, species: Mapping[str, Species]) -> dict[str, float]:
        """kg of each protein in the pool; empty when it was not analysed."""
        return protein_masses(self.amounts, species)


def protein_masses(amounts: Mapping[str, float], species: Mapping[str, Species]) -> dict[str, float]:
    """kg of each protein among `amounts` (mol)."""
    return {
        name: amount * species[name].molar_mass
        for name, amount in amounts.items()
        if name in species and species[name].role.is_protein
    }


def collect(run: Run) -> dict[str, Pool]:
    """The pools of `run` by vessel, waste included, in order of first use.

    Amounts of a vessel are known only when every part of it that took up volume was analysed.
    """
    parts: dict[str, list[PoolRecord]] = {}
    for record in run.pools:
        parts.setdefault(record.vessel, []).append(record)
    return {vessel: _merge(vessel, records) for vessel, records in parts.items()}


def _merge(vessel: str, records: Iterable[PoolRecord]) -> Pool:
    ordered = tuple(sorted(records, key=lambda record: record.start))
    amounts: dict[str, float] = {}
    if all(record.amounts or record.volume <= 0 for record in ordered):
        for record in ordered:
            for name, amount in record.amounts.items():
                amounts[name] = amounts.get(name, 0.0) + amount
    return Pool(
        vessel=vessel,
        start=ordered[0].start,
        end=max(record.end for record in ordered),
        volume=math.fsum(record.volume for record in ordered),
        amounts=amounts,
        parts=ordered,
    )


def pool_of(run: Run, vessel: str) -> Pool:
    """The pool in `vessel`; empty (volume 0, no parts) when nothing went there.

    Raises
    ------
    InputError
        When the run has a vessel whose name differs only in case: the name is misspelt.
    """
    pools = collect(run)
    if vessel in pools:
        return pools[vessel]
    if any(name.lower() == vessel.lower() for name in pools):
        raise InputError(
            Finding(f"run {run.identifier}", f'no pool "{vessel}"', remedy=did_you_mean(vessel, pools))
        )
    return Pool(vessel, math.nan, math.nan, 0.0, {}, ())


@dataclass(frozen=True)
class UvAssay:
    """How absorbance becomes amount.

    Parameters
    ----------
    tag : str
        Trend of the absorbance.
    path_length : float
        m.
    extinction : float
        AU m2/mol, decadic, of the product.
    saturation : float
        AU above which the detector cannot be trusted.
    """

    tag: str
    path_length: float
    extinction: float
    saturation: float = math.inf


@dataclass(frozen=True)
class UvAmount:
    """An amount (mol) from absorbance, and the share of the volume with a saturated detector (0 to 1)."""

    amount: float
    saturated: float


def uv_amount(run: Run, pool: Pool, assay: UvAssay, flow_tag: str = "System.Flow") -> UvAmount:
    """The amount (mol) that the UV saw go into `pool`, as if all that absorbs were product.

    Absorbance is integrated over the pumped volume, above :func:`uv_baseline`. The delay between detector and
    outlet is neglected.
    """
    if assay.tag not in run.trends or flow_tag not in run.trends:
        return UvAmount(math.nan, 0.0)
    uv, flow = run.trends[assay.tag], run.trends[flow_tag]
    base = uv_baseline(run, uv)
    total = volume_high = volume_all = 0.0
    for part in pool.parts:
        times = window(uv, part.start, part.end)
        signal = uv.at(times)
        rates = flow.at(times)
        total += float(np.trapezoid((signal - base) * rates, times))
        volume_all += float(np.trapezoid(rates, times))
        volume_high += float(np.trapezoid(np.where(signal >= assay.saturation, rates, 0.0), times))
    share = volume_high / volume_all if volume_all > 0 else 0.0
    return UvAmount(total / (assay.extinction * assay.path_length), share)


def uv_baseline(run: Run, uv: Trend) -> float:
    """The median absorbance (AU) at the end (5 %) of the last equilibration before the load; else 0."""
    before: list[tuple[float, float]] = []
    for phase in run.phases:
        if phase.kind == "load":
            break
        if phase.kind == "equilibrate":
            before.append((phase.start, phase.end))
    if not before:
        return 0.0
    start, end = before[-1]
    times = window(uv, end - 0.05 * (end - start), end)
    return float(np.median(uv.at(times)))


def window(trend: Trend, start: float, end: float) -> NDArray[np.float64]:
    """The times (s) of `trend` in [start, end], both ends included (at least two points)."""
    inside = trend.time[(trend.time > start) & (trend.time < end)]
    return np.concatenate([[start], inside, [end]])


@dataclass(frozen=True)
class MassBalance:
    """mol of one species that entered in load phases and that was found in all vessels."""

    loaded: float
    found: float

    @property
    def relative_error(self) -> float:
        """(found - loaded) / loaded; nan when nothing was loaded."""
        return (self.found - self.loaded) / self.loaded if self.loaded else math.nan


def mass_balance(run: Run) -> dict[str, MassBalance]:
    """Loaded against found, by species, over all analysed vessels; what stays in the column is missing."""
    found: dict[str, float] = {}
    for record in run.pools:
        for name, amount in record.amounts.items():
            found[name] = found.get(name, 0.0) + amount
    return {name: MassBalance(loaded, found.get(name, 0.0)) for name, loaded in run.loaded.items()}
