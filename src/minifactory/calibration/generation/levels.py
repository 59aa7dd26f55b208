"""What each vessel holds, from the plateaus of conductivity and pH that it made at the detector.

A plateau counts when at least 1.15 times the hold-up (column and lines) has passed since its liquid was set;
of several the flattest counts. A liquid that was only ever mixed in follows from the end of its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from minifactory.calibration.generation.liquids import Hints, Liquid, compose, hints, with_more_salt
from minifactory.calibration.generation.phases import PlannedPhase
from minifactory.calibration.generation.questions import OpenQuestion
from minifactory.plant.model import Port
from minifactory.records.chromatogram import ChromatogramFile, Curve, Signal
from minifactory.units import CONDUCTIVITY, show

FloatArray = NDArray[np.float64]

ENOUGH = 1.15
"""Hold-ups that must have passed for a plateau."""
SAME_CONDUCTIVITY = 0.05
SAME_PH = 1.0
PH_RANGE = (0.5, 14.0)
"""What a working pH electrode reads in liquids of chromatography."""
FEED = "feed"


@dataclass(frozen=True)
class Plateau:
    """A level of conductivity (S/m) and pH (None: not measured), and how flat it is."""

    conductivity: float
    ph: float | None
    scatter: float
    where: str


class Readings:
    """The conductivity and pH curves of a file over its volume."""

    def __init__(self, file: ChromatogramFile) -> None:
        self._conductivity = _over_volume(file.find(Signal.CONDUCTIVITY))
        found = file.find(Signal.PH)
        ph = _over_volume(found)
        inside = ph is not None and bool(np.all((ph[1] > PH_RANGE[0] - 1.0) & (ph[1] < PH_RANGE[1])))
        alive = inside and ph is not None and float(np.ptp(ph[1])) > 0.0
        self._ph = ph if alive else None
        self.percent_b = _over_volume(file.find(Signal.PERCENT_B))

    @property
    def has_conductivity(self) -> bool:
        """Whether there is a conductivity curve with volumes."""
        return self._conductivity is not None

    @property
    def has_ph(self) -> bool:
        """Whether there is a pH curve that reads like one."""
        return self._ph is not None

    def curve(self) -> tuple[FloatArray, FloatArray]:
        """Volumes (n,) in m3 and conductivities (n,) in S/m; empty without a curve."""
        return self._conductivity or (np.empty(0), np.empty(0))

    def plateau(self, start: float, end: float, where: str) -> Plateau | None:
        """The level over the last 2 % of the volume from `start` to `end` (m3)."""
        if self._conductivity is None:
            return None
        volume, values = self._conductivity
        last = values[(volume >= end - 0.02 * (end - start)) & (volume <= end)]
        tail = values[(volume >= end - 0.1 * (end - start)) & (volume <= end)]
        if not last.size:
            return None
        level = float(np.median(last))
        ph = None
        if self._ph is not None:
            ph = float(np.interp(end - 0.01 * (end - start), *self._ph))
        return Plateau(level, ph, float(np.ptp(tail)) / max(level, 1e-6), where)

    def first(self, extent: float) -> Plateau | None:
        """The level over the first `extent` (m3), without the first points."""
        if self._conductivity is None:
            return None
        volume, values = self._conductivity
        inside = values[(volume >= volume[0] + 0.2 * extent) & (volume <= volume[0] + extent)]
        if not inside.size:
            return None
        ph = None
        if self._ph is not None:
            ph = float(np.interp(volume[0] + 0.6 * extent, *self._ph))
        return Plateau(float(np.median(inside)), ph, 0.0, "the first readings of the run")


@dataclass(frozen=True)
class Liquids:
    """The liquids by vessel, what fills the system at the start, and what had to be asked."""

    held: Mapping[str, Liquid]
    filling: str
    questions: tuple[OpenQuestion, ...]


def liquids(
    planned: Sequence[PlannedPhase],
    vessels: Mapping[Port, str],
    readings: Readings,
    hold_up: float,
) -> Liquids:
    """The liquid in each of the `vessels` (port -> name) and in the loop (``feed``); `hold_up` in m3."""
    questions: list[OpenQuestion] = []
    plateaus = _plateaus(planned, vessels, readings, hold_up)
    held: dict[str, Liquid] = {}
    names: dict[str, list[str]] = {}
    for phase in planned:
        if phase.stretch is not None:
            for name in _sources(phase, vessels):
                names.setdefault(name, []).append(phase.stretch.name)
    wanted = list(dict.fromkeys([*vessels.values(), *(FEED for phase in planned if phase.loop)]))
    for name in wanted:
        steps = list(dict.fromkeys(names.get(name, [])))
        found = plateaus.get(name)
        if found is not None:
            held[name] = _from_plateau(name, found, steps, questions)
    reference = next((held[name] for name in wanted if name in held), None)
    for name in wanted:
        if name in held:
            continue
        steps = list(dict.fromkeys(names.get(name, [])))
        mixed = _from_gradient(name, planned, vessels, readings, held, hold_up, steps)
        if mixed is not None:
            asked = f"What is in {name} ({', '.join(steps)})? It was only ever mixed in."
            questions.append(OpenQuestion(f"materials.{mixed.name}.composition", asked, mixed.basis))
        held[name] = mixed or _unknown(name, reference, steps, questions)
    filling = _filling(held, readings, hold_up, questions)
    return Liquids(held, filling, tuple(questions))


def _sources(phase: PlannedPhase, vessels: Mapping[Port, str]) -> list[str]:
    """The vessels whose liquid a phase uses."""
    a, b = (vessels.get(port, "") for port in phase.sources)
    start, end = phase.composition
    found = [FEED] if phase.loop else ([a] if min(start, end) < 100.0 else [])
    return found + ([b] if max(start, end) > 0.0 else [])


def _plateaus(
    planned: Sequence[PlannedPhase], vessels: Mapping[Port, str], readings: Readings, hold_up: float
) -> dict[str, Plateau]:
    """The flattest plateau of each liquid that flowed alone long enough."""
    found: dict[str, Plateau] = {}
    before, passed = "", 0.0
    for phase in planned:
        stretch = phase.stretch
        if stretch is None:
            continue
        alone = _sources(phase, vessels)
        if len(alone) != 1:
            before, passed = "", 0.0
            continue
        passed = stretch.volume + (passed if alone[0] == before else 0.0)
        before = alone[0]
        if passed < ENOUGH * hold_up:
            continue
        level = readings.plateau(stretch.start, stretch.end, stretch.name)
        if level is not None and (before not in found or level.scatter < found[before].scatter):
            found[before] = level
    return found


def _from_plateau(name: str, found: Plateau, steps: Sequence[str], questions: list[OpenQuestion]) -> Liquid:
    said = hints(" ".join(steps))
    composition, basis = compose(found.conductivity, found.ph, said)
    level = show(found.conductivity, CONDUCTIVITY)
    acidity = "pH not measured" if found.ph is None else f"pH {found.ph:.2f}"
    questions.append(
        OpenQuestion(
            f"materials.{material(name)}.composition",
            f"What is in {name} ({', '.join(steps)})? Measured are {level} and {acidity} only.",
            basis,
        )
    )
    return Liquid(
        material(name),
        f"what {', '.join(steps)} used" if steps else "",
        composition,
        found.conductivity,
        found.ph,
        f"file: plateau at the end of {found.where}",
        basis,
    )


def _from_gradient(
    name: str,
    planned: Sequence[PlannedPhase],
    vessels: Mapping[Port, str],
    readings: Readings,
    held: Mapping[str, Liquid],
    hold_up: float,
    steps: Sequence[str],
) -> Liquid | None:
    """The liquid at pump B from the conductivity at the end of its largest share."""
    mixed = [
        phase
        for phase in planned
        if phase.stretch is not None
        and vessels.get(phase.sources[1]) == name
        and max(phase.composition) > 0.0
    ]
    if not mixed or readings.percent_b is None:
        return None
    phase = max(mixed, key=lambda item: max(item.composition))
    base = held.get(vessels.get(phase.sources[0], ""))
    assert phase.stretch is not None
    level = readings.plateau(phase.stretch.start, phase.stretch.end, phase.stretch.name)
    share = (
        float(np.interp(phase.stretch.end - 0.01 * phase.stretch.volume - hold_up, *readings.percent_b))
        / 100.0
    )
    if base is None or level is None or share <= 0.02:
        return None
    said: Hints = hints(" ".join(steps))
    composition = with_more_salt(base.composition, base.composition, share, level.conductivity)
    stated = said.stated.get("nacl")
    shown = f"{show(level.conductivity, CONDUCTIVITY)} at {100 * share:.1f} %B"
    basis = f"as {base.name}, with the sodium chloride that makes {shown}"
    if stated:
        basis += f" (the name of the step says {stated:g} mM)"
    return Liquid(
        material(name),
        f"what {', '.join(steps)} used",
        composition,
        source=f"file: conductivity at the end of {phase.stretch.name}",
        basis=basis,
    )


def _unknown(
    name: str, reference: Liquid | None, steps: Sequence[str], questions: list[OpenQuestion]
) -> Liquid:
    composition = dict(reference.composition) if reference else {"sodium": 20.0, "chloride": 20.0}
    like = f"the same as {reference.name}" if reference else "20 mM sodium chloride"
    questions.append(
        OpenQuestion(
            f"materials.{material(name)}.composition",
            f"What is in {name}? It never filled the detector alone.",
            like,
            "no plateau of conductivity in the file",
        )
    )
    return Liquid(
        material(name),
        f"what {', '.join(steps)} used" if steps else "not used",
        composition,
        source="assumed",
        basis=f"assumed: {like}",
    )


def _filling(
    held: dict[str, Liquid], readings: Readings, hold_up: float, questions: list[OpenQuestion]
) -> str:
    """The material in system and column at the start: a known one that reads the same, else a new one."""
    first = readings.first(0.3 * hold_up)
    if first is None:
        return next(iter(held.values())).name
    for liquid in held.values():
        if liquid.conductivity is None:
            continue
        near = abs(liquid.conductivity / first.conductivity - 1.0) <= SAME_CONDUCTIVITY
        if near and (first.ph is None or liquid.ph is None or abs(liquid.ph - first.ph) <= SAME_PH):
            return liquid.name
    composition, basis = compose(first.conductivity, first.ph)
    held["initial"] = Liquid(
        "initial",
        "what stood in system and column before the run",
        composition,
        first.conductivity,
        first.ph,
        f"file: {first.where}",
        basis,
    )
    questions.append(
        OpenQuestion(
            "skids.akta1.filled_with", "What stood in system and column before the run?", basis, first.where
        )
    )
    return "initial"


def material(vessel: str) -> str:
    """The name of the material in a vessel."""
    return FEED if vessel == FEED else f"liquid_{vessel}"


def with_feed(liquids_found: Liquids, vessel: str) -> Liquids:
    """The same with the liquid of `vessel` called feed."""
    held = {
        name: replace(liquid, name=FEED) if name == vessel else liquid
        for name, liquid in liquids_found.held.items()
    }
    before = f"materials.{material(vessel)}."
    asked = tuple(
        replace(item, about=item.about.replace(before, f"materials.{FEED}."))
        for item in liquids_found.questions
    )
    return replace(liquids_found, held=held, questions=asked)


def _over_volume(curve: Curve | None) -> tuple[FloatArray, FloatArray] | None:
    """Volumes (n,) in m3, rising, and SI values (n,); None without either."""
    if curve is None or curve.volume_m3 is None or curve.values.size < 3:
        return None
    order = np.argsort(curve.volume_m3, kind="stable")
    good = np.isfinite(curve.volume_m3[order]) & np.isfinite(curve.si[order])
    return (curve.volume_m3[order][good], curve.si[order][good]) if good.sum() >= 3 else None
