"""What is declared about a controller before it runs: scan, ages, deadlines, and what to do when something
fails.

All times are in s. *Link* times run on the monotonic clock and stand still in lock-step; *process* times run
with the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from minifactory.errors import Finding, InputError


class Reaction(Enum):
    """What a failure leads to, from mild to strong; the safe state is `ABORT`."""

    ALARM = "alarm"
    REDUCE_FLOW = "reduce_flow"
    HOLD = "hold"
    PAUSE = "pause"
    STOP = "stop"
    ABORT = "abort"

    @property
    def rank(self) -> int:
        """Larger is stronger."""
        return list(Reaction).index(self)


@dataclass(frozen=True)
class Policy:
    """The declared behaviour of one controller.

    Parameters
    ----------
    scan : float
        Process time between two scans in s.
    lock_step : bool
        True when the controller is the time master: each scan grants the equipment its time, and ages and
        heartbeat are suspended, for nothing moves between two scans.
    stale_after : float
        Link time in s after which a reading is no longer good.
    alarm_after : float
        Link time in s without good readings after which alarm and reaction follow.
    on_link_loss, on_stale : Reaction
        When nothing can be read, and when a tag that is needed now cannot.
    tag_reactions : Mapping of str to Reaction
        Instead of `on_stale`, for tags that are watched at all times.
    readback_process, readback_link : float
        A set-point or instruction must be confirmed before both have passed (s). A real AKTA takes 0.2-1.0 s.
    readback_tries : int
        How often an unconfirmed set-point is sent again before `on_unconfirmed` follows.
    on_unconfirmed : Reaction
        When a set-point or instruction is not confirmed in time.
    on_empty, on_full : Reaction
        When a vessel that is drawn from has reached its minimum, and when one that receives is at its
        capacity, by the estimate of its level.
    unsupervised_after : float
        Link time in s without a scan after which nobody supervised: the process was stopped or the machine
        slept.
    on_unsupervised : Reaction
        What follows then; `ALARM`: the run goes on where all could be resolved, else it is held.
    low_level : float
        Process time in s to empty below which a vessel that is drawn from gives a warning.
    settle : float
        Process time in s that a passing state may take before it goes on without confirmation (with an
        alarm); at least `readback_link` on the link.
    hold_timeout : float
        Process time in s for which Held and Paused may last; then the run stops. Infinite: for ever.
    reduce_step, reduce_floor, reduce_every, recover_after : float
        Flow reduction by interlock: every `reduce_every` s the flow is multiplied by `reduce_step`, down to
        `reduce_floor` times the set-point; `recover_after` s after the cause went away it comes back by the
        same steps.
    escalate_after : float
        Process time in s at the floor (and then in Held) after which the ladder goes one step up:
        reduce flow, hold, abort.
    dead_end_after : float
        Process time in s for which the pumps may face a closed way; valves that turn together need it.
    longest_shelf : float
        Process time in s for which an alarm may be shelved at most.
    escalate_to : Reaction
        The last step of the ladder: `ABORT`, or `STOP` for a controlled end.
    heartbeat : float
        Link time in s between two changes of ``Heartbeat.SP``.
    patience : float
        Real time in s for which a scan may wait for the answer to a command (free running).
    resolve_after : float
        Link time in s for which a restarted controller reads before it judges what was accepted;
        longer than the equipment takes to show that (AKTA: up to 1 s).
    clock_mark : float
        Process time in s between two clock marks in the record.
    """

    scan: float = 0.1
    lock_step: bool = False
    stale_after: float = 1.0
    alarm_after: float = 1.5
    on_link_loss: Reaction = Reaction.ABORT
    on_stale: Reaction = Reaction.HOLD
    tag_reactions: Mapping[str, Reaction] = field(default_factory=dict)
    readback_process: float = 5.0
    readback_link: float = 2.0
    readback_tries: int = 2
    on_unconfirmed: Reaction = Reaction.HOLD
    on_empty: Reaction = Reaction.PAUSE
    on_full: Reaction = Reaction.PAUSE
    unsupervised_after: float = 2.0
    on_unsupervised: Reaction = Reaction.ALARM
    low_level: float = 600.0
    settle: float = 20.0
    hold_timeout: float = float("inf")
    reduce_step: float = 0.8
    reduce_floor: float = 0.3
    reduce_every: float = 2.0
    recover_after: float = 30.0
    escalate_after: float = 10.0
    dead_end_after: float = 3.0
    escalate_to: Reaction = Reaction.ABORT
    longest_shelf: float = 8.0 * 3600.0
    heartbeat: float = 1.0
    patience: float = 0.1
    resolve_after: float = 1.2
    clock_mark: float = 600.0

    def __post_init__(self) -> None:
        if not self.scan > 0.0:
            raise InputError(Finding("policy.scan", f"{self.scan} s", "a time above 0 s"))
        if not 0.0 < self.reduce_step < 1.0 or not 0.0 < self.reduce_floor <= 1.0:
            raise InputError(
                Finding("policy", "flow reduction", "a step between 0 and 1 and a floor between 0 and 1")
            )

    def declared(
        self,
        link: str = "",
        stale: str = "",
        unconfirmed: str = "",
        empty: str = "",
        full: str = "",
        unsupervised: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Policy:
        """This policy with the reactions that are named (values of :class:`Reaction`); empty: as it is."""
        named = {
            "on_link_loss": link,
            "on_stale": stale,
            "on_unconfirmed": unconfirmed,
            "on_empty": empty,
            "on_full": full,
            "on_unsupervised": unsupervised,
        }
        changes: dict[str, Any] = {name: Reaction(word) for name, word in named.items() if word}
        reactions = {name: Reaction(word) for name, word in (tags or {}).items()}
        return replace(self, tag_reactions={**self.tag_reactions, **reactions}, **changes)

    @classmethod
    def in_lock_step(cls, scan: float = 1.0) -> Policy:
        """The policy of a controller that is the time master, `scan` s of process time apart."""
        return cls(scan=scan, lock_step=True)
