"""Taking a run up again after the controller died: measured by the equipment's own counters, resolved by
read-back.

The checkpoint tells where the run stood at most one scan before the end. What the equipment did meanwhile
follows from its counters of time and pumped volume; which instructions it accepted, from the number that it
shows. What cannot be resolved is held and asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from minifactory.errors import Finding, InputError
from minifactory.orbit.checkpoint import Checkpoint, OpenInstruction
from minifactory.orbit.conduct import Conduct
from minifactory.orbit.current import Current
from minifactory.orbit.image import Image
from minifactory.orbit.instructions import Instructions
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.states import State
from minifactory.orbit.words import Words
from minifactory.recipe.bound import BoundRecipe


class OnRestart(Enum):
    """What a restarted controller does with the run that it finds.

    `SAFE`: take the safe state. `HOLD`: supervise it again, held, until told. `ASK`: the same with the pumps
    stopped. `RESUME`: go on by itself where everything could be resolved, else as `HOLD`.
    """

    SAFE = "safe"
    HOLD = "hold"
    ASK = "ask"
    RESUME = "resume"


_RESTING = {
    State.PAUSING.value: State.PAUSED,
    State.PAUSED.value: State.PAUSED,
    State.HOLDING.value: State.HELD,
    State.HELD.value: State.HELD,
}
OF_ITSELF = frozenset({"Safe"})
"""States that the equipment takes because nobody supervised it: left again with the controller back."""
FLOWING = ("Running", "Resuming", "Pausing", "Paused")
"""States in which what is pumped belongs to the phase."""


@dataclass(frozen=True)
class Findings:
    """What the read-back tells of the time without a controller.

    `gap` in s, `volume` in m3 pumped meanwhile; `doubts` are the things that could not be resolved, in words.
    `standing` is the state in which the equipment has stopped by itself, empty when it has not; `ran` the
    time in s for which the method went on (less than the gap when the pumps were stopped on the way).
    """

    gap: float
    volume: float
    doubts: tuple[str, ...]
    accepted: int
    standing: str = ""
    ran: float = 0.0


def resting_state(saved: str) -> State:
    """The state in which a run that was in `saved` is taken up; endings are gone through again from
    Running."""
    return _RESTING.get(saved, State.RUNNING)


def ending_command(saved: str) -> State | None:
    """The ending that was under way in state `saved`; None when there was none."""
    return {item.value: item for item in (State.STOPPING, State.ABORTING, State.COMPLETING)}.get(saved)


def may_recover(saved: Checkpoint, bound: BoundRecipe, skid: str, state: State) -> None:
    """Check that `saved` can be taken up with `bound` on `skid` by a controller in `state`.

    Raises
    ------
    InputError
        When the controller has been used already, the run had ended, or it was another recipe or skid.
    """
    where = f"orbit {skid}"
    findings: list[Finding] = []
    if state is not State.IDLE:
        findings.append(Finding(where, f'"recover" refused in state {state.value}'))
    if saved.ended:
        findings.append(Finding(where, f"run {saved.run} ended before the restart", remedy="Start anew."))
    known, given = (saved.skid, saved.recipe, saved.version), (skid, bound.recipe, bound.version)
    if known != given:
        found = f"the journal is of {', '.join(known)}"
        findings.append(Finding(where, found, ", ".join(given), "Load the recipe that was running."))
    if findings:
        raise InputError(findings)


def resolved(saved: Checkpoint, image: Image, words: Words, after: float, rate: float, good: float) -> bool:
    """Whether the equipment shows by now all that it had been told before the end of the last controller.

    That is so `after` s of link time later: by the equipment's own clock since the checkpoint, which the end
    followed within a scan, or for as long as it has been read well now (`good`, s of link time). `rate` is
    process time per link time.
    """
    if not saved.open or good >= after:
        return True
    time = _read(image, words.process_time)
    return time is not None and saved.device_time is not None and time - saved.device_time >= rate * after


def compare(
    saved: Checkpoint,
    image: Image,
    words: Words,
    wall: datetime,
    standing: str = "",
    passed: float | None = None,
) -> Findings:
    """What happened since the checkpoint, by the equipment's counters; by the wall clock where it has
    none. `standing`: the state in which the equipment has stopped by itself, if it has; `passed`: the process
    time (s) since, where it is known."""
    doubts: list[str] = []
    time, volume = _read(image, words.process_time), _read(image, words.pumped)
    began_anew = time is not None and saved.device_time is not None and time < saved.device_time
    if passed is not None and not began_anew:
        gap = passed
    elif time is not None and saved.device_time is not None and not began_anew:
        gap = time - saved.device_time
    else:
        gap = max(0.0, (wall - datetime.fromisoformat(saved.wall)).total_seconds())
        doubts.append("how long nobody supervised, for the equipment's clock is missing or began anew")
    pumped = 0.0
    if volume is not None and saved.device_volume is not None and volume >= saved.device_volume - 1e-12:
        pumped = max(0.0, volume - saved.device_volume)
    else:
        doubts.append("what was pumped meanwhile, for the equipment's counter is missing or began anew")
    accepted = _read(image, words.accepted)
    if accepted is None:
        doubts.append("which instructions were carried out, for the equipment shows no number")
    elif accepted > saved.number:
        doubts.append(f"instructions up to number {accepted:g}, for the journal ends at {saved.number}")
    if standing and any(item.name in words.blocking for item in saved.open):
        doubts.append(f"whether the pump wash was finished, for the equipment is in its state {standing}")
    ran = min(gap, _time_to_pump(pumped, saved, words)) if standing else gap
    return Findings(gap, pumped, tuple(doubts), int(accepted or 0), standing, ran)


def _time_to_pump(volume: float, saved: Checkpoint, words: Words) -> float:
    """s that the pumps needed for `volume` (m3) at the flow that was wanted; 0 when none was."""
    flow = saved.wanted.get(words.flow_setpoint or "", 0.0) * min(saved.factors.values(), default=1.0)
    return volume / flow if flow > 0.0 else 0.0


def take_up(
    saved: Checkpoint,
    found: Findings,
    current: Current,
    process: float,
    link: float,
    outputs: Outputs,
    instructions: Instructions,
    conduct: Conduct,
) -> None:
    """Put the parts of the controller where `saved` left them, moved on by what was found (times in s)."""
    origin = process - saved.time - found.gap
    current.started = origin
    current.answers, current.waiting_at = dict(saved.answers), saved.waiting_at
    flowing = saved.state in FLOWING and not saved.washing
    running = saved.state == State.RUNNING.value and not saved.washing
    current.procedure.take_up(
        saved.position,
        origin + saved.phase_started,
        saved.phase_time + (found.ran if running else 0.0),
        saved.phase_volume + (found.volume if flowing else 0.0),
        saved.fired,
        saved.memory,
    )
    current.bound = current.procedure.bound
    since, collected = saved.collecting or (process - origin, 0.0)
    current.levels.take_up(
        saved.consumed,
        saved.received,
        saved.outlet,
        found.volume,
        (origin + since, collected),
        saved.turning,
        saved.contents,
    )
    accepted = [item for item in saved.open if item.number <= found.accepted]
    wanted, composition = dict(saved.wanted), conduct.words.composition_setpoint
    wanted.pop(conduct.words.heartbeat or "", None)  # this controller has its own
    if composition is not None and any(_is_gradient(item, conduct) for item in saved.open):
        # The checkpoint was taken before the gradient took the composition over.
        if any(_is_gradient(item, conduct) for item in accepted):
            wanted.pop(composition, None)
        else:
            outputs.release(composition)
    outputs.want(wanted, "restart")
    outputs.factors.update(saved.factors)
    gradient = conduct.gradient
    gradient.target, gradient.volume, gradient.passed, gradient.running = saved.gradient
    instructions.continue_after(max(saved.number, found.accepted))
    if flowing and not any(_is_gradient(item, conduct) for item in saved.open if item not in accepted):
        gradient.elapse(found.volume)
    for item in (*saved.closed, *saved.open):
        again = item in saved.closed
        sent = again or item in accepted
        instructions.take_up(item.number, item.name, item.arguments, item.source, sent, process, link, again)


def drop_unsent_gradient(instructions: Instructions, conduct: Conduct) -> None:
    """A run that is held must not begin a gradient: the restart will issue all of it."""
    if conduct.words.gradient is not None:
        instructions.drop_waiting(conduct.words.gradient)


def _is_gradient(item: OpenInstruction, conduct: Conduct) -> bool:
    return item.name == conduct.words.gradient


def _read(image: Image, name: str | None) -> float | None:
    return None if name is None else image.values.get(name)
