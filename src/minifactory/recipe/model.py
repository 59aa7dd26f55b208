"""The nouns of a recipe after ISA-88: procedure, unit procedure, operation, phase. All frozen, SI inside.

A recipe speaks of materials, vessels, flows and column volumes; it knows no tags.
:func:`minifactory.recipe.bind` turns it into set-points and instructions of a skid. The YAML loader and the
Python builder make these objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from minifactory.recipe.conditions import Expression
from minifactory.recipe.controllers import ControllerDeclaration
from minifactory.units import Quantity

PLACE = "positions."
"""What the keys of valves in :attr:`Settings.by_turn` begin with."""


class PhaseKind(Enum):
    """What a phase is for; free of effect on execution, used in reports, checks and performance."""

    EQUILIBRATE = "equilibrate"
    LOAD = "load"
    WASH = "wash"
    ELUTE = "elute"
    STRIP = "strip"
    CLEAN = "clean"
    REGENERATE = "regenerate"
    STORE = "store"
    WAIT = "wait"
    OTHER = "other"


class OnTimeout(Enum):
    """What happens when a phase's condition has not come true in time."""

    NEXT = "next"
    HOLD = "hold"
    ABORT = "abort"


class InterlockAction(Enum):
    """What an interlock does; the order is the order of severity. `ALARM` tells a person and no more."""

    ALARM = "alarm"
    REDUCE_FLOW = "reduce_flow"
    HOLD = "hold"
    PAUSE = "pause"
    STOP = "stop"
    ABORT = "abort"


@dataclass(frozen=True)
class Repeat:
    """A loop: at most `times` turns, fewer when `until` is true at the end of one."""

    times: int
    until: Expression | None = None


@dataclass(frozen=True)
class Gradient:
    """A linear change of composition to `to` over a time, volume or number of column volumes.

    `to` is %B or, with the name of a species in `of`, its concentration in the mixture.
    """

    to: Quantity
    over: Quantity
    of: str | None = None


@dataclass(frozen=True)
class Command:
    """A one-shot instruction as the recipe names it, e.g. ``AutoZero`` or ``PumpWash(A)``."""

    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})" if self.arguments else self.name


@dataclass(frozen=True)
class Settings:
    """What a phase or a watch sets; None leaves it as it is.

    Parameters
    ----------
    inlet_a, inlet_b : str or None
        Vessel that the pump draws from.
    flow : Quantity or None
        Flow or linear velocity; 0 stops the pumps.
    percent_b : Quantity or None
        Composition step.
    gradient : Gradient or None
        Linear gradient from the present composition.
    column : str or None
        Column in line; ``"bypass"`` takes it out.
    outlet : str or None
        Vessel that receives the outlet.
    positions : Mapping of str to str
        Further valve positions by device name.
    instructions : tuple of Command
        One-shot instructions such as ``AutoZero`` or ``PumpWash(A)``, in order, after the set-points.
    fractions : Quantity or None
        Volume of each fraction (tube) while the outlet is a fraction collector; None: one pool.
    setpoints : Mapping of str to Quantity
        Further set-points by tag name without ``.SP``, e.g. ``Pressure.Limit``.
    by_turn : Mapping of str to tuple of str
        Names that change from turn to turn, by key (``inlet_a``, ``inlet_b``, ``column``, ``outlet``,
        ``positions.VALVE``); the fields hold those of the first turn.
    """

    inlet_a: str | None = None
    inlet_b: str | None = None
    flow: Quantity | None = None
    percent_b: Quantity | None = None
    gradient: Gradient | None = None
    column: str | None = None
    outlet: str | None = None
    positions: Mapping[str, str] = field(default_factory=dict)
    instructions: tuple[Command, ...] = ()
    fractions: Quantity | None = None
    setpoints: Mapping[str, Quantity] = field(default_factory=dict)
    by_turn: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def in_turn(self, number: int) -> Settings:
        """What holds the `number`-th time (from 1); a list that is through begins anew."""
        if not self.by_turn:
            return self
        now = {key: names[(number - 1) % len(names)] for key, names in self.by_turn.items()}
        valves = {key.removeprefix(PLACE): name for key, name in now.items() if key.startswith(PLACE)}
        return replace(
            self,
            inlet_a=now.get("inlet_a", self.inlet_a),
            inlet_b=now.get("inlet_b", self.inlet_b),
            column=now.get("column", self.column),
            outlet=now.get("outlet", self.outlet),
            positions={**self.positions, **valves},
        )


