"""One recipe from batch steps: which step stands in line with which, and what is left of the pools between.

Columns are linked in one of three ways: the eluate of the first runs straight onto the second (`direct`); it
does so with the eluent conditioned as the second one's load was (`conditioned`); or it is kept in the pool
vessel and loaded from there, as in the batch process (`held`). An inactivation may stay where it is, from
pool to pool, or run in line with the load of the column behind it (`in line`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from itertools import product as every
from typing import Any

import yaml  # type: ignore[import-untyped]

from minifactory.design.sequence.steps import Block, Step
from minifactory.plant.model import Plant, Port, Skid
from minifactory.recipe.model import PhaseKind, Recipe
from minifactory.recipe.routes import ways
from minifactory.recipe.write import document_of
from minifactory.units import FLOW, VOLUME, Quantity, show

Document = dict[str, Any]
DIRECT, CONDITIONED, HELD, IN_LINE = "direct", "conditioned", "held", "in line"
DISPLACED = "_displace"
"""Ends the name of the phase that pushes a load out of a reactor."""
DISPLACEMENT = 1.15
"""Volumes of a reactor, with what leads to it, that push its load out."""
_SHARED = (PhaseKind.CLEAN, PhaseKind.STRIP, PhaseKind.STORE)
"""What columns may go through together."""


@dataclass(frozen=True)
class Train:
    """Steps in the order in which the product meets them, and how each is reached.

    `links[i]` says how step i is linked to what comes before it (``held`` for the first).
    """

    steps: tuple[Step, ...]
    links: tuple[str, ...]

    @property
    def text(self) -> str:
        """E.g. ``inactivation in line > capture > conditioned > polish``."""
        parts = []
        for step, link in zip(self.steps, self.links, strict=True):
            if link == IN_LINE:
                parts.append(f"{step.name} (in line)")
            else:
                parts.append(
                    step.name if not parts or parts[-1].endswith("(in line)") else f"{link}: {step.name}"
                )
        return " > ".join(parts)


def in_series(plant: Plant, skid: Skid, first: Step, second: Step, through: str) -> bool:
    """Whether valves can lead the liquid of vessel `through` through `first` and then through `second`."""
    positions = {**first.past, **second.past, **first.line, **second.line}
    if any(positions[valve] != position for valve, position in first.line.items()):
        return False
    ends = [name for name, vessel in plant.vessels.items() if vessel.purpose == "waste"]
    for end in ends:
        for way in ways(skid, Port(through), end, positions):
            passed = way.devices
            if first.device in passed and second.device in passed:
                return passed.index(first.device) < passed.index(second.device)
    return False


def possible_trains(plant: Plant, skid: Skid, steps: Sequence[Step]) -> Iterator[Train]:
    """Every train that the valves allow; columns keep their order."""
    columns = [step for step in steps if step.column]
    others = [step for step in steps if not step.column]
    choices: list[list[str]] = []
    for before, column in zip([None, *columns], columns, strict=False):
        if before is None:
            choices.append([HELD])
            continue
        feed = before.collect[0].settings.inlet_a or before.source
        direct = in_series(plant, skid, before, column, feed)
        choices.append([DIRECT, CONDITIONED, HELD] if direct else [HELD])
    for links in every(*choices):
        base = list(zip(columns, links, strict=True))
        for places in every(*[_places(plant, skid, other, base, steps) for other in others]):
            train = _with_others(base, others, places)
            if train is not None:
                yield train


def _places(
    plant: Plant, skid: Skid, other: Step, base: Sequence[tuple[Step, str]], steps: Sequence[Step]
) -> list[tuple[str, str]]:
    """Where an inactivation may stand: (link, name of the column that follows)."""
    found = []
    after = list(steps).index(other) + 1
    follower = next((step for step in steps[after:] if step.column), None)
    if follower is not None and (follower, HELD) in base:
        found.append((HELD, follower.name))
    for column, link in base:
        # Pump B adds one thing only: the reagent, or what the column's load is conditioned with.
        conditioned = column.conditioned.percent_b
        busy = conditioned is not None and conditioned.value > 0.0
        if link == HELD and not busy and in_series(plant, skid, other, column, column.source):
            found.append((IN_LINE, column.name))
    return found


def _with_others(
    base: Sequence[tuple[Step, str]], others: Sequence[Step], places: Sequence[tuple[str, str]]
) -> Train | None:
    steps: list[Step] = []
    links: list[str] = []
    for column, link in base:
        for other, (how, follower) in zip(others, places, strict=True):
            if follower == column.name:
                steps.append(other)
                links.append(how)
        steps.append(column)
        links.append(link)
    sources = {step.name: step for step in steps}
    return Train(tuple(steps), tuple(links)) if len(sources) == len(steps) else None


def recipe_of(train: Train, batch: Recipe, plant: Plant) -> Document:
    """The document of the sequence: every column prepared, the product's way, every column renewed."""
    return _Builder(train, batch, plant).document()


