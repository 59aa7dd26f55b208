"""Static checks of a recipe on its plant: every fault at once, before anything moves.

:func:`check` binds the recipe, replays it (:mod:`minifactory.recipe.course`), applies the rules
(:mod:`minifactory.recipe.rules`) and follows the vessels. What may happen but need not (a bottle that runs
empty only if the pool ends late) is a warning; what will happen is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.errors import Finding
from minifactory.plant.model import Plant
from minifactory.plant.network import elsewhere
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bind import try_bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.course import Amount, Course, Stage
from minifactory.recipe.handing_over import transfer_faults
from minifactory.recipe.model import Recipe
from minifactory.recipe.neighbours import actions, between, meetings
from minifactory.recipe.rules import RULES, Facts, estimated_pressure
from minifactory.units import VOLUME, show


@dataclass(frozen=True)
class PhaseSummary:
    """One phase of the tree that ``minifactory check`` prints; SI units.

    Parameters
    ----------
    path, kind : str
        Dotted path and kind of the phase.
    duration : float or None
        Planned s; None when a measurement decides.
    longest : float
        s at the latest; infinite when nothing bounds it.
    flow : float
        m3/s.
    volume, column_volumes : float
        At the latest end, m3 and CV.
    composition : tuple of float
        %B at start and latest end.
    inlets : tuple of str
        Vessels drawn from.
    outlets : tuple of str
        Vessels that may receive.
    pressure : float or None
        Estimated Pa behind the pumps; None without flow.
    levels : Mapping of str to (float, float)
        Lowest and highest m3 in every vessel that the recipe touches, at the end of the phase.
    findings : tuple of Finding
        What is wrong in this phase.
    """

    path: str
    kind: str
    duration: float | None
    longest: float
    flow: float
    volume: float
    column_volumes: float
    composition: tuple[float, float]
    inlets: tuple[str, ...]
    outlets: tuple[str, ...]
    pressure: float | None
    levels: Mapping[str, tuple[float, float]]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """All findings of a recipe on one skid, and the tree of its phases.

    `duration` is the sum of planned s, of the latest end where a measurement decides; `used` the m3 drawn
    from each vessel at most; `bound` is there whatever was found, for printing.
    """

    skid: str
    findings: tuple[Finding, ...]
    phases: tuple[PhaseSummary, ...]
    duration: float
    used: Mapping[str, float]
    bound: BoundRecipe

    @property
    def passed(self) -> bool:
        """Whether there is no error (warnings are allowed)."""
        return all(finding.severity != "error" for finding in self.findings)


def check(recipe: Recipe, plant: Plant, skid: str | None = None) -> CheckResult:
    """Every static fault of what `skid` is to do, and the tree of its phases.

    Parameters
    ----------
    recipe : Recipe
        As loaded or built.
    plant : Plant
        The equipment, with its vessels at their start volumes.
    skid : str, optional
        Its name; may be left out when the recipe uses one skid only.

    Raises
    ------
    InputError
        Only when the recipe has nothing for that skid.
    """
    bound, findings = try_bind(recipe, plant, skid)
    table = tag_table(plant.skids[bound.skid])
    findings += _neighbours(recipe, plant, bound)
    stages = Course(bound, plant, table).stages()
    facts = Facts(bound, plant, table, tuple(stages), recipe.file or recipe.name)
    found: list[tuple[str, Finding]] = [("", finding) for finding in (*findings, *transfer_faults(recipe))]
    for rule in RULES:
        found += rule(facts)
    ledger, levels = _levels(facts)
    found += ledger
    unique = list(dict.fromkeys(finding for _, finding in found))
    by_phase = {stage.phase.path: [f for path, f in found if path == stage.phase.path] for stage in stages}
    phases = tuple(
        _summary(stage, plant, level, by_phase[stage.phase.path])
        for stage, level in zip(stages, levels, strict=True)
    )
    used: dict[str, float] = {}
    for stage in stages:
        for vessel, amount in stage.drawn.items():
            used[vessel] = used.get(vessel, 0.0) + amount.high
    return CheckResult(
        skid=bound.skid,
        findings=tuple(sorted(unique, key=lambda finding: finding.severity != "error")),
        phases=phases,
        duration=sum(stage.longest for stage in stages),
        used=used,
        bound=bound,
    )


def _neighbours(recipe: Recipe, plant: Plant, bound: BoundRecipe) -> list[Finding]:
    """What `bound` needs of other skids' valves and their recipes never do; streams that meet in its own."""
    if not any(action.needs for action in actions(bound)):
        return meetings(bound, plant)
    skids = {item.skid for item in recipe.procedure} - {bound.skid}
    others = {name: try_bind(recipe, plant, name)[0] for name in sorted(skids)}
    return [*between(bound, others, plant), *meetings(bound, plant)]


