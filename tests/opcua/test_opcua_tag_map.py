"""Tags are found by names; a map that does not fit is reported whole, with what is closest."""

from __future__ import annotations

import pytest
from trivial_skid import TrivialSkid, skid_table

from minifactory.errors import EquipmentError
from minifactory.opcua.certificates import Identity
from minifactory.opcua.client import connect
from minifactory.opcua.server import ServerSettings, SkidServer
from minifactory.opcua.session import Target
from minifactory.opcua.tag_map import TagMap
from minifactory.signals import Argument, Instruction, Tag, TagTable
from minifactory.units import ABSORBANCE, FLOW, NUMBER, PRESSURE, VOLUME

Pair = tuple[Identity, Identity]


async def test_every_mismatch_is_reported_with_the_closest_name(introduced: Pair) -> None:
    skid = TrivialSkid()
    wanted = TagTable.of(
        "skid1",
        [
            *skid_table().tags.values(),
            Tag("System.Flaw", FLOW, "mL/min"),
            Tag("Systems.Flow", FLOW, "mL/min"),
            Tag("Pressure.System.SP", PRESSURE, "MPa", True),
        ],
        [Instruction("Gradiant", (Argument("volume", VOLUME, "mL"),))],
    )
    async with SkidServer(skid, ServerSettings(introduced[0])) as server:
        target = Target(server.endpoint, introduced[1])
        with pytest.raises(EquipmentError) as caught:
            await connect(target, wanted)
        root, where = "Objects/2:skid1", f"driver {server.endpoint}:"
        said = [str(finding) for finding in caught.value.findings]
        assert said[0] == (
            f'{where} tag "System.Flaw" not found under {root}/2:System. '
            f"Closest: {root}/2:System/2:Flow with children SP."
        )
        assert said[1] == (
            f'{where} tag "Systems.Flow" not found under {root}. '
            f"Closest: {root}/2:System with children Flow, ProcessTime, State."
        )
        assert said[2] == (
            f'{where} tag "Pressure.System.SP" not found under {root}/2:Pressure/2:System. '
            f"Closest: {root}/2:Pressure/2:System."
        )
        assert said[3] == (
            f'{where} instruction "Gradiant" not found under {root}/2:Instruction. '
            f"Closest: {root}/2:Instruction/2:Gradient."
        )
        assert len(said) == 4
        with pytest.raises(EquipmentError, match='namespace "urn:other" not found'):
            await connect(target, skid.table, TagMap(("skid1",), "urn:other"))
        with pytest.raises(EquipmentError, match="Closest: Objects/2:skid1 with children"):
            await connect(target, skid.table, TagMap(("skid2",)))


async def test_what_is_found_must_fit_the_table(introduced: Pair) -> None:
    skid = TrivialSkid()
    other = TagTable.of(
        "skid1",
        [
            Tag("System.Flow", FLOW, "L/h"),
            Tag("OutletValve.Position", NUMBER, choices=("Waste", "F2", "F3")),
            Tag("Gradient.Running", NUMBER, choices=("Off", "On")),
            Tag("UV1.Signal", ABSORBANCE, "mAU", True),
            Tag("Instruction.Refusal", NUMBER),
        ],
    )
    async with SkidServer(skid, ServerSettings(introduced[0])) as server:
        with pytest.raises(EquipmentError) as caught:
            await connect(Target(server.endpoint, introduced[1]), other)
    said = [str(finding) for finding in caught.value.findings]
    assert len(said) == 5
    assert 'its unit is "mL/min"; expected "L/h"' in said[0]
    assert "its choices are WasteF1, F2, F3; expected Waste, F2, F3" in said[1]
    assert "its choices are No, Yes; expected Off, On" in said[2]
    assert "UV1.Signal: it cannot be written" in said[3]
    assert "expected a number or a boolean" in said[4]


async def test_a_map_leads_to_other_places(introduced: Pair) -> None:
    skid = TrivialSkid()
    renamed = TagTable.of("orbit's name", [Tag("Speed.SP", FLOW, "mL/min", True)], [Instruction("Zero")])
    tag_map = TagMap(
        ("skid1",), paths={"Speed.SP": ("System", "Flow", "SP"), "Zero": ("Instruction", "AutoZero")}
    )
    async with SkidServer(skid, ServerSettings(introduced[0])) as server:
        client = await connect(Target(server.endpoint, introduced[1]), renamed, tag_map)
        await client.write({"Speed.SP": 1e-7})
        await client.call("Zero", {}, 1, "test")
        await client.close()
    assert skid.points["System.Flow.SP"] == pytest.approx(1e-7, rel=1e-14)
    assert skid.calls == [("AutoZero", {}, 1, "test")]
