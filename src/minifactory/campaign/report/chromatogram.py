"""The chromatogram of a batch record as SVG: measured, predicted with band, original file, phases, pool.

The x axis is the volume pumped by the measured run. The prediction is laid over it phase by phase: inside a
phase, at the same volume since the phase began.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from minifactory.campaign.report.record import BatchRecord
from minifactory.records.alignment import course, matched_phases, passage
from minifactory.records.run import PhaseRecord, Run
from minifactory.units import ABSORBANCE, CONDUCTIVITY, FLOW, PERCENT_B, PH, PRESSURE, Kind, shown_value

FloatArray = NDArray[np.float64]

INK = "#1b2733"
QUIET = "#5b6b7a"
COLOURS = {
    ABSORBANCE.name: "#1f4e9c",
    CONDUCTIVITY.name: "#b4491b",
    PH.name: "#6b3fa0",
    PERCENT_B.name: "#2b7a3f",
    PRESSURE.name: "#a3173f",
    FLOW.name: "#48606f",
}
DARK = {ABSORBANCE.name: "#14233b", CONDUCTIVITY.name: "#5a2a12"}
TAGS = {
    ABSORBANCE.name: "UV1.Signal",
    CONDUCTIVITY.name: "Cond.Signal",
    PH.name: "pH.Signal",
    PERCENT_B.name: "Gradient.PercentB",
    PRESSURE.name: "Pressure.System",
    FLOW.name: "System.Flow",
}
LABELS = {
    ABSORBANCE.name: "UV (mAU)",
    CONDUCTIVITY.name: "Conductivity (mS/cm)",
    PH.name: "pH",
    PERCENT_B.name: "Composition (%B)",
    PRESSURE.name: "Pressure (MPa)",
    FLOW.name: "Flow (mL/min)",
}
PAIRS = ((ABSORBANCE, CONDUCTIVITY), (PERCENT_B, PH), (PRESSURE, FLOW))
LEAST_SPAN = {
    ABSORBANCE.name: 10.0,
    CONDUCTIVITY.name: 0.5,
    PH.name: 1.0,
    PERCENT_B.name: 10.0,
    PRESSURE.name: 0.05,
    FLOW.name: 0.5,
}
"""Least spans of the axes, in the units of their labels."""
POINTS = 1600
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "minifactory",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
}


@dataclass(frozen=True)
class Picture:
    """An SVG text and the words that describe it to those who cannot see it."""

    svg: str
    description: str


def overview(record: BatchRecord) -> Picture | None:
    """The whole run in up to three panels; None when nothing was recorded."""
    axis = _Axis.of(record)
    pairs = [pair for pair in PAIRS if any(_has(record, kind) for kind in pair)]
    if axis is None or not pairs:
        return None
    heights = [3.2 if pair is PAIRS[0] else 1.25 for pair in pairs]
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 1.7 + sum(heights)), layout="constrained")
        rows = figure.subplots(len(pairs), 1, sharex=True, height_ratios=heights, squeeze=False)
        panels = [_Panel.draw(row[0], record, axis, pair) for row, pair in zip(rows, pairs, strict=True)]
        _phases(panels, record.run, axis)
        _pool(panels[0], record, axis)
        panels[-1].front.set_xlabel(axis.label)
        panels[-1].front.set_xlim(0.0, max(axis.end, 1e-9))
        _legend(figure)
        svg = _svg(figure)
    names = ", ".join(phase.path.rsplit(".", 1)[-1] for phase in record.run.phases)
    what = ", ".join(kind.name for pair in pairs for kind in pair)
    return Picture(svg, f"Chromatogram over {axis.end:.3g} {axis.unit}: {what}; phases {names}.")


def elution(record: BatchRecord) -> Picture | None:
    """UV and conductivity of the elution alone; None when the run had none."""
    axis = _Axis.of(record)
    phases = [phase for phase in record.run.phases if phase.kind == "elute" and phase.volume > 0]
    if axis is None or not phases or not any(_has(record, kind) for kind in PAIRS[0]):
        return None
    start, end = (float(place) for place in axis.place(np.array([phases[0].start, phases[-1].end])))
    if not end > start:
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 4.4), layout="constrained")
        panel = _Panel.draw(figure.subplots(), record, axis, PAIRS[0])
        _pool(panel, record, axis)
        panel.front.set_xlim(start, end)
        _fit(panel.front, start, end)
        _fit(panel.back, start, end)
        panel.front.set_xlabel(axis.label)
        _legend(figure)
        svg = _svg(figure)
    return Picture(svg, f"Elution from {start:.4g} to {end:.4g} {axis.unit}: UV and conductivity.")


def _has(record: BatchRecord, kind: Kind) -> bool:
    runs = [record.run] if record.prediction is None else [record.run, record.prediction.run]
    return any(TAGS[kind.name] in run.trends for run in runs)


@dataclass(frozen=True)
class _Axis:
    """The x axis: volume of the measured run in CV, or in mL without a column."""

    run: Run
    scale: float
    unit: str
    end: float

    @classmethod
    def of(cls, record: BatchRecord) -> _Axis | None:
        flow = record.run.trends.get("System.Flow")
        if flow is None or flow.time.size < 2:
            return None
        column = record.run.column_volume
        scale, unit = (1.0 / column, "CV") if column > 0 else (1e6, "mL")
        return cls(record.run, scale, unit, float(record.run.volume_axis(flow.time[-1:])[0]) * scale)

    @property
    def label(self) -> str:
        """Title of the axis."""
        return f"Volume pumped since the start ({self.unit})"

    def place(self, times: FloatArray) -> FloatArray:
        """Places of times (s) of the measured run."""
        return self.run.volume_axis(times) * self.scale


@dataclass(frozen=True)
class _Panel:
    """Two axes over each other; what is shaded belongs behind the lines of both, on `back`."""

    front: Axes
    back: Axes

    @classmethod
    def draw(cls, front: Axes, record: BatchRecord, axis: _Axis, pair: tuple[Kind, Kind]) -> _Panel:
        """Draw one kind with its axis to the left, the other with its axis to the right."""
        back = front.twinx()
        for part, kind in ((front, pair[0]), (back, pair[1])):
            _measured(part, record, axis, kind)
            _predicted(part, record, axis, kind)
            for overlay in record.overlays:
                if overlay.kind.name == kind.name and kind.name in DARK:
                    x, y = _thin(overlay.volume * axis.scale, _shown(overlay.values, kind))
                    style = (0, (1, 1.4))
                    part.plot(x, y, color=DARK[kind.name], lw=1.2, ls=style, label=overlay.label, zorder=3.5)
            part.set_ylabel(LABELS[kind.name], color=COLOURS[kind.name])
            part.tick_params(axis="y", colors=COLOURS[kind.name])
            part.margins(x=0)
            part.ticklabel_format(axis="y", useOffset=False)
            part.set_visible(part is front or _has(record, kind))
            _widen(part, LEAST_SPAN[kind.name])
        front.set_zorder(back.get_zorder() + 1)
        front.patch.set_visible(False)
        return cls(front, back)


def _measured(panel: Axes, record: BatchRecord, axis: _Axis, kind: Kind) -> None:
    trend = record.run.trends.get(TAGS[kind.name])
    if trend is None or not trend.time.size:
        return
    x, y = _thin(axis.place(trend.time), _shown(trend.values, kind))
    panel.plot(x, y, color=COLOURS[kind.name], lw=1.25, label=f"{_short(kind)} measured", zorder=3)


def _predicted(panel: Axes, record: BatchRecord, axis: _Axis, kind: Kind) -> None:
    if record.prediction is None:
        return
    nominal = record.prediction.run
    tag = TAGS[kind.name]
    band = record.prediction.bands.get(tag)
    label: str | None = f"{_short(kind)} predicted"
    for planned, start in _starts(nominal, axis):
        if tag not in nominal.trends:
            return
        through = passage(nominal, planned)
        volume, values = course(nominal, tag, through)
        x, y = start + volume * axis.scale, _shown(values, kind)
        panel.plot(
            *_thin(x, y, 400), color=COLOURS[kind.name], lw=1.0, ls=(0, (4, 2)), label=label, zorder=2.8
        )
        if band is not None:
            inside = (band.time >= planned.start) & (band.time <= planned.end)
            moved = start + np.interp(band.time[inside], through.time, through.volume) * axis.scale
            places, low = _thin(moved, _shown(band.lower[inside], kind), 400)
            high = np.interp(places, moved, _shown(band.upper[inside], kind)) if places.size else places
            content = f"{record.prediction.level:.0%} interval" if label else None
            panel.fill_between(
                places, low, high, color=COLOURS[kind.name], alpha=0.18, lw=0, label=content, zorder=1.5
            )
        label = None


def _starts(nominal: Run, axis: _Axis) -> Iterator[tuple[PhaseRecord, float]]:
    """Each predicted phase that was executed, and the place on the axis where it begins."""
    pairs = {id(planned): executed for planned, executed in matched_phases(nominal, axis.run)}
    for planned in nominal.phases:
        executed = pairs.get(id(planned))
        if executed is not None:
            yield planned, float(axis.place(np.array([executed.start]))[0])


def _phases(panels: list[_Panel], run: Run, axis: _Axis) -> None:
    """Shade every other phase over all panels and write the names above."""
    top = panels[0].front
    last = -1.0
    shaded = False
    for phase in run.phases:
        start, end = axis.place(np.array([phase.start, phase.end]))
        if end - start <= 1e-9 * max(axis.end, 1e-9):
            continue
        if shaded:
            for panel in panels:
                panel.back.axvspan(start, end, color="#eef2f5", lw=0, zorder=0)
        shaded = not shaded
        middle = 0.5 * (start + end)
        if middle - last > 0.022 * axis.end:
            name = phase.path.rsplit(".", 1)[-1].replace("_", " ")
            top.annotate(
                name,
                (middle, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                rotation=38,
                ha="left",
                va="bottom",
                fontsize=7.5,
                color=QUIET,
            )
            last = middle


def _pool(panel: _Panel, record: BatchRecord, axis: _Axis) -> None:
    """Mark what went into the pool."""
    label: str | None = f"pool ({record.performance.pool})"
    for part in record.run.pools:
        if part.vessel != record.performance.pool:
            continue
        start, end = axis.place(np.array([part.start, part.end]))
        panel.back.axvspan(start, end, color="#f3d98b", alpha=0.45, lw=0, label=label, zorder=0.5)
        for edge in (start, end):
            panel.back.axvline(edge, color="#a67c00", lw=0.7, zorder=0.6)
        label = None


def _widen(panel: Axes, least: float) -> None:
    """Give the y axis a span of at least `least`, so that mere noise is not drawn as if it were a signal."""
    low, high = panel.get_ylim()
    if high - low < least:
        middle = 0.5 * (low + high)
        panel.set_ylim(middle - 0.5 * least, middle + 0.5 * least)


def _fit(panel: Axes, start: float, end: float) -> None:
    """Limit the y axis to what lies between `start` and `end`."""
    lows, highs = [], []
    for line in panel.get_lines():
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        inside = y[(x >= start) & (x <= end) & np.isfinite(y)] if x.size > 2 else np.empty(0)
        if inside.size:
            lows.append(float(inside.min()))
            highs.append(float(inside.max()))
    if lows and max(highs) > min(lows):
        room = 0.06 * (max(highs) - min(lows))
        panel.set_ylim(min(lows) - room, max(highs) + 3 * room)


def _legend(figure: Figure) -> None:
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=8
    )


def _short(kind: Kind) -> str:
    return {ABSORBANCE.name: "UV", PERCENT_B.name: "%B", PH.name: "pH"}.get(kind.name, kind.name)


def _shown(values: FloatArray, kind: Kind) -> FloatArray:
    zero, one = shown_value(0.0, kind), shown_value(1.0, kind)
    return np.asarray(zero + (one - zero) * values)


def _thin(x: FloatArray, y: FloatArray, points: int = POINTS) -> tuple[FloatArray, FloatArray]:
    """About `points` points with the same outline: first, lowest, highest, last of each stretch of x."""
    if x.size <= points:
        return x, y
    edges = np.linspace(x[0], x[-1], points // 4 + 1)[1:-1]
    stretches = np.split(np.arange(x.size), np.searchsorted(x, edges))
    low, high = np.nan_to_num(y, nan=np.inf), np.nan_to_num(y, nan=-np.inf)
    picked: set[int] = set()
    for part in stretches:
        if part.size:
            lowest, highest = part[np.argmin(low[part])], part[np.argmax(high[part])]
            picked.update((int(part[0]), int(lowest), int(highest), int(part[-1])))
    places = np.array(sorted(picked))
    return x[places], y[places]


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = stream.getvalue()
    return text[text.index("<svg") :]
