"""Ctrl-C on several skids: the first holds those that run and asks, the second aborts."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from minifactory.app.interrupting import Interruption
from minifactory.clock import VirtualClock
from minifactory.orbit.engine import Engine
from minifactory.orbit.policy import Policy
from minifactory.orbit.states import State
from tests.orbit.bench_recipe import SAFE, action, phase, recipe
from tests.orbit.bench_skid import BenchSkid


class Plant:
    """Two skids whose controllers scan in this thread, and a person who answers from a queue."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine] = {}
        for name in ("one", "two"):
            clock = VirtualClock()
            engine = self.engines[name] = Engine(BenchSkid(clock), clock, Policy(), safe=SAFE)
            engine.load(recipe(phase("run", "100000 s", action(flow=5.0))), name)
            engine.command("start", "anna")
        self.asked: queue.Queue[Mapping[str, State]] = queue.Queue()
        self.answers: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self.interruption = Interruption(self.engines, self, self.ask, self.said.append)
        self.scan_until(lambda: self.states == [State.RUNNING, State.RUNNING])

    def ask(self, states: Mapping[str, State]) -> str:
        self.asked.put(states)
        return self.answers.get(timeout=30.0)

    # How the interruption reaches the skids

    def state(self, skid: str) -> State:
        return self.engines[skid].state

    def command(self, skid: str, word: str) -> str:
        reply = self.engines[skid].command(word, "operator at the terminal")
        return "" if reply.wait(30.0) else reply.message

    def abort(self, actor: str) -> None:
        for engine in self.engines.values():
            engine.command("abort", actor)

    # What the tests do

    @property
    def states(self) -> list[State]:
        return [engine.state for engine in self.engines.values()]

    def scan_until(self, come: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30.0
        while not come():
            assert time.monotonic() < deadline, self.states
            for engine in self.engines.values():
                engine.scan()

    def interrupt(self) -> Mapping[str, State]:
        """Ctrl-C; what the person is then shown."""
        signal.raise_signal(signal.SIGINT)
        self.scan_until(lambda: not self.asked.empty())
        return self.asked.get()


def test_all_are_held_and_go_on_together() -> None:
    plant = Plant()
    with plant.interruption.heeded():
        assert set(plant.interrupt().values()) <= {State.HOLDING, State.HELD}
        plant.answers.put("restart")
        plant.scan_until(lambda: plant.states == [State.RUNNING, State.RUNNING])
        plant.interrupt()
        plant.answers.put("stop")
        plant.scan_until(lambda: plant.states == [State.STOPPED, State.STOPPED])
    assert plant.said == []


def test_a_skid_that_stood_already_is_left_as_it_was() -> None:
    plant = Plant()
    plant.engines["two"].command("pause", "anna")
    plant.scan_until(lambda: plant.states[1] is State.PAUSED)
    with plant.interruption.heeded():
        assert plant.interrupt()["two"] is State.PAUSED
        plant.answers.put("restart")
        plant.scan_until(lambda: plant.states == [State.RUNNING, State.PAUSED])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_aborts_whatever_is_answered(number: signal.Signals) -> None:
    plant = Plant()
    with plant.interruption.heeded():
        plant.interrupt()
        waiting = threading.Thread(target=plant.interruption.wait)
        waiting.start()
        signal.raise_signal(number)
        plant.scan_until(lambda: plant.states == [State.ABORTED, State.ABORTED])
        waiting.join(30.0)
        assert not waiting.is_alive()
        plant.answers.put("restart")
    assert plant.states == [State.ABORTED, State.ABORTED]


def test_without_a_person_all_are_made_safe_at_once() -> None:
    plant = Plant()
    plant.interruption = Interruption(plant.engines, plant, None, plant.said.append)
    with plant.interruption.heeded():
        signal.raise_signal(signal.SIGINT)
        plant.scan_until(lambda: plant.states == [State.ABORTED, State.ABORTED])
