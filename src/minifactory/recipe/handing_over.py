"""Static checks of transfers: a side without the other, turns that do not match, waits that can never end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from minifactory.errors import Finding
from minifactory.recipe.model import Phase, Recipe, Transfer
from minifactory.recipe.unroll import steps


@dataclass(frozen=True)
class _Event:
    """A phase that is one side of a transfer, in its place among those of its skid."""

    path: str
    phase: Phase

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.phase.delivers, self.phase.receives) if name)


def transfer_faults(recipe: Recipe) -> list[Finding]:
    """Everything that is wrong with how the skids of a recipe hand over to one another."""
    if not recipe.transfers:
        return []
    events = {skid: tuple(_events(recipe, skid)) for skid in recipe.skids}
    found = [finding for item in recipe.transfers for finding in _counterparts(recipe, item, events)]
    return found or list(_deadlocks(recipe, events))


def _events(recipe: Recipe, skid: str) -> Iterator[_Event]:
    for procedure in recipe.procedure:
        if procedure.skid == skid:
            for step in steps(procedure):
                if step.phase.delivers or step.phase.receives:
                    yield _Event(step.path, step.phase)


def _counterparts(
    recipe: Recipe, item: Transfer, events: Mapping[str, tuple[_Event, ...]]
) -> Iterator[Finding]:
    sent = [event for event in events.get(item.sender, ()) if event.phase.delivers == item.name]
    taken = [event for event in events.get(item.receiver, ()) if event.phase.receives == item.name]
    if not sent and not taken:
        found = f'no phase of {item.sender} delivers "{item.name}" and none of {item.receiver} receives it'
        yield Finding(item.where, found, remedy="Say so in both phases, or remove the transfer.")
    elif not sent or not taken:
        have, lack = (taken, item.sender) if not sent else (sent, item.receiver)
        word, path = ("delivers" if not sent else "receives"), have[0].path
        found = f'"{item.name}" of {path} has no counterpart: no phase of {lack} {word} it'
        yield Finding(have[0].phase.where or item.where, found, f'"{word}: {item.name}" in a phase of {lack}')
    elif len(sent) != len(taken):
        found = (
            f'"{item.name}" is delivered {len(sent)} times by {item.sender} ({sent[0].path}), '
            f"but received {len(taken)} times by {item.receiver} ({taken[0].path})"
        )
        yield Finding(
            item.where, found, "as often on both sides", "Give both loops the same number of turns."
        )
    elif any(_may_end_early(recipe, skid) for skid in (item.sender, item.receiver)):
        found = f'a loop around "{item.name}" may end early on one side, and leave the other waiting'
        remedy = "Let both loops end by their number of turns."
        yield Finding(item.where, found, remedy=remedy, severity="warning")


def _may_end_early(recipe: Recipe, skid: str) -> bool:
    return any(
        step.leaves for procedure in recipe.procedure if procedure.skid == skid for step in steps(procedure)
    )


def _deadlocks(recipe: Recipe, events: Mapping[str, tuple[_Event, ...]]) -> Iterator[Finding]:
    """Play the waits through; who is left in a circle can never go on.

    What a skid waits for is never taken back, so that the order in which they move makes no difference.
    """
    through = {item.name: item.vessel is not None for item in recipe.transfers}
    sides = {item.name: (item.sender, item.receiver) for item in recipe.transfers}
    place = dict.fromkeys(events, 0)
    begun: dict[tuple[str, str], int] = {}
    ended: dict[tuple[str, str], int] = {}

    def here(skid: str) -> _Event | None:
        return events[skid][place[skid]] if place[skid] < len(events[skid]) else None

    def shut(skid: str) -> str | None:
        """The transfer for which the skid has to wait now."""
        event = here(skid)
        assert event is not None
        for name in event.names:
            sender, receiver = sides[name]
            number = begun.get((name, skid), 0) + 1
            if skid == sender and through[name]:
                ready = ended.get((name, receiver), 0) >= number - 1
            elif skid == sender:
                other = here(receiver)
                at_it = other is not None and name == other.phase.receives
                ready = begun.get((name, receiver), 0) + at_it >= number
            elif through[name]:
                ready = ended.get((name, sender), 0) >= number
            else:
                ready = begun.get((name, sender), 0) >= number
            if not ready:
                return name
        return None

    moved = True
    while moved:
        moved = False
        for skid in events:
            event = here(skid)
            if event is None or shut(skid) is not None:
                continue
            for name in event.names:
                begun[name, skid] = begun.get((name, skid), 0) + 1
                ended[name, skid] = ended.get((name, skid), 0) + 1
            place[skid] += 1
            moved = True
    stuck = {skid: event for skid in events if (event := here(skid)) is not None}
    if not stuck:
        return
    parts = []
    for skid, event in stuck.items():
        awaited = shut(skid)
        assert awaited is not None
        sender, receiver = sides[awaited]
        peer, number = receiver if skid == sender else sender, begun.get((awaited, skid), 0) + 1
        parts.append(f"{skid} waits in {event.path} for {peer} ({awaited} {number})")
    first = next(iter(stuck.values()))
    remedy = "Change the order of the phases on one of the skids."
    yield Finding(first.phase.where, "deadlock: " + "; ".join(parts), "an order that can end", remedy)
