"""Controllers that die on a bench skid, one process after another, with what their journal holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from minifactory.clock import VirtualClock
from minifactory.orbit.checkpoint import Checkpoint, checkpoint_of
from minifactory.orbit.engine import Engine
from minifactory.orbit.journal import Journal, read_journal
from minifactory.orbit.policy import Policy
from minifactory.orbit.restart import OnRestart
from minifactory.orbit.states import State
from minifactory.plant.tagging import STATES
from minifactory.recipe.bound import BoundRecipe
from minifactory.signals import InstructionRefused, Reading

from .bench_recipe import SAFE, Book
from .bench_skid import BenchSkid

SCAN = 0.1


class Killed(BaseException):
    """The end of a controller's process."""


class Fatal(BenchSkid):
    """A bench skid on which the `fuse`-th command of the controller is its last.

    `only_calls`: only instructions count, not set-points. `after`: the equipment has heard it.
    """

    fuse: int | None = None
    after = only_calls = False

    def _burn(self, act: Callable[[], None], call: bool = False) -> None:
        if self.fuse is None or (self.only_calls and not call):
            act()
            return
        self.fuse -= 1
        if self.fuse > 0:
            act()
            return
        self.fuse = None
        if self.after:
            act()
        raise Killed

    def write(self, values: Mapping[str, float]) -> None:
        self._burn(lambda: super(Fatal, self).write(values))

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        self._burn(lambda: super(Fatal, self).call(instruction, arguments, number, owner), True)


class Watchful(Fatal):
    """A skid that goes safe 5 s after the last heartbeat and then refuses a flow; it shows all 0.3 s late."""

    def __init__(self, clock: VirtualClock) -> None:
        self.beaten = clock.time
        self.shown: list[tuple[float, Mapping[str, Reading]]] = []
        super().__init__(clock)

    def read(self) -> Mapping[str, Reading]:
        newest = super().read()
        late = [image for time, image in self.shown[-10:] if time <= self.time - 0.3]
        return late[-1] if late else newest

    def write(self, values: Mapping[str, float]) -> None:
        self._follow_clock()
        if values.get("System.Flow.SP", 0.0) > 0.0 and self.values["System.State"] == STATES.index("Safe"):
            raise InstructionRefused("System.Flow.SP: 5 mL/min while in the safe state")
        if "Heartbeat.SP" in values:
            self.beaten = self.time
        super().write(values)

    def _step(self, dt: float) -> None:
        super()._step(dt)
        if self.time - self.beaten > 5.0 and self.values["System.State"] != STATES.index("Safe"):
            self.setpoints["System.Flow.SP"] = 0.0
            self.values["System.State"] = float(STATES.index("Safe"))
        self._publish()
        self.shown.append((self.time, dict(self._image)))


@dataclass
class OtherClock:
    """The clock of a new process: the same pace, another origin of process time."""

    base: VirtualClock
    origin: float

    def now(self) -> float:
        return self.base.now() - self.origin

    def link_time(self) -> float:
        return self.base.link_time()

    def wall(self) -> datetime:
        return self.base.wall()

    def wait_until(self, process_time: float) -> None:
        self.base.wait_until(process_time + self.origin)


class Life:
    """One controller's process after another on one skid."""

    def __init__(self, path: Path, bound: BoundRecipe) -> None:
        self.path, self.bound = path, bound
        self.clock = VirtualClock()
        self.skid = Fatal(self.clock)
        self.book = Book()
        self.journal = Journal(path)
        self.engine = self._engine(self.clock)

    def _engine(self, clock: VirtualClock | OtherClock) -> Engine:
        engine = Engine(self.skid, clock, Policy(scan=SCAN), safe=SAFE, journal=self.journal)
        engine.subscribe(self.book)
        return engine

    def start(self) -> None:
        self.engine.load(self.bound, "run1")
        self.engine.command("start", "anna")

    def scan_for(self, time: float) -> None:
        end = self.clock.time + time
        while self.clock.time < end - 1e-9:
            self.scan()

    def scan(self) -> None:
        """One scan; virtual scans are faster than any disk, so the journal's thread is given its time."""
        self.journal.flush()
        self.engine.scan()

    def scan_until(self, *states: State, limit: float = 600.0) -> None:
        end = self.clock.time + limit
        while self.engine.state not in states:
            assert self.clock.time < end, f"still {self.engine.state}: {self.engine.reason}"
            self.scan()

    def die(self, gap: float, content: bytes | None = None) -> Checkpoint | None:
        """End the process now; what its journal holds then, or `content`, is found `gap` s later."""
        content = self.path.read_bytes() if content is None else content
        self.journal.close()
        self.path.write_bytes(content)
        self.clock.time += gap
        record = read_journal(self.path)
        self.journal = Journal(self.path)
        self.engine = self._engine(OtherClock(self.clock, 1000.0))
        return None if record is None else checkpoint_of(record)

    def recover(self, saved: Checkpoint, on_restart: OnRestart) -> None:
        reply = self.engine.recover(self.bound, saved, on_restart)
        end = self.clock.time + 2.0
        while reply.accepted is None:
            assert self.clock.time < end
            self.scan()
        assert reply.accepted, reply.message