@dataclass(frozen=True)
class Watch:
    """A condition that is watched while a phase runs, and what it sets, at most once per phase."""

    when: Expression
    then: Settings
    name: str
    end_phase: bool = False
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Phase:
    """The smallest step: settings at its start, watches while it runs, and the condition of its end.

    `until` is an :class:`Expression` (a plain ``5 CV`` is the expression ``cv >= 5 CV``); `timeout` in s
    bounds a phase whose end depends on a measurement. `delivers` and `receives` name a transfer: the phase
    begins when the skid at its other end is ready, and `while_waiting` is set until then (without a flow in
    it the pumps stop).
    """

    name: str
    kind: PhaseKind
    settings: Settings
    until: Expression
    watches: tuple[Watch, ...] = ()
    timeout: Quantity | None = None
    on_timeout: OnTimeout = OnTimeout.HOLD
    note: str = ""
    repeat: Repeat | None = None
    delivers: str | None = None
    receives: str | None = None
    while_waiting: Settings = Settings()
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Branch:
    """Phases in order that run beside those of an operation; each counts its own time and volume."""

    name: str
    phases: tuple[Phase, ...]
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Operation:
    """Phases in order; `parallel` branches begin with the first of them, and the last waits for their end.

    `macro` says which macro with which arguments it was made from; it is there for people only.
    """

    name: str
    phases: tuple[Phase, ...]
    note: str = ""
    repeat: Repeat | None = None
    parallel: tuple[Branch, ...] = ()
    macro: str = field(default="", compare=False)


@dataclass(frozen=True)
class UnitProcedure:
    """Operations on one skid (with its column, if it has one).

    `start` is what is set before the first phase, beyond what follows from the skid; `safe` is the declared
    safe state, beyond pumps off and outlet to waste.
    """

    name: str
    skid: str
    column: str | None
    operations: tuple[Operation, ...]
    start: Settings = Settings()
    safe: Settings = Settings()
    repeat: Repeat | None = None
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Interlock:
    """A condition that acts at any time.

    Parameters
    ----------
    when : Expression
        When it comes.
    action : InterlockAction
        What it does.
    until : Expression or None
        When it goes (hysteresis); None: as soon as `when` is false.
    delay, off_delay : Quantity or None
        How long `when` must have been true, and gone, before it comes and goes.
    priority : str
        ``low``, ``medium``, ``high`` or ``critical`` (ISA-18.2); empty: by its action.
    """

    name: str
    when: Expression
    action: InterlockAction
    message: str = ""
    until: Expression | None = None
    delay: Quantity | None = None
    off_delay: Quantity | None = None
    priority: str = ""
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Input:
    """What the operator is asked before or during a run.

    Parameters
    ----------
    name, question : str
        What it is called, and the words of the question.
    sets : tuple of str
        Paths of the quantities that take the answer (:mod:`minifactory.recipe.references`); what the recipe
        says there is assumed until it is answered. Empty: the answer is only recorded.
    at : str
        Path of the phase before which it is asked; empty: before the first one.
    minimum, maximum : Quantity or None
        Bounds of the answer.
    every_turn : bool
        Whether it is asked in every turn of a loop, or in the first only.
    """

    name: str
    question: str
    sets: tuple[str, ...] = ()
    at: str = ""
    minimum: Quantity | None = None
    maximum: Quantity | None = None
    every_turn: bool = False
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Transfer:
    """A product that one skid hands over to another, again and again.

    Parameters
    ----------
    name : str
        What it is called.
    sender, receiver : str
        The skids.
    vessel : str or None
        Where it is kept in between; None: a line from skid to skid.
    """

    name: str
    sender: str
    receiver: str
    vessel: str | None = None
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class Recipe:
    """The whole procedure and what guards it."""

    name: str
    version: str
    procedure: tuple[UnitProcedure, ...]
    interlocks: tuple[Interlock, ...] = ()
    description: str = ""
    inputs: tuple[Input, ...] = ()
    file: str = field(default="", compare=False)
    transfers: tuple[Transfer, ...] = ()
    controllers: tuple[ControllerDeclaration, ...] = ()

    @property
    def skids(self) -> tuple[str, ...]:
        """The skids that it uses, in order of first use; each has a bound recipe of its own."""
        return tuple(dict.fromkeys(item.skid for item in self.procedure))

    def phases(self) -> Iterator[tuple[str, UnitProcedure, Phase]]:
        """Every phase with its path ``unit_procedure.operation.phase`` (or ``...operation.branch.phase``)."""
        for unit_procedure in self.procedure:
            for operation in unit_procedure.operations:
                path = f"{unit_procedure.name}.{operation.name}"
                for phase in operation.phases:
                    yield f"{path}.{phase.name}", unit_procedure, phase
                for branch in operation.parallel:
                    for phase in branch.phases:
                        yield f"{path}.{branch.name}.{phase.name}", unit_procedure, phase
