"""A server process is announced, stops when asked, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from trivial_skid import __file__ as skid_script

from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.process import start_server


def command(identity: Identity, manner: str = "real") -> tuple[str, ...]:
    return (sys.executable, skid_script, str(identity.folder), manner, "0")


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when `condition` holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_announced_and_stopped_even_when_frozen(server_identity: Identity) -> None:
    with start_server(command(server_identity)) as server:
        assert server.endpoint.startswith("opc.tcp://127.0.0.1:")
        assert server.running
        pid = server.pid
        assert os.getpgid(pid) != os.getpgid(0)  # Ctrl-C in the terminal does not reach it
        os.kill(pid, signal.SIGSTOP)
    assert not server.running
    assert gone(pid)
    server.stop()


def test_ends_when_its_parent_is_killed(server_identity: Identity) -> None:
    parent = (
        "import sys, time\n"
        "from minifactory.opcua.process import start_server\n"
        "server = start_server(sys.argv[1:])\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    arguments = [sys.executable, "-c", parent, *command(server_identity)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert not gone(pid)
        process.kill()
    until(lambda: gone(pid), 300.0)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("import sys; sys.exit('no such case')", "ended with exit code 1.*no such case"),
        ("print('hello')", "it said 'hello"),
        ("import time; time.sleep(600)", "did not announce its endpoint within 2 s"),
    ],
)
def test_a_server_that_does_not_start_says_why(program: str, found: str) -> None:
    with pytest.raises(EquipmentError, match=found):
        start_server((sys.executable, "-c", program), timeout=2.0 if "sleep" in program else 300.0)


def test_a_missing_program_is_said() -> None:
    with pytest.raises(EquipmentError, match="cannot be started"):
        start_server(("/nonexistent/skid",))