class _Builder:
    """Puts the phases of the steps into their new places."""

    def __init__(self, train: Train, batch: Recipe, plant: Plant) -> None:
        self._train, self._batch, self._plant = train, batch, plant
        unit = batch.procedure[0]
        self._skid = plant.skids[unit.skid]
        self._units: dict[str, Document] = {}
        self._off = {valve: at for step in train.steps for valve, at in step.past.items() if at}
        self._columns = [step for step in train.steps if step.column]

    def document(self) -> Document:
        source = document_of(self._batch)
        # The first column last: what fills the skid then is what it is loaded in.
        for step in reversed(self._columns):
            self._add(f"{step.name}_ready", step, [_phase(block) for block in step.ready], [step])
        held = ""
        for place, step in enumerate(self._train.steps):
            held = self._pass(place, step, held)
        self._renew()
        safe = source["procedure"][self._batch.procedure[0].name].get("safe", {})
        names = list(self._units)
        if safe:
            self._units[names[0]]["safe"] = safe
        kept = {
            key: value for key, value in source.items() if key not in ("procedure", "controllers", "inputs")
        }
        kept["name"] = f"{self._batch.name}-sequence"
        kept["description"] = f"One sequence: {self._train.text}"
        return {**kept, "procedure": self._units}

    def _pass(self, place: int, step: Step, held: str) -> str:
        """The phases in which the product passes `step`; returns the vessel that holds it then, or ""."""
        train = self._train
        link = train.links[place]
        following = train.steps[place + 1] if place + 1 < len(train.steps) else None
        onward = train.links[place + 1] if following is not None else HELD
        if link == IN_LINE:
            return held
        phases: list[tuple[str, Document, list[Step]]] = []
        reactor = train.steps[place - 1] if place and train.links[place - 1] == IN_LINE else None
        if link == HELD:
            for block in step.load:
                document = _phase(block)[1]
                if held and block.settings.inlet_a == step.source:
                    document = _drawing(document, step.source, held)
                if reactor is not None:
                    phases += self._reacting(block, document, reactor, step)
                else:
                    phases.append((block.name, document, [step]))
        for block in step.wash:
            phases.append((block.name, _phase(block)[1], [step]))
        if step.column and onward in (DIRECT, CONDITIONED) and following is not None:
            name, document = _phase(step.collect[0])
            phases.append((name, self._onto(document, step, following, onward), [step]))
            self._add(step.name, step, [(name, document) for name, document, _ in phases], [step], phases)
            return ""
        phases += [(block.name, _phase(block)[1], [step]) for block in step.collect]
        self._add(step.name, step, [(name, document) for name, document, _ in phases], [step], phases)
        return step.pool

    def _reacting(
        self, block: Block, document: Document, reactor: Step, step: Step
    ) -> Iterator[tuple[str, Document, list[Step]]]:
        """A load through the reactor: its reagent is added, and what it holds at the end is pushed out."""
        reagent = reactor.conditioned
        share = reagent.percent_b.value / 100.0 if reagent.percent_b is not None else 0.0
        flow = _slower(block.settings.flow, reagent.flow)
        made = {**document, "kind": "load", "flow": flow.text}
        if share > 0.0:
            made |= {"inlet_b": reagent.inlet_b, "percent_b": _percent(share)}
            made["until"] = _longer(str(made["until"]), 1.0 / (1.0 - share))
        yield block.name, made, [reactor, step]
        volume = DISPLACEMENT * self._skid.devices[reactor.device].volume + self._hold_up()
        wash = step.wash[0].settings if step.wash else step.ready[-1].settings
        push = {
            "kind": "load",
            "note": "what is still in the reactor follows",
            "inlet_a": wash.inlet_a,
            "percent_b": _percent(0.0),
            "flow": flow.text,
            "until": show(volume, VOLUME, 4),
        }
        if "outlet" in document:
            push["outlet"] = document["outlet"]
        yield f"{block.name}{DISPLACED}", push, [reactor, step]

    def _hold_up(self) -> float:
        """Lines and mixers, m3."""
        kinds = ("tubing", "mixer", "pump")
        return sum(one.volume for one in self._skid.devices.values() if one.kind.value in kinds)

    def _onto(self, document: Document, step: Step, following: Step, how: str) -> Document:
        """The eluting phase of `step`, its peak led onto `following` instead of into the pool."""
        made = {**document, "watch": {name: dict(watch) for name, watch in document.get("watch", {}).items()}}
        onto = dict(following.line)
        flow = _slower(step.collect[0].settings.flow, following.conditioned.flow)
        made["flow"] = flow.text
        if how == CONDITIONED:
            condition = following.conditioned
            if condition.inlet_b is not None and condition.percent_b is not None:
                made |= {"inlet_b": condition.inlet_b, "percent_b": condition.percent_b.text}
        collecting = False
        for watch in made["watch"].values():
            if watch.get("outlet") == step.pool:
                watch.pop("outlet")
                watch.pop("fractions", None)
                watch["positions"] = {**watch.get("positions", {}), **onto}
                collecting = True
            elif collecting:
                watch.pop("outlet", None)
                watch["end_phase"] = "yes"
                break
        if made.get("outlet") == step.pool:
            made.pop("outlet")
            made["positions"] = {**made.get("positions", {}), **onto}
        return made

    def _renew(self) -> None:
        """Renewal of every column; liquids that all of them go through are led through all at once."""
        shared = self._together()
        if shared:
            for step in self._columns:
                own = step.renew[: _place(step, shared)]
                self._add(f"{step.name}_strip", step, [_phase(block) for block in own], [step])
            blocks = [step.renew[_place(step, shared)] for step in self._columns]
            name, document = _phase(blocks[0])
            flows = [block.settings.flow for block in blocks]
            document["flow"] = min((one for one in flows if one is not None), key=lambda one: one.value).text
            volumes = [_volume(str(block.document["until"])) for block in blocks]
            document["until"] = show(max(volumes), VOLUME, 6)
            self._add("renewal", self._columns[0], [(name, document)], self._columns)
        for step in self._columns:
            rest = step.renew[_place(step, shared) + 1 :] if shared else step.renew
            self._add(f"{step.name}_renewal", step, [_phase(block) for block in rest], [step])

    def _together(self) -> str:
        """The liquid that every column is cleaned with, when one may be led through all of them in a row."""
        columns = self._columns
        if len(columns) < 2:
            return ""
        liquids = [
            {
                block.settings.inlet_a
                for block in step.renew
                if block.kind in _SHARED and _volume(str(block.document["until"])) > 0.0
            }
            for step in columns
        ]
        for block in columns[0].renew:
            liquid = block.settings.inlet_a
            if (
                liquid
                and all(liquid in each for each in liquids)
                and all(
                    in_series(self._plant, self._skid, first, second, liquid)
                    for first, second in pairwise(columns)
                )
            ):
                return liquid
        return ""

    def _add(
        self,
        name: str,
        step: Step,
        phases: Sequence[tuple[str, Document]],
        line: Sequence[Step],
        own: Sequence[tuple[str, Document, list[Step]]] = (),
    ) -> None:
        """A unit procedure of `phases` that lead through the devices of the steps in `line`."""
        if not phases:
            return
        rows = own or [(phase, document, list(line)) for phase, document in phases]
        made: dict[str, Document] = {}
        for phase, document, through in rows:
            positions = dict(self._off)
            for each in through:
                positions |= each.line
            positions |= document.get("positions", {})
            label = phase
            while label in made:
                label += "_more"
            made[label] = _ordered({**document, "positions": positions})
        unit: Document = {"skid": self._skid.name}
        if step.column:
            unit["column"] = step.device
        unit["start"] = {"positions": next(iter(made.values()))["positions"]}
        unit["operations"] = {"run": {"phases": made}}
        self._units[name] = unit


