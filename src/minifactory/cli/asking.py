"""Asks the person at the terminal what is to happen after Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from minifactory.orbit.states import State
from minifactory.orbit.status import Status

CHOICES = "[r]estart, [s]top (controlled end) or [a]bort (safe state at once)? "
WORDS = {"r": "restart", "s": "stop", "a": "abort"}
STOOD = {
    State.HELD: "flow goes on, the method stands still",
    State.PAUSED: "pumps stand, valves stay",
}


def ask_on_terminal(status: Status) -> str:
    """What the person wants: restart, stop or abort; unclear is asked again, no answer aborts."""
    return _chosen(f"{status.state.value} in {status.phase}: {STOOD[status.state]}.", CHOICES)


def ask_about_plant(states: Mapping[str, State]) -> str:
    """The same for several skids."""
    where = ", ".join(f"{skid} {state.value}" for skid, state in states.items())
    return _chosen(
        f"{where}: on held skids the method stands still and the flow goes on.",
        f"All skids: {CHOICES}A single one: minifactory orbit ... --on SKID. ",
    )


def _chosen(told: str, question: str) -> str:
    sys.stderr.write(f"\n{told}\n")
    while True:
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return "abort"
        word = WORDS.get(line.strip().lower()[:1])
        if word is not None:
            return word
