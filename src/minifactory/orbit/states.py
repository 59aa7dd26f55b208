"""The ISA-88 states and commands of one controller, as one literal table.

`TABLE` says which command leads from which state where. A command that is not in a state's row is either
already satisfied there (`SATISFIED`: no effect, not an error) or refused with the list of what is legal.
`DONE` and `FINISH` are not commands of a person: the engine gives them when a passing state has done its
work and when the last phase has ended. Source: ANSI/ISA-88.00.01, procedural state model; what each state
means for the equipment is in ``docs/orbit.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from minifactory.errors import Finding, InputError, did_you_mean


class State(Enum):
    """Where the procedure stands."""

    IDLE = "Idle"
    RUNNING = "Running"
    PAUSING = "Pausing"
    PAUSED = "Paused"
    HOLDING = "Holding"
    HELD = "Held"
    RESUMING = "Resuming"
    RESTARTING = "Restarting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    ABORTING = "Aborting"
    ABORTED = "Aborted"
    COMPLETING = "Completing"
    COMPLETE = "Complete"


class Command(Enum):
    """What may be asked of the controller; the last two only the engine itself gives."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    RESTART = "restart"
    STOP = "stop"
    ABORT = "abort"
    RESET = "reset"
    DONE = "done"
    FINISH = "finish"


_S, _C = State, Command

TABLE: Mapping[State, Mapping[Command, State]] = {
    _S.IDLE: {_C.START: _S.RUNNING, _C.ABORT: _S.ABORTING},
    _S.RUNNING: {
        _C.PAUSE: _S.PAUSING,
        _C.HOLD: _S.HOLDING,
        _C.STOP: _S.STOPPING,
        _C.ABORT: _S.ABORTING,
        _C.FINISH: _S.COMPLETING,
    },
    _S.PAUSING: {
        _C.DONE: _S.PAUSED,
        _C.HOLD: _S.HOLDING,
        _C.STOP: _S.STOPPING,
        _C.ABORT: _S.ABORTING,
    },
    _S.PAUSED: {
        _C.RESUME: _S.RESUMING,
        _C.HOLD: _S.HOLDING,
        _C.STOP: _S.STOPPING,
        _C.ABORT: _S.ABORTING,
    },
    _S.RESUMING: {
        _C.DONE: _S.RUNNING,
        _C.PAUSE: _S.PAUSING,
        _C.HOLD: _S.HOLDING,
        _C.STOP: _S.STOPPING,
        _C.ABORT: _S.ABORTING,
    },
    _S.HOLDING: {_C.DONE: _S.HELD, _C.STOP: _S.STOPPING, _C.ABORT: _S.ABORTING},
    _S.HELD: {_C.RESTART: _S.RESTARTING, _C.STOP: _S.STOPPING, _C.ABORT: _S.ABORTING},
    _S.RESTARTING: {
        _C.DONE: _S.RUNNING,
        _C.PAUSE: _S.PAUSING,
        _C.HOLD: _S.HOLDING,
        _C.STOP: _S.STOPPING,
        _C.ABORT: _S.ABORTING,
    },
    _S.STOPPING: {_C.DONE: _S.STOPPED, _C.ABORT: _S.ABORTING},
    _S.STOPPED: {_C.RESET: _S.IDLE, _C.ABORT: _S.ABORTING},
    _S.ABORTING: {_C.DONE: _S.ABORTED},
    _S.ABORTED: {_C.RESET: _S.IDLE},
    _S.COMPLETING: {_C.DONE: _S.COMPLETE, _C.STOP: _S.STOPPING, _C.ABORT: _S.ABORTING},
    _S.COMPLETE: {_C.RESET: _S.IDLE, _C.ABORT: _S.ABORTING},
}
"""State -> command -> next state; whatever is not here cannot happen."""

SATISFIED: Mapping[State, frozenset[Command]] = {
    _S.IDLE: frozenset({_C.RESET}),
    _S.RUNNING: frozenset({_C.START, _C.RESUME, _C.RESTART}),
    _S.PAUSING: frozenset({_C.PAUSE}),
    _S.PAUSED: frozenset({_C.PAUSE}),
    _S.RESUMING: frozenset({_C.RESUME}),
    _S.HOLDING: frozenset({_C.HOLD}),
    _S.HELD: frozenset({_C.HOLD}),
    _S.RESTARTING: frozenset({_C.RESTART}),
    _S.STOPPING: frozenset({_C.STOP}),
    _S.STOPPED: frozenset({_C.STOP}),
    _S.ABORTING: frozenset({_C.ABORT}),
    _S.ABORTED: frozenset({_C.ABORT}),
    _S.COMPLETING: frozenset({_C.FINISH}),
    _S.COMPLETE: frozenset({_C.FINISH}),
}
"""Commands that a state has already satisfied: giving them (again) changes nothing."""

PASSING = frozenset(state for state, row in TABLE.items() if _C.DONE in row)
"""States that end by themselves."""

ENDED = frozenset({_S.STOPPED, _S.ABORTED, _S.COMPLETE})
"""States in which a run is over."""

ENDING = frozenset({_S.STOPPING, _S.ABORTING, _S.COMPLETING})
"""States that end a run."""

METHOD_RUNS = frozenset({_S.RUNNING})
"""States in which the clock of the phase runs and its conditions are evaluated."""

_ASKABLE = tuple(command for command in Command if command not in (_C.DONE, _C.FINISH))


def allowed(state: State) -> tuple[Command, ...]:
    """The commands that have an effect in `state`, in the order of :class:`Command`."""
    return tuple(command for command in _ASKABLE if command in TABLE[state])


def askable(command: str | Command, controller: str) -> Command:
    """The command called `command`, if it is one that may be asked for.

    Raises
    ------
    InputError
        When there is no such command; names the closest.
    """
    for item in _ASKABLE:
        if command in (item, item.value):
            return item
    known = [item.value for item in _ASKABLE]
    raise InputError(
        Finding(f"orbit {controller}", f'no command "{command}"', remedy=did_you_mean(str(command), known))
    )


def request(state: State, command: Command, controller: str) -> State:
    """The state after `command`; `state` itself when it is already satisfied.

    Raises
    ------
    InputError
        When `command` is not legal in `state`; lists what is.
    """
    following = TABLE[state].get(command)
    if following is not None:
        return following
    if command in SATISFIED[state]:
        return state
    legal = ", ".join(item.value for item in allowed(state)) or "nothing; wait"
    raise InputError(
        Finding(
            f"orbit {controller}",
            f'"{command.value}" refused in state {state.value}',
            remedy=f"Allowed now: {legal}.",
        )
    )
