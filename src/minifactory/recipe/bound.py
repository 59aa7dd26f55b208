"""A recipe in terms of one skid's tags: the object that is printed, checked, simulated and executed.

Orbit and the digital factory read the same :class:`BoundRecipe`; neither knows materials or column volumes of
its own. Values are SI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from minifactory.recipe.conditions import Expression
from minifactory.recipe.model import OnTimeout, PhaseKind, Recipe


@dataclass(frozen=True)
class BoundInstruction:
    """A one-shot instruction with its arguments (SI)."""

    name: str
    arguments: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BoundAction:
    """What is sent at one breakpoint: set-points in one write, then instructions.

    The set-points are in order: valves, composition, flow. After an instruction ``Gradient`` the
    composition's set-point counts as its target, so that a later step to the composition from which it began
    is a change.

    Parameters
    ----------
    setpoints : Mapping of str to float
        Set-point tag -> value in SI (positions: index).
    instructions : tuple of BoundInstruction
        One-shot instructions, after the set-points.
    outlet : str or None
        Vessel that receives the outlet from here on (for levels and pools); None: unchanged.
    fraction_volume : float or None
        m3 per tube from here on: :class:`~minifactory.recipe.procedure.Procedure` asks for ``FractionNext``
        each time that so much was collected; 0: no further tubes; None: unchanged.
    needs : Mapping of str to tuple of str
        How valves of other skids (``skid.Valve``) may stand for the liquid to go its way; nothing is sent for
        it.
    """

    setpoints: Mapping[str, float] = field(default_factory=dict)
    instructions: tuple[BoundInstruction, ...] = ()
    outlet: str | None = None
    fraction_volume: float | None = None
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class BoundWatch:
    """A watched condition and its action; fires at most once per phase."""

    name: str
    when: Expression
    action: BoundAction
    end_phase: bool = False


@dataclass(frozen=True)
class BoundLeave:
    """The end of a loop's turn: when `when` is true, `skip` phases are passed over.

    It is asked when the phase that would follow is `at` phases behind the next one (0: the next one; more,
    when an inner loop has been left and an outer one is decided with it).
    """

    when: Expression
    skip: int
    at: int = 0


@dataclass(frozen=True)
class BoundTransfer:
    """A hand-over from skid `sender` to skid `receiver`, through `vessel` or (None) a line."""

    name: str
    sender: str
    receiver: str
    vessel: str | None = None


@dataclass(frozen=True)
class BoundPhase:
    """A phase in terms of tags.

    Parameters
    ----------
    path : str
        ``unit_procedure.operation.phase``.
    start : BoundAction
        Sent in the scan in which the phase starts.
    until : Expression
        End of the phase; over tags and the phase's own ``time``, ``volume`` and ``cv``.
    timeout : float
        s of running time after which `on_timeout` acts; infinite if there is none.
    column_volume : float
        m3; 1 CV of this phase (0 when no column belongs to it).
    column : str or None
        That column: the one of the unit procedure.
    planned_time : float or None
        s, when the end follows from flow and volume alone.
    planned_volume : float or None
        m3, likewise.
    note : str
        What the author says of it.
    leaves : tuple of BoundLeave
        Loops of which a turn ends with this phase, the inner first.
    asks : tuple of str
        Names of the inputs that must be answered before it begins.
    delivers, receives : str or None
        Transfers whose other side must be ready before it begins.
    waiting : BoundAction
        Sent when it has to wait for that.
    where : str
        File and line of the recipe.
    """

    path: str
    kind: PhaseKind
    start: BoundAction
    until: Expression
    watches: tuple[BoundWatch, ...] = ()
    timeout: float = float("inf")
    on_timeout: OnTimeout = OnTimeout.HOLD
    column_volume: float = 0.0
    column: str | None = None
    planned_time: float | None = None
    planned_volume: float | None = None
    note: str = ""
    leaves: tuple[BoundLeave, ...] = ()
    asks: tuple[str, ...] = ()
    delivers: str | None = None
    receives: str | None = None
    waiting: BoundAction = BoundAction()
    where: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def hands_over(self) -> bool:
        """Whether it is one side of a transfer."""
        return self.delivers is not None or self.receives is not None


@dataclass(frozen=True)
class BoundInterlock:
    """An interlock over tags.

    `action` is ``alarm``, ``reduce_flow``, ``hold``, ``pause``, ``stop`` or ``abort``. It goes when `until`
    is true (without one: when `when` is false); `delay` and `off_delay` (s) are how long it must have been
    due to come and to go. `priority` is that of its alarm; empty: by its action. `needed` tells whether
    what it reads must be good for a run to go on.
    """

    name: str
    when: Expression
    action: str
    message: str = ""
    until: Expression | None = None
    delay: float = 0.0
    off_delay: float = 0.0
    priority: str = ""
    needed: bool = True


@dataclass(frozen=True)
class BoundBranch:
    """Phases that run beside the phases `first` to `last` (positions); the last of those waits for them."""

    path: str
    phases: tuple[BoundPhase, ...]
    first: int
    last: int


@dataclass(frozen=True)
class BoundInput:
    """What the operator is asked; `assumed` is what the recipe takes until it is answered."""

    name: str
    question: str
    assumed: str = ""
    bounds: str = ""
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Governed:
    """What cycle-to-cycle controllers need: the recipe that was bound, and how it is bound again."""

    recipe: Recipe
    again: Callable[[Recipe], BoundRecipe]


@dataclass(frozen=True)
class BoundRecipe:
    """All that one skid is to do.

    `safe` is the declared safe state; `initial` the set-points from which the run starts; `aliases` maps the
    short names of conditions (``UV``, ``Cond``, ``pH``, ``Pressure``) to tags; `flow_tag` is the measured
    flow whose integral is the phase's volume; `governed` what its cycle-to-cycle controllers need.
    """

    recipe: str
    version: str
    skid: str
    column: str | None
    phases: tuple[BoundPhase, ...]
    interlocks: tuple[BoundInterlock, ...]
    initial: BoundAction
    safe: BoundAction
    aliases: Mapping[str, str]
    flow_tag: str = "System.Flow"
    branches: tuple[BoundBranch, ...] = ()
    inputs: tuple[BoundInput, ...] = ()
    transfers: tuple[BoundTransfer, ...] = ()
    governed: Governed | None = field(default=None, compare=False, repr=False)

    def all_phases(self) -> tuple[BoundPhase, ...]:
        """The phases in order, and then those of the branches beside them."""
        return (*self.phases, *(phase for branch in self.branches for phase in branch.phases))
