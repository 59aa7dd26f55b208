"""The noise-free signals of a predicted run as whole series: what the virtual skid's detectors would show.

The same cells and channels as in :mod:`minifactory.twin.sensors` (a test compares both), worked out for a
stretch of time at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from minifactory.records.run import Trend
from minifactory.signals import TagTable
from minifactory.twin.flowsheet import Flowsheet, pump_flows
from minifactory.twin.hydraulics import Hydraulics, Load
from minifactory.twin.joint import Joint, joint_of
from minifactory.twin.machine import AVERAGING_TIME, WAVELENGTHS, Machine
from minifactory.twin.online import detectors_of
from minifactory.twin.pumps import Segment
from minifactory.twin.sensors import Sensors, extinctions

Array = NDArray[np.float64]

PRESSURES = ("Pressure.System", "Pressure.Delta")


@dataclass
class Stretch:
    """A stretch of a prediction: scans, segments, and what the integration gave.

    Parameters
    ----------
    start : float
        s; the time of the last scan before it.
    times : ndarray (n,)
        Times of its scans in s.
    segments : sequence of Segment
        What the actuators do.
    zeroing : sequence of float
        Times (s) at which an auto-zero takes effect.
    begins_washing : bool
        Whether a pump wash is under way or accepted at its start.
    tags : frozenset of str
        Tags that conditions want to see in it.
    joints : sequence of Joint
        Several skids, or flows that no pump imposes: what all of them do, segment by segment; else empty.
    points, outlet, passed, state, residual
        Times (m,), outlet concentrations and passed amounts (m, ports, species), end state and closure of the
        mass balance; empty before the integration.
    """

    start: float
    times: Array
    segments: Sequence[Segment]
    zeroing: Sequence[float]
    begins_washing: bool
    tags: frozenset[str]
    points: Array = field(default_factory=lambda: np.zeros(0))
    outlet: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    passed: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    state: Array = field(default_factory=lambda: np.zeros(0))
    residual: float = 0.0
    joints: Sequence[Joint] = ()

    def grid(self, fine: bool, step: float) -> Array:
        """Times (s) at which to record: every scan, or about one point per `step` s and the ends."""
        if fine:
            return self.times
        every = max(1, round(step / (self.times[0] - self.start)))
        return np.unique(np.concatenate([self.times[:6], self.times[every - 1 :: every], self.times[-1:]]))

    @property
    def washing(self) -> NDArray[np.bool_]:
        """Whether a pump wash is accepted or runs, at every scan."""
        if not self.begins_washing:
            return np.zeros(len(self.times), dtype=np.bool_)
        ends = [item.end for item in self.segments if item.wash_a + item.wash_b > 0.0]
        return np.asarray(self.times < (max(ends) if ends else np.inf))

    def locate(self, times: Array) -> NDArray[np.intp]:
        """Index of the segment in force at each of `times`, the earlier one at a breakpoint."""
        ends = np.array([segment.end for segment in self.segments])
        return np.minimum(np.searchsorted(ends, times - 1e-9), len(ends) - 1)

    def pumps(self, times: Array) -> Array:
        """True flows (m3/s) of pump A, pump B, wash A, wash B at each of `times`; shape (n, 4)."""
        at = self.locate(times)
        starts = np.array([segment.start for segment in self.segments])[at]
        lengths = np.array([segment.end - segment.start for segment in self.segments])[at]
        part = np.clip((times - starts) / np.where(lengths > 0.0, lengths, 1.0), 0.0, 1.0)[:, None]
        first = np.array([pump_flows(segment, False) for segment in self.segments])[at]
        last = np.array([pump_flows(segment, True) for segment in self.segments])[at]
        return np.asarray(first + part * (last - first))


class SignalSeries:
    """Grows a set of trends stretch by stretch, and answers what conditions see within a stretch.

    Parameters
    ----------
    table : TagTable
        Decides which signals exist.
    sheet : Flowsheet
        Gives detectors, species and chemistry.
    resistances : Hydraulics
        Gives pressures.

    Attributes
    ----------
    warnings : list of (float, str, str)
        When (s) which filter went beyond one of its limits, and which.
    """

    def __init__(self, table: TagTable, sheet: Flowsheet, resistances: Hydraulics) -> None:
        self._table = table
        self._sheet = sheet
        self._resistances = resistances
        sensors = Sensors(table, sheet.skid, sheet, sheet.parameters, None)
        self._cells = sensors.cells
        self._channels = dict(sensors.others)
        self._extinctions: list[Array] = []
        self._rows = detectors_of(sheet)
        self._wavelengths: tuple[float, ...] = ()
        self._averaging = AVERAGING_TIME
        self.use({})
        self._memory: dict[str, tuple[float, float]] = {}
        self._zeros: dict[str, float] = {}
        self._volumes = dict.fromkeys(resistances.passages, 0.0)
        self._amounts = {item.name: np.zeros(len(item.per_amount)) for item in resistances.filters}
        self.warnings: list[tuple[float, str, str]] = []
        self._time = 0.0
        self._times: list[Array] = []
        self._series: dict[str, list[Array]] = {}

    @property
    def path_length(self) -> float:
        """Of the first UV cell, m; 10 mm on a skid without one."""
        return self._cells[0].path_length if self._cells else 0.01

    def use(self, settings: Mapping[str, float]) -> None:
        """Take over set-points in force: wavelengths (m) and averaging time (s)."""
        names = (f"{cell.name}.Wavelength.SP" for cell in self._cells)
        wavelengths = tuple(settings.get(name, WAVELENGTHS[0]) for name in names)
        if wavelengths != self._wavelengths:
            self._wavelengths = wavelengths
            self._extinctions = [extinctions(self._sheet.species, wavelength) for wavelength in wavelengths]
        self._averaging = settings.get("AveragingTime.SP", AVERAGING_TIME)

    def measured(self, tags: frozenset[str]) -> bool:
        """Whether any of `tags` depends on what is dissolved (and so on the integration).

        What comes to a filter blocks it, so that pressures do.
        """
        loaded = bool(self._amounts)
        return any(tag.endswith(".Signal") or (loaded and "Pressure" in tag) for tag in tags)

    def flow_at(self, stretch: Stretch, machine: Machine) -> Array:
        """Shown system flow (m3/s) at every scan of a stretch."""
        flows = stretch.pumps(stretch.times)
        return np.asarray(flows[:, 0] / machine.gains[0] + flows[:, 1] / machine.gains[1])

    def conditions(
        self, stretch: Stretch, tags: frozenset[str], aliases: Mapping[str, str], machine: Machine
    ) -> dict[str, list[float]]:
        """Tag or alias -> value (SI) at every scan, for those of `tags` that a prediction knows."""
        values, _ = self._evaluate(stretch, stretch.times, tags, machine)
        values["PumpWash.Running"] = stretch.washing.astype(float)
        named = {name: series.tolist() for name, series in values.items()}
        for alias, tag in aliases.items():
            if tag in named:
                named[alias] = named[tag]
        return named

    @property
    def zeroed(self) -> frozenset[str]:
        """Signals that an auto-zero sets to zero."""
        return frozenset(f"{cell.name}.Signal" for cell in self._cells)

    def along(self, times: Array, outlet: Array, tags: frozenset[str]) -> dict[str, Array]:
        """Signals of what is dissolved at `times` (n,) in s from `outlet` (n, ports, species), with lags.

        Nothing is recorded, and nothing zeroed.
        """
        steps = np.diff(times, prepend=times[0])
        shown = {}
        for name, series in self._dissolved(outlet, tags).items():
            cell = next((cell for cell in self._cells if name == f"{cell.name}.Signal"), None)
            item = self._channels[name] if cell is None else cell.channel
            answer = np.empty_like(series)
            lag = item.lag if cell is None else 0.5 * self._averaging
            _lag(series, steps, lag, float(series[0]), float(series[0]), answer)
            signal = item.gain * answer + item.offset + item.known_drift * times
            shown[name] = signal if cell is not None else np.clip(signal, item.lower, item.upper)
        return shown

    def shown(self, tag: str, values: Array) -> Array:
        """What the channel of `tag` shows of steady `values` (SI); the values where there is no channel."""
        item = self._channels.get(tag)
        return values if item is None else np.clip(item.gain * values + item.offset, item.lower, item.upper)

    def extend(self, stretch: Stretch, machine: Machine) -> None:
        """Record a stretch that has been integrated."""
        grid = stretch.points
        tags = frozenset(self._table.tags)
        values, memory = self._evaluate(stretch, grid, tags, machine)
        self._memory = memory
        _, totals = self._gone(stretch, grid)
        come = self._come(stretch, totals, grid)
        self._volumes = {name: float(volumes[-1]) for name, volumes in totals.items()}
        self._amounts = {name: amounts[-1] for name, (_, amounts) in come.items()}
        self._warn(grid, values, totals)
        for cell in self._cells:
            zeroed = [time for time in stretch.zeroing if time <= stretch.times[-1]]
            if zeroed:
                name = f"{cell.name}.Signal"
                at = int(np.searchsorted(grid, zeroed[-1]))
                self._zeros[name] = self._zeros.get(name, 0.0) + float(values[name][at])
                values[name] = np.where(grid >= zeroed[-1], values[name] - values[name][at], values[name])
        self._time = float(stretch.times[-1])
        self._times.append(grid)
        for name, series in values.items():
            self._series.setdefault(name, []).append(series)

    def _warn(self, times: Array, values: Mapping[str, Array], totals: Mapping[str, Array]) -> None:
        """Note once what goes beyond the limits of a filter: time (s), filter and what, in words."""
        found = []
        for item in self._resistances.filters:
            volumes = totals[item.name]
            drops = values.get(f"{item.name}.Pressure", np.zeros(len(times)))
            for beyond, text in item.limits(volumes, drops):
                known = any(name == item.name and said == text for _, name, said in self.warnings)
                if np.any(beyond) and not known:
                    found.append((float(times[np.argmax(beyond)]), item.name, text))
        self.warnings += sorted(found)

    def trends(self) -> dict[str, Trend]:
        """All recorded series by tag name."""
        times = np.concatenate(self._times) if self._times else np.zeros(0)
        return {
            name: Trend(
                name,
                self._table.tag(name).kind,
                times,
                np.concatenate(parts),
                step=bool(self._table.tag(name).choices),
            )
            for name, parts in self._series.items()
        }

    def _evaluate(
        self, stretch: Stretch, times: Array, tags: frozenset[str], machine: Machine
    ) -> tuple[dict[str, Array], dict[str, tuple[float, float]]]:
        """Signals at `times`, and the memory (input, answer) of every lag at their end."""
        flows = stretch.pumps(times)
        values = self._pump_values(flows, machine)
        values |= self._positions(stretch, times)
        through, totals = self._gone(stretch, times)
        values |= {f"{name}.Volume": volumes for name, volumes in totals.items()}
        values |= {f"{name}.Flow": flow for name, flow in through.items()}
        values = {name: series for name, series in values.items() if name in self._table.tags}
        come = self._come(stretch, totals, times)
        inputs = self._pressures(stretch, times, flows, come)
        if len(stretch.points):
            at = np.searchsorted(stretch.points, times - 1e-9)
            inputs |= self._dissolved(stretch.outlet[at], tags)
        memory = dict(self._memory)
        steps = np.diff(times, prepend=self._time)
        for name, series in inputs.items():
            cell = next((cell for cell in self._cells if name == f"{cell.name}.Signal"), None)
            item = self._channels[name] if cell is None else cell.channel
            lag = item.lag if cell is None else 0.5 * self._averaging
            before, shown = self._memory.get(name, (float(series[0]), float(series[0])))
            answer = np.empty_like(series)
            _lag(series, steps, lag, before, shown, answer)
            memory[name] = (float(series[-1]), float(answer[-1]))
            signal = item.gain * answer + item.offset + item.known_drift * times
            if cell is not None:
                signal = signal - self._zeros.get(name, 0.0)
            else:
                signal = np.clip(signal, item.lower, item.upper)
            values[name] = signal
        return values, memory

    def _pump_values(self, flows: Array, machine: Machine) -> dict[str, Array]:
        shown_a, shown_b = flows[:, 0] / machine.gains[0], flows[:, 1] / machine.gains[1]
        total = shown_a + shown_b
        part = np.divide(shown_b, total, out=np.zeros_like(total), where=total > 0.0)
        return {
            "System.Flow": total,
            "PumpA.Flow": shown_a + flows[:, 2],
            "PumpB.Flow": shown_b + flows[:, 3],
            "Gradient.PercentB": 100.0 * part,
        }

    def _positions(self, stretch: Stretch, times: Array) -> dict[str, Array]:
        at = stretch.locate(times)
        table = np.array([segment.positions for segment in stretch.segments], dtype=float)[at]
        return {
            f"{valve}.Position": table[:, place]
            for place, valve in enumerate(self._sheet.valves)
            if f"{valve}.Position" in self._table.tags
        }

    def _gone(self, stretch: Stretch, times: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Flow (m3/s) through each filter, membrane and make-up line at `times` within a stretch, and m3."""
        flows = {name: np.zeros(len(times)) for name in self._volumes}
        totals = {name: np.zeros(len(times)) for name in self._volumes}
        sofar, at = dict(self._volumes), stretch.locate(times)
        for place, segment in enumerate(stretch.segments):
            joint = stretch.joints[place] if stretch.joints else joint_of(segment)
            chosen = at == place
            spent = np.clip(times[chosen] - joint.start, 0.0, joint.duration)
            links = self._sheet.flow_map(joint.positions).links
            for name, into in self._resistances.passages.items():
                per_flow = links[into].sum(axis=0)
                first, last = float(per_flow @ joint.first), float(per_flow @ joint.last)
                slope = (last - first) / (joint.duration or 1.0)
                flows[name][chosen] = first + slope * spent
                totals[name][chosen] = sofar[name] + spent * (first + 0.5 * slope * spent)
                sofar[name] += 0.5 * (first + last) * joint.duration
        return flows, totals

    def _come(self, stretch: Stretch, totals: Mapping[str, Array], times: Array) -> dict[str, Load]:
        """What has come to each filter at `times` within a stretch, since the start of the run.

        Amounts are those at the start of the stretch before it is integrated.
        """
        found = {}
        row = np.searchsorted(stretch.points, times - 1e-9)
        for item in self._resistances.filters:
            before = self._amounts[item.name]
            amounts = np.broadcast_to(before, (len(times), len(before)))
            if len(stretch.points):
                amounts = before + stretch.passed[row, self._sheet.ports.index(item.unit)]
            found[item.name] = totals[item.name], amounts
        return found

    def _pressures(
        self, stretch: Stretch, times: Array, flows: Array, come: Mapping[str, Load]
    ) -> dict[str, Array]:
        both = np.zeros((len(times), 2))
        over: dict[str, Array] = {}
        at = stretch.locate(times)
        for place, segment in enumerate(stretch.segments):
            chosen = at == place
            if not np.any(chosen):
                continue
            positions, pumps = segment.positions, flows[chosen]
            if stretch.joints:
                joint = stretch.joints[place]
                positions, pumps = joint.positions, joint.at(times[chosen])
            loads = {name: (volumes[chosen], amounts[chosen]) for name, (volumes, amounts) in come.items()}
            both[chosen], drops = self._resistances.series(self._sheet.flow_map(positions), pumps, loads)
            for name, drop in drops.items():
                over.setdefault(name, np.zeros(len(times)))[chosen] = drop
        shown = {name: both[:, column] for column, name in enumerate(PRESSURES)}
        shown |= {f"{name}.Pressure": drop for name, drop in over.items()}
        return {name: series for name, series in shown.items() if name in self._channels}

    def _dissolved(self, outlet: Array, tags: frozenset[str]) -> dict[str, Array]:
        """What the detector cells face; only what `tags` ask for."""
        inputs: dict[str, Array] = {}
        for cell, extinction in zip(self._cells, self._extinctions, strict=True):
            name = f"{cell.name}.Signal"
            if name in tags:
                true = np.clip(outlet[:, cell.row] @ extinction * cell.path_length, -1.0, 30.0)
                stray = cell.stray_light
                inputs[name] = -np.log10((10.0**-true + stray) / (1.0 + stray))
        chemistry, warm = self._sheet.chemistry, self._sheet.temperature
        if "Cond.Signal" in tags and "Cond.Signal" in self._channels:
            inputs["Cond.Signal"] = chemistry.conductivity(outlet[:, self._rows.conductivity], warm)
        if "pH.Signal" in tags and "pH.Signal" in self._channels:
            inputs["pH.Signal"] = chemistry.ph(outlet[:, self._rows.ph], warm)
        return inputs


def _compiled(function: Any) -> Any:
    # The kernel calls nothing outside this file, so Numba's own cache (keyed by the file) is enough.
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _lag(series, steps, lag, before, shown, out):  # type: ignore[no-untyped-def]
    """First-order lag of an input that is linear between samples (see :mod:`minifactory.twin.response`)."""
    for place in range(series.shape[0]):
        now = series[place]
        if lag <= 0.0:
            shown = now
        elif steps[place] > 0.0:
            trail = (now - before) / steps[place] * lag
            shown = now - trail + (shown - before + trail) * np.exp(-steps[place] / lag)
        before = now
        out[place] = shown
