"""What the skids of a prediction tell each other: the states of their transfers, after every scan."""

from __future__ import annotations

from collections.abc import Sequence

from minifactory.errors import Finding, SolverError
from minifactory.recipe.transfers import circles, waits
from minifactory.twin.controller import Controller


def exchange(controllers: Sequence[Controller]) -> None:
    """Every skid hears where the others stand, and what they have measured for its controllers."""
    for item in controllers:
        told, measured = item.procedure.published(), item.procedure.control.published()
        for other in controllers:
            if other is not item:
                other.procedure.hear(told)
                other.procedure.control.hear(measured, other.time)


def refuse_standstill(controllers: Sequence[Controller], time: float) -> None:
    """SolverError when every skid that is not done waits for another at `time` (s).

    To be asked when nothing has happened for a while: then nothing ever will.
    """
    left = [item for item in controllers if item.phase is not None]
    if not left or not all(item.procedure.waiting for item in left):
        return
    standing = {item.recipe.skid: waits(item.procedure.published().values()) for item in left}
    circle = circles(wait for found in standing.values() for wait in found)
    remedy = "They wait for each other: change one." if circle else "Let both hand over as often."
    raise SolverError(
        [
            Finding(
                (item.phase.where or item.phase.path) if item.phase is not None else item.recipe.skid,
                f"stands still at {time:.0f} s: {wait}",
                "a partner that comes to its side of the transfer",
                remedy,
            )
            for item in left
            for wait in standing[item.recipe.skid]
        ]
    )
