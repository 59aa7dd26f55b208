"""A picture of a chromatography file: UV and conductivity above, %B, pH, flow and pressure below."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minifactory.errors import EnvironmentFault, Finding
from minifactory.records.chromatogram import ChromatogramFile, Curve, FloatArray, Signal

_COLOURS = {
    Signal.UV: "#1f4e8c",
    Signal.CONDUCTIVITY: "#b5651d",
    Signal.PH: "#6a3d9a",
    Signal.PERCENT_B: "#2e7d32",
    Signal.FLOW: "#546e7a",
    Signal.PRESSURE: "#b71c1c",
}
_MOST_POINTS = 4000
_CLOSEST = 0.009
_LARGEST = 1e12
_UV_STYLES = ("-", "--", ":")


def plot(file: ChromatogramFile, path: str | Path) -> None:
    """Draw `file` to `path` (the extension decides: png, svg, pdf), over volume in mL or else time in min.

    Raises
    ------
    EnvironmentFault
        When the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    by_volume = _by_volume(file)
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    lines = _upper(rows[0], file, by_volume) + _lower(rows[1], file, by_volume)
    if not lines:
        lines = _anything(rows, file, by_volume)
    _bands(rows, file, by_volume)
    rows[1].set_xlabel("volume (mL)" if by_volume else "time (min)")
    if by_volume and file.column is not None and file.column.volume_m3:
        per_cv = file.column.volume_m3 * 1e6
        across = rows[1].secondary_xaxis(-0.22, functions=(lambda v: v / per_cv, lambda n: n * per_cv))
        across.set_xlabel("column volumes")
    column = f"   {file.column.name}" if file.column is not None and file.column.name else ""
    figure.suptitle(f"{file.name}{column}", fontsize=11)
    figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 7) or 1, frameon=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks
            figure.savefig(path, dpi=110)
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        found = f"the picture cannot be written ({reason[:100]})"
        expected = "a path ending in .png, .svg or .pdf"
        raise EnvironmentFault(Finding(str(path), found, expected, "Choose another path.")) from None


def _by_volume(file: ChromatogramFile) -> bool:
    main = file.find(Signal.UV) or file.find(Signal.CONDUCTIVITY) or file.curves[0]
    return main.volume_m3 is not None and bool(np.ptp(np.nan_to_num(main.volume_m3)) > 0.0)


