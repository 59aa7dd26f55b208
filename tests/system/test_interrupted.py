"""Ctrl-C and SIGTERM: with a person held and asked, without one the safe state; always exit 3 and a record.

Ctrl-C goes to all processes of the terminal's foreground group, as here; the skid must survive it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

from minifactory.records.run import Run
from tests.commands import COMMAND, at_a_shell, environment
from tests.system.going import PATIENCE, UNDER_WAY, Going, children_of, going

pytestmark = pytest.mark.slow

ASKED = "[a]bort (safe state at once)?"
CONFIRMED = 0.01 * 100e-6 / 60.0
"""m3/s: a read-back within 1 % of the pumps' range of 100 mL/min counts as confirmed."""


def interrupt(command: Going) -> None:
    os.killpg(command.process.pid, signal.SIGINT)


def safe(command: Going, state: str = "Aborted") -> Run:
    """What is recorded of a run that was ended by a person: in its safe state, as the skid confirmed."""
    assert command.end() == 3
    said = command.said.decode()
    assert "Traceback" not in said
    assert f"The run ended in state {state}" in said
    run = command.run
    assert run.state == state
    assert run.trends["System.Flow"].values[-1] <= CONFIRMED
    assert "could not be confirmed" not in str([event.text for event in run.events])
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_the_safe_state_follows(
    tmp_path: Path, short: Path, number: signal.Signals
) -> None:
    with going(tmp_path, short, "--speed", "20") as command:
        command.wait_for(UNDER_WAY)
        os.killpg(command.process.pid, number)
        run = safe(command)
    assert not [event for event in run.events if "Held" in event.text]
    who = "operator (Ctrl-C)" if number == signal.SIGINT else "system (SIGTERM)"
    assert any(who in event.text for event in run.events)


def test_at_a_terminal_the_run_is_held_and_the_person_asked(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "20", person=True) as command:
        command.wait_for(UNDER_WAY)
        interrupt(command)
        command.wait_for(ASKED)
        command.type("what?\n")
        command.wait_for(ASKED)
        command.type("r\n")
        command.wait_for("Running")
        interrupt(command)
        command.wait_for(ASKED)
        command.type("a\n")
        run = safe(command)
    told = [event.text for event in run.events if event.category == "transition"]
    assert sum(text.startswith("Holding to Held") for text in told) == 2
    assert any("restart" in text for text in told)


def test_a_second_interrupt_aborts(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "20", person=True) as command:
        command.wait_for(UNDER_WAY)
        interrupt(command)
        command.wait_for(ASKED)
        interrupt(command)
        run = safe(command)
    assert any(event.text.startswith("Holding to Held") for event in run.events)


def test_sigterm_aborts_even_at_a_terminal(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "20", person=True) as command:
        command.wait_for(UNDER_WAY)
        os.kill(command.process.pid, signal.SIGTERM)
        run = safe(command)
    assert not [event for event in run.events if "Held" in event.text]


def test_in_lock_step_time_stands_still_while_the_person_thinks(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--speed", "max", person=True) as command:
        command.wait_for(UNDER_WAY)
        interrupt(command)
        command.wait_for(ASKED)
        command.type("s\n")
        assert command.end() == 3
        run = command.run
    assert run.state == "Stopped"
    held = next(event.time for event in run.events if event.text.startswith("Holding to Held"))
    asked = next(event.time for event in run.events if event.text.startswith("Held to Stopping"))
    assert asked - held <= 2.0


def test_an_interrupt_before_the_run_ends_the_command_quietly(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--samples", "10000") as command:
        command.wait_for("predicting the interval")
        interrupt(command)
        assert command.end() == 3
        said = command.said.decode()
    assert "Traceback" not in said
    assert said.rstrip().endswith("Interrupted.")
    assert command.output == b""


def test_a_killed_command_leaves_no_worker_behind(tmp_path: Path, short: Path) -> None:
    with going(tmp_path, short, "--samples", "10000") as command:
        command.wait_for("predicting the interval")
        watched = [os.pidfd_open(child) for child in children_of(command.process.pid)]
        if not watched:
            pytest.skip("a single processor: no workers")
        os.kill(command.process.pid, signal.SIGKILL)
        for worker in watched:
            ended, _, _ = select.select([worker], [], [], PATIENCE)
            os.close(worker)
            assert ended, "a worker outlived the command"


def test_the_stand_alone_skid_ends_quietly_on_ctrl_c(tmp_path: Path, short: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "skid", str(short), "--port", "0"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=at_a_shell,
    ) as process:
        assert process.stdout is not None
        assert b"opc.tcp://127.0.0.1:" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output == b""
    assert b"Traceback" not in errors
