"""A recipe over the bench skid, a controller around it, and the documents of a run: what most tests need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from minifactory.clock import Clock, VirtualClock
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from minifactory.recipe.bound import (
    BoundAction,
    BoundInstruction,
    BoundInterlock,
    BoundPhase,
    BoundRecipe,
    BoundWatch,
)
from minifactory.recipe.conditions import Expression, parse_condition
from minifactory.recipe.model import OnTimeout, PhaseKind
from minifactory.records.documents import Document

from .bench_skid import ML, ML_MIN, OUTLETS, BenchSkid, bench_table

CV = 2.0 * ML
ALIASES = {"UV": "UV1.Signal", "Pressure": "Pressure.System"}
SAFE = BoundAction({"System.Flow.SP": 0.0, "InjectionValve.SP": 2.0, "OutletValve.SP": 0.0}, outlet="waste")
INITIAL = {"InjectionValve.SP": 0.0, "OutletValve.SP": 0.0, "Gradient.PercentB.SP": 0.0}
_D = TypeVar("_D", bound=Document)


def condition(text: str) -> Expression:
    """A condition over the bench skid's tags."""
    table = bench_table()
    names = {tag.name: tag.choices or tag.kind for tag in table.readable}
    names |= {alias: names[name] for alias, name in ALIASES.items()}
    return parse_condition(text, names, "test")


def action(
    flow: float | None = None,
    outlet: str | None = None,
    percent_b: float | None = None,
    gradient: tuple[float, float] | None = None,
    instructions: Sequence[str] = (),
) -> BoundAction:
    """Flow in mL/min, gradient as (%B, mL), outlet by position (its vessel has the same name)."""
    setpoints: dict[str, float] = {}
    if outlet is not None:
        setpoints["OutletValve.SP"] = float(OUTLETS.index(outlet))
    if percent_b is not None:
        setpoints["Gradient.PercentB.SP"] = percent_b
    if flow is not None:
        setpoints["System.Flow.SP"] = flow * ML_MIN
    calls = [BoundInstruction(name, {"pump": 0.0} if name == "PumpWash" else {}) for name in instructions]
    if gradient is not None:
        calls.append(BoundInstruction("Gradient", {"percent_b": gradient[0], "volume": gradient[1] * ML}))
    return BoundAction(setpoints, tuple(calls), outlet)


def phase(
    name: str,
    until: str,
    start: BoundAction | None = None,
    watches: Sequence[tuple[str, str, BoundAction]] = (),
    timeout: float = float("inf"),
    on_timeout: OnTimeout = OnTimeout.HOLD,
) -> BoundPhase:
    """A phase of the bench recipe; watches as (name, condition, action)."""
    return BoundPhase(
        f"bench.run.{name}",
        PhaseKind.OTHER,
        start or action(),
        condition(until),
        tuple(BoundWatch(title, condition(when), then) for title, when, then in watches),
        timeout,
        on_timeout,
        CV,
    )


def recipe(*phases: BoundPhase, interlocks: Sequence[tuple[str, str, str]] = ()) -> BoundRecipe:
    """A bound recipe; interlocks as (name, condition, action)."""
    return BoundRecipe(
        "bench",
        "1",
        "bench1",
        None,
        phases,
        tuple(BoundInterlock(name, condition(when), what) for name, when, what in interlocks),
        BoundAction(
            {"InjectionValve.SP": 0.0, "OutletValve.SP": 0.0, "Gradient.PercentB.SP": 0.0}, outlet="WasteF1"
        ),
        SAFE,
        ALIASES,
    )


def elution() -> BoundRecipe:
    """Equilibrate, then a gradient over 10 mL whose peak is collected in F2, then a strip."""
    return recipe(
        phase("equilibrate", "2 CV", action(flow=5.0, percent_b=0.0)),
        phase(
            "elute",
            "volume >= 12 mL",
            action(gradient=(100.0, 10.0), instructions=["AutoZero"]),
            [
                ("start of pool", "UV > 300 mAU", action(outlet="F2")),
                ("end of pool", "UV < 200 mAU and Gradient.PercentB > 50 %B", action(outlet="WasteF1")),
            ],
        ),
        phase("strip", "30 s", action(percent_b=100.0)),
    )


class Book:
    """A subscriber that keeps everything, and finds it again by type."""

    def __init__(self) -> None:
        self.documents: list[Document] = []

    def offer(self, document: Document) -> bool:
        self.documents.append(document)
        return True

    def of(self, kind: type[_D]) -> list[_D]:
        return [item for item in self.documents if isinstance(item, kind)]


class Bench:
    """A bench skid, its controller and the book of what was published; lock-step unless `free` is a clock."""

    def __init__(
        self,
        bound: BoundRecipe | None = None,
        *,
        scan: float = 0.5,
        policy: Policy | None = None,
        free: Clock | None = None,
        interlocks: Sequence[BoundInterlock] = (),
        extra: int = 0,
    ) -> None:
        self.skid = BenchSkid(free, extra)
        self.clock = free or VirtualClock()
        self.policy = policy or (Policy(scan=scan) if free else Policy.in_lock_step(scan))
        self.engine = Engine(self.skid, self.clock, self.policy, interlocks=interlocks, safe=SAFE)
        self.book = Book()
        self.engine.subscribe(self.book)
        if bound is not None:
            self.engine.load(bound, "run1", provenance={"case": "bench"})

    def start(self) -> None:
        """Start and scan until it runs."""
        reply = self.engine.command("start", "anna")
        while reply.accepted is None:
            self.engine.scan()
        assert reply.accepted, reply.message

    def scan_for(self, time: float) -> None:
        """Scan for `time` s of process time."""
        end = self.clock.now() + time
        while self.clock.now() < end - 1e-9:
            self.engine.scan()

    def scan_until(self, *states: State, limit: float = 3600.0) -> None:
        """Scan until one of `states` is reached."""
        end = self.clock.now() + limit
        while self.engine.state not in states:
            assert self.clock.now() < end, f"still {self.engine.state}: {self.engine.reason}"
            self.engine.scan()

    def ask(self, command: str) -> str:
        """Give a command as anna, scan once, and return the answer."""
        reply = self.engine.command(command, "anna")
        self.engine.scan()
        return reply.message

    @property
    def setpoints(self) -> Mapping[str, float]:
        """What the skid was last told (SI)."""
        return self.skid.setpoints
