from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.orbit.states import PASSING, SATISFIED, TABLE, Command, State, allowed, askable, request

ASKABLE = [item for item in Command if item not in (Command.DONE, Command.FINISH)]


def test_every_state_has_a_row_and_every_row_leads_to_a_state() -> None:
    assert set(TABLE) == set(SATISFIED) == set(State)
    assert all(isinstance(after, State) for row in TABLE.values() for after in row.values())


def test_no_command_is_both_an_action_and_already_satisfied() -> None:
    for state in State:
        assert not SATISFIED[state] & set(TABLE[state])


@pytest.mark.parametrize("state", State)
def test_abort_works_in_every_state(state: State) -> None:
    after = request(state, Command.ABORT, "akta1")
    assert after in (State.ABORTING, State.ABORTED)


@given(st.lists(st.sampled_from(list(Command)), max_size=40))
def test_any_sequence_of_commands_stays_in_the_table(commands: list[Command]) -> None:
    state = State.IDLE
    for command in commands:
        if command in TABLE[state] or command in SATISFIED[state]:
            after = request(state, command, "akta1")
            assert after is TABLE[state].get(command, state)
            state = after
            continue
        with pytest.raises(InputError) as refusal:
            request(state, command, "akta1")
        assert all(item.value in str(refusal.value) for item in allowed(state))


@given(st.sampled_from(list(State)), st.sampled_from(ASKABLE))
def test_giving_a_command_twice_is_giving_it_once(state: State, command: Command) -> None:
    try:
        once = request(state, command, "akta1")
    except InputError:
        return
    if command is Command.RESET or command is Command.ABORT or once not in SATISFIED:
        assert request(once, command, "akta1") is once
        return
    assert command in SATISFIED[once]
    assert request(once, command, "akta1") is once


def test_every_passing_state_ends_in_a_resting_one() -> None:
    for state in PASSING:
        assert TABLE[state][Command.DONE] not in PASSING


def test_refusal_lists_what_is_legal() -> None:
    with pytest.raises(InputError) as refusal:
        request(State.HELD, Command.START, "akta1")
    assert str(refusal.value) == (
        'orbit akta1: "start" refused in state Held. Allowed now: restart, stop, abort.'
    )


def test_an_unknown_command_names_the_closest() -> None:
    with pytest.raises(InputError, match='Did you mean "restart"'):
        askable("restrat", "akta1")
    with pytest.raises(InputError):
        askable("done", "akta1")


def test_the_documented_table_is_the_table() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "orbit.md").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| state | start |"))
    heads = [cell.strip() for cell in lines[start].strip("|").split("|")][1:-1]
    seen = set()
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        state = State(cells[0])
        seen.add(state)
        for head, cell in zip(heads, cells[1:-1], strict=True):
            command = Command(head)
            after = TABLE[state].get(command)
            expected = after.value if after else ("=" if command in SATISFIED[state] else "")
            assert cell == expected, f"{state.value} {head}"
        passing = TABLE[state].get(Command.DONE) or TABLE[state].get(Command.FINISH)
        assert cells[-1].split(",")[0] == (passing.value if passing else "")
    assert seen == set(State)
