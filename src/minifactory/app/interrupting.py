"""Ctrl-C while several skids run: as on one skid, the first holds and asks, the second aborts.

The first holds every skid whose method runs; skids that stand already are left as they are, and go on as they
were when the person lets the others go on. Without a person, and on SIGTERM, all skids take their safe state
at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from minifactory.errors import MiniFactoryError
from minifactory.orbit.states import ENDED, State

GOES = frozenset({State.RUNNING, State.RESUMING, State.RESTARTING})
"""States that are held; all others stand, or end by themselves."""
LOOK_EVERY = 0.2
"""s of real time between two looks at whether the person has answered."""
Question = Callable[[Mapping[str, State]], str]
"""Shown where every skid stands; gives ``restart``, ``stop`` or ``abort``."""


class Skids(Protocol):
    """How the controllers of a plant are reached."""

    def state(self, skid: str) -> State:
        """Where `skid` stands; a MiniFactoryError when it cannot be told."""

    def command(self, skid: str, word: str) -> str:
        """Ask for an ISA-88 command; why it was refused, or empty."""

    def abort(self, actor: str) -> None:
        """Take all skids into their safe state; never waits."""


class Interruption:
    """What Ctrl-C and SIGTERM do while a plant runs.

    Parameters
    ----------
    names : collection of str
        The skids.
    skids : Skids
        Their controllers.
    ask : callable or None
        The person; None: nobody can be asked.
    tell : callable
        Told what could not be done.
    """

    def __init__(
        self, names: Collection[str], skids: Skids, ask: Question | None, tell: Callable[[str], None]
    ) -> None:
        self._names, self._skids, self._ask, self._tell = tuple(names), skids, ask, tell
        self._count = 0
        self._answer = threading.Event()
        self._answer.set()

    @contextmanager
    def heeded(self) -> Iterator[Interruption]:
        """Heed signals while the block runs (in the main thread of the process)."""
        before = {}
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self._interrupted) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self) -> None:
        """Return when no question is open: for those whose time can stand still meanwhile."""
        while self._count < 2 and not self._answer.wait(LOOK_EVERY):
            pass

    def _interrupted(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._ask is None or number != signal.SIGINT or self._count > 1:
            self._count = max(self._count, 2)
            self._skids.abort("operator (Ctrl-C)" if number == signal.SIGINT else "system (SIGTERM)")
            return
        threading.Thread(target=self._converse, name="interruption", daemon=True).start()

    def _converse(self) -> None:
        assert self._ask is not None
        states = self._states()
        held = [skid for skid, state in states.items() if state in GOES]
        self._command(held, "hold")
        states = self._states()
        self._answer.clear()
        try:
            answer = self._ask(states)
        finally:
            self._answer.set()
        if self._count > 1:
            return  # a second Ctrl-C came first
        if answer == "restart":
            self._count = 0
            self._command(held, "restart")
        elif answer == "stop":
            self._command([skid for skid, state in self._states().items() if state not in ENDED], "stop")
            self._count = 0
        else:
            self._count = 2
            self._skids.abort("operator at the terminal")

    def _states(self) -> dict[str, State]:
        """Where every skid stands that can be reached."""
        found: dict[str, State] = {}

        def look(skid: str) -> None:
            try:
                found[skid] = self._skids.state(skid)
            except MiniFactoryError as fault:
                self._tell(f"{skid} cannot be reached: {fault}")

        self._each(self._names, look)
        return {skid: found[skid] for skid in self._names if skid in found}

    def _command(self, names: Collection[str], word: str) -> None:
        def command(skid: str) -> None:
            try:
                refused = self._skids.command(skid, word)
            except MiniFactoryError as fault:
                refused = str(fault)
            if refused:
                self._tell(f"{skid}: {refused}")

        self._each(names, command)

    @staticmethod
    def _each(names: Collection[str], work: Callable[[str], None]) -> None:
        if names:
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(work, names))
