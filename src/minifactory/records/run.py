"""`Run`: the one result type, whether simulated or measured.

Every analysis (pools, performance, comparison, report, calibration) works on a `Run` and cannot tell where it
came from except by :attr:`Run.origin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifactory.units import Kind


@dataclass(frozen=True)
class Trend:
    """One value over time.

    Parameters
    ----------
    name : str
        Tag name, e.g. ``UV1.Signal``.
    kind : Kind
        What it is; `values` are in its SI unit.
    time : ndarray (n,)
        Process time in s since the start of the run, ascending.
    values : ndarray (n,)
        SI.
    quality : ndarray (n,) of int8 or None
        As :class:`minifactory.signals.Quality`; None when all are good.
    step : bool
        True when the value holds until the next point (set-points, positions); False: linear in between.
    """

    name: str
    kind: Kind
    time: NDArray[np.float64]
    values: NDArray[np.float64]
    quality: NDArray[np.int8] | None = None
    step: bool = False

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values (SI) at `times` (s); outside its range the first or last value."""
        if not self.time.size:
            return np.full_like(times, np.nan)
        if self.step:
            places = np.clip(np.searchsorted(self.time, times, side="right") - 1, 0, self.time.size - 1)
            return np.asarray(self.values[places])
        return np.interp(times, self.time, self.values)


@dataclass(frozen=True)
class PhaseRecord:
    """When a phase ran (s since start), how much went through (m3), and why it ended."""

    path: str
    kind: str
    start: float
    end: float
    volume: float
    column_volume: float
    reason: str

    @property
    def column_volumes(self) -> float:
        """CV that went through."""
        return self.volume / self.column_volume if self.column_volume else 0.0


@dataclass(frozen=True)
class Event:
    """Something that happened, `time` s since the start: transition, watch, instruction, alarm, action."""

    time: float
    category: str
    source: str
    text: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PoolRecord:
    """What went into one vessel between `start` and `end` (s): volume (m3) and amounts (mol), if known.

    In a measured run amounts are unknown unless analysed; the virtual skid reports its own as an analysis.
    """

    vessel: str
    start: float
    end: float
    volume: float
    amounts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run, simulated or measured.

    Parameters
    ----------
    identifier : str
        Unique name of the run.
    origin : str
        ``"simulated"``, ``"virtual skid"`` or ``"skid"``.
    state : str
        ISA-88 state in which it ended (``Complete``, ``Aborted``, ``Stopped`` ...).
    skid, recipe : str
        What ran what.
    trends : Mapping of str to Trend
        By tag name.
    phases : tuple of PhaseRecord
        In order; a phase that was cut short is there too.
    events : tuple of Event
        In order of time.
    pools : tuple of PoolRecord
        Everything that was collected (all vessels, waste included).
    loaded : Mapping of str to float
        Amount of each species (mol) that entered in load phases, if known.
    consumed : Mapping of str to float
        Volume (m3) drawn from each vessel.
    column_volume : float
        m3.
    provenance : Mapping of str to str
        Hashes of inputs, versions, seed, scan, speed, backend.
    """

    identifier: str
    origin: str
    state: str
    skid: str
    recipe: str
    trends: Mapping[str, Trend]
    phases: tuple[PhaseRecord, ...]
    events: tuple[Event, ...] = ()
    pools: tuple[PoolRecord, ...] = ()
    loaded: Mapping[str, float] = field(default_factory=dict)
    consumed: Mapping[str, float] = field(default_factory=dict)
    column_volume: float = 0.0
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        """s from start to the end of the last phase."""
        return max((phase.end for phase in self.phases), default=0.0)

    def volume_axis(self, times: NDArray[np.float64], flow_tag: str = "System.Flow") -> NDArray[np.float64]:
        """Volume (m3) pumped from the start until each of `times` (s): the integral of the measured flow."""
        flow = self.trends[flow_tag]
        steps = np.diff(flow.time) * 0.5 * (flow.values[1:] + flow.values[:-1])
        return np.asarray(np.interp(times, flow.time, np.concatenate([[0.0], np.cumsum(steps)])))
