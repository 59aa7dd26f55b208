"""The few tags and instructions that the controller itself must know by meaning, not only by name.

Everything else comes from the recipe. A word that the equipment does not have is None in :class:`Words`, and
what hangs on it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from minifactory.signals.tags import TagTable


@dataclass(frozen=True)
class Words:
    """Names of tags and instructions in one tag table; None for what the equipment does not have.

    Parameters
    ----------
    flow, flow_setpoint : str or None
        Measured flow and its set-point (m3/s); zero stops the pumps.
    composition, composition_setpoint : str or None
        Present composition (%B) and its set-point; writing another value cancels a running gradient.
    gradient : str or None
        Instruction with the arguments ``percent_b`` and ``volume``.
    blocking : tuple of str
        Instructions during which the method stands still (washes of the pumps).
    state : str or None
        The equipment's own state.
    accepted, completed : str or None
        Numbers of the instructions last accepted and last completed.
    process_time, pumped : str or None
        The equipment's own counters of process time (s) and pumped volume (m3).
    heartbeat, echo : str or None
        Set-point that must keep changing, and what the equipment saw of it.
    """

    flow: str | None = None
    flow_setpoint: str | None = None
    composition: str | None = None
    composition_setpoint: str | None = None
    gradient: str | None = None
    blocking: tuple[str, ...] = ()
    state: str | None = None
    accepted: str | None = None
    completed: str | None = None
    process_time: str | None = None
    pumped: str | None = None
    heartbeat: str | None = None
    echo: str | None = None

    @classmethod
    def of(cls, table: TagTable, flow: str = "System.Flow") -> Words:
        """The words of `table`, whose measured flow is called `flow`."""

        def tag(name: str) -> str | None:
            return name if name in table.tags else None

        return cls(
            flow=tag(flow),
            flow_setpoint=tag(f"{flow}.SP"),
            composition=tag("Gradient.PercentB"),
            composition_setpoint=tag("Gradient.PercentB.SP"),
            gradient="Gradient" if "Gradient" in table.instructions else None,
            blocking=tuple(name for name in ("PumpWash",) if name in table.instructions),
            state=tag("System.State"),
            accepted=tag("Instruction.Accepted"),
            completed=tag("Instruction.Completed"),
            process_time=tag("System.ProcessTime"),
            pumped=tag("System.Volume"),
            heartbeat=tag("Heartbeat.SP"),
            echo=tag("Heartbeat.Echo"),
        )


def running_tag(table: TagTable, instruction: str) -> str | None:
    """The tag that shows that `instruction` is being carried out, if there is one."""
    name = f"{instruction}.Running"
    return name if name in table.tags else None