def _levels(facts: Facts) -> tuple[list[tuple[str, Finding]], list[dict[str, Amount]]]:
    """Levels after each phase, and where a vessel runs empty or over.

    What other skids fill in the meantime, or draw, only the prediction of all of them can tell.
    """
    vessels = facts.plant.vessels
    filled, emptied = elsewhere(facts.plant, facts.bound.skid)
    touched = {name for stage in facts.stages for name in (*stage.drawn, *stage.received) if name in vessels}
    level = {name: Amount(vessels[name].volume, vessels[name].volume) for name in sorted(touched)}
    history: list[dict[str, Amount]] = []
    found: list[tuple[str, Finding]] = []
    told: set[tuple[str, str]] = set()

    def tell(stage: Stage, name: str, what: str, text: str, remedy: str, certain: bool) -> None:
        severity = "error" if certain else "warning"
        if (name, what) not in told and (name, what + "error") not in told:
            told.add((name, what + ("error" if certain else "")))
            phase = stage.phase
            found.append((phase.path, Finding(facts.where(phase), text, remedy=remedy, severity=severity)))

    for stage in facts.stages:
        for name, amount in stage.drawn.items():
            if name in level:
                level[name] = Amount(level[name].low - amount.high, level[name].high - amount.low)
        for name, amount in stage.received.items():
            if name in level:
                level[name] += amount
        for name in (*stage.drawn, *stage.received):
            if name not in level:
                continue
            vessel, now = vessels[name], level[name]
            if (
                name in stage.drawn
                and name not in filled
                and now.low < vessel.minimum - 1e-12
                and math.isfinite(now.low)
            ):
                short = show(vessel.minimum - now.low, VOLUME)
                certain = now.high < vessel.minimum - 1e-12
                sure = "is" if certain else "may be"
                text = f'vessel "{name}" holds {show(vessel.volume, VOLUME)}, {sure} {short} too little'
                tell(stage, name, "empty", text, f"Fill at least {short} more.", certain)
            if (
                name in stage.received
                and name not in emptied
                and vessel.capacity + 1e-12 < now.high < math.inf
            ):
                over = show(now.high - vessel.capacity, VOLUME)
                certain = now.low > vessel.capacity + 1e-12
                runs = "runs" if certain else "may run"
                text = f'vessel "{name}" of {show(vessel.capacity, VOLUME)} {runs} over by {over}'
                tell(stage, name, "over", text, "Use a larger vessel or another one.", certain)
        history.append(dict(level))
    return found, history


def _summary(
    stage: Stage, plant: Plant, level: Mapping[str, Amount], findings: list[Finding]
) -> PhaseSummary:
    phase = stage.phase
    pressure = estimated_pressure(stage, plant)
    return PhaseSummary(
        path=phase.path,
        kind=phase.kind.value,
        duration=phase.planned_time,
        longest=stage.longest,
        flow=stage.flow,
        volume=stage.volume.high,
        column_volumes=stage.volume.high / phase.column_volume if phase.column_volume else 0.0,
        composition=stage.composition,
        inlets=tuple(stage.drawn),
        outlets=tuple(stage.received) if stage.volume.high > 0.0 else (),
        pressure=pressure.system if pressure else None,
        levels={name: (amount.low, amount.high) for name, amount in level.items()},
        findings=tuple(findings),
    )
