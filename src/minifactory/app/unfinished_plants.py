"""Runs on several skids that were cut short with the command that ran them.

Only on equipment that goes on without us can one be taken up (``--connect``): ``plant.json`` in the folder of
the plant's run says how it was started, the journal of each skid's run where that stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from minifactory.app.case import Case
from minifactory.app.orbit_process import NOTE, PlantNote, checkpoint_in, read_note
from minifactory.app.unfinished import LAST
from minifactory.errors import Finding, InputError, did_you_mean

RECORD = "record.html"


def cut_short(runs: Path) -> Iterator[PlantNote]:
    """Plants' runs in the folder `runs` of which a skid's run began and has not ended, the oldest first."""
    found = []
    for file in runs.glob(f"*/{NOTE}"):
        try:
            note = read_note(file.parent)
        except InputError:
            continue  # not one of ours, or torn: nothing is known that could be taken up
        saved = [checkpoint_in(note.journal_of(skid)) for skid in note.skids]
        begun = [item for item in saved if item is not None]
        concluded = (note.folder / RECORD).exists()
        if note.origin == "skid" and begun and not (concluded and all(item.ended for item in begun)):
            found.append(note)
    yield from sorted(found, key=lambda note: note.started)


def plant_to_take_up(runs: Path, case: Case, identifier: str) -> PlantNote:
    """The run called `identifier` (or the last one) of `case` that was cut short.

    Raises
    ------
    InputError
        When there is none.
    """
    mine = [note for note in cut_short(runs) if Path(note.case) == case.folder.resolve()]
    if not mine:
        found = f"no run of {case.name} was cut short on skids that go on by themselves"
        raise InputError(Finding(str(runs), found, remedy="Start anew, without --resume."))
    if identifier == LAST:
        return mine[-1]
    known = {note.run: note for note in mine}
    if identifier not in known:
        remedy = did_you_mean(identifier, known)
        raise InputError(Finding("--resume", f'no run "{identifier}" of {case.name}', remedy=remedy))
    return known[identifier]


def refuse_to_overrun_plants(runs: Path, urls: Collection[str]) -> None:
    """Return when no run of several skids in `runs` was cut short at one of `urls`; InputError otherwise."""
    for note in cut_short(runs):
        for url in set(note.skids.values()) & set(urls):
            found = f"was cut short and may still be going on at {url}"
            remedy = f"Go on with --resume {note.run}; to end it instead, add --on-restart safe."
            raise InputError(Finding(f"run {note.run}", found, remedy=remedy))
