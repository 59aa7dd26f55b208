"""The vendor-like layout: each tag has a place of its own; the map proposed for it is complete and right."""

from __future__ import annotations

from pathlib import Path

import pytest
from trivial_skid import TrivialSkid

from minifactory.errors import InputError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.layout import own_layout
from minifactory.opcua.proposing import propose
from minifactory.opcua.server import ServerSettings, SkidServer, password_digest
from minifactory.opcua.session import Target, open_session
from minifactory.opcua.survey import survey
from minifactory.opcua.unicorn_like import unicorn_like
from minifactory.plant.load import load_plant
from minifactory.plant.tagging import tag_table
from minifactory.signals import TagTable
from minifactory.skid.server import Options

CASES = sorted(path.parent for path in (Path(__file__).parents[2] / "cases").glob("*/factory.yaml"))


def tables() -> list[TagTable]:
    return [tag_table(skid) for case in CASES for skid in load_plant(case).skids.values()]


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.skid)
def test_every_tag_has_a_place_of_its_own(table: TagTable) -> None:
    layout, own = unicorn_like(table), own_layout(table)
    places = [
        *(item.path for item in layout.tags.values()),
        *(item.path for item in layout.instructions.values()),
        *layout.console.values(),
        layout.refusal,
    ]
    assert len(set(places)) == len(places)
    assert layout.tags.keys() == own.tags.keys()
    assert not set(places) & {item.path for item in own.tags.values()}


class Published(TrivialSkid):
    """A skid of which only the table counts."""

    def __init__(self, table: TagTable) -> None:
        super().__init__()
        self.table = table
        self.points = {tag.name: 0.0 for tag in table.writable}


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.skid)
async def test_the_map_proposed_for_it_is_complete_and_right(
    table: TagTable, introduced: tuple[Identity, Identity]
) -> None:
    settings = ServerSettings(
        introduced[0], users={"orbit": password_digest("pass")}, layout=unicorn_like, speed=1e-3
    )
    async with SkidServer(Published(table), settings) as server:
        target = Target(server.endpoint, introduced[1], 30.0, user="orbit", password="pass")
        session = await open_session(target)
        try:
            found = propose(await survey(session), table)
        finally:
            await session.close()
    layout = unicorn_like(table)
    assert not found.tag_map.absent
    for name, place in found.tag_map.places.items():
        assert tuple(step.name for step in place.path) == (table.skid, *layout.tags[name].path)
        choices = table.tags[name].choices
        if place.choices:
            assert [place.choices[choice] for choice in choices] == [(it,) for it in layout.tags[name].names]
    for name, call in found.tag_map.instructions.items():
        assert tuple(step.name for step in call.path) == (table.skid, *layout.instructions[name].path)


def test_a_profile_needs_a_user_and_time_of_its_own(tmp_path: Path) -> None:
    users = {"orbit": password_digest("pass")}
    with pytest.raises(InputError, match="--password-file"):
        Options(1.0, tmp_path, profile="unicorn")
    with pytest.raises(InputError, match="lock-step"):
        Options(None, tmp_path, profile="unicorn", users=users)
    with pytest.raises(InputError, match="unicorn"):
        Options(1.0, tmp_path, profile="unicron", users=users)
