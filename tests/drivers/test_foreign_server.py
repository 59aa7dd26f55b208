"""A server of another maker: its map is proposed, checked and used; it moves, lies and is found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from foreign_server import Foreign

from minifactory.drivers.liveness import Liveness
from minifactory.drivers.map_file import read_map, write_map
from minifactory.drivers.opcua_free_running import FreeRunningBackend
from minifactory.errors import EquipmentError, InputError
from minifactory.opcua.certificates import Identity, introduce, own_identity
from minifactory.opcua.proposing import propose
from minifactory.opcua.session import Target, open_session
from minifactory.opcua.survey import survey
from minifactory.opcua.tag_map import TagMap
from minifactory.signals import Argument, Instruction, Quality, Reading, Tag, TagTable
from minifactory.units import ABSORBANCE, CONDUCTIVITY, FLOW, NUMBER, PERCENT_B, PRESSURE, VOLUME

ML_MIN = 1e-6 / 60.0
OUTLETS = ("WasteF1", "F2", "F3")
TABLE = TagTable.of(
    "akta1",
    [
        Tag("System.Flow", FLOW, "mL/min", lower=0.0, upper=100 * ML_MIN),
        Tag("OutletValve.Position", NUMBER, choices=OUTLETS),
        Tag("UV1.Signal", ABSORBANCE, "mAU"),
        Tag("Cond.Signal", CONDUCTIVITY, "mS/cm"),
        Tag("Pressure.System", PRESSURE, "MPa"),
        Tag("System.Flow.SP", FLOW, "mL/min", True, lower=0.0, upper=100 * ML_MIN, readback="System.Flow"),
        Tag("OutletValve.SP", NUMBER, "", True, OUTLETS, readback="OutletValve.Position"),
        Tag("Heartbeat.SP", NUMBER, "", True),
    ],
    [
        Instruction("Gradient", (Argument("percent_b", PERCENT_B, "%B"), Argument("volume", VOLUME, "mL"))),
        Instruction("AutoZero"),
    ],
)
Pair = tuple[Identity, Identity]


@pytest.fixture
def strangers(tmp_path: Path) -> Pair:
    server = own_identity(tmp_path / "acme", "urn:acme:server")
    orbit = own_identity(tmp_path / "orbit", "urn:minifactory:orbit")
    introduce(server, orbit)
    return server, orbit


async def proposed_file(target: Target, file: Path) -> TagMap:
    """The map proposed for the server, by way of its file."""
    session = await open_session(target)
    try:
        proposal = propose(await survey(session), TABLE)
    finally:
        await session.close()
    file.write_text(write_map(proposal.tag_map, "akta1", proposal.scores, {}, "made by a test"))
    return read_map(file, TABLE)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_foreign_server_is_mapped_used_moved_and_found_again(tmp_path: Path, strangers: Pair) -> None:
    async with Foreign(strangers[0], padding=2) as foreign:
        target = Target(foreign.url, strangers[1], timeout=5.0)
        tag_map = await proposed_file(target, tmp_path / "map.yaml")
        assert tag_map.absent == {"Heartbeat.SP"}
        assert tag_map.place(TABLE.tags["System.Flow"]).path[-1].name == "Total Flow Rate"
        assert tag_map.place(TABLE.tags["OutletValve.SP"]).path[-1].name == "Outlet Valve Cmd"
        reduced = tag_map.reduced(TABLE)
        backend = await asyncio.to_thread(FreeRunningBackend, target, reduced, tag_map, 0.05)
        try:
            await foreign.set("Total Flow Rate", 0.6)
            await until(lambda: abs(backend.read()["System.Flow"].value - 10.0 * ML_MIN) < 1e-6 * ML_MIN)
            assert backend.read()["OutletValve.Position"].value == 0.0
            assert backend.read()["Pressure.System"].value == pytest.approx(1e4, rel=1e-6)
            assert backend.read()["Cond.Signal"].value == pytest.approx(5e-4, rel=1e-6)
            await asyncio.to_thread(backend.write, {"OutletValve.SP": 2.0, "System.Flow.SP": 20.0 * ML_MIN})
            assert await foreign.value("Outlet Valve Cmd") == 3
            assert await foreign.value("Total Flow Rate Setpoint") == pytest.approx(1.2)
            gradient = {"percent_b": 60.0, "volume": 2e-5}
            await asyncio.to_thread(backend.call, "Gradient", gradient, 1, "recipe")
            assert foreign.calls == [("Run Gradient", (pytest.approx(60.0), pytest.approx(20.0)))]

            await foreign.set_unit("UV Absorbance 1", "AU")
            await until(lambda: backend.read()["UV1.Signal"].quality is Quality.BAD)
            assert backend.read()["System.Flow"].good
            await foreign.set_unit("UV Absorbance 1", "mAU")
            await until(lambda: backend.read()["UV1.Signal"].good)
            future = datetime.now(UTC) + timedelta(hours=1)
            await foreign.set("UV Absorbance 1", 7.0, SourceTimestamp=future)
            await until(lambda: backend.read()["UV1.Signal"].quality is Quality.BAD)

            await foreign.move()
            await foreign.set("Total Flow Rate", 1.2)
            await until(lambda: abs(backend.read()["System.Flow"].value - 20.0 * ML_MIN) < 1e-6 * ML_MIN)
            assert backend.read()["System.Flow"].good
        finally:
            await asyncio.to_thread(backend.close)


async def test_a_wrong_unit_is_refused_when_connecting(tmp_path: Path, strangers: Pair) -> None:
    async with Foreign(strangers[0]) as foreign:
        target = Target(foreign.url, strangers[1], timeout=5.0)
        tag_map = await proposed_file(target, tmp_path / "map.yaml")
        await foreign.set_unit("System Pressure", "psi")
        with pytest.raises(EquipmentError, match=r'Pressure.System: its unit is "psi"; expected "bar"'):
            await asyncio.to_thread(FreeRunningBackend, target, tag_map.reduced(TABLE), tag_map)


def test_every_fault_of_a_map_is_told_without_a_server(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(
        "skid: akta1\n"
        'namespaces: {v: "urn:acme:chrom"}\n'
        "tags:\n"
        "  System.Flow: {path: /w:Pumps/w:Flow, unit: l/h}\n"
        "  System.Flow.SP: {path: /v:Pumps/v:Set, unit: bar}\n"
        "  OutletValve.SP: {path: /v:Out, choices: {F9: 1}}\n"
        "  UV.Signal: {path: /v:UV}\n"
        "absent: [Heartbeat.SP, AutoZero]\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        read_map(file, TABLE)
    said = str(caught.value)
    for fault in (
        'no namespace "w"',
        '"bar" is no unit of flow',
        'no choice "F9"',
        'no tag "UV.Signal". Did you mean "UV1.Signal"?',
        '"Pressure.System" is neither mapped nor listed as absent',
    ):
        assert fault in said


def test_a_device_whose_clock_stands_still_ages_although_it_answers() -> None:
    judge = Liveness("Clock", {"UV": 2.0})

    def seen(now: float, clock: float, uv: float) -> dict[str, float]:
        readings = {"Clock": Reading(clock, now), "UV": Reading(uv, now), "Valve": Reading(1.0, now)}
        return {name: item.time for name, item in judge.judge(readings, now).items()}

    assert seen(0.0, 0.0, 1.0) == {"Clock": 0.0, "UV": 0.0, "Valve": 0.0}
    assert seen(1.0, 1.0, 1.1)["Valve"] == 1.0
    assert seen(1.4, 1.0, 1.2)["Valve"] == 1.4
    assert seen(2.0, 1.0, 1.3) == {"Clock": 1.0, "UV": 1.0, "Valve": 1.0}
    assert seen(3.0, 3.0, 1.3)["UV"] == 3.0
    assert seen(5.0, 5.0, 1.3) == {"Clock": 5.0, "UV": 2.0, "Valve": 5.0}