def _points(curve: Curve, by_volume: bool) -> tuple[FloatArray, FloatArray] | None:
    """The curve's points on the picture's axis (mL or min), thinned so that no peak is lost."""
    axis = curve.volume_m3 if by_volume else curve.time_s
    if axis is None or not axis.size:
        return None
    x, y = axis * (1e6 if by_volume else 1.0 / 60.0), curve.values
    keep = (np.abs(x) < _LARGEST) & (np.abs(y) < _LARGEST)  # also drops NaN
    x, y = x[keep], y[keep]
    if x.size <= _MOST_POINTS:
        return x, y
    parts = np.array_split(np.arange(x.size), _MOST_POINTS // 2)
    ends = [(part[np.argmin(y[part])], part[np.argmax(y[part])]) for part in parts]
    chosen = np.unique(np.array(ends).ravel())
    return x[chosen], y[chosen]


def _upper(axes: Any, file: ChromatogramFile, by_volume: bool) -> list[Any]:
    """UV curves on the left, conductivity on the right."""
    measured = [c for c in file.curves if c.signal is Signal.UV and not c.derived]
    curves = [c for c in measured if np.nanmax(np.abs(c.values), initial=0.0) > 0.0][:3] or measured[:1]
    lines = []
    for curve, style in zip(curves, _UV_STYLES, strict=False):
        points = _points(curve, by_volume)
        if points is not None:
            label = f"{curve.name} ({curve.unit})"
            lines += axes.plot(*points, style, color=_COLOURS[Signal.UV], linewidth=1.0, label=label)
    if curves:
        axes.set_ylabel(f"UV ({curves[0].unit})", color=_COLOURS[Signal.UV])
    return lines + _beside(axes, file.find(Signal.CONDUCTIVITY), by_volume)


def _lower(axes: Any, file: ChromatogramFile, by_volume: bool) -> list[Any]:
    """%B on the left; pH, flow and pressure each with a scale of its own on the right."""
    lines = []
    percent_b = file.find(Signal.PERCENT_B)
    points = _points(percent_b, by_volume) if percent_b is not None else None
    if points is not None:
        lines += axes.plot(*points, color=_COLOURS[Signal.PERCENT_B], linewidth=1.0, label="%B")
        axes.set_ylabel("%B", color=_COLOURS[Signal.PERCENT_B])
        axes.set_ylim(-5.0, 105.0)
    for place, signal in enumerate((Signal.PH, Signal.FLOW, Signal.PRESSURE)):
        lines += _beside(axes, file.find(signal), by_volume, place)
    return lines


def _beside(axes: Any, curve: Curve | None, by_volume: bool, place: int = 0) -> list[Any]:
    """`curve` with a scale of its own to the right of the axes, `place` steps out."""
    points = _points(curve, by_volume) if curve is not None else None
    if curve is None or points is None:
        return []
    twin = axes.twinx()
    twin.spines["right"].set_position(("axes", 1.0 + 0.06 * place))
    colour = _COLOURS.get(curve.signal, "#333333")
    unit = f" ({curve.unit})" if curve.unit else ""
    twin.set_ylabel(f"{curve.signal.value}{unit}", color=colour)
    twin.tick_params(axis="y", colors=colour)
    return list(twin.plot(*points, color=colour, linewidth=0.9, label=f"{curve.name}{unit}"))


def _anything(rows: Sequence[Any], file: ChromatogramFile, by_volume: bool) -> list[Any]:
    """The first curves of a file that has none of the usual signals: one above, the others below."""
    lines: list[Any] = []
    for index, curve in enumerate(file.curves[:7]):
        points = _points(curve, by_volume)
        if points is not None:
            axes = rows[min(index, 1)]
            label = f"{curve.name} ({curve.unit})"
            lines += axes.plot(*points, color=f"C{index}", linewidth=1.0, label=label)
            axes.set_ylabel(curve.unit)
    return lines


def _bands(rows: Sequence[Any], file: ChromatogramFile, by_volume: bool) -> None:
    """Blocks as shaded bands with their names, fractions and injections as ticks."""
    low, high = rows[0].get_ylim()
    rows[0].set_ylim(low - 0.08 * (high - low), high + 0.3 * (high - low))
    left, right = rows[0].get_xlim()
    shade = False
    for block in file.blocks:
        begin = _place(block.start_s, block.start_m3, by_volume)
        end = _place(block.end_s, block.end_m3, by_volume)
        if block.depth or begin is None or end is None or end <= begin:
            continue
        shade = not shade
        for axes in rows:
            axes.axvspan(begin, end, color="#90a4ae", alpha=0.18 if shade else 0.05, linewidth=0)
        if end - begin > _CLOSEST * (right - left):
            _label(rows[0], 0.5 * (begin + end), 0.98, block.name, "top", 7)
    for axes in rows:
        axes.set_xlim(left, right)
    _ticks(rows[0], file, by_volume)


def _place(time_s: float | None, volume_m3: float | None, by_volume: bool) -> float | None:
    if by_volume:
        return None if volume_m3 is None else volume_m3 * 1e6
    return None if time_s is None or not np.isfinite(time_s) else time_s / 60.0


def _label(axes: Any, x: float, height: float, text: str, align: str, size: int) -> None:
    left, right = axes.get_xlim()
    if not left <= x <= right:
        return
    shown = text if len(text) <= 28 else text[:27] + "…"
    style: dict[str, Any] = {
        "rotation": 90,
        "va": align,
        "ha": "center",
        "fontsize": size,
        "color": "#37474f",
    }
    transform = axes.get_xaxis_transform()
    drawn = axes.text(x, height, shown, transform=transform, parse_math=False, clip_on=True, **style)
    drawn.set_in_layout(False)


def _ticks(axes: Any, file: ChromatogramFile, by_volume: bool) -> None:
    """Fractions as red ticks, as many of them named as there is room for; injections as triangles."""
    transform = axes.get_xaxis_transform()
    left, right = axes.get_xlim()
    starts = [(_place(f.start_s, f.start_m3, by_volume), f) for f in file.fractions]
    places = [(x, fraction) for x, fraction in starts if x is not None and left <= x <= right]
    last = -np.inf
    for x, fraction in places:
        axes.axvline(x, 0.0, 0.02, color="#c62828", linewidth=0.8)
        if x - last > _CLOSEST * (right - left):
            _label(axes, x, 0.025, fraction.name, "bottom", 6)
            last = x
    marks = [_place(mark.time_s, mark.volume_m3, by_volume) for mark in file.injections]
    shown = [x for x in marks if x is not None]
    if shown:
        drawn = axes.plot(shown, [0.0] * len(shown), "^", color="black", transform=transform, clip_on=False)
        drawn[0].set_in_layout(False)