def _phase(block: Block) -> tuple[str, Document]:
    return block.name, dict(block.document)


def _place(step: Step, liquid: str) -> int:
    return next(at for at, block in enumerate(step.renew) if block.settings.inlet_a == liquid)


def _drawing(document: Document, source: str, held: str) -> Document:
    """The document with another vessel in place of `source`, also in its conditions."""
    if source == held:
        return document
    until = str(document["until"]).replace(f"level({source})", f"level({held})")
    return {**document, "inlet_a": held, "until": until}


def _slower(*flows: Quantity | None) -> Quantity:
    known = [one for one in flows if one is not None]
    plain = [one for one in known if one.kind.name == FLOW.name]
    return min(plain or known, key=lambda one: one.value)


def _percent(share: float) -> str:
    return f"{100.0 * share:.6g} %B"


def _volume(text: str) -> float:
    """m3 of an end that is a plain volume; 0 of any other."""
    number, _, unit = text.strip().partition(" ")
    factors = {"mL": 1e-6, "L": 1e-3, "uL": 1e-9}
    try:
        return float(number) * factors[unit.strip()]
    except (ValueError, KeyError):
        return 0.0


def _longer(text: str, factor: float) -> str:
    volume = _volume(text)
    return show(volume * factor, VOLUME, 6) if volume > 0.0 else text


def _ordered(document: Document) -> Document:
    """Keys in the order in which people read a phase."""
    order = ("kind", "note", "inlet_a", "inlet_b", "percent_b", "positions", "outlet", "flow", "gradient")
    return {key: document[key] for key in order if key in document} | document


def text_of(document: Document) -> str:
    """The YAML text."""
    return str(yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140))


class _Plain(yaml.SafeDumper):  # type: ignore[misc]
    """Writes every value out: descriptions have no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
