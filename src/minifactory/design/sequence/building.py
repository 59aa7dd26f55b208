"""The recipe of a train: the phases of the batch steps in their new places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml  # type: ignore[import-untyped]

from minifactory.design.sequence.steps import Block, Step
from minifactory.design.sequence.trains import CONDITIONED, HELD, IN_LINE, Train, in_series
from minifactory.plant.model import Plant
from minifactory.recipe.model import PhaseKind, Recipe
from minifactory.recipe.write import document_of
from minifactory.units import FLOW, VOLUME, Quantity, show

Document = dict[str, Any]
DISPLACED = "_displace"
"""Ends the name of the phase that pushes a load out of a reactor."""
DISPLACEMENT = 1.15
"""Volumes of a reactor, with what leads to it, that push its load out."""
_SHARED = (PhaseKind.CLEAN, PhaseKind.STRIP, PhaseKind.STORE)
"""What columns may go through together."""


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
        link, chain = train.links[place], train.chain(place)
        if link == IN_LINE:
            return held
        phases: list[tuple[str, Document, list[Step]]] = []
        line = [step, *chain] if step.through else [step]
        reactor = train.steps[place - 1] if place and train.links[place - 1] == IN_LINE else None
        if link == HELD:
            for block in step.load:
                document = _phase(block)[1]
                if held and block.settings.inlet_a == step.source:
                    document = _drawing(document, step.source, held)
                if step.through and chain:
                    document = _into(document, chain[-1], begins=True)
                if reactor is not None:
                    phases += self._reacting(block, document, reactor, step, line)
                else:
                    phases.append((block.name, document, line))
        for block in step.wash:
            phases.append((block.name, _phase(block)[1], line))
        if chain and not step.through:
            name, document = _phase(step.collect[0])
            phases.append((name, self._onto(document, step, chain, train.links[place + 1]), line))
        else:
            for block in step.collect:
                name, document = _phase(block)
                phases.append((name, _into(document, chain[-1]) if chain else document, line))
        self._add(step.name, step, [(name, document) for name, document, _ in phases], [step], phases)
        return "" if chain else step.pool

    def _reacting(
        self, block: Block, document: Document, reactor: Step, step: Step, line: list[Step]
    ) -> Iterator[tuple[str, Document, list[Step]]]:
        """A load through the reactor: its reagent is added, and what it holds at the end is pushed out."""
        reagent = reactor.conditioned
        share = reagent.percent_b.value / 100.0 if reagent.percent_b is not None else 0.0
        flow = _slower(block.settings.flow, reagent.flow)
        made = {**document, "kind": "load", "flow": flow.text}
        if share > 0.0:
            made |= {"inlet_b": reagent.inlet_b, "percent_b": _percent(share)}
            made["until"] = _longer(str(made["until"]), 1.0 / (1.0 - share))
        yield block.name, made, [reactor, *line]
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
        yield f"{block.name}{DISPLACED}", push, [reactor, *line]

    def _hold_up(self) -> float:
        """Lines and mixers, m3."""
        kinds = ("tubing", "mixer", "pump")
        return sum(one.volume for one in self._skid.devices.values() if one.kind.value in kinds)

    def _onto(self, document: Document, step: Step, chain: Sequence[Step], how: str) -> Document:
        """The eluting phase of `step`, its peak led through and onto `chain` instead of into the pool."""
        made = {**document, "watch": {name: dict(watch) for name, watch in document.get("watch", {}).items()}}
        onto = {valve: position for each in chain for valve, position in each.line.items()}
        flow = _slower(step.collect[0].settings.flow, *(each.conditioned.flow for each in chain))
        made["flow"] = flow.text
        if how == CONDITIONED:
            condition = chain[0].conditioned
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
        return _collecting(made, chain[-1]) if chain[-1].through else made

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
                    in_series(self._plant, self._skid, [first, second], liquid)
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


def _into(document: Document, target: Step, begins: bool = False) -> Document:
    """A phase of a step in flow-through, led on: onto `target`, or through it and into what that collects in.

    When its product `begins` to come, `target` in flow-through decides itself when to collect.
    """
    watches = {}
    for name, watch in document.get("watch", {}).items():
        rest = {key: value for key, value in watch.items() if key not in ("outlet", "fractions")}
        if set(rest) != {"when"}:
            watches[name] = rest
    load = target.load[0].document
    outlet = load.get("outlet") if begins or not target.through else target.pool
    made = {key: value for key, value in document.items() if key not in ("outlet", "watch")}
    made |= ({"outlet": outlet} if outlet else {}) | ({"watch": watches} if watches else {})
    return _collecting(made, target) if begins and target.through else made


def _collecting(document: Document, target: Step) -> Document:
    """The phase with the conditions by which `target`, in flow-through, collects; at once if it has none."""
    own = {
        f"{target.name}_{name}": dict(watch)
        for block in target.load
        for name, watch in block.document.get("watch", {}).items()
        if watch.get("outlet")
    }
    if not own:
        return {**document, "outlet": target.pool}
    return {**document, "watch": {**document.get("watch", {}), **own}}


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
