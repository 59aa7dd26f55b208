"""The drivers over a real server process: the same run as in memory, and a link that fails and heals."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.stopwatch import Stopwatch
from trivial_skid import ML_MIN, TrivialSkid, skid_table
from trivial_skid import __file__ as skid_script

from minifactory.drivers.in_memory import InMemoryBackend
from minifactory.drivers.opcua_free_running import FreeRunningBackend
from minifactory.drivers.opcua_lock_step import LockStepBackend
from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.process import ServerProcess, start_server
from minifactory.opcua.session import Target
from minifactory.signals import InstructionRefused, SignalBackend, TagTable

Pair = tuple[Identity, Identity]
LINK = 1.0  # s, time-out of the link
NOTICED = 2.0  # s within which a lost link must be noticed
PATIENCE = 300.0  # s for what has no deadline


def start(identity: Identity, manner: str, port: int = 0, extra: int = 40) -> ServerProcess:
    arguments = (sys.executable, skid_script, str(identity.folder), manner, str(extra), str(port))
    return start_server(arguments)


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when `condition` holds; fails after `seconds`."""
    watch = Stopwatch()
    while not condition():
        assert watch.elapsed < seconds
        threading.Event().wait(0.01)


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No thread and no file handle survives a test."""
    threads, handles = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    yield
    assert set(threading.enumerate()) == threads
    assert set(os.listdir("/proc/self/fd")) <= handles


def script(backend: SignalBackend) -> list[dict[str, tuple[float, float, int]]]:
    """A short run with everything in it; the images on the way."""
    images = []
    for scan in range(1, 21):
        if scan == 3:
            backend.write({"System.Flow.SP": 12.5 * ML_MIN, "OutletValve.SP": 2.0})
        if scan == 5:
            backend.call("Gradient", {"percent_b": 60.0, "volume": 2e-5}, 1, "recipe")
        if scan == 7:
            with pytest.raises(InstructionRefused):
                backend.write({"System.Flow.SP": 66 * ML_MIN, "OutletValve.SP": 0.0})
            with pytest.raises(InstructionRefused):
                backend.call("Gradient", {"percent_b": 95.0, "volume": 2e-5}, 2, "recipe")
        backend.advance(float(scan))
        assert backend.now() == float(scan)
        images.append(
            {name: (item.value, item.time, int(item.quality)) for name, item in backend.read().items()}
        )
    backend.advance(200.0)  # several steps of the longest length
    assert backend.now() == 200.0
    backend.close()
    backend.close()
    return images


def test_lock_step_gives_the_run_of_the_in_memory_backend_and_notices_a_lost_server(
    introduced: Pair,
) -> None:
    with start(introduced[0], "lock-step") as server:
        target = Target(server.endpoint, introduced[1], LINK)
        over_opcua = script(LockStepBackend(target, skid_table(40)))
        backend = LockStepBackend(target, skid_table(40))
        backend.call("Stall", {}, 100, "test")
        with pytest.raises(EquipmentError, match="stands still at 200 s"):
            backend.advance(201.0)
        backend.close()
        for blow, then in ((signal.SIGSTOP, signal.SIGCONT), (signal.SIGKILL, None)):
            backend = LockStepBackend(target, skid_table(40))
            before = backend.now()
            backend.advance(before + 1.0)
            os.kill(server.pid, blow)
            notices_a_lost_server(backend)
            if then is not None:
                os.kill(server.pid, then)
    in_memory = script(InMemoryBackend(TrivialSkid(40)))
    assert len(over_opcua[0]) == 50
    for one, other in zip(over_opcua, in_memory, strict=True):
        assert one.keys() == other.keys()
        for name, reading in one.items():
            # Two conversions and back, each of them rounded once.
            assert reading == pytest.approx(other[name], rel=4 * sys.float_info.epsilon)


@pytest.mark.parametrize("manner", ["lock-step", "real"])
def test_closing_after_the_server_has_ended_is_quiet(introduced: Pair, manner: str) -> None:
    driver = LockStepBackend if manner == "lock-step" else FreeRunningBackend
    with start(introduced[0], manner) as server:
        backend = driver(Target(server.endpoint, introduced[1], LINK), skid_table(40))
    watch = Stopwatch()
    backend.close()
    assert watch.elapsed < NOTICED


def notices_a_lost_server(backend: LockStepBackend) -> None:
    """Check that every call fails in time, and that the image stands still."""
    reached = backend.now()
    watch = Stopwatch()
    with pytest.raises(EquipmentError, match=r"no answer within|link failed"):
        backend.advance(reached + 1.0)
    assert watch.elapsed < NOTICED
    watch = Stopwatch()
    for attempt in (
        lambda: backend.write({"System.Flow.SP": 0.0}),
        lambda: backend.call("AutoZero", {}, 1, "test"),
        lambda: backend.advance(reached + 2.0),
    ):
        with pytest.raises(EquipmentError):
            attempt()
    assert watch.elapsed < LINK
    assert backend.now() == reached
    assert backend.read()["System.ProcessTime"].time == reached
    backend.close()
    backend.close()


def test_free_running_link_ages_heals_and_finds_a_restarted_server(introduced: Pair) -> None:
    with start(introduced[0], "real") as server:
        target = Target(server.endpoint, introduced[1], LINK)
        with pytest.raises(EquipmentError, match="a server in lock-step"):
            LockStepBackend(target, skid_table())
        wrong = TagTable.of("skid1", skid_table(99).tags.values())
        for driver in (LockStepBackend, FreeRunningBackend):
            with pytest.raises(EquipmentError, match=r'"Extra.Value98" not found') as caught:
                driver(target, wrong)
            assert len(caught.value.findings) == 59
        backend = FreeRunningBackend(target, skid_table(40), period=0.05)
        with pytest.raises(InstructionRefused, match="unlucky"):
            backend.write({"System.Flow.SP": 66 * ML_MIN})
        assert backend.connected  # a refusal is no fault of the link
        os.kill(server.pid, signal.SIGSTOP)
        stale = ages(backend)
        os.kill(server.pid, signal.SIGCONT)
        until(lambda: backend.connected, PATIENCE)
        assert backend.fault is None
        assert backend.read()["System.ProcessTime"].time > stale
        backend.write({"System.Flow.SP": 20 * ML_MIN})
        until(lambda: backend.read()["System.Flow"].value > 0.0, PATIENCE)
        os.kill(server.pid, signal.SIGKILL)
        ages(backend)
    port = int(target.url.split(":")[2].split("/")[0])
    with start(introduced[0], "real", port, extra=60):  # other nodes, and nothing kept
        until(lambda: backend.connected, PATIENCE)
        until(lambda: backend.read()["System.Flow"].value == 0.0, PATIENCE)
        backend.write({"System.Flow.SP": 30 * ML_MIN})
        until(lambda: backend.read()["System.Flow"].value > 0.0, PATIENCE)
        backend.close()
        backend.close()
        with pytest.raises(EquipmentError, match="closed"):
            backend.write({"System.Flow.SP": 0.0})


def ages(backend: FreeRunningBackend) -> float:
    """Check that the readings stand still and the link is known to be down in time; their last time."""
    watch = Stopwatch()
    until(lambda: backend.now() - backend.read()["System.ProcessTime"].time > 1.0, NOTICED)
    with pytest.raises(EquipmentError):
        backend.write({"System.Flow.SP": 0.0})
    until(lambda: not backend.connected, max(0.0, NOTICED - watch.elapsed))
    assert backend.fault is not None
    watch = Stopwatch()
    with pytest.raises(EquipmentError):
        backend.call("AutoZero", {}, 1, "test")
    assert watch.elapsed < LINK
    return backend.read()["System.ProcessTime"].time


def test_a_server_may_be_slow_while_the_link_is_being_opened(introduced: Pair) -> None:
    impatient = 0.25
    with start(introduced[0], "real") as server:
        os.kill(server.pid, signal.SIGSTOP)
        awake = threading.Timer(4 * impatient, os.kill, (server.pid, signal.SIGCONT))
        awake.start()
        backend = FreeRunningBackend(
            Target(server.endpoint, introduced[1], impatient, opening=PATIENCE), skid_table(40)
        )
        awake.join()
        os.kill(server.pid, signal.SIGSTOP)
        until(lambda: not backend.connected, 4 * impatient)  # an open link is not waited for as long
        watch = Stopwatch()
        backend.close()  # although it is opening the link again, in vain
        assert watch.elapsed < LINK


def test_first_connection_must_stand(introduced: Pair) -> None:
    nobody = Target("opc.tcp://127.0.0.1:9", introduced[1], LINK)
    for driver in (LockStepBackend, FreeRunningBackend):
        with pytest.raises(EquipmentError, match="nobody listens there"):
            driver(nobody, skid_table())
