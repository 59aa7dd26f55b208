"""The same recipes in Python: what is built here equals what is loaded from YAML.

    builder = RecipeBuilder("polish", plant)
    cex = builder.unit_procedure("cex", skid="akta1", column="C1")
    elution = cex.operation("elution")
    elution.phase("elute", kind="elute", flow="3.15 mL/min", gradient=("100 %B", "25 CV"), until="25 CV",
                  watch={"pool": watch("UV > 20 mAU", outlet="pool")})
    recipe = builder.build()

The arguments are the texts that would stand in ``recipe.yaml`` (``docs/recipe.md``); everything is checked by
the same reader in :meth:`RecipeBuilder.build`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minifactory.plant.document import Reader, Report
from minifactory.plant.model import Plant
from minifactory.plant.nodes import Mapping as MappingNode
from minifactory.plant.nodes import Node, Scalar, Sequence
from minifactory.recipe.load import tag_tables
from minifactory.recipe.model import Recipe
from minifactory.recipe.reading import read_recipe

Document = dict[str, Any]
"""A block of ``recipe.yaml``: texts, lists of texts and blocks by key."""


Turns = int | tuple[int, str]
"""A loop: how often, or at most how often and the condition that ends it."""


def _loop(repeat: Turns | None) -> str | Document | None:
    if repeat is None:
        return None
    return str(repeat) if isinstance(repeat, int) else {"times": str(repeat[0]), "until": repeat[1]}


def settings(
    *,
    inlet_a: str | None = None,
    inlet_b: str | None = None,
    flow: str | None = None,
    percent_b: str | None = None,
    gradient: tuple[str, ...] | None = None,
    column: str | None = None,
    outlet: str | None = None,
    positions: Mapping[str, str] | None = None,
    do: Iterable[str] = (),
    fractions: str | None = None,
    set: Mapping[str, str] | None = None,
) -> Document:
    """The block of what is set.

    `gradient` is (to, over) or (to, over, of): ``("100 %B", "25 CV")``, ``("300 mM", "25 CV", "chloride")``.
    """
    return _stated(
        inlet_a=inlet_a,
        inlet_b=inlet_b,
        flow=flow,
        percent_b=percent_b,
        gradient=None if gradient is None else dict(zip(("to", "over", "of"), gradient, strict=False)),
        column=column,
        outlet=outlet,
        positions=dict(positions or {}),
        do=list(do),
        fractions=fractions,
        set=dict(set or {}),
    )


def watch(when: str, *, end_phase: bool = False, **set_then: Any) -> Document:
    """The block of a watch; `set_then` as in :func:`settings`."""
    return {**_stated(when=when, end_phase="yes" if end_phase else None), **settings(**set_then)}


class OperationBuilder:
    """Adds phases to one operation."""

    def __init__(self, phases: Document, parallel: Document) -> None:
        self._phases, self._parallel = phases, parallel

    def phase(
        self,
        name: str,
        *,
        until: str | None = None,
        kind: str | None = None,
        watch: Mapping[str, Document] | None = None,
        timeout: str | None = None,
        on_timeout: str | None = None,
        note: str | None = None,
        repeat: Turns | None = None,
        delivers: str | None = None,
        receives: str | None = None,
        while_waiting: Document | None = None,
        **set_at_start: Any,
    ) -> OperationBuilder:
        """Add a phase; `set_at_start` as in :func:`settings`. Returns the same operation."""
        self._phases[name] = {
            **_stated(kind=kind, note=note, repeat=_loop(repeat)),
            **_stated(delivers=delivers, receives=receives, while_waiting=while_waiting),
            **settings(**set_at_start),
            **_stated(until=until, watch=dict(watch or {}), timeout=timeout, on_timeout=on_timeout),
        }
        return self

    def macro(self, name: str, macro: str, **arguments: str) -> OperationBuilder:
        """Add the phases of a macro; their names begin with `name`. Returns the same operation."""
        self._phases[name] = _stated(macro=macro, **{"with": dict(arguments)})
        return self

    def branch(self, name: str) -> OperationBuilder:
        """Add a branch that runs beside these phases and return its builder."""
        phases: Document = {}
        self._parallel[name] = {"phases": phases}
        return OperationBuilder(phases, {})


class UnitProcedureBuilder:
    """Adds operations to one unit procedure."""

    def __init__(self, document: Document) -> None:
        self._operations: Document = document

    def operation(self, name: str, note: str | None = None, repeat: Turns | None = None) -> OperationBuilder:
        """Add an operation and return its builder; `repeat` is a number of turns, or (turns, condition)."""
        phases: Document = {}
        parallel: Document = {}
        self._operations[name] = {
            **_stated(note=note, repeat=_loop(repeat)),
            "phases": phases,
            "parallel": parallel,
        }
        return OperationBuilder(phases, parallel)

    def macro(
        self, name: str, macro: str, repeat: Turns | None = None, **arguments: str
    ) -> UnitProcedureBuilder:
        """Add an operation that a macro writes out. Returns the same unit procedure."""
        self._operations[name] = _stated(macro=macro, repeat=_loop(repeat), **{"with": dict(arguments)})
        return self


class RecipeBuilder:
    """Builds one recipe for one plant.

    Parameters
    ----------
    name, version, description : str
        As in ``recipe.yaml``.
    plant : Plant
        Gives the names of skids, columns, vessels and tags.
    """

    def __init__(self, name: str, plant: Plant, version: str = "1", description: str = "") -> None:
        self._plant = plant
        self._interlocks: Document = {}
        self._inputs: Document = {}
        self._macros: Document = {}
        self._transfers: Document = {}
        self._procedure: Document = {}
        self.document: Document = {
            **_stated(name=name, version=version, description=description),
            "inputs": self._inputs,
            "macros": self._macros,
            "interlocks": self._interlocks,
            "transfers": self._transfers,
            "procedure": self._procedure,
        }

    def interlock(
        self, name: str, when: str, action: str, message: str = "", **further: str
    ) -> RecipeBuilder:
        """Add an interlock; `further` are until, delay, off_delay and priority. Returns the same builder."""
        self._interlocks[name] = _stated(when=when, action=action, message=message, **further)
        return self

    def input(
        self, name: str, ask: str, *, sets: Iterable[str] = (), every_turn: bool = False, **further: str
    ) -> RecipeBuilder:
        """Add a run-time input; `further` are at, minimum and maximum. Returns the same builder."""
        turns = "yes" if every_turn else None
        self._inputs[name] = _stated(ask=ask, sets=list(sets), every_turn=turns, **further)
        return self

    def transfer(self, name: str, sender: str, receiver: str, vessel: str | None = None) -> RecipeBuilder:
        """Add a transfer from skid to skid, through a vessel or a line. Returns the same builder."""
        self._transfers[name] = _stated(**{"from": sender, "to": receiver, "vessel": vessel})
        return self

    def macro(self, name: str, parameters: Mapping[str, str] | None = None) -> OperationBuilder:
        """Define a macro and return the builder of its phases; a parameter without value must be given."""
        phases: Document = {}
        self._macros[name] = {"parameters": dict(parameters or {}), "phases": phases}
        return OperationBuilder(phases, {})

    def unit_procedure(
        self,
        name: str,
        skid: str,
        column: str | None = None,
        start: Document | None = None,
        safe: Document | None = None,
        repeat: Turns | None = None,
    ) -> UnitProcedureBuilder:
        """Add a unit procedure and return its builder; `start` and `safe` as made by :func:`settings`."""
        operations: Document = {}
        self._procedure[name] = {
            **_stated(skid=skid, column=column, repeat=_loop(repeat), start=start, safe=safe),
            "operations": operations,
        }
        return UnitProcedureBuilder(operations)

    def build(self) -> Recipe:
        """The recipe.

        Raises
        ------
        InputError
            With every fault, as :func:`minifactory.recipe.load.load_recipe`.
        """
        return recipe_of(self.document, self._plant)


def recipe_of(document: Mapping[str, Any], plant: Plant, file: str = "recipe") -> Recipe:
    """The recipe in a document of texts, lists and mappings, as a YAML file would hold it.

    Raises
    ------
    InputError
        As :func:`minifactory.recipe.load.load_recipe`.
    """
    report = Report()
    top = _node(document)
    assert isinstance(top, MappingNode)
    recipe = read_recipe(Reader(top, file, "", report), plant, tag_tables(plant))
    report.raise_errors()
    return recipe


def _stated(**entries: Any) -> Document:
    return {key: value for key, value in entries.items() if value is not None and value != {} and value != []}


def _node(content: Any) -> Node:
    """The document node of Python content; there are no lines, so all are 0."""
    if isinstance(content, Mapping):
        entries = {str(key): _node(value) for key, value in content.items() if value is not None}
        return MappingNode(entries, dict.fromkeys(entries, 0), 0)
    if isinstance(content, list | tuple):
        return Sequence(tuple(_node(item) for item in content), 0)
    return Scalar(("yes" if content else "no") if isinstance(content, bool) else str(content), 0)
